// Following someone elsewhere beside presence: an explicit subscription to their feed (xmpp-social.md §1, §13: whichever works), and their
// posts fetched when following starts and after every time that we were away, because nothing is queued for us meanwhile.
import type { Actor } from '../../domain/actor.js';
import { DeliveryError } from '../../domain/errors.js';
import type { JobPayloads, NewJob } from '../../domain/job.js';
import { NS } from '../../formats/namespaces.js';
import type { Context } from '../../services/context.js';
import type { NodeAddress } from '../../services/receive.js';
import { applyEvent, chatAddressesOf } from '../../services/relationships.js';
import { followSourceJob } from '../../services/sources.js';
import { findActor, findActors, findLocalActor } from '../../store/actors.js';
import type { Tx } from '../../store/database.js';
import { addJobs } from '../../store/jobs.js';
import { type ComparedOrigin, compareOrigins, feedsOf, findFeed, type FollowedFeed, isInLane, listFeeds, listUnfed, removeFeed, saveFeed } from '../../store/received.js';
import { findRelationship } from '../../store/relationships.js';
import { legsOf } from '../../store/xmpp.js';
import { componentJidOf } from '../addresses.js';
import type { Access } from './access.js';
import { type Asking, MAX_PAGES, PAGE, Refused, Unreachable } from './asking.js';
import type { InboundEvent, InboundItem } from './event.js';
import type { Intake } from './intake.js';

type Pair = JobPayloads['fetch-feed'];

/** How many posts of a node are compared with what its service still has. */
const COMPARED = PAGE * MAX_PAGES;
/** Feeds that are read from the database at a time, after a reconnect. */
const ROUND = 200;
/** How many wait to be asked for at once; each costs memory. */
const AT_ONCE = 32;
/** How long after a round through all feeds the next one begins. */
const ROUND_MS = 30 * 60_000;
/** After a catch-up that failed. */
const AGAIN_MS = 60_000;
/** What is missing is asked for a moment later, once for all that was missed meanwhile. */
const MISSING_MS = 500;
const MAX_MISSING = 20_000;

export interface FollowingParts {
  asking: Asking;
  access: Access;
  intake: Intake;
  isOnline(): boolean;
  /** Fetches what someone tells about themselves. */
  fetchProfile(asker: Actor, person: Actor): Promise<void>;
}

