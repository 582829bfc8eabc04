// The queue: own table, ordered by lanes (store.md "Ordering key", where each statement here is explained and measured).
// With the streams of posts.ts the only SQL that differs between the databases.
import type { Job, JobKind, NewJob, Queue } from '../domain/job.js';
import type { Db, Store, Tx } from './database.js';
import { CHUNK, chunks, locking, marks } from './rows.js';

/**
 * What a worker has taken, for as long as its lease lasts: a lane with its first jobs, or one job that has no lane.
 * `fence` is the lane's epoch or the job's number of claims: whoever comes back with an old one is refused.
 */
export interface Claim {
  queue: Queue;
  lane: string | null;
  fence: number;
  jobs: ClaimedJob[];
}
export type ClaimedJob = Job & { createdAt: number; lastError: string | null };

/** How a failed job goes on. */
export type Fate = { retryAt: number } | { dead: true };

/** How much to take, and for how long. */
export interface ClaimOptions {
  /** At most so many lanes, */
  lanes: number;
  /** with so many jobs each, */
  perLane: number;
  /** and so many jobs without a lane. */
  jobs: number;
  leaseMs: number;
  now: number;
}

interface Row {
  id: number;
  kind: JobKind;
  payload: string;
  ordering_key: string | null;
  run_at: number;
  attempts: number;
  created_at: number;
  last_error: string | null;
}

const COLUMNS = 'id, kind, payload, ordering_key, run_at, attempts, created_at, last_error';

const toJob = (queue: Queue, row: Row, attempts: number): ClaimedJob =>
  ({
    id: row.id,
    kind: row.kind,
    payload: JSON.parse(row.payload),
    queue,
    lane: row.ordering_key,
    runAt: row.run_at,
    attempts,
    createdAt: row.created_at,
    lastError: row.last_error,
  }) as ClaimedJob;

/** The error as it is kept with the job: enough to understand, without bounds broken by a long answer. */
export const ERROR_MAX = 1_000;

/** `column` is one of the values that the subselect gives. PostgreSQL must not run it twice, as it may for IN. */
const isOneOf = (db: Db, column: string, subselect: string): string =>
  db.dialect === 'postgres' ? `${column} = any(array(${subselect}))` : `${column} in (${subselect})`;

/**
 * Adds jobs; after the commit their queue's workers wake. A job without `runAt` runs as soon as it can, whatever the clock does.
 * @param now when they were added, for their age
 */
export async function addJobs(tx: Tx, jobs: readonly NewJob[], now: number = Date.now()): Promise<void> {
  const lanes = new Map<string, Lane>();
  for (const { queue, lane, runAt = 0 } of jobs) {
    if (lane !== undefined && !lanes.has(`${queue} ${lane}`)) lanes.set(`${queue} ${lane}`, { queue, key: lane, runAt });
  }
  // The lane before the job: its row lock makes ids rise in a lane, and tells who completes it that a job is coming.
  // Sorted, so that two that add to the same lanes do not wait for each other.
  const sorted = [...lanes.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, lane]) => lane);
  const epochs = jobs.every(({ runAt = 0 }) => runAt <= now) ? await takeIdle(tx, sorted) : new Map<Lane, number>();
  for (const chunk of chunks(sorted.filter((lane) => !epochs.has(lane)))) {
    await tx.query(
      `insert into lanes (queue, key, run_at, epoch) values ${chunk.map(() => '(?, ?, ?, 0)').join(', ')}
       on conflict (queue, key) do update set run_at = coalesce(lanes.run_at, excluded.run_at)`,
      chunk.flatMap(({ queue, key, runAt }) => [queue, key, runAt]),
    );
  }
  const added: Row[] = [];
  for (const chunk of chunks(jobs)) {
    const rows = await tx.query<Row>(
      `insert into jobs (queue, kind, payload, ordering_key, run_at, attempts, created_at) values ${chunk.map(() => '(?, ?, ?, ?, ?, 0, ?)').join(', ')}
       ${epochs.size > 0 ? `returning ${COLUMNS}` : ''}`,
      chunk.flatMap(({ queue, kind, payload, lane, runAt }) => [queue, kind, JSON.stringify(payload), lane ?? null, runAt ?? 0, now]),
    );
    added.push(...rows);
  }
  for (const [{ queue, key }, fence] of epochs) {
    const rows = added.filter((row) => row.ordering_key === key).sort((a, b) => a.id - b.id);
    tx.handOver({ queue, lane: key, fence, jobs: rows.map((row) => toJob(queue, row, 0)) });
  }
  const taken = new Set([...epochs.keys()].map(({ queue, key }) => `${queue} ${key}`));
  for (const { queue, lane, runAt } of jobs) if (!taken.has(`${queue} ${lane}`)) tx.wake(queue, runAt);
}

