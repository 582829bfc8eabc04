import type { Logger } from 'pino';
import { DeliveryError, DomainError } from '../domain/errors.js';
import { backOffMs, type Job, type JobKind, MAX_AGE_MS, type Queue } from '../domain/job.js';
import { setJobsBack } from '../store/clock.js';
import type { Hands, Store, Tx } from '../store/database.js';
import { type Claim, type ClaimedJob, claimIn, completeAll, type Fate, LEASE_ENDED, lockLanes, nextRunAt, renewAll, settle, sweep } from '../store/jobs.js';
import type { Arrival } from '../store/ledger.js';

/**
 * Runs one job. May run again for the same job, so its effects are idempotent.
 * @returns what is to be written down with the end of the job: in one transaction with many others
 * @param signal aborted when the worker stops waiting for it, or has lost its lease: what comes after has no effect on the job
 * @throws Postpone, DeliveryError, or anything else, which is tried again later
 */
// biome-ignore lint/suspicious/noConfusingVoidType: most have nothing to say
export type Handler<K extends JobKind = JobKind> = (job: Extract<Job, { kind: K }>, signal: AbortSignal) => Promise<Arrival | void>;
export type Handlers = { [K in JobKind]?: Handler<K> };

/** Not now: the job waits, and it counts as no attempt. */
export class Postpone extends Error {
  override readonly name = 'Postpone';
  constructor(readonly untilMs: number) {
    super(`not before ${new Date(untilMs).toISOString()}`);
  }
}

/** Holds the whole queue while it is shut, e.g. while there is no connection. */
export interface Gate {
  isOpen(): boolean;
  /** May return what takes the listener away again. */
  onOpen(listener: () => void): unknown;
}

export interface WorkerOptions {
  store: Store;
  queue: Queue;
  handlers: Handlers;
  log: Logger;
  /** Milliseconds UTC. */
  now: () => number;
  /** So many lanes, and jobs without a lane, at once. */
  concurrency: number;
  /** So many more, when runs wait for others so long that they must not take the place of those that do not. */
  slow?: { afterMs: number; more: number };
  gate?: Gate;
  /** Several jobs of a lane under one lease, completed together (the default); false: each by itself. */
  batch?: boolean;
  /** Runs in the transaction that completes the jobs whose handlers returned these. */
  onArrived?: (tx: Tx, arrivals: readonly Arrival[]) => Promise<void>;
  /** Runs in the transaction that gives a job up. */
  onDead?: (tx: Tx, job: Job, error: string) => Promise<void>;
  leaseMs?: number;
  sweepMs?: number;
  /** How long `stop` waits for handlers before it aborts them. */
  stopMs?: number;
}

export interface Worker {
  /** Takes no more, waits for what runs, and gives the rest back. */
  stop(): Promise<void>;
  /** For tests: resolves when nothing runs and nothing may run now. */
  idle(): Promise<void>;
}

const PER_LANE = 5;
export const LEASE_MS = 60_000;
const STOP_MS = 8_000;
/** What a handler gets to notice that it was aborted. */
const ABORT_MS = 1_000;
/** The safety net: finds ended leases, and jobs whose wake-up was lost. */
const SWEEP_MS = 30_000;
const DATABASE_RETRY_MS = 1_000;

/** For what is a fault of ours. A server that is away is tried for the whole time. */
const MAX_ATTEMPTS = 30;

/** How one claim ended, to be written down. */
interface Ending {
  claim: Claim;
  done: number[];
  /** What their handlers returned. */
  arrived: Arrival[];
  failed?: { job: ClaimedJob; error: string; fate: Fate };
  putOff?: { id: number; runAt: number };
}

interface Run {
  claim: Claim;
  /** Ids of its jobs that are done. */
  done: number[];
  arrived: Arrival[];
  /** By the monotonic clock: the wall clock may jump (threats.md 14). */
  startedAt: number;
  leaseEnds: number;
  abort: AbortController;
}

/** Stores whose queues were taken over from a worker that ended without a word. */
const takenOver = new WeakMap<Store, Set<Queue>>();

/**
 * Runs the jobs of a queue: woken by their commit, by the clock when the next is due, and by a slow sweep. One loop alone talks to
 * the database: it writes down in one transaction all that has ended since its last round, and claims as much anew.
 */
