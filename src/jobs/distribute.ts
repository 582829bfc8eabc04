import type { JobPayloads, NewJob } from '../domain/job.js';
import type { Context } from '../services/context.js';
import { addJobs } from '../store/jobs.js';
import { addDeliveries, findActivity } from '../store/ledger.js';

/**
 * Finds the servers that an activity must go to, writes the ledger and adds one `deliver` job each.
 * The ledger is unique on (activity, protocol, host): running twice adds nothing.
 */
export async function distribute(ctx: Context, { activityId }: JobPayloads['distribute']): Promise<void> {
  const activity = await findActivity(ctx.store, activityId);
  if (!activity) return; // its account was removed in between
  const hostsOf = await Promise.all(ctx.protocols.map(async (protocol) => ({ protocol, hosts: await protocol.hostsFor(activity) })));
  await ctx.store.transaction(async (tx) => {
    const now = ctx.now();
    for (const { protocol, hosts } of hostsOf) {
      const added = await addDeliveries(tx, activity.id, protocol.name, hosts, now);
      const jobs = added.map(
        (host): NewJob => ({
          kind: 'deliver',
          payload: { activityId, protocol: protocol.name, host },
          queue: protocol.name === 'xmpp' ? 'xmpp' : 'main',
          lane: deliveryLane(protocol.name, activity.actorId, host), // an author's activities reach a server in their order
          runAt: now, // the oldest go first when there are more lanes than hands
        }),
      );
      await addJobs(tx, jobs);
    }
  });
}

/** Lane = author + host (relations.md "Delivery"). */
export const deliveryLane = (protocol: string, actorId: number, host: string): string => `${protocol}:${actorId}:${host}`;
