import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import type { Actor } from '../../../src/domain/actor.js';
import { parsePostText, type Post } from '../../../src/domain/post.js';
import { commentsNodeOf, decodeEntry, ENTRY_MAX_BYTES, encodeEntry, encodeReshare, markdownOfEntry, markdownOfOwnEntry, ownLinks, sharedBy } from '../../../src/formats/atom-entry.js';
import { itemUri } from '../../../src/formats/item-uri.js';
import { commentsNode, NS } from '../../../src/formats/namespaces.js';
import { renderMarkdown } from '../../../src/services/text.js';
import { type Element, parseUntrusted, serialize, xml } from '../../../src/xml.js';

const fixture = (path: string): Element => parseUntrusted(readFileSync(new URL(`../../fixtures/wire/${path}`, import.meta.url), 'utf8'));

const guid = '0192f0aa00007000800000000000000a';
const alice: Actor = { id: 1, isLocal: true, username: 'alice', domain: 'social.test', profile: { displayName: 'Alice A.', summary: '', avatar: null, banner: null } };
const links = {
  authorJid: 'alice@social.test',
  webUrl: `https://social.test/posts/${guid}`,
  itemUri: itemUri({ jid: 'alice@social.test', node: NS.MICROBLOG, item: guid }),
  commentsUri: itemUri({ jid: 'alice@social.test', node: commentsNode(guid), item: null }),
};

function postOf(markdown: string, changes: Partial<Post> = {}): Post {
  const { html, title, tags } = renderMarkdown(markdown);
  const createdAt = Date.UTC(2026, 10, 21, 9);
  return { guid, authorId: 1, kind: 'note', reshareOf: null, atomId: links.webUrl, title, markdown, html, language: 'en', tags, audience: { to: 'public' }, createdAt, editedAt: null, deletedAt: null, ...changes };
}
const encode = (markdown: string, changes?: Partial<Post>): Element => parseUntrusted(serialize(encodeEntry(postOf(markdown, changes), alice, links)));

/** Names and fixed attributes, two levels deep: what the old readers depend on. */
const outline = (element: Element): string[] =>
  element.getChildElements().map((child) => {
    const fixed = ['type', 'rel', 'permission', 'xmlns', 'xmlns:activity', 'xmlns:osw'].flatMap((name) => (child.attrs[name] ? [`${name}=${child.attrs[name]}`] : []));
    const inside = child.getNS() === NS.XHTML ? [] : child.getChildElements().map((one) => one.name);
    return [child.name, ...fixed, ...inside].join(' ');
  });

const LONG = '# Dinosaurs & <friends>\n\nA **long** text [l](https://e.test/?a=1&b=2) about #XMPP.\n\nIt ends here.';

