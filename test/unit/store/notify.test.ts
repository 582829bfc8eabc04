// Wake-ups and events between processes on PostgreSQL, over connections that end, hang, and come back.
import { jest } from '@jest/globals';
import pg from 'pg';
import { channelOf, type LiveEvent, PostgresNotifier } from '../../../src/store/notify.js';
import { createDatabase } from '../../support/servers/postgres.js';
import { silentLog } from '../../support/store.js';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js';

let proxy: TcpProxy;
let notifier: PostgresNotifier;
let admin: pg.Client;
const events: LiveEvent[] = [];
const gaps: number[] = [];
let wakes = 0;
let changed = () => {};

beforeEach(async () => {
  const url = new URL(await createDatabase());
  admin = new pg.Client({ connectionString: url.href });
  await admin.connect();
  proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  url.host = `127.0.0.1:${proxy.port}`;
  notifier = new PostgresNotifier(url.href, silentLog, { beatMs: 50, answerMs: 200 });
  events.length = 0;
  gaps.length = 0;
  wakes = 0;
  notifier.onEvent((event) => {
    events.push(event);
    changed();
  });
  notifier.onGap((since) => {
    gaps.push(since);
    changed();
  });
  notifier.onWake('main', () => {
    wakes += 1;
    changed();
  });
  await until(() => wakes === 1); // it listens
});
afterEach(async () => {
  await notifier.close();
  await proxy.close();
  await admin.end();
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise<void>((resolve) => (changed = resolve));
}
const say = (event: LiveEvent) => admin.query('select pg_notify($1, $2)', [channelOf({ event }), JSON.stringify({ event })]);

test('events of other processes arrive', async () => {
  await say({ kind: 'post', guid: '1' });
  await until(() => events.length > 0);
  expect([events, gaps]).toEqual([[{ kind: 'post', guid: '1' }], []]);
});

test('when the server ends the connection, all are woken once it is back, and told since when events may be missing', async () => {
  await say({ kind: 'post', guid: '1' });
  await until(() => events.length === 1);
  const before = Date.now();
  await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'diaspora-x listen' and datname = current_database()");
  await until(() => gaps.length === 1);
  expect(wakes).toBe(2);
  // It asks every 50 ms: what was said before the last question has arrived.
  expect(gaps[0]!).toBeLessThanOrEqual(before + 5);
  expect(gaps[0]!).toBeGreaterThan(before - 2_000);
  await say({ kind: 'post', guid: '2' });
  await until(() => events.length === 2);
});

test('a connection that hangs is found by asking', async () => {
  proxy.stall();
  await say({ kind: 'post', guid: 'never heard' });
  proxy.pass(); // for the next connection; the bytes of the first one come late or never
  proxy.stall();
  setTimeout(() => {
    proxy.reset();
    proxy.pass();
  }, 400);
  await until(() => gaps.length === 1);
  expect(wakes).toBe(2);
});

test('a process hears of what it listens for alone, also when it begins to later', async () => {
  const wake = (queue: 'main' | 'xmpp') => admin.query('select pg_notify($1, $2)', [channelOf({ wake: queue }), JSON.stringify({ wake: queue })]);
  const emit = jest.spyOn(notifier, 'emit');
  await wake('xmpp');
  await say({ kind: 'post', guid: '1' });
  await until(() => events.length === 1);
  expect(emit.mock.calls).toEqual([[{ event: { kind: 'post', guid: '1' } }]]);
  let xmpp = 0;
  notifier.onWake('xmpp', () => {
    xmpp += 1;
    changed();
  });
  await until(() => xmpp === 1); // it listens to that, too
  await wake('xmpp');
  await until(() => xmpp === 2);
});
