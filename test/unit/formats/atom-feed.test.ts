import type { Actor } from '../../../src/domain/actor.js';
import type { Post } from '../../../src/domain/post.js';
import { decodeEntry, encodeEntry } from '../../../src/formats/atom-entry.js';
import { encodeFeed, type Feed, webEntry } from '../../../src/formats/atom-feed.js';
import { NS } from '../../../src/formats/namespaces.js';
import { renderMarkdown } from '../../../src/services/text.js';
import { type Element, parseUntrusted, serialize } from '../../../src/xml.js';

const alice: Actor = { id: 1, isLocal: true, username: 'alice', domain: 'social.test', profile: { displayName: 'Alice & Co.', summary: '', avatar: null, banner: null } };
const page = 'https://social.test/u/alice';

function entryOf(markdown: string, guid: string): Element {
  const { html, title, tags } = renderMarkdown(markdown);
  const webUrl = `https://social.test/posts/${guid}`;
  const post: Post = { guid, authorId: 1, kind: 'note', reshareOf: null, atomId: webUrl, title, markdown, html, language: '', tags, audience: { to: 'public' }, createdAt: 0, editedAt: null, deletedAt: null };
  return encodeEntry(post, alice, { authorJid: 'alice@social.test', webUrl, itemUri: `xmpp:alice@social.test?;node=urn:xmpp:microblog:0;item=${guid}`, commentsUri: null });
}

const feed = (changes: Partial<Feed> = {}): Element =>
  parseUntrusted(
    serialize(
      encodeFeed({ id: page, title: 'Alice & Co.', subtitle: '', author: { name: 'Alice & Co.', uri: page }, updatedAt: 1, links: { self: `${page}/feed.atom`, alternate: page }, entries: [entryOf('short', 'a'.repeat(32)), entryOf('**longer** text', 'b'.repeat(32))], ...changes }),
    ),
  );

/** RFC 4287 §4.1.1, §4.1.2: what must be there, and what only once. */
function expectValid(element: Element): void {
  const count = (name: string): number => element.getChildren(name, NS.ATOM).length;
  for (const name of ['id', 'title', 'updated']) expect(count(name)).toBe(1);
  for (const name of ['content', 'published', 'subtitle', 'generator']) expect(count(name)).toBeLessThanOrEqual(1);
  expect(element.getChild('author')?.getChildText('name')).toBeTruthy();
  expect(element.getChildText('updated')).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  const alternates = element.getChildren('link', NS.ATOM).filter(({ attrs }) => attrs.rel === 'alternate');
  expect(alternates.length).toBeGreaterThan(0);
  expect(new Set(alternates.map(({ attrs }) => attrs.type)).size).toBe(alternates.length);
}

test('a feed and its entries are what RFC 4287 asks for', () => {
  const element = feed();
  expectValid(element);
  const entries = element.getChildren('entry');
  expect(entries).toHaveLength(2);
  entries.forEach(expectValid);
});

test('the pages of a feed lead to each other', () => {
  const links = { self: `${page}/feed.atom?older=x`, alternate: page, first: `${page}/feed.atom`, next: `${page}/feed.atom?older=y`, previous: null };
  expect(feed({ links }).getChildren('link').map(({ attrs }) => [attrs.rel, attrs.href])).toEqual([
    ['self', links.self],
    ['alternate', page],
    ['first', links.first],
    ['next', links.next],
  ]);
});

test('of the two contents of an entry the web gets the XHTML', () => {
  const entry = entryOf('**longer** text', 'b'.repeat(32));
  expect(webEntry(entry).getChildren('content').map(({ attrs }) => attrs.type)).toEqual(['xhtml']);
  expect(entry.getChildren('content')).toHaveLength(2);
  expect(decodeEntry(parseUntrusted(serialize(webEntry(entry)))).text).toBe('**longer** text');
});

test('an empty feed is one too', () => {
  expectValid(feed({ entries: [], subtitle: 'about', language: 'en' }));
});
