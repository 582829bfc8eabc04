// Following as a whole: whatever a stranger's server sends and whatever she does on the web, in any order, the wire, the subscriptions
// and the relationship agree afterwards (relations.md "Three relations": one table and one generated test).
import { jest } from '@jest/globals';
import fc from 'fast-check';
import type { Account } from '../../../src/domain/account.js';
import { DomainError } from '../../../src/domain/errors.js';
import { newGuid } from '../../../src/domain/guid.js';
import { deliver, giveUp } from '../../../src/jobs/deliver.js';
import { startWorker } from '../../../src/jobs/worker.js';
import { bounces } from '../../../src/metrics.js';
import { noteArrivals } from '../../../src/services/bounces.js';
import { retryDelivery } from '../../../src/services/own-deliveries.js';
import { deletePost, editPost, publishPost } from '../../../src/services/publish.js';
import { acceptRequest, addContact, blockPerson, refuseRequest, removeContact, setAskFirst, unblockPerson } from '../../../src/services/relationships.js';
import { findActorByAddress } from '../../../src/store/actors.js';
import { findActivity, latestActivity, listDeliveries } from '../../../src/store/ledger.js';
import { feedsOf } from '../../../src/store/received.js';
import { findRelationship } from '../../../src/store/relationships.js';
import { findLeg, findSubscriptions } from '../../../src/store/xmpp.js';
import { type Element, xml } from '../../../src/xml.js';
import { verification } from '../../../src/xmpp/caps.js';
import { told } from '../../support/follow.js';
import type { Element as TestElement } from '../../support/xmpp-client.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const ROMEO = 'romeo@else.test';
const MICROBLOG = 'urn:xmpp:microblog:0';
const ALICE = 'alice@social.test';
const PUBSUB = 'http://jabber.org/protocol/pubsub';

/** What a real server keeps of both subscriptions (RFC 6121 §3), as romeo's. */
class PeerServer {
  /** He sees her. */
  to: 'none' | 'asked' | 'on' = 'none';
  /** She sees him. */
  from: 'none' | 'asked' | 'on' = 'none';
  /** Whom his feed lets in, and whether she has subscribed to it. */
  feed: 'open' | 'closed' | 'asks' = 'closed';
  explicit: 'none' | 'pending' | 'subscribed' = 'none';

