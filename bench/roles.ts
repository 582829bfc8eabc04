// Two web and two worker processes against one of each, on PostgreSQL: posts through the form until every follower has every one; what is lost or doubled.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { heard, subscribeTo } from '../test/support/follow.js';
import { startPostgres, startProsody } from '../test/support/servers/index.js';
import { connect, type TestClient } from '../test/support/xmpp-client.js';
import { median, printMachine, printTable, spread } from './support/figures.js';
import { type Author, author, type Service, startService } from './support/service.js';

const AUTHORS = 8;
const FOLLOWERS = 5;
/** A round; each follower follows every author. */
const POSTS = 400;
const ROUNDS = 10;
/** Long enough that each of two web processes runs compiled, as after an hour of use, and not only the one that has all posts. */
const WARM_UP = 4_000;

/** An installation, its authors, and who reads them. */
interface Setup {
  name: string;
  authors: Author[];
  followers: TestClient[];
  /** What each follower had got before the first post. */
  before: number[];
  posts: string[];
  seconds: number[];
  accepted: number[];
  /** By role, with all its processes. */
  services: Record<'web' | 'worker' | 'connector', Service[]>;
  /** Processor time before the first round that counts, by role. */
  cpuMs: Record<string, number>;
  stop(): Promise<void>;
}

export async function run(): Promise<void> {
  printMachine();
  const postgres = await startPostgres();
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  const domains = ['one.test', 'two.test'];
  const server = await startProsody({ chatDomains: ['chat.test'], componentDomains: domains, componentSecret: 'secret' });
  const at = { host: server.host, port: server.componentPort, secret: 'secret' };

  async function setUp(name: string, domain: string, count: number): Promise<Setup> {
    const database = domain.replace(/\W/g, '_');
    await admin.query(`create database ${database}`);
    const url = new URL(postgres.url);
    url.pathname = `/${database}`;
    const stateDir = mkdtempSync(path.join(tmpdir(), 'dx-bench-'));
    const start = (command: 'web' | 'worker' | 'connector') => startService({ ...at, domain }, '', { DX_DATABASE_URL: url.href }, { command, stateDir });
    const services: Setup['services'] = { connector: [await start('connector')], worker: [], web: [] };
    const webs = services.web;
    for (let i = 0; i < count; i++) {
      services.worker.push(await start('worker'));
      webs.push(await start('web'));
    }
    const authors: Author[] = [];
    for (let i = 0; i < AUTHORS; i++) authors.push(await author(webs.map((web) => web.url), webs[0]!.env, `author${i}`));
    const followers: TestClient[] = [];
    for (let i = 0; i < FOLLOWERS; i++) {
      const username = `${database}-${i}`;
      await server.register('chat.test', username, 'pw');
      const client = await connect({ server: { host: server.host, c2sPort: server.c2sPort, chatDomain: 'chat.test' }, username, domain: 'chat.test', password: 'pw', jid: `${username}@chat.test` });
      for (const { jid } of authors) await subscribeTo(client, jid);
      followers.push(client);
    }
    return {
      name,
      authors,
      followers,
      before: followers.map((client) => client.unread.length),
      posts: [],
      seconds: [],
      accepted: [],
      services,
      cpuMs: {},
      async stop() {
        await Promise.all(followers.map((client) => client.disconnect()));
        for (const service of [...webs, ...services.worker, ...services.connector]) await service.stop();
        rmSync(stateDir, { recursive: true });
      },
    };
  }

  const setups = [await setUp('one web, one worker', domains[0]!, 1), await setUp('two web, two workers', domains[1]!, 2)];
  for (const setup of setups) {
    await round(setup, WARM_UP, false);
    setup.cpuMs = cpuMsOf(setup);
  }
  for (let i = 0; i < ROUNDS; i++) for (const setup of i % 2 ? setups.toReversed() : setups) await round(setup, POSTS, true);

  const rows = [['processes', 'posts/s until heard by all', 'POST accepted, ms', 'processor time a post, ms', 'lost', 'doubled']];
  const rate = (setup: Setup) => setup.seconds.map((seconds) => POSTS / seconds);
  for (const setup of setups) {
    const { lost, doubled } = compare(setup);
    const cpu = Object.entries(cpuMsOf(setup)).map(([role, ms]) => `${role} ${((ms - setup.cpuMs[role]!) / (POSTS * ROUNDS)).toFixed(1)}`).join(', ');
    rows.push([setup.name, spread(rate(setup)), spread(setup.accepted), cpu, String(lost), String(doubled)]);
  }
  console.log(`${AUTHORS} authors at once, ${POSTS} posts a round to ${FOLLOWERS} followers of each, ${ROUNDS} rounds in turn; medians (least–most)`);
  printTable(rows);
  const [one, two] = setups.map((setup) => median(rate(setup))) as [number, number];
  console.log(`ratio     ${(two / one).toFixed(2)} (goal: ≥ 1.0, lost 0, doubled 0)`);
  for (const setup of setups) await setup.stop();
  await admin.end();
  await server.destroy();
  await postgres.destroy();
}

const cpuMsOf = ({ services }: Setup): Record<string, number> => Object.fromEntries(Object.entries(services).map(([role, list]) => [role, list.reduce((sum, service) => sum + service.cpuMs(), 0)]));

/** How many events each follower has had. */
const eventsOf = (client: TestClient, authors: Author[]): string[] => authors.flatMap(({ jid }) => heard(client, jid).map((line) => line.slice(1, 33)));

async function round({ authors, followers, before, posts, seconds, accepted }: Setup, count: number, counts: boolean): Promise<void> {
  const goal = posts.length + count;
  const from = performance.now();
  let next = 0;
  await Promise.all(
    authors.map(async (one) => {
      while (next < count) {
        next += 1;
        const { guid, tookMs } = await one.post(`post ${next} ${'lorem ipsum '.repeat(20)}`);
        posts.push(guid);
        if (counts) accepted.push(tookMs);
      }
    }),
  );
  // A look a millisecond costs less than an event handler for each stanza would.
  while (followers.some((client, index) => client.unread.length - before[index]! < goal)) await new Promise((resolve) => setTimeout(resolve, 1));
  if (counts) seconds.push((performance.now() - from) / 1000);
}

function compare({ authors, followers, posts }: Setup): { lost: number; doubled: number } {
  let [lost, doubled] = [0, 0];
  for (const client of followers) {
    const ids = eventsOf(client, authors);
    const different = new Set(ids);
    lost += posts.filter((guid) => !different.has(guid)).length;
    doubled += ids.length - different.size;
  }
  return { lost, doubled };
}
