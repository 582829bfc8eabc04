import net from 'node:net';
import { jest } from '@jest/globals';
import type { Actor } from '../../../src/domain/actor.js';
import type { Post } from '../../../src/domain/post.js';
import { AS2_PUBLIC, decodeJsonItem, decodeNote, encodeActor, encodeAnnounce, encodeCollection, encodeCollectionPage, encodeJsonItem, encodeNote, encodeNoteItem, NOTE_ITEM_MAX_BYTES } from '../../../src/formats/activitystreams2.js';
import { markdownOfOwnEntry } from '../../../src/formats/atom-entry.js';
import { NS } from '../../../src/formats/namespaces.js';
import { renderMarkdown } from '../../../src/services/text.js';
import { parseUntrusted, serialize, xml } from '../../../src/xml.js';

const guid = '0192f0aa00007000800000000000000a';
const atomId = `https://social.test/posts/${guid}`;
const actorUrl = 'https://social.test/u/alice';
const context = ['https://www.w3.org/ns/activitystreams', { Hashtag: 'as:Hashtag' }];
const alice: Actor = { id: 1, isLocal: true, username: 'alice', domain: 'social.test', profile: { displayName: 'Alice A.', summary: 'I like <dinosaurs>.\nAnd tea.', avatar: null, banner: null } };

function postOf(markdown: string, changes: Partial<Post> = {}): Post {
  const { html, title, tags } = renderMarkdown(markdown);
  return { guid, authorId: 1, kind: 'note', reshareOf: null, atomId, title, markdown, html, language: 'en', tags, audience: { to: 'public' }, createdAt: Date.UTC(2026, 10, 21, 9), editedAt: null, deletedAt: null, ...changes };
}

const note = {
  id: atomId,
  type: 'Note',
  attributedTo: actorUrl,
  to: [AS2_PUBLIC],
  cc: [`${actorUrl}/followers`],
  url: atomId,
  content: '<p>A <strong>#Dinosaur</strong> &#x26; more</p>',
  contentMap: { en: '<p>A <strong>#Dinosaur</strong> &#x26; more</p>' },
  mediaType: 'text/html',
  source: { content: 'A **#Dinosaur** & more', mediaType: 'text/markdown' },
  tag: [{ type: 'Hashtag', name: '#dinosaur' }],
  published: '2026-11-21T09:00:00.000Z',
};
const post = postOf('A **#Dinosaur** & more');

