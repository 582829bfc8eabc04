// The stream of a reader who follows 300 authors: first page and page 50, of 10,000 and of 1,000,000 posts, lively authors and silent ones; a post with 1,000 comments.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Account } from '../src/domain/account.js';
import { listComments } from '../src/services/comments.js';
import { homeStream } from '../src/services/stream.js';
import { findAccountByUsername } from '../src/store/accounts.js';
import type { Store } from '../src/store/database.js';
import { findVisiblePosts, listHomePosts } from '../src/store/posts.js';
import { startPostgres } from '../test/support/servers/index.js';
import { startSite } from '../test/support/web.js';
import { percentiles, printMachine, printTable, quantile } from './support/figures.js';

const FOLLOWED = 300;
const PAGE = 20;
const WARM = 300;
const ROUNDS = 1_000;
const BLOCK = 50;
const FROM_MS = Date.UTC(2025, 0, 1);

/** First the table grows, then the number of those who write into it. The reader follows 300 of these; the seeker, 300 others who have fallen silent. */
const SIZES = [
  { posts: 10_000, authors: 1_000 },
  { posts: 1_000_000, authors: 1_000 },
  { posts: 1_000_000, authors: 10_000 },
];
/** The seeker's authors have written nothing in this last part of all posts. */
const SILENT = 0.2;

/** What took time, by name: so many rounds of it, in milliseconds. */
type Works = Record<string, (rounds: number) => Promise<number[]>>;

/** `-- stream sqlite|postgres` takes one database; `-- stream sqlite|postgres FOLDER` keeps what was filled for the next run, which then only measures. */
export async function run([only = '', kept]: string[] = []): Promise<void> {
  printMachine();
  const rows = [['database', 'posts', 'what', 'figure']];
  const visitor = startVisitor();
  for (const dialect of ['sqlite', 'postgres'].filter((name) => name.startsWith(only))) {
    const scenes = [];
    for (const size of SIZES) scenes.push(await openScene(dialect, size, visitor, kept));
    for (const name of Object.keys(scenes[0]!.works)) {
      const took: number[][] = scenes.map(() => []);
      for (const { works } of scenes) await works[name]!(WARM);
      // In turn: what else the machine does meets all of them.
      for (let done = 0; done < ROUNDS; done += BLOCK) {
        for (const [index, { works }] of scenes.entries()) took[index]!.push(...(await works[name]!(BLOCK)));
      }
      const [small, ...large] = took.map((values) => quantile(values, 0.5)) as [number, ...number[]];
      for (const [index, { label }] of scenes.entries()) rows.push([dialect, label, name, percentiles(took[index]!)]);
      rows.push([dialect, 'beside the first', name, large.map((p50) => `${(p50 / small).toFixed(2)} ×`).join('  ')]);
    }
    for (const { close } of scenes) await close();
  }
  visitor.stop();
  printTable(rows);
}

