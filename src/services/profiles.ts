import type { Account } from '../domain/account.js';
import type { Profile } from '../domain/actor.js';
import { updateProfile } from '../store/actors.js';
import { addJobs } from '../store/jobs.js';
import type { Context } from './context.js';

/** Changes what a person tells about themselves (what is not named stays as it is); those who follow hear of it on every network. */
export async function changeProfile(ctx: Context, account: Account, profile: Partial<Profile>): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    await updateProfile(tx, account.actorId, profile);
    await addJobs(tx, [{ kind: 'profile-changed', payload: { actorId: account.actorId }, queue: 'xmpp', lane: `profile:${account.actorId}` }]);
  });
}
