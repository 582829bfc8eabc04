// The two ends of a copy (copy.ts), each opened so that nobody else writes there meanwhile.
import { existsSync } from 'node:fs';
import { chmod, link, mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import type Database from 'better-sqlite3';
import type { Logger } from 'pino';
import { dumpKind, syncFile } from './backup.js';
import { type CopySide, PIECE_ROWS } from './copy.js';
import { isBusy } from './errors.js';
import { isNewer, pendingMigrations } from './migrate.js';
import { connectPostgres, MIGRATION_LOCK } from './postgres.js';
import { connectionOf, connectSqlite } from './sqlite.js';

/** `finish` keeps what was written; `close` after it, or without it: then nothing was. */
export interface OpenSide {
  side: CopySide;
  finish(): Promise<void>;
  close(): Promise<void>;
}

const isRunning = (what: string) =>
  new Error(`${what} is in use: stop dx serve and every other dx (and whatever else reads the database) before it is copied, and start it on the new database afterwards.`);

/** `sqlite:PATH` or a plain path of a file; @returns absolute */
const fileOf = (url: string): string => path.resolve(url.replace(/^sqlite:/, ''));

/** @throws Error with a sentence for the operator: not there, in use, not of the form that this program knows */
export function openSource(url: string, log: Logger): Promise<OpenSide> {
  return dumpKind(url) === 'sqlite' ? openSqliteSource(fileOf(url)) : openPostgresSide(url, log, 'source');
}

/** @throws Error with a sentence for the operator: not empty, in use */
export function openTarget(url: string, log: Logger): Promise<OpenSide> {
  return dumpKind(url) === 'sqlite' ? openSqliteTarget(fileOf(url)) : openPostgresSide(url, log, 'target');
}

async function checkForm(what: string, { dataSource }: CopySide): Promise<void> {
  const all = dataSource.migrations.length;
  if (await isNewer(dataSource)) throw new Error(`${what} was written by a newer version of diaspora-x: copy it with that version.`);
  const pending = (await pendingMigrations(dataSource)).length;
  if (pending === all) throw new Error(`${what} holds no installation of diaspora-x.`);
  if (pending > 0) throw new Error(`${what} is of an older version: run dx migrate with it, and copy it then.`);
}

async function* readSqlite(connection: Database.Database, table: string, columns: string[]): AsyncGenerator<Record<string, unknown>[]> {
  let piece: Record<string, unknown>[] = [];
  const statement = connection.prepare<unknown[], Record<string, unknown>>(`select ${columns.map((name) => `"${name}"`).join(', ')} from "${table}"`);
  for (const row of statement.iterate()) {
    piece.push(row);
    if (piece.length < PIECE_ROWS) continue;
    yield piece;
    piece = [];
  }
  if (piece.length > 0) yield piece;
}

async function sqliteSide(file: string, isSource: boolean): Promise<CopySide> {
  const dataSource = await connectSqlite({
    database: file,
    timeout: 1_000,
    fileMustExist: isSource,
    prepareDatabase: (connection: Database.Database) => {
      // In WAL mode every process that has the file open keeps a lock on it: nobody has it, and nobody gets it while we have.
      try {
        connection.pragma('locking_mode = EXCLUSIVE');
        connection.exec('begin exclusive; commit');
      } catch (error) {
        connection.close();
        throw error;
      }
    },
  });
  connectionOf(dataSource).pragma('foreign_keys = OFF'); // they are checked for all rows at the end
  return { dialect: 'sqlite', dataSource, runner: dataSource.createQueryRunner(), read: (table, columns) => readSqlite(connectionOf(dataSource), table, columns) };
}

async function openSqliteSource(file: string): Promise<OpenSide> {
  if (!existsSync(file)) throw new Error(`There is no file ${file}.`);
  const side = await sqliteSide(file, true).catch((error) => {
    throw isBusy(error) ? isRunning(file) : new Error(`${file} cannot be read: ${(error as Error).message}.`);
  });
  const close = () => side.dataSource.destroy();
  await checkForm(file, side).catch(async (error) => {
    await close();
    throw error;
  });
  return { side, finish: async () => {}, close };
}

async function openSqliteTarget(file: string): Promise<OpenSide> {
  for (const each of [file, `${file}-wal`, `${file}-shm`]) if (existsSync(each)) throw new Error(`${each} exists: a copy goes into a new file only.`);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(`${file}.part-`);
  const part = path.join(folder, 'database.sqlite');
  const side = await sqliteSide(part, false);
  await side.runner.query('pragma journal_mode = wal');
  await side.runner.startTransaction();
  return {
    side,
    async finish() {
      await side.runner.commitTransaction();
      await side.runner.query('analyze');
      await side.dataSource.destroy();
      await chmod(part, 0o600);
      await syncFile(part);
      await link(part, file); // unlike a rename it writes over nothing
      await syncFile(path.dirname(file));
    },
    async close() {
      if (side.dataSource.isInitialized) await side.dataSource.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function openPostgresSide(url: string, log: Logger, role: 'source' | 'target'): Promise<OpenSide> {
  const what = `The PostgreSQL database ${new URL(url).pathname.slice(1) || '(default)'}`;
  const dataSource = await connectPostgres(url, log, 2, 'diaspora-x copy').catch((error: Error & { cause?: Error }) => {
    throw new Error(`${what} cannot be opened: ${error.cause?.message || error.message}.`);
  });
  const runner = dataSource.createQueryRunner();
  async function* read(table: string, columns: string[]): AsyncGenerator<Record<string, unknown>[]> {
    await runner.query(`declare piece no scroll cursor for select ${columns.map((name) => `"${name}"`).join(', ')} from "${table}"`);
    for (;;) {
      const rows = (await runner.query(`fetch forward ${PIECE_ROWS} from piece`)) as Record<string, unknown>[];
      if (rows.length === 0) break;
      yield rows;
    }
    await runner.query('close piece');
  }
  const side: CopySide = { dialect: 'postgres', dataSource, runner, read };
  const close = async () => {
    if (runner.isTransactionActive) await runner.rollbackTransaction().catch((err) => log.debug({ err }, 'nothing to roll back')); // the connection is gone
    await runner.release();
    await dataSource.destroy();
  };
  try {
    if (role === 'source') await checkForm(what, side);
    await runner.startTransaction(role === 'source' ? 'REPEATABLE READ' : 'READ COMMITTED');
    // Whoever starts now waits at its migrations until we are done.
    await runner.query(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    const [{ others }] = (await runner.query(
      "select count(*)::int as others from pg_stat_activity where datname = current_database() and application_name like 'diaspora-x%' and application_name <> 'diaspora-x copy'",
    )) as [{ others: number }];
    if (others > 0) throw isRunning(what);
    if (role === 'target') {
      const [{ tables }] = (await runner.query("select count(*)::int as tables from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema')")) as [
        { tables: number },
      ];
      if (tables > 0) throw new Error(`${what} is not empty: it has ${tables} tables. Make a new one (createdb) and name that.`);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    side,
    async finish() {
      if (role === 'source') return;
      await runner.query('analyze'); // without statistics the first hours would be slow
      await runner.commitTransaction();
    },
    close,
  };
}
