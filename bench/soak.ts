// N minutes (15) of 50 posts a second while 20 % of the servers refuse everything: slope of memory, how long posts take, what was lost.
import { openStore } from '../src/store/open.js';
import { createLog } from '../src/log.js';
import { checkInvariants } from '../test/support/invariants.js';
import { startLoad } from '../test/support/load.js';
import { startProsody } from '../test/support/servers/index.js';
import { openSink } from '../test/support/sink.js';
import { percentiles, printMachine, printTable } from './support/figures.js';
import { startService } from './support/service.js';

const PER_SECOND = 50;
const AUTHORS = 10;
const HOSTS = Array.from({ length: 10 }, (_, index) => `server${index}.soak.test`);
const FAILING = HOSTS.slice(0, 2);
const READERS = 2;
const LOOK_EVERY_MS = 5_000;
/** The heap grows to its working size first. */
const WARM_UP_SHARE = 0.2;
const SETTLE_MS = 30_000;

export async function run([minutes = '15']: string[]): Promise<void> {
  printMachine();
  const server = await startProsody({ chatDomains: ['soak.test'], componentDomains: ['social.soak.test', ...HOSTS], componentSecret: 'secret' });
  const at = { host: server.host, port: server.componentPort, secret: 'secret' };
  const service = await startService({ ...at, domain: 'social.soak.test' }, '');
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
  const seen: { minute: number; mib: number }[] = [];
  while (performance.now() - from < Number(minutes) * 60_000) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    seen.push({ minute: (performance.now() - from) / 60_000, mib: service.residentBytes() / 2 ** 20 });
  }
  await load.stop();
  const seconds = (performance.now() - from) / 1000;

  const store = await openStore(service.env.DX_DATABASE_URL ?? `sqlite:${service.env.DX_STATE_DIR}/diaspora-x.sqlite`, createLog('silent'));
  const received = new Map([...sink.received].filter(([jid]) => !FAILING.some((host) => jid.endsWith(`@${host}`))));
  const check = () => checkInvariants(store, { accepted: load.accepted, hosts: HOSTS, received, failing: FAILING });
  const settledBy = performance.now() + SETTLE_MS;
  let findings = await check();
  while (findings.faults.length > 0 && performance.now() < settledBy) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    findings = await check();
  }
  const states = await store.query<{ state: string; n: number }>(`select state, count(*) as n from deliveries where host in ('${FAILING.join("','")}') group by state order by state`);
  await store.close();
  sink.close();
  await service.destroy();
  await server.destroy();
  const steady = seen.filter(({ minute }) => minute >= Number(minutes) * WARM_UP_SHARE);
  for (const fault of findings.faults) console.log(`FAULT ${fault}`);
  printTable([
    ['what', 'figure', 'goal'],
    ['posts accepted', `${load.accepted.length} in ${Math.round(seconds)} s, ${(load.accepted.length / seconds).toFixed(1)}/s; ${load.failed} forms sent again`, '50/s'],
    ['POST /posts', percentiles(load.tookMs), ''],
    ['items at readers of the servers that work', String(findings.lost === 0 ? load.accepted.length * received.size : `${findings.lost} lost`), 'lost 0'],
    ['came again', String(findings.repeated), ''],
    ['faults', String(findings.faults.length), '0'],
    ['deliveries to servers that refuse', states.map(({ state, n }) => `${state} ${n}`).join(', '), 'each in the ledger'],
    ['resident memory, first and last', `${Math.round(seen[0]!.mib)} and ${Math.round(seen.at(-1)!.mib)} MiB, most ${Math.round(Math.max(...seen.map(({ mib }) => mib)))} MiB`, ''],
    ['its slope after the first fifth', `${slope(steady).toFixed(2)} MiB a minute`, '~ 0'],
  ]);
}

/** Least squares. */
function slope(points: { minute: number; mib: number }[]): number {
  const mean = (pick: (point: { minute: number; mib: number }) => number) => points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [x, y] = [mean(({ minute }) => minute), mean(({ mib }) => mib)];
  return points.reduce((sum, { minute, mib }) => sum + (minute - x) * (mib - y), 0) / points.reduce((sum, { minute }) => sum + (minute - x) ** 2, 0);
}
