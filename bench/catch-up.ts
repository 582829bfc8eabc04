// The line to the XMPP server was away: 500 followed feeds are asked what they have (how many requests at once, how long), while somebody posts
// and reads pages. The service itself was there all the time; a start has other costs (`start`).
import { startEjabberd, startProsody } from '../test/support/servers/index.js';
import { startTcpProxy, type TcpProxy } from '../test/support/tcp-proxy.js';
import { percentiles, printMachine, printTable, ratio } from './support/figures.js';
import { COMPONENTS, openScene, type Scene, until } from './support/followers.js';

/** A post each so long after the one before, and a page of the stream between them. */
const EVERY_MS = 50;
const QUIET_MS = 8_000;
const MISSED = 5;
/** A new connection that hangs is given up after 10 s, and the next is tried. */
const BACK_MS = 60_000;

/** @param args feeds; milliseconds that each answer takes; `prosody` or `ejabberd`; `sqlite` or `postgres` */
export async function run([feeds = '500', answerMs = '20', onlyServer = '', database = 'sqlite']: string[]): Promise<void> {
  printMachine();
  const rows = [['server', 'requests', 'at once, most', 'posts missed, all here after, s', 'POST /posts quiet', 'POST /posts meanwhile', '/ quiet (p50)', 'stream quiet', 'stream meanwhile', '/ quiet (p50)']];
  for (const start of [startProsody, startEjabberd]) {
    const server = await start(COMPONENTS);
    if (onlyServer === '' || server.name === onlyServer) {
      let proxy!: TcpProxy;
      const scene = await openScene(server, database, Number(feeds), {}, async (to) => (proxy = await startTcpProxy(to)));
      rows.push([server.name, ...(await measure(scene, proxy, Number(answerMs)))]);
      await scene.end();
      await proxy.close();
    }
    await server.destroy();
  }
  console.log(`${feeds} feeds of one host, ${MISSED} posts missed of each, each answer takes ${answerMs} ms; ${database}; goal: bounded requests at once, the pages as quick as before`);
  printTable(rows);
}

async function measure({ service, publishers, feeds, alice, countPosts }: Scene, proxy: TcpProxy, answerMs: number): Promise<string[]> {
  const visiting = async (goesOn: () => boolean) => {
    const [posts, pages]: [number[], number[]] = [[], []];
    for (let turn = 0; goesOn(); turn++) {
      const pause = new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      if (turn % 2 === 0) posts.push((await alice.post('meanwhile')).tookMs);
      else {
        const from = performance.now();
        const page = await fetch(`${service.url}/`, { headers: { cookie: alice.cookie } });
        await page.text();
        if (page.status !== 200) throw new Error(`the stream was answered ${page.status}`);
        pages.push(performance.now() - from);
      }
      await pause;
    }
    return { posts, pages };
  };
  const during = (ms: number) => {
    const end = performance.now() + ms;
    return () => performance.now() < end;
  };
  await visiting(during(QUIET_MS)); // warm
  const quiet = await visiting(during(QUIET_MS));

  proxy.stall();
  proxy.reset();
  const at = Date.now() - 60_000;
  publishers.items = (jid) => Array.from({ length: MISSED }, (_, n) => ({ id: `missed-${jid}-${n}`, at: at + n * 1_000 }));
  publishers.answerMs = answerMs;
  publishers.requests = { total: 0, now: 0, most: 0 };
  const expected = (await countPosts()) + feeds.length * MISSED;
  await visiting(during(QUIET_MS / 2));
  proxy.pass();
  await until(() => publishers.requests.total > 0, BACK_MS);
  const from = performance.now();
  let here: number | null = null;
  const looking = setInterval(() => void countPosts().then((count) => (here ??= count >= expected ? performance.now() : null)), 100);
  const meanwhile = await visiting(() => here === null && performance.now() - from < 120_000);
  clearInterval(looking);
  const { total, most } = publishers.requests;
  return [
    String(total),
    String(most),
    `${feeds.length * MISSED}, ${here === null ? 'never' : ((here - from) / 1000).toFixed(1)}`,
    percentiles(quiet.posts),
    percentiles(meanwhile.posts),
    ratio(meanwhile.posts, quiet.posts),
    percentiles(quiet.pages),
    percentiles(meanwhile.pages),
    ratio(meanwhile.pages, quiet.pages),
  ];
}
