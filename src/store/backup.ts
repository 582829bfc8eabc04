// The whole database into a file, and back, while others write: SQLite's online backup, PostgreSQL's own pg_dump.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, link, open, rm } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import type { Logger } from 'pino';
import { areNewer } from './migrate.js';
import { openStore } from './open.js';

/** What a backup is of: a dump of one kind is of no use to the other. */
export type DumpKind = 'sqlite' | 'postgres';

/** Tells people how far it is. */
export type Say = (line: string) => void;

/** So many pages (of 4 KiB) a step: the copying process has nothing else to do, and in WAL mode it holds up nobody. */
const PAGES = 2_500;

export const dumpKind = (databaseUrl: string): DumpKind => (databaseUrl.startsWith('sqlite:') ? 'sqlite' : 'postgres');

/** @throws Error for a database in memory, which nobody else can see */
function sqliteFile(databaseUrl: string): string {
  const file = databaseUrl.slice('sqlite:'.length);
  if (file === ':memory:') throw new Error('A database in memory can neither be saved nor restored.');
  return path.resolve(file);
}

/** Tells how far it is, each tenth of the way. */
export function progress(what: string, say: Say): (done: number, total: number) => void {
  let told = 0;
  return (done, total) => {
    const percent = total === 0 ? 0 : Math.floor((10 * done) / total) * 10;
    if (percent > told && percent < 100) say(`${what}: ${(told = percent)} %`);
  };
}

/** What a dump holds. */
export interface Dumped {
  /** The names of the migrations that it has seen, oldest first. */
  schema: string[];
  /** The ids of all pictures that it names. */
  pictures: string[];
}

const MIGRATIONS_SEEN = 'select name from migrations order by id';
const PICTURES = 'select distinct id from media order by id';

/** Before anything is copied. @throws Error with a sentence for the operator */
function checkKnown(dumped: Dumped): Dumped {
  if (areNewer(dumped.schema)) throw new Error('The database was written by a newer version of diaspora-x: save it with that version.');
  return dumped;
}

/**
 * Copies the database, as it is at one moment, into `file`, which must not exist. Others go on writing.
 * @throws Error with a sentence for the operator
 */
export async function dumpDatabase(databaseUrl: string, file: string, log: Logger, say: Say): Promise<Dumped> {
  return dumpKind(databaseUrl) === 'sqlite' ? dumpSqlite(sqliteFile(databaseUrl), file, say) : dumpPostgres(databaseUrl, file, log, say);
}

async function dumpSqlite(database: string, file: string, say: Say): Promise<Dumped> {
  if (!existsSync(database)) throw new Error(`There is no database at ${database}: look at DX_STATE_DIR and DX_DATABASE_URL.`);
  const source = new Database(database, { fileMustExist: true, timeout: 10_000 });
  try {
    // SQLite starts the copy anew whenever another process has written. One that is inside a transaction already keeps to its moment.
    source.exec('pragma query_only = on; begin');
    const texts = (table: string, sql: string): string[] => (source.prepare('select 1 from sqlite_master where name = ?').get(table) ? source.prepare<[], string>(sql).pluck().all() : []);
    const dumped = checkKnown({ schema: texts('migrations', MIGRATIONS_SEEN), pictures: texts('media', PICTURES) });
    const tell = progress('database', say);
    await source.backup(file, {
      progress: ({ totalPages, remainingPages }) => {
        tell(totalPages - remainingPages, totalPages);
        return PAGES;
      },
    });
    source.exec('rollback');
    return dumped;
  } finally {
    source.close();
  }
}

async function dumpPostgres(databaseUrl: string, file: string, log: Logger, say: Say): Promise<Dumped> {
  const { url, env } = withoutPassword(databaseUrl);
  const store = await openStore(databaseUrl, log, { poolSize: 1 });
  try {
    return await store.transaction(async (tx) => {
      // Whatever is changed meanwhile, pg_dump and we see the same.
      await tx.query('set transaction isolation level repeatable read, read only');
      await tx.query('set local idle_in_transaction_session_timeout = 0');
      const [moment] = await tx.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot');
      const texts = async (table: string, sql: string): Promise<string[]> => {
        const [has] = await tx.query<{ has: boolean }>('select to_regclass(?) is not null as has', [table]);
        return has!.has ? (await tx.query<Record<string, string>>(sql)).map((row) => Object.values(row)[0]!) : [];
      };
      const dumped = checkKnown({ schema: await texts('migrations', MIGRATIONS_SEEN), pictures: await texts('media', PICTURES) });
      say('database: pg_dump begins');
      await runTool('pg_dump', ['--format=custom', '--no-owner', '--no-privileges', `--snapshot=${moment!.snapshot}`, `--file=${file}`, `--dbname=${url}`], { env });
      return dumped;
    });
  } finally {
    await store.close();
  }
}