describe('writing', () => {
  // A context fetched from a stranger's choice of address would be SSRF; building must not open any connection at all.
  let connect: ReturnType<typeof jest.spyOn>;
  beforeEach(() => {
    connect = jest.spyOn(net.Socket.prototype, 'connect').mockImplementation(() => {
      throw new Error('The network was asked.');
    });
  });
  afterEach(() => {
    expect(connect).not.toHaveBeenCalled();
    connect.mockRestore();
  });

  test('a public post is a Note', async () => {
    expect(await encodeNote(post, actorUrl)).toEqual({ '@context': context, ...note });
  });

  test('an edited post tells when', async () => {
    expect(await encodeNote({ ...post, editedAt: Date.UTC(2026, 10, 22) }, actorUrl)).toMatchObject({ published: '2026-11-21T09:00:00.000Z', updated: '2026-11-22T00:00:00.000Z' });
  });

  test('a reshare is an Announce of its root, and names none that is not there', async () => {
    const reshare = { ...postOf(''), kind: 'reshare' as const, reshareOf: guid };
    expect(await encodeAnnounce(reshare, actorUrl, 'https://else.test/1')).toMatchObject({ type: 'Announce', id: reshare.atomId, actor: actorUrl, object: 'https://else.test/1', to: [AS2_PUBLIC] });
    expect(await encodeAnnounce(reshare, actorUrl, null)).toMatchObject({ type: 'Announce', object: { type: 'Tombstone' } });
  });

  test('a post for contacts goes to the followers collection, one for aspects names nobody', async () => {
    const contacts = await encodeNote(postOf('x', { audience: { to: 'contacts' } }), actorUrl);
    expect(contacts).toMatchObject({ to: [`${actorUrl}/followers`] });
    expect(contacts).not.toHaveProperty('cc');
    const aspects = await encodeNote(postOf('x', { audience: { to: 'aspects', aspectIds: [7] } }), actorUrl);
    expect(aspects).not.toHaveProperty('to');
    expect(aspects).not.toHaveProperty('cc');
  });

  test('a post without language and tags says nothing about them', async () => {
    const plain = await encodeNote(postOf('x', { language: '' }), actorUrl);
    expect(plain).not.toHaveProperty('contentMap');
    expect(plain).not.toHaveProperty('tag');
  });

  test('a person is an actor, whose summary is HTML', async () => {
    expect(await encodeActor(alice, actorUrl)).toEqual({
      '@context': context,
      id: actorUrl,
      type: 'Person',
      name: 'Alice A.',
      preferredUsername: 'alice',
      summary: '<p>I like &#x3C;dinosaurs>.<br />And tea.</p>',
      url: actorUrl,
      outbox: `${actorUrl}/outbox`,
    });
  });

  test('collections and their pages have their items in order, one or none too', async () => {
    const id = `${actorUrl}/outbox`;
    expect(await encodeCollection({ id, totalItems: 0, first: `${id}?page=1` })).toEqual({ '@context': context, id, type: 'OrderedCollection', totalItems: 0, first: `${id}?page=1` });
    expect(await encodeCollectionPage({ id: `${id}?page=1`, partOf: id, next: `${id}?older=${guid}`, prev: null, items: [await encodeNote(post, actorUrl)] })).toEqual({
      '@context': context,
      id: `${id}?page=1`,
      type: 'OrderedCollectionPage',
      partOf: id,
      next: `${id}?older=${guid}`,
      orderedItems: [note],
    });
    expect(await encodeCollectionPage({ id, partOf: id, items: [] })).toMatchObject({ orderedItems: [] });
  });

  test.each([['words '.repeat(10_000).trim()], ['&'.repeat(65_536)], ['*a*b '.repeat(13_000).trim()]])('an item stays small, whatever the post: %#', async (markdown) => {
    const item = parseUntrusted(serialize(await encodeNoteItem(postOf(markdown), actorUrl)));
    expect(Buffer.byteLength(item.getText())).toBeLessThanOrEqual(NOTE_ITEM_MAX_BYTES);
    const text = decodeNote(decodeJsonItem(item)).text;
    if (text !== markdown) expect(text.endsWith(`…\n\n${atomId}`)).toBe(true);
    expect(text.length).toBeGreaterThan(1000);
  });
});

