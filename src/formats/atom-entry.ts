// RFC 4287 Atom entry with XEP-0277 Microblogging over XMPP 0.6.5, XEP-0472 Pubsub Social Feed 0.2.1, RFC 4685 Threading, Atom Activity
// Streams 1.0 (verb, object) and OneSocialWeb 1.0 (acl-rule, object types). Order and form are those that Movim 0.34, Libervia 0.9,
// OneSocialWeb and Diaspora-X were seen to read.
import { type Actor, nameOf } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import type { Post } from '../domain/post.js';
import { cleanForeignHtml, escapeMarkdown, hasMarks, htmlToXhtml, isSafeUrl, markdownOf, markdownOfHtml, parseHtml, plainText, textToXhtml } from '../html.js';
import { type Element, isDeeperThan, serialize, UNTRUSTED_LIMITS, xml } from '../xml.js';
import { byteLength, cutText, cutXhtml } from './cut.js';
import { type ItemAddress, itemUri, parseItemUri, xmppUri } from './item-uri.js';
import { AS1_SCHEMA, commentedItem, commentsNode, NS } from './namespaces.js';

/** Where the post is to be found. */
export interface EntryLinks {
  /** The author's bare JID: readers compare it, as `xmpp:JID`, with the publisher of the item. */
  authorJid: string;
  /** The web page. */
  webUrl: string;
  /** `xmpp:JID?;node=…;item=…` (`itemUri`). */
  itemUri: string;
  /** Its comments node, `xmpp:JID?;node=…`; null: it takes none. */
  commentsUri: string | null;
}

/** The links of a post of ours. `atomId` is its web page. */
export const ownLinks = (authorJid: string, { guid, atomId }: Pick<Post, 'guid' | 'atomId'>): EntryLinks => ({
  authorJid,
  webUrl: atomId,
  itemUri: itemUri({ jid: authorJid, node: NS.MICROBLOG, item: guid }),
  commentsUri: itemUri({ jid: authorJid, node: commentsNode(guid), item: null }),
});

/** What a reshare shows: the root as it stands. */
export interface EntryRoot {
  post: Post;
  author: Actor;
  links: EntryLinks;
}

/** Longest entry, serialised: with the stanza around it it passes every server, and 500 of them in a row do not fill a queue (xmpp-social.md §5). */
export const ENTRY_MAX_BYTES = 32_768;

const iso = (timeMs: number): string => new Date(timeMs).toISOString();

/** The group that stands for all aspects. */
export const LIMITED_GROUP = 'limited';

/** OneSocialWeb's rule for who may see it. Names of aspects are their owner's business and never leave. */
function encodeAcl(post: Post): Element {
  const subject = { public: ['everyone', ''], contacts: ['group', 'contacts'], aspects: ['group', LIMITED_GROUP], people: ['group', LIMITED_GROUP] }[post.audience.to]!;
  return xml(
    'osw:acl-rule',
    { 'xmlns:osw': NS.OSW },
    xml('osw:acl-action', { permission: `${NS.OSW}acl/permission/grant` }, `${NS.OSW}acl/action/view`),
    xml('osw:acl-subject', { type: `${NS.OSW}acl/subject/${subject[0]}` }, subject[1]),
  );
}

/** RFC 4287 §4.2.7 and XEP-0277 §3: comments come after the places of the post itself. `title` is what Movim 0.34 and Libervia 0.9 know it by. */
const repliesLink = (commentsUri: string | null): Element | null => (commentsUri === null ? null : xml('link', { rel: 'replies', title: 'comments', href: commentsUri }));

/** The stored HTML as XHTML; text that somehow is not well-formed any more goes out as plain paragraphs rather than not at all. */
function xhtmlOf(post: Post): Element {
  try {
    return htmlToXhtml(post.html);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return textToXhtml(post.markdown);
  }
}

/** Six bytes are the most that a character takes, and the rest is never so much: then the entry need not be written to know its length. */
const isSurelyShort = ({ markdown, html, title, tags }: Post): boolean => (2 * markdown.length + html.length + title.length + tags.join().length) * 6 + 4_096 < ENTRY_MAX_BYTES;

/**
 * The post as an Atom entry of at most `ENTRY_MAX_BYTES`. The text content is the Markdown (as Movim's is). A post that is no more than its
 * title has no content: clients show the title as its text, and would show it twice.
 */
