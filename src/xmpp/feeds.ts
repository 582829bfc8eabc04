// Notifications (XEP-0060 §7.1.2, XEP-0163 §4.3): a post, an edit or a retraction to everyone on one server who is to hear of it now.
// Explicit subscriptions get it at their bare JID; followers by presence at each resource that asked for NODE+notify; nobody both ways.
import type { Activity } from '../domain/activity.js';
import type { Actor } from '../domain/actor.js';
import { DeliveryError, DomainError } from '../domain/errors.js';
import { type Guid, newGuid } from '../domain/guid.js';
import type { Post } from '../domain/post.js';
import type { Reached } from '../domain/protocol.js';
import { noteBounce, retryNow } from '../services/bounces.js';
import type { Context } from '../services/context.js';
import { listPostsBy } from '../services/stream.js';
import type { Tx } from '../store/database.js';
import { findActor, findLocalActor } from '../store/actors.js';
import { findActivity, firstUnderway } from '../store/ledger.js';
import { findPostForDelivery } from '../store/posts.js';
import { together } from '../store/together.js';
import { type DeliveryTargets, deliveryTargets, findLeg, findSubscriptions, markSent, profileTargets, saveLeg, TARGETS, targetPages, type Told, upsertSubscription } from '../store/xmpp.js';
import { type Element, xml } from '../xml.js';
import { componentJidOf, hostOf, type Jid } from './addresses.js';
import { encodeEvent, forMany } from './codec/event.js';
import { Lanes } from './lanes.js';
import { eventId } from './messages.js';
import type { Multicast } from './multicast.js';
import type { InterestsOf } from './presence/interests.js';
import type { KnownPresence, Resource } from './presence/known.js';
import type { WarmUp } from './presence/warm-up.js';
import { encodePost, profileItems } from './pubsub/nodes.js';
import { forgetEnded, isOfFeed, newsUnder, rootOf } from './pubsub/post-events.js';
import { FEED_NODES, type FeedNodeName, PROFILE_NODES, type ProfileNodeName } from './pubsub/rules.js';
import type { Transport } from './transport.js';

/** relations.md: what a follower who was away gets when he comes back. */
const CATCH_UP_POSTS = 20;
/** How long a subscription rests after its events came back: doubling from the first to the last. */
const PAUSE_MS = { min: 60_000, max: 24 * 3_600_000 };
const MAX_PAUSED = 50_000;
/** How many stanzas go out between two looks at the queue. */
const BURST = 64;

/** Messages as text, for as long as anyone has them. */
const written = new WeakMap<Element, (to: string) => string>();

/** What feeds.ts needs of the rest of this folder. */
export interface FeedsParts {
  transport: Transport;
  known: KnownPresence;
  interests: InterestsOf;
  warmUp: WarmUp;
  multicast: Multicast;
}

export class Feeds {
  /** Author and host: a delivery and what a follower gets on coming online never overtake each other. */
  readonly #lanes = new Lanes();
  /** What has left for a follower but has not passed the barrier yet, by `actorId/jid`. */
  readonly #underway = new Map<string, Guid>();
  /** Hosts that could not be reached (`LOCAL/HOST`), and of which nothing has been heard since. */
  readonly #unreached = new Set<string>();
  /** Whose events came back (`LOCAL/BARE-JID`), and how often in a row. */
  readonly #paused = new Map<string, number>();

  constructor(
    private readonly ctx: Context,
    private readonly parts: FeedsParts,
  ) {}

  /** What was underway is lost with the connection. */
  forgetUnderway(): void {
    this.#underway.clear();
    this.parts.multicast.lost();
  }

  /**
   * Brings an activity to everyone on the host.
   * @returns how many bare JIDs
   * @throws DeliveryError
   */
  async deliver(activity: Activity, host: string, signal: AbortSignal): Promise<Reached> {
    await this.parts.warmUp.hostReady(host);
    try {
      return await this.#lanes.run(`${activity.actorId}/${host}`, () => this.#deliverNow(activity, host, signal));
    } catch (error) {
      if (error instanceof DomainError) {
        // Without a connection the gate holds it back; it goes on as soon as that opens.
        throw new DeliveryError(error.message, error.code === 'too-large' || error.code === 'invalid', this.parts.transport.online ? undefined : 0);
      }
      throw error;
    }
  }

