import type { Audience } from '../domain/activity.js';
import type { Guid } from '../domain/guid.js';
import type { Post, Reach } from '../domain/post.js';
import { audienceSql, personVisibleSql, VIEWER, type Viewer, viewerParam, visibleSql, WITH_VIEWER } from './access.js';
import type { Db, Dialect, Tx } from './database.js';
import { marks, table } from './rows.js';
import { type PostAspect, PostAspectSchema, type PostRow, PostSchema } from './schema/posts.js';

const posts = table<PostRow>(PostSchema);
const postAspects = table<PostAspect>(PostAspectSchema);

const COLUMNS = posts.columns('p');
/** Above every guid, below every guid: guids are small hex digits. */
const [TOP, BOTTOM] = ['g', ''];

/** How many of the next posts are looked at for those of certain authors, before each of these is asked. 0: none; for tests. */
export const LOOK_AT = { posts: 1_000 };

const readPost = posts.readWithout('once', 'audience', 'reach');

/** Rows as posts, with the aspects of those that have some. */
async function toPosts(db: Db, rows: Record<string, unknown>[]): Promise<Post[]> {
  const guids = rows.filter((row) => row['audience'] === 'aspects').map((row) => row['guid'] as Guid);
  const aspectIds = new Map<Guid, number[]>(guids.map((guid) => [guid, []]));
  if (guids.length > 0) {
    const found = await db.query<{ post_guid: Guid; aspect_id: number }>(
      `select post_guid, aspect_id from post_aspects where post_guid in (${marks(guids.length)}) order by aspect_id`,
      guids,
    );
    for (const row of found) aspectIds.get(row.post_guid)!.push(row.aspect_id);
  }
  return rows.map((row) => {
    const to = row['audience'] as Audience['to'];
    return Object.assign(readPost(row), { audience: to === 'aspects' ? { to, aspectIds: aspectIds.get(row['guid'] as Guid)! } : { to } }) as Post;
  });
}

async function selectOne(db: Db, sql: string, params: unknown[]): Promise<Post | null> {
  return (await toPosts(db, await db.query(sql, params)))[0] ?? null;
}

async function setAspects(tx: Tx, postGuid: Guid, audience: Audience): Promise<void> {
  if (audience.to !== 'aspects') return;
  for (const aspectId of new Set(audience.aspectIds)) await postAspects.insert(tx, { postGuid, aspectId });
}

/**
 * @param post.once the token of the form that made it
 * @param post.reach of what is made here
 * @throws DomainError conflict when the guid, or the author's `once`, is there already
 */
export async function insertPost(tx: Tx, post: Post & { once?: string | null; reach?: Reach }): Promise<void> {
  await posts.insert(tx, { ...post, audience: post.audience.to });
  await setAspects(tx, post.guid, post.audience);
}

/** Posts that have no aspects, together. @throws DomainError conflict when one of the guids is there already */
export const insertPosts = (tx: Tx, added: readonly Post[]): Promise<void> => posts.insertAll(tx, added.map((post) => ({ ...post, audience: post.audience.to })));

/** @param change.once null: the author may make the same again */
export async function updatePost(tx: Tx, guid: Guid, { audience, ...change }: Partial<Post> & { once?: null; reach?: null }): Promise<void> {
  await posts.update(tx, { guid }, { ...change, audience: audience?.to });
  if (!audience) return;
  await postAspects.remove(tx, { postGuid: guid });
  await setAspects(tx, guid, audience);
}

/** Whom an own post could reach when it was made; null: that is not known. */
export const findReach = async (db: Db, authorId: number, guid: Guid): Promise<Reach | null> => (await posts.find(db, { authorId, guid }))?.reach ?? null;

/** The author's own post, tombstones too, whatever the state of the account. */
export const findOwnPost = (db: Db, authorId: number, guid: Guid): Promise<Post | null> =>
  selectOne(db, `select ${COLUMNS} from posts p where p.guid = ? and p.author_id = ?`, [guid, authorId]);

/** For the delivery alone, which checks access for each recipient: tombstones too. */
export const findPostForDelivery = (db: Db, guid: Guid): Promise<Post | null> => selectOne(db, `select ${COLUMNS} from posts p where p.guid = ?`, [guid]);

