// What comes from other servers' nodes, on its way into the database: in the order of each node, many in one transaction, no more in memory
// than a bound. While it is full, the stream is not read: the server waits, and loses nothing (xmpp-social.md §11.4, §13; threats.md 16, 17, 20).
import type { Actor } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import { noRelationship, type Relationship } from '../../domain/relationship.js';
import { NS } from '../../formats/namespaces.js';
import type { Context } from '../../services/context.js';
import { giveWay } from '../../services/precedence.js';
import { Arrivals, type ItemAddress, type NodeAddress, type ReceivedEntry, receivePurge } from '../../services/receive.js';
import { findActorsByAddress, findLocalActor } from '../../store/actors.js';
import type { Tx } from '../../store/database.js';
import { findFeed } from '../../store/received.js';
import { findRelationships } from '../../store/relationships.js';
import type { Access } from './access.js';
import { readEntry } from './entry.js';
import type { InboundEvent, InboundItem } from './event.js';

/** Something that a node has told one of ours. */
export interface Told {
  /** The local part of ours. */
  local: string;
  event: InboundEvent;
  /** Milliseconds UTC. */
  at: number;
  /** An answer to what we asked: it comes from that service, whether she follows it or not. */
  isAnswer: boolean;
}

/** Reads other nodes than feeds and profiles: comments, likes, an owner's own feed. */
export interface NodeReader {
  /** Is it for this reader? Asked of every event first. @param local the local part of ours that it came to */
  reads(event: InboundEvent, local: string): boolean;
  /**
   * Takes an event that is known to come from a node which `actor` (ours) has subscribed to, or whose owner she follows; or (`isAnswer`) what
   * such a node holds. Runs in a transaction with others: what a stranger wrote must not make it throw.
   */
  receive(tx: Tx, event: InboundEvent, actor: Actor, at: number, isAnswer: boolean): Promise<void>;
}

export interface IntakeParts {
  access: Access;
  readers: readonly NodeReader[];
  /** The connection, which waits while there is too much. `bytesRead` rises with what it has read. */
  stream: { pause(): void; resume(): void; readonly isPaused: boolean; readonly bytesRead: number };
  /** There is more than came: items without payload, or what was dropped for want of room. */
  onMissing(local: string, node: NodeAddress): void;
}

/** How much waits before the stream is stopped, and when it goes on. A stop is short: ejabberd gives up a reader that is silent for 15 s. */
const FULL = { events: 2_000, bytes: 8 * 1024 * 1024 };
const ROOMY = { events: 500, bytes: 2 * 1024 * 1024 };
/** What waits for the answer whether its node is open. Beyond, it is fetched later. */
const MAX_PARKED = 2_000;
/** Of one transaction. On SQLite it holds up everything else, so there it ends after so long, too. */
const BATCH = 100;
const BATCH_MS = 10;
const DATABASE_RETRY_MS = 1_000;
/** What waits when we are stopped gets so long. */
const STOP_MS = 1_500;

interface Waiting extends Told {
  /** What had been read when it came. */
  bytesRead: number;
  /** The entries in it, decoded, and whether anybody may read their node. */
  entries?: (ReceivedEntry | null)[];
  isOpen?: boolean | null;
  done(isDone: boolean): void;
}

export class Intake {
  #ready: Waiting[] = [];
  readonly #parked = new Map<string, Waiting[]>();
  #parkedCount = 0;
  #running: Promise<void> | null = null;
  #idle: (() => void)[] = [];
  /** So many of the next go into transactions of their own: one of them has spoilt one. */
  #oneByOne = 0;
  /** When what waits is given up, by the monotonic clock; null: not being stopped. */
  #endsAt: number | null = null;
  /** Since the start: came from someone who is not followed; could not be stored. */
  readonly counts = { taken: 0, refused: 0, failed: 0 };

  constructor(
    private readonly ctx: Context,
    private readonly parts: IntakeParts,
  ) {}

