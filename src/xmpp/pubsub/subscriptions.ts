// XEP-0060 §6 Subscriptions. To subscribe to a feed explicitly is one of the two ways to follow on XMPP (relations.md), and the only one of
// Movim and Libervia: stored for ever, delivered to the bare JID without knowing presence.
import { randomUUID } from 'node:crypto';
import type { FollowerState } from '../../domain/relationship.js';
import type { Context } from '../../services/context.js';
import { applyEvent } from '../../services/relationships.js';
import type { Tx } from '../../store/database.js';
import { findRelationship } from '../../store/relationships.js';
import { countSubscriptionsOf, deleteSubscription, findSubscriptions, legsOf, type PubsubSubscription, upsertSubscription } from '../../store/xmpp.js';
import { notAllowed, StanzaError } from '../errors.js';
import { type Asker, notePerson, type Target } from '../people.js';
import { isFeed, type NodeName, nodeNamed } from './rules.js';

/** Of one bare JID, over all accounts here. */
const MAX_SUBSCRIPTIONS = 2_000;

/** A relationship's answer to a feed subscription. A refused one goes on waiting: nobody is told that he was refused. */
const stateFor = (follower: FollowerState): PubsubSubscription['state'] => (follower === 'on' ? 'subscribed' : 'pending');

/**
 * Subscribes the asker's bare JID. Repeating it changes nothing.
 * @throws StanzaError policy-violation + too-many-subscriptions, not-allowed + closed-node (someone without a name, where the owner is asked first)
 */
export async function subscribe(ctx: Context, { actor, account }: Target, { jid, isOwner }: Asker, node: NodeName): Promise<PubsubSubscription> {
  const person = isOwner || jid.local === '' ? null : await notePerson(ctx, jid);
  return ctx.store.transaction(async (tx) => {
    const existing = (await findSubscriptions(tx, { actorId: actor.id, jid: jid.bare, node }))[0];
    if (!existing && (await countSubscriptionsOf(tx, jid.bare)) >= MAX_SUBSCRIPTIONS) throw new StanzaError('wait', 'policy-violation', 'too-many-subscriptions');
    let state: PubsubSubscription['state'] = 'subscribed';
    if (!isOwner && isFeed(node)) {
      // A server or service has no name by which the owner could let it in.
      if (!person && account.askFirst) throw notAllowed('closed-node');
      if (person) state = stateFor((await applyEvent(ctx, tx, actor.id, person.id, 'follow')).follower);
    }
    const subscription = {
      actorId: actor.id,
      node,
      jid: jid.bare,
      personId: isOwner ? actor.id : (person?.id ?? null),
      subid: existing?.subid ?? randomUUID(),
      state,
      pausedUntil: null,
      createdAt: existing?.createdAt ?? ctx.now(),
    };
    await upsertSubscription(tx, subscription);
    return subscription;
  });
}

/**
 * Subscribes the asker's bare JID to a node of a post that it may see, which is not to follow anybody. What it is told is decided with each event.
 * @throws StanzaError policy-violation + too-many-subscriptions
 */
export async function subscribeToPost(ctx: Context, { actor }: Target, { jid, isOwner }: Asker, node: string): Promise<PubsubSubscription> {
  const person = isOwner ? actor : jid.local === '' ? null : await notePerson(ctx, jid);
  return ctx.store.transaction(async (tx) => {
    const existing = (await findSubscriptions(tx, { actorId: actor.id, jid: jid.bare, node }))[0];
    if (!existing && (await countSubscriptionsOf(tx, jid.bare)) >= MAX_SUBSCRIPTIONS) throw new StanzaError('wait', 'policy-violation', 'too-many-subscriptions');
    const subscription = {
      ...{ actorId: actor.id, node, jid: jid.bare, personId: person?.id ?? null, subid: existing?.subid ?? randomUUID() },
      ...{ state: 'subscribed' as const, pausedUntil: null, createdAt: existing?.createdAt ?? ctx.now() },
    };
    await upsertSubscription(tx, subscription);
    return subscription;
  });
}

/**
 * Ends the asker's subscription. The last way of following that ends is the end of following.
 * @throws StanzaError unexpected-request + not-subscribed, not-acceptable + invalid-subid
 */
export async function unsubscribe(ctx: Context, { actor }: Target, { jid }: Asker, node: string, subid: string | undefined): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const existing = (await findSubscriptions(tx, { actorId: actor.id, jid: jid.bare, node }))[0];
    if (!existing) throw new StanzaError('cancel', 'unexpected-request', 'not-subscribed');
    if (subid !== undefined && subid !== existing.subid) throw new StanzaError('modify', 'not-acceptable', 'invalid-subid');
    await deleteSubscription(tx, actor.id, node, jid.bare);
    const { personId } = existing;
    if (personId !== null && personId !== actor.id && isFollowing(node) && !(await stillFollows(tx, actor.id, personId))) await applyEvent(ctx, tx, actor.id, personId, 'unfollow');
  });
}

const isFollowing = (name: string): boolean => {
  const node = nodeNamed(name);
  return node !== null && isFeed(node);
};

/** Is there any wire left on which the person follows, or asks to? */
export async function stillFollows(tx: Tx, actorId: number, personId: number): Promise<boolean> {
  if ((await legsOf(tx, actorId, personId)).some((leg) => leg.inbound !== 'none')) return true;
  return (await feedSubscriptionsOf(tx, actorId, personId)).length > 0;
}

async function feedSubscriptionsOf(tx: Tx, actorId: number, personId: number): Promise<PubsubSubscription[]> {
  return (await findSubscriptions(tx, { actorId, personId })).filter(({ node }) => isFollowing(node));
}

/**
 * Makes a person's subscriptions agree with the relationship: those of the feeds follow it, and a block, whoever has set it, ends them all.
 * @returns those that changed; `state` null: it is gone
 */
export async function settleSubscriptions(tx: Tx, actorId: number, personId: number): Promise<(Pick<PubsubSubscription, 'jid' | 'node' | 'subid'> & { state: 'subscribed' | null })[]> {
  if (actorId === personId) return [];
  const { follower, blockedAt } = await findRelationship(tx, actorId, personId);
  const isBlocked = blockedAt !== null || (await findRelationship(tx, personId, actorId)).blockedAt !== null;
  const changed = [];
  for (const one of isBlocked ? await findSubscriptions(tx, { actorId, personId }) : await feedSubscriptionsOf(tx, actorId, personId)) {
    if (!isBlocked && follower === 'on' && one.state === 'pending') {
      await upsertSubscription(tx, { ...one, state: 'subscribed' });
      changed.push({ ...one, state: 'subscribed' as const });
    } else if (isBlocked || follower === 'none' || (follower === 'refused' && one.state === 'subscribed')) {
      await deleteSubscription(tx, actorId, one.node, one.jid);
      changed.push({ ...one, state: null });
    }
  }
  return changed;
}
