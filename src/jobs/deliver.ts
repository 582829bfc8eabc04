import { DeliveryError } from '../domain/errors.js';
import type { Job, JobPayloads } from '../domain/job.js';
import { deliveries, eventSeconds } from '../metrics.js';
import type { Context } from '../services/context.js';
import type { Tx } from '../store/database.js';
import { type Arrival, findActivity, setDelivery } from '../store/ledger.js';
import { together } from '../store/together.js';

/**
 * Brings one activity to one server. The ledger row outlives the job.
 * @returns what is noted in the ledger with the end of the job; undefined: nothing, the account is gone. What did not arrive is noted here
 * @throws DeliveryError so that the worker tries again, or gives up when it is permanent
 */
export async function deliver(ctx: Context, { activityId, protocol: name, host }: JobPayloads['deliver'], signal: AbortSignal): Promise<Arrival | undefined> {
  const protocol = ctx.protocols.find((candidate) => candidate.name === name);
  if (!protocol) throw new DeliveryError(`this process does not speak ${name}`, false);
  const activity = await together(ctx.store, `activity ${activityId}`, null, () => findActivity(ctx.store, activityId));
  if (!activity) return undefined;
  try {
    const recipients = await protocol.deliver(activity, host, signal);
    deliveries.add({ protocol: name, result: 'arrived' });
    eventSeconds.observe({ protocol: name }, Math.max(0, ctx.now() - activity.publishedAt) / 1000);
    ctx.log.info({ activityId, host, recipients }, 'delivered');
    return { activityId, protocol: name, host, recipients, at: ctx.now() };
  } catch (error) {
    if (!(error instanceof DeliveryError && error.permanent)) deliveries.add({ protocol: name, result: 'later' });
    if (error instanceof DeliveryError) {
      const state = error.permanent ? 'failed' : 'waiting';
      await ctx.store.transaction((tx) => setDelivery(tx, { activityId, protocol: name, host, state, at: ctx.now(), error: error.message }));
    }
    throw error;
  }
}

/** Notes in the ledger that a delivery was given up; runs in the transaction that does so. */
export async function giveUp(ctx: Context, tx: Tx, job: Job, error: string): Promise<void> {
  if (job.kind !== 'deliver') return;
  deliveries.add({ protocol: job.payload.protocol, result: 'given-up' });
  await setDelivery(tx, { ...job.payload, state: 'given-up', error, at: ctx.now() });
  ctx.log.warn({ ...job.payload, error }, 'gave up a delivery');
}
