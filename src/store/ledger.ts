import type { Activity } from '../domain/activity.js';
import type { Guid } from '../domain/guid.js';
import type { ProtocolName } from '../domain/actor.js';
import type { Db, Tx } from './database.js';
import { chunks, locking, marks, table } from './rows.js';
import { ActivitySchema, type Delivery, DeliverySchema, type DeliveryState, type PausedHost } from './schema/ledger.js';

export type { Delivery, DeliveryState };

const activities = table<Activity>(ActivitySchema);
const deliveries = table<Delivery>(DeliverySchema);

/** How long after its arrival an error may still come back (relations.md "Delivery"). */
export const BOUNCE_MS = 5 * 60_000;

export async function insertActivity(tx: Tx, activity: Activity): Promise<void> {
  await activities.insert(tx, activity);
}

export const findActivity = (db: Db, id: Guid): Promise<Activity | null> => activities.find(db, { id });

/** Enters the hosts that an activity must reach. @returns those that were not there yet */
export async function addDeliveries(tx: Tx, activityId: Guid, protocol: ProtocolName, hosts: readonly string[], now: number): Promise<string[]> {
  const added: string[] = [];
  for (const chunk of chunks([...new Set(hosts)])) {
    const rows = await tx.query<{ host: string }>(
      `insert into deliveries (activity_id, protocol, host, state, at, since, tries, refused) values ${chunk.map(() => "(?, ?, ?, 'waiting', ?, ?, 0, 0)").join(', ')}
       on conflict (activity_id, protocol, host) do nothing returning host`,
      chunk.flatMap((host) => [activityId, protocol, host, now, now]),
    );
    added.push(...rows.map((row) => row.host));
  }
  return added;
}

/** Where an activity goes, as far as that is entered. */
export const listDestinations = (db: Db, activityId: Guid): Promise<Pick<Delivery, 'protocol' | 'host'>[]> =>
  db.query('select protocol, host from deliveries where activity_id = ?', [activityId]);

/** Which line of the ledger. */
export type DeliveryKey = Pick<Delivery, 'activityId' | 'protocol' | 'host'>;

/** What became of a delivery. `error` goes when it is not given; all else stays as it was. */
export async function setDelivery(tx: Tx, { activityId, protocol, host, error = null, ...change }: DeliveryKey & Pick<Delivery, 'state' | 'at'> & Partial<Delivery>): Promise<void> {
  await deliveries.update(tx, { activityId, protocol, host }, { ...change, error });
}

/**
 * A delivery that has arrived, for how many, and by which job. `isResting`: for nobody, because what all of them got before came back.
 */
export type Arrival = DeliveryKey & Pick<Delivery, 'at' | 'jobId' | 'tries'> & { recipients: number; isResting?: boolean };

/** These have arrived: many at once, because one by one a transaction costs more than the delivery itself. */
export async function setArrived(tx: Tx, arrivals: readonly Arrival[]): Promise<void> {
  if (tx.dialect === 'sqlite') {
    const statement = `update deliveries set state = 'arrived', recipients = ?, error = null, refused = 0, at = ?, tries = ?, job_id = ?
      where activity_id = ? and protocol = ? and host = ?`;
    for (const { activityId, protocol, host, recipients, at, tries, jobId } of arrivals) await tx.query(statement, [recipients, at, tries, jobId, activityId, protocol, host]);
    return;
  }
  const column = <K extends keyof Arrival>(name: K) => arrivals.map((arrival) => arrival[name]);
  await tx.query(
    `update deliveries d set state = 'arrived', recipients = a.recipients, error = null, refused = 0, at = a.at, tries = a.tries, job_id = a.job_id
     from unnest(?::varchar[], ?::varchar[], ?::varchar[], ?::integer[], ?::bigint[], ?::integer[], ?::bigint[]) as a(activity_id, protocol, host, recipients, at, tries, job_id)
     where d.activity_id = a.activity_id and d.protocol = a.protocol and d.host = a.host`,
    [column('activityId'), column('protocol'), column('host'), column('recipients'), column('at'), column('tries'), column('jobId')],
  );
}

/** One line, which nobody else changes before this transaction has ended. */
export async function lockDelivery(tx: Tx, { activityId, protocol, host }: DeliveryKey): Promise<Delivery | null> {
  const rows = await tx.query(`select ${deliveries.columns()} from deliveries where activity_id = ? and protocol = ? and host = ? ${locking(tx, 'for update')}`, [activityId, protocol, host]);
  return rows[0] ? deliveries.read(rows[0]) : null;
}

/** The oldest of an author's posts that are still on their way to a host, of those after `after`; null when none is. */
export async function firstUnderway(db: Db, of: { actorId: number; protocol: ProtocolName; host: string; after: Guid }): Promise<Guid | null> {
  const rows = await db.query<{ guid: Guid | null }>(
    `select min(a.post_guid) as guid from activities a join deliveries d on d.activity_id = a.id
     where a.actor_id = ? and a.id > ? and a.verb = 'post' and d.protocol = ? and d.host = ? and d.state = 'waiting'`,
    [of.actorId, of.after, of.protocol, of.host],
  );
  return rows[0]!.guid;
}

/** The deliveries of all activities of a post, newest activity first. */
export async function listDeliveries(db: Db, postGuid: Guid): Promise<Delivery[]> {
  const rows = await db.query(
    `select ${deliveries.columns('d')} from activities a join deliveries d on d.activity_id = a.id where a.post_guid = ? order by a.id desc, d.protocol, d.host`,
    [postGuid],
  );
  return rows.map((row) => deliveries.read(row));
}

