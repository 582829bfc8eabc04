// What /metrics says of an installation that works, and that it says nothing about anybody (threats.md 54).
import { createServer } from 'node:net';
import { createAppPassword } from '../../src/services/app-passwords.js';
import { FOLLOWER, followByPresence, heard } from '../support/follow.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { freePort, server } from '../support/servers/index.js';
import { Browser, type Site } from '../support/web.js';
import { connect, type TestClient } from '../support/xmpp-client.js';

const CHAT = 'chat.of-canary.test';
const SECRET = 'canary-secret-of-the-endpoint';
let app: Installation;
let reader: TestClient;
let appPassword: string;

const metrics = async (): Promise<string> => (await fetch(`${app.metricsUrl}/metrics`)).text();
/** The value of a line, by its name and labels as they stand there; undefined when there is none. */
const value = (text: string, line: string): number | undefined => {
  const found = text.split('\n').find((each) => each.startsWith(`${line} `));
  return found === undefined ? undefined : Number(found.slice(line.length + 1));
};

beforeAll(async () => {
  const here = await server('prosody');
  app = await startInstallation({ server: here, chatDomain: CHAT, env: { DX_AUTH_SECRET: SECRET } });
  const alice = await app.account('canaryalice');
  ({ password: appPassword } = await createAppPassword(app.ctx, alice, 'canary label'));
  reader = await connect({ ...(await here.newAccount('canaryreader')), features: FOLLOWER });
  await followByPresence(reader, alice.jid);
  const browser = new Browser(app.url as unknown as Site['app']);
  await browser.logIn('canaryalice');
  await new Browser(app.url as unknown as Site['app']).logIn('canaryalice', 'canary password, wrong');
  expect((await browser.post('/posts', { text: '# canary title\n\ncanary text', audience: 'public' })).status).toBe(303);
  await app.idle();
  await reader.barrier(alice.jid);
  expect(heard(reader, alice.jid)).toHaveLength(1);
  for (const path of ['/u/canaryalice', '/u/canary-nobody', '/canary/path?canary=query', '/people/canary@elsewhere.test']) await fetch(app.url + path);
  for (const pass of [appPassword, 'canary-wrong']) {
    const { host, port } = app.config.authListen;
    await fetch(`http://${host}:${port}/auth/check_password`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`dx:${SECRET}`).toString('base64')}` },
      body: new URLSearchParams({ user: 'canaryalice', server: CHAT, pass }),
    });
  }
});
afterAll(async () => {
  await reader.disconnect();
  await app.stop();
});

test('it is OpenMetrics text, each family with its type once, each series once', async () => {
  const answer = await fetch(`${app.metricsUrl}/metrics`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
  const lines = (await answer.text()).split('\n');
  expect(lines.slice(-2)).toEqual(['# EOF', '']);
  const series = new Set<string>();
  const families = new Set<string>();
  let family = '';
  let type = '';
  for (const line of lines.slice(0, -2)) {
    const head = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line);
    if (head) {
      [, family, type] = head as unknown as [string, string, string];
      expect(families.has(family)).toBe(false);
      families.add(family);
      continue;
    }
    if (line.startsWith(`# HELP ${family} `)) continue;
    const sample = /^([a-z_]+)((?:\{[a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*\})?) (-?[\d.]+(?:e[+-]?\d+)?)$/.exec(line);
    expect({ line, sample: sample !== null }).toEqual({ line, sample: true });
    const endings = { counter: ['_total'], gauge: [''], histogram: ['_bucket', '_count', '_sum'] }[type]!;
    expect(endings.map((end) => family + end)).toContain(sample![1]);
    expect(series.has(sample![1]! + sample![2]!)).toBe(false);
    series.add(sample![1]! + sample![2]!);
  }
});

