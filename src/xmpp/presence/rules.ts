// RFC 6121 §3 seen from a component that is its own server, with xmpp-social.md §8 and relations.md: the one table of presence
// subscriptions. The relationship (domain) is the truth, the leg is the wire; nothing here sends or stores.
import type { FollowerState, FollowingState, RelationshipEvent } from '../../domain/relationship.js';

/** The part of a presence leg that the rules change. `inbound`: they see us; `outbound`: we see them. */
export interface Wire {
  inbound: 'none' | 'asked' | 'on';
  outbound: 'none' | 'asked' | 'on' | 'refused';
  /** We see them only to learn what they want to hear of; it is no following. */
  capsOnly: boolean;
}

/** What the person has decided, or has not. */
export interface Decisions {
  /** `on` for an owner's own chat address: it is let in, and is no follower. */
  follower: FollowerState;
  /** `none` for people who live here: following them needs no wire. */
  following: FollowingState;
}

export type SubscriptionStanza = 'subscribe' | 'subscribed' | 'unsubscribe' | 'unsubscribed';
/** What is sent to them. `social`, `pep`: available presence from that resource; `-social`, `-pep`: unavailable. */
export type Sent = SubscriptionStanza | 'social' | 'pep' | '-social' | '-pep';

export interface Step {
  wire: Wire;
  send: Sent[];
  /** What their doing means for the relationship. */
  event: RelationshipEvent | null;
}

const same = (wire: Wire): Step => ({ wire, send: [], event: null });

/** What is sent to a contact while each direction stands. */
export const presenceFor = (wire: Wire): Sent[] => [
  ...(wire.inbound === 'on' ? (['social'] as const) : []),
  ...(wire.outbound === 'on' && !wire.capsOnly ? (['pep'] as const) : []),
];

/** A subscription stanza came. `reconcile` follows it, and does what the decision asks for. */
export function received(stanza: SubscriptionStanza, wire: Wire): Step {
  switch (stanza) {
    case 'subscribe':
      // Asking again what was granted: their server has lost it. Say it again (RFC 6121 §3.1.3).
      if (wire.inbound === 'on') return { wire, send: ['subscribed', ...presenceFor(wire)], event: 'follow' };
      return { wire: { ...wire, inbound: 'asked' }, send: [], event: 'follow' };
    case 'unsubscribe':
      if (wire.inbound === 'none') return same(wire);
      return { wire: { ...wire, inbound: 'none' }, send: ['unsubscribed', ...(wire.inbound === 'on' ? (['-social'] as const) : [])], event: 'unfollow' };
    case 'subscribed':
      if (wire.outbound !== 'asked') return same(wire); // we had not asked: RFC 6121 §3.1.6
      return { wire: { ...wire, outbound: 'on' }, send: [], event: wire.capsOnly ? null : 'accepted' };
    case 'unsubscribed':
      if (wire.outbound !== 'asked' && wire.outbound !== 'on') return same(wire);
      return { wire: { ...wire, outbound: 'refused' }, send: [], event: wire.capsOnly ? null : 'refused' };
  }
}

/** Makes the wire agree with what is decided. Applied twice, the second time only presence goes out again. */
export function reconcile(wire: Wire, { follower, following }: Decisions): Step {
  const send: Sent[] = [];
  const next = { ...wire };
  let event: RelationshipEvent | null = null;

  if (follower === 'on') {
    if (wire.inbound === 'asked') {
      next.inbound = 'on';
      send.push('subscribed', 'social');
    }
  } else if (wire.inbound === 'on' || (wire.inbound === 'asked' && follower !== 'asked')) {
    send.push('unsubscribed');
    if (wire.inbound === 'on') send.push('-social');
    next.inbound = 'none';
  }

  const isFull = wire.outbound !== 'none' && wire.outbound !== 'refused' && !wire.capsOnly;
  if (following !== 'none') {
    next.capsOnly = false;
    // Who refuses presence and lets their posts be read is not asked again as long as these come.
    if (wire.outbound === 'none' || (wire.outbound === 'refused' && following === 'asked')) {
      send.push('subscribe');
      next.outbound = 'asked';
    } else if (wire.outbound === 'on') {
      send.push('pep');
      if (following === 'asked') event = 'accepted'; // they had let us in before, for their caps
    }
  } else if (next.inbound === 'on') {
    if (isFull && wire.outbound === 'on') send.push('-pep');
    next.capsOnly = true;
    // Refused once is not asked again: they may follow and yet not be seen.
    if (wire.outbound === 'none') {
      send.push('subscribe');
      next.outbound = 'asked';
    }
  } else if (wire.outbound === 'asked' || wire.outbound === 'on') {
    if (isFull && wire.outbound === 'on') send.push('-pep');
    send.push('unsubscribe');
    next.outbound = 'none';
    next.capsOnly = false;
  }
  return { wire: next, send, event };
}
