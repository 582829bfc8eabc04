// Hearing people on other servers: their events, their feeds, what they tell about themselves.
import type { Context } from '../../services/context.js';
import type { Element } from '../../xml.js';
import type { Jid } from '../addresses.js';
import { Lanes } from '../lanes.js';
import type { Transport } from '../transport.js';
import { Access } from './access.js';
import { Asking } from './asking.js';
import { decodeEvent, hasEvent } from './event.js';
import { Following } from './following.js';
import { Gate } from './gate.js';
import { Intake, type NodeReader } from './intake.js';
import { Profiles } from './profiles.js';

export type { NodeReader } from './intake.js';

/** How much is asked of other servers at once. Few, and with rests, because every answer is also work for us: the pages go first. */
const LIMITS = { atOnce: 8, perHost: 4, restMs: 60 };

export class Inbound {
  readonly asking: Asking;
  readonly access: Access;
  readonly intake: Intake;
  readonly following: Following;
  readonly profiles: Profiles;
  readonly #readers: NodeReader[] = [];
  readonly #telling = new Lanes();

  constructor(
    private readonly ctx: Context,
    transport: Transport,
  ) {
    this.asking = new Asking(transport, new Gate(LIMITS), ctx.config.domain);
    this.access = new Access(ctx, this.asking);
    this.profiles = new Profiles(ctx, { asking: this.asking, following: () => this.following });
    this.#readers.push(this.profiles);
    this.intake = new Intake(ctx, { access: this.access, readers: this.#readers, stream: transport, onMissing: (local, node) => this.following.missing(local, node) });
    this.following = new Following(ctx, {
      asking: this.asking,
      access: this.access,
      intake: this.intake,
      isOnline: () => transport.online,
      fetchProfile: async (asker, person) => void (await this.profiles.fetch(asker, person)),
    });
  }

  /** One more that reads nodes which are neither feeds nor profiles: it is asked before them. */
  read(reader: NodeReader): void {
    this.#readers.unshift(reader);
  }

  /**
   * Takes a message that is an event. At once, whatever else its sender has sent: it waits in the intake, not in the dispatcher.
   * @returns false: it is none
   */
  take(message: Element, to: Jid, from: Jid): boolean {
    if (!hasEvent(message)) return false;
    // Services and PEP send from their bare JID; who sends from a full one is a client that makes things up.
    const event = from.resource === '' && to.local !== '' ? decodeEvent(message, from.bare) : null;
    if (!event) return message.attrs.type !== 'error'; // an event of ours that came back is somebody else's
    const told = { local: to.local, event, at: this.ctx.now(), isAnswer: false };
    if (event.subscription) void this.#telling.run(from.bare, () => this.following.told(told)).catch((error) => this.ctx.log.error({ err: error }, 'a subscription was not noted'));
    else void this.intake.push(told);
    return true;
  }

  /** Resolves when everything that was taken so far is stored. */
  async settled(): Promise<void> {
    await Promise.all([this.intake.settled(), this.#telling.settled()]);
  }

  /** Connected (again). */
  online(): void {
    this.following.rejoin();
  }

  offline(): void {
    this.following.lost();
  }

  /** For good, after the connection. Resolves when nothing of this uses the database any more. */
  async stop(): Promise<void> {
    await Promise.all([this.intake.stop(), this.#telling.settled(), this.following.stop(), this.profiles.settled()]);
  }
}