describe('reading', () => {
  test('what we wrote is read back', async () => {
    const item = parseUntrusted(serialize(await encodeNoteItem({ ...post, editedAt: 5 }, actorUrl)));
    expect(decodeNote(decodeJsonItem(item))).toEqual({ id: atomId, title: '', text: post.markdown, published: post.createdAt, updated: 5, attributedTo: actorUrl, inReplyTo: null, tags: ['dinosaur'], url: atomId, audience: { to: 'public' }, language: 'en' });
  });

  test('a Create brings its Note, with the addressees and the actor of either', () => {
    const decoded = decodeNote({ type: 'Create', actor: { id: 'https://e.test/u/bob' }, to: 'as:Public', published: '2026-11-21T09:00:00Z', object: { type: 'Note', content: '<p>Hi <b>you</b></p><script>x</script>' } });
    expect(decoded).toMatchObject({ text: 'Hi **you**', attributedTo: 'https://e.test/u/bob', audience: { to: 'public' }, published: Date.UTC(2026, 10, 21, 9), id: null });
  });

  test.each([
    ['the Markdown source', { content: '<p>html</p>', source: { content: '*md*', mediaType: 'text/markdown' } }, '*md*'],
    ['the content, when the source is something else', { content: '<p>html</p>', source: { content: '[b]', mediaType: 'text/bbcode' } }, 'html'],
    ['plain content as it is', { content: 'a *b*', mediaType: 'text/plain' }, 'a *b*'],
    ['the content in its first language', { contentMap: { de: '<p>Hallo</p>' } }, 'Hallo'],
    ['the name, when there is nothing else', { name: ' Title ' }, 'Title'],
    ['the name, when the content is empty', { name: 'Title', content: '<p></p>' }, 'Title'],
    ['a tag as what it is, wherever its link leads', { content: '<p><a href="https://e.test/t/x">#<b>Foo</b></a></p>', tag: { type: 'Hashtag', name: '#foo' } }, '#Foo'],
    ['a link that is no tag of it as a link', { content: '<p><a href="https://e.test/t/x">#foo</a></p>' }, '[#foo](<https://e.test/t/x>)'],
  ])('of a Note is read %s', (_what, members, text) => {
    expect(decodeNote({ type: 'Note', ...members }).text).toBe(text);
  });

  test('an Article becomes a post with its name as the heading, and a Note with its tags in the text', () => {
    const own = (note: Record<string, unknown>) => markdownOfOwnEntry(decodeNote(note));
    expect(own({ type: 'Article', name: 'My  trip', content: '<p>It rained.</p>' })).toBe('# My trip\n\nIt rained.');
    expect(own({ type: 'Article', name: 'My trip', content: '# My trip\n\nIt rained.', mediaType: 'text/markdown' })).toBe('# My trip\n\nIt rained.');
    expect(own({ type: 'Note', content: 'Rain in #Brest', tag: ['#Brest', '#rain'].map((name) => ({ type: 'Hashtag', name })) })).toBe('Rain in #Brest\n\n#rain');
    // Written with a combining mark, and with a dash behind it: the tag of the post is another text.
    expect(own({ type: 'Note', content: 'a #cafe\u0301 #by-', tag: ['#café', '#by'].map((name) => ({ type: 'Hashtag', name })) })).toBe('a #cafe\u0301 #by-');
  });

  test.each([
    [{ to: [AS2_PUBLIC] }, { to: 'public' }],
    [{ to: [], cc: 'Public' }, { to: 'public' }],
    [{ to: 'https://e.test/u/bob/followers' }, { to: 'contacts' }],
    [{ to: ['https://e.test/u/carol'] }, { to: 'people', addresses: ['https://e.test/u/carol'] }],
    [{}, null],
    [{ to: [null, 7, {}] }, null],
  ])('addressed as %j it is for %j', (members, audience) => {
    expect(decodeNote({ type: 'Note', content: 'x', ...members }).audience).toEqual(audience);
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'Note'],
    ['a list', []],
    ['a Note without text', { type: 'Note' }],
    ['a Note with a number as text', { type: 'Note', content: 5 }],
    ['a Note of blanks', { type: 'Note', content: ' ', source: { content: '', mediaType: 'text/markdown' } }],
    ['a Like', { type: 'Like', object: 'https://e.test/1' }],
    ['a Create of an IRI', { type: 'Create', object: 'https://e.test/1' }],
    ['an object without type', { content: 'x' }],
    ['HTML that says nothing', { type: 'Note', content: '<script>x</script>' }],
    ['HTML of endless nesting', { type: 'Note', content: '<b>'.repeat(1000) }],
  ])('%s is refused', (_what, json) => {
    expect(() => decodeNote(json)).toThrow(expect.objectContaining({ name: 'DomainError', code: 'invalid' }));
  });

  test('a link that could run is none', () => {
    expect(decodeNote({ type: 'Note', content: 'x', url: 'javascript:alert(1)' }).url).toBeNull();
  });

  test('a container holds any JSON, characters that XML forbids included', () => {
    const value = { text: '\u0000 \u0001 ]]> <x/> & \ud83e\udd96' };
    expect(decodeJsonItem(parseUntrusted(serialize(encodeJsonItem(value))))).toEqual(value);
  });

  test.each([
    ['another element', xml('json', { xmlns: 'urn:x' }, '{}')],
    ['broken JSON', xml('json', { xmlns: NS.JSON }, '{')],
    ['no JSON', xml('json', { xmlns: NS.JSON })],
  ])('a container with %s is refused', (_what, payload) => {
    expect(() => decodeJsonItem(payload)).toThrow(expect.objectContaining({ code: 'invalid' }));
  });
});
