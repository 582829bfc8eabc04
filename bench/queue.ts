// Jobs a second that do nothing, durable: SQLite in batches and singly beside bare prepared statements, PostgreSQL beside graphile-worker on the same server.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { makeWorkerUtils, run as runGraphile, type WorkerUtils } from 'graphile-worker';
import pg from 'pg';
import type { NewJob } from '../src/domain/job.js';
import { startWorker, type WorkerOptions } from '../src/jobs/worker.js';
import { createLog } from '../src/log.js';
import type { Store } from '../src/store/database.js';
import { addJobs } from '../src/store/jobs.js';
import { openStore } from '../src/store/open.js';
import { startPostgres } from '../test/support/servers/index.js';
import { median, percentiles, printMachine, printTable, quantile, ratio } from './support/figures.js';

const ROUNDS = 5;
/** So many at once: a batch. */
const MANY = 200;
const LATENCIES = { count: 500, everyMs: 10 };

/** What of the options of a worker is varied. */
type Way = Pick<WorkerOptions, 'concurrency' | 'batch'> & { workers?: number };
const BATCHED: Way = { concurrency: MANY };
/** Two workers: one writes and claims while the other one runs. */
const TWICE: Way = { concurrency: 500, workers: 2 };
const SINGLY: Way = { concurrency: 1, batch: false };
const EIGHT: Way = { concurrency: 8 };

const log = createLog('silent');
const perSecond = (count: number, from: number): number => (count * 1000) / (performance.now() - from);
const rate = (values: number[]): string => `${whole(median(values))}/s (${whole(Math.min(...values))}–${whole(Math.max(...values))})`;
const whole = (value: number): string => Math.round(value).toLocaleString('en');

export async function run(): Promise<void> {
  printMachine();
  const rows = [['what', 'ours', 'baseline', 'ratio', 'goal']];
  await onSqlite(rows);
  await onPostgres(rows);
  console.log(`medians (min–max) of ${ROUNDS} rounds, interleaved`);
  printTable(rows);
}

async function onSqlite(rows: string[][]): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-bench-queue-'));
  const store = await openStore(`sqlite:${path.join(folder, 'ours.sqlite')}`, log);
  await store.migrate();
  const bare = openBare(path.join(folder, 'bare.sqlite'));
  const ways = [
    ['SQLite, batches', BATCHED, 50_000, MANY, '≥ 50,000/s'],
    ['SQLite, singly', SINGLY, 5_000, 1, '≥ 2,500/s'],
  ] as const;
  for (const [name, way, count, size, goal] of ways) {
    const ours: number[] = [];
    const baseline: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await drain(store, way, count));
      baseline.push(bare.drain(count, size));
    }
    rows.push([name, rate(ours), `${rate(baseline)} bare statements`, ratio(ours, baseline), goal]);
  }
  const inLanes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) inLanes.push(await drain(store, BATCHED, 50_000, 5));
  rows.push(['SQLite, batches, in lanes of 5', rate(inLanes), '', '', '']);
  rows.push(['SQLite, enqueue → handler', percentiles(await latencies(store)), '', '', 'p99 < 10 ms']);
  await store.close();
  bare.close();
  rmSync(folder, { recursive: true });
}

async function onPostgres(rows: string[][]): Promise<void> {
  const server = await startPostgres();
  try {
    const urls = await Promise.all(['ours', 'graphile'].map((name) => createDatabase(server.url, name)));
    const store = await openStore(urls[0]!, log);
    await store.migrate();
    const graphile = await openGraphile(urls[1]!);
    // First: what vacuum does after the great batches is no part of it.
    const [ours, theirs] = [await latencies(store), await graphile.latencies()];
    rows.push(['PostgreSQL, enqueue → handler', percentiles(ours), `${percentiles(theirs)} graphile-worker`, (quantile(ours, 0.5) / quantile(theirs, 0.5)).toFixed(2), 'p99 < 10 ms']);
    const ways = [
      ['PostgreSQL, batches (two workers)', TWICE, { concurrency: 24, localQueue: 500 }, 30_000, '≥ 1.2 ×'],
      ['PostgreSQL, eight at once', EIGHT, { concurrency: 8 }, 5_000, '≥ 0.8 × (1.0 is the dream)'],
      ['PostgreSQL, one at a time', SINGLY, { concurrency: 1 }, 2_000, ''],
    ] as const;
    for (const [name, way, theirWay, count, goal] of ways) {
      const ours: number[] = [];
      const theirs: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        ours.push(await drain(store, way, count));
        theirs.push(await graphile.drain(theirWay, count));
      }
      rows.push([name, rate(ours), `${rate(theirs)} graphile-worker`, ratio(ours, theirs), goal]);
    }
    const inLanes: number[] = [];
    for (let round = 0; round < ROUNDS; round++) inLanes.push(await drain(store, TWICE, 20_000, 5));
    rows.push(['PostgreSQL, batches, in lanes of 5', rate(inLanes), '', '', '']);
    await graphile.close();
    await store.close();
  } finally {
    await server.destroy();
  }
}

const job = (number: number, lane?: string): NewJob => ({ kind: 'profile-changed', payload: { actorId: number }, queue: 'main', lane });

