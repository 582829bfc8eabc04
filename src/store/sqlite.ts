import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type Database from 'better-sqlite3';
import type { Logger } from 'pino';
import { DataSource } from 'typeorm';
import type { BetterSqlite3DataSourceOptions } from 'typeorm/driver/better-sqlite3/BetterSqlite3DataSourceOptions.js';
import { migrations } from '../../migrations/index.js';
import type { Queue } from '../domain/job.js';
import type { Hands, Store } from './database.js';
import { isBusy, translateError } from './errors.js';
import * as schema from './migrate.js';
import { SqliteNotifier } from './notify.js';
import { schemas } from './schema/index.js';
import { SnakeNaming } from './schema/columns.js';
import { OpenTx } from './transactions.js';

/** For so long the event loop sleeps in each try to get the write lock. */
const BUSY_SLEEP_MS = 20;

const STATEMENTS = 300;
/** A page of the stream looks in some 400 places of the index of posts: SQLite's own 2 MiB would read most of them from the file anew each time. */
const CACHE_SIZE = 'cache_size = -16000'; // KiB

/** COMPAT SQLite 3.48 and later: it plans with the value of a bare parameter, so it prepares the statement anew each time. That takes ten times as long as many a query. */
const BOUND_LIMIT = /\blimit \?/g;

/** Runs SQL on a better-sqlite3 connection, with its statements kept prepared. @param translate its errors */
function queries(connection: Database.Database, translate: (error: unknown) => unknown) {
  const prepared = new Map<string, Database.Statement>();
  function prepare(sql: string): Database.Statement {
    let statement = prepared.get(sql);
    if (!statement) {
      statement = connection.prepare(sql.replace(BOUND_LIMIT, 'limit ? + 0'));
      if (prepared.size >= STATEMENTS) prepared.delete(prepared.keys().next().value!);
      prepared.set(sql, statement);
    }
    return statement;
  }
  const run = (sql: string, params: readonly unknown[], wanted: 'any' | 'reading'): unknown[] | null => {
    try {
      const statement = prepare(sql);
      if (wanted === 'reading' && !statement.readonly) return null;
      const values = params.map((value) => (typeof value === 'boolean' ? Number(value) : value));
      if (statement.reader) return statement.all(...values);
      statement.run(...values);
      return [];
    } catch (error) {
      throw translate(error);
    }
  };
  return {
    run: (sql: string, params: readonly unknown[]): unknown[] => run(sql, params, 'any')!,
    /** @returns null: this would write */
    read: (sql: string, params: readonly unknown[]): unknown[] | null => run(sql, params, 'reading'),
  };
}

/** One connection, as it is: the rest is for whoever asks for it. */
export async function connectSqlite(options: Partial<BetterSqlite3DataSourceOptions> & { database: string }): Promise<DataSource> {
  return new DataSource({
    type: 'better-sqlite3',
    entities: schemas('sqlite'),
    migrations,
    namingStrategy: new SnakeNaming(),
    ...options,
  }).initialize();
}

export const connectionOf = (dataSource: DataSource) => (dataSource.driver as unknown as { databaseConnection: Database.Database }).databaseConnection;

/**
 * Two connections: one writes, in one transaction at a time, begun and ended without TypeORM (it would mix those that overlap, house.md §7, and costs more than
 * many a statement); the other serves everything that reads meanwhile, so that nobody sees what is not committed. `:memory:` is a file in a temporary
 * folder, because two connections cannot share SQLite's own.
 */