/** The post that this form made before. */
export const findPostByOnce = (db: Db, authorId: number, once: string): Promise<Post | null> =>
  selectOne(db, `select ${COLUMNS} from posts p where p.author_id = ? and p.once = ?`, [authorId, once]);

/** The author's posts that stand, of those whose tokens begin like this, newest first; `changedAt` is when they were last edited, or made. */
export async function listPostsByOnce(db: Db, authorId: number, { prefix, newerThan, limit }: { prefix: string; newerThan: Guid; limit: number }): Promise<{ once: string; changedAt: number }[]> {
  const rows = await db.query<{ once: string; changed_at: number }>(
    `select p.once, coalesce(p.edited_at, p.created_at) as changed_at from posts p
     where p.author_id = ? and p.guid > ? and p.deleted_at is null and substr(p.once, 1, ${[...prefix].length}) = ? order by p.guid desc limit ?`,
    [authorId, newerThan, prefix, limit],
  );
  return rows.map(({ once, changed_at }) => ({ once, changedAt: Number(changed_at) }));
}

const findVisible = (db: Db, viewer: Viewer, guid: Guid, state: string): Promise<Post | null> =>
  selectOne(db, `${WITH_VIEWER} select ${COLUMNS} from posts p where p.guid = ? and p.deleted_at ${state} and ${visibleSql('p', VIEWER)}`, [
    viewerParam(viewer),
    guid,
  ]);

/** The post, if the viewer may see it. */
export const findVisiblePost = (db: Db, viewer: Viewer, guid: Guid): Promise<Post | null> => findVisible(db, viewer, guid, 'is null');

/** Those of the posts that the viewer may see, by guid. */
export async function findVisiblePosts(db: Db, viewer: Viewer, guids: readonly Guid[]): Promise<Map<Guid, Post>> {
  if (guids.length === 0) return new Map();
  const rows = await db.query(
    `${WITH_VIEWER} select ${COLUMNS} from posts p where p.guid in (${marks(guids.length)}) and p.deleted_at is null and ${visibleSql('p', VIEWER)}`,
    [viewerParam(viewer), ...guids],
    { keepPlan: true },
  );
  return new Map((await toPosts(db, rows)).map((post) => [post.guid, post]));
}

/** The author's reshare of a root, as long as it stands. */
export const findReshare = (db: Db, authorId: number, root: Guid): Promise<Post | null> =>
  selectOne(db, `select ${COLUMNS} from posts p where p.reshare_of = ? and p.author_id = ? and p.deleted_at is null`, [root, authorId]);

/** The tombstone of a post that the viewer could see. */
export const findDeletedPost = (db: Db, viewer: Viewer, guid: Guid): Promise<Post | null> => findVisible(db, viewer, guid, 'is not null');

/** Exclusive bounds: older < guid < newer is what is left. */
interface Bounds {
  /** Only posts older than this one. */
  older?: Guid;
  /** Only posts newer than this one. */
  newer?: Guid;
}

const IN_BOUNDS = (post: string) => `${post}.guid < ? and ${post}.guid > ? and ${post}.deleted_at is null and ${visibleSql(post, VIEWER)}`;
const bounds = ({ older, newer }: Bounds) => [older ?? TOP, newer ?? BOTTOM];

/**
 * A page of several authors' posts, heads first (store.md "Reading the stream"): (a) each author's first visible post, the `limit`
 * first of those; (b) as many posts of each of these authors, but none beyond the last of the heads when there are enough of them, the `limit`
 * first of those; (c) their rows. So a page costs the same however many posts there are. Whether the viewer may see anything of an author is
 * asked once for each author.
 * @param authors SQL for one column `id`
 */
