import type { Actor, ProtocolName } from './actor.js';
import type { Activity } from './activity.js';

/** The small interface that every protocol folder implements. More of it (discover, read) comes with what needs it. */
export interface Protocol {
  name: ProtocolName;
  /** The actor's address in this protocol (xmpp: bare JID), or null when this protocol cannot name them. */
  addressOf(actor: Actor): string | null;
  /** The servers (domains) to which a copy of the author's activities must go. One delivery each. */
  hostsFor(activity: Pick<Activity, 'actorId'>): Promise<string[]>;
  /**
   * Brings the activity to one server: recipients, access and content are computed now, not when it was queued.
   * Resolves when it has arrived (for XMPP: our server has passed the barrier).
   * @returns how many recipients there were
   * @throws DeliveryError
   */
  deliver(activity: Activity, host: string, signal: AbortSignal): Promise<number>;
}
