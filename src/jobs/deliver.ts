import { DeliveryError } from '../domain/errors.js';
import type { Job } from '../domain/job.js';
import { deliveries, eventSeconds } from '../metrics.js';
import { beginTry } from '../services/bounces.js';
import type { Context } from '../services/context.js';
import { giveUpDelivery, REASONS } from '../services/deliveries.js';
import type { Tx } from '../store/database.js';
import { type Arrival, findActivity, listPausedHosts, lockDelivery, setDelivery } from '../store/ledger.js';
import { together } from '../store/together.js';
import { Postpone } from './worker.js';

type DeliverJob = Pick<Extract<Job, { kind: 'deliver' }>, 'id' | 'attempts' | 'payload'>;

/** So many at once to one server: where all of them hang, the worker has places left for others (cli/roles/connector.ts). */
const MOST_TO_ONE = 64;
const CROWDED_MS = 1_000;

/** How many run now, by server. */
const running = new Map<string, number>();

async function counted<T>(host: string, run: () => Promise<T>): Promise<T> {
  running.set(host, (running.get(host) ?? 0) + 1);
  try {
    return await run();
  } finally {
    const left = running.get(host)! - 1;
    if (left > 0) running.set(host, left);
    else running.delete(host);
  }
}

/** When what is held back looks again whether it still is: whoever resumes a server wakes it, too. */
const PAUSED_MS = 5 * 60_000;

/**
 * Brings one activity to one server. The ledger row outlives the job.
 * @returns what is noted in the ledger with the end of the job; undefined: nothing, the account is gone. What did not arrive is noted here
 * @throws DeliveryError so that the worker tries again, or gives up when it is permanent; Postpone while the operator has paused the server
 */
export async function deliver(ctx: Context, { id: jobId, attempts, payload }: DeliverJob, signal: AbortSignal): Promise<Arrival | undefined> {
  const { activityId, protocol: name, host } = payload;
  const protocol = ctx.protocols.find((candidate) => candidate.name === name);
  if (!protocol) throw new DeliveryError(`this process does not speak ${name}`, false);
  const [activity, paused] = await Promise.all([
    together(ctx.store, `activity ${activityId}`, null, () => findActivity(ctx.store, activityId)),
    together(ctx.store, 'paused hosts', null, () => listPausedHosts(ctx.store)),
  ]);
  if (!activity) return undefined;
  if (paused.has(host)) throw new Postpone(ctx.now() + PAUSED_MS);
  if ((running.get(host) ?? 0) >= MOST_TO_ONE) throw new Postpone(ctx.now() + CROWDED_MS * (1 + Math.random()));
  beginTry(ctx, payload);
  try {
    const { recipients, resting } = await counted(host, () => protocol.deliver(activity, host, signal));
    const isResting = recipients === 0 && resting > 0;
    deliveries.add({ protocol: name, result: isResting ? 'given-up' : 'arrived' });
    eventSeconds.observe({ protocol: name }, Math.max(0, ctx.now() - activity.publishedAt) / 1000);
    ctx.log.info({ activityId, host, recipients, ...(resting > 0 && { resting }) }, isResting ? 'nobody to deliver to' : 'delivered');
    return { ...payload, recipients, isResting, at: ctx.now(), jobId, tries: attempts };
  } catch (error) {
    const isPermanent = error instanceof DeliveryError && error.permanent;
    if (!isPermanent) deliveries.add({ protocol: name, result: 'later' });
    if (error instanceof DeliveryError) {
      const change = { state: isPermanent ? 'given-up' : 'waiting', error: error.message, at: ctx.now(), jobId, tries: attempts + 1 } as const;
      await ctx.store.transaction((tx) => setDelivery(tx, { ...payload, ...change }));
    }
    throw error;
  }
}

/** Notes in the ledger that a delivery was given up; runs in the transaction that does so. */
export async function giveUp(ctx: Context, tx: Tx, job: Job): Promise<void> {
  if (job.kind !== 'deliver') return;
  // What `deliver` has noted is for people; any other error is a fault of ours, and its words are for the log.
  const error = (await lockDelivery(tx, job.payload))?.error ?? REASONS.internal;
  await giveUpDelivery(ctx, tx, { ...job.payload, error, jobId: job.id, tries: job.attempts + 1 });
}
