// RFC 4287 Atom feed, paged as RFC 5005 §3 says.
import { Element, xml } from '../xml.js';
import { NS } from './namespaces.js';

export interface Feed {
  /** The feed's IRI, the same on every page. */
  id: string;
  title: string;
  /** Plain text; '' for none. */
  subtitle: string;
  author: { name: string; uri: string };
  language?: string;
  /** Milliseconds UTC: when the newest entry last changed, or the account was made. */
  updatedAt: number;
  /** The address of this page of the feed, of the web page that shows the same, and of the other pages. */
  links: { self: string; alternate: string; first?: string; next?: string | null; previous?: string | null };
  /** From `encodeEntry`, newest first. */
  entries: Element[];
}

/**
 * An entry for readers of the web: RFC 4287 §4.1.2 allows one content where XEP-0277 wants two; the XHTML stays.
 * @param entry from `encodeEntry`
 */
export function webEntry(entry: Element): Element {
  const contents = entry.getChildren('content', NS.ATOM);
  if (contents.length < 2) return entry;
  const copy = new Element(entry.name);
  Object.assign(copy.attrs, entry.attrs);
  copy.children = entry.children.filter((child) => !contents.includes(child as Element) || (child as Element).attrs.type === 'xhtml');
  return copy;
}

/** A page of a feed. Serialise it after `<?xml version="1.0" encoding="utf-8"?>`; its media type is application/atom+xml. */
export function encodeFeed({ id, title, subtitle, author, language, updatedAt, links, entries }: Feed): Element {
  const link = (rel: string, href: string | null | undefined, type = 'application/atom+xml'): Element | null => (href ? xml('link', { rel, type, href }) : null);
  return xml(
    'feed',
    { xmlns: NS.ATOM, 'xml:lang': language || null },
    xml('id', null, id),
    xml('title', { type: 'text' }, title),
    subtitle ? xml('subtitle', { type: 'text' }, subtitle) : null,
    xml('updated', null, new Date(updatedAt).toISOString()),
    xml('author', null, xml('name', null, author.name), xml('uri', null, author.uri)),
    xml('generator', null, 'diaspora-x'),
    link('self', links.self),
    link('alternate', links.alternate, 'text/html'),
    link('first', links.first),
    link('previous', links.previous),
    link('next', links.next),
    entries.map(webEntry),
  );
}