  /**
   * Takes what came.
   * @returns true when it is stored, or is known to be nothing for us; false when it must be asked for another time, because we are being
   *   stopped, or nobody says who may read its node
   */
  push(told: Told): Promise<boolean> {
    return new Promise((done) => {
      const { stream } = this.parts;
      if (this.#endsAt !== null) return done(false);
      this.#ready.push({ ...told, bytesRead: stream.bytesRead, done });
      this.counts.taken += 1;
      if (!stream.isPaused && this.#exceeds(FULL)) stream.pause();
      this.#wake();
    });
  }

  /** Takes no more; resolves when what waits is stored, or given up: it is fetched after the next start. */
  async stop(): Promise<void> {
    this.#endsAt = performance.now() + STOP_MS;
    for (const parked of this.#parked.values()) for (const one of parked) one.done(false);
    this.#parked.clear();
    this.#parkedCount = 0;
    while (this.#running) await this.#running;
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    if (this.#running || this.#parkedCount > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #exceeds({ events, bytes }: typeof FULL): boolean {
    const oldest = this.#ready[0];
    return oldest !== undefined && (this.#ready.length > events || this.parts.stream.bytesRead - oldest.bytesRead > bytes);
  }

  #wake(): void {
    this.#running ??= this.#run()
      .catch((error) => this.ctx.log.error({ err: error }, 'the intake stopped')) // a bug: the next event starts it again
      .finally(() => {
        this.#running = null;
        if (this.#ready.length > 0) this.#wake();
        else if (this.#parkedCount === 0) for (const tell of this.#idle.splice(0)) tell();
      });
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // what comes in the same breath is one batch
    while (this.#ready.length > 0) {
      if (this.#endsAt !== null && performance.now() > this.#endsAt) {
        for (const one of this.#ready.splice(0)) one.done(false);
        return;
      }
      await giveWay(this.ctx); // what people write waits for one of our transactions, not for one each time that it turns to the database
      const batch = this.#nextBatch();
      if (batch.length > 0) await this.#store(batch);
      if (this.parts.stream.isPaused && !this.#exceeds(ROOMY)) this.parts.stream.resume();
    }
  }

  /** Decodes the first that wait, as long as that does not take too long. Those of a node that may be closed wait until it is known. */
  #nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    const from = performance.now();
    let taken = 0;
    const most = this.#oneByOne > 0 ? 1 : BATCH;
    while (taken < this.#ready.length && batch.length < most && performance.now() - from < BATCH_MS) {
      const next = this.#ready[taken++]!;
      const key = keyOf(next.event);
      const parked = this.#parked.get(key);
      if (parked) this.#park(key, parked, next);
      else {
        next.entries ??= this.#decode(next);
        const isOpen = this.parts.access.known(next.event);
        if (isOpen === undefined && dependsOnAccess(next.entries)) {
          if (this.#endsAt === null) this.#ask(key, next);
          else next.done(false);
        }
        else batch.push(Object.assign(next, { isOpen: isOpen ?? null }));
      }
    }
    this.#ready = taken === this.#ready.length ? [] : this.#ready.slice(taken);
    return batch;
  }

  #decode({ event, local }: Told): (ReceivedEntry | null)[] {
    if (event.node !== NS.MICROBLOG || this.#readerOf(event, local)) return [];
    return event.items.map(({ id, payload }) => payload && readEntry(this.ctx, payload, { service: event.service, node: event.node, itemId: id }));
  }

  #readerOf(event: InboundEvent, local: string): NodeReader | undefined {
    return this.parts.readers.find((reader) => reader.reads(event, local));
  }

  #ask(key: string, first: Waiting): void {
    const parked = [first];
    this.#parked.set(key, parked);
    this.#parkedCount += 1;
    void this.parts.access.ask(first.event).then((isOpen) => {
      if (this.#endsAt !== null) return; // they were given up
      this.#parked.delete(key);
      this.#parkedCount -= parked.length;
      // Stored now, a public post would be for its recipient alone, for good. What is about no new post goes on.
      const later = new Set(isOpen === undefined ? parked.filter((one) => dependsOnAccess((one.entries ??= this.#decode(one)))) : []);
      for (const one of later) this.#fetchLater(one);
      this.#ready.unshift(...parked.filter((one) => !later.has(one)));
      this.#wake();
    });
  }

  #park(key: string, parked: Waiting[], next: Waiting): void {
    if (this.#parkedCount < MAX_PARKED) {
      parked.push(next);
      this.#parkedCount += 1;
      return;
    }
    this.ctx.log.debug({ node: key }, 'more than can wait: fetched later');
    this.#fetchLater(next);
  }

  #fetchLater({ local, event, isAnswer, done }: Waiting): void {
    if (!isAnswer) this.parts.onMissing(local, event);
    done(false);
  }

  /** A batch whole or, when one of it cannot be stored, each by itself. What is lost with a power failure is fetched again on the next start. */
  async #store(batch: Waiting[]): Promise<void> {
    let stored = 0;
    try {
      await this.ctx.store.transaction(
        async (tx) => {
          const view = await BatchView.open(tx, batch);
          const arrivals = await Arrivals.open(this.ctx, tx, batch.flatMap(postsOf));
          let from = performance.now();
          for (stored = 0; stored < batch.length; stored++) {
            if (stored > 0 && performance.now() - from > BATCH_MS) {
              if (tx.dialect === 'sqlite') break;
              await new Promise(setImmediate); // everything else has its turn; there nobody waits for this transaction
              from = performance.now();
            }
            await this.#receive(tx, view, arrivals, batch[stored]!);
          }
          await arrivals.write();
        },
        { mayBeLost: true },
      );
    } catch (error) {
      stored = 0;
      if (error instanceof DomainError && error.code === 'unavailable') await new Promise((resolve) => setTimeout(resolve, DATABASE_RETRY_MS));
      else if (batch.length > 1) this.#oneByOne = batch.length;
      else {
        stored = 1;
        this.counts.failed += 1;
        this.ctx.log.error({ err: error, service: batch[0]!.event.service, node: batch[0]!.event.node }, 'an event could not be stored');
      }
    }
    this.#oneByOne = Math.max(0, this.#oneByOne - stored);
    for (const one of batch.splice(0, stored)) one.done(true);
    if (batch.length > 0) this.#ready.unshift(...batch);
  }

  async #receive(tx: Tx, view: BatchView, arrivals: Arrivals, { local, event, at, isAnswer, entries, isOpen }: Waiting): Promise<void> {
    const actor = await view.actor(local);
    if (!actor || !(isAnswer ? await view.isAdmitted(actor, event) : await view.isFollowed(actor, event))) {
      this.counts.refused += 1;
      return;
    }
    const reader = this.#readerOf(event, local);
    const author = !reader && event.node === NS.MICROBLOG ? await view.person(event.service) : null;
    if (author && !author.isLocal && !event.isConfigured && !event.isEmptied) {
      for (const [index, { id, isRetracted }] of event.items.entries()) {
        const origin = { service: event.service, node: event.node, itemId: id };
        const entry = entries![index] ?? null;
        if (isRetracted) await arrivals.retraction(origin);
        else if (entry) await arrivals.post({ author, origin, entry, recipients: [actor.id], isOpen: isOpen ?? null, at });
      }
      if (event.items.some(isIncomplete)) this.parts.onMissing(local, event);
      return;
    }
    await arrivals.write();
    if (event.isConfigured) await this.parts.access.forget(tx, event);
    if (reader) return reader.receive(tx, event, actor, at, isAnswer);
    if (author && !author.isLocal && event.isEmptied) await receivePurge(this.ctx, tx, event);
  }
}

const keyOf = ({ service, node }: NodeAddress): string => `${service} ${node}`;
/** Is there one that does not say for whom it is? */
const dependsOnAccess = (entries: readonly (ReceivedEntry | null)[]): boolean => entries.some((entry) => entry !== null && entry.audience === null);
/** The posts that may be in an event. */
const postsOf = ({ event: { service, node, items }, entries }: Waiting): ItemAddress[] => items.filter((_, index) => entries?.[index]).map(({ id }) => ({ service, node, itemId: id }));
const isIncomplete = ({ payload, isRetracted, id }: InboundItem): boolean => payload === null && !isRetracted && id !== '0';

/** What many events of a batch need to know, looked up once, and together where it is known what will be asked. */
class BatchView {
  readonly #actors = new Map<string, Promise<Actor | null>>();
  readonly #relationships = new Map<number, Promise<Map<number, Relationship>>>();
  readonly #followed = new Map<string, Promise<boolean>>();

  private constructor(
    private readonly tx: Tx,
    private readonly people: Map<string, Actor>,
  ) {}

  static async open(tx: Tx, batch: readonly Told[]): Promise<BatchView> {
    return new BatchView(tx, await findActorsByAddress(tx, 'xmpp', [...new Set(batch.map(({ event }) => event.service))]));
  }

  actor(local: string): Promise<Actor | null> {
    return once(this.#actors, local, () => findLocalActor(this.tx, local));
  }

  /** Whose PEP this is. */
  async person(service: string): Promise<Actor | null> {
    return this.people.get(service) ?? null;
  }

  async #relationship(actor: Actor, person: Actor): Promise<Relationship> {
    const all = await once(this.#relationships, actor.id, () => findRelationships(this.tx, actor.id, [...this.people.values()].map(({ id }) => id)));
    return all.get(person.id) ?? noRelationship(actor.id, person.id);
  }

  /** Nobody hears of whom she has blocked. */
  async isAdmitted(actor: Actor, { service }: NodeAddress): Promise<boolean> {
    const person = await this.person(service);
    return person === null || (await this.#relationship(actor, person)).blockedAt === null;
  }

  /** Does she follow the person whose PEP this is, or has she subscribed to the very node? The answer to a subscription may come after its first event. */
  isFollowed(actor: Actor, { service, node }: NodeAddress): Promise<boolean> {
    return once(this.#followed, `${actor.id} ${service} ${node}`, async () => {
      const person = await this.person(service);
      if (person) {
        const { following, blockedAt } = await this.#relationship(actor, person);
        if (blockedAt !== null) return false;
        if (following === 'on') return true;
      }
      const feed = await findFeed(this.tx, actor.id, { service, node });
      // An own feed (xmpp/sources.ts) is heard by presence, too, whatever was said of the subscription.
      return feed !== null && (feed.state !== 'refused' || feed.personId === actor.id);
    });
  }
}

function once<K, T>(known: Map<K, Promise<T>>, key: K, find: () => Promise<T>): Promise<T> {
  let found = known.get(key);
  if (!found) known.set(key, (found = find()));
  return found;
}
