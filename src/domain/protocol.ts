import type { Actor, ProtocolName } from './actor.js';
import type { Activity } from './activity.js';

/** What is known of an activity before its transaction: a post that is only being made has no guid yet. */
export type Outgoing = Pick<Activity, 'actorId' | 'verb'> & Partial<Pick<Activity, 'postGuid' | 'commentGuid'>>;

/** The small interface that every protocol folder implements. More of it (discover, read) comes with what needs it. */
export interface Protocol {
  name: ProtocolName;
  /** The actor's address in this protocol (xmpp: bare JID), or null when this protocol cannot name them. */
  addressOf(actor: Actor): string | null;
  /**
   * The servers (domains) to which the activity must go, one delivery each: for a post, those of its author's followers; for a comment or like
   * under a post of ours, those who subscribed to what stands under it; under a post from elsewhere, the one that keeps its comments.
   */
  hostsFor(activity: Outgoing): Promise<string[]>;
  /**
   * Brings the activity to one server: recipients, access and content are computed now, not when it was queued.
   * Resolves when it has arrived (for XMPP: our server has passed the barrier).
   * @throws DeliveryError
   */
  deliver(activity: Activity, host: string, signal: AbortSignal): Promise<Reached>;
}

/** For whom a delivery was: so many recipients, and so many more who rest, because what was sent to them came back. */
export interface Reached {
  recipients: number;
  resting: number;
}
