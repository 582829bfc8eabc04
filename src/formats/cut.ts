// Long posts are sent in part: a stanza too large for some server on the way would be lost whole (xmpp-social.md §5).
import { plainText, textToXhtml } from '../html.js';
import { type Element, serialize, xml } from '../xml.js';
import { NS } from './namespaces.js';

/** In UTF-8. */
export const byteLength = (text: string): number => Buffer.byteLength(text);

/** The beginning of a text, cut between words, with the web page in place of the rest. The bound is on the text as XML escapes it. */
export function cutText(text: string, maxBytes: number, webUrl: string): string {
  let length = Math.min(text.length, maxBytes);
  while (length > 0 && byteLength(serialize(xml('t', null, text.slice(0, length)))) > maxBytes) length = Math.floor(length * 0.9);
  if (length === text.length) return text;
  const part = text.slice(0, length).toWellFormed().replace(/\ufffd$/, '');
  const word = part.search(/\s\S*$/);
  return `${(word > part.length / 2 ? part.slice(0, word) : part).trimEnd()}…\n\n${webUrl}`;
}

/** The first blocks of a div, with a link to the web page in place of the rest. */
export function cutXhtml(div: Element, maxBytes: number, webUrl: string): Element {
  if (byteLength(serialize(div)) <= maxBytes) return div;
  const cut = xml('div', { xmlns: NS.XHTML });
  let left = maxBytes;
  for (const child of div.children) {
    left -= typeof child === 'object' ? byteLength(serialize(child)) : byteLength(child);
    if (left < 0) break;
    cut.children.push(child);
  }
  if (cut.children.length === 0) {
    // One block longer than all that we may send: its text, without its marks.
    return textToXhtml(cutText(plainText(div), maxBytes / 2, webUrl));
  }
  cut.append(xml('p', null, '… ', xml('a', { href: webUrl }, webUrl)));
  return cut;
}
