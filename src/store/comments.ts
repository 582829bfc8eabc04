import type { Comment } from '../domain/comment.js';
import type { Guid } from '../domain/guid.js';
import { personVisibleSql, VIEWER, type Viewer, viewerParam, visibleSql, WITH_VIEWER } from './access.js';
import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { type CommentRow, CommentSchema } from './schema/social.js';

const comments = table<CommentRow>(CommentSchema);
const COLUMNS = comments.columns('c');

const readComment: (row: Record<string, unknown>) => Comment = comments.readWithout('once');
const toComment = ({ once, ...comment }: CommentRow): Comment => comment;
const first = async (rows: Promise<Record<string, unknown>[]>): Promise<Comment | null> => {
  const row = (await rows)[0];
  return row ? readComment(row) : null;
};

/** @throws DomainError conflict when the post has an item of this id, or the author's `once` is there already */
export async function insertComment(tx: Tx, comment: Comment & { once?: string | null }): Promise<void> {
  await comments.insert(tx, { ...comment, once: comment.once ?? null });
}

export async function updateComment(tx: Tx, guid: Guid, change: Partial<Comment>): Promise<void> {
  await comments.update(tx, { guid }, change);
}

/** Tombstones too, for the writer and the delivery, which check access themselves. */
export const findComment = async (db: Db, guid: Guid): Promise<Comment | null> => {
  const row = await comments.find(db, { guid });
  return row && toComment(row);
};

/** Tombstones too. */
export const findCommentOfItem = async (db: Db, postGuid: Guid, itemId: string): Promise<Comment | null> => {
  const row = await comments.find(db, { postGuid, itemId });
  return row && toComment(row);
};

/** The items of a post whose ids begin like this, a few. */
export const listItemsLike = async (db: Db, postGuid: Guid, beginning: string): Promise<string[]> =>
  (await db.query<{ item_id: string }>('select item_id from comments where post_guid = ? and substr(item_id, 1, cast(? as integer)) = ? limit 20', [postGuid, beginning.length, beginning])).map((row) => row.item_id);

/** The comment that this form made before. */
export const findCommentByOnce = async (db: Db, authorId: number, once: string): Promise<Comment | null> => {
  const row = await comments.find(db, { authorId, once });
  return row && toComment(row);
};

/** All that stands under a post of which nothing may be seen any more: a tombstone each. */
export async function endComments(tx: Tx, postGuid: Guid, at: number): Promise<void> {
  await tx.query("update comments set markdown = '', html = '', deleted_at = ? where post_guid = ? and deleted_at is null", [at, postGuid]);
}

/** A comment is there for those who see its post, but not for whom its author has blocked, or who has blocked its author. */
const UNDER_VISIBLE = `from posts p join comments c on c.post_guid = p.guid
  where p.deleted_at is null and ${visibleSql('p', VIEWER)} and ${personVisibleSql('c.author_id', VIEWER)}`;

/** The comment, if the viewer may see it; `deleted`: its tombstone, if they could. */
export const findVisibleComment = (db: Db, viewer: Viewer, guid: Guid, { deleted = false } = {}): Promise<Comment | null> =>
  first(db.query(`${WITH_VIEWER} select ${COLUMNS} ${UNDER_VISIBLE} and c.guid = ? and c.deleted_at is ${deleted ? 'not null' : 'null'}`, [viewerParam(viewer), guid]));

export const findVisibleCommentOfItem = (db: Db, viewer: Viewer, postGuid: Guid, itemId: string): Promise<Comment | null> =>
  first(
    db.query(`${WITH_VIEWER} select ${COLUMNS} ${UNDER_VISIBLE} and p.guid = ? and c.post_guid = ? and c.item_id = ? and c.deleted_at is null`, [
      viewerParam(viewer),
      postGuid,
      postGuid,
      itemId,
    ]),
  );

/** Keyset bounds, exclusive: guids of comments. */
export interface CommentBounds {
  older?: Guid;
  newer?: Guid;
}
/** `direction`: newest-first unless said otherwise. */
export interface CommentPage extends CommentBounds {
  limit: number;
  direction?: 'newest-first' | 'oldest-first';
}

const IN_BOUNDS = `${UNDER_VISIBLE} and p.guid = ? and c.post_guid = ? and c.guid < ? and c.guid > ? and c.deleted_at is null`;
const boundParams = (viewer: Viewer, postGuid: Guid, { older, newer }: CommentBounds) => [viewerParam(viewer), postGuid, postGuid, older ?? 'g', newer ?? ''];

/** A post's comments that the viewer may see, by guid, which is by time. */
export async function listVisibleComments(db: Db, viewer: Viewer, postGuid: Guid, page: CommentPage): Promise<Comment[]> {
  const order = page.direction === 'oldest-first' ? 'asc' : 'desc';
  const rows = await db.query(`${WITH_VIEWER} select ${COLUMNS} ${IN_BOUNDS} order by c.guid ${order} limit ?`, [...boundParams(viewer, postGuid, page), page.limit]);
  return rows.map(readComment);
}

export async function countVisibleComments(db: Db, viewer: Viewer, postGuid: Guid, bounds: CommentBounds = {}): Promise<number> {
  return (await db.query<{ n: number }>(`${WITH_VIEWER} select count(*) as n ${IN_BOUNDS}`, boundParams(viewer, postGuid, bounds)))[0]!.n;
}

/** How many there are under a post, ends too, counted up to `limit`. */
export const countStored = async (db: Db, postGuid: Guid, limit: number): Promise<number> =>
  (await db.query<{ n: number }>('select count(*) as n from (select 1 from comments where post_guid = ? limit ?) c', [postGuid, limit]))[0]!.n;

/** How many of them are one person's, counted up to `limit`. */
export const countStoredBy = async (db: Db, postGuid: Guid, authorId: number, limit: number): Promise<number> =>
  (await db.query<{ n: number }>('select count(*) as n from (select 1 from comments where post_guid = ? and author_id = ? limit ?) c', [postGuid, authorId, limit]))[0]!.n;

/** The items of the comments on a post from elsewhere, as far as its server has them. @param of.others not those of people of ours */
export const listItemsThere = async (db: Db, postGuid: Guid, of: { others: boolean }): Promise<string[]> =>
  (
    await db.query<{ item_id: string }>(
      `select c.item_id from comments c join actors o on o.id = c.author_id where c.post_guid = ? and c.deleted_at is null and ${
        of.others ? 'o.is_local = false' : "not exists (select 1 from activities a join deliveries d on d.activity_id = a.id where a.comment_guid = c.guid and a.verb = 'comment' and d.state <> 'arrived')"
      }`,
      [postGuid],
    )
  ).map((row) => row.item_id);

/** People of ours who have commented on the post, at most `limit`, the latest first. */
export const localCommentersOf = async (db: Db, postGuid: Guid, limit: number): Promise<number[]> =>
  (
    await db.query<{ author_id: number }>(
      `select c.author_id from comments c join accounts a on a.actor_id = c.author_id
       where c.post_guid = ? and c.deleted_at is null and a.state = 'active' group by c.author_id order by max(c.guid) desc limit ?`,
      [postGuid, limit],
    )
  ).map((row) => row.author_id);