interface Lane {
  queue: Queue;
  key: string;
  runAt: number;
}

/**
 * Claims lanes in which nothing is, as they are added to, for the worker of this process while it has room: spares it a transaction, and the look
 * into the queue. All jobs must be due.
 * @returns their epochs
 */
async function takeIdle(tx: Tx, lanes: readonly Lane[]): Promise<Map<Lane, number>> {
  const epochs = new Map<Lane, number>();
  const queue = lanes[0]?.queue;
  const hands = queue && tx.hands(queue);
  if (!hands || lanes.length > hands.free() || lanes.some((lane) => lane.queue !== queue)) return epochs;
  const rows = await tx.query<{ key: string; epoch: number }>(
    `insert into lanes (queue, key, run_at, lease_until, epoch) values ${lanes.map(() => '(?, ?, ?, ?, 1)').join(', ')}
     on conflict (queue, key) do update set run_at = excluded.run_at, lease_until = excluded.lease_until, epoch = lanes.epoch + 1
     where lanes.run_at is null and lanes.lease_until is null returning key, epoch`,
    lanes.flatMap(({ key, runAt }) => [queue, key, runAt, hands.leaseEnd()]),
  );
  for (const { key, epoch } of rows) epochs.set(lanes.find((lane) => lane.key === key)!, epoch);
  return epochs;
}

/** Takes what may run now; see `claimIn`. */
export const claim = (store: Store, queue: Queue, options: ClaimOptions): Promise<Claim[]> => store.transaction((tx) => claimIn(tx, queue, options));

/** Takes what may run now: first lanes, those that wait longest first, then jobs without a lane. Others that claim at the same time get others. */
export async function claimIn(tx: Tx, queue: Queue, options: ClaimOptions): Promise<Claim[]> {
  return [...(options.lanes > 0 ? await claimLanes(tx, queue, options) : []), ...(options.jobs > 0 ? await claimFlat(tx, queue, options) : [])];
}

async function claimLanes(tx: Tx, queue: Queue, { lanes, perLane, leaseMs, now }: ClaimOptions): Promise<Claim[]> {
  const ready = `select key from lanes where queue = ? and lease_until is null and run_at <= ? order by run_at limit ? ${locking(tx, 'for update skip locked')}`;
  const taken = await tx.query<{ key: string; epoch: number }>(
    `update lanes set lease_until = ?, epoch = epoch + 1 where queue = ? and ${isOneOf(tx, 'key', ready)} returning key, epoch`,
    [now + leaseMs, queue, queue, now, lanes],
  );
  const heads = await headsOf(
    tx,
    queue,
    taken.map(({ key }) => key),
    perLane,
  );
  const claims: Claim[] = [];
  for (const { key, epoch } of taken) {
    const rows = heads.get(key)!;
    // A job that must wait holds up those behind it.
    const waiting = rows.findIndex((row) => row.run_at > now);
    const jobs = (waiting < 0 ? rows : rows.slice(0, waiting)).map((row) => toJob(queue, row, row.attempts));
    const taken: Claim = { queue, lane: key, fence: epoch, jobs };
    if (jobs.length > 0) claims.push(taken);
    else await freeLane(tx, queue, key, now); // its first job was dropped, or put off
  }
  return claims;
}