  async #deliverNow(activity: Activity, host: string, signal: AbortSignal): Promise<Reached> {
    const { ctx, parts } = this;
    const { post, author, events } = await together(ctx.store, `news of ${activity.id}`, null, () => this.#newsOf(activity));
    // What was retracted in between is not told any more; the retraction has a delivery of its own.
    if (!post || !author || (post.deletedAt !== null && activity.verb !== 'delete')) return { recipients: 0, resting: 0 };
    const under = await this.#tellUnder(activity, post, author, host, signal);
    if (!isOfFeed(activity.verb)) return { recipients: under, resting: 0 };
    const told = { post, nodes: FEED_NODES };
    const targets = await this.#targets(told, host);
    const now = ctx.now();

    const people = new Set<string>();
    const resting = new Set<string>();
    const sending: Promise<void>[] = [];
    const to = new Map<FeedNodeName, string[]>(FEED_NODES.map((node) => [node, []]));
    /** To those found so far. Nothing waits for its end but the barrier: the next page is read meanwhile. */
    const send = () => {
      for (const [node, recipients] of to) {
        if (recipients.length === 0) continue;
        to.set(node, []);
        const sent = events(node).then((event) => this.#sendAll(host, event, recipients, { activity, signal }));
        sent.catch(() => {}); // known below
        sending.push(sent);
      }
    };
    /** After each page: those of a few pages leave together, and no more are kept. */
    const sendMany = async () => {
      if (FEED_NODES.every((node) => to.get(node)!.length < TARGETS.page)) return;
      send();
      if (!parts.transport.crowded) return;
      await parts.transport.roomy();
      signal.throwIfAborted();
    };

    const explicit = new Set<string>();
    for await (const page of targetPages(ctx.store, 'subscriptions', told, host, targets)) {
      for (const { jid, node, pausedUntil } of page) {
        const recipients = to.get(node as FeedNodeName);
        if (!recipients) continue;
        if (targets.legs.length > 0) explicit.add(`${node} ${jid}`);
        if (pausedUntil !== null && pausedUntil > now) {
          resting.add(jid);
          continue;
        }
        recipients.push(jid);
        people.add(jid);
      }
      await sendMany();
    }

    // The host was out of reach: perhaps they have gone since, and nobody could say so. Who was there gets it, who was not finds it owed to him.
    const isDoubtful = this.#unreached.has(`${author.username}/${host}`);
    const reached: string[] = [];
    for await (const page of targetPages(ctx.store, 'legs', told, host, targets)) {
      for (const leg of page) {
        const resources = parts.known.resources(author.username, leg.jid);
        if (resources.length === 0 || (activity.verb === 'post' && this.#sentUpTo(leg) >= post.guid)) continue;
        let wants = false;
        for (const resource of resources) {
          const interests = parts.interests.known(resource);
          for (const node of FEED_NODES) {
            if (!interests.has(node)) continue;
            wants = true;
            if (!explicit.has(`${node} ${leg.jid}`)) to.get(node)!.push(resource.jid);
          }
        }
        if (!wants) continue;
        reached.push(leg.jid);
        people.add(leg.jid);
        if (isDoubtful) parts.transport.send(xml('presence', { type: 'probe', from: componentJidOf(author, ctx.config.domain), to: leg.jid }));
      }
      await sendMany();
    }
    send();
    await Promise.all(sending);
    if (people.size > 0) await parts.transport.barrier();
    if (reached.length > 0 && !isDoubtful) {
      await together(ctx.store, `sent ${activity.id} of ${author.id}`, reached, (of) => ctx.store.transaction((tx) => markSent(tx, author.id, of.flat(), activity.id)));
    }
    return { recipients: people.size, resting: [...resting].filter((jid) => !people.has(jid)).length };
  }

  /** What an activity is about, as it stands now. `events` makes the message for a node, once. */
  async #newsOf(activity: Activity): Promise<{ post: Post | null; author: Actor | null; events(node: FeedNodeName): Promise<Element> }> {
    const post = await findPostForDelivery(this.ctx.store, activity.postGuid);
    const author = post && (await findActor(this.ctx.store, post.authorId));
    const made = new Map<FeedNodeName, Promise<Element>>();
    const events = (node: FeedNodeName) => {
      let event = made.get(node);
      if (!event) made.set(node, (event = this.#event(activity, post!, author!, node)));
      return event;
    };
    return { post, author, events };
  }

  async #targets(told: Told, host: string): Promise<DeliveryTargets> {
    const { store } = this.ctx;
    // The author's lane keeps a host from being asked for twice at once; who asks again meanwhile must not get half of what there is.
    return (await together(store, `targets of ${told.post.guid}`, host, (hosts) => deliveryTargets(store, told, [...new Set(hosts)]))).get(host)!;
  }

  /** What was done under the post, to those who subscribed to its nodes. @returns how many bare JIDs */
  async #tellUnder(activity: Activity, post: Post, author: Actor, host: string, signal: AbortSignal): Promise<number> {
    const news = await newsUnder(this.ctx, activity, post, author, host);
    if (news.length === 0) return 0;
    await Promise.all(news.map(({ event, recipients }) => this.#sendAll(host, event, recipients, { activity, signal })));
    await this.parts.transport.barrier();
    await forgetEnded(this.ctx, activity, post, host);
    return new Set(news.flatMap(({ recipients }) => recipients)).size;
  }

  async #event(activity: Activity, post: Post, author: Actor, node: FeedNodeName): Promise<Element> {
    const item = activity.verb === 'delete' ? { id: post.guid, payload: null } : await encodePost(this.ctx, node, { post, author, root: post.kind === 'reshare' ? await rootOf(this.ctx, post) : null });
    return encodeEvent({ from: componentJidOf(author, this.ctx.config.domain), id: eventId(activity.id), node, items: [item] });
  }

  /** By the host's multicast service where there is one, else one by one; nothing is waited for but the reading of the server and of that service. */
  async #sendAll(host: string, stanza: Element, recipients: string[], { activity, signal }: { activity?: Activity; signal?: AbortSignal | undefined }): Promise<void> {
    const { multicast } = this.parts;
    const refusedLate = (some: string[], condition: string) =>
      void (activity ? this.#bringBack(activity, host, some, condition) : this.#sendEach(stanza, some)).catch((err: Error) => this.ctx.log.warn({ host, err }, 'what a multicast service refused late is lost'));
    await this.#sendEach(stanza, await multicast.send(host, stanza, recipients, refusedLate, signal), signal);
  }

  /** What these have not got counts as sent, and since then it may have been edited or deleted: so all of it is done again, and who has it drops it. */
  async #bringBack(activity: Activity, host: string, recipients: readonly string[], condition: string): Promise<void> {
    const { ctx } = this;
    await ctx.store.transaction(async (tx) => {
      for (const jid of new Set(recipients.map((recipient) => recipient.split('/', 1)[0]!))) await owe(tx, activity, activity.actorId, jid);
    });
    await noteBounce(ctx, activity, { protocol: 'xmpp', host }, { condition, address: host, isUnreachable: true, isOfServer: true });
  }

  async #sendEach(stanza: Element, recipients: string[], signal?: AbortSignal): Promise<void> {
    const { transport } = this.parts;
    let text = written.get(stanza);
    if (!text) written.set(stanza, (text = forMany(stanza)));
    for (let sent = 0; sent < recipients.length; sent++) {
      transport.sendRaw(text(recipients[sent]!));
      if (sent % BURST !== BURST - 1 || !transport.crowded) continue;
      await transport.roomy();
      signal?.throwIfAborted();
    }
  }

  #sentUpTo(leg: { actorId: number; jid: string; lastGuid: Guid | null }): Guid {
    const underway = this.#underway.get(`${leg.actorId}/${leg.jid}`) ?? '';
    return leg.lastGuid !== null && leg.lastGuid > underway ? leg.lastGuid : underway;
  }

