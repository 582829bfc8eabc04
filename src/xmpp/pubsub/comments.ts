// The comments node of a post of ours (XEP-0277 §3): its comments and, as Movim's ♥, its likes. Everybody who sees the post may publish here;
// nobody writes over what is another's, and items bear the sender's name, whatever stands in them (xmpp-social.md §7, §11).
import type { Actor } from '../../domain/actor.js';
import type { Comment } from '../../domain/comment.js';
import { DomainError } from '../../domain/errors.js';
import type { Post } from '../../domain/post.js';
import { type CommentLinks, type DecodedComment, decodeComment, encodeComment, encodeHeart } from '../../formats/comment-entry.js';
import { itemUri } from '../../formats/item-uri.js';
import { commentsNode } from '../../formats/namespaces.js';
import { commentOn, countComments, deleteComment, findCommentByItem, listComments } from '../../services/comments.js';
import type { Context } from '../../services/context.js';
import { likePost, unlikePost, whatIsItem } from '../../services/reactions.js';
import type { Viewer } from '../../services/stream.js';
import { findActor } from '../../store/actors.js';
import type { Place } from '../../store/attachments.js';
import { findCommentOfItem, findVisibleComment } from '../../store/comments.js';
import { countHearts, findHeart, type Heart, listHearts } from '../../store/hearts.js';
import { findLike } from '../../store/reactions.js';
import type { Element } from '../../xml.js';
import { jidOf } from '../addresses.js';
import type { EventItem } from '../codec/event.js';
import { badRequest, forbidden, itemNotFound, StanzaError } from '../errors.js';
import { linksOf } from './nodes.js';
import { checkItemId } from './rules.js';
import type { KeyBounds, Keyed, Sequence } from './sequence.js';

/** The links of a comment or ♥ under a post, of ours or not. */
async function linksUnder(ctx: Context, post: Post, postAuthor: Actor, author: Actor, { itemId, mark }: { itemId: string; mark: string }): Promise<CommentLinks> {
  const links = await linksOf(ctx, { post, author: postAuthor });
  const page = `${ctx.config.publicUrl}/posts/${post.guid}`;
  const itemAt = links.commentsUri ?? itemUri({ jid: links.authorJid, node: commentsNode(post.guid), item: null });
  return {
    authorJid: jidOf(author),
    webUrl: `${page}#${mark}`,
    itemUri: `${itemAt};item=${encodeURIComponent(itemId)}`,
    post: { atomId: post.atomId, itemUri: links.itemUri, webUrl: links.webUrl },
  };
}

/** A comment as an item of the comments node, here or on another server. */
export async function commentItem(ctx: Context, post: Post, postAuthor: Actor, comment: Comment, author: Actor): Promise<EventItem> {
  const links = await linksUnder(ctx, post, postAuthor, author, { itemId: comment.itemId, mark: `comment-${comment.guid}` });
  return { id: comment.itemId, publisher: jidOf(author), payload: encodeComment(comment, author, links) };
}

/** A like as such an item. */
export async function heartItem(ctx: Context, post: Post, postAuthor: Actor, { itemId, createdAt, actor }: Heart): Promise<EventItem> {
  const links = await linksUnder(ctx, post, postAuthor, actor, { itemId, mark: `like-${encodeURIComponent(itemId)}` });
  return { id: itemId, publisher: jidOf(actor), payload: encodeHeart(createdAt, actor, links) };
}

// Comments stand by their guids. The key of a ♥ is like the beginning of one: its time, and then below all guids of that millisecond.
const heartKey = ({ createdAt, actor }: Heart): string => createdAt.toString(16).padStart(12, '0') + actor.id.toString(16).padStart(20, '0');
const LAST_ACTOR = 0x7fff_ffff;

/** The time and person of a key, as bounds of ♥: a guid stands after all ♥ of its millisecond. */
function placeOf(key: string): Place {
  const isHeart = key[12] === '0';
  return [Number.parseInt(key.slice(0, 12), 16), isHeart ? Number.parseInt(key.slice(12), 16) : LAST_ACTOR];
}

const heartBounds = ({ older, newer }: KeyBounds) => ({ ...(older === undefined ? {} : { older: placeOf(older) }), ...(newer === undefined ? {} : { newer: placeOf(newer) }) });