/** The first jobs of each lane. */
async function headsOf(tx: Tx, queue: Queue, keys: string[], perLane: number): Promise<Map<string, Row[]>> {
  if (keys.length === 0) return new Map();
  const heads = new Map<string, Row[]>(keys.map((key) => [key, []]));
  if (tx.dialect === 'postgres') {
    const rows = await tx.query<Row>(
      `select j.* from unnest(?::varchar[]) as k(key)
       cross join lateral (select ${COLUMNS} from jobs where queue = ? and ordering_key = k.key order by id limit ?) j order by j.id`,
      [keys, queue, perLane],
    );
    for (const row of rows) heads.get(row.ordering_key!)!.push(row);
    return heads;
  }
  for (const key of keys) {
    heads.set(key, await tx.query<Row>(`select ${COLUMNS} from jobs where queue = ? and ordering_key = ? order by id limit ?`, [queue, key, perLane]));
  }
  return heads;
}

async function claimFlat(tx: Tx, queue: Queue, { jobs, leaseMs, now }: ClaimOptions): Promise<Claim[]> {
  const ready = `select id from jobs where queue = ? and ordering_key is null and lease_until is null and run_at <= ?
    order by run_at, id limit ? ${locking(tx, 'for update skip locked')}`;
  const rows = await tx.query<Row>(
    `update jobs set lease_until = ?, attempts = attempts + 1 where ${isOneOf(tx, 'id', ready)} returning ${COLUMNS}`,
    [now + leaseMs, queue, now, jobs],
  );
  rows.sort((a, b) => a.run_at - b.run_at || a.id - b.id);
  // The claim itself is counted, so that no two claims have the same fence. Who gives one back undoes only its own.
  return rows.map((row) => ({ queue, lane: null, fence: row.attempts, jobs: [toJob(queue, row, row.attempts - 1)] }));
}

/**
 * Ends a claim: what was done goes, what failed waits or dies, the rest is free for the next one.
 * @param outcome.putOff the first job that was not done waits until then; that counts as no attempt
 * @returns false when the lease was lost; then nothing is changed
 */
export async function settle(
  tx: Tx,
  claim: Claim,
  outcome: { done?: number[]; failed?: { id: number; error: string; fate: Fate }; putOff?: { id: number; runAt: number } },
  now: number,
): Promise<boolean> {
  const { done = [], failed, putOff } = outcome;
  if (!(await isHeld(tx, claim))) return false;
  for (const chunk of chunks(done)) await tx.query(`delete from jobs where id in (${marks(chunk.length)})`, chunk);
  if (failed) await failJob(tx, claim, failed, now);
  if (putOff) await tx.query('update jobs set run_at = ? where id = ?', [putOff.runAt, putOff.id]);
  if (claim.lane !== null) await freeLane(tx, claim.queue, claim.lane, now);
  else if (done.length === 0) {
    // The attempt was counted when it was claimed.
    await tx.query('update jobs set lease_until = null, attempts = attempts - ? where id = ?', [failed ? 0 : 1, claim.jobs[0]!.id]);
  }
  return true;
}

/**
 * Completes many claims whose jobs are all done, or done as far as they were begun: one by one they cost more than all the rest of a
 * worker's round.
 * @param done the ids of each claim's jobs that were done, at least one
 * @returns the claims whose lease was lost
 */
export async function completeAll(tx: Tx, endings: readonly { claim: Claim; done: number[] }[], now: number): Promise<Claim[]> {
  const flat = endings.filter(({ claim }) => claim.lane === null).map(({ claim }) => claim);
  const byQueue = new Map<Queue, { claim: Claim; done: number[] }[]>();
  for (const ending of endings) {
    if (ending.claim.lane === null) continue;
    const { queue } = ending.claim;
    if (!byQueue.has(queue)) byQueue.set(queue, []);
    byQueue.get(queue)!.push(ending);
  }
  const lost = await completeFlat(tx, flat);
  for (const [queue, some] of byQueue) lost.push(...(await completeLanes(tx, queue, some, now)));
  return lost;
}

