import fc from 'fast-check';
import { itemUri, parseItemUri, xmppUri } from '../../../src/formats/item-uri.js';

test('colons stay as they are, for Movim decodes nothing', () => {
  expect(itemUri({ jid: 'alice@social.test', node: 'urn:xmpp:microblog:0:comments/a1', item: 'b2' })).toBe('xmpp:alice@social.test?;node=urn:xmpp:microblog:0:comments/a1;item=b2');
  expect(itemUri({ jid: 'social.test', node: 'urn:xmpp:microblog:0', item: null })).toBe('xmpp:social.test?;node=urn:xmpp:microblog:0');
});

test('what no URI may hold is encoded', () => {
  expect(xmppUri('bob\\40pod.test@social.test')).toBe('xmpp:bob%5C40pod.test@social.test');
  expect(xmppUri('bob@chat.test')).toBe('xmpp:bob@chat.test');
});

test.each([
  ["Libervia's, percent-encoded", 'xmpp:alice@social.test?;node=urn%3Axmpp%3Amicroblog%3A0;item=a1', { jid: 'alice@social.test', node: 'urn:xmpp:microblog:0', item: 'a1' }],
  ["Movim's, as it is", 'xmpp:alice@social.test?;node=urn:xmpp:microblog:0;item=a1', { jid: 'alice@social.test', node: 'urn:xmpp:microblog:0', item: 'a1' }],
  ['with a query type', 'xmpp:social.test?pubsub;action=retrieve;node=n;item=a%20b', { jid: 'social.test', node: 'n', item: 'a b' }],
  ['with a lone percent sign', 'xmpp:social.test?;node=100%;item=i', { jid: 'social.test', node: '100%', item: 'i' }],
  ['of a node alone', 'xmpp:social.test?;node=n', { jid: 'social.test', node: 'n', item: null }],
])('a URI %s is read', (_name, uri, expected) => {
  expect(parseItemUri(uri)).toEqual(expected);
});

test.each(['', 'xmpp:alice@social.test', 'https://e.test/?;node=n', 'xmpp:a@b?;item=i', 'xmpp:?;node=n', 'xmpp:a@b?;node='])('%j names no node', (uri) => {
  expect(parseItemUri(uri)).toBeNull();
});

test('whatever is written is read back the same', () => {
  const part = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(part, part, fc.option(part), (jid, node, item) => {
      expect(parseItemUri(itemUri({ jid, node, item }))).toEqual({ jid, node, item });
    }),
  );
});
