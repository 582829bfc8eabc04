import type { Guid } from './guid.js';

/** Who may see a post (relations.md "Audience"). Aspects are the author's groups of contacts. */
export type Audience = { to: 'public' } | { to: 'contacts' } | { to: 'aspects'; aspectIds: number[] };

/** What travels: the post was made, changed, or removed. */
export type Verb = 'post' | 'update' | 'delete';

/** A thing done by an actor that other servers must hear of. `postGuid` is its object. */
export interface Activity {
  id: Guid;
  actorId: number;
  verb: Verb;
  postGuid: Guid;
  publishedAt: number;
}