async function completeFlat(tx: Tx, claims: readonly Claim[]): Promise<Claim[]> {
  if (claims.length === 0) return [];
  if (tx.dialect === 'sqlite') {
    // Prepared once, run often: three times as quick as one statement with a list.
    const lost: Claim[] = [];
    for (const claim of claims) {
      const rows = await tx.query('delete from jobs where id = ? and attempts = ? and lease_until is not null returning 1', [claim.jobs[0]!.id, claim.fence]);
      if (rows.length === 0) lost.push(claim);
    }
    return lost;
  }
  const rows = await tx.query<{ id: number }>(
    `delete from jobs using unnest(?::bigint[], ?::integer[]) as c(id, fence)
     where jobs.id = c.id and attempts = c.fence and lease_until is not null returning jobs.id`,
    [claims.map(({ jobs }) => jobs[0]!.id), claims.map(({ fence }) => fence)],
  );
  const gone = new Set(rows.map(({ id }) => id));
  return claims.filter(({ jobs }) => !gone.has(jobs[0]!.id));
}

/** The three statements of store.md "Ordering key", each for all lanes at once on PostgreSQL, where the way to the server is what costs. */
async function completeLanes(tx: Tx, queue: Queue, endings: readonly { claim: Claim; done: number[] }[], now: number): Promise<Claim[]> {
  const lost: Claim[] = [];
  if (tx.dialect === 'sqlite') {
    for (const { claim, done } of endings) if (!(await settle(tx, claim, { done }, now))) lost.push(claim);
    return lost;
  }
  // Locked in the order of their keys, as in addJobs: two transactions with the same lanes do not wait for each other.
  const held = await tx.query<{ key: string }>(
    `select l.key from unnest(?::varchar[], ?::bigint[]) as c(key, epoch) join lanes l on l.queue = ? and l.key = c.key and l.epoch = c.epoch
     where l.lease_until is not null order by l.key collate "C" for update of l`,
    [endings.map(({ claim }) => claim.lane), endings.map(({ claim }) => claim.fence), queue],
  );
  const keys = new Set(held.map(({ key }) => key));
  await tx.query('delete from jobs where id = any(?::bigint[])', [endings.filter(({ claim }) => keys.has(claim.lane!)).flatMap(({ done }) => done)]);
  await tx.query(
    `update lanes set lease_until = null, run_at = (
       select case when run_at < ?::bigint then ?::bigint else run_at end from jobs where queue = lanes.queue and ordering_key = lanes.key order by id limit 1)
     where queue = ? and key = any(?::varchar[])`,
    [now, now, queue, [...keys]],
  );
  return endings.filter(({ claim }) => !keys.has(claim.lane!)).map(({ claim }) => claim);
}

/** Locks the lanes of these claims in the order in which all others do: before a transaction that ends some of them in another one. */
export async function lockLanes(tx: Tx, claims: readonly Claim[]): Promise<void> {
  const lanes = claims.filter(({ lane }) => lane !== null);
  if (tx.dialect === 'sqlite' || lanes.length === 0) return;
  await tx.query('select 1 from lanes where (queue, key) in (select * from unnest(?::varchar[], ?::varchar[])) order by queue, key collate "C" for update', [
    lanes.map(({ queue }) => queue),
    lanes.map(({ lane }) => lane),
  ]);
}

/**
 * Does the claim still hold? On PostgreSQL the lock waits for whoever is just adding to the lane: without it `freeLane` would not
 * see that job, and it would be stranded.
 */
async function isHeld(tx: Tx, { queue, lane, fence, jobs }: Claim): Promise<boolean> {
  const [what, params] =
    lane === null
      ? (['jobs where id = ? and attempts = ?', [jobs[0]!.id, fence]] as const)
      : (['lanes where queue = ? and key = ? and epoch = ?', [queue, lane, fence]] as const);
  return (await tx.query(`select 1 from ${what} and lease_until is not null ${locking(tx, 'for update')}`, params)).length > 0;
}