export function startWorker(options: WorkerOptions): Worker {
  const { store, queue, now, concurrency, gate, leaseMs = LEASE_MS } = options;
  const log = options.log.child({ queue });
  const running = new Set<Run>();
  let ended: Ending[] = [];
  let looping = false;
  let again = false;
  let stopping = false;
  let lanesFirst = false;
  /** The last look into the queue found as much as there was room for, or there has been none yet. */
  let isFull = true;
  let aging: NodeJS.Timeout | undefined;
  let due: NodeJS.Timeout | undefined;
  let dueAt = Number.POSITIVE_INFINITY;
  const changed: (() => void)[] = [];

  /** Something may be to do: starts the loop, or lets it go round once more. */
  function wake(): void {
    again = true;
    if (!looping) void loop();
  }

  async function loop(): Promise<void> {
    looping = true;
    while (again) {
      // What ends in the same turn, as all do that waited for one barrier, is written down together.
      if (running.size > 0) await new Promise((resolve) => setImmediate(resolve));
      again = false;
      try {
        await round();
      } catch (err) {
        log.warn({ err }, 'the queue cannot be read: trying again');
        schedule(DATABASE_RETRY_MS);
      }
    }
    looping = false; // in the same breath as the last look at `again`: a wake-up in between would be lost
    for (const tell of changed.splice(0)) tell();
  }

  /** Something will be to do then. A round that runs may have looked just before: so another follows it. */
  function wakeAt(at: number): void {
    if (looping || at <= now()) wake();
    else if (at < dueAt) schedule(at - now());
  }

  function growOld(): void {
    aging = undefined;
    wake();
  }

  function schedule(delayMs: number): void {
    unschedule();
    if (stopping) return;
    dueAt = now() + delayMs;
    const whenDue = () => {
      unschedule();
      wake();
    };
    due = setTimeout(whenDue, Math.min(Math.max(delayMs, 0), SWEEP_MS));
  }

  function unschedule(): void {
    clearTimeout(due);
    dueAt = Number.POSITIVE_INFINITY;
  }

  /** For how many more there is room. */
  function places(): number {
    const { afterMs = Number.POSITIVE_INFINITY, more = 0 } = options.slow ?? {};
    const now = performance.now();
    let slow = 0;
    for (const run of running) if (now - run.startedAt >= afterMs) slow += 1;
    return concurrency - running.size + Math.min(slow, more);
  }

  async function round(): Promise<void> {
    const endings = ended;
    ended = [];
    const free = stopping || gate?.isOpen() === false ? 0 : places();
    if (endings.length === 0 && free <= 0) return;
    const askedAt = performance.now();
    let claims: Claim[] = [];
    try {
      const work = async (tx: Tx) => {
        await writeDownAll(tx, endings);
        return free > 0 ? take(tx, free) : [];
      };
      // A claim that a power failure undoes was a claim of a process that is no more.
      claims = await store.transaction(work, { mayBeLost: endings.length === 0 });
    } catch (error) {
      if (endings.length > 0) await afterFailure(endings, error);
      throw error;
    }
    for (const claim of claims) begin(claim, askedAt);
    isFull = claims.length >= free;
    // All places are taken: perhaps some of them will turn out to be slow.
    if (options.slow && free > 0 && isFull && aging === undefined) aging = setTimeout(growOld, options.slow.afterMs);
    if (free > 0 && claims.length < free) {
      const next = await nextRunAt(store, queue);
      if (next === null) unschedule();
      else if (next <= now() && claims.length === 0) schedule(DATABASE_RETRY_MS); // others are just claiming it
      else schedule(next - now());
    }
  }

  function begin(claim: Claim, askedAt: number): void {
    const run: Run = { claim, done: [], arrived: [], startedAt: askedAt, leaseEnds: askedAt + leaseMs, abort: new AbortController() };
    running.add(run);
    void perform(run).then((ending) => {
      if (!running.delete(run)) return; // stop() has given it back already
      if (ending) ended.push(ending);
      wake();
    });
  }

  async function writeDownAll(tx: Tx, endings: Ending[]): Promise<void> {
    const isSimple = ({ done, failed, putOff }: Ending) => done.length > 0 && !failed && !putOff;
    const rest = endings.filter((ending) => !isSimple(ending));
    if (rest.length > 0) await lockLanes(tx, endings.map(({ claim }) => claim));
    for (const lost of await completeAll(tx, endings.filter(isSimple), now())) warnOfLoss(lost);
    for (const ending of rest) await writeDown(tx, ending);
    await noteArrivals(tx, endings); // after the jobs have gone: what came back meanwhile is queued anew
  }

  /** Whether the lease was kept or not: it did arrive. */
  async function noteArrivals(tx: Tx, endings: readonly Ending[]): Promise<void> {
    const arrived = endings.flatMap((ending) => ending.arrived);
    if (arrived.length > 0) await options.onArrived?.(tx, arrived);
  }

  /** Lanes and jobs without one take turns in being first, so that neither waits for ever. */
  async function take(tx: Tx, free: number): Promise<Claim[]> {
    const each = { leaseMs, now: now(), perLane: options.batch === false ? 1 : PER_LANE };
    const some = (count: number, lanes: boolean) => claimIn(tx, queue, { ...each, lanes: lanes ? count : 0, jobs: lanes ? 0 : count });
    lanesFirst = !lanesFirst;
    const first = await some(free, lanesFirst);
    return first.length < free ? [...first, ...(await some(free - first.length, !lanesFirst))] : first;
  }

  async function writeDown(tx: Tx, { claim, done, failed, putOff }: Ending): Promise<void> {
    const kept = await settle(tx, claim, { done, putOff, ...(failed && { failed: { ...failed, id: failed.job.id } }) }, now());
    if (!kept) warnOfLoss(claim);
    else if (failed && 'dead' in failed.fate) await options.onDead?.(tx, failed.job, failed.error);
  }

  const warnOfLoss = ({ lane, jobs }: Claim) => log.warn({ lane, jobs: jobs.map(({ id }) => id) }, 'the lease was lost: these jobs run again');

  /** The database was away: the same again, later. Otherwise one of the endings is at fault, and must not hold up the others. */
  async function afterFailure(endings: Ending[], error: unknown): Promise<void> {
    if (error instanceof DomainError && error.code === 'unavailable') {
      ended.unshift(...endings);
      return;
    }
    for (const ending of endings) {
      try {
        await store.transaction(async (tx) => {
          await writeDown(tx, ending);
          await noteArrivals(tx, [ending]);
        });
      } catch (err) {
        log.error({ err, jobs: ending.claim.jobs.map(({ id }) => id) }, 'the end of a job cannot be written down: it runs again when its lease ends');
      }
    }
  }

  /** Runs the jobs of a claim one after another. @returns null when the lease is lost */
  async function perform(run: Run): Promise<Ending | null> {
    const { claim, done, arrived, abort } = run;
    for (const job of claim.jobs) {
      // The next one of the lane is only begun while we may, and while the lease lasts; without it somebody else may have begun it.
      if (done.length > 0 && (stopping || gate?.isOpen() === false)) break;
      if (run.leaseEnds - performance.now() < leaseMs / 3) await renewLeases([run]);
      if (abort.signal.aborted) return null;
      const ending = await attempt(job, arrived, abort.signal);
      if (ending) return { claim, done, arrived, ...ending };
      done.push(job.id);
    }
    return { claim, done, arrived };
  }

  /** @returns null when it was done */
  async function attempt(job: ClaimedJob, arrived: Arrival[], signal: AbortSignal): Promise<Pick<Ending, 'failed' | 'putOff'> | null> {
    const of = { job: job.id, kind: job.kind, attempts: job.attempts };
    try {
      // It has killed its worker again and again.
      if (job.attempts >= MAX_ATTEMPTS && job.lastError === LEASE_ENDED) throw new DeliveryError('given up before it ran again', true);
      const handler = options.handlers[job.kind] as Handler | undefined;
      if (!handler) throw new Error(`nobody here runs jobs of the kind ${job.kind}`);
      const arrival = await handler(job as never, signal);
      if (arrival) arrived.push(arrival);
      log.debug(of, 'job done');
      return null;
    } catch (error) {
      if (signal.aborted) return {}; // no fault of its own: it is given back
      if (error instanceof Postpone) return { putOff: { id: job.id, runAt: error.untilMs } };
      const text = error instanceof Error ? error.message : String(error);
      const isPermanent = error instanceof DeliveryError && error.permanent;
      const isTheirs = error instanceof DeliveryError && !error.permanent;
      const isLast = now() - job.createdAt >= MAX_AGE_MS || (!isTheirs && job.attempts + 1 >= MAX_ATTEMPTS);
      if (isLast || isPermanent) {
        log[isPermanent ? 'warn' : 'error']({ ...of, err: error }, 'job given up');
        return { failed: { job, error: text, fate: { dead: true } } };
      }
      const retryAt = now() + ((error instanceof DeliveryError ? error.retryAfterMs : undefined) ?? backOffMs(job.attempts));
      // Anything but these two is a bug (house.md §4 "Errors").
      const level = error instanceof DeliveryError || error instanceof DomainError ? 'warn' : 'error';
      log[level]({ ...of, retryAt, err: error }, 'job failed');
      return { failed: { job, error: text, fate: { retryAt } } };
    }
  }

  async function renewLeases(runs: Run[]): Promise<void> {
    if (runs.length === 0) return;
    const askedAt = performance.now();
    try {
      const claims = runs.map((run) => run.claim);
      const lost = await store.transaction((tx) => renewAll(tx, claims, leaseMs, now()));
      for (const run of runs) {
        if (lost.includes(run.claim)) run.abort.abort(new Error('the lease is lost'));
        else run.leaseEnds = askedAt + leaseMs;
      }
    } catch (err) {
      log.warn({ err }, 'leases cannot be renewed');
      for (const run of runs) if (run.leaseEnds < performance.now()) run.abort.abort(new Error('the lease has ended'));
    }
  }

  // First our own leases, then those that have ended: a clock that jumps forward must not make us rob ourselves.
  const renewing = setInterval(() => void renewLeases([...running]), leaseMs / 3);
  let sweptAt = Number.POSITIVE_INFINITY; // nobody knows what the clock did before the start
  const sweepOnce = async () => {
    const at = now();
    if (at < sweptAt) await setJobsBack(store, at, { backOffMs: backOffMs(MAX_ATTEMPTS, () => 1), leaseMs });
    sweptAt = at;
    await sweep(store, at);
  };
  const sweeping = setInterval(() => {
    void renewLeases([...running])
      .then(sweepOnce)
      .catch((err) => log.warn({ err }, 'the sweep failed'))
      .finally(wake);
  }, options.sweepMs ?? SWEEP_MS);
  const hands: Hands = {
    leaseEnd: () => now() + leaseMs,
    // Not before those who wait already.
    free: () => (stopping || isFull || gate?.isOpen() === false ? 0 : places()),
    take(claim) {
      if (!stopping) return begin(claim, performance.now());
      ended.push({ claim, done: [], arrived: [] });
      wake();
    },
  };
  store.hands.set(queue, hands); // for good: what was claimed for it comes after its end, too, and goes back
  const deaf = [store.notify.onWake(queue, wakeAt), gate?.onOpen(wake)];

  const takeOver = async () => {
    // On SQLite nobody else may work: what was claimed was claimed by a process that is no more.
    const taken = takenOver.get(store) ?? new Set();
    takenOver.set(store, taken.add(queue));
    await sweep(store, now(), { queue });
  };
  if (store.dialect === 'sqlite' && !takenOver.get(store)?.has(queue)) {
    looping = true;
    void takeOver()
      .catch((err) => log.warn({ err }, 'what an earlier process left could not be taken over: it waits for its lease to end'))
      .finally(loop);
  }
  wake();

  /** Looks after each time that the loop has come to rest. */
  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => changed.push(resolve));
    }
  }
  const isQuiet = () => !looping && running.size === 0 && ended.length === 0;
  const within = (promise: Promise<void>, ms: number) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  };

  return {
    async idle() {
      wake();
      await until(isQuiet);
    },
    async stop() {
      stopping = true;
      unschedule();
      clearTimeout(aging);
      clearInterval(sweeping);
      for (const forget of deaf) if (typeof forget === 'function') forget();
      await within(until(isQuiet), options.stopMs ?? STOP_MS);
      for (const run of running) run.abort.abort(new Error('the worker stops'));
      await within(until(isQuiet), ABORT_MS);
      clearInterval(renewing);
      for (const run of running) {
        running.delete(run);
        ended.push({ claim: run.claim, done: [...run.done], arrived: [...run.arrived] });
      }
      wake();
      await within(
        until(() => !looping),
        ABORT_MS,
      );
    },
  };
}
