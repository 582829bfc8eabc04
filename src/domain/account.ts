import { DomainError } from './errors.js';
import type { Audience } from './activity.js';
import type { NotificationKind, NotificationMail } from './notification.js';

/** pending: e-mail not yet confirmed; suspended: by the operator; closed: by its owner. Only an active account exists for others. */
export type AccountState = 'pending' | 'active' | 'suspended' | 'closed';

/** Someone who logs in here. `passwordHash` is bcrypt, or '' while no web password was set. Times are milliseconds UTC. */
export interface Account {
  id: number;
  actorId: number;
  username: string;
  email: string;
  passwordHash: string;
  state: AccountState;
  isAdmin: boolean;
  defaultAudience: Audience;
  askFirst: boolean;
  /** How each kind of notification goes out by mail; what is not named goes by its default (domain/notification.ts). */
  notificationMail: Partial<Record<NotificationKind, NotificationMail>> | null;
  createdAt: number;
  confirmedAt: number | null;
}

/**
 * A password for chat apps and the API. `selector` (part of the password itself) finds the row, `hash` is bcrypt of the secret rest.
 * `lastUsedDay` is a day, not a moment: milliseconds UTC at its midnight.
 */
export interface AppPassword {
  id: number;
  accountId: number;
  selector: string;
  label: string;
  hash: string;
  createdAt: number;
  lastUsedDay: number | null;
  lastUsedBy: 'chat' | 'api' | null;
  revokedAt: number | null;
}

const USERNAME = /^[a-z0-9][a-z0-9_-]{0,29}$/;

/** Names that a stranger would take for the operator, or that mail and web standards reserve (RFC 2142). */
const RESERVED = new Set(
  (
    'abuse admin administrator anonymous api assets autoconfig component contacts dx everyone feed help hostmaster info localhost login logout ' +
    'mail me mod moderator news nobody noc no-reply noreply null official operator owner people postmaster posts proxy root security server ' +
    'settings signup social staff status support sysadmin system undefined usenet uucp webmaster well-known www xmpp'
  ).split(' '),
);

/**
 * The username as it is stored: lower case, `[a-z0-9_-]{1,30}`, first a letter or digit (interface.md §1).
 * ASCII alone, so homographs, zero-width characters and case or NFKC collisions cannot arise.
 * @throws DomainError invalid (field username)
 */
export function parseUsername(text: string): string {
  const username = text.trim().replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  if (!USERNAME.test(username)) {
    throw new DomainError('invalid', 'Use 1 to 30 small letters (a–z), digits, - and _; begin with a letter or digit.', 'username');
  }
  if (RESERVED.has(username)) throw new DomainError('invalid', 'This name is reserved. Please choose another.', 'username');
  return username;
}

/**
 * What a name looks like at a glance (after UTS #39 §4, for the few characters that a username can have): two names with one skeleton
 * could be taken for each other, so only one of them can be had.
 */
export const skeletonOf = (username: string): string => username.replaceAll('0', 'o').replaceAll('1', 'l').replaceAll('m', 'rn').replaceAll('w', 'vv').replaceAll('-', '_');

/** Could this local part belong to an account? Names with dots or escapes belong to people of other networks (interface.md §1). */
export const isUsername = (local: string): boolean => USERNAME.test(local);

/**
 * The e-mail address as it is compared: domain in lower case, blanks at the ends removed.
 * @throws DomainError invalid (field email)
 */
export function parseEmail(text: string): string {
  const match = /^([^\s@<>()",;:\\[\]\p{Cc}]{1,64})@([^\s@<>()",;:\\[\]\p{Cc}]+\.[^\s@<>()",;:\\[\]\p{Cc}.]+|localhost)$/u.exec(text.trim());
  if (!match || text.length > 254) throw new DomainError('invalid', 'Write your e-mail address like name@example.org.', 'email');
  return `${match[1]!.toLowerCase()}@${match[2]!.toLowerCase()}`;
}

/** The shortest and the longest web password. The bound in bytes is bcrypt's: it would silently ignore the rest. */
export const WEB_PASSWORD = { minCharacters: 10, maxBytes: 72 } as const;

/** @throws DomainError invalid (field password) */
export function checkWebPassword(password: string): void {
  if ([...password].length < WEB_PASSWORD.minCharacters) {
    throw new DomainError('invalid', `Use at least ${WEB_PASSWORD.minCharacters} characters. Three or four words are good.`, 'password');
  }
  if (new TextEncoder().encode(password).length > WEB_PASSWORD.maxBytes) {
    throw new DomainError('invalid', `Use a shorter password: at most ${WEB_PASSWORD.maxBytes} letters, fewer with accents.`, 'password');
  }
  if (password.includes('\0')) throw new DomainError('invalid', 'The password has a character that cannot be used.', 'password');
}
