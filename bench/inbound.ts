// Posts of people elsewhere (PEP events), stored and shown on an open page; beside a component that only reads the same, and bare durable inserts.
import { createLog } from '../src/log.js';
import { startEjabberd, startProsody } from '../test/support/servers/index.js';
import { entry } from '../test/support/publishers.js';
import { Transport } from '../src/xmpp/transport.js';
import { bareInserts, perSecond } from './support/bare.js';
import { printMachine, printTable } from './support/figures.js';
import { COMPONENTS, LOOK_EVERY_MS, openPage, openScene, type Scene, until } from './support/followers.js';

const FEEDS = 100;
/** Sent and not yet stored: more would only wait in the XMPP server. */
const UNDERWAY = 2_000;
const BASELINE_EVENTS = 10_000;
/** Before it, everything is still growing into its size. */
const WARM_MS = 10_000;
const MiB = 2 ** 20;

/** @param args seconds of sending; `prosody` or `ejabberd`; `sqlite` or `postgres` (both of each, unless said) */
export async function run([seconds = '30', onlyServer = '', onlyDatabase = '']: string[]): Promise<void> {
  printMachine();
  const rows = [['server', 'database', 'sent in, s', 'stored', 'stored a second', 'read alone a second', 'stored / read', 'bare inserts a second', 'stored / inserts', 'lost, doubled', 'shown', 'last shown after, s', 'resident, MiB: start, end, most; slope a minute']];
  for (const start of [startProsody, startEjabberd]) {
    for (const database of ['sqlite', 'postgres'].filter((name) => onlyDatabase === '' || name === onlyDatabase)) {
      const server = await start(COMPONENTS);
      if (onlyServer === '' || server.name === onlyServer) {
        const scene = await openScene(server, database, FEEDS);
        rows.push([server.name, database, ...(await measure(scene, Number(seconds) * 1000))]);
        await scene.end();
      }
      await server.destroy();
    }
  }
  console.log(`Events of ${Buffer.byteLength(entry('p1@pub.test', 'e12345')) + 350} bytes from ${FEEDS} feeds to one account, whose stream is open on a page; goal: at least 1,000 a second, none lost`);
  printTable(rows);
}

async function measure(scene: Scene, forMs: number): Promise<string[]> {
  const { service, publishers, feeds, alice, countPosts } = scene;
  const baseline = await readAlone(scene);
  const inserts = perSecond(await bareInserts(service.env.DX_DATABASE_URL ?? '', entry('p1@pub.test', 'e12345')));

  const shown = new Map<string, number>();
  let lastShown = 0;
  const close = await openPage(service, alice.cookie, (guid) => {
    shown.set(guid, (shown.get(guid) ?? 0) + 1);
    lastShown = performance.now();
  });
  const memory: { at: number; bytes: number }[] = [];
  const sampling = setInterval(() => memory.push({ at: performance.now(), bytes: service.residentBytes() }), LOOK_EVERY_MS);
  const before = await countPosts();
  const from = performance.now();
  let [sent, stored, lastAt] = [0, 0, from];
  const look = async () => {
    const now = (await countPosts()) - before;
    if (now > stored) lastAt = performance.now();
    stored = now;
  };
  while (performance.now() - from < forMs) {
    while (sent - stored < UNDERWAY) {
      await publishers.sends(feeds[sent % feeds.length]!, alice.jid, `e${sent}`);
      sent += 1;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS / 4));
    await look();
  }
  const sentIn = performance.now() - from;
  await until(async () => {
    await look();
    return stored >= sent || performance.now() - lastAt > 10_000;
  });
  clearInterval(sampling);
  const isShown = () => shown.size >= stored || performance.now() - Math.max(lastShown, lastAt) > 10_000;
  await until(isShown);
  close();
  const [{ items, doubled }] = (await scene.store.query<{ items: number; doubled: number }>(
    `select count(*) as items, count(*) - count(distinct item_id) as doubled from post_origins where item_id like 'e%'`,
  )) as [{ items: number; doubled: number }];
  const rate = (stored * 1000) / (lastAt - from);
  const steady = memory.filter(({ at }) => at > from + WARM_MS);
  const mib = (bytes = Number.NaN) => (bytes / MiB).toFixed(0);
  return [
    (sentIn / 1000).toFixed(1),
    String(stored),
    rate.toFixed(0),
    baseline.toFixed(0),
    (rate / baseline).toFixed(2),
    inserts.toFixed(0),
    (rate / inserts).toFixed(2),
    `${sent - Number(items)}, ${Number(doubled)}`,
    String(shown.size),
    ((lastShown - lastAt) / 1000).toFixed(1),
    `${mib(memory[0]?.bytes)}, ${mib(memory.at(-1)?.bytes)}, ${mib(Math.max(...memory.map(({ bytes }) => bytes)))}; ${(slope(steady) / MiB).toFixed(1)}`,
  ];
}

/** Least squares; bytes a minute. */
function slope(samples: { at: number; bytes: number }[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [at, bytes] = [mean(samples.map((one) => one.at)), mean(samples.map((one) => one.bytes))];
  const up = samples.reduce((sum, one) => sum + (one.at - at) * (one.bytes - bytes), 0);
  return (up / samples.reduce((sum, one) => sum + (one.at - at) ** 2, 0)) * 60_000;
}

/** The same stanzas through the same server to a component that drops them; a second. */
async function readAlone({ component, publishers, feeds }: Scene): Promise<number> {
  let read = 0;
  const bare = new Transport({ ...component(2), log: createLog('silent'), onStanza: () => (read += 1) });
  bare.start();
  await until(() => bare.online);
  const from = performance.now();
  for (let sent = 0; sent < BASELINE_EVENTS; sent++) {
    await publishers.sends(feeds[sent % feeds.length]!, 'x@sink.test', `b${sent}`);
    if (sent % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise<void>((resolve) => {
    const looking = setInterval(() => {
      if (read < BASELINE_EVENTS) return;
      clearInterval(looking);
      resolve();
    }, 5);
  });
  const rate = (BASELINE_EVENTS * 1000) / (performance.now() - from);
  await bare.stop();
  return rate;
}
