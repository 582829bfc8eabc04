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

/** The name to show: the display name, or the username while there is none. */
export const nameOf = (actor: Actor): string => actor.profile.displayName || actor.username;
