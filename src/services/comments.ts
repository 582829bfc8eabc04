// Comments: seen by exactly those who see the post, in the node that belongs to it.
import type { Actor } from '../domain/actor.js';
import { COMMENT_MAX_BYTES, type Comment, ITEM_ID_MAX, mayDeleteComment, mayEditComment, parseCommentText } from '../domain/comment.js';
import { DomainError } from '../domain/errors.js';
import { type Guid, guidAt, newGuid } from '../domain/guid.js';
import { cleanPlainText, type Post } from '../domain/post.js';
import type { Viewer } from '../store/access.js';
import { findActors } from '../store/actors.js';
import {
  type CommentBounds,
  type CommentPage,
  countStored,
  countStoredBy,
  countVisibleComments,
  findCommentByOnce,
  findCommentOfItem,
  findVisibleComment,
  findVisibleCommentOfItem,
  insertComment,
  listItemsThere,
  listVisibleComments,
  localCommentersOf,
  updateComment,
} from '../store/comments.js';
import type { Db, Tx } from '../store/database.js';
import { failedComments } from '../store/ledger.js';
import { removeNotificationsOf } from '../store/notifications.js';
import { findLikeOfItem } from '../store/reactions.js';
import { noteRetracted, originOf } from '../store/received.js';
import type { Context } from './context.js';
import { type Destinations, findDestinations } from './deliveries.js';
import { takeLimits } from './limits.js';
import { notify, notifyMentioned } from './notifications.js';
import { writeText } from './text.js';
import { checkItemId, commentsNodeOf, lockItems, orAgain, recordUnder, requireFreeItem, requirePlace, requirePost, requireThread, wasRetracted, writerKeys } from './threads.js';

export type { CommentPage } from '../store/comments.js';

/** What a commenter hands in. `text` is Markdown. */
export interface CommentDraft {
  text: string;
  /** Idempotency token: a second draft with the same token is the first comment again. */
  once?: string;
  /** The item it is published as; missing: its guid. An item of one's own is replaced. */
  itemId?: string;
  /** When it was written, if it says so. */
  createdAt?: number;
}

/** A comment as its viewer may see it. `undelivered` tells its author why it has not arrived at the server that keeps the post. */
export interface CommentView {
  comment: Comment;
  author: Actor;
  may: { edit: boolean; delete: boolean };
  undelivered?: string;
}

/** Of those who have commented before, so many hear of one more comment. */
const MAX_COMMENTERS = 30;
/** Of the comments on one post from elsewhere so many are kept: its server may send what it likes. */
const MOST_FROM_ELSEWHERE = 5_000;
/** … and of one person's among them. */
const MOST_OF_ONE = 200;

/**
 * Comments on a post that the commenter can see; on a reshare: on its root.
 * @param by a person of ours, or the verified sender from elsewhere
 * @throws DomainError invalid | too-large (field text), not-found (also for who is blocked), gone, forbidden (it takes no comments), conflict
 *   (somebody else's item has this id), too-many
 */
export async function commentOn(ctx: Context, by: Actor, postGuid: Guid, draft: CommentDraft): Promise<Comment> {
  const text = parseCommentText(draft.text);
  if (draft.itemId !== undefined) checkItemId(draft.itemId);
  const thread = await requireThread(ctx.store, { actorId: by.id }, postGuid);
  await takeLimits(ctx, writerKeys(by, 'comment'));
  const destinations = await findDestinations(ctx, { actorId: by.id, verb: 'comment', postGuid: thread.guid });
  return orAgain(() => ctx.store.transaction((tx) => write(ctx, tx, by, thread.guid, { ...draft, text }, destinations)));
}

