// The table of what is counted and noted for a while, by all processes on PostgreSQL. No transaction around it: each statement stands for itself.
import type { Store, Tx } from './database.js';

/** Of the table; the limiter of services/limits.ts writes its own statements. */
export const LIMITS_TABLE = 'limits';

/** @param untilMs milliseconds UTC */
export async function writeMark(store: Store, key: string, untilMs: number): Promise<void> {
  await store.query('insert into limits (key, points, expire) values (?, 1, ?) on conflict (key) do update set expire = excluded.expire', [key, untilMs]);
}

/** Until when it was noted, also when that is over; null when it is not there (any more). */
export const readMark = async (store: Store, key: string): Promise<number | null> =>
  (await store.query<{ expire: number }>('select expire from limits where key = ?', [key]))[0]?.expire ?? null;

/** Forgets what has run out. */
export const deleteExpired = async (tx: Tx, now: number): Promise<void> => void (await tx.query('delete from limits where expire <= ?', [now]));