describe('writing', () => {
  test('an entry has the parts of the canonical one, in its order', () => {
    // Not in every post: attachments, replies and places.
    const later = (line: string): boolean => !/enclosure|in-reply-to|geoloc/.test(line);
    const expected = outline(fixture('canonical/entry.xml')).filter(later);
    expect(outline(encode(LONG)).map((line) => line.replace('object-type id content', 'object-type content'))).toEqual(expected);
    expect(encode(LONG).attrs).toEqual({ xmlns: NS.ATOM, 'xml:lang': 'en' });
  });

  test('the values stand where they belong', () => {
    const entry = encode(LONG, { editedAt: Date.UTC(2026, 10, 22) });
    expect(entry.getChildText('id')).toBe(links.webUrl);
    expect(entry.getChildText('title')).toBe('Dinosaurs & <friends>');
    expect(entry.getChildText('published')).toBe('2026-11-21T09:00:00.000Z');
    expect(entry.getChildText('updated')).toBe('2026-11-22T00:00:00.000Z');
    expect(entry.getChild('author')!.getChildText('name')).toBe('Alice A.');
    expect(entry.getChild('author')!.getChildText('uri')).toBe('xmpp:alice@social.test');
    expect(entry.getChildren('content')[0]!.getText()).toBe(LONG);
    expect(serialize(entry.getChildren('content')[1]!.getChild('div')!)).toBe(
      `<div xmlns="${NS.XHTML}"><h2>Dinosaurs &amp; &lt;friends&gt;</h2><p>A <strong>long</strong> text <a href="https://e.test/?a=1&amp;b=2" rel="nofollow noopener ugc">l</a> about #XMPP.</p><p>It ends here.</p></div>`,
    );
    expect(entry.getChildren('category').map(({ attrs }) => attrs.term)).toEqual(['xmpp']);
    expect(entry.getChildren('link').map(({ attrs }) => attrs.href)).toEqual([links.webUrl, `xmpp:alice@social.test?;node=urn:xmpp:microblog:0;item=${guid}`, `xmpp:alice@social.test?;node=urn:xmpp:microblog:0:comments/${guid}`]);
    expect(entry.getChildText('verb', NS.ACTIVITY)).toBe('http://activitystrea.ms/schema/1.0/post');
    expect(entry.getChild('object', NS.ACTIVITY)!.getChildText('content')).toBe(LONG);
  });

  test('what Movim must read carries no prefix, what Diaspora-X looks for carries its own', () => {
    const text = serialize(encodeEntry(postOf(LONG), alice, links));
    const prefixed = [...text.matchAll(/<([\w-]+):/g)].map(([, prefix]) => prefix);
    expect(new Set(prefixed)).toEqual(new Set(['activity', 'osw']));
  });

  test('a short post is its title: a content would be shown a second time', () => {
    const entry = encode('Hello & welcome #world');
    expect(entry.getChildText('title')).toBe('Hello & welcome #world');
    expect(entry.getChildren('content')).toEqual([]);
    expect(entry.getChild('object', NS.ACTIVITY)!.getChildText('content')).toBe('Hello & welcome #world');
    expect(decodeEntry(entry).text).toBe('Hello & welcome #world');
  });

  test.each(['*Hello*', 'See https://e.test/', 'a\nb', 'x'.repeat(141), '# Hello', '&amp;'])('%j has a content, for its title does not say all', (markdown) => {
    expect(encode(markdown).getChildren('content')).toHaveLength(2);
  });

  test.each([
    ['public', { to: 'public' }, { to: 'public' }],
    ['contacts', { to: 'contacts' }, { to: 'contacts' }],
    ['aspects, whose names stay here,', { to: 'aspects', aspectIds: [7] }, { to: 'groups', names: ['limited'] }],
  ] as const)('a post for %s says so in its acl-rule', (_name, audience, acl) => {
    expect(decodeEntry(encode('x', { audience: audience as Post['audience'] })).acl).toEqual(acl);
  });

  test.each([
    ['many paragraphs', Array.from({ length: 750 }, (_, index) => `Paragraph ${index} with words & marks <x> enough to fill a line or so of the page.`).join('\n\n')],
    ['one paragraph', 'word '.repeat(13_000).trim()],
    ['one word', 'x'.repeat(65_000)],
    ['ampersands', '&'.repeat(65_536)],
    ['text whose HTML is much longer', '*a*b '.repeat(2_400).trim()],
    ['astral characters', '🦖'.repeat(16_000)],
    ['tags', Array.from({ length: 4000 }, (_, index) => `#${'ж'.repeat(50)}${index}`).join(' ').slice(0, 30_000)],
    ['lines', 'a\n'.repeat(30_000).trim()],
  ])('a long post of %s stays small, well-formed, and leads to the page', (_name, text) => {
    const markdown = parsePostText(text);
    const wire = serialize(encodeEntry(postOf(markdown), alice, links));
    expect(Buffer.byteLength(wire)).toBeLessThanOrEqual(ENTRY_MAX_BYTES);
    expect(wire).not.toContain('\ufffd');
    const entry = parseUntrusted(wire);
    const [plain, xhtml] = entry.getChildren('content');
    if (plain!.getText() !== markdown) expect(plain!.getText()).toMatch(new RegExp(`…\\n\\n${links.webUrl}$`));
    expect(plain!.getText().length).toBeGreaterThan(1000);
    expect(serialize(xhtml!)).toContain(links.webUrl);
  });

  test('a post just below the bound is sent whole', () => {
    const markdown = 'Words and words.\n\n'.repeat(400).trim();
    const entry = encode(markdown);
    expect(entry.getChildren('content')[0]!.getText()).toBe(markdown);
    expect(serialize(entry)).not.toContain('…');
  });

  test('stored HTML that is broken goes out as plain paragraphs', () => {
    const entry = encode('a *b*\n\nc', { html: '<p>a <em>b</p>' });
    expect(serialize(entry.getChildren('content')[1]!.getChild('div')!)).toBe(`<div xmlns="${NS.XHTML}"><p>a *b*</p><p>c</p></div>`);
  });

  test('any post is read back as it was written', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.array(fc.constantFrom('*', '_', '`', '[', '](', ')', '<', '>', '&', '#a', ' ', '\n', '\n\n', ']]>', '&#0;', '- ', '|', 'https://e.test/')).map((parts) => parts.join(''))).filter((text) => /[^\s\p{C}]/u.test(text)), (text) => {
        const markdown = parsePostText(text);
        const post = postOf(markdown);
        const entry = parseUntrusted(serialize(encodeEntry(post, alice, links)));
        expect(decodeEntry(entry)).toMatchObject({ text: markdown, tags: post.tags, verb: 'post', objectType: 'status', acl: { to: 'public' }, authorUri: 'xmpp:alice@social.test', authorName: 'Alice A.', language: 'en', atomId: post.atomId, published: post.createdAt, updated: post.createdAt });
      }),
      { numRuns: 300 },
    );
  });
});

