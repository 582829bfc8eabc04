import type { Actor } from '../domain/actor.js';
import type { Guid } from '../domain/guid.js';
import { personVisibleSql, VIEWER, type Viewer, viewerParam, visibleSql, WITH_VIEWER } from './access.js';
import { actorColumns, toActor } from './actors.js';
import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { type LikeRow, LikeSchema } from './schema/social.js';

export type { LikeRow };

const likes = table<LikeRow>(LikeSchema);

/** @returns false when this person likes the post already */
export const insertLike = async (tx: Tx, like: LikeRow): Promise<boolean> => (await likes.insert(tx, like, 'on conflict (post_guid, actor_id) do nothing')) !== null;

/** What says the like in the post's comments node. */
export async function setLikeItem(tx: Tx, postGuid: Guid, actorId: number, itemId: string): Promise<void> {
  await likes.update(tx, { postGuid, actorId }, { itemId });
}

/** Ends a like in every form, XEP-0470's attachments too. @returns false when there was none */
export async function removeLike(tx: Tx, postGuid: Guid, actorId: number): Promise<boolean> {
  await tx.query('update post_attachments set known = null where post_guid = ? and actor_id = ?', [postGuid, actorId]);
  await tx.query('delete from post_attachments where post_guid = ? and actor_id = ? and others is null', [postGuid, actorId]);
  return (await likes.remove(tx, { postGuid, actorId })) > 0;
}

export async function removeLikesOf(tx: Tx, postGuid: Guid): Promise<void> {
  await likes.remove(tx, { postGuid });
  await tx.query('delete from post_attachments where post_guid = ?', [postGuid]);
}

export const findLike = (db: Db, postGuid: Guid, actorId: number): Promise<LikeRow | null> => likes.find(db, { postGuid, actorId });
export const findLikeOfItem = (db: Db, postGuid: Guid, itemId: string): Promise<LikeRow | null> => likes.find(db, { postGuid, itemId });

/** What people elsewhere like, by a ♥ in the comments node (`byItem`), or by what they attached. */
export const likesOfOthers = async (db: Db, postGuid: Guid, of: { byItem: boolean }): Promise<LikeRow[]> =>
  (
    await db.query(
      `select ${likes.columns('l')} from likes l join actors a on a.id = l.actor_id where l.post_guid = ? and a.is_local = false and l.item_id is ${of.byItem ? 'not null' : 'null'}`,
      [postGuid],
    )
  ).map((row) => likes.read(row));

const UNDER_VISIBLE = `from posts p join likes l on l.post_guid = p.guid join actors a on a.id = l.actor_id
  where p.guid = ? and p.deleted_at is null and ${visibleSql('p', VIEWER)} and ${personVisibleSql('l.actor_id', VIEWER)}`;

/** Who likes a post, of those whom the viewer may see, the latest first. */
export async function listLikers(db: Db, viewer: Viewer, postGuid: Guid, limit: number): Promise<Actor[]> {
  const rows = await db.query(`${WITH_VIEWER} select ${actorColumns('a')} ${UNDER_VISIBLE} order by l.created_at desc, l.actor_id limit ?`, [viewerParam(viewer), postGuid, limit]);
  return rows.map(toActor);
}

export async function countLikers(db: Db, viewer: Viewer, postGuid: Guid): Promise<number> {
  return (await db.query<{ n: number }>(`${WITH_VIEWER} select count(*) as n ${UNDER_VISIBLE}`, [viewerParam(viewer), postGuid]))[0]!.n;
}

const RESHARES_VISIBLE = `from posts p join posts r on r.reshare_of = p.guid join actors a on a.id = r.author_id
  where p.guid = ? and p.deleted_at is null and ${visibleSql('p', VIEWER)} and r.deleted_at is null and ${visibleSql('r', VIEWER)}`;

/** Whose reshares of a post the viewer may see, the latest first. */
export async function listResharers(db: Db, viewer: Viewer, postGuid: Guid, limit: number): Promise<Actor[]> {
  const rows = await db.query(`${WITH_VIEWER} select ${actorColumns('a')} ${RESHARES_VISIBLE} order by r.guid desc limit ?`, [viewerParam(viewer), postGuid, limit]);
  return rows.map(toActor);
}

export async function countResharers(db: Db, viewer: Viewer, postGuid: Guid): Promise<number> {
  return (await db.query<{ n: number }>(`${WITH_VIEWER} select count(*) as n ${RESHARES_VISIBLE}`, [viewerParam(viewer), postGuid]))[0]!.n;
}
