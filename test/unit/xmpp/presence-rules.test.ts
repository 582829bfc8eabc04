import type { FollowerState, FollowingState } from '../../../src/domain/relationship.js';
import { type Decisions, presenceFor, received, reconcile, type SubscriptionStanza, type Wire } from '../../../src/xmpp/presence/rules.js';

const INBOUND = ['none', 'asked', 'on'] as const;
const OUTBOUND = ['none', 'asked', 'on', 'refused'] as const;
const FOLLOWER: FollowerState[] = ['none', 'asked', 'refused', 'on'];
const FOLLOWING: FollowingState[] = ['none', 'asked', 'on'];
const STANZAS: SubscriptionStanza[] = ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'];

const WIRES: Wire[] = INBOUND.flatMap((inbound) => OUTBOUND.flatMap((outbound) => [true, false].map((capsOnly) => ({ inbound, outbound, capsOnly }))));
const DECISIONS: Decisions[] = FOLLOWER.flatMap((follower) => FOLLOWING.map((following) => ({ follower, following })));
const CELLS = WIRES.flatMap((wire) => DECISIONS.map((decisions) => ({ wire, decisions })));
const say = ({ inbound, outbound, capsOnly }: Wire) => `in ${inbound}, out ${outbound}${capsOnly ? ' for caps' : ''}`;

describe('every state × every decision', () => {
  test.each(CELLS)('$wire.inbound/$wire.outbound/$wire.capsOnly with $decisions.follower/$decisions.following comes to agree, and stays so', ({ wire, decisions }) => {
    const { wire: next, send, event } = reconcile(wire, decisions);
    // They see us exactly when they follow; one who waits goes on waiting.
    expect(next.inbound).toBe(decisions.follower === 'on' ? (wire.inbound === 'none' ? 'none' : 'on') : decisions.follower === 'asked' && wire.inbound === 'asked' ? 'asked' : 'none');
    // Whoever asked is answered, once.
    expect(send.filter((one) => one === 'subscribed')).toHaveLength(next.inbound === 'on' && wire.inbound === 'asked' ? 1 : 0);
    expect(send.includes('unsubscribed')).toBe(wire.inbound !== 'none' && next.inbound === 'none');
    // We see them when we follow, or for their caps while they follow.
    // Whose posts come without presence is not asked for it again after a refusal.
    const stays = wire.outbound === 'on' || (wire.outbound === 'refused' && decisions.following === 'on');
    if (decisions.following !== 'none') expect(next).toMatchObject({ capsOnly: false, outbound: stays ? wire.outbound : 'asked' });
    else if (next.inbound !== 'on') expect(['none', 'refused']).toContain(next.outbound);
    else expect(next.outbound).toBe(wire.outbound === 'none' ? 'asked' : wire.outbound);
    // A refusal of caps is not asked again.
    if (wire.outbound === 'refused' && decisions.following === 'none') expect(send).not.toContain('subscribe');
    expect(event).toBe(decisions.following === 'asked' && wire.outbound === 'on' ? 'accepted' : null);
    // A mere follower never learns that we would listen.
    if (next.capsOnly) expect(send).not.toContain('pep');
    // Again: nothing but presence.
    const again = reconcile(next, decisions);
    expect(again.wire).toEqual(next);
    expect(again.send.filter((one) => one !== 'pep')).toEqual([]);
  });
});

describe('every state × every stanza', () => {
  test.each(WIRES.flatMap((wire) => STANZAS.map((stanza) => ({ wire, stanza, state: say(wire) }))))('$stanza while $state', ({ wire, stanza }) => {
    const { wire: next, send, event } = received(stanza, wire);
    const changesInbound = stanza === 'subscribe' || stanza === 'unsubscribe';
    expect(changesInbound ? next.outbound : next.inbound).toBe(changesInbound ? wire.outbound : wire.inbound);
    switch (stanza) {
      case 'subscribe':
        expect(event).toBe('follow');
        expect(next.inbound).toBe(wire.inbound === 'on' ? 'on' : 'asked');
        expect(send[0]).toBe(wire.inbound === 'on' ? 'subscribed' : undefined);
        break;
      case 'unsubscribe':
        expect(next.inbound).toBe('none');
        expect(event).toBe(wire.inbound === 'none' ? null : 'unfollow');
        break;
      case 'subscribed':
        expect(next.outbound).toBe(wire.outbound === 'asked' ? 'on' : wire.outbound);
        expect(event).toBe(wire.outbound === 'asked' && !wire.capsOnly ? 'accepted' : null);
        break;
      case 'unsubscribed': {
        const stood = wire.outbound === 'asked' || wire.outbound === 'on';
        expect(next.outbound).toBe(stood ? 'refused' : wire.outbound);
        expect(event).toBe(stood && !wire.capsOnly ? 'refused' : null);
      }
    }
  });

  test('an answer to what was never asked changes nothing and is not answered', () => {
    for (const outbound of ['none', 'refused'] as const) {
      const wire: Wire = { inbound: 'none', outbound, capsOnly: false };
      for (const stanza of ['subscribed', 'unsubscribed'] as const) expect(received(stanza, wire)).toEqual({ wire, send: [], event: null });
    }
  });
});

test('a follower sees us from the resource that asks for nothing, one whom we follow from the one that does', () => {
  expect(presenceFor({ inbound: 'on', outbound: 'on', capsOnly: true })).toEqual(['social']);
  expect(presenceFor({ inbound: 'on', outbound: 'on', capsOnly: false })).toEqual(['social', 'pep']);
  expect(presenceFor({ inbound: 'none', outbound: 'on', capsOnly: false })).toEqual(['pep']);
  expect(presenceFor({ inbound: 'asked', outbound: 'asked', capsOnly: false })).toEqual([]);
});

test('a follower whom we add, after we had seen only his caps, is followed without another request', () => {
  const { wire, send, event } = reconcile({ inbound: 'on', outbound: 'on', capsOnly: true }, { follower: 'on', following: 'asked' });
  expect({ wire, send, event }).toEqual({ wire: { inbound: 'on', outbound: 'on', capsOnly: false }, send: ['pep'], event: 'accepted' });
});