describe('a reshare', () => {
  const bob: Actor = { ...alice, id: 2, username: 'bob', profile: { ...alice.profile, displayName: 'Bob' } };
  const own = { ...postOf('', { guid: '0192f0aa00007000800000000000000b' }), kind: 'reshare' as const, reshareOf: guid };
  const reshare = (markdown: string | null): Element => {
    const post = markdown === null ? null : postOf(markdown);
    return parseUntrusted(serialize(encodeReshare(own, bob, ownLinks('bob@social.test', { ...own, atomId: 'https://social.test/posts/b' }), post && { post, author: alice, links })));
  };

  test('is the root under its author’s name, with via and the root’s comments, and says whose it is', () => {
    const entry = reshare(LONG);
    expect(entry.getChild('author')!.getChildText('uri')).toBe('xmpp:alice@social.test');
    expect(entry.getChildText('title')).toBe('Alice A. (alice@social.test): Dinosaurs & <friends>');
    const decoded = decodeEntry(entry);
    expect(decoded.text.startsWith('Alice A. (alice@social.test):\n\n')).toBe(true);
    expect(decoded.text.endsWith(LONG)).toBe(true);
    expect(decoded.verb).toBe('share');
    expect(sharedBy(decoded)).toEqual({ item: { jid: 'alice@social.test', node: NS.MICROBLOG, item: guid }, href: links.itemUri, ref: links.webUrl });
    expect(commentsNodeOf(decoded)).toEqual({ jid: 'alice@social.test', node: commentsNode(guid), item: null });
    expect(outline(entry).filter((line) => !/rel=via/.test(line))).toEqual(outline(encode(LONG)));
  });
  test('of a short root is its title alone', () => {
    expect(reshare('Hello').getChildren('content')).toEqual([]);
    expect(reshare('Hello').getChildText('title')).toBe('Alice A. (alice@social.test): Hello');
  });
  test('of a root that is no longer there says only that', () => {
    const entry = reshare(null);
    expect(entry.getChildText('title')).toBe('This post is no longer there.');
    expect(sharedBy(decodeEntry(entry))).toBeNull();
    expect(serialize(entry)).not.toContain('alice');
  });
  test('of a long root stays small', () => {
    const wire = serialize(reshare('word '.repeat(13_000).trim()));
    expect(Buffer.byteLength(wire)).toBeLessThanOrEqual(ENTRY_MAX_BYTES);
    expect(wire).toContain(`…`);
  });
  test.each(['movim-0.34.1/share.xml', 'libervia-0.9/repeat.xml'])('%s names what it shares', (path) => {
    expect(sharedBy(decodeEntry(fixture(path)))!.item).toEqual({ jid: 'alice@social.test', node: NS.MICROBLOG, item: guid });
    expect(commentsNodeOf(decodeEntry(fixture(path)))).toEqual({ jid: 'alice@social.test', node: commentsNode(guid), item: null });
  });
  test('Movim’s empty via is none', () => {
    expect(sharedBy(decodeEntry(fixture('movim-0.34.1/article.xml')))).toBeNull();
    expect(commentsNodeOf(decodeEntry(fixture('movim-0.34.1/article.xml')))).toBeNull();
  });
});

