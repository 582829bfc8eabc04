import type { Account } from '../domain/account.js';
import type { Actor } from '../domain/actor.js';
import type { Post, Reach } from '../domain/post.js';
import { findActors } from '../store/actors.js';
import { findReach } from '../store/posts.js';
import { listWhoSee } from '../store/reach.js';
import type { Context } from './context.js';

/** Who can see a post beside its author. `posted`: when it was made, null where that is not known; `now`: null where everybody can. */
export interface ThenAndNow {
  posted: Reach | null;
  now: { people: Actor[]; count: number } | null;
}

/**
 * Told to the author alone; to others, null.
 * @param most so many of those who see it now are named
 */
export async function describeReach(ctx: Context, account: Account, post: Post, most: number): Promise<ThenAndNow | null> {
  if (post.authorId !== account.actorId) return null;
  const isPublic = post.audience.to === 'public';
  const [posted, ids] = await Promise.all([findReach(ctx.store, account.actorId, post.guid), isPublic ? [] : listWhoSee(ctx.store, account.actorId, post.guid)]);
  const actors = await findActors(ctx.store, ids.slice(0, most));
  return { posted, now: isPublic ? null : { people: ids.flatMap((id) => actors.get(id) ?? []), count: ids.length } };
}
