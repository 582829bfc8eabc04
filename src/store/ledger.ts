import type { Activity } from '../domain/activity.js';
import type { Guid } from '../domain/guid.js';
import type { ProtocolName } from '../domain/actor.js';
import type { Db, Tx } from './database.js';
import { marks, table } from './rows.js';
import { ActivitySchema, type Delivery, DeliverySchema, type DeliveryState } from './schema/ledger.js';

export type { Delivery, DeliveryState };

const activities = table<Activity>(ActivitySchema);
const deliveries = table<Delivery>(DeliverySchema);

/** How long after its arrival an error may still come back (relations.md "Delivery"). */
export const BOUNCE_MS = 5 * 60_000;

export async function insertActivity(tx: Tx, activity: Activity): Promise<void> {
  await activities.insert(tx, activity);
}

export const findActivity = (db: Db, id: Guid): Promise<Activity | null> => activities.find(db, { id });

/** Statements of this many rows: larger ones stop the event loop for milliseconds on SQLite (store.md). */
const CHUNK = 200;

/** Enters the hosts that an activity must reach. @returns those that were not there yet */
export async function addDeliveries(tx: Tx, activityId: Guid, protocol: ProtocolName, hosts: readonly string[], now: number): Promise<string[]> {
  const added: string[] = [];
  const unique = [...new Set(hosts)];
  for (let start = 0; start < unique.length; start += CHUNK) {
    const chunk = unique.slice(start, start + CHUNK);
    const rows = await tx.query<{ host: string }>(
      `insert into deliveries (activity_id, protocol, host, state, at) values ${chunk.map(() => "(?, ?, ?, 'waiting', ?)").join(', ')}
       on conflict (activity_id, protocol, host) do nothing returning host`,
      chunk.flatMap((host) => [activityId, protocol, host, now]),
    );
    added.push(...rows.map((row) => row.host));
  }
  return added;
}

/** What became of a delivery. `recipients` stays as it was when it is not given; `error` does not. */
export async function setDelivery(
  tx: Tx,
  {
    activityId,
    protocol,
    host,
    error = null,
    ...change
  }: Pick<Delivery, 'activityId' | 'protocol' | 'host' | 'state' | 'at'> & { recipients?: number; error?: string | null },
): Promise<void> {
  await deliveries.update(tx, { activityId, protocol, host }, { ...change, error });
}

/** A delivery that has arrived, and for how many. */
export type Arrival = Pick<Delivery, 'activityId' | 'protocol' | 'host' | 'at'> & { recipients: number };

/** These have arrived: many at once, because one by one a transaction costs more than the delivery itself. */
export async function setArrived(tx: Tx, arrivals: readonly Arrival[]): Promise<void> {
  if (tx.dialect === 'sqlite') {
    const statement = "update deliveries set state = 'arrived', recipients = ?, error = null, at = ? where activity_id = ? and protocol = ? and host = ?";
    for (const { activityId, protocol, host, recipients, at } of arrivals) await tx.query(statement, [recipients, at, activityId, protocol, host]);
    return;
  }
  const column = <K extends keyof Arrival>(name: K) => arrivals.map((arrival) => arrival[name]);
  await tx.query(
    `update deliveries d set state = 'arrived', recipients = a.recipients, error = null, at = a.at
     from unnest(?::varchar[], ?::varchar[], ?::varchar[], ?::integer[], ?::bigint[]) as a(activity_id, protocol, host, recipients, at)
     where d.activity_id = a.activity_id and d.protocol = a.protocol and d.host = a.host`,
    [column('activityId'), column('protocol'), column('host'), column('recipients'), column('at')],
  );
}

/**
 * An error came back for what had arrived.
 * @returns false when that was longer than BOUNCE_MS ago, or it had not
 */
export async function bounced(tx: Tx, of: Pick<Delivery, 'activityId' | 'protocol' | 'host' | 'at'> & { error: string }): Promise<boolean> {
  const rows = await tx.query(
    `update deliveries set state = 'failed', error = ?, at = ?
     where activity_id = ? and protocol = ? and host = ? and state = 'arrived' and at >= ? returning 1`,
    [of.error, of.at, of.activityId, of.protocol, of.host, of.at - BOUNCE_MS],
  );
  return rows.length > 0;
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

export interface DeliverySummary {
  total: number;
  arrived: number;
  /** Failed or given up. */
  failed: number;
}

/** For each post how far its latest activity has come. Posts that went nowhere are not in the map. */
export async function latestDeliverySummary(db: Db, postGuids: readonly Guid[]): Promise<Map<Guid, DeliverySummary>> {
  if (postGuids.length === 0) return new Map();
  const rows = await db.query<DeliverySummary & { post_guid: Guid }>(
    `select latest.post_guid, count(*) as total, sum(case when d.state = 'arrived' then 1 else 0 end) as arrived,
       sum(case when d.state in ('failed', 'given-up') then 1 else 0 end) as failed
     from (select p.guid as post_guid, (select a.id from activities a where a.post_guid = p.guid and a.verb in ('post', 'update', 'delete') order by a.id desc limit 1) as id
       from posts p where p.guid in (${marks(postGuids.length)})) latest
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
     where a.post_guid = ? and a.actor_id = ? and a.comment_guid in (${marks(commentGuids.length)}) and d.state in ('failed', 'given-up')
     and not exists (select 1 from activities b where b.post_guid = a.post_guid and b.comment_guid = a.comment_guid and b.id > a.id)`,
    [postGuid, authorId, ...commentGuids],
  );
  return new Map(rows.map((row) => [row.comment_guid, row.error ?? '']));
}