describe('reading', () => {
  test('the canonical entry is read in full', () => {
    const decoded = decodeEntry(fixture('canonical/entry.xml'));
    expect(decoded).toMatchObject({
      atomId: 'tag:chat.test,2026-11-21:posts-canon-post-0001',
      title: 'Dinosaurs & <friends> #xmpp',
      text: 'Dinosaurs & <friends> #xmpp: text form',
      published: Date.UTC(2026, 10, 21, 9),
      authorName: 'Carol C.',
      authorUri: 'xmpp:carol@chat.test',
      tags: ['xmpp'],
      inReplyTo: { ref: 'tag:chat.test,2026:1', href: 'xmpp:alice@chat.test?;node=urn:xmpp:microblog:0;item=sixth-post-1' },
      verb: 'post',
      objectType: 'status',
      acl: { to: 'public' },
      language: 'en',
    });
    expect(decoded.links.map(({ rel }) => rel)).toEqual(['alternate', 'alternate', 'replies', 'enclosure']);
  });

  test("Movim's brief post is its title, its id the bare item id, its author a URI without a name", () => {
    expect(decodeEntry(fixture('movim-0.34.1/short.xml'))).toMatchObject({ atomId: '6f1c2b5e-short-1', text: 'Just a brief one #Hello', authorName: null, authorUri: 'xmpp:bob@chat.test', tags: ['hello'], acl: null, published: Date.UTC(2026, 10, 20, 18, 30) });
  });

  test("Movim's article has Markdown as its text, and keeps its title as a heading", () => {
    const decoded = decodeEntry(fixture('movim-0.34.1/article.xml'));
    expect(decoded).toMatchObject({ title: 'My trip', text: 'We went to **Brittany**.\n\nIt rained.' });
    expect(markdownOfEntry(decoded)).toBe('# My trip\n\nWe went to **Brittany**.\n\nIt rained.');
    expect(decoded.links.map(({ rel }) => rel)).toEqual(['alternate', 'enclosure', 'related']);
  });

  test('an entry of ours that comes back keeps its text, whatever its title', () => {
    for (const markdown of [LONG, 'short', `**bold** start ${'x'.repeat(200)}`, 'two\nlines']) expect(markdownOfEntry(decodeEntry(encode(markdown)))).toBe(markdown);
  });

  test("Libervia's post has its language and a percent-encoded comments link", () => {
    expect(decodeEntry(fixture('libervia-0.9/post.xml'))).toMatchObject({ title: 'Bonjour', text: 'Salut à *tous*', language: 'fr', acl: null, verb: 'post' });
  });

  test("of Libervia's two titles the plain one is the title, and the text has the marks of the other", () => {
    expect(decodeEntry(fixture('libervia-0.9/comment.xml'))).toMatchObject({ title: 'I agree', text: 'I **agree**' });
  });

  const both = (text: string, xhtml: string, more = '') => parseUntrusted(`<entry xmlns='${NS.ATOM}'><content type='xhtml'><div xmlns='${NS.XHTML}'>${xhtml}</div></content><content type='text'>${text}</content>${more}</entry>`);

  test.each([
    ['without its marks', 'bold and a link\n\none', '<p><strong>bold</strong> and a <a href="https://e.test/">link</a></p><ul><li>one</li></ul>', '**bold** and a [link](<https://e.test/>)\n\n- one'],
    ['without its picture', 'look', '<p>look<img src="https://e.test/p.png"/></p>', 'look![](<https://e.test/p.png>)'],
    ['with tags that its server made links of', 'I am loud #here', '<p>I am <b>loud</b> <a href="https://e.test/tags/here">#here</a></p>', 'I am **loud** #here'],
  ])('text that is the XHTML %s says less than the XHTML', (_name, text, xhtml, expected) => {
    expect(decodeEntry(both(text, xhtml)).text).toBe(expected);
  });

  test.each([
    ['Markdown', '**bold** &amp; 1 * 1', '<p><strong>bold</strong> &amp; 1 * 1</p>', '**bold** & 1 * 1'],
    ['as rich as the XHTML', 'a * b #tag @bob@e.test https://e.test/`', '<p>a * b <a href="https://e.test/tags/tag">#tag</a> <a href="https://e.test/u/bob">@bob@e.test</a><br/><a href="https://e.test/%60">https://e.test/`</a></p>', 'a * b #tag @bob@e.test https://e.test/`'],
    ['something else', 'a summary', '<p>The <em>whole</em> story</p>', 'a summary'],
  ])('text that is %s counts', (_name, text, xhtml, expected) => {
    expect(decodeEntry(both(text, xhtml)).text).toBe(expected);
  });

  test('a title alone is the text, with its lines and marks, and no heading', () => {
    const titles = (text: string, xhtml = '') => decodeEntry(parseUntrusted(`<entry xmlns='${NS.ATOM}'>${xhtml && `<title type='xhtml'><div xmlns='${NS.XHTML}'>${xhtml}</div></title>`}<title type='text'>${text}</title></entry>`));
    expect(markdownOfEntry(titles('two\nlines'))).toBe('two\nlines');
    const linked = titles('see this page', '<p>see <a href="https://e.test/">this</a> <b>page</b></p>');
    expect([linked.title, markdownOfEntry(linked)]).toEqual(['see this page', 'see [this](<https://e.test/>) **page**']);
  });

  test('categories of an own post stand in its text, each once', () => {
    const categories = ['Dinosaurs', 'here', 'open source', '#x y', '***'].map((term) => `<category term='${term}'/>`).join('');
    expect(markdownOfOwnEntry(decodeEntry(both('I am #Here', '<p>I am #Here</p>', categories)))).toBe('I am #Here\n\n#dinosaurs #open-source #x-y');
    expect(markdownOfOwnEntry(decodeEntry(both('#here', '<p>#here</p>', "<category term='here'/>")))).toBe('#here');
  });

  test("OneSocialWeb's content, actor and group are found, blanks and slashes aside", () => {
    expect(decodeEntry(fixture('onesocialweb-0.6.1/status.xml'))).toMatchObject({ text: 'Out in the sun, at last', verb: 'post', objectType: 'status', authorUri: 'xmpp:alice@osw.test', authorName: 'Alice', acl: { to: 'groups', names: ['friends'] }, updated: null });
  });

  test("Diaspora-X's fixture, without author and id, is read", () => {
    const entry = fixture('diaspora-x-506caae/post.xml').getChild('event')!.getChild('items')!.getChild('item')!.getChild('entry')!;
    expect(decodeEntry(entry)).toMatchObject({ atomId: null, authorUri: null, text: 'Hello from the other side', verb: 'post', acl: { to: 'public' } });
  });

  test("buddycloud's short verbs mean the same, and without an acl-rule it is for contacts", () => {
    expect(decodeEntry(fixture('buddycloud-2014/post.xml'))).toMatchObject({ text: 'Channel post', verb: 'post', objectType: 'note', acl: { to: 'contacts' }, inReplyTo: { ref: 'bc-0', href: null } });
  });

  test('of a hostile XHTML content only text and good links stay', () => {
    const decoded = decodeEntry(fixture('hostile/xhtml.xml'));
    expect(decoded.title).toBe('Title');
    expect(decoded.text).toBe('Some **\\*text\\*** here and [there](<https://ok.test/%3Cx%3E>) \\[x\\](javascript:alert(1)) \\<script\\>picture');
    expect(decoded.links).toEqual([]);
    const { html } = renderMarkdown(decoded.text);
    expect(html).not.toMatch(/<script|<img|<style|href="javascript/);
  });

  const entry = (...children: (Element | null)[]): Element => xml('entry', { xmlns: NS.ATOM }, xml('title', null, 'T'), ...children);
  const activity = (name: string, ...text: (string | Element)[]): Element => xml(name, { xmlns: NS.ACTIVITY }, ...text);

  test.each([
    ['http://activitystrea.ms/schema/1.0/like', 'like'],
    ['http://activitystrea.ms/schema/1.0/favorite/', 'like'],
    ['share', 'share'],
    [' post/ ', 'post'],
    ['POST', 'post'],
    ['http://activitystrea.ms/schema/1.0/rsvp-yes', 'unknown'],
    ['constructor', 'unknown'],
  ])('the verb %j is %s', (verb, expected) => {
    expect(decodeEntry(entry(activity('verb', verb))).verb).toBe(expected);
  });

  const rule = (permission: string, type: string, subject = '', action = 'view'): Element =>
    xml('acl-rule', { xmlns: NS.OSW }, xml('acl-action', { permission: `${NS.OSW}acl/permission/${permission}` }, ` ${NS.OSW}acl/action/${action} `), xml('acl-subject', { type: `${NS.OSW}acl/subject/${type}` }, subject));
  test.each([
    ['everyone', [rule('grant', 'everyone')], { to: 'public' }],
    ['a person', [rule('grant', 'person', ' bob@chat.test ')], { to: 'people', addresses: ['bob@chat.test'] }],
    ['two groups', [rule('grant', 'group', 'a'), rule('grant', 'group', 'b')], { to: 'groups', names: ['a', 'b'] }],
    ['everyone but one', [rule('grant', 'everyone'), rule('deny', 'person', 'bob@chat.test')], { to: 'contacts' }],
    ['a subject that we do not know', [rule('grant', 'galaxy')], { to: 'contacts' }],
    ['a group without a name', [rule('grant', 'group')], { to: 'contacts' }],
    ['leave to delete alone', [rule('grant', 'everyone', '', 'delete')], { to: 'contacts' }],
  ])('an acl-rule for %s is understood, and in doubt narrowly', (_name, rules, acl) => {
    expect(decodeEntry(entry(...rules)).acl).toEqual(acl);
  });

  test.each([
    ['2026-11-21T09:00:00Z', Date.UTC(2026, 10, 21, 9)],
    ['2026-11-21T09:00:00.250+01:00', Date.UTC(2026, 10, 21, 8, 0, 0, 250)],
    ['2026-13-01T00:00:00Z', null],
    ['yesterday', null],
    ['2026', null],
  ])('the time %j is %j', (text, time) => {
    expect(decodeEntry(entry(xml('published', null, text))).published).toBe(time);
  });

  test('an HTML content is read by allow-list when there is nothing better', () => {
    const html = (text: string): Element => xml('content', { type: 'html' }, text);
    expect(decodeEntry(entry(html('<p>Hi <b>you</b><script>x</script></p>'))).text).toBe('Hi **you**');
    expect(decodeEntry(entry(html('<p>no</p>'), xml('content', null, 'plain'))).text).toBe('plain');
  });

  test('a content that is elsewhere is none', () => {
    expect(decodeEntry(entry(xml('content', { src: 'https://e.test/', type: 'text' }))).text).toBe('T');
  });

  test('the one entry of a feed is read', () => {
    expect(decodeEntry(xml('feed', { xmlns: NS.ATOM }, entry())).text).toBe('T');
  });

  test('of several replies the XMPP one counts', () => {
    const reply = (href: string): Element => xml('in-reply-to', { xmlns: NS.THREAD, ref: 'r', href });
    expect(decodeEntry(entry(reply('https://e.test/'), reply('xmpp:a@b?;node=n;item=i'))).inReplyTo!.href).toBe('xmpp:a@b?;node=n;item=i');
  });

  test('links and tags are bounded', () => {
    const many = Array.from({ length: 500 }, (_, index) => [xml('link', { href: `https://e.test/${index}` }), xml('category', { term: `t${index}` })]).flat();
    const decoded = decodeEntry(entry(...many));
    expect(decoded.links).toHaveLength(50);
    expect(decoded.tags).toHaveLength(50);
  });

  // Each is read in time that grows with its length; where it grew with the square, the test would run into its time limit.
  const long = (part: string): string => `${part.repeat(Math.floor(250_000 / part.length))}x`;
  test.each(['-', '/', ' ', '\n', '#', '*', '_', '&', '1.', '@', ':'])('a very long run of %j is read at once, wherever it stands', (part) => {
    const text = long(part);
    const place = (...children: Element[]): void => {
      expect(decodeEntry(entry(...children)).title).toBe('T');
    };
    const html = text.slice(-60_000);
    place(xml('content', null, text), activity('verb', text), activity('object', activity('object-type', text)), rule('grant', text, text, text));
    place(xml('content', { type: 'xhtml' }, xml('b', null, text), xml('pre', null, text), xml('code', null, text), xml('a', { href: `https://e.test/${text}` }, text)));
    place(xml('content', { type: 'html' }, `<b>${html}</b><pre>${html}</pre>`), xml('category', { term: text }), xml('link', { href: text }), xml('published', null, text));
    expect(decodeEntry(xml('entry', { xmlns: NS.ATOM }, xml('title', null, text))).text.length).toBeGreaterThan(0);
  });

  test('a very long run of breaks in bold text is read at once', () => {
    const breaks = Array.from({ length: 50_000 }, () => xml('br'));
    expect(decodeEntry(entry(xml('content', { type: 'xhtml' }, xml('b', null, 'a', ...breaks, 'b')))).text).toMatch(/^\*\*a\n+b\*\*$/);
  });

  let deep = xml('b');
  for (let depth = 0; depth < 20_000; depth += 1) deep = xml('b', null, deep);
  test.each([
    ['no entry', xml('metadata', { xmlns: NS.AVATAR_METADATA })],
    ['an entry of no namespace', xml('entry', null, xml('title', null, 'x'))],
    ['a feed without entries', xml('feed', { xmlns: NS.ATOM }, xml('title', null, 'x'))],
    ['an empty entry', xml('entry', { xmlns: NS.ATOM })],
    ['blank texts', xml('entry', { xmlns: NS.ATOM }, xml('title', null, '  '), xml('content', null, '\n'))],
    ['a title of another namespace', xml('entry', { xmlns: NS.ATOM }, xml('title', { xmlns: 'urn:x' }, 'x'))],
    ['endless nesting', entry(xml('content', { type: 'xhtml' }, deep))],
    ['HTML of endless nesting', entry(xml('content', { type: 'html' }, '<b>'.repeat(1500)))],
  ])('%s is refused', (_name, payload) => {
    expect(() => decodeEntry(payload)).toThrow(expect.objectContaining({ name: 'DomainError', code: 'invalid' }));
  });
});
