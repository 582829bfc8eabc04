// The jobs behind the ledger: of a delivery that came back, and of all that goes to one server. The queue itself is jobs.ts.
import type { JobPayloads, NewJob, Queue } from '../domain/job.js';
import type { ProtocolName } from '../domain/actor.js';
import type { Db, Tx } from './database.js';
import { ERROR_MAX } from './jobs.js';
import { chunks, marks } from './rows.js';

/** Lane = author + host (relations.md "Delivery"). */
export const deliveryLane = (protocol: ProtocolName, actorId: number, host: string): string => `${protocol}:${actorId}:${host}`;

const LANE = /^([a-z]+):\d+:(.+)$/s;
/** Where the jobs of such a lane go; null: it is a lane of something else. */
const readLane = (lane: string): { protocol: ProtocolName; host: string } | null => {
  const match = LANE.exec(lane);
  return match && { protocol: match[1] as ProtocolName, host: match[2]! };
};

type DeliverJob = Extract<NewJob, { kind: 'deliver' }> & { lane: string };
/** How far a job had come that is written down anew. */
interface Past {
  /** The one that it had: its place in the lane. */
  id: number | null;
  attempts: number;
  error: string;
  createdAt: number;
}

/** Nobody else adds to the lane, or completes it, before this transaction has ended: to be called before rows of the ledger are locked. */
export async function holdLane(tx: Tx, queue: Queue, lane: string): Promise<void> {
  await tx.query('insert into lanes (queue, key, run_at, epoch) values (?, ?, null, 0) on conflict (queue, key) do update set run_at = lanes.run_at', [queue, lane]);
}

/**
 * Queues a job that was done already, under the id that it had: before all that was added to its lane later.
 * @returns its id: another one when that is taken, because it still runs
 */
export async function addJobAgain(tx: Tx, { queue, kind, payload, lane }: DeliverJob, { id, attempts, error, createdAt, runAt }: Past & { runAt: number }): Promise<number> {
  await holdLane(tx, queue, lane);
  const values = [queue, kind, JSON.stringify(payload), lane, runAt, attempts, error.slice(0, ERROR_MAX), createdAt];
  const insert = (columns: string, params: unknown[]) =>
    tx.query<{ id: number }>(`insert into jobs (${columns}) values (${marks(params.length)}) on conflict (id) do nothing returning id`, params);
  const columns = 'queue, kind, payload, ordering_key, run_at, attempts, last_error, created_at';
  const [kept] = id === null ? [] : await insert(`id, ${columns}`, [id, ...values]);
  const row = kept ?? (await insert(columns, values))[0]!;
  // Whoever has the lane sees to it when it is free again.
  await tx.query('update lanes set run_at = (select run_at from jobs where queue = ? and ordering_key = ? order by id limit 1) where queue = ? and key = ? and lease_until is null', [queue, lane, queue, lane]);
  tx.wake(queue, runAt);
  return row.id;
}

/** Puts a job that was done already among those given up. Without an id nothing is kept: the ledger knows enough to queue it anew. */
export async function addDeadJob(tx: Tx, { queue, kind, payload, lane }: DeliverJob, { id, attempts, error, createdAt }: Past, now: number): Promise<void> {
  if (id === null) return;
  await tx.query(
    `insert into dead_jobs (id, queue, kind, payload, ordering_key, attempts, last_error, created_at, died_at) values (${marks(9)}) on conflict (id) do nothing`,
    [id, queue, kind, JSON.stringify(payload), lane, attempts, error.slice(0, ERROR_MAX), createdAt, now],
  );
}

/** The job that was given up is forgotten: another one takes its place. */
export async function removeDeadDelivery(tx: Tx, id: number, { activityId, protocol, host }: JobPayloads['deliver']): Promise<void> {
  const rows = await tx.query<{ payload: string }>("select payload from dead_jobs where id = ? and kind = 'deliver'", [id]);
  const payload = rows[0] && (JSON.parse(rows[0].payload) as JobPayloads['deliver']);
  if (payload?.activityId === activityId && payload.protocol === protocol && payload.host === host) await tx.query('delete from dead_jobs where id = ?', [id]);
}

/** What waits for a server, or was given up. */
export interface ServerQueue {
  host: string;
  protocol: ProtocolName;
  waiting: number;
  /** Given up. */
  failed: number;
  /** Since the oldest one that waits was added; 0 when none does. */
  oldestAgeMs: number;
  /** The most that any of those that wait has had. */
  tries: number;
  /** When the next one is tried that has failed before; null: none has, or it is due. */
  nextTryAt: number | null;
  lastError: string | null;
  /** Since when nothing is sent there by the operator's wish. */
  pausedSince: number | null;
}

/** Rows of one statement (jobs.ts, countRows): with pauses for others in between. */
const READ_AT_ONCE = 4_000;

interface LaneCount {
  lane: string;
  n: number;
  oldest: number;
  tries: number;
  error: string | null;
  due: number | null;
  last: number;
}

