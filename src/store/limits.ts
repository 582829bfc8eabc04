// The table of what is counted and noted for a while, by all processes on PostgreSQL. Where nothing else is said, no transaction around it: each statement stands for itself.
import type { Db, Store, Tx } from './database.js';

/** Of the table; the limiter of services/limits.ts writes its own statements. */
export const LIMITS_TABLE = 'limits';

const put = async (db: Db, key: string, points: number, untilMs: number): Promise<void> =>
  void (await db.query('insert into limits (key, points, expire) values (?, ?, ?) on conflict (key) do update set points = excluded.points, expire = excluded.expire', [key, points, untilMs]));

/** @param untilMs milliseconds UTC */
export const writeMark = (store: Store, key: string, untilMs: number): Promise<void> => put(store, key, 1, untilMs);

/** Until when it was noted, also when that is over; null when it is not there (any more). */
export const readMark = async (store: Store, key: string): Promise<number | null> =>
  (await store.query<{ expire: number }>('select expire from limits where key = ?', [key]))[0]?.expire ?? null;

/** A host that gets no post for so long is not known any more. */
const MULTICAST_MS = 30 * 24 * 3_600_000;

/** Whether a host multiplies a post that goes to many there (XEP-0033): the connector notes it for `dx doctor`, on SQLite, too. */
export const noteMulticast = (tx: Tx, host: string, multiplies: boolean, now: number): Promise<void> => put(tx, `multicast:${host}`, Number(multiplies), now + MULTICAST_MS);

/** null: not known. */
export async function readMulticast(db: Db, host: string): Promise<boolean | null> {
  const [row] = await db.query<{ points: number }>('select points from limits where key = ?', [`multicast:${host}`]);
  return row ? row.points > 0 : null;
}

/** Forgets what has run out. */
export const deleteExpired = async (tx: Tx, now: number): Promise<void> => void (await tx.query('delete from limits where expire <= ?', [now]));
