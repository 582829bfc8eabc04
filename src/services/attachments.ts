// What people attach to posts of ours (XEP-0470): likes in another form, and things that we do not know and keep.
import type { Actor } from '../domain/actor.js';
import { type Guid, newGuid } from '../domain/guid.js';
import { findAttachments, saveAttachments } from '../store/attachments.js';
import { findLike } from '../store/reactions.js';
import type { Context } from './context.js';
import { findDestinations } from './deliveries.js';
import { likePost, unlikePost } from './reactions.js';
import { recordUnder, requirePlace, requirePost } from './threads.js';

/** In the wire's words. `known`: what says that it is liked, null: it is not; `others`: all else, null: nothing. */
export interface Attachments {
  known: string | null;
  others: string | null;
}

/**
 * Replaces all that a person has attached to a post. Known attachments are the one like of that person, and without them the like is taken back in
 * every form. A repeat changes nothing.
 * @throws DomainError not-found, gone, forbidden, too-many
 */
export async function attach(ctx: Context, by: Actor, postGuid: Guid, { known, others }: Attachments): Promise<void> {
  const destinations = await findDestinations(ctx, { actorId: by.id, verb: 'like', postGuid });
  const before = await findLike(ctx.store, postGuid, by.id);
  const changed = await ctx.store.transaction(async (tx) => {
    const post = await requirePost(tx, { actorId: by.id }, postGuid);
    await requirePlace(tx, by, post, 'like');
    const row = await findAttachments(tx, postGuid, by.id);
    if ((row?.known ?? null) === known && (row?.others ?? null) === others) return false;
    await saveAttachments(tx, { postGuid, actorId: by.id, known, others, updatedAt: ctx.now() });
    // Where the like itself does not change, nothing else would tell of the new attachments.
    const stays = (before?.itemId ?? null) !== null && known !== null;
    const never = before === null && known === null;
    if (stays || never) await recordUnder(ctx, tx, { verb: stays ? 'like' : 'unlike', by: by.id, post, about: before?.itemId ?? null }, destinations);
    return true;
  });
  if (known === null && before) await unlikePost(ctx, by, postGuid);
  // With an item of its own in the comments node, so that those who know no attachments see the like.
  else if (known !== null && before?.itemId == null) await likePost(ctx, by, postGuid, { itemId: newGuid(ctx.now()) });
  else if (!changed) ctx.log.debug({ postGuid, actorId: by.id }, 'the same attachments again');
}
