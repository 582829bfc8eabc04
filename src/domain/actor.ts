export type ProtocolName = 'xmpp' | 'diaspora' | 'activitypub';

/** What a person tells about themselves. `summary` is plain text; pictures are ids of media (SHA-1 of the bytes, small hex), null: none. */
export interface Profile {
  displayName: string;
  summary: string;
  avatar: string | null;
  banner: string | null;
}

/** One name under one protocol, e.g. xmpp: a bare JID. Unique together. */
export interface Address {
  protocol: ProtocolName;
  value: string;
}

/** Someone who can speak: a local account's person, or a person of another server. `username@domain` is the handle. */
export interface Actor {
  id: number;
  isLocal: boolean;
  username: string;
  domain: string;
  profile: Profile;
}

/** `alice@social.example.org`. */
export const handleOf = (actor: Pick<Actor, 'username' | 'domain'>): string => `${actor.username}@${actor.domain}`;

/**
 * Servers fold by Unicode 3.2 (stringprep), so they tell apart some addresses that newer tables take for one, such as Ⅎ and ⅎ. To fold
 * them here would make one person of two: what would still change is refused.
 */
export const isFolded = (text: string): boolean => text === text.normalize('NFKC').toLowerCase();

const DOMAIN = /^(?=.{1,253}$)[\p{L}\p{N}\p{M}]([\p{L}\p{N}\p{M}_-]*[\p{L}\p{N}\p{M}])?(\.[\p{L}\p{N}\p{M}]([\p{L}\p{N}\p{M}_-]*[\p{L}\p{N}\p{M}])?)*$|^\[[0-9a-f:.]{2,45}\]$/u;
/** The domain of an address, in letters of any script, as servers carry it (RFC 7622 §3.2). */
export const isDomain = (text: string): boolean => DOMAIN.test(text) && isFolded(text);

/** The name to show: the display name, or the username while there is none. */
export const nameOf = (actor: Actor): string => actor.profile.displayName || actor.username;
