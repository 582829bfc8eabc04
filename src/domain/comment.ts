import { DomainError } from './errors.js';
import type { Guid } from './guid.js';
import { cleanPlainText } from './post.js';

/**
 * A comment under a post, seen by exactly those who may see the post. `itemId` is its item in the post's comments node: the guid for what was
 * written here, else what its author's client or server chose; unique under a post. One with `deletedAt` is a tombstone: its text is gone.
 */
export interface Comment {
  guid: Guid;
  postGuid: Guid;
  authorId: number;
  itemId: string;
  markdown: string;
  html: string;
  createdAt: number;
  editedAt: number | null;
  deletedAt: number | null;
}

/** A comment may be changed by its author alone, and removed by its author and by the author of the post. */
export const mayEditComment = (comment: Pick<Comment, 'authorId'>, actorId: number): boolean => comment.authorId === actorId;
export const mayDeleteComment = (comment: Pick<Comment, 'authorId'>, post: { authorId: number }, actorId: number): boolean =>
  comment.authorId === actorId || post.authorId === actorId;

/** Longest text of a comment, in bytes of UTF-8. */
export const COMMENT_MAX_BYTES = 16_384;
/** Item ids are chosen by whoever publishes. */
export const ITEM_ID_MAX = 512;

/** What Movim says for a like: a comment of exactly this (U+2665 without a variation selector). */
export const HEART = '♥';
/** A comment of just the ♥ is a like on every wire, never a row of comments. */
export const isHeart = (text: string): boolean => text.trim() === HEART;

/**
 * The text of a comment as it is stored (cleaned like a post's). A typed ♥ is refused: other programs would take it for a like.
 * @throws DomainError invalid | too-large (field text)
 */
export function parseCommentText(text: string): string {
  const clean = cleanPlainText(text);
  if (clean === '') throw new DomainError('invalid', 'Write something first.', 'text');
  if (isHeart(clean)) throw new DomainError('invalid', 'A ♥ alone is a like. Press “Like” instead.', 'text');
  if (new TextEncoder().encode(clean).length > COMMENT_MAX_BYTES) {
    throw new DomainError('too-large', `This comment is too long: at most ${COMMENT_MAX_BYTES.toLocaleString('en')} bytes.`, 'text');
  }
  return clean;
}
