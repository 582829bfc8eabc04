import type { Activity } from '../domain/activity.js';
import type { NewJob } from '../domain/job.js';
import type { ProtocolName } from '../domain/actor.js';
import type { Outgoing } from '../domain/protocol.js';
import { deliveries } from '../metrics.js';
import type { Tx } from '../store/database.js';
import { deliveryLane } from '../store/delivery-jobs.js';
import { addJobs } from '../store/jobs.js';
import { addDeliveries, type Delivery, type DeliveryKey, findActivity, latestActivity, setDelivery } from '../store/ledger.js';
import type { Context } from './context.js';
import { notify } from './notifications.js';

/** Why something was given up, where no server has said so. */
export const REASONS = {
  /** All who would get it there rest, because what they got before came back. */
  resting: 'resting',
  /** The operator has taken it out of the queue. */
  dropped: 'dropped',
  /** A fault of ours. */
  internal: 'internal',
} as const;

/** The servers that an activity must go to, by protocol. */
export type Destinations = { protocol: ProtocolName; hosts: string[] }[];

/** Asks each protocol where copies must go. Reads what is committed: not to be called inside a transaction. */
export const findDestinations = (ctx: Context, activity: Outgoing): Promise<Destinations> =>
  Promise.all(ctx.protocols.map(async (protocol) => ({ protocol: protocol.name, hosts: await protocol.hostsFor(activity) })));

/**
 * Writes the ledger and adds one `deliver` job for each server that was not in it.
 * The ledger is unique on (activity, protocol, host): running twice adds nothing.
 */
export async function addDeliverJobs(ctx: Context, tx: Tx, activity: Activity, destinations: Destinations): Promise<void> {
  const now = ctx.now();
  for (const { protocol, hosts } of destinations) {
    const added = await addDeliveries(tx, activity.id, protocol, hosts, now);
    const jobs = added.map((host) => ({ ...deliverJob(activity, { protocol, host }), runAt: now })); // the oldest go first when there are more lanes than hands
    await addJobs(tx, jobs, now);
  }
}

/** Up to so many servers the deliveries are written with the post itself; more would hold up its author. */
const FEW_HOSTS = 50;
/**
 * When the job looks again whether somebody on yet another server began to follow while the post was written: two of these after it, when one
 * is full, so that the jobs of many posts run together instead of each waking the workers.
 */
const LOOK_EVERY_MS = 1_000;
const lookAgainAt = (now: number): number => Math.ceil(now / LOOK_EVERY_MS + 2) * LOOK_EVERY_MS;

/**
 * Leaves what carries an activity in the transaction that made it: deliveries at once while they are few, which spares two
 * transactions on the way to the followers, and the job `distribute`, which writes all that are missing.
 * @param destinations as found before the transaction
 */
export async function leaveToDistribute(ctx: Context, tx: Tx, activity: Activity, destinations: Destinations): Promise<void> {
  const isFew = destinations.reduce((sum, { hosts }) => sum + hosts.length, 0) <= FEW_HOSTS;
  if (isFew) await addDeliverJobs(ctx, tx, activity, destinations);
  const job = { kind: 'distribute', payload: { activityId: activity.id }, queue: 'main', lane: `distribute:${activity.actorId}` } as const;
  await addJobs(tx, [isFew ? { ...job, runAt: lookAgainAt(ctx.now()) } : job]);
}

/** The job that brings an activity to a server. An author's activities reach it in their order. */
export const deliverJob = ({ id: activityId, actorId }: Pick<Activity, 'id' | 'actorId'>, { protocol, host }: Pick<DeliveryKey, 'protocol' | 'host'>) =>
  ({ kind: 'deliver', payload: { activityId, protocol, host }, queue: protocol === 'xmpp' ? 'xmpp' : 'main', lane: deliveryLane(protocol, actorId, host) }) as const satisfies NewJob;

/**
 * A delivery is not tried any more. Its author is told: once for each post, however many servers it is, and only as long as that was her last
 * word there.
 */
export async function giveUpDelivery(ctx: Context, tx: Tx, { activityId, protocol, host, ...change }: DeliveryKey & Partial<Delivery> & { error: string }): Promise<void> {
  deliveries.add({ protocol, result: 'given-up' });
  await setDelivery(tx, { activityId, protocol, host, ...change, state: 'given-up', at: ctx.now() });
  ctx.log.warn({ activityId, protocol, host, error: change.error }, 'gave up a delivery');
  const activity = await findActivity(tx, activityId);
  if (!activity || (await latestActivity(tx, activity.postGuid))?.id !== activityId) return;
  await notify(ctx, tx, { ownerId: activity.actorId, kind: 'undelivered', byId: activity.actorId, postGuid: activity.postGuid });
}
