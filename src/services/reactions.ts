// Likes: one for each person and post, whichever way it came.
import type { Actor } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import { type Guid, newGuid } from '../domain/guid.js';
import type { Post } from '../domain/post.js';
import type { Viewer } from '../store/access.js';
import { findCommentOfItem } from '../store/comments.js';
import type { Tx } from '../store/database.js';
import { markReadOf } from '../store/notifications.js';
import { countLikers, findLike, findLikeOfItem, insertLike, likesOfOthers, listLikers, removeLike, setLikeItem } from '../store/reactions.js';
import type { Context } from './context.js';
import { findDestinations } from './deliveries.js';
import { takeLimits } from './limits.js';
import { notify } from './notifications.js';
import { checkItemId, lockItems, recordUnder, requireFreeItem, requirePlace, requirePost, requireThread, wasRetracted, writerKeys } from './threads.js';

/**
 * Likes a post that the person can see; of a reshare: its root. Once is enough: again changes nothing.
 * @param by a person of ours, or the verified sender from elsewhere
 * @param more.itemId the ♥ comment that says so, if one came; for people of ours one is made
 * @throws DomainError not-found (also for who is blocked), gone, forbidden, conflict (somebody else's item has this id), too-many
 */
export async function likePost(ctx: Context, by: Actor, postGuid: Guid, more: { itemId?: string } = {}): Promise<void> {
  if (more.itemId !== undefined) checkItemId(more.itemId);
  const thread = await requireThread(ctx.store, { actorId: by.id }, postGuid);
  await takeLimits(ctx, writerKeys(by, 'like'));
  const destinations = await findDestinations(ctx, { actorId: by.id, verb: 'like', postGuid: thread.guid });
  await ctx.store.transaction(async (tx) => {
    const post = await requirePost(tx, { actorId: by.id }, thread.guid);
    await requirePlace(tx, by, post, 'like');
    const known = await findLike(tx, post.guid, by.id);
    if (known && (more.itemId === undefined || known.itemId !== null)) return;
    if (more.itemId !== undefined) {
      await lockItems(tx, post.guid);
      await requireFreeItem(tx, post.guid, more.itemId);
    }
    const now = ctx.now();
    const itemId = more.itemId ?? (by.isLocal ? newGuid(now) : null);
    const isNew = await insertLike(tx, { postGuid: post.guid, actorId: by.id, itemId, createdAt: now });
    if (!isNew) await setLikeItem(tx, post.guid, by.id, itemId!); // the ♥ comment beside a like that came as an attachment
    await recordUnder(ctx, tx, { verb: 'like', by: by.id, post, about: itemId }, destinations);
    if (isNew) await notify(ctx, tx, { ownerId: post.authorId, kind: 'like', byId: by.id, postGuid: post.guid });
  });
}

/**
 * Takes a like back, and with it every form that it had.
 * @throws DomainError not-found, gone
 */
export async function unlikePost(ctx: Context, by: Actor, postGuid: Guid): Promise<void> {
  const thread = await requireThread(ctx.store, { actorId: by.id }, postGuid);
  const destinations = await findDestinations(ctx, { actorId: by.id, verb: 'unlike', postGuid: thread.guid });
  await ctx.store.transaction(async (tx) => {
    const post = await requirePost(tx, { actorId: by.id }, thread.guid);
    const known = await findLike(tx, post.guid, by.id);
    if (!known) return;
    await end(ctx, tx, post, by.id);
    await recordUnder(ctx, tx, { verb: 'unlike', by: by.id, post, about: known.itemId }, destinations);
  });
}

async function end(ctx: Context, tx: Tx, post: Post, actorId: number): Promise<void> {
  await removeLike(tx, post.guid, actorId);
  await markReadOf(tx, { kind: 'like', byId: actorId, postGuid: post.guid }, ctx.now());
}

/** Who likes the post, of those whom the viewer may see, latest first. @throws DomainError not-found, gone */
export async function likersOf(ctx: Context, viewer: Viewer, postGuid: Guid, limit: number): Promise<{ actors: Actor[]; count: number }> {
  const post = await requireThread(ctx.store, viewer, postGuid);
  const [actors, count] = await Promise.all([listLikers(ctx.store, viewer, post.guid, limit), countLikers(ctx.store, viewer, post.guid)]);
  return { actors, count };
}

/** A like that came from the nodes of a post from elsewhere, whose server has checked it. Nothing goes out; idempotent. */
export async function receiveLike(ctx: Context, tx: Tx, post: Post, by: Actor, itemId: string | null, at: number): Promise<void> {
  if (post.deletedAt !== null || (itemId !== null && (await wasRetracted(tx, post.guid, itemId)))) return;
  const item = itemId !== null && (await isTaken(tx, post.guid, itemId)) ? null : itemId;
  const createdAt = Math.max(0, Math.min(at, ctx.now()));
  if (await insertLike(tx, { postGuid: post.guid, actorId: by.id, itemId: item, createdAt })) tx.publish({ kind: 'like', actorId: by.id, guid: post.guid });
  else if (item !== null && (await findLike(tx, post.guid, by.id))?.itemId === null) await setLikeItem(tx, post.guid, by.id, item);
}

const isTaken = async (tx: Tx, postGuid: Guid, itemId: string): Promise<boolean> => {
  try {
    await requireFreeItem(tx, postGuid, itemId);
    return false;
  } catch (error) {
    if (error instanceof DomainError) return true;
    throw error;
  }
};

/** A like was taken back at the server of a post from elsewhere: by the ♥ comment that said so, or by whose it is. */
export async function receiveUnlike(ctx: Context, tx: Tx, post: Post, of: { by?: Actor; itemId?: string }): Promise<void> {
  const known = of.itemId !== undefined ? await findLikeOfItem(tx, post.guid, of.itemId) : of.by ? await findLike(tx, post.guid, of.by.id) : null;
  if (!known || (of.by && known.actorId !== of.by.id)) return;
  await end(ctx, tx, post, known.actorId);
  tx.publish({ kind: 'like', actorId: known.actorId, guid: post.guid });
}

/** What held likes of a post from elsewhere was emptied, or is gone: those of people elsewhere end. @param of.byItem the comments node; else the attachments */
export async function receiveLikesEnd(ctx: Context, tx: Tx, post: Post, of: { byItem: boolean }): Promise<void> {
  for (const { actorId } of await likesOfOthers(tx, post.guid, of)) {
    await end(ctx, tx, post, actorId);
    tx.publish({ kind: 'like', actorId, guid: post.guid });
  }
}

/** What an item of a post's comments node is, for whoever publishes or retracts one: whose comment, or whose like. */
export async function whatIsItem(ctx: Context, postGuid: Guid, itemId: string): Promise<{ kind: 'comment'; guid: Guid; authorId: number } | { kind: 'like'; authorId: number } | null> {
  const comment = await findCommentOfItem(ctx.store, postGuid, itemId);
  if (comment) return comment.deletedAt === null ? { kind: 'comment', guid: comment.guid, authorId: comment.authorId } : null;
  const like = await findLikeOfItem(ctx.store, postGuid, itemId);
  return like && { kind: 'like', authorId: like.actorId };
}