function headsFirst(dialect: Dialect, authors: string, order: 'asc' | 'desc'): string {
  const first = (author: string, within: string) =>
    `select q.guid from posts q where q.author_id = ${author} and ${within} and q.deleted_at is null and ${audienceSql('q', VIEWER)} order by q.guid ${order}`;
  // One bound on each side, so that both databases read the index between them; a guid cut short, or with a letter more, lets the last head itself in.
  const [edge, inside] =
    order === 'desc'
      ? ['case when count(*) >= ? then substr(min(guid), 1, 31) else ? end', 'q.guid > (select bound from edge) and q.guid < ?']
      : ["case when count(*) >= ? then max(guid) || 'g' else ? end", 'q.guid < (select bound from edge) and q.guid > ?'];
  const ofChosen =
    dialect === 'postgres'
      ? `select p.guid from chosen c cross join lateral (${first('c.author_id', inside)} limit ?) p`
      : `select p.guid from chosen c cross join posts p where p.guid in (${first('c.author_id', inside)} limit ?)`;
  return `${WITH_VIEWER},
    authors(id) as (${authors}),
    heads as materialized (select a.id as author_id, (${first('a.id', 'q.guid < ? and q.guid > ?')} limit 1) as guid from authors a where ${personVisibleSql('a.id', VIEWER)}),
    chosen as materialized (select author_id, guid from heads where guid is not null order by guid ${order} limit ?),
    edge(bound) as materialized (select ${edge} from chosen),
    page as (select guid from (${ofChosen}) found order by guid ${order} limit ?)
    select ${COLUMNS} from page join posts p on p.guid = page.guid order by p.guid ${order}`;
}

/**
 * The same of authors among whom many have written lately: out of the posts next to the bound, whoever wrote them. A sixth of the time, as long as
 * these hold enough; how many they are does not depend on how many posts there are.
 */
function latestFirst(authors: string, order: 'asc' | 'desc'): string {
  // "is true" keeps PostgreSQL from joining: one after the other is asked, in their order, until there are enough.
  return `${WITH_VIEWER},
    authors(id) as materialized (${authors}),
    page as materialized (select r.guid from (
        select q.guid, q.author_id, q.audience, q.created_at from posts q where q.guid < ? and q.guid > ? and q.deleted_at is null order by q.guid ${order} limit ${LOOK_AT.posts}) r
      where (r.author_id in (select id from authors)) is true and ${visibleSql('r', VIEWER)} is true order by r.guid ${order} limit ?)
    select ${COLUMNS} from page join posts p on p.guid = page.guid order by p.guid ${order}`;
}

/** @param authors SQL for one column `id`, and its parameters */
async function readOf(db: Db, viewer: Viewer, authors: { sql: string; params: unknown[] }, page: Page): Promise<Post[]> {
  const [upper, lower] = bounds(page);
  const { limit } = page;
  const isAscending = page.direction === 'oldest-first';
  const [far, near] = isAscending ? [upper, lower] : [lower, upper];
  const order = isAscending ? 'asc' : 'desc';
  const first = [viewerParam(viewer), ...authors.params, upper, lower, limit];
  const latest = await db.query(latestFirst(authors.sql, order), first, { keepPlan: true });
  const isEnough = latest.length === limit;
  return toPosts(db, isEnough ? latest : await db.query(headsFirst(db.dialect, authors.sql, order), [...first, limit, far, near, limit, limit], { keepPlan: true }));
}

interface Page extends Bounds {
  limit: number;
  direction?: 'newest-first' | 'oldest-first';
}

/**
 * The posts that the viewer may see, by guid, which is by time. No tombstones.
 * @param page.authorIds of these authors only
 */
export async function listVisiblePosts(db: Db, viewer: Viewer, page: Page & { authorIds?: readonly number[] }): Promise<Post[]> {
  const { authorIds } = page;
  if (authorIds && authorIds.length !== 1) {
    if (authorIds.length === 0) return [];
    const sql = authorIds.map(() => 'select cast(? as integer)').join(' union ');
    return readOf(db, viewer, { sql, params: [...authorIds] }, page);
  }
  const order = page.direction === 'oldest-first' ? 'asc' : 'desc';
  const rows = await db.query(
    `${WITH_VIEWER} select ${COLUMNS} from posts p where ${authorIds ? 'p.author_id = ? and ' : ''}${IN_BOUNDS('p')} order by p.guid ${order} limit ?`,
    [viewerParam(viewer), ...(authorIds ?? []), ...bounds(page), page.limit],
  );
  return toPosts(db, rows);
}