export function encodeEntry(post: Post, author: Actor, links: EntryLinks): Element {
  const xhtml = xhtmlOf(post);
  const saysAll = post.markdown === post.title && xhtml.children.length === 1 && (xhtml.children[0] as Element).children?.every((child) => typeof child === 'string');
  const build = (text: string, div: Element): Element =>
    xml(
      'entry',
      { xmlns: NS.ATOM, 'xml:lang': post.language || null },
      xml('id', null, post.atomId),
      xml('title', { type: 'text' }, post.title),
      xml('published', null, iso(post.createdAt)),
      xml('updated', null, iso(post.editedAt ?? post.createdAt)),
      xml('author', null, xml('name', null, nameOf(author)), xml('uri', null, xmppUri(links.authorJid))),
      saysAll ? null : [xml('content', { type: 'text' }, text), xml('content', { type: 'xhtml' }, div)],
      post.tags.map((tag) => xml('category', { term: tag })),
      xml('link', { rel: 'alternate', type: 'text/html', href: links.webUrl }),
      xml('link', { rel: 'alternate', href: links.itemUri }),
      repliesLink(links.commentsUri),
      // COMPAT Diaspora-X: it looks for this literal prefix.
      xml('activity:verb', { 'xmlns:activity': NS.ACTIVITY }, `${AS1_SCHEMA}post`),
      xml(
        'activity:object',
        { 'xmlns:activity': NS.ACTIVITY },
        xml('activity:object-type', null, `${NS.OSW}object/status`),
        xml('id', null, post.atomId),
        // OneSocialWeb reads the text from here alone.
        xml('content', { type: 'text/plain' }, text),
      ),
      encodeAcl(post),
    );
  let entry = build(post.markdown, xhtml);
  if (isSurelyShort(post)) return entry;
  for (let room = ENTRY_MAX_BYTES / 3; byteLength(serialize(entry)) > ENTRY_MAX_BYTES && room > 64; room *= 0.8) {
    entry = build(cutText(post.markdown, room, links.webUrl), cutXhtml(xhtml, room, links.webUrl));
  }
  return entry;
}

/**
 * A reshare as an entry (XEP-0277 §2.6 "Repeating"): the author is the root's, `via` says where the root stands, and the comments are the root's.
 * Movim 0.34 takes no author but the publisher, so the text begins with whose it is. A root that is no longer there, or not for everybody to see,
 * is not told.
 */
export function encodeReshare(reshare: Post, author: Actor, links: EntryLinks, root: EntryRoot | null): Element {
  const origin = root && `${nameOf(root.author)} (${root.links.authorJid})`;
  const shown = root && origin ? { title: `${origin}: ${root.post.title}`, markdown: root.post.markdown } : { title: 'This post is no longer there.', markdown: '' };
  const div = root && xhtmlOf(root.post);
  const saysAll = !root || (root.post.markdown === root.post.title && div!.children.length === 1);
  const build = (text: string, xhtml: Element | null): Element =>
    xml(
      'entry',
      { xmlns: NS.ATOM, 'xml:lang': root?.post.language || null },
      xml('id', null, reshare.atomId),
      xml('title', { type: 'text' }, shown.title),
      xml('published', null, iso(reshare.createdAt)),
      xml('updated', null, iso(root?.post.editedAt ?? reshare.createdAt)),
      xml('author', null, xml('name', null, nameOf(root?.author ?? author)), xml('uri', null, xmppUri((root?.links ?? links).authorJid))),
      saysAll ? null : [xml('content', { type: 'text' }, `${origin}:\n\n${text}`), xml('content', { type: 'xhtml' }, xml('div', { xmlns: NS.XHTML }, xml('p', null, `${origin}:`), xhtml?.children))],
      root?.post.tags.map((tag) => xml('category', { term: tag })),
      xml('link', { rel: 'alternate', type: 'text/html', href: links.webUrl }),
      xml('link', { rel: 'alternate', href: links.itemUri }),
      root && [repliesLink(root.links.commentsUri), xml('link', { rel: 'via', href: root.links.itemUri, ref: root.post.atomId })],
      xml('activity:verb', { 'xmlns:activity': NS.ACTIVITY }, `${AS1_SCHEMA}share`),
      xml(
        'activity:object',
        { 'xmlns:activity': NS.ACTIVITY },
        xml('activity:object-type', null, `${NS.OSW}object/status`),
        xml('id', null, root?.post.atomId ?? reshare.atomId),
        xml('content', { type: 'text/plain' }, origin ? `${origin}: ${text}` : shown.title),
      ),
      encodeAcl(reshare),
    );
  let entry = build(shown.markdown, div);
  for (let room = ENTRY_MAX_BYTES / 3; root && byteLength(serialize(entry)) > ENTRY_MAX_BYTES && room > 64; room *= 0.8) {
    entry = build(cutText(root.post.markdown, room, root.links.webUrl), cutXhtml(div!, room, root.links.webUrl));
  }
  return entry;
}

