// What growth costs: 100, 1,000 and 10,000 accounts with 10,000, 100,000 and 1,000,000 posts, followed from up to 1,000 servers: posts, deliveries, pages at each size.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import bcrypt from 'bcrypt';
import { createLog } from '../src/log.js';
import type { Store } from '../src/store/database.js';
import { openStore } from '../src/store/open.js';
import { WEB_PASSWORD } from '../test/support/bulk-accounts.js';
import { startPostgres, startProsody } from '../test/support/servers/index.js';
import { openSink } from '../test/support/sink.js';
import { percentiles, printMachine, printTable, quantile } from './support/figures.js';
import { startService } from './support/service.js';

/** Each account has ten followers on ten servers; a hundred posts; it follows thirty others. */
const SIZES = [
  { accounts: 100, servers: 100 },
  { accounts: 1_000, servers: 300 },
  { accounts: 10_000, servers: 1_000 },
];
const FOLLOWERS = 10;
const POSTS = 100;
const FOLLOWED = 30;
/** Of so many posts one, the latest ones, what became of its deliveries is still in the ledger. */
const LEDGER_SHARE = 10;
/** Who posts and reads during the run, chosen evenly from all. */
const ACTIVE = 10;
const CALM = { posts: 200, perSecond: 20 };
const BURST = 400;
const PAGES = 200;
const DOMAIN = 'social.load.test';
const FROM_MS = Date.UTC(2025, 0, 1);

type Size = (typeof SIZES)[number];
const whole = (value: number) => Math.round(value).toLocaleString('en');

/** @param args `sqlite` or `postgres`; the accounts of one size, instead of all sizes */
export async function run([database = 'sqlite', only]: string[]): Promise<void> {
  printMachine();
  const rows = [['accounts', 'what', 'figure']];
  const costs = new Map<string, number[]>();
  for (const size of SIZES.filter(({ accounts }) => only === undefined || accounts === Number(only))) {
    for (const [what, figure, cost] of await measure(size, database)) {
      rows.push([whole(size.accounts), what, figure]);
      if (cost !== undefined) costs.set(what, [...(costs.get(what) ?? []), cost]);
    }
  }
  printTable(rows);
  if (only !== undefined) return;
  console.log('\ncost of the largest : cost of the smallest');
  printTable([...costs].map(([what, list]) => [what, `${(list.at(-1)! / list[0]!).toFixed(2)} ×`]));
}

