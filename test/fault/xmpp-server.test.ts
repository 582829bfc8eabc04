// The XMPP server is away, dies, or does not let us in (threats.md 5, 7).
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
// @ts-ignore no types
import { component as createComponent } from '@xmpp/component';
import type { Account } from '../../src/domain/account.js';
import type { ReadyReport } from '../../src/cli/serve.js';
import { listDeliveries } from '../../src/store/ledger.js';
import { FOLLOWER, followByPresence, heard, idsOf, items, subscribeTo } from '../support/follow.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { SERVERS } from '../support/servers/index.js';
import { Browser, type Site } from '../support/web.js';
import { connect, type TestClient } from '../support/xmpp-client.js';
import { type OwnServer, ownServer, until } from './own-server.js';

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const readyz = async (app: Installation): Promise<{ status: number; component: ReadyReport['parts'][string] }> => {
  const answer = await fetch(`${app.url}/readyz`);
  return { status: answer.status, component: ((await answer.json()) as ReadyReport).parts.component! };
};
const online = (app: Installation) => until(() => app.connector!.status().state === 'online', 'the connector is online');
const guids = (client: TestClient, from: string) => heard(client, from).map((line) => line.slice(1, 33));

describe.each(SERVERS)('%s', (name) => {
  let own: OwnServer;
  beforeAll(async () => {
    own = await ownServer(name);
  });
  afterAll(() => own.destroy());

  describe('with followers', () => {
    let app: Installation;
    let alice: Account & { jid: string };
    /** Outlives the first test's service. */
    const stateDir = mkdtempSync(path.join(tmpdir(), 'dx-fault-'));
    let passed = 0;
    beforeAll(async () => {
      app = await startInstallation({ server: own, stateDir, now: () => Date.now() + passed });
      alice = await app.account('alice');
    });
    afterAll(async () => {
      await app.stop();
      rmSync(stateDir, { recursive: true, force: true });
    });

    const login = async (username: string) => {
      const client = await connect({ ...(await own.account(username)), features: FOLLOWER });
      stops.push(() => client.disconnect());
      return client;
    };
    const again = async (username: string) => {
      const client = await connect({ server: { host: own.host, c2sPort: own.c2sPort, chatDomain: own.chatDomain }, username, domain: own.chatDomain, password: 'secret', jid: `${username}@${own.chatDomain}`, features: FOLLOWER });
      stops.push(() => client.disconnect());
      return client;
    };

    test('killed in mid-publish and started again: of 30 posts none is lost', async () => {
      const [bob, carol] = [await login('bob'), await login('carol')];
      await followByPresence(bob, alice.jid);
      await subscribeTo(carol, alice.jid);
      const posted: string[] = [];
      for (let count = 0; count < 30; count++) {
        posted.push((await app.posts(alice, `# Number ${count}`)).guid);
        if (count === 11) await app.idle(); // catching up ends at twenty
        if (count === 17) {
          await until(() => guids(bob, alice.jid).length > 12, 'some of them have been heard');
          await own.kill();
        }
      }
      await app.idle();
      expect(await readyz(app)).toMatchObject({ status: 503, component: { ok: false } });
      // What the server had taken is its own to deliver or to lose; everything else must still be ours.
      const owed: string[] = [];
      for (const guid of posted) if (!(await listDeliveries(app.ctx.store, guid)).some(({ state }) => state === 'arrived')) owed.push(guid);
      expect(owed.length).toBeGreaterThanOrEqual(12);

      await own.start();
      const [bobAgain, carolAgain] = [await again('bob'), await again('carol')];
      await online(app);
      await until(() => guids(bobAgain, alice.jid).includes(posted.at(-1)!), 'he has what he missed');
      passed += 10_000; // what had failed rests for some seconds; a new post wakes the queue
      posted.push((await app.posts(alice, '# The last')).guid);
      await app.idle();
      expect(await readyz(app)).toMatchObject({ status: 200, component: { ok: true } });

      await Promise.all([bobAgain, carolAgain].map((client) => client.barrier(alice.jid)));
      const news = guids(bobAgain, alice.jid);
      expect(news).toEqual(expect.arrayContaining(owed));
      expect(news.at(-1)).toBe(posted.at(-1));
      // In their order, nothing twice.
      for (const client of [bob, carol, bobAgain, carolAgain]) {
        const all = guids(client, alice.jid);
        expect(all).toEqual(posted.filter((guid) => all.includes(guid)));
      }
      // Who follows by subscription alone, and may have been away in between, looks it up.
      expect(idsOf(await carolAgain.request(items(alice.jid, { set: '<max>100</max>' })))).toEqual(posted.toReversed());
      for (const guid of posted) expect(await listDeliveries(app.ctx.store, guid)).toEqual([expect.objectContaining({ host: own.chatDomain, state: 'arrived' })]);
    });

    test('away at the start: the web works, and what was posted meanwhile arrives afterwards, in order, once', async () => {
      await own.kill();
      await app.stop();
      const second = await startInstallation({ server: own, stateDir }); // the same state, a service that starts anew
      stops.push(() => second.stop());
      expect(await readyz(second)).toMatchObject({ status: 503, component: { ok: false, text: expect.stringContaining('DX_COMPONENT_URL') } });
      const browser = new Browser(second.url as unknown as Site['app']);
      expect((await browser.logIn('alice')).status).toBe(303);
      const posted: string[] = [];
      for (const text of ['# While away 1', '# While away 2', '# While away 3']) {
        const answer = await browser.post('/posts', { text, audience: 'public' });
        expect(answer.status).toBe(303);
        posted.push(answer.headers.location!.split('/').pop()!);
      }
      expect((await browser.get('/')).text).toContain('While away 3');
      await own.start();
      const back = await again('bob');
      await online(second);
      await until(() => guids(back, alice.jid).includes(posted.at(-1)!), 'he has what he missed');
      await second.idle();
      await back.barrier(alice.jid);
      expect(guids(back, alice.jid)).toEqual(posted);
    });
  });
});

