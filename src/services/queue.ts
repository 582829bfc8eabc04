// What the operator sees of the queue and does with it: on /admin/queue and by `dx queue`. Whatever is done is said in the log, with who did it.
import { DomainError } from '../domain/errors.js';
import type { Tx } from '../store/database.js';
import { deliveriesOfJobs, listServerJobs, listServerQueues, runServerNow, type ServerQueue } from '../store/delivery-jobs.js';
import { dropJobs as drop, type QueueCount, queueCounts, retryDead } from '../store/jobs.js';
import { listPausedHosts, pauseHost, resumeHost, setDelivery } from '../store/ledger.js';
import type { Context } from './context.js';
import { REASONS } from './deliveries.js';

export type { QueueCount, ServerQueue };

/** Who did it: an account's id, or the command line. */
export type Operator = number | 'command';

/** Jobs of one transaction: more would hold up what others write. */
const AT_ONCE = 200;

/** What waits, by kind and by server. */
export async function readQueue(ctx: Context): Promise<{ kinds: QueueCount[]; servers: ServerQueue[] }> {
  const [kinds, servers] = await Promise.all([queueCounts(ctx.store, ctx.now()), readServers(ctx)]);
  return { kinds, servers };
}

/** What waits, by server. */
export const readServers = async (ctx: Context): Promise<ServerQueue[]> => listServerQueues(ctx.store, ctx.now(), await listPausedHosts(ctx.store));

/** One server of the queue, or one of which nothing is known there. @throws DomainError invalid */
export async function readServerQueue(ctx: Context, host: string): Promise<ServerQueue | null> {
  const name = checkHost(host);
  return (await readServers(ctx)).find((server) => server.host === name) ?? null;
}

/** Runs jobs anew that were given up. @returns how many there were */
export async function retryJobs(ctx: Context, tx: Tx, ids: readonly number[]): Promise<number> {
  const now = ctx.now();
  const deliveries = await deliveriesOfJobs(tx, ids);
  const count = await retryDead(tx, ids, now);
  for (const delivery of deliveries) await setDelivery(tx, { ...delivery, state: 'waiting', at: now, since: now, tries: 0, refused: 0, jobId: null });
  return count;
}

/** Removes jobs, given up or waiting; deliveries among them are given up. @returns how many there were */
export async function dropJobs(ctx: Context, tx: Tx, ids: readonly number[]): Promise<number> {
  const deliveries = await deliveriesOfJobs(tx, ids);
  const count = await drop(tx, ids);
  for (const delivery of deliveries) await setDelivery(tx, { ...delivery, state: 'given-up', at: ctx.now(), error: REASONS.dropped });
  return count;
}

/** What waits for a server is tried now, and what was given up anew. @returns how many were given up */
export async function retryServer(ctx: Context, name: string, by: Operator): Promise<number> {
  const host = checkHost(name);
  const count = await eachSome(ctx, 'dead_jobs', host, (tx, ids) => retryJobs(ctx, tx, ids));
  await ctx.store.transaction((tx) => runServerNow(tx, host, ctx.now()));
  ctx.log.info({ by, host, count }, 'queue: a server is tried again');
  return count;
}

/** Removes all that waits for a server or was given up: its authors see that it was. @returns how many there were */
export async function dropServer(ctx: Context, name: string, by: Operator): Promise<number> {
  const host = checkHost(name);
  let count = 0;
  for (const from of ['jobs', 'dead_jobs'] as const) count += await eachSome(ctx, from, host, (tx, ids) => dropJobs(ctx, tx, ids));
  ctx.log.warn({ by, host, count }, 'queue: all for a server was dropped');
  return count;
}

/** Holds back what goes to a server, in all processes, until it is resumed. @returns false when it was so already */
export async function pauseServer(ctx: Context, name: string, by: Operator): Promise<boolean> {
  const host = checkHost(name);
  const changed = await ctx.store.transaction((tx) => pauseHost(tx, host, ctx.now()));
  if (changed) ctx.log.warn({ by, host }, 'queue: a server was paused');
  return changed;
}

/** What was held back goes out. @returns false when it was not paused */
export async function resumeServer(ctx: Context, name: string, by: Operator): Promise<boolean> {
  const host = checkHost(name);
  const changed = await ctx.store.transaction(async (tx) => {
    if (!(await resumeHost(tx, host))) return false;
    await runServerNow(tx, host, ctx.now());
    return true;
  });
  if (changed) ctx.log.warn({ by, host }, 'queue: a server was resumed');
  return changed;
}

async function eachSome(ctx: Context, from: 'jobs' | 'dead_jobs', host: string, work: (tx: Tx, ids: number[]) => Promise<number>): Promise<number> {
  let count = 0;
  for (;;) {
    const some = await ctx.store.transaction(async (tx) => {
      const ids = await listServerJobs(tx, from, host, AT_ONCE);
      return { asked: ids.length, done: ids.length > 0 ? await work(tx, ids) : 0 };
    });
    count += some.done;
    if (some.asked < AT_ONCE || some.done === 0) return count;
  }
}

/** A domain as servers are known by. @throws DomainError invalid */
function checkHost(text: string): string {
  const host = text.trim().toLowerCase();
  if (!/^[^\s/@'"<>&\p{Cc}]{1,255}$/u.test(host)) throw new DomainError('invalid', 'Write the name of a server, for example chat.example.org.', 'server');
  return host;
}