/** The lane runs again when its first job may, but behind the lanes that wait already. */
async function freeLane(tx: Tx, queue: Queue, key: string, now: number): Promise<void> {
  await tx.query(
    `update lanes set lease_until = null, run_at = (
       select case when run_at < ? then cast(? as bigint) else run_at end from jobs where queue = ? and ordering_key = ? order by id limit 1)
     where queue = ? and key = ?`,
    [now, now, queue, key, queue, key],
  );
}

async function failJob(tx: Tx, { lane }: Claim, { id, error, fate }: { id: number; error: string; fate: Fate }, now: number): Promise<void> {
  const counted = lane === null ? 0 : 1;
  const message = error.slice(0, ERROR_MAX).toWellFormed().replaceAll('\0', '');
  if ('retryAt' in fate) {
    await tx.query('update jobs set attempts = attempts + ?, last_error = ?, run_at = ? where id = ?', [counted, message, fate.retryAt, id]);
    return;
  }
  await tx.query(
    `insert into dead_jobs (id, queue, kind, payload, ordering_key, attempts, last_error, created_at, died_at)
     select id, queue, kind, payload, ordering_key, attempts + ?, ?, created_at, ? from jobs where id = ?`,
    [counted, message, now, id],
  );
  await tx.query('delete from jobs where id = ?', [id]);
}

/** Removes the jobs that were done and frees the rest. @returns false: the lease is lost, nothing is changed */
export const complete = (tx: Tx, claim: Claim, doneIds: number[], now: number): Promise<boolean> => settle(tx, claim, { done: doneIds }, now);

/** A job failed: it waits until `retryAt` with all behind it in its lane, or moves to dead_jobs and the lane goes on. @returns false: the lease is lost */
export const fail = (tx: Tx, claim: Claim, jobId: number, error: string, fate: Fate, now: number): Promise<boolean> =>
  settle(tx, claim, { failed: { id: jobId, error, fate } }, now);

/** Gives the claim back, as if it had not been taken. @param runAt its first job waits until then */
export const release = (store: Store, claim: Claim, now: number, runAt?: number): Promise<boolean> =>
  store.transaction(async (tx) => {
    const released = await settle(tx, claim, runAt === undefined ? {} : { putOff: { id: claim.jobs[0]!.id, runAt } }, now);
    if (released) tx.wake(claim.queue);
    return released;
  });

/** Holds on to a claim. @returns false: the lease is lost */
export const renew = (store: Store, claim: Claim, leaseMs: number, now: number): Promise<boolean> =>
  store.transaction(async (tx) => (await renewAll(tx, [claim], leaseMs, now)).length === 0);

/** @returns the claims whose lease is lost */
export async function renewAll(tx: Tx, claims: readonly Claim[], leaseMs: number, now: number): Promise<Claim[]> {
  const lost: Claim[] = [];
  for (const claim of claims) {
    const { queue, lane, fence, jobs } = claim;
    const rows =
      lane === null
        ? await tx.query('update jobs set lease_until = ? where id = ? and attempts = ? and lease_until is not null returning 1', [
            now + leaseMs,
            jobs[0]!.id,
            fence,
          ])
        : await tx.query('update lanes set lease_until = ? where queue = ? and key = ? and epoch = ? and lease_until is not null returning 1', [
            now + leaseMs,
            queue,
            lane,
            fence,
          ]);
    if (rows.length === 0) lost.push(claim);
  }
  return lost;
}

/** The last error of a job whose run never came back. */
export const LEASE_ENDED = 'The worker ended, or hung, while this job ran.';

/**
 * Frees what was claimed by workers that are no more. It counts as a failed attempt of the job that may have run, so that one
 * which kills its worker is given up in the end.
 * @param of this queue only, and leases that have not ended too (`until`: those that end before, or then): for the one process that may use the database, at its start
 * @returns how many came back
 */
