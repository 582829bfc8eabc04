// Roles in processes of their own, as an operator runs them: two of each on PostgreSQL, on both servers.
import { jest } from '@jest/globals';
import pg from 'pg';
import { until } from '../fault/own-server.js';
import { type EventStream, openEvents } from '../support/events.js';
import { FOLLOWER, followByPresence, heard, subscribeTo } from '../support/follow.js';
import { type Roles, startRoles } from '../support/roles.js';
import { createDatabase, SERVERS, server } from '../support/servers/index.js';
import { type Author, type Service, startService } from '../support/service-process.js';
import { Browser, type Site } from '../support/web.js';
import { connect, type TestClient } from '../support/xmpp-client.js';

// Six processes start, end and take over: more than the usual half minute on a busy machine.
jest.setTimeout(240_000);

describe.each(SERVERS)('on %s', (name) => {
  let roles: Roles;
  let admin: pg.Client;
  /** She is logged in at the first web process. */
  let alice: Author;
  let byPresence: TestClient;
  let bySubscription: TestClient;
  /** Guids of all that was accepted. */
  const accepted: string[] = [];

  beforeAll(async () => {
    const here = await server(name);
    roles = await startRoles(here.component, await createDatabase(), { webs: 2, workers: 2, connectors: 2 }, { chatDomain: here.chatDomain, env: { DX_LOG_LEVEL: 'info' } });
    admin = new pg.Client({ connectionString: roles.databaseUrl });
    admin.on('error', () => {}); // some tests end every connection
    await admin.connect();
    alice = await roles.webs[0]!.author('alice');
    byPresence = await connect({ ...(await here.newAccount('reader')), features: FOLLOWER });
    bySubscription = await connect(await here.newAccount('reader'));
    await followByPresence(byPresence, alice.jid);
    await subscribeTo(bySubscription, alice.jid);
  });
  afterAll(async () => {
    await Promise.all([byPresence, bySubscription].map((client) => client?.disconnect()));
    await admin?.end();
    await roles?.stop();
  });

  /** The same browser at another web process: it has the same cookies. */
  function at(web: Service, browser = alice.browser): Browser {
    const other = new Browser(web.url as unknown as Site['app']);
    for (const [cookie, value] of browser.cookies) other.cookies.set(cookie, value);
    return other;
  }
  const post = async (text: string): Promise<void> => void accepted.push(await alice.post(text));
  const component = async (service: Service): Promise<string> => (await service.readyz()).parts.component!.text;
  /** The connectors that say they are connected. */
  const connected = async () => {
    const states = await Promise.all(roles.connectors.map((service) => component(service).catch(() => 'is no more')));
    return roles.connectors.filter((_, index) => states[index] === 'connected');
  };
  const query = async <T extends object>(sql: string) => (await admin.query<T>(sql)).rows;

  /** All that was accepted has arrived, in its order, and the ledger says so once. @param doubled how much may have been told twice */
  async function everythingArrives(doubled = 0): Promise<void> {
    // A claim of which nobody knows whether it was committed comes back when its lease ends, and the sweep finds it.
    await until(async () => (await query<{ n: string }>('select count(*) as n from jobs'))[0]!.n === '0', 'the queue is empty', 100_000);
    expect((await query<{ guid: string }>('select guid from posts order by guid')).map(({ guid }) => guid)).toEqual(accepted);
    const deliveries = await query<{ guid: string; state: string }>('select a.post_guid as guid, d.state from deliveries d join activities a on a.id = d.activity_id order by 1');
    expect(deliveries).toEqual(accepted.map((guid) => ({ guid, state: 'arrived' })));
    expect(await query('select * from dead_jobs')).toEqual([]);
    for (const client of [byPresence, bySubscription]) {
      await client.barrier(alice.jid);
      const ids = heard(client, alice.jid).map((line) => line.slice(1, 33));
      expect(ids.filter((id, index) => ids.indexOf(id) === index)).toEqual(accepted);
      expect(ids.length - accepted.length).toBeLessThanOrEqual(doubled);
    }
  }

  test('one connector is connected, the other stands by and says for whom; web and workers are ready', async () => {
    expect(await connected()).toEqual([roles.connectors[0]]);
    const standby = await roles.connectors[1]!.readyz();
    expect(standby.ready).toBe(true);
    expect(standby.parts.component!.text).toContain(`stands by: process ${roles.connectors[0]!.process.pid} on `);
    expect(roles.connectors[1]!.output()).toContain('another process has the lease: waiting until it is gone');
    for (const service of [...roles.webs, ...roles.workers]) expect(await service.readyz()).toMatchObject({ ready: true });
  });

  test('a post on the first web process is heard by every follower, once, and by a page that is open at the second', async () => {
    const events = await openEvents(roles.webs[1]!.url, alice.browser.cookies);
    await post('# Written at one');
    expect(await events.next('post')).toMatchObject({ guid: accepted.at(-1) });
    await events.close();
    await everythingArrives();
  });

  test('who logged in at the first is logged in at the second, and whoever logs out there is out everywhere', async () => {
    const second = at(roles.webs[1]!);
    expect((await second.get('/settings/profile')).status).toBe(200);
    const browser = new Browser(roles.webs[0]!.url as unknown as Site['app']);
    await browser.logIn('alice');
    const there = at(roles.webs[1]!, browser);
    await there.get('/settings/profile');
    expect((await there.post('/logout')).status).toBe(303);
    expect((await at(roles.webs[0]!, browser).get('/settings/profile')).headers.location).toMatch(/^\/login/);
    expect((await second.get('/settings/profile')).status).toBe(200);
  });

  test('a form of the first is taken by the second, once', async () => {
    await alice.browser.get('/');
    const second = at(roles.webs[1]!);
    second.page = alice.browser.page;
    const form = { text: '# One form, two processes', audience: 'public', once: 'token-of-this-form' };
    const answers = await Promise.all([alice.browser.post('/posts', form), second.post('/posts', form)]);
    expect(answers.map(({ status }) => status)).toEqual([303, 303]);
    expect(answers[0]!.headers.location).toBe(answers[1]!.headers.location);
    accepted.push(answers[0]!.headers.location!.split('/').pop()!);
    await everythingArrives();
  });

  test('tries that are used up at the first are used up at the second', async () => {
    const { component: here } = await server(name);
    const limited = await Promise.all([1, 2].map(() => startService(here, { command: 'web', stateDir: roles.webs[0]!.stateDir, env: { DX_DATABASE_URL: roles.databaseUrl, DX_RATE_LIMITS: 'on' } })));
    const strangers = limited.map((web) => new Browser(web.url as unknown as Site['app']));
    // From one address, 8 tries for an account are allowed.
    for (let i = 0; i < 8; i++) expect((await strangers[i % 2]!.logIn('alice', 'not the password')).status).not.toBe(429);
    for (const stranger of strangers) expect((await stranger.logIn('alice', 'not the password')).status).toBe(429);
    await Promise.all(limited.map((web) => web.destroy()));
  });

  test('doctor beside a web process names the connector, and leaves its connection alone', async () => {
    const [holder] = await connected();
    let report = '';
    try {
      report = roles.webs[0]!.dx(['doctor']);
    } catch (error) {
      report = (error as { stdout: string }).stdout; // this chat server asks somebody else for logins
    }
    expect(report).toMatch(new RegExp(`ok {4}XMPP component: .* left to process ${holder!.process.pid} on `));
    await post('# While doctor looks');
    await everythingArrives();
    expect(holder!.output()).not.toMatch(/another component|the XMPP server refuses/);
  });

  /** Posts one after another until told otherwise. */
  function posting(): { stop(): Promise<void> } {
    let going = true;
    const done = (async () => {
      while (going) await post(`# Number ${accepted.length}`);
    })();
    return {
      stop: () => {
        going = false;
        return done;
      },
    };
  }
  const posted = (more: number) => {
    const goal = accepted.length + more;
    return until(() => accepted.length >= goal, 'some more posts are accepted', 30_000);
  };

  test('the connector is killed while people post: the other one takes over, and nothing is lost', async () => {
    const [first, second] = roles.connectors as [Service, Service];
    const writing = posting();
    await posted(3);
    await first.kill();
    await until(async () => (await connected())[0] === second, 'the other one is connected', 20_000);
    await posted(2);
    await writing.stop();
    await everythingArrives(2 * 5); // what had left and was not noted: at most one claim of the lane for each follower
    await first.start();
    expect(await component(first)).toContain('stands by');
  });

  test('the connector is asked to end: the other one takes over at once, and nothing is told twice', async () => {
    const [first, second] = roles.connectors as [Service, Service];
    const before = [byPresence, bySubscription].map((client) => heard(client, alice.jid).length);
    const from = accepted.length;
    const writing = posting();
    await posted(2);
    expect((await second.stop()).code).toBe(0);
    await until(async () => (await connected())[0] === first, 'the other one is connected', 20_000);
    await posted(2);
    await writing.stop();
    await everythingArrives(2 * 5);
    expect([byPresence, bySubscription].map((client, index) => heard(client, alice.jid).length - before[index]!)).toEqual([accepted.length - from, accepted.length - from]);
    await second.start();
  });

  test('the database ends the connection of the lease: never two are connected, and posts go on', async () => {
    const writing = posting();
    await posted(1);
    expect(await query("select pg_terminate_backend(l.pid) from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory' and a.application_name = 'diaspora-x connector' and a.datname = current_database()")).toHaveLength(1);
    const counts = new Set<number>();
    await until(async () => {
      counts.add((await connected()).length);
      return accepted.length >= 3 && (await connected()).length === 1;
    }, 'one is connected');
    await posted(2);
    await writing.stop();
    await everythingArrives(2 * 5);
    expect(Math.max(...counts)).toBe(1);
  });

  test('the database ends every connection: all go on without a restart, and open pages hear what they missed', async () => {
    const events: EventStream = await openEvents(roles.webs[1]!.url, alice.browser.cookies);
    await query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and application_name like 'diaspora-x%'");
    // Whoever meets a connection that was ended tries again by itself.
    await post('# After the cut');
    expect(await events.next('post', ({ guid }) => guid === accepted.at(-1))).toBeDefined();
    await events.close();
    await everythingArrives(3 * 10);
    for (const service of roles.all()) expect(await service.readyz()).toMatchObject({ ready: true });
  });
});