async function write(ctx: Context, tx: Tx, by: Actor, postGuid: Guid, { text, ...draft }: CommentDraft, destinations: Destinations): Promise<Comment> {
  const post = await requirePost(tx, { actorId: by.id }, postGuid);
  await requirePlace(tx, by, post, 'comment');
  if (draft.once !== undefined) {
    const earlier = await findCommentByOnce(tx, by.id, draft.once);
    if (earlier) return earlier;
  }
  if (draft.itemId !== undefined) {
    await lockItems(tx, post.guid);
    const known = await findCommentOfItem(tx, post.guid, draft.itemId);
    if (known && known.authorId === by.id) {
      if (known.deletedAt !== null) throw new DomainError('gone', 'This comment was deleted.');
      return rewrite(ctx, tx, by, post, known, text, destinations);
    }
    await requireFreeItem(tx, post.guid, draft.itemId);
  }
  const now = ctx.now();
  const guid = newGuid(now);
  const { html, mentions } = await writeText(ctx, tx, text, by);
  const comment: Comment = {
    ...{ guid, postGuid: post.guid, authorId: by.id, itemId: draft.itemId ?? guid, markdown: text, html },
    ...{ createdAt: Math.max(Math.min(draft.createdAt ?? now, now), post.createdAt), editedAt: null, deletedAt: null },
  };
  await insertComment(tx, { ...comment, once: draft.once ?? null });
  await recordUnder(ctx, tx, { verb: 'comment', by: by.id, post, about: guid }, destinations);
  await tell(ctx, tx, post, comment, mentions);
  return comment;
}

/**
 * Replaces the text of one's own comment.
 * @throws DomainError invalid | too-large (field text), not-found, forbidden, gone, too-many
 */
export async function editComment(ctx: Context, by: Actor, commentGuid: Guid, text: string): Promise<Comment> {
  const written = parseCommentText(text);
  const found = await requireComment(ctx.store, { actorId: by.id }, commentGuid);
  await takeLimits(ctx, writerKeys(by, 'comment'));
  const destinations = await findDestinations(ctx, { actorId: by.id, verb: 'update-comment', postGuid: found.postGuid, commentGuid });
  return ctx.store.transaction(async (tx) => {
    const comment = await requireComment(tx, { actorId: by.id }, commentGuid);
    if (!mayEditComment(comment, by.id)) throw new DomainError('forbidden', 'Only its author can change this comment.');
    return rewrite(ctx, tx, by, await requirePost(tx, { actorId: by.id }, comment.postGuid), comment, written, destinations);
  });
}

async function rewrite(ctx: Context, tx: Tx, by: Actor, post: Post, comment: Comment, text: string, destinations: Destinations): Promise<Comment> {
  if (text === comment.markdown) return comment;
  const { html, mentions } = await writeText(ctx, tx, text, by);
  const edited: Comment = { ...comment, markdown: text, html, editedAt: ctx.now() };
  await updateComment(tx, comment.guid, { markdown: text, html, editedAt: edited.editedAt });
  await recordUnder(ctx, tx, { verb: 'update-comment', by: by.id, post, about: comment.guid }, destinations);
  await notifyNewlyMentioned(ctx, tx, comment, by, mentions);
  return edited;
}

/** An edit rings only those who were not mentioned before. */
async function notifyNewlyMentioned(ctx: Context, tx: Tx, before: Comment, by: Actor, mentions: readonly string[]): Promise<void> {
  const known = (await writeText(ctx, tx, before.markdown, by)).mentions;
  await notifyMentioned(ctx, tx, { handles: mentions.filter((handle) => !known.includes(handle)), byId: by.id, postGuid: before.postGuid, commentGuid: before.guid });
}

/**
 * Removes a comment everywhere: one's own, or anybody's under one's own post. A tombstone stays, without text.
 * @throws DomainError not-found, forbidden, gone
 */
export async function deleteComment(ctx: Context, by: Actor, commentGuid: Guid): Promise<void> {
  const found = await requireComment(ctx.store, { actorId: by.id }, commentGuid);
  const destinations = await findDestinations(ctx, { actorId: by.id, verb: 'delete-comment', postGuid: found.postGuid, commentGuid });
  await ctx.store.transaction(async (tx) => {
    const comment = await requireComment(tx, { actorId: by.id }, commentGuid);
    const post = await requirePost(tx, { actorId: by.id }, comment.postGuid);
    if (!mayDeleteComment(comment, post, by.id)) throw new DomainError('forbidden', 'Only its author, and the author of the post, can delete this comment.');
    await endComment(ctx, tx, comment);
    await recordUnder(ctx, tx, { verb: 'delete-comment', by: by.id, post, about: comment.guid }, destinations);
  });
}

