// Comments and ♥ likes as Atom entries: XEP-0277 Microblogging over XMPP 0.6.5 §3, RFC 4685 Threading, Atom Activity Streams 1.0. Movim 0.34 writes
// and shows the title alone; Libervia 0.9 writes two titles, XHTML before text.
import { type Actor, nameOf } from '../domain/actor.js';
import { type Comment, HEART, isHeart } from '../domain/comment.js';
import { DomainError } from '../domain/errors.js';
import { htmlToXhtml } from '../html.js';
import { type Element, serialize, xml } from '../xml.js';
import { decodeEntry, markdownOfEntry } from './atom-entry.js';
import { byteLength, cutText } from './cut.js';
import { xmppUri } from './item-uri.js';
import { AS1_SCHEMA, NS } from './namespaces.js';

/** What a comment or like stands under, and where it is to be found. */
export interface CommentLinks {
  /** Bare JID of whoever wrote it: readers compare it, as `xmpp:JID`, with the publisher of the item. */
  authorJid: string;
  /** Its IRI, which is its place on the web page as well. */
  webUrl: string;
  /** The item itself, `xmpp:JID?;node=…;item=…`. */
  itemUri: string;
  /** The post: its atom:id, `xmpp:JID?;node=…;item=…`, and web page. */
  post: { atomId: string; itemUri: string; webUrl: string };
}

/** Longest entry of a comment, serialised: twenty of them fill a page of items. */
export const COMMENT_ENTRY_MAX_BYTES = 24_576;

const iso = (timeMs: number): string => new Date(timeMs).toISOString();

const build = (titles: Element[], author: Actor, links: CommentLinks, times: { createdAt: number; editedAt: number | null }, verb: string, objectType: string): Element =>
  xml(
    'entry',
    { xmlns: NS.ATOM },
    xml('id', null, links.webUrl),
    titles,
    xml('published', null, iso(times.createdAt)),
    xml('updated', null, iso(times.editedAt ?? times.createdAt)),
    xml('author', null, xml('name', null, nameOf(author)), xml('uri', null, xmppUri(links.authorJid))),
    xml('link', { rel: 'alternate', type: 'text/html', href: links.webUrl }),
    xml('link', { rel: 'alternate', href: links.itemUri }),
    // COMPAT Movim 0.34: it reads the first alone, and sees a reply only where that one is an xmpp: URI.
    xml('in-reply-to', { xmlns: NS.THREAD, ref: links.post.atomId, href: links.post.itemUri }),
    xml('in-reply-to', { xmlns: NS.THREAD, ref: links.post.atomId, href: links.post.webUrl, type: 'text/html' }),
    xml('activity:verb', { 'xmlns:activity': NS.ACTIVITY }, `${AS1_SCHEMA}${verb}`),
    xml('activity:object', { 'xmlns:activity': NS.ACTIVITY }, xml('activity:object-type', null, `${AS1_SCHEMA}${objectType}`)),
  );

/** The formatted text, when it is more than the plain one. */
function formatted(comment: Comment): Element[] {
  try {
    const div = htmlToXhtml(comment.html);
    const isPlain = div.children.length === 1 && (div.children[0] as Element).children?.every((child) => typeof child === 'string');
    return isPlain ? [] : [xml('title', { type: 'xhtml' }, div)];
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return []; // not well-formed any more: the text alone
  }
}

/** A comment. Its whole text is the title, as Markdown; where that has marks, a formatted title stands before it, as Libervia's do. */
export function encodeComment(comment: Comment, author: Actor, links: CommentLinks): Element {
  const entry = (titles: Element[]) => build(titles, author, links, comment, 'post', 'comment');
  const whole = entry([...formatted(comment), xml('title', { type: 'text' }, comment.markdown)]);
  if (byteLength(serialize(whole)) <= COMMENT_ENTRY_MAX_BYTES) return whole;
  return entry([xml('title', { type: 'text' }, cutText(comment.markdown, COMMENT_ENTRY_MAX_BYTES / 2, links.webUrl))]);
}

/** A like in Movim's form: a comment of exactly `♥`. */
export const encodeHeart = (createdAt: number, author: Actor, links: CommentLinks): Element =>
  build([xml('title', { type: 'text' }, HEART)], author, links, { createdAt, editedAt: null }, 'favorite', 'note');

/** What an item of a comments node says. Nothing of it is verified. `text` is Markdown; times are milliseconds UTC. */
export interface DecodedComment {
  text: string;
  /** It is no comment but a like: Movim's ♥, or an Activity Streams 1 verb. */
  isLike: boolean;
  published: number | null;
  updated: number | null;
}

/**
 * Reads an entry of a comments node: Movim's, Libervia's, or a plain one with content.
 * @throws DomainError invalid, too-large
 */
export function decodeComment(payload: Element): DecodedComment {
  const entry = decodeEntry(payload);
  // One with content and a title of its own is an article.
  const text = markdownOfEntry(entry);
  return { text, isLike: isHeart(text) || entry.verb === 'like', published: entry.published, updated: entry.updated };
}