  /** His PEP service (XEP-0060 §6.1, §6.2). */
  answers(iq: Element): Element {
    const pubsub = iq.getChild('pubsub', PUBSUB);
    const reply = (type: string, ...inside: Element[]) => xml('iq', { type, from: iq.attrs.to, to: iq.attrs.from }, inside);
    const error = (condition: string) => reply('error', xml('error', { type: 'cancel' }, xml(condition, { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' })));
    if (pubsub?.getChild('subscribe')) {
      if (this.feed === 'closed' && this.explicit === 'none') return error('forbidden');
      if (this.explicit === 'none') this.explicit = this.feed === 'open' ? 'subscribed' : 'pending';
      return reply('result', xml('pubsub', { xmlns: PUBSUB }, xml('subscription', { node: MICROBLOG, jid: ALICE, subscription: this.explicit })));
    }
    if (pubsub?.getChild('unsubscribe')) {
      const had = this.explicit !== 'none';
      this.explicit = 'none';
      return had ? reply('result') : error('unexpected-request');
    }
    return error('item-not-found');
  }

  hears(stanza: Element): void {
    if (stanza.name !== 'presence') return;
    const { type } = stanza.attrs;
    if (type === 'subscribed' && this.to === 'asked') this.to = 'on';
    if (type === 'unsubscribed') this.to = 'none';
    if (type === 'subscribe' && this.from === 'none') this.from = 'asked';
    if (type === 'unsubscribe') this.from = 'none';
  }
  /** @returns whether his server lets it out */
  says(type: string): boolean {
    if (type === 'subscribe' && this.to === 'none') this.to = 'asked';
    if (type === 'unsubscribe') this.to = 'none';
    if (type === 'subscribed' && this.from !== 'asked') return false;
    if (type === 'subscribed') this.from = 'on';
    if (type === 'unsubscribed') {
      if (this.from === 'none') return false;
      this.from = 'none';
    }
    return true;
  }
}

const STANZAS = ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'] as const;
const EXPLICIT = ['pubsub subscribe', 'pubsub unsubscribe'] as const;
const FEED = ['feed opens', 'feed closes', 'feed asks', 'feed lets in', 'feed throws out'] as const;
const WEB = ['add', 'remove', 'accept', 'refuse', 'block', 'unblock', 'ask first', 'ask no more'] as const;
type Step = (typeof STANZAS)[number] | (typeof EXPLICIT)[number] | (typeof FEED)[number] | (typeof WEB)[number];

async function act(stage: Stage, alice: Account, step: (typeof WEB)[number]): Promise<void> {
  const { ctx } = stage;
  const romeo = await findActorByAddress(ctx.store, 'xmpp', ROMEO);
  const web: Record<(typeof WEB)[number], () => Promise<unknown>> = {
    add: () => addContact(ctx, alice, ROMEO),
    remove: async () => romeo && removeContact(ctx, alice, romeo.id),
    accept: async () => romeo && acceptRequest(ctx, alice, romeo.id, { followBack: false }),
    refuse: async () => romeo && refuseRequest(ctx, alice, romeo.id),
    block: async () => romeo && blockPerson(ctx, alice, romeo.id),
    unblock: async () => romeo && unblockPerson(ctx, alice, romeo.id),
    'ask first': () => setAskFirst(ctx, alice, true),
    'ask no more': () => setAskFirst(ctx, alice, false),
  };
  try {
    await web[step]();
  } catch (error) {
    if (!(error instanceof DomainError)) throw error; // "you have blocked this person" and its like
  }
}

async function take(stage: Stage, alice: Account, peer: PeerServer, step: Step): Promise<void> {
  if ((STANZAS as readonly string[]).includes(step)) {
    if (peer.says(step)) for (const one of await stage.receive(xml('presence', { type: step, from: ROMEO, to: ALICE }))) peer.hears(one);
  } else if ((EXPLICIT as readonly string[]).includes(step)) {
    const verb = step === 'pubsub subscribe' ? 'subscribe' : 'unsubscribe';
    const iq = xml('iq', { type: 'set', id: 'x', from: `${ROMEO}/x`, to: ALICE }, xml('pubsub', { xmlns: 'http://jabber.org/protocol/pubsub' }, xml(verb, { node: MICROBLOG, jid: ROMEO })));
    for (const one of await stage.receive(iq)) peer.hears(one);
  } else if (step === 'feed lets in' || step === 'feed throws out') {
    if (peer.explicit === 'none' || (step === 'feed lets in' && peer.explicit !== 'pending')) return;
    peer.explicit = step === 'feed lets in' ? 'subscribed' : 'none';
    const told = xml('subscription', { node: MICROBLOG, jid: ALICE, subscription: peer.explicit });
    for (const one of await stage.receive(xml('message', { from: ROMEO, to: ALICE, type: 'headline' }, xml('event', { xmlns: `${PUBSUB}#event` }, told)))) peer.hears(one);
  } else if (step === 'feed opens' || step === 'feed closes' || step === 'feed asks') {
    peer.feed = step === 'feed opens' ? 'open' : step === 'feed closes' ? 'closed' : 'asks';
  } else {
    await act(stage, alice, step as (typeof WEB)[number]);
    await stage.runJobs();
    for (const one of stage.take()) peer.hears(one);
  }
}

async function check(stage: Stage, alice: Account, peer: PeerServer): Promise<void> {
  const { store } = stage.ctx;
  const romeo = await findActorByAddress(store, 'xmpp', ROMEO);
  if (!romeo) return;
  const relationship = await findRelationship(store, alice.actorId, romeo.id);
  const leg = (await findLeg(store, alice.actorId, ROMEO)) ?? { inbound: 'none', outbound: 'none', capsOnly: false };
  const subscriptions = await findSubscriptions(store, { actorId: alice.actorId, jid: ROMEO });
  const state = JSON.stringify({ relationship, leg, subscriptions: subscriptions.map((one) => one.state), feeds: await feedsOf(store, alice.actorId, romeo.id), peer });
  const expectThat = (holds: boolean, what: string) => {
    if (!holds) throw new Error(`${what}: ${state}`);
  };
  expectThat(leg.inbound === peer.to, 'his server and we agree on whether he sees her');
  expectThat((leg.outbound === 'refused' ? 'none' : leg.outbound) === peer.from, 'his server and we agree on whether she sees him');
  const follows = leg.inbound === 'on' || subscriptions.some((one) => one.state === 'subscribed');
  expectThat((relationship.follower === 'on') === follows, 'he follows exactly when some wire stands');
  if (relationship.follower === 'asked') expectThat(leg.inbound === 'asked' || subscriptions.some((one) => one.state === 'pending'), 'a request has a wire that asks');
  const feeds = (await feedsOf(store, alice.actorId, romeo.id)).map((one) => one.state);
  expectThat((relationship.following === 'on') === ((leg.outbound === 'on' && !leg.capsOnly) || feeds.includes('subscribed')), 'she follows exactly when he has let her in, one way or the other');
  expectThat(feeds.includes('subscribed') === (peer.explicit === 'subscribed'), 'his feed and we agree on whether she has subscribed');
  expectThat(feeds.includes('asked') === (peer.explicit === 'pending'), 'his feed and we agree on whether she waits to be let in');
  if (relationship.following === 'none') expectThat(feeds.length === 0, 'of whom she does not follow no subscription is left');
  if (relationship.blockedAt !== null) expectThat(leg.inbound === 'none' && leg.outbound !== 'on' && leg.outbound !== 'asked' && subscriptions.every((one) => one.state !== 'subscribed'), 'a block ends every wire');
  if (leg.outbound === 'asked' || leg.outbound === 'on') expectThat(relationship.following !== 'none' || leg.inbound === 'on', 'she looks at nobody without reason');
}

test('any order of stanzas and web actions leaves wire and relationship in agreement', async () => {
  const step = fc.constantFrom<Step>(...STANZAS, ...EXPLICIT, ...FEED, ...WEB);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const stage = await openStage();
      try {
        const alice = await stage.account('alice');
        const peer = new PeerServer();
        stage.answer((iq) => peer.answers(iq));
        for (const one of steps) {
          await take(stage, alice, peer, one);
          await check(stage, alice, peer);
        }
        // Nothing is left to do: again, only presence would go out.
        const romeo = await findActorByAddress(stage.ctx.store, 'xmpp', ROMEO);
        if (!romeo) return;
        await stage.handlers['reconcile-presence']({ payload: { actorId: alice.actorId, otherId: romeo.id } } as never);
        expect(stage.take().filter((one) => one.attrs.type !== undefined).map(String)).toEqual([]);
      } finally {
        await stage.close();
      }
    }),
    { numRuns: 100 },
  );
}, 60_000);

describe('delivery', () => {
  let stage: Stage;
  let alice: Account & { jid: string };
  const FEATURES = [`${MICROBLOG}+notify`];
  const VER = verification({ identities: [], features: FEATURES, forms: [] })!;
  beforeEach(async () => {
    stage = await openStage();
    alice = await stage.account('alice');
    stage.answer(() => xml('iq', {}, xml('query', { xmlns: 'http://jabber.org/protocol/disco#info' }, FEATURES.map((name) => xml('feature', { var: name })))));
  });
  afterEach(() => stage.close());

  const presence = (attrs: Record<string, string>) => xml('presence', { to: ALICE, ...attrs }, attrs.type ? null : xml('c', { xmlns: 'http://jabber.org/protocol/caps', hash: 'sha-1', node: 'n', ver: VER }));
  const follow = async () => {
    await stage.receive(presence({ type: 'subscribe', from: ROMEO }));
    await stage.receive(presence({ type: 'subscribed', from: ROMEO }));
  };
  const events = (stanzas: Element[]) => stanzas.filter((one) => one.name === 'message').map((one) => ({ to: one.attrs.to, told: told(one as unknown as TestElement), delayed: one.getChild('delay') !== undefined }));
  /** Everything that waits at her servers' doors, in its order. */
  const deliverAll = async () => {
    const rows = await stage.ctx.store.query<{ id: string }>('select id from activities order by id');
    for (const { id } of rows) {
      const activity = (await findActivity(stage.ctx.store, id))!;
      for (const host of await stage.protocol.hostsFor(activity)) await stage.protocol.deliver(activity, host, new AbortController().signal);
    }
    return events(stage.take());
  };
  const settle = async () => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    return stage.take();
  };

  test('what was retracted before it was sent is only retracted, what was edited is sent as it is', async () => {
    await follow();
    await stage.receive(presence({ from: `${ROMEO}/x` }));
    await settle();
    const gone = await publishPost(stage.ctx, alice, { text: 'gone' });
    const edited = await publishPost(stage.ctx, alice, { text: 'first' });
    await editPost(stage.ctx, alice, edited.guid, 'second');
    await deletePost(stage.ctx, alice, gone.guid);
    const all = (await deliverAll()).flatMap((one) => one.told);
    expect(all.filter((line) => line.includes(gone.guid))).toEqual([`-${gone.guid}`]);
    expect(all.filter((line) => line.includes(edited.guid))).toEqual([`+${edited.guid} second`, `+${edited.guid} second`]);
  });

  test('who was removed after the post was written gets nothing', async () => {
    await follow();
    await stage.receive(presence({ from: `${ROMEO}/x` }));
    await settle();
    const { id } = await addContact(stage.ctx, alice, ROMEO);
    stage.ctx.pass(1);
    await publishPost(stage.ctx, alice, { text: 'for contacts', audience: { to: 'contacts' } });
    await removeContact(stage.ctx, alice, id);
    await stage.runJobs();
    stage.take();
    expect(await deliverAll()).toEqual([]);
  });

  test('a delivery that runs again sends nothing twice to a follower by presence', async () => {
    await follow();
    await stage.receive(presence({ from: `${ROMEO}/x` }));
    await settle();
    const post = await publishPost(stage.ctx, alice, { text: 'once' });
    expect(await deliverAll()).toEqual([{ to: `${ROMEO}/x`, told: [`+${post.guid} once`], delayed: false }]);
    expect(await deliverAll()).toEqual([]);
  });

  test('who comes back gets at most the twenty newest that he missed, oldest first, once for all of his resources', async () => {
    await follow();
    const posts = [];
    for (let i = 0; i < 25; i++) {
      stage.ctx.pass(1);
      posts.push(await publishPost(stage.ctx, alice, { text: `post ${i}` }));
    }
    stage.dispatcher.take(presence({ from: `${ROMEO}/x` }));
    await stage.dispatcher.settled();
    const missed = events(await settle());
    expect(missed.flatMap((one) => one.told)).toEqual(posts.slice(5).map((post, i) => `+${post.guid} post ${i + 5}`));
    expect(missed.every((one) => one.delayed && one.to === `${ROMEO}/x`)).toBe(true);
    stage.dispatcher.take(presence({ from: `${ROMEO}/second` }));
    await stage.dispatcher.settled();
    expect(events(await settle())).toEqual([]);
    expect(await deliverAll()).toEqual([]);
  });

  test('a new follower gets what comes, not what was', async () => {
    await publishPost(stage.ctx, alice, { text: 'before' });
    stage.ctx.pass(1);
    await follow();
    stage.dispatcher.take(presence({ from: `${ROMEO}/x` }));
    await stage.dispatcher.settled();
    expect(events(await settle())).toEqual([]);
  });

  test('an event that came back is owed again, and pauses an explicit subscription, which stays', async () => {
    await follow();
    await stage.receive(xml('iq', { type: 'set', id: 'x', from: `${ROMEO}/x`, to: ALICE }, xml('pubsub', { xmlns: 'http://jabber.org/protocol/pubsub' }, xml('subscribe', { node: MICROBLOG, jid: ROMEO }))));
    const post = await publishPost(stage.ctx, alice, { text: 'comes back' });
    const [sent] = await deliverAll();
    expect(sent!.to).toBe(ROMEO);
    const [activity] = await stage.ctx.store.query<{ id: string }>('select id from activities');
    expect(await stage.receive(errorOf(activity!.id, ROMEO, 'service-unavailable'))).toEqual([]);
    const [subscription] = await findSubscriptions(stage.ctx.store, { actorId: alice.actorId, jid: ROMEO });
    expect(subscription).toMatchObject({ state: 'subscribed', pausedUntil: stage.ctx.now() + 60_000 });
    stage.ctx.pass(1);
    const next = await publishPost(stage.ctx, alice, { text: 'not now' });
    expect(await deliverAll()).toEqual([]);
    // His next presence lifts it, and brings what he is owed.
    stage.dispatcher.take(presence({ from: `${ROMEO}/x` }));
    await stage.dispatcher.settled();
    expect(events(await settle()).flatMap((one) => one.told)).toEqual([`+${post.guid} comes back`, `+${next.guid} not now`]);
    expect((await findSubscriptions(stage.ctx.store, { actorId: alice.actorId, jid: ROMEO }))[0]).toMatchObject({ pausedUntil: null });
  });

  /** An event of hers that comes back. */
  const errorOf = (activityId: string, from: string, condition: string) =>
    xml('message', { type: 'error', id: `e-${activityId}`, from, to: ALICE }, xml('error', { type: 'cancel' }, xml(condition, { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' })));
  const subscribe = (jid: string) =>
    stage.receive(xml('iq', { type: 'set', id: 'x', from: `${jid}/x`, to: ALICE }, xml('pubsub', { xmlns: 'http://jabber.org/protocol/pubsub' }, xml('subscribe', { node: MICROBLOG, jid }))));
  /** What a connector does with the jobs that are due. */
  const work = async (): Promise<Element[]> => {
    const { ctx } = stage;
    const worker = startWorker({
      ...{ store: ctx.store, log: ctx.log, now: ctx.now, queue: 'xmpp' as const, concurrency: 4 },
      handlers: { deliver: (job, signal) => deliver({ ...ctx, protocols: [stage.protocol] }, job, signal) },
      onArrived: (tx, arrivals) => noteArrivals(ctx, tx, arrivals),
      onDead: (tx, job) => giveUp(ctx, tx, job),
    });
    await worker.idle();
    await worker.stop();
    return stage.take();
  };
  const post = async (text: string): Promise<{ guid: string; id: string }> => {
    stage.ctx.pass(1);
    stage.ctx.protocols.splice(0, 1, stage.protocol);
    const { guid } = await publishPost(stage.ctx, alice, { text });
    return { guid, id: (await latestActivity(stage.ctx.store, guid))!.id };
  };
  const ledger = async (guid: string) => (await listDeliveries(stage.ctx.store, guid)).map(({ state, recipients, refused, error }) => ({ state, recipients, refused, error }));
  const later = () => stage.ctx.pass(3_600_000 * 1.2);

  test('a server that cannot be reached gets it again, and again until it can be, although it pauses nobody', async () => {
    await subscribe(ROMEO);
    const { guid, id } = await post('comes back');
    for (let i = 0; i < 3; i++) {
      expect(events(await work()).map(({ to }) => to)).toEqual([ROMEO]);
      expect(await ledger(guid)).toEqual([{ state: 'arrived', recipients: 1, refused: 0, error: null }]);
      await stage.receive(errorOf(id, ROMEO, 'remote-server-not-found'));
      expect(await ledger(guid)).toEqual([{ state: 'waiting', recipients: null, refused: 0, error: 'remote-server-not-found' }]);
      expect((await findSubscriptions(stage.ctx.store, { actorId: alice.actorId, jid: ROMEO }))[0]).toMatchObject({ pausedUntil: null });
      expect(events(await work())).toEqual([]);
      later();
    }
    expect(events(await work()).map(({ to }) => to)).toEqual([ROMEO]);
    expect(await ledger(guid)).toEqual([{ state: 'arrived', recipients: 1, refused: 0, error: null }]);
  });

  test('a follower by presence on such a server is asked whether he is still there, and is owed it until he shows up', async () => {
    await follow();
    await stage.receive(presence({ from: `${ROMEO}/x` }));
    await settle();
    const { guid, id } = await post('comes back');
    expect(events(await work()).map(({ to }) => to)).toEqual([`${ROMEO}/x`]);
    await stage.receive(errorOf(id, `${ROMEO}/x`, 'remote-server-timeout'));
    expect(await ledger(guid)).toEqual([expect.objectContaining({ state: 'waiting' })]);
    later();
    const again = await work();
    expect(events(again).map(({ to }) => to)).toEqual([`${ROMEO}/x`]);
    expect(again.filter(({ attrs }) => attrs.type === 'probe').map(({ attrs }) => attrs.to)).toEqual([ROMEO]);
    expect(await ledger(guid)).toEqual([{ state: 'arrived', recipients: 1, refused: 0, error: null }]);
    // He had gone meanwhile.
    stage.dispatcher.take(presence({ type: 'unavailable', from: `${ROMEO}/x` }));
    stage.dispatcher.take(presence({ from: `${ROMEO}/y` }));
    await stage.dispatcher.settled();
    expect(events(await settle()).map(({ to, told }) => [to, told])).toEqual([[`${ROMEO}/y`, [`+${guid} comes back`]]]);
  });

  test('whatever comes from such a server hastens what waits for it', async () => {
    await subscribe(ROMEO);
    const { id } = await post('comes back');
    await work();
    await stage.receive(errorOf(id, ROMEO, 'remote-server-not-found'));
    expect(events(await work())).toEqual([]);
    await stage.receive(`<iq type='get' id='1' from='${ROMEO}/x' to='${ALICE}'><ping xmlns='urn:xmpp:ping'/></iq>`);
    expect(events(await work()).map(({ to }) => to)).toEqual([ROMEO]);
  });

  test('one reader who says that his server is out of reach holds up nobody else on it', async () => {
    const other = ROMEO.replace('romeo', 'juliet');
    await follow();
    await stage.receive(presence({ from: `${ROMEO}/x` }));
    await settle();
    await subscribe(other);
    const { guid, id } = await post('for both');
    expect(events(await work()).map(({ to }) => to).sort()).toEqual([other, `${ROMEO}/x`].sort());
    for (const condition of ['remote-server-timeout', 'remote-server-not-found']) await stage.receive(errorOf(id, `${ROMEO}/x`, condition));
    expect(await ledger(guid)).toEqual([{ state: 'arrived', recipients: 2, refused: 0, error: null }]);
    // Nor does somebody who reads nothing here.
    for (const from of [`mallory@${ROMEO.split('@')[1]}`, ROMEO.split('@')[1]!]) await stage.receive(errorOf(id, from, 'remote-server-timeout'));
    expect(await ledger(guid)).toEqual([expect.objectContaining({ state: 'arrived' })]);
  });

  test('to readers who are gone it has not arrived; while they rest nothing is sent, and nothing said to have arrived', async () => {
    await subscribe(ROMEO);
    const first = await post('one');
    await work();
    await stage.receive(errorOf(first.id, ROMEO, 'gone'));
    expect(await ledger(first.guid)).toEqual([{ state: 'given-up', recipients: 1, refused: 1, error: 'gone' }]);
    const second = await post('two');
    expect(events(await work())).toEqual([]);
    expect(await ledger(second.guid)).toEqual([{ state: 'given-up', recipients: 0, refused: 0, error: 'resting' }]);
    // The author may insist.
    await retryDelivery(stage.ctx, alice, second.guid, { protocol: 'xmpp', host: ROMEO.split('@')[1]! });
    expect(events(await work()).map(({ to }) => to)).toEqual([ROMEO]);
    expect(await ledger(second.guid)).toEqual([{ state: 'arrived', recipients: 1, refused: 0, error: null }]);
    expect(bounces.render().join('\n')).toMatch(/dx_bounces_total\{protocol="xmpp",condition="gone"\} [1-9]/);
  });

  test('what a multicast service refuses after it counted as sent comes back: all get it one by one, as it stands by then, before what follows', async () => {
    const host = ROMEO.split('@')[1]!;
    const others = ['juliet', 'nurse', 'tybalt'].map((name) => `${name}@${host}`);
    await follow();
    await stage.receive(presence({ from: `${ROMEO}/x` }));
    await settle();
    for (const jid of others) await subscribe(jid);
    await work();
    // It says that it multiplies, and nothing more once it has something to multiply.
    const info = xml('iq', { type: 'result' }, xml('query', { xmlns: 'http://jabber.org/protocol/disco#info' }, xml('feature', { var: 'http://jabber.org/protocol/address' })));
    stage.answer((iq) => (iq.attrs.to !== host || stage.sent.some((text) => text.includes('<addresses')) ? null : info));
    const { guid } = await post('first');
    const multicast = (await work()).filter(({ attrs }) => attrs.to === host);
    expect(multicast).toHaveLength(1);
    expect(await ledger(guid)).toEqual([{ state: 'arrived', recipients: 4, refused: 0, error: null }]);
    stage.refuse(multicast[0]!.attrs.id!, 'forbidden');
    while ((await ledger(guid))[0]!.state === 'arrived') await new Promise(setImmediate);
    expect(await ledger(guid)).toEqual([{ state: 'waiting', recipients: null, refused: 0, error: 'forbidden' }]);
    await editPost(stage.ctx, alice, guid, 'second');
    const next = await post('next');
    stage.ctx.pass(10_000);
    const sent = events(await work());
    for (const to of [...others, `${ROMEO}/x`]) {
      const told = sent.filter((one) => one.to === to).flatMap((one) => one.told);
      expect(told).toEqual([`+${guid} second`, `+${guid} second`, `+${next.guid} next`]);
    }
    for (const line of [...(await ledger(guid)), ...(await ledger(next.guid))]) expect(line).toEqual({ state: 'arrived', recipients: 4, refused: 0, error: null });
  });

  test('a condition that a stranger makes up is none', async () => {
    await subscribe(ROMEO);
    const { guid, id } = await post('one');
    await work();
    await stage.receive(errorOf(id, ROMEO, 'made-up-by-somebody'));
    expect(await ledger(guid)).toEqual([expect.objectContaining({ error: 'undefined-condition' })]);
    expect(bounces.render().join()).not.toContain('made-up');
  });

  test('a stranger’s error does nothing to others', async () => {
    await follow();
    const bounce = xml('message', { type: 'error', id: `e-${newGuid(1)}`, from: 'mallory@else.test', to: ALICE }, xml('error', { type: 'cancel' }));
    expect(await stage.receive(bounce)).toEqual([]);
    expect(await findLeg(stage.ctx.store, alice.actorId, ROMEO)).toMatchObject({ inbound: 'on' });
  });
});

describe('a request for presence that comes back', () => {
  let stage: Stage;
  let alice: Account & { jid: string };
  beforeEach(async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'performance', 'Date'] });
    stage = await openStage();
    alice = await stage.account('alice');
  });
  afterEach(async () => {
    jest.useRealTimers();
    await stage.close();
  });

  const comesBack = (condition: string, type = 'cancel') =>
    stage.receive(xml('presence', { type: 'error', from: ROMEO, to: ALICE }, xml('error', { type }, xml(condition, { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' }))));
  const outbound = async () => (await findLeg(stage.ctx.store, alice.actorId, ROMEO))?.outbound;
  /** The next that is sent to him. */
  const asked = async () => {
    let sent: Element[] = [];
    while (sent.length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      sent = stage.take().filter(({ attrs }) => attrs.to === ROMEO);
    }
    return sent.map(({ attrs }) => attrs.type);
  };

  test.each([
    ['remote-server-not-found', 'cancel'],
    ['remote-server-timeout', 'cancel'],
    ['remote-server-timeout', 'wait'],
    ['service-unavailable', 'wait'],
  ])('because his server is away (%s, %s) goes out again later, and after a reconnect', async (condition, type) => {
    await addContact(stage.ctx, alice, ROMEO);
    await stage.runJobs();
    expect(stage.take().map(({ attrs }) => attrs.type)).toContain('subscribe');
    for (let i = 0; i < 2; i++) {
      await comesBack(condition, type);
      expect(await outbound()).toBe('asked');
      jest.advanceTimersByTime(10 * 60_000);
      expect(await asked()).toEqual(['subscribe']);
    }
    await comesBack(condition, type);
    stage.online();
    expect(await asked()).toEqual(['subscribe']);
    await stage.receive(xml('presence', { type: 'subscribed', from: ROMEO, to: ALICE }));
    expect(await outbound()).toBe('on');
  });

  test('because there is no such address is given up', async () => {
    await addContact(stage.ctx, alice, ROMEO);
    await stage.runJobs();
    await comesBack('item-not-found');
    expect(await outbound()).toBe('none');
  });

  test('a follower whose server is away is not taken for one who hides from us', async () => {
    await stage.receive(xml('presence', { type: 'subscribe', from: ROMEO, to: ALICE }));
    await comesBack('remote-server-not-found');
    expect(await outbound()).toBe('asked');
  });
});