export interface EntryLink {
  rel: string;
  href: string;
  type: string | null;
  title: string | null;
  /** Of `via`: the atom:id of what is shared. */
  ref?: string;
}

/** What an entry is about, in words of ours. `unknown`: it names a verb that we do not know. */
export type EntryVerb = 'post' | 'share' | 'like' | 'comment' | 'follow' | 'update' | 'delete' | 'unknown';

/** Whom an entry is meant for, as its acl-rule says. */
export type AudienceHint = { to: 'public' } | { to: 'contacts' } | { to: 'groups'; names: string[] } | { to: 'people'; addresses: string[] };

/** What a stranger's entry says. Nothing of it is verified: the author is who sent it, whatever stands here. */
export interface DecodedEntry {
  /** A hint only: Movim writes the bare item id, Libervia changes it with an edit. */
  atomId: string | null;
  /** Plain text on one line; '' when there is none. */
  title: string;
  /** The same with its line ends, as Markdown: comments are titles alone. */
  titleText: string;
  /** Markdown: the text content, else what the XHTML or HTML content says, else the title with its line ends. */
  text: string;
  /** Milliseconds UTC. */
  published: number | null;
  updated: number | null;
  authorName: string | null;
  /** Mostly `xmpp:BARE-JID`. */
  authorUri: string | null;
  /** The categories, without `#`, in small letters. */
  tags: string[];
  links: EntryLink[];
  inReplyTo: { ref: string | null; href: string | null } | null;
  verb: EntryVerb;
  /** The last part of the object's type: status, note, photo, comment …; null when there is none. */
  objectType: string | null;
  /** null: the entry says nothing, what the node says counts. */
  acl: AudienceHint | null;
  language: string | null;
}

/** By the last part of the URI: short names (Diaspora-X, buddycloud) and full ones with or without a slash at the end mean the same. */
const VERBS = new Map<string, EntryVerb>(
  Object.entries({
    post: 'post',
    share: 'share',
    repost: 'share',
    like: 'like',
    favorite: 'like',
    comment: 'comment',
    follow: 'follow',
    'make-friend': 'follow',
    update: 'update',
    delete: 'delete',
    remove: 'delete',
  }),
);

/** More than these are noise, and someone else's memory. */
const MAX_LINKS = 50;
const MAX_TAGS = 50;

// Bounded before it is looked at: a pattern that is anchored at the end takes quadratic time on a long run of slashes.
const lastPart = (uri: string): string => uri.trim().slice(0, 200).replace(/\/+$/, '').split('/').at(-1)!.toLowerCase();
const textOf = (element: Element | undefined): string | null => element?.getText().trim() || null;
const typeOf = (element: Element): string => (element.attrs.type ?? 'text').trim().toLowerCase();

