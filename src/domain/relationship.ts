import { DomainError } from './errors.js';

/**
 * B follows A. asked: waits for A's answer (A has switched on "ask me first"); refused: A said no, and is not asked again.
 */
export type FollowerState = 'none' | 'asked' | 'refused' | 'on';
/** A follows B. asked: we have told B's server, its answer is open. */
export type FollowingState = 'none' | 'asked' | 'on';

/**
 * What stands between a local account A (`actorId`) and a person B (`otherId`): relations.md "Three relations".
 * `addedAt` is set while B is A's contact: since when B may see A's posts for contacts. A row that says nothing is the same as no row.
 */
export interface Relationship {
  actorId: number;
  otherId: number;
  follower: FollowerState;
  following: FollowingState;
  addedAt: number | null;
  blockedAt: number | null;
  /** A does not see B's posts in her stream, nor notifications of B's doing. Nothing else changes, and nobody can tell. */
  mutedAt: number | null;
}

/** What B (or B's server) does towards A, and what A does, in no protocol's words. */
export type RelationshipEvent =
  | 'follow' // B wants to follow A
  | 'unfollow' // B no longer follows A, by any way
  | 'accepted' // B's server says: A may follow B
  | 'refused' // B's server says: A may not, or no longer
  | 'add' // A adds B to her contacts
  | 'open' // A lets her contact B see her older posts for contacts, too
  | 'remove' // A removes B from her contacts
  | 'accept' // A lets B follow
  | 'refuse' // A does not let B follow, now or any longer
  | 'block'
  | 'unblock'
  | 'mute'
  | 'unmute';

/** What the rules need to know beside the state. */
export interface RelationshipFacts {
  /** A has switched on "ask me first". */
  askFirst: boolean;
  /** Some wish of B's to follow still stands: on a wire (a pending pubsub subscription, RFC 6121 "pending in"), or here, with A among B's contacts. */
  stillAsks: boolean;
  now: number;
  /** With `add`: B may see A's older posts for contacts, too. */
  older?: boolean;
}

export const noRelationship = (actorId: number, otherId: number): Relationship => ({
  actorId,
  otherId,
  follower: 'none',
  following: 'none',
  addedAt: null,
  blockedAt: null,
  mutedAt: null,
});

type Rule = (state: Relationship, facts: RelationshipFacts) => Partial<Relationship>;

const ended = { follower: 'none', following: 'none', addedAt: null } as const;

/** The one table of relations.md. Each rule says what changes; nothing said means nothing changes. */
const RULES: Record<RelationshipEvent, Rule> = {
  follow: (state, { askFirst }) => {
    if (state.blockedAt !== null || state.follower === 'on') return {};
    if (!askFirst || state.addedAt !== null) return { follower: 'on' };
    return state.follower === 'refused' ? {} : { follower: 'asked' };
  },
  // A refusal outlives B's giving up, so that asking again and again does not ring A's bell again and again.
  unfollow: (state) => (state.follower === 'refused' ? {} : { follower: 'none' }),
  accepted: (state) => (state.following === 'asked' ? { following: 'on' } : {}),
  refused: () => ({ following: 'none' }),
  add: (state, { now, stillAsks, older = false }) => {
    if (state.blockedAt !== null) throw new DomainError('conflict', 'You have blocked this person. Unblock them first.');
    return {
      addedAt: older ? 0 : (state.addedAt ?? now),
      following: state.following === 'none' ? 'asked' : state.following,
      // To add someone who waits for an answer is an answer.
      follower: state.follower === 'asked' || (state.follower === 'refused' && stillAsks) ? 'on' : state.follower === 'refused' ? 'none' : state.follower,
    };
  },
  open: ({ addedAt }) => (addedAt === null ? {} : { addedAt: 0 }),
  remove: () => ({ addedAt: null, following: 'none' }),
  accept: (state, { stillAsks }) => {
    if (state.follower === 'on') return {};
    if (state.follower === 'none') throw new DomainError('conflict', 'This request is no longer there.');
    // After a refusal whose wish is gone there is nobody to let in: B may ask again.
    return { follower: state.follower === 'refused' && !stillAsks ? 'none' : 'on' };
  },
  refuse: (state) => (state.follower === 'none' ? {} : { follower: 'refused' }),
  block: (state, { now }) => ({ ...ended, blockedAt: state.blockedAt ?? now }),
  unblock: () => ({ blockedAt: null }),
  mute: (state, { now }) => ({ mutedAt: state.mutedAt ?? now }),
  unmute: () => ({ mutedAt: null }),
};

/**
 * The relationship after an event. Pure; the same object when nothing changes.
 * @throws DomainError conflict when A's action makes no sense any more
 */
export function nextRelationship(state: Relationship, event: RelationshipEvent, facts: RelationshipFacts): Relationship {
  const change = RULES[event](state, facts);
  const changed = Object.entries(change).some(([key, value]) => state[key as keyof Relationship] !== value);
  return changed ? { ...state, ...change } : state;
}

/** A wants to follow her contact B and does not: B's side has said no, or she ended it by herself in a chat app. */
export const isNotLet = (state: Relationship): boolean => state.addedAt !== null && state.following === 'none';

/** Does the row say anything? */
export const isEmpty = (state: Relationship): boolean =>
  state.follower === 'none' && state.following === 'none' && state.addedAt === null && state.blockedAt === null && state.mutedAt === null;
