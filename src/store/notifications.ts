import type { Guid } from '../domain/guid.js';
import type { Notification, NotificationKind } from '../domain/notification.js';
import { personVisibleSql, VIEWER, visibleSql, WITH_VIEWER } from './access.js';
import type { Db, Tx } from './database.js';
import { marks, table } from './rows.js';
import { type NotificationRow, NotificationSchema } from './schema/social.js';

const notifications = table<NotificationRow>(NotificationSchema);
const COLUMNS = notifications.columns('n');
const toNotification = ({ key, ...notification }: NotificationRow): Notification => notification;
const read: (row: Record<string, unknown>) => Notification = notifications.readWithout('key');

/** @returns null when this was told before */
export async function insertNotification(tx: Tx, notification: Omit<NotificationRow, 'id'>): Promise<Notification | null> {
  const row = await notifications.insert(tx, notification, 'on conflict (owner_id, key) do nothing');
  return row && toNotification(row);
}

/** Does the owner want to hear of what this person does? Not when one has blocked the other, nor when the owner has muted them. */
export async function wantsToHearOf(db: Db, ownerId: number, byId: number): Promise<boolean> {
  const rows = await db.query(
    `select 1 from relationships where (actor_id = ? and other_id = ? and (blocked_at is not null or muted_at is not null))
       or (actor_id = ? and other_id = ? and blocked_at is not null)`,
    [ownerId, byId, byId, ownerId],
  );
  return rows.length === 0;
}

/** How many of the owner's latest `limit` notifications are younger than `since`: all, by this person, and by people of the same other server. */
export async function countRecent(db: Db, ownerId: number, byId: number, since: number, limit: number): Promise<{ all: number; byThem: number; byHost: number }> {
  const rows = await db.query<{ n: number; mine: number | null; host: number | null }>(
    `select count(*) as n, sum(case when l.by_id = ? then 1 else 0 end) as mine,
       sum(case when a.is_local = false and a.domain = (select domain from actors where id = ?) then 1 else 0 end) as host
     from (select by_id, created_at from notifications where owner_id = ? order by id desc limit ?) l join actors a on a.id = l.by_id where l.created_at > ?`,
    [byId, byId, ownerId, limit, since],
  );
  return { all: Number(rows[0]!.n), byThem: Number(rows[0]!.mine ?? 0), byHost: Number(rows[0]!.host ?? 0) };
}

/** What may (still) be told to its owner: the viewer. Whatever was taken back, or is no longer theirs to see, is not. */
const SHOWN = `n.owner_id = ${VIEWER} and ${personVisibleSql('n.by_id', VIEWER)}
  and not exists (select 1 from relationships m where m.actor_id = ${VIEWER} and m.other_id = n.by_id and m.muted_at is not null)
  and (n.post_guid is null or exists (select 1 from posts p where p.guid = n.post_guid and p.deleted_at is null and ${visibleSql('p', VIEWER)}))
  and (n.comment_guid is null or exists (select 1 from comments c where c.guid = n.comment_guid and c.deleted_at is null))
  and (n.kind <> 'like' or exists (select 1 from likes l where l.post_guid = n.post_guid and l.actor_id = n.by_id))
  and (n.kind <> 'reshare' or exists (select 1 from posts r where r.reshare_of = n.post_guid and r.author_id = n.by_id and r.deleted_at is null))`;

/** What stands together as one entry: likes of one post, reshares of one post; all else by itself. */
const entryOf = (n: string) => `case when ${n}.kind in ('like', 'reshare') then ${n}.kind || ${n}.post_guid else cast(${n}.id as varchar) end`;

/** @param older only those with a lower id; `kind` and `unread`: only these; `id`: only this one */
export interface NotificationsPage {
  older?: number;
  kind?: NotificationKind;
  unread?: boolean;
  id?: number;
  limit: number;
}

/** Newest first. */
export async function listShown(db: Db, ownerId: number, { older, kind, unread = false, id, limit }: NotificationsPage): Promise<Notification[]> {
  const only: [string, ...unknown[]][] = [];
  if (older !== undefined) only.push(['n.id < ?', older]);
  if (kind !== undefined) only.push(['n.kind = ?', kind]);
  if (id !== undefined) only.push(['n.id = ?', id]);
  if (unread) only.push(['n.read_at is null']);
  const rows = await db.query(`${WITH_VIEWER} select ${COLUMNS} from notifications n where ${[SHOWN, ...only.map(([sql]) => sql)].join(' and ')} order by n.id desc limit ?`, [
    ownerId,
    ...only.flatMap(([, ...params]) => params),
    limit,
  ]);
  return rows.map(read);
}

