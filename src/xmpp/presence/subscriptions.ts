// RFC 6121 §3, §4 for every account of ours: what comes in, what the wire needs to agree with the relationship (rules.ts), and presence
// after a reconnect. The relationship is the truth and lives in services/relationships.ts; here is only the wire.
import type { Actor } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import { newGuid } from '../../domain/guid.js';
import type { RelationshipEvent } from '../../domain/relationship.js';
import { NS } from '../../formats/namespaces.js';
import type { Context } from '../../services/context.js';
import { applyEvent, chatAddressesOf } from '../../services/relationships.js';
import { actorByJid } from '../../services/stream.js';
import { findActor, findActors, findLocalActor } from '../../store/actors.js';
import type { Tx } from '../../store/database.js';
import { addJobs } from '../../store/jobs.js';
import { findRelationship } from '../../store/relationships.js';
import { sourcesOf } from '../../store/sources.js';
import { findLeg, legsOf, legsOfActor, listLegs, type PresenceLeg, saveLeg } from '../../store/xmpp.js';
import { type Element, xml } from '../../xml.js';
import { componentJidOf, hostOf, type Jid } from '../addresses.js';
import { ownPresence } from '../caps.js';
import { StanzaError } from '../errors.js';
import type { Feeds } from '../feeds.js';
import { type Following, seesFeed } from '../inbound/following.js';
import { Lanes } from '../lanes.js';
import { conditionOf, isNotNow } from '../messages.js';
import { findTarget, notePerson } from '../people.js';
import { settleSubscriptions, stillFollows } from '../pubsub/subscriptions.js';
import type { Transport } from '../transport.js';
import type { InterestsOf } from './interests.js';
import type { CapsMark, KnownPresence, Resource } from './known.js';
import { type Decisions, presenceFor, received, reconcile, type Sent, type SubscriptionStanza, type Wire } from './rules.js';
import type { WarmUp } from './warm-up.js';

const SUBSCRIPTION_STANZAS = new Set(['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed']);
/** Probes and presence after a reconnect: this many legs at once, then a pause. A server with few is done at once. */
const REJOIN = { legs: 50, pauseMs: 250 };
/** What presence and caps may take longer than the answer of their server. */
const AFTER_PING_MS = 500;
/** After their server, asked for their presence, could not be reached. */
const ASK_AGAIN_MS = 10 * 60_000;
/** Follow-ups to presence that wait at a time: beyond, presence is noted, but nobody gets what he missed. */
const MAX_FOLLOW_UPS = 20_000;
/** `<c/>` with longer values is nobody's. */
const MAX_CAPS_LENGTH = 512;

const emptyLeg = (actorId: number, jid: string, personId: number): PresenceLeg => ({ actorId, jid, personId, inbound: 'none', outbound: 'none', capsOnly: false, lastGuid: null });

export interface PresenceParts {
  transport: Transport;
  known: KnownPresence;
  interests: InterestsOf;
  warmUp: WarmUp;
  feeds: Feeds;
  following: Following;
}

export class Presence {
  /** Account and person: a stanza and a reconciliation of the same pair never run at once. */
  readonly #pairs = new Lanes();
  readonly #followUps = new Lanes();
  /** Whose presence was asked for, and whose server could not be reached. */
  readonly #unreached = new Map<string, { to: Jid; from: Jid }>();
  #askTimer: NodeJS.Timeout | undefined;
  /** Rises with each connection: what was begun on an earlier one stops. */
  #connection = 0;

  constructor(
    private readonly ctx: Context,
    private readonly parts: PresenceParts,
  ) {}

  // ── what comes in ──

  /** One presence stanza for one of our accounts. */
  async handle(stanza: Element, to: Jid, from: Jid): Promise<void> {
    const { type } = stanza.attrs;
    if (to.local === '') return; // the domain itself has no presence
    if (type === undefined) return this.#available(to, from, capsOf(stanza));
    if (type === 'unavailable' || type === 'error') return this.#gone(to, from, type === 'error' ? stanza : null);
    if (type === 'probe') return this.#probe(to, from);
    if (SUBSCRIPTION_STANZAS.has(type)) return this.#subscription(type as SubscriptionStanza, to, from);
  }

