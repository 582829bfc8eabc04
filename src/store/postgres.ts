import pg from 'pg';
import type { Logger } from 'pino';
import { DataSource, type QueryRunner } from 'typeorm';
import { migrations } from '../../migrations/index.js';
import type { Queue } from '../domain/job.js';
import type { Hands, Store } from './database.js';
import { isConnectionLoss, isDuplicate, isRolledBackByOthers, translateError } from './errors.js';
import * as schema from './migrate.js';
import { channelOf, PostgresNotifier } from './notify.js';
import { schemas } from './schema/index.js';
import { SnakeNaming } from './schema/columns.js';
import { OpenTx } from './transactions.js';

const TRIES = 4;
const CONNECT_TIMEOUT_MS = 5_000;
/** Any number, so long as no other program on this database takes it: who migrates holds it. */
export const MIGRATION_LOCK = 4_471_863;

const INT8 = 20;
/** bigint as number: ours are milliseconds and counts, far below 2⁵³. pg gives text otherwise. */
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => (oid === INT8 && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format as 'text')),
};

const numbered = new Map<string, string>();
/** `?` → `$1`, `$2`, …, but not inside quotes. */
function numberPlaceholders(sql: string): string {
  let result = numbered.get(sql);
  if (result === undefined) {
    let count = 0;
    result = sql.replace(/'[^']*'|"[^"]*"|\?/g, (part) => (part === '?' ? `$${++count}` : part));
    if (numbered.size >= 500) numbered.clear(); // lists of varying length make ever new texts
    numbered.set(sql, result);
  }
  return result;
}

const names = new Map<string, string>();
/** Each connection keeps some 100 KiB for a long statement. */
const NAMES = 60;
/** Under this, connections keep the statement prepared; undefined for more of them than they shall keep. */
function nameOf(sql: string): string | undefined {
  if (!names.has(sql) && names.size < NAMES) names.set(sql, `dx_${names.size}`);
  return names.get(sql);
}

async function queryOn(runner: QueryRunner, sql: string, params: readonly unknown[], { keepPlan = false } = {}): Promise<unknown[]> {
  try {
    const name = keepPlan ? nameOf(sql) : undefined;
    if (name) return (await ((await runner.connect()) as pg.PoolClient).query({ name, text: numberPlaceholders(sql), values: [...params] })).rows;
    // Structured, because TypeORM's plain answer to UPDATE … RETURNING is [rows, count] (store.md "Traps").
    return (await runner.query(numberPlaceholders(sql), params as unknown[], true)).records ?? [];
  } catch (error) {
    throw translateError(error);
  }
}

const pause = (attempt: number) => new Promise((resolve) => setTimeout(resolve, 20 * 4 ** attempt * (0.5 + Math.random())));

/** A pool of connections. @throws DomainError unavailable */
export async function connectPostgres(url: string, log: Logger, poolSize: number, applicationName = 'diaspora-x'): Promise<DataSource> {
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    entities: schemas('postgres'),
    migrations,
    namingStrategy: new SnakeNaming(),
    applicationName,
    poolSize,
    poolErrorHandler: (err: unknown) => log.warn({ err }, 'lost a connection to the database'),
    // Compiling the stream's statement takes PostgreSQL half a second, running it some milliseconds.
    extra: { types, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, keepAlive: true, options: '-c jit=off' },
    installExtensions: false,
  });
  try {
    return await dataSource.initialize();
  } catch (error) {
    throw translateError(error);
  }
}

/** PostgreSQL by a pool; isolation is READ COMMITTED, which the lanes of jobs.ts rely on. */
export async function openPostgres(url: string, log: Logger, poolSize: number): Promise<Store> {
  const dataSource = await connectPostgres(url, log, poolSize);
  const notify = new PostgresNotifier(url, log);

  async function withRunner<T>(work: (runner: QueryRunner) => Promise<T>): Promise<T> {
    const runner = dataSource.createQueryRunner();
    try {
      return await work(runner);
    } finally {
      await runner.release();
    }
  }

  /** Tries again what failed for a reason that passes, as long as `isSafe` says that nothing was done. */
  async function persist<T>(work: () => Promise<T>, isSafe: (error: unknown, attempt: number) => boolean): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (attempt === TRIES || !isSafe(error, attempt)) throw translateError(error);
        log.debug({ err: error, attempt }, 'trying again');
        await pause(attempt);
      }
    }
  }

  /** One process migrates, others wait for it and then find nothing to do. */
  const migrating = <T>(work: () => Promise<T>): Promise<T> =>
    withRunner(async (runner) => {
      await runner.query(`select pg_advisory_lock(${MIGRATION_LOCK})`);
      try {
        return await work();
      } finally {
        await runner.query(`select pg_advisory_unlock(${MIGRATION_LOCK})`);
      }
    });

  const query = async <T>(sql: string, params: readonly unknown[] = [], options?: { keepPlan?: boolean }) =>
    (await persist(() => withRunner((runner) => queryOn(runner, sql, params, options)), isConnectionLoss)) as T[];

  const hands = new Map<Queue, Hands>();

  return {
    dialect: 'postgres',
    dataSource,
    notify,
    hands,
    query,
    async transaction(work) {
      OpenTx.refuseNesting();
      let committing = false;
      return persist(
        () =>
          withRunner(async (runner) => {
            const tx = new OpenTx('postgres', (sql, params) => queryOn(runner, sql, params), hands);
            committing = false;
            try {
              await runner.startTransaction();
              const result = await tx.perform(work);
              const messages = tx.messages();
              if (messages.length > 0) await runner.query('select pg_notify(channel, message) from unnest($1::text[], $2::text[]) as m(channel, message)', [messages.map(channelOf), messages.map((message) => JSON.stringify(message))]);
              committing = true;
              await runner.commitTransaction();
              tx.tellHands();
              return result;
            } catch (error) {
              await runner.rollbackTransaction().catch((err) => log.debug({ err }, 'nothing to roll back')); // the connection is gone
              throw error;
            }
          }),
        // A row that another transaction has just written is found the second time: a form that was sent twice makes one post. A connection lost
        // while committing leaves open whether it was done.
        (error, attempt) => isRolledBackByOthers(error) || (isDuplicate(error) && attempt === 1) || (isConnectionLoss(error) && !committing),
      );
    },
    migrate: () => migrating(() => schema.migrate(dataSource, 'all')),
    revert: () => migrating(() => schema.revert(dataSource, 'all')),
    pendingMigrations: () => schema.pendingMigrations(dataSource),
    isNewer: () => schema.isNewer(dataSource),
    ping: async () => void (await query('select 1')),
    async close() {
      await notify.close();
      await dataSource.destroy();
    },
  };
}
