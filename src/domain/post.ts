import { DomainError } from './errors.js';
import type { Audience } from './activity.js';
import type { Guid } from './guid.js';

/**
 * A post. `atomId` is its IRI on every network (`DX_PUBLIC_URL/posts/GUID`), stored when the post is made and never computed anew.
 * A reshare (`reshareOf`: the guid of the root, never of another reshare) shows the root as it stands now; its own text is what came with it, if it
 * came from elsewhere and the root is not known here, and else empty. `html` is the safe form of `markdown`: well-formed, cleaned by allow-list. A post with `deletedAt` is a tombstone: its text is gone.
 */
export interface Post {
  guid: Guid;
  authorId: number;
  kind: 'note' | 'reshare';
  reshareOf: Guid | null;
  atomId: string;
  title: string;
  markdown: string;
  html: string;
  language: string;
  tags: string[];
  audience: Audience;
  createdAt: number;
  editedAt: number | null;
  deletedAt: number | null;
}

/** Whom a post could reach when it was made: how many people (a public one: its author's followers), and what its aspects were called then. */
export interface Reach {
  people: number;
  aspects: string[];
}

/** Longest text of a post, in bytes of UTF-8: with both forms and the Activity Streams object it stays well under every server's stanza limit (servers.md). */
export const POST_MAX_BYTES = 65_536;

/** Line ends are \n, characters that XML 1.0 forbids are gone (one of them would close the whole component stream), blank ends are cut. */
export const cleanPlainText = (text: string): string =>
  text
    .replace(/\r\n?/g, '\n')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these are forbidden (XML 1.0 §2.2)
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
    .toWellFormed()
    .trim();

/**
 * The text of a post as it is stored.
 * @throws DomainError invalid | too-large (field text)
 */
export function parsePostText(text: string): string {
  const clean = cleanPlainText(text);
  if (clean === '') throw new DomainError('invalid', 'Write something first.', 'text');
  if (new TextEncoder().encode(clean).length > POST_MAX_BYTES) {
    throw new DomainError('too-large', `This post is too long: at most ${POST_MAX_BYTES.toLocaleString('en')} bytes.`, 'text');
  }
  return clean;
}

/** The first line without its Markdown marks, at most 140 characters: Atom wants a title, and short posts are read by it (xmpp-social.md §6). */
export function titleOf(plainText: string): string {
  const line = plainText.split('\n').find((part) => part.trim() !== '')?.trim() ?? '';
  const characters = [...line];
  return characters.length <= 140 ? line : `${characters.slice(0, 139).join('')}…`;
}