async function endComment(ctx: Context, tx: Tx, comment: Comment): Promise<void> {
  await updateComment(tx, comment.guid, { markdown: '', html: '', deletedAt: ctx.now() });
  await removeNotificationsOf(tx, comment.postGuid, comment.guid);
}

/**
 * A comment that came from the comments node of a post from elsewhere, whose server has checked it. Nothing goes out. Idempotent: an older
 * version, another's item, or one that was retracted changes nothing; what is too long is cut.
 * @param item.text Markdown; a ♥ alone goes to receiveLike instead. `createdAt`, `editedAt`: as its entry says
 * @returns the comment as it stands; null when there is none
 */
export async function receiveComment(ctx: Context, tx: Tx, post: Post, author: Actor, item: { itemId: string; text: string; createdAt: number; editedAt?: number }): Promise<Comment | null> {
  const now = ctx.now();
  const text = cut(cleanPlainText(item.text));
  if (text === '' || item.itemId === '' || post.deletedAt !== null) return null;
  const known = await findCommentOfItem(tx, post.guid, item.itemId);
  if (known && (known.authorId !== author.id || known.deletedAt !== null)) return null;
  const version = Math.min(item.editedAt ?? item.createdAt, now);
  if (known && (text === known.markdown || version < (known.editedAt ?? known.createdAt))) return known;
  const { html, mentions } = await writeText(ctx, tx, text, author);
  if (known) {
    const edited = { ...known, markdown: text, html, editedAt: version };
    await updateComment(tx, known.guid, { markdown: text, html, editedAt: version });
    await notifyNewlyMentioned(ctx, tx, known, author, mentions);
    tx.publish({ kind: 'comment', actorId: author.id, guid: post.guid });
    return edited;
  }
  if (item.itemId.length > ITEM_ID_MAX || (await findLikeOfItem(tx, post.guid, item.itemId)) || (await wasRetracted(tx, post.guid, item.itemId))) return null;
  if ((await countStoredBy(tx, post.guid, author.id, MOST_OF_ONE)) >= MOST_OF_ONE) return null;
  if ((await countStored(tx, post.guid, MOST_FROM_ELSEWHERE)) >= MOST_FROM_ELSEWHERE) return null;
  const createdAt = Math.max(0, Math.min(item.createdAt, now));
  const comment: Comment = {
    ...{ guid: guidAt(createdAt), postGuid: post.guid, authorId: author.id, itemId: item.itemId, markdown: text, html },
    ...{ createdAt, editedAt: item.editedAt === undefined || item.editedAt <= createdAt ? null : version, deletedAt: null },
  };
  await insertComment(tx, comment);
  tx.publish({ kind: 'comment', actorId: author.id, guid: post.guid });
  await tell(ctx, tx, post, comment, mentions);
  return comment;
}

/** An item of the comments node of a post from elsewhere was retracted there: it does not come (back). The same for one that is not here yet. */
export async function receiveCommentEnd(ctx: Context, tx: Tx, post: Post, itemId: string): Promise<void> {
  const comment = await findCommentOfItem(tx, post.guid, itemId);
  if (comment?.deletedAt === null) {
    await endComment(ctx, tx, comment);
    tx.publish({ kind: 'comment', actorId: comment.authorId, guid: post.guid });
  }
  const node = await commentsNodeOf(tx, post.guid);
  if (!comment && node) await noteRetracted(tx, { ...node, itemId }, ctx.now());
}

/**
 * The comments node of a post from elsewhere was emptied, or is gone: with it goes what stood there.
 * @param of.others only what people elsewhere wrote
 */
export async function receiveCommentsEnd(ctx: Context, tx: Tx, post: Post, of: { others: boolean }): Promise<void> {
  for (const itemId of await listItemsThere(tx, post.guid, of)) await receiveCommentEnd(ctx, tx, post, itemId);
}