/** How many posts of the author the viewer may see. No tombstones. */
export async function countVisiblePosts(db: Db, viewer: Viewer, authorId: number, range: Bounds = {}): Promise<number> {
  const rows = await db.query<{ n: number }>(`${WITH_VIEWER} select count(*) as n from posts p where p.author_id = ? and ${IN_BOUNDS('p')}`, [
    viewerParam(viewer),
    authorId,
    ...bounds(range),
  ]);
  return rows[0]!.n;
}

const FOLLOWED = "select other_id from relationships where actor_id = ? and following = 'on' and muted_at is null";

/** Without the reshares of what those wrote whom she has muted. */
export async function withoutMutedRoots(db: Db, actorId: number, found: Post[]): Promise<Post[]> {
  const roots = found.map(({ reshareOf }) => reshareOf).filter((guid) => guid !== null);
  if (roots.length === 0) return found;
  const rows = await db.query<{ guid: Guid }>(
    `select r.guid from posts r join relationships m on m.actor_id = ? and m.other_id = r.author_id and m.muted_at is not null where r.guid in (${marks(roots.length)})`,
    [actorId, ...roots],
  );
  const muted = new Set<Guid | null>(rows.map(({ guid }) => guid));
  return muted.size === 0 ? found : found.filter(({ reshareOf }) => !muted.has(reshareOf));
}

/**
 * The stream of someone of ours: her own posts and those of all whom she follows, newest first. No tombstones, and nothing of those whom she has muted.
 * @param page.aspectId instead: only those of the people whom she follows and who are in this aspect of hers
 */
export async function listHomePosts(db: Db, actorId: number, { older, limit, aspectId }: { older?: Guid; limit: number; aspectId?: number }): Promise<Post[]> {
  const authors =
    aspectId === undefined
      ? { sql: `select cast(? as integer) union ${FOLLOWED}`, params: [actorId, actorId] }
      : {
          sql: `${FOLLOWED} and other_id in (select m.actor_id from aspect_members m join aspects a on a.id = m.aspect_id where a.owner_id = ? and a.id = ?)`,
          params: [actorId, actorId, aspectId],
        };
  const posts: Post[] = [];
  for (let before = older; ; ) {
    const found = await readOf(db, { actorId }, authors, { older: before, limit });
    posts.push(...(await withoutMutedRoots(db, actorId, found)));
    if (posts.length >= limit || found.length < limit) return posts.slice(0, limit);
    before = found.at(-1)!.guid;
  }
}

/** The posts with a tag that the viewer may see. @param tag as a post has it: without `#`, in small letters */
export async function listTagged(db: Db, viewer: Viewer, tag: string, page: Page): Promise<Post[]> {
  const order = page.direction === 'oldest-first' ? 'asc' : 'desc';
  // SQLite reads in the order of a cross join: along the tag, not along all posts.
  const rows = await db.query(
    `${WITH_VIEWER} select ${COLUMNS} from post_tags t cross join posts p where t.tag = ? and t.post_guid < ? and t.post_guid > ? and p.guid = t.post_guid
     and p.deleted_at is null and ${visibleSql('p', VIEWER)} order by t.post_guid ${order} limit ?`,
    [viewerParam(viewer), tag, ...bounds(page), page.limit],
  );
  return toPosts(db, rows);
}

/** What stands under a post, of those whom the viewer may see; and what of it is the viewer's. */
export interface PostCounts {
  comments: number;
  likes: number;
  reshares: number;
  liked: boolean;
  reshared: boolean;
}