/** @returns what, its figure, and a cost to compare */
async function measure(size: Size, database: string): Promise<[string, string, number?][]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-bench-load-'));
  const postgres = database === 'postgres' ? await startPostgres() : null;
  const url = postgres?.url ?? `sqlite:${path.join(folder, 'load.sqlite')}`;
  const filledFrom = performance.now();
  const store = await openStore(url, createLog('silent'));
  await store.migrate();
  await fill(store, size);
  const filledInMs = performance.now() - filledFrom;

  const hosts = Array.from({ length: size.servers }, (_, index) => `server${index}.load.test`);
  const server = await startProsody({ chatDomains: ['load.test'], componentDomains: [DOMAIN, ...hosts], componentSecret: 'secret' });
  const at = { host: server.host, port: server.componentPort, secret: 'secret' };
  const sink = await openSink(hosts.map((domain) => ({ domain, ...at })), 0);
  const service = await startService({ ...at, domain: DOMAIN }, '', { DX_DATABASE_URL: url });
  const members: Awaited<ReturnType<typeof service.member>>[] = [];
  for (let index = 0; index < ACTIVE; index++) members.push(await service.member(`u${1 + Math.floor((index * size.accounts) / ACTIVE)}`, WEB_PASSWORD));

  const arrivals = new Map<string, number[]>();
  let came = 0;
  let onCame = () => {};
  sink.onItem = (_, id) => {
    came += 1;
    const of = arrivals.get(id);
    if (of) of.push(performance.now());
    else arrivals.set(id, [performance.now()]);
    onCame();
  };
  /** @returns ms from the first byte of the POST to its last recipient, and to its answer */
  async function post(count: number, perSecond: number): Promise<{ accepted: number[]; heard: number[] }> {
    const from = performance.now();
    const goal = came + count * FOLLOWERS;
    const posted: { guid: string; sentAt: number }[] = [];
    const accepted: number[] = [];
    await Promise.all(
      members.map(async (member, index) => {
        for (let number = index; number < count; number += members.length) {
          await new Promise((resolve) => setTimeout(resolve, Math.max(0, from + (number * 1000) / perSecond - performance.now())));
          const { guid, sentAt, tookMs } = await member.post(`post ${number} ${'lorem ipsum '.repeat(40)}`);
          posted.push({ guid, sentAt });
          accepted.push(tookMs);
        }
      }),
    );
    await new Promise<void>((resolve) => {
      onCame = () => came >= goal && resolve();
      onCame();
    });
    return { accepted, heard: posted.map(({ guid, sentAt }) => arrivals.get(guid)!.at(-1)! - sentAt) };
  }

  await post(100, Number.POSITIVE_INFINITY); // warm
  const calm = await post(CALM.posts, CALM.perSecond);
  const [from, cpuFrom] = [performance.now(), service.cpuMs()];
  await post(BURST, Number.POSITIVE_INFINITY);
  const [tookMs, cpuMs] = [performance.now() - from, service.cpuMs() - cpuFrom];
  const [{ guid }] = (await store.query<{ guid: string }>('select guid from posts order by guid limit 1')) as [{ guid: string }];
  const pages: Record<string, string> = { 'page: stream of 30 followed': '/', 'page: a profile': '/u/u2', 'page: the oldest post': `/posts/${guid}` };
  const opened = new Map<string, number[]>();
  for (const [name, where] of Object.entries(pages)) {
    const took: number[] = [];
    for (let round = 0; round < PAGES; round++) took.push(await members[round % ACTIVE]!.open(where));
    opened.set(name, took.slice(PAGES / 10));
  }
  const memory = service.residentBytes();
  const lost = [...arrivals.values()].reduce((sum, times) => sum + Math.max(0, FOLLOWERS - times.length), 0);
  const startedInMs = service.startedInMs;
  sink.close();
  await service.destroy();
  await server.destroy();
  await store.close();
  await postgres?.destroy();
  rmSync(folder, { recursive: true });

  const p50 = (values: number[]) => quantile(values, 0.5);
  return [
    ['filled', `${whole(size.accounts)} accounts, ${whole(size.accounts * FOLLOWERS)} followers on ${size.servers} servers, ${whole(size.accounts * POSTS)} posts in ${whole(filledInMs / 1000)} s`],
    ['start to ready', `${whole(startedInMs)} ms`, startedInMs],
    [`POST /posts, ${CALM.perSecond}/s`, percentiles(calm.accepted), p50(calm.accepted)],
    ['POST to the last of ten servers', percentiles(calm.heard), p50(calm.heard)],
    ['posts as fast as they are taken', `${whole((BURST * 1000) / tookMs)} posts/s, ${whole((BURST * FOLLOWERS * 1000) / tookMs)} deliveries/s`, tookMs],
    ['processor time of the service, a post with ten deliveries', `${(cpuMs / BURST).toFixed(1)} ms`, cpuMs],
    ...[...opened].map(([name, took]): [string, string, number] => [name, percentiles(took), p50(took)]),
    ['resident memory', `${whole(memory / 2 ** 20)} MiB`, memory],
    ['lost', String(lost)],
  ];
}

