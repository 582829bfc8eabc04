import type { Guid } from './guid.js';

/** Which loop runs a job: `main` any worker, `xmpp` the process that holds the component connection, while it is online. */
export type Queue = 'main' | 'xmpp';

/** What runs later, by kind: payload types in one place. Payloads hold ids, never text or secrets (mail: a token that is already sealed in the link). */
export interface JobPayloads {
  /** main: find the servers that an activity must go to, write the ledger, add one `deliver` each. */
  distribute: { activityId: Guid };
  /** Bring an activity to one server. Lane: author + host (relations.md "Delivery"). */
  deliver: { activityId: Guid; protocol: 'xmpp' | 'diaspora' | 'activitypub'; host: string };
  /** xmpp: make the presence subscriptions on the wire agree with the relationship. Lane: the pair. */
  'reconcile-presence': { actorId: number; otherId: number };
  /** xmpp: tell followers that a profile changed (vCard4, nickname, avatar nodes). */
  'profile-changed': { actorId: number; picture?: boolean };
  /** xmpp: what a person elsewhere (`otherId`) tells about themselves, and their last posts, as one of ours (`actorId`) gets them. */
  'fetch-person': { actorId: number; otherId: number };
  /** xmpp: make the explicit subscriptions of one of ours to a person's feed agree with the relationship, and fetch what was missed. Lane: the pair. */
  'fetch-feed': { actorId: number; otherId: number };
  /** xmpp: send the code to a chat address (bare JID) that shall speak for an account. */
  'send-link-code': { actorId: number; jid: string };
  /** xmpp: fetch, as someone of ours, what others said under a post from elsewhere, and hear of what comes. Lane: the post. */
  'fetch-comments': { actorId: number; postGuid: Guid };
  /** xmpp: make the subscription to an own feed (bare JID) agree with whether it is a source of posts. Lane: the source. */
  'follow-source': { actorId: number; jid: string };
  /** xmpp: make the post that an item of a source has become agree with it. Lane: the source. */
  'mirror-item': { actorId: number; jid: string; itemId: string };
  /** main: end the open sessions of a chat account at ejabberd. `at`: when it was decided, milliseconds UTC; `again`: for the second time. */
  'end-chat-sessions': { username: string; at: number; again?: true };
  /** main: mail notifications (their ids) to the account they are for: one at once, or those of a digest. */
  'notification-mail': { accountId: number; ids: number[]; isDigest?: true };
  /** main: send one mail. */
  mail: { to: string; template: string; values: Record<string, string> };
}
export type JobKind = keyof JobPayloads;

/** A job to add. `lane`: jobs of one lane run one after another, in the order of their adding. */
export type NewJob = {
  [K in JobKind]: { kind: K; payload: JobPayloads[K]; queue: Queue; lane?: string; runAt?: number };
}[JobKind];

/** A job as it is claimed. `attempts` counts earlier failed runs. */
export type Job = {
  [K in JobKind]: { id: number; kind: K; payload: JobPayloads[K]; queue: Queue; lane: string | null; runAt: number; attempts: number };
}[JobKind];

/** A server that is away is tried for so long. */
export const MAX_AGE_MS = 14 * 24 * 3_600_000;

/** When to try again: 5 s, doubled each time up to 1 h, a fifth more or less: what failed together does not come back together. */
export function backOffMs(attempts: number, random: () => number = Math.random): number {
  return Math.round(Math.min(5_000 * 2 ** Math.min(attempts, 20), 3_600_000) * (0.8 + 0.4 * random()));
}
