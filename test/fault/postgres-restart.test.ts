// PostgreSQL goes away and comes back, under a service that runs (issue 5 "Database faults"): nothing accepted is lost, what cannot be accepted is
// refused with a clear 503, and nobody need restart us.
import { openEvents } from '../support/events.js';
import { FOLLOWER, followByPresence, heard, subscribeTo } from '../support/follow.js';
import { type Roles, startRoles } from '../support/roles.js';
import { type PostgresServer, startPostgres } from '../support/servers/postgres.js';
import { server } from '../support/servers/index.js';
import { type Author, type Service, startService } from '../support/service-process.js';
import { connect, type TestClient } from '../support/xmpp-client.js';
import { until } from './own-server.js';

let postgres: PostgresServer;
let byPresence: TestClient;
let bySubscription: TestClient;
let alice: Author;
/** Those that were answered with 303. */
const accepted: string[] = [];
/** Those that were refused: how, and with what words. */
const refused: { status: number; text: string; retryAfter: string | undefined }[] = [];

async function post(text: string): Promise<boolean> {
  const { page } = alice.browser;
  const answer = await alice.browser.post('/posts', { text, audience: 'public', once: text.replace(/\W+/g, '-') });
  if (answer.status === 303) {
    const guid = answer.headers.location!.split('/').pop()!;
    if (!accepted.includes(guid)) accepted.push(guid);
    return true;
  }
  alice.browser.page = page; // back to the form
  refused.push({ status: answer.status, text: answer.text, retryAfter: answer.headers['retry-after'] });
  return false;
}

/** As a person does: what was refused is sent again, by the same form. */
async function postStubbornly(text: string): Promise<void> {
  await until(() => post(text), `${text} is accepted`, 60_000);
}

async function follow(): Promise<void> {
  const here = await server('prosody');
  byPresence = await connect({ ...(await here.newAccount('reader')), features: FOLLOWER });
  bySubscription = await connect(await here.newAccount('reader'));
  await followByPresence(byPresence, alice.jid);
  await subscribeTo(bySubscription, alice.jid);
}

/** A claim of which nobody knows whether it was committed comes back when its lease ends, and the sweep finds it. */
const LEASE_ENDS_MS = 100_000;

/** All that was accepted has been heard. */
async function everythingArrives(): Promise<void> {
  for (const client of [byPresence, bySubscription]) {
    const ids = () => heard(client, alice.jid).map((line) => line.slice(1, 33));
    await until(() => accepted.every((guid) => ids().includes(guid)), 'all has been heard', LEASE_ENDS_MS);
    await client.barrier(alice.jid);
    expect([...new Set(ids())].sort()).toEqual([...accepted].sort());
  }
}

beforeEach(async () => {
  postgres = await startPostgres();
  accepted.length = 0;
  refused.length = 0;
});
afterEach(async () => {
  await Promise.all([byPresence, bySubscription].map((client) => client?.disconnect()));
  await postgres.destroy();
});

const READY_AGAIN_MS = 60_000;

describe.each([
  ['restarted', (server: PostgresServer) => server.stop()],
  ['killed', (server: PostgresServer) => server.kill()],
])('everything in one process, the database %s', (_how, end) => {
  let service: Service;

  test('posts are refused in words while it is away; afterwards all goes on by itself', async () => {
    const here = await server('prosody');
    service = await startService(here.component, { env: { DX_DATABASE_URL: postgres.url } });
    const { pid } = service.process;
    alice = await service.author('alice');
    await follow();
    const page = await openEvents(service.url, alice.browser.cookies);
    await postStubbornly('# before');

    await end(postgres);
    expect(await post('# while it is away')).toBe(false);
    expect(refused).toEqual([{ status: 503, text: expect.stringContaining('The database is busy. Please try again in a moment.'), retryAfter: '5' }]);
    expect(refused[0]!.text).toContain('# while it is away'); // what was typed is not lost
    expect((await service.readyz()).parts.database).toEqual({ ok: false, text: 'does not answer' });
    const problem = await fetch(`${service.url}/u/alice`, { headers: { accept: 'application/json' } });
    expect([problem.status, problem.headers.get('content-type')]).toEqual([503, 'application/problem+json; charset=utf-8']);
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);

    await postgres.start();
    await postStubbornly('# while it is away');
    await postStubbornly('# after');
    await until(async () => (await service.readyz()).ready, 'all parts are ready', READY_AGAIN_MS);
    await everythingArrives();
    expect(await page.next('post', ({ guid }) => guid === accepted.at(-1))).toBeDefined();
    await page.close();
    expect(service.process.pid).toBe(pid);
    expect(service.process.exitCode).toBeNull();
    await service.destroy();
  }, 300_000);
});

test('roles apart, the database restarted while people post: one connector is connected again, and everything arrives', async () => {
  const here = await server('ejabberd');
  const roles: Roles = await startRoles(here.component, postgres.url, { webs: 1, workers: 1, connectors: 2 });
  alice = await roles.webs[0]!.author('alice');
  await follow();
  for (let i = 0; i < 3; i++) await postStubbornly(`# Number ${i}`);
  const posting = (async () => {
    for (let i = 3; i < 30; i++) await postStubbornly(`# Number ${i}`);
  })();
  await until(() => accepted.length > 6, 'some posts are accepted');
  await postgres.stop();
  await until(() => refused.length > 0, 'a post is refused', 20_000);
  await postgres.start();
  await posting;
  expect(accepted).toHaveLength(30);
  expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]));
  await until(async () => (await Promise.all(roles.all().map(async (role) => (await role.readyz()).ready))).every(Boolean), 'all are ready', READY_AGAIN_MS);
  const connected = async () => (await Promise.all(roles.connectors.map(async (role) => (await role.readyz()).parts.component!.text))).filter((text) => text === 'connected').length;
  await until(async () => (await connected()) === 1, 'one is connected', READY_AGAIN_MS);
  await everythingArrives();
  await roles.stop();
}, 300_000);
