// RFC 7622 XMPP addresses; XEP-0106 JID Escaping, version 1.1. Addresses on stanzas have been prepared by the servers that carried them;
// that is left alone, but for ASCII capitals, and nonsense is refused. @xmpp/jid is not used: it takes `a@b@c`, addresses of
// any length and control characters, and its escaping trims and is therefore not injective.
import { type Actor, handleOf, isDomain, isFolded } from '../domain/actor.js';

/** An address, taken apart and normalised. */
export interface Jid {
  /** '' for a server or component. */
  local: string;
  domain: string;
  /** '' when there is none. */
  resource: string;
  /** `local@domain`, or the domain alone. */
  bare: string;
  /** With the resource, if there is one. */
  full: string;
}

/** RFC 7622 §3.1: of each part. */
const MAX_PART_BYTES = 1023;

// RFC 7622 §3.3.1 (the characters that stay forbidden) and everything that no profile of PRECIS lets through; zero-width
// characters and directional marks would make two addresses look the same.
const BAD_LOCAL = /["&'/:<>@\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Cn}\p{Co}]/u;
const BAD_RESOURCE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Cn}]/u;

const fits = (part: string): boolean => part.length <= MAX_PART_BYTES && Buffer.byteLength(part) <= MAX_PART_BYTES;

const lowerAscii = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** Reads an address, bare or full. null: it is none. */
export function parseJid(text: string | undefined): Jid | null {
  if (text === undefined || text.length > 3 * MAX_PART_BYTES + 2) return null;
  const slash = text.indexOf('/');
  const resource = slash < 0 ? '' : text.slice(slash + 1);
  const rest = slash < 0 ? text : text.slice(0, slash);
  const at = rest.indexOf('@');
  const local = at < 0 ? '' : lowerAscii(rest.slice(0, at));
  const domain = lowerAscii(rest.slice(at + 1)).replace(/\.$/, '');
  if (at === 0 || (slash >= 0 && resource === '')) return null;
  if (!isDomain(domain) || BAD_LOCAL.test(local) || BAD_RESOURCE.test(resource)) return null;
  if (!fits(local) || !fits(domain) || !fits(resource) || !isFolded(local)) return null;
  const bare = local === '' ? domain : `${local}@${domain}`;
  return { local, domain, resource, bare, full: resource === '' ? bare : `${bare}/${resource}` };
}

/** The domain part of a bare JID. */
export const hostOf = (bareJid: string): string => bareJid.slice(bareJid.indexOf('@') + 1);

const ESCAPED: Record<string, string> = { ' ': '20', '"': '22', '&': '26', "'": '27', '/': '2f', ':': '3a', '<': '3c', '>': '3e', '@': '40', '\\': '5c' };
const UNESCAPED = new Map(Object.entries(ESCAPED).map(([char, code]) => [code, char]));

/**
 * Text as a local part (XEP-0106 §4.2): `bob@pod.example` → `bob\40pod.example`. A backslash is escaped only where it would
 * otherwise be read as an escape. Injective: `unescapeLocal` gives the text back.
 */
export const escapeLocal = (text: string): string =>
  text.replace(/[ "&'/:<>@]|\\(?=(?:20|22|26|27|2f|3a|3c|3e|40|5c))/gi, (char) => `\\${ESCAPED[char]}`);

/** The text behind a local part. */
export const unescapeLocal = (local: string): string => local.replace(/\\(20|22|26|27|2f|3a|3c|3e|40|5c)/gi, (_, code: string) => UNESCAPED.get(code.toLowerCase())!);

/** The bare JID under which our component speaks for an actor: a local person's handle, anyone else escaped (interface.md §8). */
export const componentJidOf = (actor: Actor, socialDomain: string): string =>
  actor.isLocal ? handleOf(actor) : `${escapeLocal(handleOf(actor))}@${socialDomain}`;

/** The bare JID by which a person is known on XMPP. TODO: with the first network whose people have no JIDs (diaspora*), `componentJidOf` for those. */
export const jidOf = (actor: Actor): string => handleOf(actor);
