// threats.md 11, 20, 25–27, 30, 33: whatever comes in, at most one reply goes out, to its sender, and nothing is thrown.
import fc from 'fast-check';
import { NS } from '../../../src/formats/namespaces.js';
import { publishPost } from '../../../src/services/publish.js';
import { type Element, parseStanza, serialize, xml } from '../../../src/xml.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
  await publishPost(stage.ctx, await stage.account('alice'), { text: 'hello' });
});
afterAll(() => stage.close());

const NAMES = ['pubsub', 'items', 'item', 'query', 'subscribe', 'unsubscribe', 'publish', 'retract', 'publish-options', 'configure', 'create', 'default', 'subscriptions', 'affiliations', 'options', 'delete', 'set', 'max', 'before', 'after', 'index', 'x', 'field', 'value', 'entry', 'title', 'content', 'json', 'vCard', 'vcard', 'ping', 'c', 'body', 'event', 'error', 'nick', 'forwarded', 'privilege'];
const NAMESPACES = [undefined, ...Object.values(NS).filter((uri) => !uri.includes(' '))];
const TEXTS = fc.oneof(fc.constantFrom('', '1', '-1', '99999999999999999999', "' or 1=1", '2', 'open', 'alice@social.test', 'romeo@else.test', 'urn:xmpp:microblog:0', '0'.repeat(32), '../..', '\u202e'), fc.string({ maxLength: 40 }));
const ATTRS = fc.dictionary(fc.constantFrom('node', 'jid', 'id', 'max_items', 'var', 'type', 'ver', 'hash', 'subid', 'xml:lang', 'name', 'notify', 'publisher'), fc.oneof(TEXTS, fc.constantFrom('urn:xmpp:microblog:0', 'current', 'submit')), { maxKeys: 4 });

const element = fc.letrec<{ tree: Element; child: Element | string }>((tie) => ({
  tree: fc
    .tuple(fc.constantFrom(...NAMES), fc.constantFrom(...NAMESPACES), ATTRS, fc.array(tie('child'), { maxLength: 3, depthIdentifier: 'tree' }))
    .map(([name, xmlns, attrs, children]) => xml(name, { ...attrs, ...(xmlns ? { xmlns } : {}) }, ...children)),
  child: fc.oneof({ depthIdentifier: 'tree', maxDepth: 5 }, TEXTS, tie('tree')),
})).tree;

const ADDRESSES = fc.constantFrom('alice@social.test', 'alice@social.test/social', 'alice@social.test/pep', 'nobody@social.test', 'social.test', 'romeo@else.test/x', 'romeo@else.test', 'alice@chat.test/phone', 'else.test', '@', '', 'a@b@c', 'bob\\40pod.example@social.test');
const stanza = fc
  .record({
    name: fc.constantFrom('iq', 'iq', 'iq', 'presence', 'message', 'something'),
    type: fc.constantFrom('get', 'set', 'result', 'error', 'subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'unavailable', 'probe', 'headline', 'chat', 'dance', undefined),
    to: fc.oneof(fc.constant('alice@social.test'), ADDRESSES),
    from: fc.oneof(fc.constantFrom('romeo@else.test/x', 'alice@chat.test/phone'), ADDRESSES),
    id: fc.constantFrom('1', 'e-01a1fdf6041b774f9e0fe38edcb122d9', '', undefined),
    children: fc.array(element, { maxLength: 2 }),
  })
  .map(({ name, children, ...attrs }) => xml(name, attrs, ...children));

test('every stanza gets at most one reply, and nothing is thrown', async () => {
  await fc.assert(
    fc.asyncProperty(stanza, async (one) => {
      const { from, to, id, type } = one.attrs;
      const before = stage.dispatcher.counts.failed;
      stage.dispatcher.take(one);
      await stage.dispatcher.settled();
      const replies = stage.take().filter((reply) => reply.name === 'iq');
      expect(replies.length).toBeLessThanOrEqual(one.name === 'iq' && type !== 'result' && type !== 'error' ? 1 : 0);
      for (const reply of replies) expect(reply.attrs).toMatchObject({ from: to, to: from, ...(id === undefined ? {} : { id }) });
      if (stage.dispatcher.counts.failed > before) throw new Error(`a handler failed: ${stage.ctx.logged().trim().split('\n').at(-1)}`);
    }),
    { numRuns: 1_500 },
  );
  // The jobs that it left run, too.
  await stage.runJobs();
  stage.take();
});

test.each([
  ['for another domain', `<message from='romeo@else.test' to='alice@other.test'><body>x</body></message>`],
  ['from nobody', `<iq type='get' id='1' to='alice@social.test'><ping xmlns='urn:xmpp:ping'/></iq>`],
  ['for nobody', `<iq type='get' id='1' from='romeo@else.test'><ping xmlns='urn:xmpp:ping'/></iq>`],
  ['from our own domain', `<iq type='get' id='1' from='bob@social.test' to='alice@social.test'><ping xmlns='urn:xmpp:ping'/></iq>`],
])('a stanza %s is dropped and counted', async (_, text) => {
  const before = stage.dispatcher.counts.dropped;
  expect(await stage.receive(text)).toEqual([]);
  expect(stage.dispatcher.counts.dropped).toBe(before + 1);
});

test.each([
  ['a forwarded message', `<message from='romeo@else.test' to='alice@social.test' type='chat'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='alice@chat.test' to='x@y.test'><body>x</body></message></forwarded></message>`],
  ['a carbon copy', `<message from='romeo@else.test' to='alice@social.test'><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'/></sent></message>`],
  ['a privilege', `<message from='romeo@else.test' to='social.test'><privilege xmlns='urn:xmpp:privilege:2'><perm access='iq' type='both'/></privilege></message>`],
  ['an event of a feed', `<message from='romeo@else.test' to='alice@social.test' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:microblog:0'><item id='x'/></items></event></message>`],
  ['an error with a text', `<message from='romeo@else.test' to='alice@social.test' type='error'><body>x</body></message>`],
])('%s changes nothing and gets no answer', async (_, text) => {
  expect(await stage.receive(text)).toEqual([]);
  expect(await stage.ctx.store.query('select guid from posts')).toHaveLength(1);
});

test('a flood of one sender is told to wait, and others are served', async () => {
  const ping = (from: string, id: number) => parseStanza(`<iq type='get' id='${id}' from='${from}' to='alice@social.test'><ping xmlns='urn:xmpp:ping'/></iq>`);
  for (let i = 0; i < 1_000; i++) stage.dispatcher.take(ping('flood@else.test/x', i));
  stage.dispatcher.take(ping('romeo@else.test/x', 1));
  await stage.dispatcher.settled();
  const replies = stage.take().map(serialize);
  expect(replies).toHaveLength(1_001);
  expect(replies.filter((reply) => reply.includes('flood') && reply.includes('type="wait"><resource-constraint'))).toHaveLength(800);
  expect(replies.filter((reply) => reply.includes('romeo') && reply.includes('type="result"'))).toHaveLength(1);
});

test('fifty thousand presences do not grow what we keep of strangers', async () => {
  for (let i = 0; i < 50_000; i++) stage.dispatcher.take(xml('presence', { from: `u${i % 5_000}@flood.test/${i}`, to: 'alice@social.test' }));
  await stage.dispatcher.settled();
  expect(stage.take()).toEqual([]);
}, 60_000);
