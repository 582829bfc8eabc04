import type { Guid } from './guid.js';

/**
 * Who may see a post (relations.md "Audience"). Aspects are the author's groups of contacts. `people`: a post from elsewhere, for those of ours
 * to whom its server brought it and nobody else (table post_recipients).
 */
export type Audience = { to: 'public' } | { to: 'contacts' } | { to: 'aspects'; aspectIds: number[] } | { to: 'people' };

/** What travels: a post (a reshare is one, too) was made, changed, or removed; a comment likewise; someone likes a post, or no longer does. */
export type Verb = 'post' | 'update' | 'delete' | 'comment' | 'update-comment' | 'delete-comment' | 'like' | 'unlike';

/** A thing done by an actor that other servers must hear of. `postGuid` is its object; for a comment, the post under which it stands. */
export interface Activity {
  id: Guid;
  actorId: number;
  verb: Verb;
  postGuid: Guid;
  /** With the verbs about comments, the comment; with `like` and `unlike`, the item id of the ♥ comment that says so (its row is gone when it is told); else null. */
  commentGuid: Guid | null;
  publishedAt: number;
}
