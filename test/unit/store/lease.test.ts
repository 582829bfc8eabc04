// What only one process may do at a time (store/lease.ts), on PostgreSQL: with its connections cut, swallowed and ended by the server.
import pg from 'pg';
import { holdLease, type Lease } from '../../../src/store/lease.js';
import { openStore } from '../../../src/store/open.js';
import { createDatabase } from '../../support/servers/postgres.js';
import { silentLog } from '../../support/store.js';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js';

const timing = { leaseMs: 400, beatMs: 50, marginMs: 50 };

let url: string;
let admin: pg.Client;
const leases: Holder[] = [];
const proxies: TcpProxy[] = [];

beforeEach(async () => {
  url = await createDatabase();
  const store = await openStore(url, silentLog);
  await store.migrate();
  await store.close();
  admin = new pg.Client({ connectionString: url });
  await admin.connect();
});
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close();
  for (const each of leases.splice(0)) await each.lease.release();
  await admin.end();
});

/** When something became so, by the monotonic clock. */
interface Holder {
  lease: Lease;
  held: { first: boolean; at: number }[];
  lost: number[];
  /** Resolves when it is held (again), or lost (again). */
  isHeld(times?: number): Promise<number>;
  isLost(times?: number): Promise<number>;
}

function start(at = url): Holder {
  const held: Holder['held'] = [];
  const lost: number[] = [];
  const waiting: (() => void)[] = [];
  const tell = () => {
    for (const each of waiting.splice(0)) each();
  };
  const until = async <T>(list: T[], times: number): Promise<T> => {
    while (list.length < times) await new Promise<void>((resolve) => waiting.push(resolve));
    return list[times - 1]!;
  };
  const holder: Holder = {
    held,
    lost,
    isHeld: async (times = 1) => (await until(held, times)).at,
    isLost: (times = 1) => until(lost, times),
    lease: holdLease(at, {
      name: 'connector',
      log: silentLog,
      timing,
      onHeld: (first) => {
        held.push({ first, at: performance.now() });
        tell();
      },
      onLost: () => {
        lost.push(performance.now());
        tell();
      },
    }),
  };
  leases.push(holder);
  return holder;
}

/** A holder behind a connection that can be cut. */
async function proxied(): Promise<{ one: Holder; proxy: TcpProxy }> {
  const target = new URL(url);
  const proxy = await startTcpProxy({ host: target.hostname, port: Number(target.port) });
  proxies.push(proxy);
  const through = new URL(url);
  through.host = `127.0.0.1:${proxy.port}`;
  const one = start(through.href);
  await one.isHeld();
  return { one, proxy };
}

