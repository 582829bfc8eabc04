// The entry as it arrives, through real servers: its parts, their namespaces and their order are those that Movim, Libervia and OneSocialWeb read in full
// (test/fixtures/wire/canonical). What the codec writes is compared in test/unit/formats/atom-entry.test.ts.
import { readFileSync } from 'node:fs';
import { isEvent, items, subscribeTo } from '../support/follow.js';
import { SERVERS } from '../support/servers/index.js';
import { type Element, parse } from '../support/xmpp-client.js';
import { openScene } from '../support/xmpp-scene.js';

const XHTML = 'http://www.w3.org/1999/xhtml';
const CANONICAL = parse(readFileSync(new URL('../fixtures/wire/canonical/entry.xml', import.meta.url), 'utf8'));

/** Not in every post: attachments, replies and places. */
const isElsewhere = (line: string): boolean => /enclosure|in-reply-to|geoloc/.test(line);

/** Names, namespaces and fixed attributes, two levels deep. Servers write prefixes anew, so these do not count. */
function outline(entry: Element): string[] {
  const line = (element: Element): string => {
    const fixed = ['type', 'rel', 'permission'].flatMap((name) => (element.attrs[name] ? [`${name}=${element.attrs[name]}`] : []));
    return [`{${element.getNS()}}${element.getName()}`, ...fixed].join(' ');
  };
  return entry
    .getChildElements()
    .map((child) => [line(child), ...child.getChildElements().filter((one) => one.getNS() !== XHTML).map(line)].join(' > '))
    .filter((text) => !isElsewhere(text));
}

describe.each(SERVERS)('on %s', (name) => {
  const scene = openScene(name);

  test('in an event and in an answer an entry has the parts of the canonical one, in its order', async () => {
    const { account: alice } = await scene.author();
    const romeo = await scene.reader();
    await subscribeTo(romeo, alice.jid);
    const post = await scene.app.posts(alice, '# Dinosaurs & <friends>\n\nA **long** text [l](https://e.test/?a=1&b=2) about #XMPP.', { to: 'public' });
    const event = await romeo.receives(isEvent(alice.jid), 'the post');
    const answer = await romeo.request(items(alice.jid, { ids: [post.guid] }));
    // The object of ours has an id, too.
    const expected = outline(CANONICAL).map((line) => line.replace('object-type > ', 'object-type > {http://www.w3.org/2005/Atom}id > '));
    expect(expected.length).toBeGreaterThan(12);
    for (const list of [event.getChild('event')!.getChild('items')!, answer.getChild('pubsub')!.getChild('items')!]) {
      const item = list.getChild('item')!;
      expect(item.attrs).toMatchObject({ id: post.guid, publisher: alice.jid });
      expect(item.getChildElements().map((child) => child.attrs.xmlns)).toEqual(['http://www.w3.org/2005/Atom']);
      expect(outline(item.getChild('entry')!)).toEqual(expected);
    }
  });
});