  #available(to: Jid, from: Jid, caps: CapsMark | null): void {
    const isNew = this.parts.known.available(to.local, from, caps);
    this.#followUp(to, from, () => this.#cameOnline(to, from, { jid: from.full, caps }, isNew));
  }

  /** Not in the sender's turn: asking for caps may take its time. */
  #followUp(to: Jid, from: Jid, work: () => Promise<void>): void {
    const done = () => this.parts.warmUp.answered(to.local, from.bare);
    if (this.#followUps.size >= MAX_FOLLOW_UPS) return done();
    const connection = this.#connection;
    void this.#followUps
      .run(`${to.local}/${from.full}`, async () => (connection === this.#connection ? work() : undefined))
      .catch((error) => {
        if (!(error instanceof DomainError)) this.ctx.log.error({ err: error }, 'a follow-up to presence failed');
      })
      .finally(done);
  }

  async #cameOnline(to: Jid, from: Jid, resource: Resource, isNew: boolean): Promise<void> {
    const { known, interests, warmUp, feeds } = this.parts;
    const pair = await this.#pair(to, from);
    // Whoever shows presence without a subscription is not kept in mind.
    if (!pair || (pair.leg.inbound !== 'on' && pair.leg.outbound !== 'on')) return known.unavailable(to.local, from);
    const { actor, leg } = pair;
    // COMPAT ejabberd 23.01: after their new login it sends nothing of theirs to /pep before it has heard of it again.
    if (isNew && leg.outbound === 'on' && !leg.capsOnly) this.#send(actor, from.bare, ['pep']);
    // Who was there all the time has our profile.
    const isRejoin = warmUp.isOpen(to.local, from.bare);
    await interests.find(this.#jidOf(actor), resource);
    if (!isNew || leg.inbound !== 'on') return;
    // Deliveries may go to the host as soon as we know what it wants; what was missed is told apart by `lastGuid`.
    await feeds.catchUp(actor, from.bare, resource, isRejoin);
    if (!isRejoin) await feeds.sendProfile(actor, resource);
  }

  async #gone(to: Jid, from: Jid, error: Element | null): Promise<void> {
    const { known, warmUp } = this.parts;
    known.unavailable(to.local, from);
    warmUp.answered(to.local, from.bare);
    if (error === null || from.resource !== '') return;
    const pair = await this.#pair(to, from);
    if (pair?.leg.outbound !== 'asked') return;
    // COMPAT Prosody 0.12: type 'cancel' does not mean for ever, a server that is briefly away gets it as well.
    if (error.getChild('error')?.attrs.type !== 'cancel' || isNotNow(conditionOf(error))) return this.#askLater(to, from);
    // There is no such address: what we asked will never be answered.
    await this.#pairs.run(pairKey(pair.actor.id, pair.leg.personId), () =>
      this.ctx.store.transaction(async (tx) => {
        const current = await findLeg(tx, pair.actor.id, from.bare);
        if (current?.outbound === 'asked') await saveLeg(tx, { ...current, outbound: current.capsOnly ? 'refused' : 'none' });
      }),
    );
  }

  #askLater(to: Jid, from: Jid): void {
    this.#unreached.set(`${to.local}/${from.bare}`, { to, from });
    this.#askTimer ??= setTimeout(() => void this.#askAgain().catch((error) => this.ctx.log.error({ err: error }, 'could not ask for presence again')), ASK_AGAIN_MS).unref();
  }

  async #askAgain(): Promise<void> {
    const connection = this.#connection;
    const all = [...this.#unreached.values()];
    this.#forgetUnreached();
    for (const { to, from } of all) {
      const pair = await this.#pair(to, from);
      if (!pair || connection !== this.#connection) continue;
      await this.#pairs.run(pairKey(pair.actor.id, pair.leg.personId), async () => {
        const current = await findLeg(this.ctx.store, pair.actor.id, from.bare);
        if (current?.outbound === 'asked' && connection === this.#connection) this.#send(pair.actor, from.bare, ['subscribe']);
      });
    }
  }

  #forgetUnreached(): void {
    this.#unreached.clear();
    clearTimeout(this.#askTimer);
    this.#askTimer = undefined;
  }

  async #probe(to: Jid, from: Jid): Promise<void> {
    const pair = await this.#pair(to, from);
    if (pair?.leg.inbound === 'on') this.#send(pair.actor, from.bare, presenceFor(pair.leg));
    else this.#refuse(to, from);
  }

  /** What stands on the wire between the account and the sender; null: nothing, or no such account. */
  async #pair(to: Jid, from: Jid): Promise<{ actor: Actor; leg: PresenceLeg } | null> {
    const actor = await findLocalActor(this.ctx.store, to.local);
    const leg = actor && (await findLeg(this.ctx.store, actor.id, from.bare));
    return leg && { actor, leg };
  }

  async #subscription(stanza: SubscriptionStanza, to: Jid, from: Jid): Promise<void> {
    const { ctx } = this;
    let actor: Actor;
    try {
      actor = (await findTarget(ctx, to.local)).actor;
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error;
      // As a refusal looks: nobody can tell.
      if (stanza === 'subscribe') this.#refuse(to, from);
      return;
    }
    if (from.local === '') {
      // Servers and services follow by pubsub subscription; they have no presence to share.
      if (stanza === 'subscribe') this.#refuse(to, from);
      return;
    }
    const known = await actorByJid(ctx, from.bare);
    // Strangers become known only by wanting something.
    if (!known && stanza !== 'subscribe') return;
    const person = known ?? (await notePerson(ctx, from));
    await this.#pairs.run(pairKey(actor.id, person.id), async () => {
      const send = await ctx.store.transaction(async (tx) => {
        const leg = (await findLeg(tx, actor.id, from.bare)) ?? emptyLeg(actor.id, from.bare, person.id);
        const step = received(stanza, leg);
        // A follower sees what comes from now on, not all of the past.
        const lastGuid = stanza === 'subscribe' && leg.inbound === 'none' ? newGuid(ctx.now()) : leg.lastGuid;
        if (differs(step.wire, leg) || leg.personId !== person.id) await saveLeg(tx, { ...leg, ...step.wire, personId: person.id, lastGuid });
        if (person.id === actor.id) await this.#later(tx, actor.id, person.id);
        else if (step.event && !(await isHeldOtherwise(tx, step.event, actor.id, person.id))) await applyEvent(ctx, tx, actor.id, person.id, step.event);
        // Who only keeps his presence to himself is not asked for it again.
        else if (step.event && step.event !== 'refused') await this.#later(tx, actor.id, person.id);
        return step.send;
      });
      if (stanza === 'unsubscribed') this.parts.known.unavailable(actor.username, { ...from, resource: '', full: from.bare });
      this.#send(actor, from.bare, send);
    });
  }

  /** The job that applyEvent leaves, where there is no event. */
  async #later(tx: Tx, actorId: number, otherId: number): Promise<void> {
    await addJobs(tx, [{ kind: 'reconcile-presence', payload: { actorId, otherId }, queue: 'xmpp', lane: `presence:${actorId}:${otherId}`, runAt: this.ctx.now() }]);
  }

  // ── making wire and relationship agree ──

  /**
   * The job `reconcile-presence`: sends what is missing between an account and a person, on all of that person's addresses. Idempotent;
   * the legs are saved when our server has taken it all.
   */
  async reconcile({ actorId, otherId }: { actorId: number; otherId: number }): Promise<void> {
    await this.#pairs.run(pairKey(actorId, otherId), async () => {
      const { ctx } = this;
      const [actor, other, relationship, legs] = await Promise.all([
        findActor(ctx.store, actorId),
        findActor(ctx.store, otherId),
        findRelationship(ctx.store, actorId, otherId),
        legsOf(ctx.store, actorId, otherId),
      ]);
      if (!actor?.isLocal || !other) return;
      const isOwner = actorId === otherId;
      const decisions: Decisions = {
        follower: isOwner ? 'on' : relationship.blockedAt !== null ? 'none' : relationship.follower,
        following: other.isLocal || relationship.blockedAt !== null ? 'none' : relationship.following,
      };
      if (decisions.following !== 'none' && legs.length === 0) {
        const address = (await chatAddressesOf(ctx.store, otherId))[0];
        if (address) legs.push(emptyLeg(actorId, address, otherId));
      }
      // An owner address follows by itself; we follow it when its own feed is a source of posts.
      const sources = new Set(isOwner ? (await sourcesOf(ctx.store, actorId)).map(({ jid }) => jid) : []);
      for (const jid of sources) if (!legs.some((leg) => leg.jid === jid)) legs.push(emptyLeg(actorId, jid, otherId));
      let accepted = false;
      let sentAny = false;
      const changed: PresenceLeg[] = [];
      for (const leg of legs) {
        const step = reconcile(leg, sources.has(leg.jid) ? { ...decisions, following: 'asked' } : decisions);
        this.#send(actor, leg.jid, step.send);
        accepted ||= step.event === 'accepted';
        sentAny ||= step.send.length > 0;
        if (differs(step.wire, leg)) changed.push({ ...leg, ...step.wire });
        if (step.wire.inbound === 'none' && step.wire.outbound !== 'on') this.parts.known.unavailable(actor.username, bareOf(leg.jid));
      }
      if (sentAny) await this.parts.transport.barrier();
      const settled = await ctx.store.transaction(async (tx) => {
        for (const leg of changed) await saveLeg(tx, leg);
        if (accepted) await applyEvent(ctx, tx, actorId, otherId, 'accepted');
        if (!other.isLocal) await this.parts.following.reconcile(tx, { actorId, otherId });
        return settleSubscriptions(tx, actorId, otherId);
      });
      // XEP-0060 §8.6: who waited is told that the subscription stands now, or that it is gone.
      for (const { jid, node, subid, state } of settled) {
        const subscription = xml('subscription', { node, jid, subid, subscription: state ?? 'none' });
        this.parts.transport.send(xml('message', { from: this.#jidOf(actor), to: jid, type: 'headline', id: `s-${subid}` }, xml('event', { xmlns: NS.PUBSUB_EVENT }, subscription)));
      }
    });
  }

  #jidOf(actor: Actor): string {
    return componentJidOf(actor, this.ctx.config.domain);
  }

  #send(actor: Actor, to: string, what: readonly Sent[]): void {
    for (const one of what) this.parts.transport.send(encodeSent(this.#jidOf(actor), to, one, actor.profile.avatar));
  }

  /** In the name of whoever was addressed, as if there were nobody. */
  #refuse(to: Jid, from: Jid): void {
    this.parts.transport.send(encodeSent(to.bare, from.bare, 'unsubscribed'));
  }

  /** Another picture, or none: presence says so to everybody who sees any of ours. */
  async pictureChanged(actorId: number): Promise<void> {
    const { ctx, parts } = this;
    const actor = await findActor(ctx.store, actorId);
    if (!actor?.isLocal) return;
    for (const leg of await legsOfActor(ctx.store, actorId)) {
      this.#send(actor, leg.jid, presenceFor(leg));
      if (parts.transport.crowded) await parts.transport.roomy();
    }
    await parts.transport.barrier();
  }

  // ── after a reconnect ──

  /** Nothing that was known before is certain: asks again who is there, and says that we are. */
  async rejoin(): Promise<void> {
    const connection = ++this.#connection;
    const { known, interests, warmUp, transport, feeds } = this.parts;
    known.clear();
    interests.forgetFailures();
    feeds.forgetUnderway();
    warmUp.begin();
    let after: PresenceLeg | null = null;
    for (;;) {
      const legs: PresenceLeg[] = await listLegs(this.ctx.store, after, REJOIN.legs);
      if (connection !== this.#connection || !transport.online) return;
      const actors = await findActors(this.ctx.store, [...new Set(legs.map((leg) => leg.actorId))]);
      if (connection !== this.#connection || !transport.online) return;
      for (const [id, { username }] of actors) if (!(await findLocalActor(this.ctx.store, username))) actors.delete(id); // suspended or closed
      if (connection !== this.#connection || !transport.online) return;
      for (const leg of legs) {
        const actor = actors.get(leg.actorId);
        if (!actor) continue;
        this.#send(actor, leg.jid, presenceFor(leg));
        // The answer may have been lost while we were away; who has given it gives it again (RFC 6121 §3.1.3).
        if (leg.outbound === 'asked') this.#send(actor, leg.jid, ['subscribe']);
        if (leg.outbound !== 'on') continue;
        warmUp.probed(actor.username, leg.jid);
        transport.send(xml('presence', { type: 'probe', from: this.#jidOf(actor), to: leg.jid }));
      }
      if (legs.length < REJOIN.legs) break;
      after = legs.at(-1)!;
      await new Promise((resolve) => setTimeout(resolve, REJOIN.pauseMs));
      await transport.roomy();
    }
    warmUp.allProbed();
    for (const host of warmUp.openHosts()) void this.#askHost(host, connection);
  }

  /**
   * COMPAT ejabberd 23.01: it does not answer a probe for someone who is offline. What a server answers now, it answers after our
   * probes; presence and caps that still come later find their posts by `catchUp`.
   */
  async #askHost(host: string, connection: number): Promise<void> {
    const { transport, warmUp } = this.parts;
    await transport.request(xml('iq', { type: 'get', from: this.ctx.config.domain, to: host }, xml('ping', { xmlns: NS.PING }))).catch(() => {}); // an error is an answer, too
    await new Promise((resolve) => setTimeout(resolve, AFTER_PING_MS));
    if (connection === this.#connection) warmUp.hostAnswered(host);
  }

  /** The connection is gone: so is all that we knew. */
  lost(): void {
    this.#connection += 1;
    this.#forgetUnreached(); // the next connection asks for everything again
    this.parts.known.clear();
    this.parts.warmUp.end();
    this.parts.feeds.forgetUnderway();
  }
}

/** One way of following is enough, in either direction: presence that ends does not end it while an explicit subscription stands. */
async function isHeldOtherwise(tx: Tx, event: RelationshipEvent, actorId: number, personId: number): Promise<boolean> {
  if (event === 'unfollow') return stillFollows(tx, actorId, personId);
  return event === 'refused' && seesFeed(tx, actorId, personId);
}

const differs = (a: Wire, b: Wire): boolean => a.inbound !== b.inbound || a.outbound !== b.outbound || a.capsOnly !== b.capsOnly;

const pairKey = (actorId: number, personId: number): string => `${actorId}/${personId}`;

const bareOf = (jid: string): Jid => ({ local: jid.slice(0, Math.max(0, jid.indexOf('@'))), domain: hostOf(jid), resource: '', bare: jid, full: jid });

function encodeSent(ownJid: string, to: string, what: Sent, photo: string | null = null): Element {
  switch (what) {
    case 'social':
    case 'pep':
      return ownPresence(ownJid, what, to, photo);
    case '-social':
    case '-pep':
      return xml('presence', { type: 'unavailable', from: `${ownJid}/${what.slice(1)}`, to });
    default:
      return xml('presence', { type: what, from: ownJid, to });
  }
}

function capsOf(presence: Element): CapsMark | null {
  const c = presence.getChild('c', NS.CAPS);
  const { node = '', ver = '', hash = '' } = c?.attrs ?? {};
  if (!c || ver === '' || node.length > MAX_CAPS_LENGTH || ver.length > MAX_CAPS_LENGTH || hash.length > 32) return null;
  return { node, ver, hash };
}