/** As entries, each by its newest: how many it holds, and how many of these are unread. With `unread` only what is unread is in them. */
export async function listShownGroups(
  db: Db,
  ownerId: number,
  { older, kind, unread = false, limit }: Omit<NotificationsPage, 'id'>,
): Promise<{ notification: Notification; members: number; unread: number }[]> {
  const only = [SHOWN, ...(kind === undefined ? [] : ['n.kind = ?']), ...(unread ? ['n.read_at is null'] : [])];
  const rows = await db.query<{ members: number; unread: number }>(
    `${WITH_VIEWER}, entries as (select max(n.id) as id, count(*) as members, sum(case when n.read_at is null then 1 else 0 end) as unread
       from notifications n where ${only.join(' and ')} group by ${entryOf('n')})
     select ${COLUMNS}, e.members, e.unread from entries e join notifications n on n.id = e.id ${older === undefined ? '' : 'where e.id < ?'} order by e.id desc limit ?`,
    [ownerId, ...(kind === undefined ? [] : [kind]), ...(older === undefined ? [] : [older]), limit],
  );
  return rows.map((row) => ({ notification: read(row as unknown as Record<string, unknown>), members: Number(row.members), unread: Number(row.unread) }));
}

/** Those of the ids that may be told, and are not read, oldest first. */
export async function findUnread(db: Db, ownerId: number, ids: readonly number[]): Promise<Notification[]> {
  if (ids.length === 0) return [];
  const rows = await db.query(`${WITH_VIEWER} select ${COLUMNS} from notifications n where ${SHOWN} and n.read_at is null and n.id in (${marks(ids.length)}) order by n.id`, [ownerId, ...ids]);
  return rows.map(read);
}

/** How many entries are unread, counted up to `limit`. */
export async function countUnread(db: Db, ownerId: number, limit: number): Promise<number> {
  // Each request asks, and as a rule there are none: then who may see what need not be asked.
  if ((await db.query('select 1 from notifications where owner_id = ? and read_at is null limit 1', [ownerId])).length === 0) return 0;
  const rows = await db.query<{ n: number }>(`${WITH_VIEWER} select count(*) as n from (select distinct ${entryOf('n')} as entry from notifications n where n.read_at is null and ${SHOWN} limit ?) u`, [ownerId, limit]);
  return rows[0]!.n;
}

/** @param which `id`: with all that stands together with it @returns how many were unread */
export async function markReadBy(tx: Tx, ownerId: number, at: number, which: { upTo: number } | { id: number } | { postGuid: Guid } | { request: number }): Promise<number> {
  const [condition, ...params] =
    'upTo' in which
      ? ['id <= ?', which.upTo]
      : 'id' in which
        ? [`${entryOf('notifications')} = (select ${entryOf('n')} from notifications n where n.id = ?)`, which.id]
        : 'postGuid' in which
          ? ['post_guid = ?', which.postGuid]
          : ["kind = 'request' and by_id = ?", which.request];
  return (await tx.query(`update notifications set read_at = ? where owner_id = ? and read_at is null and ${condition} returning 1`, [at, ownerId, ...params])).length;
}

/** Something was taken back, which may be done again: it is not news then. */
export async function markReadOf(tx: Tx, what: Pick<Notification, 'kind' | 'byId'> & { postGuid: Guid }, at: number): Promise<void> {
  await tx.query('update notifications set read_at = ? where post_guid = ? and kind = ? and by_id = ? and read_at is null', [at, what.postGuid, what.kind, what.byId]);
}

/** Of a post that was deleted, or of one comment. */
export async function removeNotificationsOf(tx: Tx, postGuid: Guid, commentGuid?: Guid): Promise<void> {
  await notifications.remove(tx, commentGuid === undefined ? { postGuid } : { postGuid, commentGuid });
}

/** Neither hears of the other any more. */
export async function removeNotificationsBetween(tx: Tx, one: number, other: number): Promise<void> {
  await notifications.remove(tx, { ownerId: one, byId: other });
  await notifications.remove(tx, { ownerId: other, byId: one });
}

/** Owners with notifications from before `before` that still wait to be mailed. */
export const ownersToMail = async (db: Db, before: number, limit: number): Promise<number[]> =>
  (
    await db.query<{ owner_id: number }>('select distinct owner_id from notifications where mailed_at is null and created_at < ? order by owner_id limit ?', [before, limit])
  ).map((row) => row.owner_id);

/** Takes all that wait to be mailed; nobody else gets them. */
export async function takeUnmailed(tx: Tx, ownerId: number, at: number): Promise<Notification[]> {
  const rows = await tx.query(`update notifications set mailed_at = ? where owner_id = ? and mailed_at is null returning ${notifications.columns()}`, [at, ownerId]);
  return rows.map(read).sort((a, b) => a.id - b.id);
}

/** They wait for the digest after all. */
export async function putBackForDigest(tx: Tx, ids: readonly number[]): Promise<void> {
  if (ids.length > 0) await tx.query(`update notifications set mailed_at = null where id in (${marks(ids.length)})`, ids);
}

/** Removes those from before `before`, and of each owner all but the latest `keep`. */
export async function pruneNotifications(tx: Tx, before: number, keep: number): Promise<void> {
  await tx.query('delete from notifications where created_at < ?', [before]);
  const many = await tx.query<{ owner_id: number }>('select owner_id from notifications group by owner_id having count(*) > ?', [keep]);
  for (const { owner_id } of many) {
    await tx.query('delete from notifications where owner_id = ? and id <= (select id from notifications where owner_id = ? order by id desc limit 1 offset ?)', [owner_id, owner_id, keep]);
  }
}
