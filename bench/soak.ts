// N minutes (15) of 50 posts a second while 20 % of the servers refuse everything: slope of memory, how long posts take, what was lost or doubled.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openStore } from '../src/store/open.js';
import { createLog } from '../src/log.js';
import { checkInvariants } from '../test/support/invariants.js';
import { startLoad } from '../test/support/load.js';
import { startPostgres, startProsody } from '../test/support/servers/index.js';
import { openSink } from '../test/support/sink.js';
import { bareInserts } from './support/bare.js';
import { percentiles, printMachine, printTable, ratio } from './support/figures.js';
import { type Service, startService } from './support/service.js';

const PER_SECOND = 50;
const AUTHORS = 10;
const HOSTS = Array.from({ length: 10 }, (_, index) => `server${index}.soak.test`);
const FAILING = HOSTS.slice(0, 2);
const READERS = 2;
const LOOK_EVERY_MS = 10_000;
const TELL_EVERY = 6;
/** The heap grows to its working size first. */
const WARM_UP_SHARE = 0.2;
const SETTLE_MS = 30_000;

interface Look {
  minute: number;
  /** Resident memory, and the heap, each after the garbage was collected. */
  resident: number;
  heap: number;
}

/** @param args minutes; `sqlite` or `postgres` */
export async function run([minutes = '15', database = 'sqlite']: string[]): Promise<void> {
  printMachine();
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-bench-soak-'));
  const postgres = database === 'postgres' ? await startPostgres() : null;
  const url = postgres?.url ?? `sqlite:${path.join(folder, 'soak.sqlite')}`;
  const inserts = await bareInserts(url, 'lorem ipsum '.repeat(40));
  const memoryFile = path.join(folder, 'memory.json');
  const server = await startProsody({ chatDomains: ['soak.test'], componentDomains: ['social.soak.test', ...HOSTS], componentSecret: 'secret' });
  const at = { host: server.host, port: server.componentPort, secret: 'secret' };
  const measured = { NODE_OPTIONS: `--import ${path.join(import.meta.dirname, 'support/collected.mjs')}`, BENCH_MEMORY: memoryFile };
  const service = await startService({ ...at, domain: 'social.soak.test' }, '', { DX_DATABASE_URL: url, ...measured });
  const sink = await openSink(HOSTS.map((domain) => ({ domain, ...at })), READERS);
  const authors = [];
  for (let index = 0; index < AUTHORS; index++) {
    const username = `author${index}`;
    const author = await service.author(username);
    await sink.subscribe(author.jid);
    authors.push({ username, post: async (text: string, once: string) => (await author.post(text, once)).guid });
  }
  sink.fail(FAILING, 'remote-server-not-found');

  const load = startLoad(authors, { perSecond: PER_SECOND });
  const from = performance.now();
  const seen: Look[] = [];
  while (performance.now() - from < Number(minutes) * 60_000) {
    await pause(LOOK_EVERY_MS);
    seen.push({ minute: (performance.now() - from) / 60_000, ...(await collected(service, memoryFile)) });
    const { minute, resident, heap } = seen.at(-1)!;
    if (seen.length % TELL_EVERY === 0) console.log(`minute ${minute.toFixed(0)}: ${load.accepted.length} posts, ${mib(resident)} resident, ${mib(heap)} heap`);
  }
  await load.stop();
  const seconds = (performance.now() - from) / 1000;

  const store = await openStore(url, createLog('silent'));
  const received = new Map([...sink.received].filter(([jid]) => !FAILING.some((host) => jid.endsWith(`@${host}`))));
  const check = () => checkInvariants(store, { accepted: load.accepted, hosts: HOSTS, received, failing: FAILING });
  const settledBy = performance.now() + SETTLE_MS;
  let findings = await check();
  while (findings.faults.length > 0 && performance.now() < settledBy) {
    await pause(1_000);
    findings = await check();
  }
  const states = await store.query<{ state: string; n: number }>(`select state, count(*) as n from deliveries where host in ('${FAILING.join("','")}') group by state order by state`);
  await store.close();
  sink.close();
  await service.destroy();
  await server.destroy();
  await postgres?.destroy();
  rmSync(folder, { recursive: true });
  const steady = seen.filter(({ minute }) => minute >= Number(minutes) * WARM_UP_SHARE);
  for (const fault of findings.faults) console.log(`FAULT ${fault}`);
  console.log(`${PER_SECOND} posts/s wanted, ${AUTHORS} authors, ${HOSTS.length} servers (${FAILING.length} refuse all) with ${READERS} readers each; ${database}`);
  const items = load.accepted.length * received.size;
  printTable([
    ['what', 'figure', 'goal'],
    ['posts accepted', `${load.accepted.length} in ${Math.round(seconds)} s, ${(load.accepted.length / seconds).toFixed(1)}/s; ${load.failed} forms sent again`, '50/s'],
    ['bare durable insert, before (baseline)', percentiles(inserts), ''],
    ['POST /posts', `${percentiles(load.tookMs)}; ${ratio(load.tookMs, inserts)} × the baseline (p50)`, ''],
    ['items at readers of the servers that work', `${items - findings.lost} of ${items}, lost ${findings.lost}`, 'lost 0'],
    ['doubled (dropped by their id)', String(findings.repeated), '0'],
    ['faults', String(findings.faults.length), '0'],
    ['deliveries to servers that refuse', states.map(({ state, n }) => `${state} ${n}`).join(', '), 'each in the ledger'],
    ...(['resident', 'heap'] as const).flatMap((what) => [
      [`${what === 'heap' ? 'heap' : 'resident memory'} after collection`, `first ${mib(seen[0]![what])}, last ${mib(seen.at(-1)![what])}, most ${mib(Math.max(...seen.map((look) => look[what])))}`, ''],
      ['… its slope after the first fifth', `${(slope(steady.map((look) => [look.minute, look[what]])) / 2 ** 20).toFixed(2)} MiB a minute (least squares over ${steady.length})`, '~ 0'],
    ]),
  ]);
}

const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;

/** What the service holds once its garbage is collected. */
async function collected(service: Service, file: string): Promise<Pick<Look, 'resident' | 'heap'>> {
  rmSync(file, { force: true });
  service.process.kill('SIGUSR2');
  while (!existsSync(file)) await pause(20);
  const { rss, heapUsed } = JSON.parse(readFileSync(file, 'utf8')) as NodeJS.MemoryUsage;
  return { resident: rss, heap: heapUsed };
}

/** By least squares. */
function slope(points: [x: number, y: number][]): number {
  const mean = (axis: 0 | 1) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  return points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}