async function openScene(dialect: string, size: (typeof SIZES)[number], visitor: ReturnType<typeof startVisitor>, kept?: string) {
  const folder = kept ? path.join(path.resolve(kept), `${dialect}-${size.posts}-${size.authors}`) : mkdtempSync(path.join(tmpdir(), 'dx-bench-stream-'));
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  const isFilled = existsSync(path.join(folder, 'filled'));
  const postgres = dialect === 'postgres' ? await startPostgres({ folder: path.join(folder, 'postgres'), sharedBuffers: '128MB' }) : null;
  const databaseUrl = postgres?.url ?? `sqlite:${path.join(folder, 'stream.sqlite')}`;
  const site = await startSite({ config: { databaseUrl } });
  const { ctx } = site;
  if (!isFilled) for (const name of ['reader', 'seeker']) await site.account(name);
  const reader = site.browser();
  await reader.logIn('reader');
  const [account, seeker] = (await Promise.all(['reader', 'seeker'].map((name) => findAccountByUsername(ctx.store, name)))) as [Account, Account];
  if (!isFilled) await fill(ctx.store, account.actorId, seeker.actorId, size);
  writeFileSync(path.join(folder, 'filled'), '');
  const viewer = { actorId: account.actorId };
  const [{ post_guid: thread }] = (await ctx.store.query<{ post_guid: string }>("select post_guid from comments where item_id = 't1'")) as [{ post_guid: string }];

  const server = createServer(site.app).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const headers = { host: new URL(ctx.config.publicUrl).host, cookie: [...reader.cookies].map(([name, value]) => `${name}=${value}`).join('; '), accept: 'text/html' };
  const open = (url: string, expect = 'id="post-') => (rounds: number) => visitor.ask({ url: origin + url, headers, rounds, expect });

  const page50Of = async (actorId: number) => {
    let older: string | undefined;
    for (let page = 1; page < 50; page++) older = (await listHomePosts(ctx.store, actorId, { older, limit: PAGE })).at(-1)!.guid;
    return older;
  };
  const [older, olderSilent] = [await page50Of(viewer.actorId), await page50Of(seeker.actorId)];
  const guids = (await listHomePosts(ctx.store, viewer.actorId, { limit: PAGE })).map(({ guid }) => guid);
  const works: Works = {
    'bare: 20 posts by their keys (baseline)': measure(() => findVisiblePosts(ctx.store, viewer, guids)),
    'query, first page': measure(() => listHomePosts(ctx.store, viewer.actorId, { limit: PAGE })),
    'query, page 50': measure(() => listHomePosts(ctx.store, viewer.actorId, { older, limit: PAGE })),
    'query, first page, silent authors': measure(() => listHomePosts(ctx.store, seeker.actorId, { limit: PAGE })),
    'query, page 50, silent authors': measure(() => listHomePosts(ctx.store, seeker.actorId, { older: olderSilent, limit: PAGE })),
    'with authors, counts, likes': measure(() => homeStream(ctx, account, { limit: PAGE })),
    'a page without posts over HTTP (baseline)': open('/about', 'id="main"'),
    'whole page over HTTP': open('/'),
    'whole page 50 over HTTP': open(`/?older=${older}`),
    '1,000 comments: a page of 50': measure(() => listComments(ctx, viewer, thread, { limit: 50 })),
    '1,000 comments: the post over HTTP': open(`/posts/${thread}`),
  };
  return {
    label: `${size.posts.toLocaleString('en')} by ${size.authors.toLocaleString('en')}`,
    works,
    async close() {
      server.closeAllConnections();
      await site.stop();
      await postgres?.destroy();
      if (!kept) rmSync(folder, { recursive: true, force: true });
    },
  };
}

const measure = (work: () => Promise<unknown>) => async (rounds: number) => {
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = performance.now();
    await work();
    took.push(performance.now() - from);
  }
  return took;
};