/** What the node holds for this viewer, who may see the post. */
export function commentsOf(ctx: Context, viewer: Viewer, post: Post, postAuthor: Actor): Sequence {
  return {
    count: async (bounds) => (await countComments(ctx, viewer, post.guid, bounds)) + (await countHearts(ctx.store, viewer, post.guid, heartBounds(bounds))),
    list: async ({ limit, direction, ...bounds }) => {
      const [comments, hearts] = await Promise.all([
        listComments(ctx, viewer, post.guid, { ...bounds, limit, direction }),
        listHearts(ctx.store, viewer, post.guid, { ...heartBounds(bounds), limit, direction }),
      ]);
      const all: Keyed[] = [
        ...comments.map(({ comment, author }) => ({ key: comment.guid, make: () => commentItem(ctx, post, postAuthor, comment, author) })),
        ...hearts.map((heart) => ({ key: heartKey(heart), make: () => heartItem(ctx, post, postAuthor, heart) })),
      ];
      const sign = direction === 'oldest-first' ? 1 : -1;
      return all.sort((a, b) => (a.key < b.key ? -sign : sign)).slice(0, limit);
    },
    keyOf: async (itemId) => {
      const comment = await findCommentOfItem(ctx.store, post.guid, itemId);
      if (comment) return (await findVisibleComment(ctx.store, viewer, comment.guid, { deleted: comment.deletedAt !== null })) ? comment.guid : null;
      const heart = await findHeart(ctx.store, viewer, post.guid, itemId);
      return heart && heartKey(heart);
    },
  };
}

/** One item, if it is there for the viewer. */
export async function findCommentItem(ctx: Context, viewer: Viewer, post: Post, postAuthor: Actor, itemId: string): Promise<EventItem | null> {
  const view = await findCommentByItem(ctx, viewer, post.guid, itemId);
  if (view) return commentItem(ctx, post, postAuthor, view.comment, view.author);
  const heart = await findHeart(ctx.store, viewer, post.guid, itemId);
  return heart && heartItem(ctx, post, postAuthor, heart);
}

/** @throws StanzaError bad-request + invalid-payload, not-acceptable + payload-too-big */
function decode(payload: Element): DecodedComment {
  try {
    return decodeComment(payload);
  } catch (error) {
    throw asPayloadError(error);
  }
}

/** XEP-0060 §7.1.3: what was wrong with the item itself. */
export function asPayloadError(error: unknown): unknown {
  if (!(error instanceof DomainError)) return error;
  if (error.code === 'invalid') return badRequest('invalid-payload', error.message);
  if (error.code === 'too-large') return new StanzaError('modify', 'not-acceptable', 'payload-too-big', error.message);
  return error;
}

const isTaken = (): StanzaError => new StanzaError('cancel', 'conflict', null, 'There is an item of this id already.');

/**
 * Publishes a comment, changes one's own, or likes (♥).
 * @param id as the client chose it, or null
 * @returns the id of the item
 * @throws StanzaError, DomainError
 */
export async function publishComment(ctx: Context, by: Actor, post: Post, { id, payload }: { id: string | null; payload: Element }): Promise<string> {
  if (id !== null) checkItemId(id);
  const { text, isLike, published } = decode(payload);
  const known = id === null ? null : await whatIsItem(ctx, post.guid, id);
  if (known && known.authorId !== by.id) throw isTaken();
  try {
    if (isLike) {
      if (known?.kind === 'comment') throw isTaken();
      await likePost(ctx, by, post.guid, id === null ? {} : { itemId: id });
      // One like a person: whoever has one already is told its item.
      return (await findLike(ctx.store, post.guid, by.id))?.itemId ?? id ?? '';
    }
    if (known?.kind === 'like') throw isTaken();
    const comment = await commentOn(ctx, by, post.guid, { text, ...(id === null ? {} : { itemId: id }), ...(published === null ? {} : { createdAt: published }) });
    return comment.itemId;
  } catch (error) {
    throw asPayloadError(error);
  }
}

/**
 * Removes a comment (its author or the post's) or a like (likewise: retract one form = all).
 * @throws StanzaError item-not-found, forbidden
 */
export async function retractComment(ctx: Context, by: Actor | null, post: Post, viewer: Viewer, itemId: string): Promise<void> {
  const known = await whatIsItem(ctx, post.guid, itemId);
  const isThere = known?.kind === 'comment' ? await findVisibleComment(ctx.store, viewer, known.guid) : known && (await findHeart(ctx.store, viewer, post.guid, itemId));
  if (!known || !isThere) throw itemNotFound();
  if (!by || (by.id !== known.authorId && by.id !== post.authorId)) throw forbidden();
  if (known.kind === 'comment') return deleteComment(ctx, by, known.guid);
  const liker = await findActor(ctx.store, known.authorId);
  if (liker) await unlikePost(ctx, liker, post.guid);
}
