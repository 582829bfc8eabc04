import type { Account } from '../domain/account.js';
import type { Actor } from '../domain/actor.js';
import type { Post } from '../domain/post.js';
import { findActors } from '../store/actors.js';
import { listWhoSee } from '../store/reach.js';
import type { Context } from './context.js';

/**
 * Who can see a post now, beside its author: told to the author alone, and null where everybody can.
 * @param most so many of them are named
 */
export async function describeReach(ctx: Context, account: Account, post: Post, most: number): Promise<{ people: Actor[]; count: number } | null> {
  if (post.authorId !== account.actorId || (post.audience.to !== 'contacts' && post.audience.to !== 'aspects')) return null;
  const ids = await listWhoSee(ctx.store, account.actorId, post.guid);
  const actors = await findActors(ctx.store, ids.slice(0, most));
  return { people: ids.flatMap((id) => actors.get(id) ?? []), count: ids.length };
}
