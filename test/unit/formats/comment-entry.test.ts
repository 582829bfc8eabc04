import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import type { Actor } from '../../../src/domain/actor.js';
import { type Comment, parseCommentText } from '../../../src/domain/comment.js';
import { COMMENT_ENTRY_MAX_BYTES, type CommentLinks, decodeComment, encodeComment, encodeHeart } from '../../../src/formats/comment-entry.js';
import { NS } from '../../../src/formats/namespaces.js';
import { renderMarkdown } from '../../../src/services/text.js';
import { type Element, parseUntrusted, serialize } from '../../../src/xml.js';

const fixture = (path: string): Element => parseUntrusted(readFileSync(new URL(`../../fixtures/wire/${path}`, import.meta.url), 'utf8'));

const bob: Actor = { id: 2, isLocal: false, username: 'bob', domain: 'chat.test', profile: { displayName: 'Bob', summary: '', avatar: null, banner: null } };
const post = { atomId: 'https://social.test/posts/p', webUrl: 'https://social.test/posts/p', itemUri: 'xmpp:alice@social.test?;node=urn:xmpp:microblog:0;item=p' };
const links: CommentLinks = {
  authorJid: 'bob@chat.test',
  webUrl: `${post.webUrl}#comment-c`,
  itemUri: 'xmpp:alice@social.test?;node=urn:xmpp:microblog:0:comments/p;item=c',
  post,
};
const AT = Date.UTC(2026, 10, 21, 9);
const commentOf = (markdown: string, change: Partial<Comment> = {}): Comment => ({
  ...{ guid: 'c', postGuid: 'p', authorId: 2, itemId: 'c', markdown, html: renderMarkdown(markdown).html, createdAt: AT, editedAt: null, deletedAt: null },
  ...change,
});
const encode = (markdown: string, change?: Partial<Comment>): Element => parseUntrusted(serialize(encodeComment(commentOf(markdown, change), bob, links)));

describe('writing', () => {
  test('the whole text of a comment is its title, and there is no content: Movim shows the title alone', () => {
    const entry = encode('Me, too.\nReally & truly', { editedAt: AT + 1000 });
    expect(entry.getChildren('title').map((title) => [title.attrs.type, title.getText()]).at(-1)).toEqual(['text', 'Me, too.\nReally & truly']);
    expect(entry.getChildren('content')).toEqual([]);
    expect(entry.getChildText('id')).toBe(links.webUrl);
    expect([entry.getChildText('published'), entry.getChildText('updated')]).toEqual(['2026-11-21T09:00:00.000Z', '2026-11-21T09:00:01.000Z']);
    expect(entry.getChild('author')!.getChildText('uri')).toBe('xmpp:bob@chat.test');
  });

  test('plain text has one title, formatted text two, XHTML before text as in Libervia', () => {
    expect(encode('just words').getChildren('title')).toHaveLength(1);
    const titles = encode('some **bold** words').getChildren('title');
    expect(titles.map(({ attrs }) => attrs.type)).toEqual(['xhtml', 'text']);
    expect(serialize(titles[0]!.getChild('div', NS.XHTML)!)).toContain('<strong>bold</strong>');
  });

  test('what it answers is named by an XMPP URI first, and without any prefix', () => {
    const entry = encode('yes');
    expect(entry.getChildren('in-reply-to', NS.THREAD).map(({ attrs }) => attrs.href)).toEqual([post.itemUri, post.webUrl]);
    const text = serialize(encodeComment(commentOf('yes'), bob, links));
    expect(new Set([...text.matchAll(/<([\w-]+):/g)].map(([, prefix]) => prefix))).toEqual(new Set(['activity']));
  });

  test('a like is a comment of exactly the heart that Movim knows', () => {
    const entry = encodeHeart(AT, bob, links);
    expect(entry.getChildren('title').map((title) => title.getText())).toEqual(['\u2665']);
    expect(decodeComment(entry)).toEqual({ text: '♥', isLike: true, published: AT, updated: AT });
  });

  test.each([
    ['words', 'word '.repeat(3_200).trim()],
    ['ampersands', '&'.repeat(16_384)],
    ['stars', '*a* '.repeat(4_000).trim()],
  ])('a long comment of %s stays small, and leads to the page', (_name, text) => {
    const wire = serialize(encodeComment(commentOf(parseCommentText(text)), bob, links));
    expect(Buffer.byteLength(wire)).toBeLessThanOrEqual(COMMENT_ENTRY_MAX_BYTES);
    expect(decodeComment(parseUntrusted(wire)).text.length).toBeGreaterThan(1_000);
  });

  test('stored HTML that is broken goes out as text alone', () => {
    expect(encode('a *b*', { html: '<p>a <em>b</p>' }).getChildren('title')).toHaveLength(1);
  });

  test('any comment is read back as it was written', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.array(fc.constantFrom('*', '_', '`', '[', '](', ')', '<', '>', '&', ' ', '\n', '\n\n', ']]>')).map((parts) => parts.join(''))).filter((text) => /[^\s\p{C}♥]/u.test(text)), (text) => {
        const markdown = parseCommentText(text);
        expect(decodeComment(encode(markdown))).toEqual({ text: markdown, isLike: false, published: AT, updated: AT });
      }),
      { numRuns: 300 },
    );
  });
});

describe('reading', () => {
  test('Movim’s comment is its title', () => {
    expect(decodeComment(fixture('movim-0.34.1/comment.xml'))).toMatchObject({ text: 'I agree with you & her', isLike: false, published: Date.UTC(2026, 10, 20, 18, 31) });
  });
  test('Movim’s ♥ is a like', () => {
    expect(decodeComment(fixture('movim-0.34.1/like.xml')).isLike).toBe(true);
  });
  test('of Libervia’s two titles the one with the marks counts', () => {
    expect(decodeComment(fixture('libervia-0.9/comment.xml'))).toMatchObject({ text: 'I **agree**', isLike: false });
  });
  test.each([
    ['♥ you', false],
    ['♥️', false],
    [' ♥ ', true],
  ])('%j is a like: %s', (title, isLike) => {
    expect(decodeComment(parseUntrusted(`<entry xmlns='${NS.ATOM}'><title>${title}</title></entry>`)).isLike).toBe(isLike);
  });
  test('an Activity Streams 1 favorite is a like', () => {
    expect(decodeComment(parseUntrusted(`<entry xmlns='${NS.ATOM}'><title>x</title><verb xmlns='${NS.ACTIVITY}'>http://activitystrea.ms/schema/1.0/favorite</verb></entry>`)).isLike).toBe(true);
  });
  test('a comment with a content of its own says that, and a formatted title alone is Markdown', () => {
    expect(decodeComment(parseUntrusted(`<entry xmlns='${NS.ATOM}'><title>Re</title><content>all of it</content></entry>`)).text).toBe('# Re\n\nall of it');
    expect(decodeComment(parseUntrusted(`<entry xmlns='${NS.ATOM}'><title type='xhtml'><div xmlns='${NS.XHTML}'>so <b>bold</b></div></title></entry>`)).text).toBe('so **bold**');
  });
  test.each([['<entry xmlns="http://www.w3.org/2005/Atom"/>'], ['<thing xmlns="urn:x"/>'], [`<entry xmlns='${NS.ATOM}'><title> </title></entry>`]])('%s is refused', (text) => {
    expect(() => decodeComment(parseUntrusted(text))).toThrow(expect.objectContaining({ code: 'invalid' }));
  });
});
