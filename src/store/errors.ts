import { QueryFailedError } from 'typeorm';
import { DomainError, NoRoom } from '../domain/errors.js';

/** The error code of better-sqlite3 (SQLITE_BUSY), PostgreSQL (40001) or the socket (ECONNRESET). */
const codeOf = (error: unknown): string => String((causeOf(error) as { code?: unknown } | null)?.code ?? '');

function causeOf(error: unknown): unknown {
  const cause = error instanceof DomainError && error.cause ? error.cause : error;
  return cause instanceof QueryFailedError ? cause.driverError : cause;
}

/** Another process holds SQLite's write lock. */
export const isBusy = (error: unknown): boolean => /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error));

/** PostgreSQL rolled the transaction back because of another one: the same again may succeed (serialization failure, deadlock). */
export const isRolledBackByOthers = (error: unknown): boolean => /^(40001|40P01)$/.test(codeOf(error));

/** The connection to PostgreSQL is gone, or could not be made. */
export function isConnectionLoss(error: unknown): boolean {
  if (/^(08...|57P0[1-3]|ECONN\w+|EPIPE|ETIMEDOUT|ENOENT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)$/.test(codeOf(error))) return true;
  // These have no code: pg and its pool say them so, and TypeORM when its connection broke under it.
  const cause = causeOf(error);
  return cause instanceof Error && /Connection terminated|timeout exceeded when trying to connect|not queryable|Query runner already released/.test(cause.message);
}

const isUnable = (error: unknown): boolean =>
  isBusy(error) || isRolledBackByOthers(error) || isConnectionLoss(error) || /^(SQLITE_(IOERR|CANTOPEN)|53...|55P03)/.test(codeOf(error));

/** The disk is full. */
const isFull = (error: unknown): boolean => /^(SQLITE_FULL|53100)/.test(codeOf(error));

/** The file may only be read, or PostgreSQL is a standby. */
const isReadOnly = (error: unknown): boolean => /^(SQLITE_READONLY|25006)/.test(codeOf(error));

/** A row of that key exists already. */
export const isDuplicate = (error: unknown): boolean => /^(23505|SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY))$/.test(codeOf(error));

/**
 * A database error as the rest of the house knows it: `unavailable` when the same may succeed later (locked, disk full, read-only,
 * connection lost), `conflict` when a row of that key exists. Anything else is a bug and stays what it is.
 */
export function translateError(error: unknown): unknown {
  if (error instanceof DomainError) return error;
  const translated = isFull(error)
    ? new NoRoom()
    : isReadOnly(error)
      ? new DomainError('unavailable', 'The database can only be read at the moment, so nothing was saved. Please try again later.')
      : isUnable(error)
        ? new DomainError('unavailable', 'The database is busy. Please try again in a moment.')
        : isDuplicate(error)
          ? new DomainError('conflict', 'This exists already.')
          : null;
  if (translated) translated.cause = error;
  return translated ?? error;
}