/** For posts that the viewer may see, which the caller has asked before: by guid, in one statement for all of them. */
export async function countUnderPosts(db: Db, viewer: Viewer, guids: readonly Guid[]): Promise<Map<Guid, PostCounts>> {
  if (guids.length === 0) return new Map();
  const shown = (person: string) => personVisibleSql(person, VIEWER);
  const rows = await db.query<Record<keyof PostCounts, number | boolean> & { guid: Guid }>(
    `${WITH_VIEWER} select p.guid,
       (select count(*) from comments c where c.post_guid = p.guid and c.deleted_at is null and ${shown('c.author_id')}) as comments,
       (select count(*) from likes l where l.post_guid = p.guid and ${shown('l.actor_id')}) as likes,
       (select count(*) from posts r where r.reshare_of = p.guid and r.deleted_at is null and ${shown('r.author_id')}) as reshares,
       exists (select 1 from likes l where l.post_guid = p.guid and l.actor_id = ${VIEWER}) as liked,
       exists (select 1 from posts r where r.reshare_of = p.guid and r.author_id = ${VIEWER} and r.deleted_at is null) as reshared
     from posts p where p.guid in (${marks(guids.length)})`,
    [viewerParam(viewer), ...guids],
    { keepPlan: true },
  );
  return new Map(
    rows.map(({ guid, comments, likes, reshares, liked, reshared }) => [
      guid,
      { comments: Number(comments), likes: Number(likes), reshares: Number(reshares), liked: Boolean(liked), reshared: Boolean(reshared) },
    ]),
  );
}

/** Something that a person did with a post. `at` sorts by time among all that the person did: a guid, or of a like its time as one would begin. */
export interface Doing {
  postGuid: Guid;
  at: string;
}

const msOf = (at: string): number => Number.parseInt(at.slice(0, 12), 16);
const beginning = (ms: number): string => ms.toString(16).padStart(12, '0');

/** When somebody last did something with a post: made it, commented or liked it. null: never. */
export async function lastDoing(db: Db, actorId: number, postGuid: Guid): Promise<string | null> {
  const rows = await db.query<{ made: string | null; commented: string | null; liked: number | null }>(
    `select (select guid from posts where guid = ? and author_id = ?) as made,
       (select max(guid) from comments where post_guid = ? and author_id = ? and deleted_at is null) as commented,
       (select created_at from likes where post_guid = ? and actor_id = ?) as liked`,
    [postGuid, actorId, postGuid, actorId, postGuid, actorId],
  );
  const { made, commented, liked } = rows[0]!;
  const all = [made, commented, liked === null ? null : beginning(Number(liked))].filter((at) => at !== null);
  return all.sort().at(-1) ?? null;
}

/**
 * What somebody did before `before`, latest first: at least the `limit` latest, or all. Several on one post are several.
 * @param before null: now
 */
export async function listDoings(db: Db, actorId: number, before: string | null, limit: number): Promise<{ doings: Doing[]; isAll: boolean }> {
  const bound = before ?? TOP;
  // Of two in the same millisecond a like is the earlier one: its time is but the beginning of a guid.
  const likedBefore = before === null ? Number.MAX_SAFE_INTEGER : before.length > 12 ? msOf(before) + 1 : msOf(before);
  const sources = await Promise.all([
    db.query<{ post_guid: Guid; at: string }>('select guid as post_guid, guid as at from posts where author_id = ? and guid < ? order by guid desc limit ?', [actorId, bound, limit]),
    db.query<{ post_guid: Guid; at: string }>('select post_guid, guid as at from comments where author_id = ? and guid < ? and deleted_at is null order by guid desc limit ?', [actorId, bound, limit]),
    db.query<{ post_guid: Guid; at: number }>('select post_guid, created_at as at from likes where actor_id = ? and created_at < ? order by created_at desc limit ?', [actorId, likedBefore, limit]),
  ]);
  const read = sources.map((rows) => rows.map(({ post_guid, at }) => ({ postGuid: post_guid, at: typeof at === 'number' ? beginning(at) : at })));
  // A source that has more says nothing of what lies beyond its last row.
  const known = read.filter((rows) => rows.length === limit).map((rows) => rows.at(-1)!.at);
  const from = known.sort().at(-1) ?? '';
  const doings = read
    .flat()
    .filter(({ at }) => at >= from)
    .sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
  return { doings, isAll: known.length === 0 };
}

/** Public posts of accounts of ours that exist for others: what nodeinfo tells. */
export const countPublicPosts = async (db: Db): Promise<number> =>
  Number(
    (
      await db.query<{ n: number }>(
        "select count(*) as n from posts p join accounts a on a.actor_id = p.author_id where a.state = 'active' and p.audience = 'public' and p.deleted_at is null",
      )
    )[0]!.n,
  );