/** @returns jobs a second, from the start of the worker to the end of the last job's transaction */
async function drain(store: Store, { workers: many = 1, ...way }: Way, count: number, perLane = 0): Promise<number> {
  for (let start = 0; start < count; start += 1_000) {
    const jobs = Array.from({ length: Math.min(1_000, count - start) }, (_, index) => job(start + index, perLane > 0 ? `lane ${Math.floor((start + index) / perLane)}` : undefined));
    await store.transaction((tx) => addJobs(tx, jobs));
  }
  let ran = 0;
  const from = performance.now();
  const workers = Array.from({ length: many }, () => startWorker({ store, queue: 'main', log, now: Date.now, ...way, handlers: { 'profile-changed': async () => void ran++ } }));
  for (const worker of workers) await worker.idle();
  const result = perSecond(count, from);
  for (const worker of workers) await worker.stop();
  const [{ n }] = (await store.query<{ n: number }>('select count(*) as n from jobs')) as [{ n: number }];
  if (ran !== count || n !== 0) throw new Error(`${ran} of ${count} jobs ran, ${n} are left`);
  return result;
}

/** From the call that adds a job to its handler, in ms; the queue is empty in between. */
async function latencies(store: Store): Promise<number[]> {
  const addedAt: number[] = [];
  const took: number[] = [];
  const worker = startWorker({ store, queue: 'main', log, now: Date.now, concurrency: 8, handlers: { 'profile-changed': async ({ payload }) => void took.push(performance.now() - addedAt[payload.actorId]!) } });
  await worker.idle();
  await onBeat(async (number) => {
    addedAt[number] = performance.now();
    await store.transaction((tx) => addJobs(tx, [job(number)]));
  });
  await worker.idle();
  await worker.stop();
  return took;
}

async function onBeat(work: (number: number) => Promise<unknown>): Promise<void> {
  for (let number = 0; number < LATENCIES.count; number++) {
    await work(number);
    await new Promise((resolve) => setTimeout(resolve, LATENCIES.everyMs));
  }
}

/** What better-sqlite3 does with the same columns and nothing around them: claim, run nothing, complete. */
function openBare(file: string): { drain(count: number, size: number): number; close(): void } {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec(`create table jobs(id integer primary key autoincrement, queue text, kind text, payload text, ordering_key text, run_at integer, attempts integer, lease_until integer, created_at integer);
    create index ready on jobs(queue, run_at, id) where lease_until is null and ordering_key is null;
    create index leased on jobs(lease_until) where lease_until is not null`);
  const add = db.prepare("insert into jobs(queue, kind, payload, run_at, attempts, created_at) values ('main', 'profile-changed', ?, 0, 0, 0)");
  const claim = db.prepare(`update jobs set lease_until = ?, attempts = attempts + 1 where id in (
    select id from jobs where queue = 'main' and ordering_key is null and lease_until is null and run_at <= ? order by run_at, id limit ?) returning id, payload`);
  const remove = db.prepare('delete from jobs where id = ?');
  return {
    drain(count, size) {
      db.transaction(() => {
        for (let number = 0; number < count; number++) add.run(JSON.stringify({ actorId: number }));
      })();
      let taken: { id: number }[] = [];
      // Completes and claims the next in one transaction, as the worker does.
      const round = db.transaction(() => {
        for (const { id } of taken) remove.run(id);
        taken = claim.all(Date.now() + 60_000, Date.now(), size) as { id: number }[];
      });
      const from = performance.now();
      do round.immediate();
      while (taken.length > 0);
      return perSecond(count, from);
    },
    close: () => void db.close(),
  };
}

async function createDatabase(url: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return Object.assign(new URL(url), { pathname: `/${name}` }).href;
}

interface Graphile {
  drain(way: { concurrency: number; localQueue?: number }, count: number): Promise<number>;
  latencies(): Promise<number[]>;
  close(): Promise<void>;
}

/** graphile-worker as its own documentation sets it up for speed. */
async function openGraphile(connectionString: string): Promise<Graphile> {
  const pool = new pg.Pool({ connectionString, max: 34 });
  const logger = { scope: () => logger, error: () => {}, warn: () => {}, info: () => {}, debug: () => {} } as never;
  const utils: WorkerUtils = await makeWorkerUtils({ pgPool: pool, logger });
  await utils.migrate();
  const start = (concurrency: number, localQueue: number | undefined, onJob: (number: number) => void) =>
    runGraphile({
      pgPool: pool,
      logger,
      noHandleSignals: true,
      taskList: { nothing: async (payload) => onJob((payload as { number: number }).number) },
      preset: { worker: { concurrentJobs: concurrency, ...(localQueue ? { localQueue: { size: localQueue }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } : {}) } },
    });
  return {
    async drain({ concurrency, localQueue }, count) {
      await pool.query("select graphile_worker.add_jobs(array(select json_populate_record(null::graphile_worker.job_spec, json_build_object('identifier', 'nothing', 'payload', json_build_object('number', i))) from generate_series(1, $1) i))", [count]);
      let ran = 0;
      const from = performance.now();
      let all!: () => void;
      const done = new Promise<void>((resolve) => (all = resolve));
      const runner = await start(concurrency, localQueue, () => ++ran === count && all());
      await done;
      // Done is what is gone from its table; the last ones are removed a moment after they ran.
      const left = async () => Number((await pool.query('select count(*) as n from graphile_worker._private_jobs')).rows[0].n);
      while ((await left()) > 0);
      const result = perSecond(count, from);
      await runner.stop();
      return result;
    },
    async latencies() {
      const addedAt: number[] = [];
      const took: number[] = [];
      const runner = await start(8, undefined, (number) => took.push(performance.now() - addedAt[number]!));
      await onBeat(async (number) => {
        addedAt[number] = performance.now();
        await utils.addJob('nothing', { number });
      });
      await runner.stop();
      return took;
    },
    async close() {
      await utils.release();
      await pool.end();
    },
  };
}
