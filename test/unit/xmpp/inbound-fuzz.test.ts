// Whatever a server that we listen to sends: nothing fails, nothing but its own is touched, and what is stored is safe (threats.md 11, 30, 32, 46).
import fc from 'fast-check';
import { type Element, parseStanza, serialize, xml } from '../../../src/xml.js';
import { makePost, makeRemote, relate } from '../../support/people.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const BOB = 'bob@else.test';
const NODES = ['urn:xmpp:microblog:0', 'urn:xmpp:microblog:0', 'urn:xmpp:microblog:0', 'urn:xmpp:vcard4', 'http://jabber.org/protocol/nick', 'urn:xmpp:avatar:metadata', "'; drop table posts; --", 'constructor', ''];
const NAMES = 'entry feed title content summary author name uri link category id published updated in-reply-to verb object object-type acl-rule acl-action acl-subject div p a script img b vcard fn text note nick metadata info item retract items'.split(' ');
const SPACES = [
  'http://www.w3.org/2005/Atom',
  'http://www.w3.org/1999/xhtml',
  'http://activitystrea.ms/spec/1.0/',
  'http://onesocialweb.org/spec/1.0/',
  'http://purl.org/syndication/thread/1.0',
  'urn:ietf:params:xml:ns:vcard-4.0',
  'http://jabber.org/protocol/nick',
  'urn:xmpp:avatar:metadata',
];
const TEXTS = ['hello', '2025-11-21T10:00:00Z', '9999-99-99T99:99:99Z', '-271821-04-20T00:00:00Z', 'javascript:alert(1)', '<script>alert(1)</script>', `[x](javascript:alert(1))`, 'xmpp:alice@social.test?;node=urn:xmpp:microblog:0;item=x', 'xmpp:%', '#tag @alice', '\u202e', '\ud83d', "'; drop table posts; --", '0'.repeat(3_000)];
const ATTRS = ['type', 'href', 'rel', 'term', 'ref', 'id', 'publisher', 'src', 'onclick', 'xml:lang', 'bytes', 'node'];

const text = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: 'binary', maxLength: 40 }));
const attrs = fc.dictionary(fc.constantFrom(...ATTRS), fc.oneof(text, fc.constantFrom('text', 'xhtml', 'html', 'via', 'replies', 'enclosure', 'alternate')), { maxKeys: 4 });
const { tree } = fc.letrec<{ tree: Element }>((tie) => ({
  tree: fc
    .tuple(fc.constantFrom(...NAMES), fc.option(fc.constantFrom(...SPACES), { nil: undefined }), attrs, fc.array(fc.oneof({ maxDepth: 6 }, text, tie('tree')), { maxLength: 5 }))
    .map(([name, xmlns, rest, children]) => xml(name, { ...rest, xmlns }, children)),
}));
const entry = fc
  .tuple(fc.option(text), fc.array(fc.oneof(tree, text), { maxLength: 8 }))
  .map(([title, children]) => xml('entry', { xmlns: SPACES[0] }, title === null ? null : xml('title', null, title), children));
const item = fc.record({ id: fc.oneof(text, fc.constantFrom('0', 'a', 'b', undefined), { weight: 4, arbitrary: fc.uuid() }), name: fc.constantFrom('item', 'item', 'item', 'retract', 'x'), payloads: fc.oneof(entry.map((one) => [one]), fc.array(fc.oneof(entry, tree), { maxLength: 2 })) });
const what = fc.oneof(
  { weight: 5, arbitrary: fc.array(item, { maxLength: 4 }).map((items) => ['items', items.map(({ id, name, payloads }) => xml(name, { id }, payloads))] as const) },
  fc.constantFrom('purge', 'delete', 'configuration', 'subscription', 'nonsense').map((name) => [name, []] as const),
);

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
  stage.answer((iq) => xml('iq', { type: 'result', from: iq.attrs.to, to: iq.attrs.from }, xml('pubsub', { xmlns: 'http://jabber.org/protocol/pubsub' })));
});
afterAll(() => stage.close());

test('events of any content leave everything whole', async () => {
  const alice = await stage.account('alice');
  const bob = await makeRemote(stage.ctx.store, BOB);
  await relate(stage.ctx.store, alice.actorId, bob.id, { following: 'on', addedAt: 1 });
  const own = await makePost(stage.ctx.store, alice.actorId, { to: 'public' }, 1, { tags: [] });
  await fc.assert(
    fc.asyncProperty(what, fc.constantFrom(...NODES), fc.constantFrom(BOB, BOB, BOB, BOB, BOB, `${BOB}/x`, 'else.test', 'mallory@evil.test'), fc.constantFrom('headline', 'headline', 'headline', undefined, 'error', 'chat'), async ([name, inside], node, from, type) => {
      const message = xml('message', { from, to: alice.jid, type }, xml('event', { xmlns: 'http://jabber.org/protocol/pubsub#event' }, xml(name, { node, jid: alice.jid, subscription: 'none' }, [...inside])));
      await stage.receive(parseStanza(serialize(message)));
    }),
    { numRuns: 800 },
  );
  const { store } = stage.ctx;
  expect(stage.inbound.intake.counts).toMatchObject({ failed: 0 });
  expect(stage.ctx.logged()).not.toMatch(/"level":(50|60)/);
  const rows = await store.query<{ guid: string; author_id: number; html: string; created_at: number }>('select guid, author_id, html, created_at from posts');
  expect(rows.filter((row) => row.author_id === alice.actorId).map((row) => row.guid)).toEqual([own.guid]);
  expect(rows.length).toBeGreaterThan(20);
  for (const { author_id, html, created_at } of rows) {
    expect([alice.actorId, bob.id]).toContain(author_id);
    expect(html).not.toMatch(/<script|javascript:[^<]*"|onclick/i);
    expect(created_at).toBeLessThanOrEqual(stage.ctx.now());
  }
}, 60_000);
