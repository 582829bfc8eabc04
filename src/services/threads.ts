// What stands under a post: who may put something there, and what goes with the post when it ends.
import { type Actor, handleOf } from '../domain/actor.js';
import { ITEM_ID_MAX } from '../domain/comment.js';
import { DomainError } from '../domain/errors.js';
import { type Guid, newGuid } from '../domain/guid.js';
import type { Verb } from '../domain/activity.js';
import type { Post } from '../domain/post.js';
import type { Viewer } from '../store/access.js';
import { findActor } from '../store/actors.js';
import { endComments, findCommentOfItem } from '../store/comments.js';
import type { Db, Tx } from '../store/database.js';
import { insertActivity } from '../store/ledger.js';
import { markReadOf, removeNotificationsOf } from '../store/notifications.js';
import { findDeletedPost, findVisiblePost, updatePost } from '../store/posts.js';
import { findLikeOfItem, removeLikesOf } from '../store/reactions.js';
import { isRetracted, originOf } from '../store/received.js';
import { setTags } from '../store/tags.js';
import type { Context } from './context.js';
import { type Destinations, leaveToDistribute } from './deliveries.js';

/**
 * The post itself, if the viewer may see it.
 * @throws DomainError not-found (also when the viewer may not see it), gone (it was deleted, and they could see it before)
 */
export async function requirePost(db: Db, viewer: Viewer, guid: Guid): Promise<Post> {
  const post = await findVisiblePost(db, viewer, guid);
  if (post) return post;
  if (await findDeletedPost(db, viewer, guid)) throw new DomainError('gone', 'This post was deleted by its author.');
  throw new DomainError('not-found', 'There is no such post, or it is not for you to see.');
}

/**
 * The post under which something would stand: of a reshare that is its root, whose audience counts.
 * @throws DomainError not-found, gone
 */
export async function requireThread(db: Db, viewer: Viewer, guid: Guid): Promise<Post> {
  const post = await requirePost(db, viewer, guid);
  return post.reshareOf === null ? post : requirePost(db, viewer, post.reshareOf);
}

/**
 * May this person put comments and likes under the post? Under one from elsewhere only our people, through the server that keeps its comments.
 * @returns is it a post of ours?
 * @throws DomainError forbidden
 */
export async function requirePlace(db: Db, by: Actor, post: Post, what: 'comment' | 'like'): Promise<boolean> {
  const author = await findActor(db, post.authorId);
  if (author?.isLocal) return true;
  if (!by.isLocal) throw new DomainError('forbidden', 'This post is kept elsewhere. Write to its own server.');
  if (what === 'comment' && !takesComments(await originOf(db, post.guid))) throw new DomainError('forbidden', 'The server of this post takes no comments on it.');
  return false;
}

/** Has a post from elsewhere a place for comments? */
export const takesComments = (origin: { commentsNode: string | null } | null | undefined): boolean => origin?.commentsNode != null;

/**
 * Item ids of a post's comments node are chosen by whoever publishes: one that somebody has is not given to somebody else.
 * @throws DomainError invalid, conflict
 */
export async function requireFreeItem(db: Db, postGuid: Guid, itemId: string): Promise<void> {
  checkItemId(itemId);
  if ((await findCommentOfItem(db, postGuid, itemId)) || (await findLikeOfItem(db, postGuid, itemId))) throw new DomainError('conflict', 'There is an item of this id already.');
}

/** Until the end of the transaction nobody else gives an item id of this post to anybody. SQLite runs one transaction at a time anyway. */
export async function lockItems(tx: Tx, postGuid: Guid): Promise<void> {
  if (tx.dialect === 'postgres') await tx.query('select 1 from posts where guid = ? for no key update', [postGuid]);
}

/** Was this item retracted at the server that keeps the post's comments? Then it does not come (back), in whatever order we hear of it. */
export async function wasRetracted(db: Db, postGuid: Guid, itemId: string): Promise<boolean> {
  const node = await commentsNodeOf(db, postGuid);
  return node !== null && isRetracted(db, { ...node, itemId });
}

/** Where the comments on a post from elsewhere stand; null: nowhere, or here. */
export async function commentsNodeOf(db: Db, postGuid: Guid): Promise<{ service: string; node: string } | null> {
  const origin = await originOf(db, postGuid);
  return origin?.commentsService && origin.commentsNode ? { service: origin.commentsService, node: origin.commentsNode } : null;
}

/** Runs a transaction once more when another one made the same thing in between (PostgreSQL): then it finds it. */
export async function orAgain<T>(make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (error instanceof DomainError && error.code === 'conflict') return make();
    throw error;
  }
}

/** @throws DomainError invalid */
export function checkItemId(itemId: string): void {
  if (itemId === '' || itemId.length > ITEM_ID_MAX) throw new DomainError('invalid', `An item id has 1 to ${ITEM_ID_MAX} characters.`);
}

/** The limits of what one person, and one other server, may put under posts. */
export const writerKeys = (by: Actor, name: 'comment' | 'like') => ({
  ...(by.isLocal ? {} : { [`${name}-host`]: by.domain }),
  [`${name}-actor`]: handleOf(by),
});

/** Notes what was done under a post, leaves what carries it, and tells open pages. */
export async function recordUnder(
  ctx: Context,
  tx: Tx,
  { verb, by, post, about }: { verb: Exclude<Verb, 'post' | 'update' | 'delete'>; by: number; post: Post; about: string | null },
  destinations: Destinations,
): Promise<void> {
  const now = ctx.now();
  const activity = { id: newGuid(now), actorId: by, verb, postGuid: post.guid, commentGuid: about, publishedAt: now };
  await insertActivity(tx, activity);
  await leaveToDistribute(ctx, tx, activity, destinations);
  tx.publish({ kind: verb === 'like' || verb === 'unlike' ? 'like' : 'comment', actorId: by, guid: post.guid });
}

/** Makes a tombstone of a post, and ends all that stands under it. What carries the news is the caller's. */
export async function endPost(ctx: Context, tx: Tx, post: Pick<Post, 'guid' | 'authorId' | 'kind' | 'reshareOf'>): Promise<void> {
  const now = ctx.now();
  // A form sent twice makes no second post, even after its deletion; a reshare may be made again.
  const again = post.kind === 'reshare' ? { once: null } : {};
  await updatePost(tx, post.guid, { title: '', markdown: '', html: '', tags: [], reach: null, deletedAt: now, ...again });
  await setTags(tx, post.guid, []);
  await endComments(tx, post.guid, now);
  await removeLikesOf(tx, post.guid);
  await removeNotificationsOf(tx, post.guid);
  if (post.reshareOf !== null) await markReadOf(tx, { kind: 'reshare', byId: post.authorId, postGuid: post.reshareOf }, now);
  tx.publish({ kind: 'post', actorId: post.authorId, guid: post.guid });
}
