import type { Store } from './database.js';

/**
 * After the clock was set back: what was to wait, or was given back, in the future that is no more would wait until it comes again. Such
 * jobs become as old as now, and wait as long as they were to wait; a job that failed waits no longer than `backOffMs`, and a lease lasts no longer than `leaseMs`.
 * Twice does no harm.
 * @param now milliseconds UTC, by the clock as it is
 */
export async function setJobsBack(store: Store, now: number, { backOffMs, leaseMs }: { backOffMs: number; leaseMs: number }): Promise<void> {
  await store.transaction(async (tx) => {
    // Of those that may run at once, run_at is 0.
    await tx.query('update jobs set run_at = run_at - (created_at - ?), created_at = ? where created_at > ? and run_at > 0', [now, now, now]);
    await tx.query('update jobs set run_at = ? where attempts > 0 and run_at > ?', [now, now + backOffMs]);
    for (const table of ['jobs', 'lanes']) await tx.query(`update ${table} set lease_until = ? where lease_until > ?`, [now + leaseMs, now + leaseMs]);
    await tx.query(
      `update lanes set run_at = (
         select run_at from jobs where jobs.queue = lanes.queue and ordering_key = lanes.key order by id limit 1)
       where lease_until is null and run_at > ?`,
      [now],
    );
  });
}