/** Ends the server's side of every lease connection but these. @returns of how many */
const terminate = async (): Promise<number> =>
  (await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'diaspora-x connector' and datname = current_database()")).rows.length;
/** As if the last holder ran on another machine: whether it is dead cannot be seen from here. */
const moveAway = () => admin.query("update leases set holder = 'elsewhere' || substr(holder, position(' ' in holder))");

/** One more who wants it, of whom the holder seems to be on another machine. */
async function waitsElsewhere(): Promise<Holder> {
  await moveAway();
  const two = start();
  await two.lease.known;
  return two;
}

test('the first one has it at once; the second waits, and knows for whom', async () => {
  const one = start();
  await one.isHeld();
  expect([one.held[0]!.first, one.lease.mayAct(), one.lease.state()]).toEqual([true, true, 'held']);
  const two = start();
  await two.lease.known;
  expect([two.lease.state(), two.lease.mayAct(), two.lease.holder()]).toEqual(['waiting', false, expect.stringContaining(`process ${process.pid} on `)]);
});

test('after a good-bye the next one begins at once', async () => {
  const [one] = [start()];
  await one.isHeld();
  const two = start();
  await two.lease.known;
  const from = performance.now();
  await one.lease.release();
  expect((await two.isHeld()) - from).toBeLessThan(timing.leaseMs);
  expect(one.lease.mayAct()).toBe(false);
  expect(one.lost).toEqual([]);
});

test('a holder that is gone without a good-bye, on another machine, is given the time to notice', async () => {
  const one = start();
  await one.isHeld();
  const two = await waitsElsewhere();
  const through = await terminate(); // both connections: the second one gets the lock, or the first one comes back
  expect(through).toBe(2);
  const winner = await Promise.race([one.isHeld(2).then(() => one), two.isHeld().then(() => two)]);
  // Whoever has it now, the two never acted at once.
  if (winner === two) expect(await one.isLost()).toBeLessThanOrEqual(two.held[0]!.at);
});

test('a holder whose process is dead need not be waited for', async () => {
  const one = start();
  await one.isHeld();
  const { rows } = await admin.query<{ holder: string }>('select holder from leases');
  await one.lease.release();
  leases.length = 0;
  // A process of this machine that cannot be: the kernel's numbers end before.
  const parts = rows[0]!.holder.split(' ');
  await admin.query("insert into leases values ('connector', $1, 0)", [[parts[0], 99_999_999, ...parts.slice(2)].join(' ')]);
  const from = performance.now();
  const two = start();
  expect((await two.isHeld()) - from).toBeLessThan(timing.leaseMs);
});

test('a connection that ends is made again, and its holder goes on as if nothing had been', async () => {
  const one = start();
  await one.isHeld();
  for (let i = 0; i < 3; i++) {
    const before = await beatOf();
    expect(await terminate()).toBe(1);
    await afterBeat(before);
    expect(one.lease.mayAct()).toBe(true);
  }
  expect([one.held.length, one.lost.length]).toEqual([1, 0]);
});

/** The server's process for the lease connection. */
const beatOf = async (): Promise<number | undefined> =>
  (await admin.query<{ pid: number }>("select pid from pg_stat_activity join pg_locks using (pid) where application_name = 'diaspora-x connector' and locktype = 'advisory' and datname = current_database()")).rows[0]?.pid;
async function afterBeat(before: number | undefined): Promise<void> {
  for (;;) {
    const now = await beatOf();
    if (now !== undefined && now !== before) return;
  }
}

test('a holder that hears nothing from the database stops before the next one begins', async () => {
  const { one, proxy } = await proxied();
  const two = await waitsElsewhere();
  proxy.stall(); // its connection hangs, and the server knows nothing of that …
  const stalledAt = performance.now();
  expect((await one.isLost()) - stalledAt).toBeLessThan(timing.leaseMs + 200);
  expect(one.lease.mayAct()).toBe(false);
  expect(two.lease.state()).toBe('waiting');
  proxy.reset(); // … until it finds it dead
  expect(await two.isHeld()).toBeGreaterThan(one.lost[0]!);
  expect(two.held[0]!.first).toBe(true);
});

test('the server ends the connection and its holder does not hear of it: the two still never act at once', async () => {
  const { one, proxy } = await proxied();
  const two = await waitsElsewhere();
  proxy.stall();
  const pid = await beatOf();
  const endedAt = performance.now();
  await admin.query('select pg_terminate_backend($1)', [pid]);
  await one.isLost();
  const begins = await two.isHeld();
  expect(one.lost[0]!).toBeLessThan(begins);
  expect(begins - endedAt).toBeGreaterThan(timing.leaseMs);
});

test('who lost it and finds nobody else takes it again, and knows that nobody had it', async () => {
  const { one, proxy } = await proxied();
  proxy.stall();
  await one.isLost();
  proxy.reset();
  proxy.pass();
  await one.isHeld(2);
  expect(one.held.map(({ first }) => first)).toEqual([true, false]);
  expect(one.lease.mayAct()).toBe(true);
});

test('while the event loop stands still the lease runs out, and the first to ask hears so', async () => {
  const one = start();
  await one.isHeld();
  const until = performance.now() + timing.leaseMs + 50;
  while (performance.now() < until); // no timer can fire
  expect(one.lease.mayAct()).toBe(false);
  await one.isLost();
  await one.isHeld(2);
  expect(one.held[1]!.first).toBe(false);
});