// RFC 3339 §5.6; anything else that Date would guess at is no date.
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;
function timeOf(element: Element | undefined): number | null {
  const text = element?.getText().trim() ?? '';
  const time = DATE.test(text) ? Date.parse(text.toUpperCase()) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

/** White space and bullets do not count: what is left is the same where one is the other without its marks. */
const bare = (text: string): string => text.replace(/[\s•]+/g, '');
const isXhtml = (type: string): boolean => type === 'xhtml' || type === 'application/xhtml+xml';

/**
 * A text construct (RFC 4287 §3.1) or content as Markdown, by the first that says anything: text before XHTML before HTML.
 * COMPAT Libervia 0.9: its text is its XHTML without the marks and without where links lead; then the XHTML counts. (Movim's is Markdown, as ours is.)
 */
function readText(candidates: Element[]): string {
  const readers: [(type: string) => boolean, (element: Element) => string][] = [
    [(type) => type === 'text' || type === 'text/plain' || type === 'text/markdown', (element) => element.getText().trim()],
    [isXhtml, markdownOf],
    [(type) => type === 'html' || type === 'text/html', (element) => markdownOfHtml(element.getText())],
  ];
  const rich = candidates.find((element) => isXhtml(typeOf(element)) && hasMarks(element));
  for (const [fits, read] of readers) {
    for (const element of candidates) {
      const text = fits(typeOf(element)) ? read(element) : '';
      if (text !== '') return rich && bare(plainText(rich)) === bare(text) ? markdownOf(rich) : text;
    }
  }
  return '';
}

/** COMPAT Libervia 0.9: comments have two titles, XHTML first. */
function readTitle(entry: Element): { title: string; titleText: string } {
  const titles = entry.getChildren('title', NS.ATOM);
  const plain = titles.find((title) => typeOf(title) === 'text' && title.getText().trim() !== '');
  const title = plain?.getText() ?? titles.map((one) => (typeOf(one).includes('xhtml') ? plainText(one) : typeOf(one).includes('html') ? plainText(parseHtml(cleanForeignHtml(one.getText()))) : '')).find((text) => text.trim() !== '');
  return { title: title?.replace(/\s+/g, ' ').trim() ?? '', titleText: readText(titles) };
}

function readAcl(entry: Element): AudienceHint | null {
  const rules = entry.getChildren('acl-rule', NS.OSW);
  // COMPAT Diaspora-X, OneSocialWeb, buddycloud: an activity that does not say for whom it is; least exposure.
  if (rules.length === 0) return entry.getChild('verb', NS.ACTIVITY) || entry.getChild('object', NS.ACTIVITY) ? { to: 'contacts' } : null;
  const names: string[] = [];
  const addresses: string[] = [];
  let everyone = false;
  for (const rule of rules) {
    const views = rule.getChildren('acl-action', NS.OSW).filter((action) => lastPart(action.getText()) === 'view');
    if (views.some((action) => lastPart(action.attrs.permission ?? '') !== 'grant')) return { to: 'contacts' };
    if (views.length === 0) continue;
    for (const subject of rule.getChildren('acl-subject', NS.OSW)) {
      const type = lastPart(subject.attrs.type ?? '');
      const text = subject.getText().trim();
      if (type === 'everyone') everyone = true;
      else if (type === 'group' && text) names.push(text);
      else if (type === 'person' && text) addresses.push(text.replace(/^xmpp:/i, ''));
    }
  }
  if (everyone) return { to: 'public' };
  if (addresses.length) return { to: 'people', addresses };
  return names.length && !names.includes('contacts') ? { to: 'groups', names } : { to: 'contacts' };
}

/** COMPAT OneSocialWeb: a bare JID without its scheme. */
const asUri = (text: string | null): string | null => (text && !text.includes(':') && text.includes('@') ? `xmpp:${text}` : text);

function readLinks(entry: Element): EntryLink[] {
  return entry
    .getChildren('link', NS.ATOM)
    .map(({ attrs }) => ({ ...(attrs.ref?.trim() ? { ref: attrs.ref.trim() } : {}), rel: attrs.rel?.trim() || 'alternate', href: attrs.href?.trim() ?? '', type: attrs.type?.trim() || null, title: attrs.title?.trim() || null }))
    .filter(({ href }) => isSafeUrl(href))
    .slice(0, MAX_LINKS);
}

/**
 * Reads an entry as it is found in the wild: Movim, Libervia, OneSocialWeb, Diaspora-X, buddycloud, plain Atom. Unknown elements are ignored.
 * @param payload `<entry/>`, or a `<feed/>` with one entry in it
 * @throws DomainError invalid: no Atom entry, or one without title and content; too-large: HTML of too many parts
 */
export function decodeEntry(payload: Element): DecodedEntry {
  const entry = payload.is('feed', NS.ATOM) ? payload.getChild('entry', NS.ATOM) : payload;
  if (!entry?.is('entry', NS.ATOM)) throw new DomainError('invalid', 'This is not an Atom entry.');
  if (isDeeperThan(entry, UNTRUSTED_LIMITS.maxDepth)) throw new DomainError('invalid', 'The entry is nested too deeply.');
  const object = entry.getChild('object', NS.ACTIVITY);
  const actor = entry.getChild('actor', NS.ACTIVITY);
  const author = entry.getChild('author', NS.ATOM) ?? actor;

  const { title, titleText } = readTitle(entry);
  const contents = entry.getChildren('content', NS.ATOM).filter((content) => content.attrs.src === undefined);
  const text = readText(contents) || readText(object?.getChildren('content') ?? []) || readText(entry.getChildren('summary', NS.ATOM)) || titleText;
  if (text === '') throw new DomainError('invalid', 'The entry has neither a title nor a content.');

  const reply = entry.getChildren('in-reply-to', NS.THREAD);
  const parent = reply.find((one) => /^xmpp:/i.test(one.attrs.href ?? '')) ?? reply[0];
  const verb = textOf(entry.getChild('verb', NS.ACTIVITY));
  const objectType = textOf(object?.getChild('object-type', NS.ACTIVITY));
  const tags = entry.getChildren('category', NS.ATOM).map(({ attrs }) => (attrs.term ?? '').trim().replace(/^#/, '').toLowerCase());
  return {
    atomId: textOf(entry.getChild('id', NS.ATOM)),
    title,
    titleText,
    text,
    published: timeOf(entry.getChild('published', NS.ATOM)),
    updated: timeOf(entry.getChild('updated', NS.ATOM)),
    authorName: textOf(author?.getChild('name')),
    authorUri: asUri(textOf(author?.getChild('uri'))),
    tags: [...new Set(tags.filter((tag) => tag !== ''))].slice(0, MAX_TAGS),
    links: readLinks(entry),
    inReplyTo: parent ? { ref: parent.attrs.ref?.trim() || null, href: parent.attrs.href?.trim() || null } : null,
    verb: verb === null ? 'post' : (VERBS.get(lastPart(verb)) ?? 'unknown'),
    objectType: objectType === null ? null : lastPart(objectType),
    acl: readAcl(entry),
    language: entry.attrs['xml:lang']?.trim() || null,
  };
}

const letters = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

/** What stands apart in an entry, and in a Note of Activity Streams, but not in a post of ours. */
type Titled = Pick<DecodedEntry, 'title' | 'text'> & Partial<Pick<DecodedEntry, 'titleText'>>;

/**
 * The entry as the Markdown of one post of ours, which has no title of its own: a title that is not the beginning of the text
 * (an article written in Movim) becomes a heading above it.
 * @param whose who wrote it, in plain words, where that has to stand above it; text that begins so already is left as it is
 */
export function markdownOfEntry(entry: Titled, whose = ''): string {
  const { title, titleText, text } = entry;
  if (whose !== '') {
    const written = markdownOfEntry(entry);
    return letters(written).startsWith(letters(whose)) ? written : `${escapeMarkdown(whose)}:\n\n${written}`;
  }
  return title === '' || text === title || text === titleText || letters(text).startsWith(letters(title)) ? text : `# ${title.replace(/[\\`*_[\]<>#]/g, '\\$&')}\n\n${text}`;
}

/**
 * The same of an entry whose author writes here: the tags of a post of ours stand in its text. Categories that do not (Libervia keeps them apart) get a
 * line of their own.
 */
export function markdownOfOwnEntry(entry: Titled & Pick<DecodedEntry, 'tags'>): string {
  const text = markdownOfEntry(entry);
  const there = new Set([...text.normalize('NFC').toLowerCase().matchAll(/#([\p{L}\p{M}\p{N}_-]*[\p{L}\p{M}\p{N}_])/gu)].map(([, tag]) => tag));
  const missing = entry.tags.map((tag) => tag.normalize('NFC').replace(/\s+/g, '-').replace(/-+$/, '')).filter((tag) => /^[\p{L}\p{M}\p{N}_-]+$/u.test(tag) && !there.has(tag));
  return missing.length > 0 ? `${text}\n\n${missing.map((tag) => `#${tag}`).join(' ')}` : text;
}

/**
 * Where the entry's comments stand, as it says itself (Movim 0.34 looks for the title alone). null: it names no node of comments; another one,
 * somebody's feed, must not be made a place for comments.
 */
export function commentsNodeOf({ links }: DecodedEntry): ItemAddress | null {
  const named = links.filter(({ rel, title, href }) => (rel === 'replies' || title === 'comments') && /^xmpp:/i.test(href));
  return named.map(({ href }) => parseItemUri(href)).find((address) => address !== null && commentedItem(address.node) !== null) ?? null;
}

/**
 * What the entry shares: XEP-0277 and Libervia 0.9 name the original's item, Movim 0.34 may name a web page.
 * null: it is no reshare. `item`: the original, where the link leads to an item; `ref`: its atom:id, a hint.
 */
export function sharedBy({ links }: DecodedEntry): { item: (ItemAddress & { item: string }) | null; href: string; ref: string | null } | null {
  const via = links.find(({ rel, href }) => rel === 'via' && /^xmpp:/i.test(href)) ?? links.find(({ rel }) => rel === 'via');
  if (!via) return null;
  const address = parseItemUri(via.href);
  return { item: address && address.item !== null ? { ...address, item: address.item } : null, href: via.href, ref: via.ref ?? null };
}