/** Accounts, their followers elsewhere, whom they follow here, posts, and the ledger of the latest: by a few large statements. */
async function fill(store: Store, { accounts, servers }: Size): Promise<void> {
  const isSqlite = store.dialect === 'sqlite';
  const yes = isSqlite ? '1' : 'true';
  const no = isSqlite ? '0' : 'false';
  const series = (from: number, to: number) =>
    isSqlite ? `with recursive s(n) as (select ${from} union all select n + 1 from s where n < ${to})` : `with s(n) as (select generate_series(${from}, ${to}))`;
  const hex = (sql: string, digits: number) => (isSqlite ? `printf('%0${digits}x', ${sql})` : `lpad(to_hex((${sql})::bigint), ${digits}, '0')`);
  const run = (sql: string) => store.transaction((tx) => tx.query(sql));
  const inParts = async (count: number, part: (series: string) => string) => {
    for (let from = 0; from < count; from += 50_000) await run(part(series(from, Math.min(from + 50_000, count) - 1)));
  };
  const passwordHash = await bcrypt.hash(WEB_PASSWORD, 4);
  const [{ id: base }] = (await store.query<{ id: number }>('select coalesce(max(id), 0) + 1 as id from actors')) as [{ id: number }];
  const followers = accounts * FOLLOWERS;
  const posts = accounts * POSTS;
  /** The account of number n, and the follower: actors in this order. */
  const account = (n: string) => `(${base} + ${n})`;
  const follower = (n: string) => `(${base + accounts} + ${n})`;
  const host = (n: string) => `'server' || ((${n}) % ${servers}) || '.load.test'`;

  await inParts(accounts, (s) => `${s} insert into actors (id, is_local, username, domain, display_name, summary) select ${account('n')}, ${yes}, 'u' || (n + 1), '${DOMAIN}', 'Person ' || n, '' from s`);
  await inParts(accounts, (s) => `${s} insert into accounts (actor_id, username, skeleton, email, password_hash, state, is_admin, default_audience, ask_first, created_at, confirmed_at)
    select ${account('n')}, 'u' || (n + 1), 'u' || (n + 1), 'u' || n || '@mail.test', '${passwordHash}', 'active', ${no}, '{"to":"public"}', ${no}, 1, 1 from s`);
  await inParts(followers, (s) => `${s} insert into actors (id, is_local, username, domain, display_name, summary) select ${follower('n')}, ${no}, 'reader' || n, ${host('n')}, '', '' from s`);
  await inParts(followers, (s) => `${s} insert into addresses (protocol, value, actor_id) select 'xmpp', 'reader' || n || '@' || ${host('n')}, ${follower('n')} from s`);
  await inParts(followers, (s) => `${s} insert into relationships (actor_id, other_id, follower, following) select ${account(`n / ${FOLLOWERS}`)}, ${follower('n')}, 'on', 'none' from s`);
  await inParts(followers, (s) => `${s} insert into subscriptions (actor_id, node, jid, person_id, host, subid, state, created_at)
    select ${account(`n / ${FOLLOWERS}`)}, 'urn:xmpp:microblog:0', 'reader' || n || '@' || ${host('n')}, ${follower('n')}, ${host('n')}, '1', 'subscribed', 1 from s`);
  // Each follows the thirty after itself.
  await inParts(accounts * FOLLOWED, (s) => `${s} insert into relationships (actor_id, other_id, follower, following)
    select ${account(`n / ${FOLLOWED}`)}, ${account(`(n / ${FOLLOWED} + 1 + n % ${FOLLOWED}) % ${accounts}`)}, 'on', 'on' from s`);
  const guid = (kind: string) => `${hex(`${FROM_MS} + n * 1000`, 12)} || '${kind}' || ${hex('n', 16)}`;
  const text = 'lorem ipsum dolor sit amet '.repeat(8);
  // 7,919 is prime: authors take turns, but not in the order of their ids.
  const writer = account(`(n % ${accounts} * 7919) % ${accounts}`);
  await inParts(posts, (s) => `${s} insert into posts (guid, author_id, kind, atom_id, title, markdown, html, language, tags, audience, created_at)
    select ${guid('7000')}, ${writer}, 'note', 'https://${DOMAIN}/posts/' || n, 'lorem', '${text}', '<p>${text}</p>', '', '[]', 'public', ${FROM_MS} + n * 1000 from s`);
  await inParts(posts, (s) => `${s} insert into activities (id, actor_id, verb, post_guid, published_at) select ${guid('7001')}, ${writer}, 'post', ${guid('7000')}, ${FROM_MS} + n * 1000 from s`);
  const first = posts - posts / LEDGER_SHARE;
  await inParts((posts * FOLLOWERS) / LEDGER_SHARE, (s) => `${s} insert into deliveries (activity_id, protocol, host, state, recipients, at)
    select id, 'xmpp', ${host(`k * ${FOLLOWERS} + i`)}, 'arrived', 1, 1 from (select ${guid('7001')} as id, (n % ${accounts} * 7919) % ${accounts} as k, i
      from (select ${first} + n / ${FOLLOWERS} as n, n % ${FOLLOWERS} as i from s) numbered) lines`);
  await store.dataSource.query(isSqlite ? 'analyze' : 'vacuum analyze');
  if (!isSqlite) await store.dataSource.query(`select setval(pg_get_serial_sequence('actors', 'id'), ${base + accounts + followers})`);
}