test('what was done is counted', async () => {
  const text = await metrics();
  expect(value(text, 'dx_database_up')).toBe(1);
  expect(value(text, 'dx_component_state{state="online"}')).toBe(1);
  expect(value(text, 'dx_component_state{state="refused"}')).toBe(0);
  expect(value(text, 'dx_deliveries_total{protocol="xmpp",result="arrived"}')).toBe(1);
  expect(value(text, 'dx_event_seconds_count{protocol="xmpp"}')).toBe(1);
  expect(value(text, 'dx_event_seconds_sum{protocol="xmpp"}')).toBeLessThan(10);
  expect(value(text, 'dx_stanzas_total{direction="out",kind="message"}')).toBeGreaterThan(0);
  expect(value(text, 'dx_stanzas_total{direction="in",kind="presence"}')).toBeGreaterThan(0);
  expect(value(text, 'dx_stanzas_total{direction="in",kind="iq"}')).toBeGreaterThan(0);
  expect(value(text, 'dx_connector_events_total{event="failed"}')).toBe(0);
  for (const by of ['web', 'chat']) for (const result of ['right', 'wrong']) expect([by, result, value(text, `dx_logins_total{by="${by}",result="${result}"}`)]).toEqual([by, result, 1]);
  expect(value(text, 'dx_auth_seconds_count{operation="check_password"}')).toBe(2);
  expect(value(text, 'dx_http_requests_total{method="POST",route="/posts",status="303"}')).toBe(1);
  expect(value(text, 'dx_http_requests_total{method="GET",route="none",status="404"}')).toBeGreaterThan(0);
  expect(value(text, 'dx_http_request_seconds_count{route="/posts"}')).toBe(1);
  expect(value(text, 'process_resident_memory_bytes')).toBeGreaterThan(10e6);
  expect(value(text, 'nodejs_eventloop_delay_seconds{quantile="0.99"}')).toBeGreaterThanOrEqual(0);
});

test('what waits is counted by queue and kind, with the age of the oldest', async () => {
  const other = await startInstallation({ now: () => Date.now() + 60_000, env: { DX_MAIL_URL: 'smtp://127.0.0.1:1' } });
  try {
    await other.ctx.store.transaction((tx) => tx.query("insert into jobs (queue, kind, payload, run_at, attempts, created_at) values ('xmpp', 'profile-changed', '{}', 0, 0, ?)", [Date.now()]));
    const text = await (await fetch(`${other.metricsUrl}/metrics`)).text();
    expect(value(text, 'dx_queue_jobs{queue="xmpp",kind="profile-changed",state="waiting"}')).toBe(1);
    expect(value(text, 'dx_queue_oldest_seconds{queue="xmpp",kind="profile-changed"}')).toBeGreaterThanOrEqual(60);
    expect(text).not.toContain('dx_component_state');
  } finally {
    await other.stop();
  }
});

test('it holds no name, no address, no text and no secret', async () => {
  const text = await metrics();
  expect(text).toContain('route="/u/:');
  expect(text.toLowerCase()).not.toContain('canary');
  for (const secret of [appPassword, SECRET, '127.0.0.1', app.domain]) expect(text).not.toContain(secret);
});

test('its listener answers nothing else', async () => {
  expect((await fetch(`${app.metricsUrl}/`)).status).toBe(404);
  expect((await fetch(`${app.metricsUrl}/u/canaryalice`)).status).toBe(404);
  expect((await fetch(`${app.metricsUrl}/metrics`, { method: 'POST' })).status).toBe(405);
  expect((await fetch(`${app.url}/metrics`)).status).toBe(404);
});

test('while the database does not answer, it says so and says the rest', async () => {
  const other = await startInstallation();
  await other.ctx.store.close();
  const text = await (await fetch(`${other.metricsUrl}/metrics`)).text();
  expect(value(text, 'dx_database_up')).toBe(0);
  expect(value(text, 'process_resident_memory_bytes')).toBeGreaterThan(0);
  await other.stop().catch(() => {}); // it cannot close the database twice
});

test('a port that is taken costs the figures, not the service', async () => {
  const port = await freePort();
  const taken = createServer().listen(port, '127.0.0.1');
  const other = await startInstallation({ env: { DX_METRICS_LISTEN: `127.0.0.1:${port}` } });
  expect(other.metricsUrl).toBeNull();
  expect((await fetch(`${other.url}/healthz`)).status).toBe(200);
  await other.stop();
  taken.close();
});