export async function sweep(store: Store, now: number, of?: { queue: Queue; until?: number }): Promise<number> {
  let count = 0;
  for (;;) {
    const some = await sweepSome(store, now, of);
    count += some;
    if (some < CHUNK) return count;
  }
}

async function sweepSome(store: Store, now: number, of?: { queue: Queue; until?: number }): Promise<number> {
  const ended = of ? 'lease_until <= ? and queue = ?' : 'lease_until <= ?';
  const params = of ? [of.until ?? Number.MAX_SAFE_INTEGER, of.queue] : [now];
  return store.transaction(async (tx) => {
    const lanes = await tx.query<{ queue: Queue; key: string }>(
      `select queue, key from lanes where ${ended} order by queue, key limit ${CHUNK} ${locking(tx, 'for update skip locked')}`,
      params,
    );
    for (const { queue, key } of lanes) {
      await tx.query(
        `update jobs set attempts = attempts + 1, last_error = ? where id = (
           select id from jobs where queue = ? and ordering_key = ? order by id limit 1)`,
        [LEASE_ENDED, queue, key],
      );
      await freeLane(tx, queue, key, now);
    }
    const leased = `select id from jobs where ${ended} and ordering_key is null limit ${CHUNK} ${locking(tx, 'for update skip locked')}`;
    const jobs = await tx.query<{ queue: Queue }>(
      `update jobs set lease_until = null, last_error = ? where ${isOneOf(tx, 'id', leased)} returning queue`,
      [LEASE_ENDED, ...params],
    );
    for (const { queue } of [...lanes, ...jobs]) tx.wake(queue);
    return lanes.length + jobs.length;
  });
}

/** When the queue has something to do next: milliseconds UTC, in the past when it has already; null when never. */
export async function nextRunAt(db: Db, queue: Queue): Promise<number | null> {
  const first = 'select run_at from';
  const rows = await db.query<{ run_at: number | null }>(
    `select (${first} lanes where queue = ? and lease_until is null and run_at is not null order by run_at limit 1) as run_at
     union all select (${first} jobs where queue = ? and lease_until is null and ordering_key is null order by run_at, id limit 1)`,
    [queue, queue],
  );
  const times = rows.flatMap((row) => (row.run_at === null ? [] : [row.run_at]));
  return times.length > 0 ? Math.min(...times) : null;
}

export interface QueueCount {
  queue: Queue;
  kind: JobKind;
  waiting: number;
  running: number;
  /** Given up. */
  failed: number;
  /** Since the oldest one that is not given up was added; 0 when there is none. */
  oldestAgeMs: number;
}

type Counted = { queue: Queue; kind: JobKind; n: number; oldest: number };

/** Rows of one statement that counts: SQLite counts in our thread, a hundred thousand at once took up to 120 ms of it. */
const COUNTED_AT_ONCE = 4_000;

/** How many rows of each kind, part by part: what comes or goes meanwhile is counted or not. */
async function countRows(db: Db, from: 'jobs' | 'dead_jobs'): Promise<Counted[]> {
  if (db.dialect === 'postgres') return db.query<Counted>(`select queue, kind, count(*) as n, min(created_at) as oldest from ${from} group by queue, kind`);
  const counted = new Map<string, Counted>();
  for (let after = 0; ; await new Promise((resolve) => setImmediate(resolve))) {
    const rows = await db.query<Counted & { last: number }>(
      `select queue, kind, count(*) as n, min(created_at) as oldest, max(id) as last
       from (select id, queue, kind, created_at from ${from} where id > ? order by id limit ${COUNTED_AT_ONCE}) group by queue, kind`,
      [after],
    );
    if (rows.length === 0) return [...counted.values()];
    for (const { last, ...row } of rows) {
      const key = `${row.queue} ${row.kind}`;
      const before = counted.get(key);
      counted.set(key, before ? { ...row, n: before.n + row.n, oldest: Math.min(before.oldest, row.oldest) } : row);
      after = Math.max(after, last);
    }
  }
}