async function* countLanes(db: Db, from: 'jobs' | 'dead_jobs'): AsyncGenerator<LaneCount> {
  for (let after = 0; ; await new Promise((resolve) => setImmediate(resolve))) {
    const rows = await db.query<LaneCount>(
      `select ordering_key as lane, count(*) as n, min(created_at) as oldest, max(attempts) as tries, max(last_error) as error, max(due) as due, max(id) as last
       from (select id, kind, ordering_key, created_at, attempts, last_error, ${from === 'jobs' ? 'run_at' : 'null'} as due from ${from} where id > ? order by id limit ${READ_AT_ONCE}) part
       where kind = 'deliver' group by ordering_key`,
      [after],
    );
    yield* rows;
    const [end] = await db.query<{ last: number | null }>(`select max(id) as last from (select id from ${from} where id > ? order by id limit ${READ_AT_ONCE}) part`, [after]);
    if (end?.last == null) return;
    after = end.last;
  }
}

/** All servers for which something waits, was given up, or is paused; those first whose oldest waits longest. */
export async function listServerQueues(db: Db, now: number, paused: ReadonlyMap<string, number>): Promise<ServerQueue[]> {
  const servers = new Map<string, ServerQueue>();
  const of = (protocol: ProtocolName, host: string): ServerQueue => {
    const key = `${protocol} ${host}`;
    let server = servers.get(key);
    if (!server) servers.set(key, (server = { host, protocol, waiting: 0, failed: 0, oldestAgeMs: 0, tries: 0, nextTryAt: null, lastError: null, pausedSince: paused.get(host) ?? null }));
    return server;
  };
  for await (const { lane, n, oldest, tries, error, due } of countLanes(db, 'jobs')) {
    const to = readLane(lane);
    if (!to) continue;
    const server = of(to.protocol, to.host);
    server.waiting += n;
    server.oldestAgeMs = Math.max(server.oldestAgeMs, now - oldest);
    server.tries = Math.max(server.tries, tries);
    server.lastError ??= error;
    // Only the first job of a lane has been put off.
    if (due !== null && due > now) server.nextTryAt = Math.min(server.nextTryAt ?? due, due);
  }
  for await (const { lane, n, error } of countLanes(db, 'dead_jobs')) {
    const to = readLane(lane);
    if (!to) continue;
    const server = of(to.protocol, to.host);
    server.failed += n;
    server.lastError ??= error;
  }
  for (const host of paused.keys()) if (![...servers.values()].some((server) => server.host === host)) of('xmpp', host);
  return [...servers.values()].sort((a, b) => b.oldestAgeMs - a.oldestAgeMs || b.failed - a.failed || (a.host < b.host ? -1 : 1));
}

/** The lanes by which something waits for a server, or in which something to it was given up. */
async function lanesTo(db: Db, from: 'jobs' | 'dead_jobs', host: string): Promise<{ queue: Queue; key: string }[]> {
  const like = `%:${host.replace(/[\\%_]/g, '\\$&')}`;
  const rows = await db.query<{ queue: Queue; key: string }>(
    `select distinct queue, ordering_key as key from ${from} where kind = 'deliver' and ordering_key like ? escape '\\' order by queue, ordering_key`,
    [like],
  );
  return rows.filter(({ key }) => readLane(key)?.host === host);
}

/** What was put off in these lanes is due now. */
export async function runLanesNow(tx: Tx, lanes: readonly { queue: Queue; key: string }[], now: number): Promise<void> {
  for (const queue of new Set(lanes.map((lane) => lane.queue))) {
    for (const chunk of chunks(lanes.filter((lane) => lane.queue === queue).map(({ key }) => key))) {
      await tx.query(`update lanes set run_at = ? where queue = ? and key in (${marks(chunk.length)}) and run_at > ? and lease_until is null`, [now, queue, ...chunk, now]);
      await tx.query(`update jobs set run_at = ? where queue = ? and ordering_key in (${marks(chunk.length)}) and run_at > ?`, [now, queue, ...chunk, now]);
    }
    tx.wake(queue);
  }
}

/** What waits for a server is due now. @returns in how many lanes */
export async function runServerNow(tx: Tx, host: string, now: number): Promise<number> {
  const lanes = await lanesTo(tx, 'jobs', host);
  await runLanesNow(tx, lanes, now);
  return lanes.length;
}

/** Ids of deliveries to a server that wait, or were given up: the oldest. */
export async function listServerJobs(db: Db, from: 'jobs' | 'dead_jobs', host: string, limit: number): Promise<number[]> {
  const ids: number[] = [];
  for (const chunk of chunks((await lanesTo(db, from, host)).map(({ key }) => key))) {
    const rows = await db.query<{ id: number }>(`select id from ${from} where kind = 'deliver' and ordering_key in (${marks(chunk.length)}) order by id limit ?`, [...chunk, limit]);
    ids.push(...rows.map(({ id }) => id));
  }
  return ids.sort((a, b) => a - b).slice(0, limit);
}

/** What these jobs bring, and where: those among them that are deliveries, waiting or given up. */
export async function deliveriesOfJobs(db: Db, ids: readonly number[]): Promise<JobPayloads['deliver'][]> {
  const found: JobPayloads['deliver'][] = [];
  for (const chunk of chunks(ids)) {
    for (const from of ['jobs', 'dead_jobs']) {
      const rows = await db.query<{ payload: string }>(`select payload from ${from} where kind = 'deliver' and id in (${marks(chunk.length)})`, chunk);
      found.push(...rows.map(({ payload }) => JSON.parse(payload) as JobPayloads['deliver']));
    }
  }
  return found;
}
