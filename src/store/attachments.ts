// XEP-0470: what people have attached to posts. Whoever likes a post has, too, in whatever way the like came.
import type { Actor } from '../domain/actor.js';
import type { Guid } from '../domain/guid.js';
import { personVisibleSql, VIEWER, type Viewer, viewerParam, visibleSql, WITH_VIEWER } from './access.js';
import { actorColumns, toActor } from './actors.js';
import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { type AttachmentsRow, AttachmentsSchema } from './schema/social.js';

export type { AttachmentsRow };

const rows = table<AttachmentsRow>(AttachmentsSchema);

export const findAttachments = (db: Db, postGuid: Guid, actorId: number): Promise<AttachmentsRow | null> => rows.find(db, { postGuid, actorId });

/** Replaces what the person had attached; with nothing left the row goes. */
export async function saveAttachments(tx: Tx, row: AttachmentsRow): Promise<void> {
  if (row.known === null && row.others === null) await rows.remove(tx, { postGuid: row.postGuid, actorId: row.actorId });
  else await rows.upsert(tx, row, ['postGuid', 'actorId']);
}

/** What one person has attached. `likedAt`: null when it is no like. */
export interface Attached {
  actor: Actor;
  at: number;
  likedAt: number | null;
  known: string | null;
  others: string | null;
}

/** Exclusive bounds, by time and person. */
export type Place = [at: number, actorId: number];
export interface AttachedBounds {
  older?: Place;
  newer?: Place;
}

const ALL = `select l.post_guid, l.actor_id, l.created_at as at, l.created_at as liked_at, t.known, t.others
    from likes l left join post_attachments t on t.post_guid = l.post_guid and t.actor_id = l.actor_id where l.post_guid = ?
  union all
  select t.post_guid, t.actor_id, t.updated_at as at, null as liked_at, null as known, t.others
    from post_attachments t where t.post_guid = ? and t.others is not null
    and not exists (select 1 from likes l where l.post_guid = t.post_guid and l.actor_id = t.actor_id)`;

const visible = ({ older, newer }: AttachedBounds): string =>
  `from (${ALL}) s join posts p on p.guid = s.post_guid join actors a on a.id = s.actor_id
   where p.deleted_at is null and ${visibleSql('p', VIEWER)} and ${personVisibleSql('s.actor_id', VIEWER)}
   ${older ? 'and (s.at, s.actor_id) < (?, ?)' : ''} ${newer ? 'and (s.at, s.actor_id) > (?, ?)' : ''}`;
const params = (viewer: Viewer, postGuid: Guid, { older, newer }: AttachedBounds) => [viewerParam(viewer), postGuid, postGuid, ...(older ?? []), ...(newer ?? [])];

/** A page of what is attached to a post, of those whom the viewer may see. */
export async function listAttached(
  db: Db,
  viewer: Viewer,
  postGuid: Guid,
  { limit, direction = 'newest-first', ...bounds }: AttachedBounds & { limit: number; direction?: 'newest-first' | 'oldest-first' },
): Promise<Attached[]> {
  const order = direction === 'oldest-first' ? 'asc' : 'desc';
  const found = await db.query<{ at: number; liked_at: number | null; known: string | null; others: string | null }>(
    `${WITH_VIEWER} select ${actorColumns('a')}, s.at, s.liked_at, s.known, s.others ${visible(bounds)} order by s.at ${order}, s.actor_id ${order} limit ?`,
    [...params(viewer, postGuid, bounds), limit],
  );
  return found.map((row) => ({ actor: toActor(row), at: Number(row.at), likedAt: row.liked_at === null ? null : Number(row.liked_at), known: row.known, others: row.others }));
}

export async function countAttached(db: Db, viewer: Viewer, postGuid: Guid, bounds: AttachedBounds = {}): Promise<number> {
  return Number((await db.query<{ n: number }>(`${WITH_VIEWER} select count(*) as n ${visible(bounds)}`, params(viewer, postGuid, bounds)))[0]!.n);
}

/** What one person has attached, if the viewer may see it. */
export async function findAttached(db: Db, viewer: Viewer, postGuid: Guid, actorId: number): Promise<Attached | null> {
  const found = await db.query<{ at: number; liked_at: number | null; known: string | null; others: string | null }>(
    `${WITH_VIEWER} select ${actorColumns('a')}, s.at, s.liked_at, s.known, s.others ${visible({})} and s.actor_id = ?`,
    [...params(viewer, postGuid, {}), actorId],
  );
  const row = found[0];
  return row ? { actor: toActor(row), at: Number(row.at), likedAt: row.liked_at === null ? null : Number(row.liked_at), known: row.known, others: row.others } : null;
}

/** Of each of the posts, for its summary: how many like it and no more, and what the others say; of those whom the viewer may see. */
export async function listKnown(db: Db, viewer: Viewer, postGuid: Guid, limit: number): Promise<{ plain: number; known: string[] }> {
  const from = `from likes l join posts p on p.guid = l.post_guid left join post_attachments t on t.post_guid = l.post_guid and t.actor_id = l.actor_id
    where l.post_guid = ? and p.deleted_at is null and ${visibleSql('p', VIEWER)} and ${personVisibleSql('l.actor_id', VIEWER)}`;
  const [plain, known] = await Promise.all([
    db.query<{ n: number }>(`${WITH_VIEWER} select count(*) as n ${from} and t.known is null`, [viewerParam(viewer), postGuid]),
    db.query<{ known: string }>(`${WITH_VIEWER} select t.known ${from} and t.known is not null order by t.updated_at desc limit ?`, [viewerParam(viewer), postGuid, limit]),
  ]);
  return { plain: Number(plain[0]!.n), known: known.map((row) => row.known) };
}