/** What the queues hold, by kind. With a long queue on SQLite it takes a while, with pauses for others in between. */
export async function queueCounts(db: Db, now: number): Promise<QueueCount[]> {
  const all = await countRows(db, 'jobs');
  const running = await db.query<Counted>(
    `select queue, kind, count(*) as n from (
       select queue, kind from jobs where lease_until is not null and ordering_key is null
       union all select j.queue, j.kind from lanes l join jobs j on j.id = (
         select id from jobs where queue = l.queue and ordering_key = l.key order by id limit 1) where l.lease_until is not null
     ) leased group by queue, kind`,
  );
  const dead = await countRows(db, 'dead_jobs');
  const counts = new Map<string, QueueCount>();
  const of = ({ queue, kind }: Counted) => {
    const key = `${queue} ${kind}`;
    const count = counts.get(key) ?? { queue, kind, waiting: 0, running: 0, failed: 0, oldestAgeMs: 0 };
    counts.set(key, count);
    return count;
  };
  for (const row of all) Object.assign(of(row), { waiting: row.n, oldestAgeMs: Math.max(0, now - row.oldest) });
  for (const row of running) {
    const count = of(row);
    count.running = row.n;
    count.waiting = Math.max(0, count.waiting - row.n);
  }
  for (const row of dead) of(row).failed = row.n;
  return [...counts.values()].sort((a, b) => (`${a.queue} ${a.kind}` < `${b.queue} ${b.kind}` ? -1 : 1));
}

export interface ListedJob {
  id: number;
  queue: Queue;
  kind: JobKind;
  lane: string | null;
  attempts: number;
  lastError: string | null;
  createdAt: number;
  /** When it runs next; null for one that was given up. */
  runAt: number | null;
  failed: boolean;
}

/** Jobs by age, oldest first. @param of.failed those that were given up, instead of those that wait or run */
export async function listJobs(db: Db, { failed = false, limit = 1_000 }: { failed?: boolean; limit?: number } = {}): Promise<ListedJob[]> {
  type Listed = Row & { queue: Queue; last_error: string | null };
  const rows = await db.query<Listed>(
    `select id, queue, kind, ordering_key, attempts, last_error, created_at, ${failed ? 'null as run_at from dead_jobs' : 'run_at from jobs'} order by id limit ?`,
    [limit],
  );
  return rows.map((row) => ({
    id: row.id,
    queue: row.queue,
    kind: row.kind,
    lane: row.ordering_key,
    attempts: row.attempts,
    lastError: row.last_error,
    createdAt: row.created_at,
    runAt: row.run_at,
    failed,
  }));
}

/** Queues jobs anew that were given up; in a lane they come last. @returns how many there were */
export async function retryDead(tx: Tx, ids: readonly number[], now: number): Promise<number> {
  let count = 0;
  for (const chunk of chunks(ids)) {
    const rows = await tx.query<Row & { queue: Queue }>(
      `delete from dead_jobs where id in (${marks(chunk.length)}) returning id, queue, kind, payload, ordering_key`,
      chunk,
    );
    rows.sort((a, b) => a.id - b.id);
    const jobs = rows.map((row) => ({ kind: row.kind, payload: JSON.parse(row.payload), queue: row.queue, lane: row.ordering_key ?? undefined }) as NewJob);
    await addJobs(tx, jobs, now);
    count += rows.length;
  }
  return count;
}

/** Removes jobs, given up or waiting. One that runs is not stopped, but not tried again. @returns how many there were */
export async function dropJobs(tx: Tx, ids: readonly number[]): Promise<number> {
  let count = 0;
  for (const chunk of chunks(ids)) {
    for (const from of ['jobs', 'dead_jobs']) {
      count += (await tx.query(`delete from ${from} where id in (${marks(chunk.length)}) returning 1`, chunk)).length;
    }
  }
  return count; // a lane whose first job is gone is put right by the next claim
}