/** What is told of a post: how its latest version, or its end, goes out. Comments and likes under it are no part of that. */
const LATEST = "(select a.id from activities a where a.post_guid = ? and a.verb in ('post', 'update', 'delete') order by a.id desc limit 1)";

/** The newest that its author did with the post itself; null when it was never told to anybody. */
export async function latestActivity(db: Db, postGuid: Guid): Promise<Activity | null> {
  const rows = await db.query(`select ${activities.columns()} from activities where id = ${LATEST}`, [postGuid]);
  return rows[0] ? activities.read(rows[0]) : null;
}

/** A line of the ledger with what stands beside it. */
export interface DeliveryLine extends Delivery {
  /** When it is tried next, if that is known: milliseconds UTC. */
  nextTryAt: number | null;
  /** Since when the operator holds back what goes to this server. */
  pausedSince: number | null;
}

/**
 * The deliveries of one activity, by host.
 * @param of.arrived those that have arrived, or the others
 * @param of.after only hosts after this one
 */
export async function listDeliveryLines(db: Db, activityId: Guid, of: { arrived: boolean; after?: string; limit: number }): Promise<DeliveryLine[]> {
  const rows = await db.query<{ next_try_at: number | null; paused_since: number | null }>(
    `select ${deliveries.columns('d')}, j.run_at as next_try_at, p.since as paused_since from deliveries d
     left join jobs j on j.id = d.job_id and d.state = 'waiting' left join paused_hosts p on p.host = d.host
     where d.activity_id = ? and d.state ${of.arrived ? '=' : '<>'} 'arrived' and d.host > ? order by d.host, d.protocol limit ?`,
    [activityId, of.after ?? '', of.limit],
  );
  return rows.map((row) => ({ ...deliveries.read(row as unknown as Record<string, unknown>), nextTryAt: row.next_try_at, pausedSince: row.paused_since }));
}

export interface DeliverySummary {
  total: number;
  arrived: number;
  /** Given up. */
  failed: number;
}

/** For each post how far its latest activity has come. Posts that went nowhere are not in the map. */
export async function latestDeliverySummary(db: Db, postGuids: readonly Guid[]): Promise<Map<Guid, DeliverySummary>> {
  if (postGuids.length === 0) return new Map();
  const rows = await db.query<DeliverySummary & { post_guid: Guid }>(
    `select latest.post_guid, count(*) as total, sum(case when d.state = 'arrived' then 1 else 0 end) as arrived,
       sum(case when d.state = 'given-up' then 1 else 0 end) as failed
     from (select p.guid as post_guid, ${LATEST.replace('?', 'p.guid')} as id from posts p where p.guid in (${marks(postGuids.length)})) latest
     join deliveries d on d.activity_id = latest.id group by latest.post_guid`,
    [...postGuids],
  );
  return new Map(rows.map(({ post_guid, total, arrived, failed }) => [post_guid, { total, arrived, failed }]));
}

/** Why somebody's comments have not arrived at the server that keeps the comments of the post: by comment, those whose latest version failed. */
export async function failedComments(db: Db, postGuid: Guid, authorId: number, commentGuids: readonly Guid[]): Promise<Map<Guid, string>> {
  if (commentGuids.length === 0) return new Map();
  const rows = await db.query<{ comment_guid: Guid; error: string | null }>(
    `select a.comment_guid, d.error from activities a join deliveries d on d.activity_id = a.id
     where a.post_guid = ? and a.actor_id = ? and a.comment_guid in (${marks(commentGuids.length)}) and d.state = 'given-up'
     and not exists (select 1 from activities b where b.post_guid = a.post_guid and b.comment_guid = a.comment_guid and b.id > a.id)`,
    [postGuid, authorId, ...commentGuids],
  );
  return new Map(rows.map((row) => [row.comment_guid, row.error ?? '']));
}

/** Why somebody's likes have not arrived at the servers of the posts: by post, those that are not taken back. */
export async function failedLikes(db: Db, actorId: number, postGuids: readonly Guid[]): Promise<Map<Guid, string>> {
  if (postGuids.length === 0) return new Map();
  const rows = await db.query<{ post_guid: Guid; error: string | null }>(
    `select a.post_guid, d.error from activities a join deliveries d on d.activity_id = a.id
     where a.post_guid in (${marks(postGuids.length)}) and a.actor_id = ? and a.verb = 'like' and d.state = 'given-up'
     and not exists (select 1 from activities b where b.post_guid = a.post_guid and b.actor_id = a.actor_id and b.verb in ('like', 'unlike') and b.id > a.id)`,
    [...postGuids, actorId],
  );
  return new Map(rows.map((row) => [row.post_guid, row.error ?? '']));
}

/** The servers that are paused, with the time since when. */
export const listPausedHosts = async (db: Db): Promise<Map<string, number>> =>
  new Map((await db.query<PausedHost>('select host, since from paused_hosts order by host')).map(({ host, since }) => [host, since]));

/** @returns false when it was so already */
export const pauseHost = async (tx: Tx, host: string, now: number): Promise<boolean> =>
  (await tx.query('insert into paused_hosts (host, since) values (?, ?) on conflict (host) do nothing returning 1', [host, now])).length > 0;

/** @returns false when it was not paused */
export const resumeHost = async (tx: Tx, host: string): Promise<boolean> => (await tx.query('delete from paused_hosts where host = ? returning 1', [host])).length > 0;
