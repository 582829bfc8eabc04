import type { Logger } from 'pino';
import type { Store } from './database.js';
import { openPostgres } from './postgres.js';
import { openSqlite } from './sqlite.js';

/**
 * Opens the database. Does not migrate.
 * @param databaseUrl `sqlite:PATH`, `sqlite::memory:` (a throw-away database) or `postgres://…`
 * @param opts.poolSize connections to PostgreSQL, besides one that listens
 * @param opts.busyWaitMs how long a transaction on SQLite waits while another process writes
 * @throws Error when the URL is of another kind; DomainError unavailable when the database cannot be reached
 */
export async function openStore(databaseUrl: string, log: Logger, opts: { poolSize?: number; busyWaitMs?: number } = {}): Promise<Store> {
  if (databaseUrl.startsWith('sqlite:')) return openSqlite(databaseUrl.slice('sqlite:'.length), log, opts.busyWaitMs ?? 5_000);
  if (/^postgres(ql)?:\/\//.test(databaseUrl)) return openPostgres(databaseUrl, log, opts.poolSize ?? 10);
  throw new Error('The database URL must begin with sqlite: or postgres://');
}
