import type { Activity } from '../domain/activity.js';
import type { NewJob } from '../domain/job.js';
import type { ProtocolName } from '../domain/actor.js';
import type { Outgoing } from '../domain/protocol.js';
import type { Tx } from '../store/database.js';
import { addJobs } from '../store/jobs.js';
import { addDeliveries } from '../store/ledger.js';
import type { Context } from './context.js';

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
    const jobs = added.map(
      (host): NewJob => ({
        kind: 'deliver',
        payload: { activityId: activity.id, protocol, host },
        queue: protocol === 'xmpp' ? 'xmpp' : 'main',
        lane: deliveryLane(protocol, activity.actorId, host), // an author's activities reach a server in their order
        runAt: now, // the oldest go first when there are more lanes than hands
      }),
    );
    await addJobs(tx, jobs);
  }
}

/** Up to so many servers the deliveries are written with the post itself; more would hold up its author. */
const FEW_HOSTS = 50;
/** When the job looks again whether somebody on yet another server began to follow while the post was written. */
const LOOK_AGAIN_MS = 2_000;

/**
 * Leaves what carries an activity in the transaction that made it: deliveries at once while they are few, which spares two
 * transactions on the way to the followers, and the job `distribute`, which writes all that are missing.
 * @param destinations as found before the transaction
 */
export async function leaveToDistribute(ctx: Context, tx: Tx, activity: Activity, destinations: Destinations): Promise<void> {
  const isFew = destinations.reduce((sum, { hosts }) => sum + hosts.length, 0) <= FEW_HOSTS;
  if (isFew) await addDeliverJobs(ctx, tx, activity, destinations);
  const job = { kind: 'distribute', payload: { activityId: activity.id }, queue: 'main', lane: `distribute:${activity.actorId}` } as const;
  await addJobs(tx, [isFew ? { ...job, runAt: ctx.now() + LOOK_AGAIN_MS } : job]);
}

/** Lane = author + host (relations.md "Delivery"). */
const deliveryLane = (protocol: string, actorId: number, host: string): string => `${protocol}:${actorId}:${host}`;