export async function openSqlite(file: string, log: Logger, busyWaitMs: number): Promise<Store> {
  const folder = file === ':memory:' ? await mkdtemp(path.join(tmpdir(), 'diaspora-x-')) : null;
  const database = folder ? path.join(folder, 'memory.sqlite') : path.resolve(file);
  const SYNCHRONOUS = `synchronous = ${folder ? 'OFF' : 'FULL'}`;
  let writer: DataSource;
  let reader: DataSource;
  try {
    writer = await connectSqlite({
      database,
      timeout: BUSY_SLEEP_MS,
      enableWAL: true,
      prepareDatabase: (connection: Database.Database) => {
        connection.pragma(SYNCHRONOUS);
        connection.pragma(CACHE_SIZE);
      },
    });
    reader = await connectSqlite({
      database,
      timeout: busyWaitMs, // readers wait only while a crashed WAL is recovered
      prepareDatabase: (connection: Database.Database) => void connection.pragma('query_only = ON'),
    });
  } catch (error) {
    throw translateError(error);
  }
  const connection = connectionOf(writer);
  const optimize = () => connection.exec('pragma analysis_limit = 400; pragma optimize');

  // Of the connection that writes: it does not count its own commits, and the other one makes none.
  const notify = new SqliteNotifier(() => connection.pragma('data_version', { simple: true }), log);
  // To write there is a mistake of ours, whatever the state of the file.
  const aside = queries(connectionOf(reader), (error) => ((error as { code?: unknown }).code === 'SQLITE_READONLY' ? error : translateError(error)));
  const own = queries(connection, translateError);
  // After each commit the cache of the other connection is empty, while this one has in it what it wrote: it reads, too, while no transaction is open.
  const read = (sql: string, params: readonly unknown[]) => (connection.inTransaction ? null : own.read(sql, params)) ?? aside.run(sql, params);
  // Immediate: one that reads first and writes later would meet SQLITE_BUSY in the middle. This takes the write lock at once, where waiting for it is safe.
  const [begin, commit, rollback] = ['begin immediate', 'commit', 'rollback'].map((sql) => connection.prepare(sql)) as [Database.Statement, Database.Statement, Database.Statement];

  let tail: Promise<unknown> = Promise.resolve();
  /** Runs one after another, and lets the event loop breathe in between. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = tail.then(work);
    tail = turn.then(nextTick, nextTick);
    return turn;
  }
  const nextTick = () => new Promise((resolve) => setImmediate(resolve));

  /** better-sqlite3 waits with the event loop asleep: so it waits briefly, and we the rest. */
  async function beginSince(askedAt: number): Promise<void> {
    for (;;) {
      try {
        begin.run();
        return;
      } catch (error) {
        if (!isBusy(error) || performance.now() - askedAt > busyWaitMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, BUSY_SLEEP_MS));
      }
    }
  }

  async function wholly<T>(askedAt: number, work: () => Promise<T>): Promise<T> {
    try {
      await beginSince(askedAt);
      try {
        const result = await work();
        commit.run();
        return result;
      } catch (error) {
        if (connection.inTransaction) rollback.run(); // when the disk is full SQLite does it itself
        throw error;
      }
    } catch (error) {
      throw translateError(error);
    }
  }

  /** With NORMAL, a commit in WAL mode is written but not waited for; the next FULL one makes it durable too. The database stays whole. */
  async function unsynced<T>(work: () => Promise<T>): Promise<T> {
    connection.pragma('synchronous = NORMAL');
    try {
      return await work();
    } finally {
      connection.pragma(SYNCHRONOUS);
    }
  }

  /**
   * Another process waits before it looks what there is to do. Foreign keys are off, because SQLite changes a table by making it
   * anew, and to drop the old one would delete what refers to it; the switch does nothing inside a transaction.
   */
  const migrating = <T>(work: () => Promise<T>): Promise<T> =>
    inTurn(async () => {
      connection.pragma('foreign_keys = OFF');
      try {
        return await wholly(performance.now(), work);
      } finally {
        connection.pragma('foreign_keys = ON');
      }
    });

  const hands = new Map<Queue, Hands>();

  return {
    dialect: 'sqlite',
    dataSource: writer,
    notify,
    hands,
    query: async <T>(sql: string, params: readonly unknown[] = []) => read(sql, params) as T[],
    async transaction(work, { mayBeLost = false } = {}) {
      OpenTx.refuseNesting();
      const askedAt = performance.now();
      const tx = new OpenTx('sqlite', async (sql, params) => own.run(sql, params), hands);
      const perform = () => wholly(askedAt, () => tx.perform(work));
      const result = await inTurn(() => (mayBeLost ? unsynced(perform) : perform()));
      const isBegun = tx.tellHands();
      for (const message of tx.messages()) notify.emit(message);
      if (isBegun) await nextTick(); // what was handed over leaves first; the caller has only to say so
      return result;
    },
    migrate: () => migrating(() => schema.migrate(writer, 'none')),
    revert: () => migrating(() => schema.revert(writer, 'none')),
    pendingMigrations: () => inTurn(() => schema.pendingMigrations(writer)),
    isNewer: () => inTurn(() => schema.isNewer(writer)),
    ping: async () => void read('select 1', []),
    async close() {
      notify.close();
      await inTurn(async () => {
        try {
          optimize();
        } catch (err) {
          log.debug({ err }, 'no statistics were gathered'); // another process writes: it will do so itself
        }
      });
      await reader.destroy();
      await writer.destroy();
      if (folder) await rm(folder, { recursive: true, force: true });
    },
  };
}