describe('refused', () => {
  const SECRETS = { right: 'the component secret', wrong: 'some other secret' };
  const CONFIGURATION = { prosody: 'prosody.cfg.lua', ejabberd: 'ejabberd.yml' };

  test.each(SERVERS)('by %s because of a wrong secret: /readyz says so, the web goes on, and once mended posts flow', async (name) => {
    const own = await ownServer(name, { componentSecret: SECRETS.wrong });
    stops.push(() => own.destroy());
    const app = await startInstallation({ server: { ...own, component: { ...own.component, secret: SECRETS.right } } });
    stops.push(() => app.stop());
    const report = await readyz(app);
    expect(report).toMatchObject({ status: 503, component: { ok: false, text: expect.stringMatching(/refuses the secret.*DX_COMPONENT_SECRET/) } });
    expect(report.component.text).not.toContain(SECRETS.right);
    const alice = await app.account('alice');
    const { guid } = await app.posts(alice, '# Written meanwhile');
    expect((await fetch(`${app.url}/posts/${guid}`)).status).toBe(200);

    const file = path.join(own.folder, CONFIGURATION[name]);
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll(SECRETS.wrong, SECRETS.right));
    await own.stop();
    await own.start();
    await online(app);
    expect(await readyz(app)).toMatchObject({ status: 200, component: { ok: true, text: 'connected' } });
    const client = await connect(await own.account('bob'));
    stops.push(() => client.disconnect());
    expect(idsOf(await client.request(items(alice.jid)))).toEqual([guid]);
  });

  test('because another program has taken our name: /readyz says so, and once it is gone we are in', async () => {
    // ejabberd lets a second one in and gives each a part of the stanzas: there the operator learns it from dx doctor alone.
    const own = await ownServer('prosody');
    stops.push(() => own.destroy());
    const { domain, host, port, secret } = own.component;
    const other = createComponent({ service: `xmpp://${host}:${port}`, domain, password: secret });
    other.on('error', () => {});
    await other.start();
    const app = await startInstallation({ server: own });
    stops.push(() => app.stop());
    expect(await readyz(app)).toMatchObject({ status: 503, component: { ok: false, text: expect.stringMatching(/already has a component of the name.*Stop the other program/) } });
    const alice = await app.account('alice');
    const { guid } = await app.posts(alice, '# Written meanwhile');
    expect((await fetch(`${app.url}/posts/${guid}`)).status).toBe(200);
    other.reconnect.stop();
    await other.stop();
    await online(app);
    expect((await readyz(app)).status).toBe(200);
  });
});
