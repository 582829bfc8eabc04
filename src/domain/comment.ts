import type { Guid } from './guid.js';

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
