// Who is addressed, and who asks.
import type { Account } from '../domain/account.js';
import { type Actor, handleOf } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import type { Context } from '../services/context.js';
import { takeLimits } from '../services/limits.js';
import { actorByJid, findPerson, type Viewer } from '../services/stream.js';
import { findAccountByUsername } from '../store/accounts.js';
import { upsertRemoteActor } from '../store/actors.js';
import { findRelationship } from '../store/relationships.js';
import type { Jid } from './addresses.js';
import { serviceUnavailable } from './errors.js';

/** One of our accounts, as others address it. */
export interface Target {
  actor: Actor;
  account: Account;
  /** Bare JID. */
  jid: string;
}

/** Whoever sent a stanza. An owner address counts as its account (relations.md). */
export interface Asker {
  jid: Jid;
  /** null: nobody we know. */
  person: Actor | null;
  viewer: Viewer;
  isOwner: boolean;
}

/** @throws StanzaError service-unavailable: no such account, or not an active one */
export async function findTarget(ctx: Context, local: string): Promise<Target> {
  try {
    const { actor, account } = await findPerson(ctx, local);
    return { actor, account, jid: handleOf(actor) };
  } catch (error) {
    throw error instanceof DomainError && error.code === 'not-found' ? serviceUnavailable() : error;
  }
}

/**
 * The account that is addressed and who asks. Whoever the account has blocked gets the answer that is given for a name that does not exist.
 * @throws StanzaError service-unavailable
 */
export async function meet(ctx: Context, to: Jid, from: Jid): Promise<{ target: Target; asker: Asker }> {
  const target = await findTarget(ctx, to.local);
  const person = await actorByJid(ctx, from.bare);
  const isOwner = person?.id === target.actor.id;
  if (person && !isOwner && (await findRelationship(ctx.store, target.actor.id, person.id)).blockedAt !== null) throw serviceUnavailable();
  return { target, asker: { jid: from, person, viewer: person ? { actorId: person.id } : 'anonymous', isOwner } };
}

/**
 * The person behind a JID with a local part, made when not yet known: each chat server may make so many people known in an hour.
 * @throws DomainError too-many, forbidden: the address of an account of ours that is not active
 */
export async function notePerson(ctx: Context, { local, domain, bare }: Jid): Promise<Actor> {
  const known = await actorByJid(ctx, bare);
  if (known) return known;
  // Whoever is suspended does not go on as a stranger.
  if (domain === ctx.config.chatDomain && (await findAccountByUsername(ctx.store, local))) throw new DomainError('forbidden', 'This account cannot be used.');
  await takeLimits(ctx, { 'strangers-host': domain });
  return ctx.store.transaction((tx) => upsertRemoteActor(tx, { username: local, domain, address: { protocol: 'xmpp', value: bare } }));
}