/** At most COMMENT_MAX_BYTES of it. */
function cut(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return bytes.length <= COMMENT_MAX_BYTES ? text : `${new TextDecoder().decode(bytes.subarray(0, COMMENT_MAX_BYTES - 8)).replace(/\ufffd+$/, '')} …`;
}

/** Who hears of a new comment: who is mentioned in it, the post's author, and who has commented before. Each of them once. */
async function tell(ctx: Context, tx: Tx, post: Post, comment: Comment, mentions: string[]): Promise<void> {
  const about = { byId: comment.authorId, postGuid: post.guid, commentGuid: comment.guid };
  await notifyMentioned(ctx, tx, { handles: mentions, ...about });
  await notify(ctx, tx, { ownerId: post.authorId, kind: 'comment', ...about });
  for (const ownerId of await localCommentersOf(tx, post.guid, MAX_COMMENTERS)) await notify(ctx, tx, { ownerId, kind: 'also-commented', ...about });
}

/** @throws DomainError not-found (also when its post is not for the viewer), gone */
async function requireComment(db: Db, viewer: Viewer, guid: Guid): Promise<Comment> {
  const comment = await findVisibleComment(db, viewer, guid);
  if (comment) return comment;
  if (await findVisibleComment(db, viewer, guid, { deleted: true })) throw new DomainError('gone', 'This comment was deleted.');
  throw new DomainError('not-found', 'There is no such comment, or it is not for you to see.');
}

/**
 * The comments on a post that the viewer may see, by time; of a reshare: those on its root.
 * @param page bounds are guids of comments, exclusive; newest first unless said otherwise
 * @throws DomainError not-found, gone (the post)
 */
export async function listComments(ctx: Context, viewer: Viewer, postGuid: Guid, page: CommentPage): Promise<CommentView[]> {
  const post = await requireThread(ctx.store, viewer, postGuid);
  return views(ctx, viewer, post, await listVisibleComments(ctx.store, viewer, post.guid, page));
}

/** How many there are for the viewer, within bounds when given. @throws DomainError not-found, gone (the post) */
export const countComments = async (ctx: Context, viewer: Viewer, postGuid: Guid, bounds: CommentBounds = {}): Promise<number> =>
  countVisibleComments(ctx.store, viewer, (await requireThread(ctx.store, viewer, postGuid)).guid, bounds);

/** @throws DomainError not-found, gone */
export async function findComment(ctx: Context, viewer: Viewer, commentGuid: Guid): Promise<CommentView> {
  const comment = await requireComment(ctx.store, viewer, commentGuid);
  return (await views(ctx, viewer, await requirePost(ctx.store, viewer, comment.postGuid), [comment]))[0]!;
}

/** The comment that is this item of the post's comments node; null also when it is not for the viewer. */
export async function findCommentByItem(ctx: Context, viewer: Viewer, postGuid: Guid, itemId: string): Promise<CommentView | null> {
  const comment = await findVisibleCommentOfItem(ctx.store, viewer, postGuid, itemId);
  return comment && (await views(ctx, viewer, await requirePost(ctx.store, viewer, postGuid), [comment]))[0]!;
}

async function views(ctx: Context, viewer: Viewer, post: Post, comments: Comment[]): Promise<CommentView[]> {
  const me = viewer === 'anonymous' ? null : viewer.actorId;
  const mine = comments.filter((comment) => comment.authorId === me).map(({ guid }) => guid);
  const [authors, failed] = await Promise.all([
    findActors(ctx.store, [...new Set(comments.map((comment) => comment.authorId))]),
    me !== null && mine.length > 0 && (await originOf(ctx.store, post.guid)) ? failedComments(ctx.store, post.guid, me, mine) : new Map<Guid, string>(),
  ]);
  return comments.map((comment) => ({
    comment,
    author: authors.get(comment.authorId)!,
    may: { edit: me !== null && mayEditComment(comment, me), delete: me !== null && mayDeleteComment(comment, post, me) },
    ...(failed.has(comment.guid) && { undelivered: failed.get(comment.guid)! }),
  }));
}