/** Who opens pages, in a process of its own. */
function startVisitor() {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'support/visitor.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(visit: object): Promise<number[]> {
      child.stdin.write(`${JSON.stringify(visit)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error('the visitor ended');
      return JSON.parse(value as string);
    },
    stop: () => child.stdin.end(),
  };
}

/** Authors, posts, whom the two follow, and what stands under the latest posts; and a post with 1,000 comments. */
async function fill(store: Store, readerId: number, seekerId: number, { posts, authors }: { posts: number; authors: number }): Promise<void> {
  const isSqlite = store.dialect === 'sqlite';
  const series = (from: number, to: number) =>
    isSqlite ? `with recursive s(n) as (select ${from} union all select n + 1 from s where n < ${to})` : `with s(n) as (select generate_series(${from}, ${to}))`;
  const hex = (sql: string, digits: number) => (isSqlite ? `printf('%0${digits}x', ${sql})` : `lpad(to_hex((${sql})::bigint), ${digits}, '0')`);
  const guid = (ms: string, n: string) => `${hex(ms, 12)} || '7000' || ${hex(n, 16)}`;
  const at = `(${FROM_MS} + n * 1000)`;
  const run = (sql: string) => store.transaction((tx) => tx.query(sql));
  const first = Math.max(readerId, seekerId);
  // Every other author is ours.
  await run(`${series(1, authors)} insert into actors (id, is_local, username, domain, display_name, summary)
    select ${first} + n, ${isSqlite ? 'n % 2' : 'n % 2 = 1'}, 'author' || n, 'social.localhost', 'Author ' || n, '' from s`);
  await run(`${series(1, authors)} insert into accounts (actor_id, username, skeleton, email, password_hash, state, is_admin, default_audience, ask_first, created_at)
    select ${first} + n, 'author' || n, 'author' || n, 'author' || n || '@mail.test', '', 'active', ${isSqlite ? 0 : false}, '{"to":"public"}', ${isSqlite ? 0 : false}, 1 from s where n % 2 = 1`);
  const step = authors / FOLLOWED;
  await run(`${series(1, FOLLOWED)} insert into relationships (actor_id, other_id, follower, following) select ${readerId}, ${first} + cast(n * ${step} as integer), 'none', 'on' from s`);
  await run(`${series(1, FOLLOWED)} insert into relationships (actor_id, other_id, follower, following) select ${seekerId}, ${first} + cast(n * ${step} as integer) - 1, 'none', 'on' from s`);
  // Others follow each other, too.
  await run(`${series(0, 10 * authors - 1)} insert into relationships (actor_id, other_id, follower, following, added_at)
    select ${first} + 1 + n % ${authors}, ${first} + 1 + (n + 1 + n / ${authors} * 37) % ${authors}, 'on', 'on', ${FROM_MS} from s`);
  // One in ten, without a pattern that authors or pages could share (Knuth's multiplicative hash).
  const closed = 'cast(n as bigint) * 2654435761 % 4294967296 / 65536 % 10 = 0';
  const text = 'lorem ipsum dolor sit amet '.repeat(8);
  // 7,919 is prime: authors take turns, but not in the order of their ids.
  const turn = `${first} + 1 + (n % ${authors} * 7919) % ${authors}`;
  const author = `case when n > ${posts * (1 - SILENT)} and ${turn} in (select other_id from relationships where actor_id = ${seekerId}) then ${turn} - 1 else ${turn} end`;
  for (let from = 1; from <= posts; from += 50_000) {
    await run(`${series(from, Math.min(from + 49_999, posts))} insert into posts (guid, author_id, kind, atom_id, title, markdown, html, language, tags, audience, created_at)
      select ${guid(at, 'n')}, ${author}, 'note', 'https://social.localhost/posts/' || n, 'lorem', '${text}', '<p>${text}</p>', '', '[]',
        case when ${closed} then 'contacts' else 'public' end, ${at} from s`);
  }
  const latest = `(select p.guid, p.created_at from posts p where p.author_id in (select other_id from relationships where actor_id = ${readerId}) order by p.guid desc limit 2000)`;
  await run(`${series(1, 3)} insert into comments (guid, post_guid, author_id, item_id, markdown, html, created_at)
    select ${hex('p.created_at + n', 12)} || '7001' || substr(p.guid, 17), p.guid, ${first} + n * 7, 'c' || n, 'yes', '<p>yes</p>', p.created_at + n from ${latest} p cross join s`);
  await run(`${series(1, 5)} insert into likes (post_guid, actor_id, created_at) select p.guid, ${first} + n * 11, p.created_at + n from ${latest} p cross join s`);
  const [{ guid: thread }] = (await store.query<{ guid: string }>(`select max(p.guid) as guid from posts p join relationships r on r.other_id = p.author_id and r.actor_id = ? where p.audience = 'public'`, [readerId])) as [{ guid: string }];
  await run(`${series(1, 1000)} insert into comments (guid, post_guid, author_id, item_id, markdown, html, created_at)
    select ${guid(`${FROM_MS * 2} + n`, 'n')}, '${thread}', ${first} + 1 + n % ${FOLLOWED}, 't' || n, '${text}', '<p>${text}</p>', ${FROM_MS * 2} + n from s`);
  await store.dataSource.query(isSqlite ? 'analyze' : 'vacuum analyze');
}