  /**
   * A follower by presence came online and wants to hear of the feed: he gets what he missed since the last that was sent to him.
   * Only new posts: edits and ends of older ones he finds when he looks them up.
   * @param wasThere he never went: it was us who were away. Then what is still on its way to his server comes by itself, however much it is.
   */
  async catchUp(actor: Actor, bareJid: string, resource: Resource, wasThere = false): Promise<void> {
    const { ctx, parts } = this;
    const interests = parts.interests.known(resource);
    const nodes = FEED_NODES.filter((node) => interests.has(node));
    if (nodes.length === 0) return;
    const newest = await this.#lanes.run(`${actor.id}/${hostOf(bareJid)}`, async () => {
      const leg = await findLeg(ctx.store, actor.id, bareJid);
      if (leg?.inbound !== 'on') return null;
      const since = this.#sentUpTo(leg);
      if (since === '') return newGuid(ctx.now()); // from now on
      const underway = wasThere ? await firstUnderway(ctx.store, { actorId: actor.id, protocol: 'xmpp', host: hostOf(bareJid), after: since }) : null;
      const missed = (await listPostsBy(ctx, { actorId: leg.personId }, actor, { newer: since, ...(underway === null ? {} : { older: underway }), limit: CATCH_UP_POSTS })).reverse();
      for (const view of missed) {
        for (const node of nodes) {
          const item = await encodePost(ctx, node, view);
          const from = componentJidOf(actor, ctx.config.domain);
          const event = encodeEvent({ from, id: `c-${view.post.guid}`, node, items: [item], delayedSince: view.post.editedAt ?? view.post.createdAt });
          parts.transport.sendRaw(forMany(event)(resource.jid));
        }
      }
      const last = missed.at(-1)?.post.guid ?? null;
      if (last !== null) this.#underway.set(`${actor.id}/${bareJid}`, last);
      return last;
    });
    if (newest === null) return;
    await parts.transport.barrier();
    await ctx.store.transaction((tx) => markSent(tx, actor.id, [bareJid], newest));
    const key = `${actor.id}/${bareJid}`;
    if (this.#underway.get(key) === newest) this.#underway.delete(key);
  }

  /** The last items of the profile nodes that a resource asked for (XEP-0163 §4.3.4: once, when it comes online). */
  async sendProfile(actor: Actor, to: Resource): Promise<void> {
    const interests = this.parts.interests.known(to);
    for (const node of PROFILE_NODES) {
      const event = interests.has(node) ? await this.#profileEvent(actor, node) : null;
      if (event) this.parts.transport.sendRaw(forMany(event)(to.jid));
    }
  }

  async #profileEvent(actor: Actor, node: ProfileNodeName): Promise<Element | null> {
    const items = await profileItems(this.ctx, node, actor);
    return items.length === 0 ? null : encodeEvent({ from: componentJidOf(actor, this.ctx.config.domain), id: `p-${actor.id}`, node, items });
  }

  /** A name, summary or picture has changed: tells all who subscribed to a profile node or asked for it by their caps. */
  async profileChanged(actorId: number, signal?: AbortSignal): Promise<void> {
    const { ctx, parts } = this;
    const actor = await findActor(ctx.store, actorId);
    if (!actor?.isLocal) return;
    const { legs, subscriptions } = await profileTargets(ctx.store, actorId, PROFILE_NODES);
    for (const node of PROFILE_NODES) {
      const event = await this.#profileEvent(actor, node);
      if (!event) continue;
      const bare = subscriptions.filter((one) => one.node === node).map(({ jid }) => jid);
      const full = legs
        .filter((leg) => !bare.includes(leg.jid))
        .flatMap((leg) => parts.known.resources(actor.username, leg.jid))
        .filter((resource) => parts.interests.known(resource).has(node))
        .map(({ jid }) => jid);
      const byHost = new Map<string, string[]>();
      for (const jid of [...bare, ...full]) {
        const host = hostOf(jid.split('/', 1)[0]!);
        const there = byHost.get(host);
        if (there) there.push(jid);
        else byHost.set(host, [jid]);
      }
      for (const [host, recipients] of byHost) await this.#sendAll(host, event, recipients, { signal });
    }
    await parts.transport.barrier();
  }

  /**
   * An event came back. It pauses what goes to that address, or to its whole host when that cannot be reached, and is owed to a follower again; it
   * never removes anybody.
   */
  async bounced({ activityId, condition }: { activityId: Guid; condition: string }, to: Jid, from: Jid): Promise<void> {
    const { ctx } = this;
    const [activity, actor] = await Promise.all([findActivity(ctx.store, activityId), findLocalActor(ctx.store, to.local)]);
    const post = activity && (await findPostForDelivery(ctx.store, activity.postGuid));
    if (!activity || !actor || post?.authorId !== actor.id) return;
    ctx.log.info({ activityId, jid: from.bare, condition }, 'an event came back');
    const isUnreachable = condition.startsWith('remote-server-');
    const isBare = from.resource === '';
    if (!isUnreachable) this.parts.known.unavailable(to.local, from);
    // A full JID that is gone says nothing about the bare one.
    const pausedUntil = isUnreachable || !isBare ? null : this.#pause(`${to.local}/${from.bare}`);
    const isOurs = await ctx.store.transaction(async (tx) => {
      const subscriptions = await findSubscriptions(tx, { actorId: actor.id, jid: from.bare });
      if (pausedUntil !== null) for (const subscription of subscriptions) await upsertSubscription(tx, { ...subscription, pausedUntil });
      const isFollower = await owe(tx, activity, actor.id, from.bare);
      return isFollower || subscriptions.length > 0;
    });
    // Who went away in between gets it when he comes back: that is no fate of the delivery.
    if (!isOurs || !(isUnreachable || isBare)) return;
    const isLost = await noteBounce(ctx, activity, { protocol: 'xmpp', host: from.domain }, { condition, address: from.bare, isUnreachable, isOfServer: isBare });
    if (isLost && this.#unreached.size < MAX_PAUSED) this.#unreached.add(`${to.local}/${from.domain}`);
  }

  /** @returns until when */
  #pause(key: string): number {
    const times = (this.#paused.get(key) ?? 0) + 1;
    if (times > 1 || this.#paused.size < MAX_PAUSED) this.#paused.set(key, times);
    return this.ctx.now() + Math.min(PAUSE_MS.max, PAUSE_MS.min * 2 ** (times - 1));
  }

  /** Whoever shows up is no longer paused, and his host can be reached: what waits for it is tried at once. */
  async seen(to: Jid, from: Jid): Promise<void> {
    if (this.#unreached.delete(`${to.local}/${from.domain}`)) {
      const author = await findLocalActor(this.ctx.store, to.local);
      if (author) await retryNow(this.ctx, author.id, { protocol: 'xmpp', host: from.domain });
    }
    if (!this.#paused.delete(`${to.local}/${from.bare}`)) return;
    const actor = await findLocalActor(this.ctx.store, to.local);
    if (!actor) return;
    await this.ctx.store.transaction(async (tx) => {
      for (const subscription of await findSubscriptions(tx, { actorId: actor.id, jid: from.bare })) await upsertSubscription(tx, { ...subscription, pausedUntil: null });
    });
  }
}

/** A follower by presence has not got it after all. @returns whether he is one */
async function owe(tx: Tx, activity: Activity, actorId: number, jid: string): Promise<boolean> {
  const leg = await findLeg(tx, actorId, jid);
  if (leg?.lastGuid && activity.verb === 'post' && leg.lastGuid >= activity.postGuid) await saveLeg(tx, { ...leg, lastGuid: justBefore(activity.postGuid) });
  return leg !== null;
}

/** The greatest guid below this one. */
const justBefore = (guid: Guid): Guid => (BigInt(`0x${guid}`) - 1n).toString(16).padStart(32, '0');