/** The explicit subscriptions of our accounts, and catching up. */
export class Following {
  #nextRound: NodeJS.Timeout | undefined;
  /** Rises with each connection: what was begun on an earlier one stops. */
  #connection = 0;
  /** What nobody waits for, but the end. */
  readonly #background = new Set<Promise<void>>();
  /** Nodes of which everybody gets the same, caught up on this connection. */
  readonly #same = new Set<string>();
  readonly #missing = new Map<string, { local: string; node: NodeAddress }>();
  #missingTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly ctx: Context,
    private readonly parts: FollowingParts,
  ) {}

  // ── subscriptions ──

  /** After what stands between the two has changed: leaves the job that makes the subscription agree, if it does not. */
  async reconcile(tx: Tx, pair: Pair): Promise<void> {
    const feeds = (await feedsOf(tx, pair.actorId, pair.otherId)).filter(isMicroblog);
    const { following, blockedAt } = await findRelationship(tx, pair.actorId, pair.otherId);
    const wanted = following !== 'none' && blockedAt === null;
    const agrees = wanted ? feeds.some(({ state }) => state === 'subscribed') : feeds.length === 0;
    if (!agrees) await this.#later(tx, pair, 0);
  }

  async #later(tx: Tx, pair: Pair, inMs: number): Promise<void> {
    const job: NewJob = { kind: 'fetch-feed', payload: pair, queue: 'xmpp', lane: laneOf(pair), ...(inMs > 0 ? { runAt: this.ctx.now() + inMs } : {}) };
    if (inMs === 0 || !(await isInLane(tx, laneOf(pair)))) await addJobs(tx, [job]);
  }

  /** The same for a feed that is followed, a source of its owner's posts (services/sources.ts) too: what was missed of that one has its own job. */
  async #againLater(tx: Tx, feed: FollowedFeed, inMs: number): Promise<void> {
    if (!isOwn(feed)) return this.#later(tx, { actorId: feed.actorId, otherId: feed.personId }, inMs);
    const job = followSourceJob(feed.actorId, feed.service);
    if (!(await isInLane(tx, job.lane, job.kind))) await addJobs(tx, [job]);
  }

  /**
   * The job `fetch-feed`: subscribes or unsubscribes, and catches up.
   * @throws DeliveryError so that it runs again, when the server cannot be reached now
   */
  async run(pair: Pair): Promise<void> {
    const { ctx } = this;
    const [actor, person, relationship, feeds] = await Promise.all([
      findActor(ctx.store, pair.actorId),
      findActor(ctx.store, pair.otherId),
      findRelationship(ctx.store, pair.actorId, pair.otherId),
      feedsOf(ctx.store, pair.actorId, pair.otherId),
    ]);
    if (!actor?.isLocal || !person || person.isLocal) return;
    try {
      const own = feeds.filter(isMicroblog);
      if (relationship.following === 'none' || relationship.blockedAt !== null) return await this.#end(actor, own);
      const feed = own[0] ?? (await this.#begin(actor, person));
      if (!feed) return;
      const standing = await this.#subscribe(actor, feed);
      if (standing) await this.catchUp(actor, standing);
      if (feed.caughtUpAt === null) await this.parts.fetchProfile(actor, person);
    } catch (error) {
      throw asDeliveryError(error, this.parts.isOnline());
    }
  }

  async #end(actor: Actor, feeds: FollowedFeed[]): Promise<void> {
    for (const feed of feeds) {
      await this.parts.asking.unsubscribe(this.#jidOf(actor), feed, feed.subid || null);
      await this.ctx.store.transaction((tx) => removeFeed(tx, actor.id, feed));
    }
  }

  /**
   * An own feed of hers that is a source (services/sources.ts): subscribed like anybody's.
   * @param look finds out what was missed of it
   * @throws DeliveryError
   */
  async followSource(actor: Actor, service: string, look: () => Promise<void>): Promise<void> {
    const address = { service, node: NS.MICROBLOG };
    try {
      let feed = await findFeed(this.ctx.store, actor.id, address);
      if (feed?.personId !== actor.id) {
        feed = { actorId: actor.id, ...address, personId: actor.id, state: 'asked', subid: null, caughtUpAt: null };
        const begun = feed;
        await this.ctx.store.transaction((tx) => saveFeed(tx, begun));
      }
      const standing = await this.#subscribe(actor, feed);
      if (standing) await this.catchUp(actor, standing, look);
    } catch (error) {
      throw asDeliveryError(error, this.parts.isOnline());
    }
  }

  /** It is a source no longer. @throws DeliveryError */
  async leaveSource(actor: Actor, service: string): Promise<void> {
    const feed = await findFeed(this.ctx.store, actor.id, { service, node: NS.MICROBLOG });
    if (feed?.personId !== actor.id) return;
    try {
      await this.#end(actor, [feed]);
    } catch (error) {
      throw asDeliveryError(error, this.parts.isOnline());
    }
  }

  /** Written before it is asked for: its first events may come before the answer. */
  async #begin(actor: Actor, person: Actor): Promise<FollowedFeed | null> {
    const service = (await chatAddressesOf(this.ctx.store, person.id))[0];
    if (!service) return null;
    const feed: FollowedFeed = { actorId: actor.id, service, node: NS.MICROBLOG, personId: person.id, state: 'asked', subid: null, caughtUpAt: null };
    await this.ctx.store.transaction((tx) => saveFeed(tx, feed));
    return feed;
  }

  /** Asks for the subscription, if it does not stand. @returns the feed as it is now; null: it is no longer followed */
  async #subscribe(actor: Actor, feed: FollowedFeed): Promise<FollowedFeed | null> {
    if (feed.state === 'subscribed') return feed;
    try {
      const { state, subid } = await this.parts.asking.subscribe(this.#jidOf(actor), feed);
      return await this.#settle(actor.id, feed, state === 'subscribed' ? 'subscribed' : state === 'none' ? 'refused' : 'asked', subid ?? (state === 'pending' ? '' : null));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.ctx.log.debug({ service: feed.service, condition: error.condition }, 'an explicit subscription was refused');
      return this.#settle(actor.id, feed, 'refused', null);
    }
  }

  /** Notes how the subscription stands, and what that means for following: one way that works is enough, none is the end. */
  async #settle(actorId: number, address: NodeAddress, state: FollowedFeed['state'], subid: string | null): Promise<FollowedFeed | null> {
    return this.ctx.store.transaction(async (tx) => {
      const feed = await findFeed(tx, actorId, address);
      if (!feed) return null;
      const next = { ...feed, state, subid: subid ?? (state === 'refused' ? null : feed.subid) };
      await saveFeed(tx, next);
      const { following } = await findRelationship(tx, actorId, feed.personId);
      if (state === 'subscribed' && following === 'asked') await applyEvent(this.ctx, tx, actorId, feed.personId, 'accepted');
      // Whoever takes back what stood has answered; before that, presence may still be granted.
      if (state === 'refused' && following !== 'none' && !(await seesPresence(tx, actorId, feed.personId, following === 'asked'))) {
        await applyEvent(this.ctx, tx, actorId, feed.personId, 'refused');
        return null;
      }
      return next;
    });
  }

  /** A service tells how it stands with a subscription (XEP-0060 §8.6): who was asked first has answered, or somebody took it away. */
  async told({ local, event }: { local: string; event: InboundEvent }): Promise<void> {
    const { subscription } = event;
    const actor = await findLocalActor(this.ctx.store, local);
    const feed = actor && (await findFeed(this.ctx.store, actor.id, event));
    if (!actor || !feed || !subscription || !isMicroblog(feed) || subscription.jid !== this.#jidOf(actor)) return;
    const state = { subscribed: 'subscribed', pending: 'asked', unconfigured: 'asked', none: 'refused' }[subscription.state] as FollowedFeed['state'] | undefined;
    if (!state || state === feed.state) return;
    const next = await this.#settle(actor.id, feed, state, subscription.subid);
    if (next?.state === 'subscribed') await this.ctx.store.transaction((tx) => this.#againLater(tx, feed, 0));
  }

  // ── catching up ──

  /** After a reconnect: everything that is followed is asked for again, little at a time. What fails is tried again later. */
  rejoin(): void {
    const connection = ++this.#connection;
    this.#inBackground(
      this.#askAll(connection).catch((error) => {
        this.#next(connection, AGAIN_MS, () => this.rejoin());
        throw error;
      }),
      'could not catch up with what is followed',
    );
  }

  #next(connection: number, inMs: number, work: () => void): void {
    if (connection !== this.#connection) return;
    clearTimeout(this.#nextRound);
    this.#nextRound = setTimeout(work, inMs).unref();
  }

  #inBackground(work: Promise<void>, failure: string): void {
    const one = work
      .catch((error) => this.ctx.log.error({ err: error }, failure))
      .finally(() => this.#background.delete(one));
    this.#background.add(one);
  }

  /** For good, after the connection. Resolves when nothing of this uses the database any more. */
  async stop(): Promise<void> {
    this.lost();
    await Promise.all(this.#background);
  }

  async #askAll(connection: number): Promise<void> {
    this.#same.clear();
    let after: FollowedFeed | null = null;
    const underway = new Set<Promise<void>>();
    for (;;) {
      const feeds: FollowedFeed[] = await listFeeds(this.ctx.store, after, ROUND);
      const actors = await findActors(this.ctx.store, [...new Set(feeds.map(({ actorId }) => actorId))]);
      for (const feed of feeds.filter(isMicroblog)) {
        if (connection !== this.#connection) break;
        const one = this.#rejoinOne(actors.get(feed.actorId), feed, connection).finally(() => underway.delete(one));
        underway.add(one);
        if (underway.size >= AT_ONCE) await Promise.race(underway);
      }
      if (feeds.length < ROUND || connection !== this.#connection) break;
      after = feeds.at(-1)!;
    }
    await Promise.all(underway);
    await this.#findUnfed(connection);
  }

  /** Who is followed without a subscription (from before there were any, or because a job was dropped) gets one. */
  async #findUnfed(connection: number): Promise<void> {
    if (connection !== this.#connection) return;
    const pairs = await listUnfed(this.ctx.store, ROUND);
    if (connection !== this.#connection) return;
    await this.ctx.store.transaction(async (tx) => {
      for (const pair of pairs) await this.#later(tx, pair, 0);
    });
    if (pairs.length === ROUND) this.#next(connection, AGAIN_MS, () => this.#inBackground(this.#findUnfed(connection), 'could not find who is followed without a subscription'));
    // Everything once more: a server may deliver to nobody who does not show presence, or have forgotten us.
    else this.#next(connection, ROUND_MS, () => this.rejoin());
  }

  lost(): void {
    this.#connection += 1;
    clearTimeout(this.#nextRound);
    clearTimeout(this.#missingTimer); // the next connection begins with a round through everything
    this.#missingTimer = undefined;
    this.#missing.clear();
  }

  async #rejoinOne(actor: Actor | undefined, feed: FollowedFeed, connection: number): Promise<void> {
    try {
      if (!actor || !(await findLocalActor(this.ctx.store, actor.username))) return; // suspended or closed
      if (isOwn(feed)) return await this.ctx.store.transaction((tx) => this.#againLater(tx, feed, 0));
      const standing = feed.state === 'asked' ? await this.#subscribe(actor, feed) : feed;
      if (standing && !this.#same.has(keyOf(feed))) await this.catchUp(actor, standing);
    } catch (error) {
      if (!(error instanceof Unreachable)) this.ctx.log.error({ err: error }, 'could not catch up with a feed');
      if (connection !== this.#connection) return; // everything is asked again
      await this.ctx.store.transaction((tx) => this.#againLater(tx, feed, AGAIN_MS)).catch((err) => this.ctx.log.warn({ err }, 'a feed is not caught up with'));
    }
  }

  /**
   * Fetches what one of ours has missed of a feed: page by page as long as all in it is new, and finds out what was retracted meanwhile.
   * That the service shows nothing to her is no failure.
   * @throws Unreachable
   */
  async catchUp(actor: Actor, feed: FollowedFeed, look = () => this.fetchPosts(actor, feed, { isFirst: feed.caughtUpAt === null })): Promise<void> {
    const { ctx } = this;
    try {
      await look();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      ctx.log.debug({ service: feed.service, condition: error.condition }, 'a feed does not show its posts');
    }
    await ctx.store.transaction(
      async (tx) => {
        const current = await findFeed(tx, actor.id, feed);
        if (current) await saveFeed(tx, { ...current, caughtUpAt: ctx.now() });
        tx.publish({ kind: 'account', actorId: feed.personId });
      },
      { mayBeLost: true },
    );
  }

  /**
   * The newest posts of a feed, as one of ours gets them.
   * @param more.isFirst nothing was missed: one page is enough
   * @throws Refused, Unreachable
   */
  async fetchPosts(actor: Actor, { service, node }: NodeAddress, { isFirst }: { isFirst: boolean }): Promise<void> {
    const { asking, access } = this.parts;
    const address = { service, node };
    const had = await compareOrigins(this.ctx.store, address, actor.id, COMPARED);
    const seen: InboundItem[] = [];
    for await (const items of asking.pages(this.#jidOf(actor), address)) {
      if ((await access.ask(address)) === undefined) throw new Unreachable('nobody says who may read it');
      await this.#push(actor, address, items.filter(({ payload }) => payload !== null));
      seen.push(...items);
      if (isFirst || (await this.#isKnown(actor, address, items, had))) break;
    }
    await this.#findRetracted(actor, address, new Set(seen.map(({ id }) => id)), had);
    const saysForWhom = ({ payload }: InboundItem) => payload?.getChild('acl-rule', NS.OSW) !== undefined;
    if (access.known(address) === true && !seen.some(saysForWhom)) this.#same.add(keyOf(address));
  }

  /** Was something of the page here before, just so? An old post that was edited stands among the new ones on Prosody. */
  async #isKnown(actor: Actor, address: NodeAddress, items: readonly InboundItem[], had: ComparedOrigin[]): Promise<boolean> {
    const before = new Map(had.map(({ itemId, updatedAt }) => [itemId, updatedAt]));
    if (!items.some(({ id }) => before.has(id))) return false;
    const now = new Map((await compareOrigins(this.ctx.store, address, actor.id, COMPARED)).map(({ itemId, updatedAt }) => [itemId, updatedAt]));
    return items.some(({ id }) => before.has(id) && before.get(id) === now.get(id));
  }

  /**
   * What is here but no longer there was retracted while we were away; or it was pushed out by newer ones, where few are kept. Suspect is only
   * what is newer than something that is still there, by both its times, and its service is asked again before it goes.
   */
  async #findRetracted(actor: Actor, address: NodeAddress, there: ReadonlySet<string>, had: ComparedOrigin[]): Promise<void> {
    const missing = had.filter(({ itemId, isHers }) => isHers && !there.has(itemId));
    if (missing.length === 0 || there.size === 0) return;
    const kept = (await compareOrigins(this.ctx.store, address, actor.id, COMPARED)).filter(({ itemId }) => there.has(itemId));
    const [created, updated] = [Math.min(...kept.map(({ createdAt }) => createdAt)), Math.min(...kept.map(({ updatedAt }) => updatedAt))];
    const suspects = missing.filter((one) => one.createdAt > created && one.updatedAt > updated).map(({ itemId }) => itemId);
    for (let start = 0; start < suspects.length; start += PAGE) {
      const some = suspects.slice(start, start + PAGE);
      const found = new Set((await this.parts.asking.someItems(this.#jidOf(actor), address, some)).map(({ id }) => id));
      await this.#push(actor, address, some.filter((id) => !found.has(id)).map((id) => ({ id, payload: null, isRetracted: true, publisher: null })));
    }
  }

  /** What was answered goes the way of the events, so that neither overtakes the other. @throws Unreachable when it must be asked for again */
  async #push(actor: Actor, address: NodeAddress, items: InboundItem[]): Promise<void> {
    if (items.length === 0) return;
    const event: InboundEvent = { ...address, items, isEmptied: false, isConfigured: false, subscription: null };
    const isDone = await this.parts.intake.push({ local: actor.username, event, at: this.ctx.now(), isAnswer: true });
    if (!isDone) throw new Unreachable('it could not be stored now');
  }

  /** An event came without what it told of, or was dropped: fetched a moment later. */
  missing(local: string, { service, node }: NodeAddress): void {
    const key = `${local} ${service} ${node}`;
    if (this.#missing.size >= MAX_MISSING && !this.#missing.has(key)) return;
    this.#missing.set(key, { local, node: { service, node } });
    this.#missingTimer ??= setTimeout(() => {
      this.#missingTimer = undefined;
      const all = [...this.#missing.values()];
      this.#missing.clear();
      // The next round finds what is still missing.
      for (const one of all) this.#inBackground(this.#fetchMissing(one.local, one.node), 'what was missing of a feed was not fetched');
    }, MISSING_MS).unref();
  }

  async #fetchMissing(local: string, node: NodeAddress): Promise<void> {
    const actor = await findLocalActor(this.ctx.store, local);
    const feed = actor && (await findFeed(this.ctx.store, actor.id, node));
    if (actor && feed) await this.#rejoinOne(actor, feed, this.#connection);
  }

  #jidOf(actor: Actor): string {
    return componentJidOf(actor, this.ctx.config.domain);
  }
}

/** Of an account that follows a feed of its own: a source. */
const isOwn = ({ actorId, personId }: FollowedFeed): boolean => actorId === personId;
export const isMicroblog = ({ node }: { node: string }): boolean => node === NS.MICROBLOG;

const keyOf = ({ service, node }: NodeAddress): string => `${service} ${node}`;
const laneOf = ({ actorId, otherId }: Pair): string => `feed:${actorId}:${otherId}`;

/** Is there a presence subscription that brings their posts, or (`orAsked`) one that may come to? */
async function seesPresence(tx: Tx, actorId: number, personId: number, orAsked: boolean): Promise<boolean> {
  return (await legsOf(tx, actorId, personId)).some((leg) => !leg.capsOnly && (leg.outbound === 'on' || (orAsked && leg.outbound === 'asked')));
}

/** Does an explicit subscription bring their posts, or may it still, because it has not been answered since she asked to follow them? */
export async function seesFeed(tx: Tx, actorId: number, personId: number): Promise<boolean> {
  const { following } = await findRelationship(tx, actorId, personId);
  const isOpen = ({ state, subid }: FollowedFeed) => state === 'asked' && subid === null && following === 'asked';
  const feeds = (await feedsOf(tx, actorId, personId)).filter(isMicroblog);
  // Presence may be refused before the subscription was even asked for: its job comes after that of presence.
  if (feeds.length === 0) return following === 'asked';
  return feeds.some((feed) => feed.state === 'subscribed' || isOpen(feed));
}

/** So that the worker tries again: at once when it was our own connection. */
export function asDeliveryError(error: unknown, isOnline: boolean): unknown {
  return error instanceof Unreachable ? new DeliveryError(error.message, false, isOnline ? undefined : 0) : error;
}
