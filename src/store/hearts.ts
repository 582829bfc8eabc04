// Likes as items of a post's comments node: Movim's ♥ comments.
import type { Actor } from '../domain/actor.js';
import type { Guid } from '../domain/guid.js';
import { personVisibleSql, VIEWER, type Viewer, viewerParam, visibleSql, WITH_VIEWER } from './access.js';
import { actorColumns, toActor } from './actors.js';
import type { AttachedBounds } from './attachments.js';
import type { Db } from './database.js';

export interface Heart {
  itemId: string;
  createdAt: number;
  actor: Actor;
}

const visible = ({ older, newer }: AttachedBounds): string =>
  `from posts p join likes l on l.post_guid = p.guid join actors a on a.id = l.actor_id
   where p.guid = ? and p.deleted_at is null and l.item_id is not null and ${visibleSql('p', VIEWER)} and ${personVisibleSql('l.actor_id', VIEWER)}
   ${older ? 'and (l.created_at, l.actor_id) < (?, ?)' : ''} ${newer ? 'and (l.created_at, l.actor_id) > (?, ?)' : ''}`;
const params = (viewer: Viewer, postGuid: Guid, { older, newer }: AttachedBounds) => [viewerParam(viewer), postGuid, ...(older ?? []), ...(newer ?? [])];

async function select(db: Db, sql: string, values: unknown[]): Promise<Heart[]> {
  const rows = await db.query<{ item_id: string; created_at: number }>(`${WITH_VIEWER} select ${actorColumns('a')}, l.item_id, l.created_at ${sql}`, values);
  return rows.map((row) => ({ itemId: row.item_id, createdAt: Number(row.created_at), actor: toActor(row) }));
}

/** A page of the ♥ of a post, by time and person, of those whom the viewer may see. */
export function listHearts(
  db: Db,
  viewer: Viewer,
  postGuid: Guid,
  { limit, direction = 'newest-first', ...bounds }: AttachedBounds & { limit: number; direction?: 'newest-first' | 'oldest-first' },
): Promise<Heart[]> {
  const order = direction === 'oldest-first' ? 'asc' : 'desc';
  return select(db, `${visible(bounds)} order by l.created_at ${order}, l.actor_id ${order} limit ?`, [...params(viewer, postGuid, bounds), limit]);
}

export async function countHearts(db: Db, viewer: Viewer, postGuid: Guid, bounds: AttachedBounds = {}): Promise<number> {
  return Number((await db.query<{ n: number }>(`${WITH_VIEWER} select count(*) as n ${visible(bounds)}`, params(viewer, postGuid, bounds)))[0]!.n);
}

/** The ♥ that is this item of the post's comments node. */
export const findHeart = async (db: Db, viewer: Viewer, postGuid: Guid, itemId: string): Promise<Heart | null> =>
  (await select(db, `${visible({})} and l.item_id = ?`, [...params(viewer, postGuid, {}), itemId]))[0] ?? null;
