import type { JobPayloads } from '../domain/job.js';
import type { Context } from '../services/context.js';
import { addDeliverJobs, findDestinations } from '../services/deliveries.js';
import { findActivity, listDestinations } from '../store/ledger.js';

/** Finds the servers that an activity must go to, and adds a delivery for each that has none yet. */
export async function distribute(ctx: Context, { activityId }: JobPayloads['distribute']): Promise<void> {
  const activity = await findActivity(ctx.store, activityId);
  if (!activity) return; // its account was removed in between
  const entered = new Set((await listDestinations(ctx.store, activityId)).map(({ protocol, host }) => `${protocol} ${host}`));
  const destinations = (await findDestinations(ctx, activity)).map(({ protocol, hosts }) => ({ protocol, hosts: hosts.filter((host) => !entered.has(`${protocol} ${host}`)) }));
  // As a rule they came with the post itself.
  if (destinations.some(({ hosts }) => hosts.length > 0)) await ctx.store.transaction((tx) => addDeliverJobs(ctx, tx, activity, destinations));
}
