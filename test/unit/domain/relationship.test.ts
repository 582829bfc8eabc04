import { type FollowerState, type FollowingState, nextRelationship, type Relationship, type RelationshipEvent } from '../../../src/domain/relationship.js';

const NOW = 1_000;
const state = (follower: FollowerState, following: FollowingState, added: boolean, blocked = false): Relationship => ({
  actorId: 1,
  otherId: 2,
  follower,
  following,
  addedAt: added ? 500 : null,
  blockedAt: blocked ? 600 : null,
  mutedAt: null,
});

/** Every state that can be: a block has ended everything else. */
const STATES: Relationship[] = [
  ...(['none', 'asked', 'refused', 'on'] as const).flatMap((follower) =>
    (['none', 'asked', 'on'] as const).flatMap((following) => [false, true].map((added) => state(follower, following, added))),
  ),
  state('none', 'none', false, true),
];
const EVENTS: RelationshipEvent[] = ['follow', 'unfollow', 'accepted', 'refused', 'add', 'open', 'remove', 'accept', 'refuse', 'block', 'unblock'];
const FACTS = [false, true].flatMap((askFirst) => [false, true].map((stillAsks) => ({ askFirst, stillAsks, now: NOW })));

const name = (s: Relationship) => `follower ${s.follower}, following ${s.following}${s.addedAt ? ', contact' : ''}${s.blockedAt ? ', blocked' : ''}`;
const cases = STATES.flatMap((before) => EVENTS.flatMap((event) => FACTS.map((facts) => ({ before, event, facts, title: `${name(before)}: ${event}` }))));

const attempt = (before: Relationship, event: RelationshipEvent, facts: (typeof FACTS)[number]) => {
  try {
    return nextRelationship(before, event, facts);
  } catch {
    return null;
  }
};

test.each(EVENTS)('"%s" leads from every state to a state that can be', (event) => {
  const known = new Set(STATES.map(name));
  for (const before of STATES) for (const facts of FACTS) expect(known).toContain(name(attempt(before, event, facts) ?? before));
});

test('a repeated event changes nothing more', () => {
  for (const { before, event, facts } of cases) {
    const once = attempt(before, event, facts);
    if (once) expect(attempt(once, event, facts) ?? once).toBe(once);
  }
});

test('who is added with the older posts has them from the beginning, and keeps them when added again', () => {
  for (const before of STATES.filter(({ blockedAt }) => blockedAt === null)) {
    for (const facts of FACTS) {
      const after = nextRelationship(before, 'add', { ...facts, older: true });
      expect(after).toEqual({ ...nextRelationship(before, 'add', facts), addedAt: 0 });
      expect(nextRelationship(after, 'add', facts).addedAt).toBe(0);
    }
  }
});

test('the older posts can be opened to a contact afterwards, and nothing else changes', () => {
  for (const before of STATES) expect(nextRelationship(before, 'open', FACTS[0]!)).toEqual(before.addedAt === null ? before : { ...before, addedAt: 0 });
});

test('who is blocked cannot follow, and nothing but lifting the block changes that', () => {
  const blocked = state('none', 'none', false, true);
  for (const facts of FACTS) {
    for (const event of EVENTS.filter((each) => each !== 'unblock')) expect(attempt(blocked, event, facts) ?? blocked).toEqual(blocked);
    expect(nextRelationship(blocked, 'unblock', facts)).toEqual(state('none', 'none', false));
  }
});

test('a block ends both directions of both relations', () => {
  for (const before of STATES) {
    const after = nextRelationship(before, 'block', { askFirst: false, stillAsks: false, now: NOW });
    expect(after).toMatchObject({ follower: 'none', following: 'none', addedAt: null });
    expect(after.blockedAt).not.toBeNull();
  }
});

test('following never touches the other direction', () => {
  for (const { before, event, facts } of cases) {
    const after = attempt(before, event, facts);
    if (!after) continue;
    if (['follow', 'unfollow', 'accept', 'refuse'].includes(event)) expect([after.following, after.addedAt]).toEqual([before.following, before.addedAt]);
    if (['accepted', 'refused', 'open', 'remove'].includes(event)) expect(after.follower).toBe(before.follower);
  }
});

describe('asking first', () => {
  const asking = { askFirst: true, stillAsks: false, now: NOW };
  test('makes a new follower wait', () => expect(nextRelationship(state('none', 'none', false), 'follow', asking).follower).toBe('asked'));
  test('does not make a contact wait', () => expect(nextRelationship(state('none', 'on', true), 'follow', asking).follower).toBe('on'));
  test('does not ring twice after a refusal', () => {
    const refused = nextRelationship(state('asked', 'none', false), 'refuse', asking);
    expect(nextRelationship(nextRelationship(refused, 'unfollow', asking), 'follow', asking).follower).toBe('refused');
  });
  test('lets a refused one in when it is switched off', () => expect(nextRelationship(state('refused', 'none', false), 'follow', { ...asking, askFirst: false }).follower).toBe('on'));
  test('adding someone who waits is an answer', () => expect(nextRelationship(state('asked', 'none', false), 'add', asking).follower).toBe('on'));
  test('adding someone refused lets in the wish that still stands', () => expect(nextRelationship(state('refused', 'none', false), 'add', { ...asking, stillAsks: true }).follower).toBe('on'));
});

test('a contact is a contact since the first adding', () => {
  expect(nextRelationship(state('none', 'none', false), 'add', FACTS[0]!).addedAt).toBe(NOW);
  expect(nextRelationship(state('none', 'on', true), 'add', FACTS[0]!).addedAt).toBe(500);
});

test('an answer to a request that is no longer there says so', () => {
  expect(() => nextRelationship(state('none', 'none', false), 'accept', FACTS[0]!)).toThrow('no longer there');
});