/** Every user of a machine sees the arguments of its programs, but not their environment. */
function withoutPassword(databaseUrl: string): { url: string; env: Record<string, string> } {
  const url = new URL(databaseUrl);
  const password = url.searchParams.get('password') ?? decodeURIComponent(url.password);
  url.password = '';
  url.searchParams.delete('password');
  return { url: url.href, env: password === '' ? {} : { PGPASSWORD: password } };
}

/**
 * Is there nothing that a restore would write over?
 * @throws Error with a sentence for the operator when there is
 */
export async function checkEmpty(databaseUrl: string, log: Logger): Promise<void> {
  const remedy = 'A backup is restored into an empty installation only';
  if (dumpKind(databaseUrl) === 'sqlite') {
    const file = sqliteFile(databaseUrl);
    for (const each of [file, `${file}-wal`, `${file}-shm`]) {
      if (existsSync(each)) throw new Error(`${each} exists. ${remedy}: set DX_STATE_DIR to a new folder, or move the old database away.`);
    }
    return;
  }
  const store = await openStore(databaseUrl, log, { poolSize: 1 });
  try {
    const [row] = await store.query<{ n: number }>("select count(*) as n from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema')");
    if (row!.n > 0) throw new Error(`The database of DX_DATABASE_URL has ${row!.n} tables. ${remedy}: create a new database (createdb) and name that one.`);
  } finally {
    await store.close();
  }
}

/**
 * Brings the dump to the form that this version needs and into the empty place that the URL names. When anything is wrong, that place stays empty.
 * @param file is changed on SQLite: it becomes the database, so it lies on the same file system
 * @returns the names of the migrations that were needed
 * @throws Error with a sentence for the operator
 */
export async function loadDump(databaseUrl: string, file: string, log: Logger, say: Say): Promise<string[]> {
  return dumpKind(databaseUrl) === 'sqlite' ? loadSqlite(sqliteFile(databaseUrl), file, log, say) : loadPostgres(databaseUrl, file, log, say);
}

async function loadSqlite(database: string, file: string, log: Logger, say: Say): Promise<string[]> {
  const copy = new Database(file, { fileMustExist: true });
  try {
    const faults = (copy.pragma('integrity_check') as { integrity_check: string }[]).map((row) => row.integrity_check);
    if (faults.join() !== 'ok') throw new Error(`The database in the backup is damaged: ${faults.slice(0, 3).join('; ')}.`);
  } finally {
    copy.close();
  }
  say('database: integrity is good');
  const store = await openStore(`sqlite:${file}`, log);
  const done = await store.migrate().finally(() => store.close());
  if (existsSync(`${file}-wal`)) throw new Error(`${file} is used by another program.`);
  await chmod(file, 0o600);
  await syncFile(file);
  await link(file, database); // unlike a rename it writes over nothing
  await rm(file);
  await syncFile(path.dirname(database));
  return done;
}

async function loadPostgres(databaseUrl: string, file: string, log: Logger, say: Say): Promise<string[]> {
  say('database: pg_restore begins');
  const { url, env } = withoutPassword(databaseUrl);
  await runTool('pg_restore', ['--no-owner', '--no-privileges', '--exit-on-error', '--single-transaction', `--dbname=${url}`, file], { env });
  const store = await openStore(databaseUrl, log, { poolSize: 2 });
  try {
    const done = await store.migrate();
    await store.query('analyze'); // without statistics the first hours would be slow
    return done;
  } finally {
    await store.close();
  }
}

/** Waits until the disk has a file, or a folder's names. */
export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const PACKAGES: Record<string, string> = { pg_dump: 'postgresql-client', pg_restore: 'postgresql-client', 'systemd-notify': 'systemd' };

/**
 * Runs a program to its end.
 * @param options.stdout a file descriptor
 * @throws Error with the end of what it wrote to standard error
 */
export async function runTool(program: string, args: string[], { env = {}, stdout }: { env?: Record<string, string>; stdout?: number } = {}): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', stdout ?? 'ignore', 'pipe'] });
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2_000);
    });
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error(`The program ${program} is not there: install it (Debian: ${PACKAGES[program] ?? program}).`) : error),
    );
    child.on('close', (code, signal) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${signal ?? code}: ${said.trim() || 'it said nothing'}`))));
  });
}

