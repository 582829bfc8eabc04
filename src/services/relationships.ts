import type { Account } from '../domain/account.js';
import { type Actor, handleOf, isDomain } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import { type FollowingState, nextRelationship, type Relationship, type RelationshipEvent } from '../domain/relationship.js';
import { findAccountByActor, updateAccount } from '../store/accounts.js';
import { aspectsOfMember, aspectsOfMembers, lockAspects, removeAspectMember } from '../store/aspects.js';
import { addressesOf, findActor, findActorByAddress, findLocalActor, upsertRemoteActor } from '../store/actors.js';
import type { Db, Tx } from '../store/database.js';
import { addJobs } from '../store/jobs.js';
import { markReadBy, removeNotificationsBetween } from '../store/notifications.js';
import { CIRCLES, type Circle, countRelationships, findRelationship, listRelationships, saveRelationship } from '../store/relationships.js';
import { findSubscriptions, legsOf } from '../store/xmpp.js';
import { ALWAYS, joinAspects, requireAspect, requireAspects } from './aspects.js';
import type { Context } from './context.js';
import { notify } from './notifications.js';

export { CIRCLES, type Circle };

/** One person on the contacts page. `id` is the ID of `/contacts/ID/…`, `address` what one would write to follow them. */
export interface Entry {
  id: number;
  relationship: Relationship;
  other: Actor;
  address: string;
  /** The account's aspects that they are in. */
  aspectIds: number[];
}

/**
 * Applies one event of relations.md's table to what stands between a local account's person (A) and another person (B):
 * saves it, keeps the other side in step when B lives here too, and leaves the job that makes the wires agree.
 * @param more.older with `add`: the older posts for contacts, too
 * @returns the relationship from A's side
 * @throws DomainError conflict when A's action makes no sense any more
 */
export async function applyEvent(ctx: Context, tx: Tx, actorId: number, otherId: number, event: RelationshipEvent, more: { older?: boolean } = {}): Promise<Relationship> {
  if (actorId === otherId) throw new DomainError('invalid', 'This is your own address.', 'address');
  const before = await findRelationship(tx, actorId, otherId);
  const stillAsks = before.follower === 'refused' && (await stillWants(tx, actorId, otherId));
  let after = nextRelationship(before, event, { askFirst: await asksFirst(tx, actorId), stillAsks, now: ctx.now(), ...more });
  const other = await findActor(tx, otherId);
  if (other?.isLocal) {
    const theirs = await findRelationship(tx, otherId, actorId);
    const mirrored = await mirror(ctx, tx, after, theirs, event);
    after = mirrored.ours;
    if (mirrored.theirs !== theirs) {
      await saveRelationship(tx, mirrored.theirs);
      await tellChange(ctx, tx, theirs, mirrored.theirs);
    }
    if (!isPrivate(event)) await addJobs(tx, [reconcile(otherId, actorId)]);
  }
  if (after !== before) {
    await saveRelationship(tx, after);
    await tellChange(ctx, tx, before, after);
  }
  if (!isPrivate(event)) await addJobs(tx, [reconcile(actorId, otherId)]);
  return after;
}

/** Nothing on any wire tells of it. */
const isPrivate = (event: RelationshipEvent): boolean => event === 'mute' || event === 'unmute' || event === 'open';

/** What the owner of a relationship hears of its change. */
async function tellChange(ctx: Context, tx: Tx, before: Relationship, after: Relationship): Promise<void> {
  const { actorId: ownerId, otherId: byId } = after;
  if (after.blockedAt !== null && before.blockedAt === null) return removeNotificationsBetween(tx, ownerId, byId);
  if (after.follower === 'asked' && before.follower !== 'asked') {
    tx.publish({ kind: 'request', actorId: ownerId });
    await notify(ctx, tx, { ownerId, kind: 'request', byId });
  }
  if (before.follower === 'asked' && after.follower !== 'asked') await markReadBy(tx, ownerId, ctx.now(), { request: byId }); // it was answered, or taken back
  if (before.following === 'asked' && after.following !== 'asked') tx.publish({ kind: 'account', actorId: byId }); // for who waits on their page
  if (before.following === 'asked' && after.following === 'on') await notify(ctx, tx, { ownerId, kind: 'accepted', byId });
}

const reconcile = (actorId: number, otherId: number) =>
  ({ kind: 'reconcile-presence', payload: { actorId, otherId }, queue: 'xmpp', lane: `presence:${actorId}:${otherId}` }) as const;

/** Does a wish of B's to follow still stand? A refused pubsub subscription goes on waiting, and who lives here keeps A as a contact. */
const stillWants = async (tx: Tx, actorId: number, otherId: number): Promise<boolean> =>
  (await findRelationship(tx, otherId, actorId)).addedAt !== null ||
  (await findSubscriptions(tx, { actorId, personId: otherId })).some((one) => one.state === 'pending') || (await legsOf(tx, actorId, otherId)).some((leg) => leg.inbound === 'asked');

const asksFirst = async (db: Db, actorId: number) => (await findAccountByActor(db, actorId))?.askFirst ?? false;

/** Two people of this installation need no wire: what one does is at once what the other's side says. */
async function mirror(ctx: Context, tx: Tx, ours: Relationship, theirs: Relationship, event: RelationshipEvent) {
  const followingOf = (follower: Relationship['follower']): FollowingState => (follower === 'on' || follower === 'asked' ? follower : 'none');
  switch (event) {
    case 'add': {
      const facts = { askFirst: await asksFirst(tx, ours.otherId), stillAsks: false, now: ctx.now() };
      const answered = nextRelationship(theirs, 'follow', facts);
      const following: FollowingState = answered.follower === 'on' ? 'on' : 'asked'; // who refuses or blocks looks like one who has not answered
      return { ours: { ...ours, following }, theirs: { ...answered, following: followingOf(ours.follower) } };
    }
    case 'remove':
      return { ours, theirs: nextRelationship(theirs, 'unfollow', { askFirst: false, stillAsks: false, now: ctx.now() }) };
    case 'block':
      return { ours, theirs: { ...theirs, follower: 'none', following: 'none', addedAt: null } as Relationship };
    case 'follow':
    case 'unfollow':
    case 'accept':
    case 'refuse':
      return { ours, theirs: { ...theirs, following: followingOf(ours.follower) } };
    default:
      return { ours, theirs };
  }
}

/**
 * The person behind what someone pasted: handle, chat address, `xmpp:` link, or the web address of a profile here.
 * @throws DomainError invalid | not-found (field address)
 */
export async function findOrNotePerson(ctx: Context, tx: Tx, text: string): Promise<Actor> {
  const { username, domain } = parseAddress(text, ctx.config.publicUrl, ctx.config.domain);
  if (domain === ctx.config.domain || (domain === ctx.config.chatDomain && (await findLocalActor(tx, username)))) {
    const actor = await findLocalActor(tx, username);
    if (!actor) throw new DomainError('not-found', `There is nobody of the name “${username}” here.`, 'address');
    return actor;
  }
  const value = `${username}@${domain}`;
  return (await findActorByAddress(tx, 'xmpp', value)) ?? upsertRemoteActor(tx, { username, domain, address: { protocol: 'xmpp', value } });
}

const ADDRESS = /^([^\s@/<>"'&:\p{Cc}]{1,256})@([^@]+)$/u;

/** Pages of a person, here and on other installations of this program: the host of the pages is the domain of the handle (interface.md §1). */
const PROFILE_PAGE = /^https?:\/\/([^/?#\s]+)\/(?:u\/([^/?#@\s]+)|people\/([^/?#\s]+(?:@|%40)[^/?#@\s]+))\/?(?:[?#].*)?$/i;

function addressInUrl(text: string, publicUrl: string, ownDomain: string): string | null {
  const isOwn = text.startsWith(`${publicUrl}/`);
  const match = PROFILE_PAGE.exec(text);
  if (!match) return null;
  const [, host, username, address] = match;
  try {
    return address ? decodeURIComponent(address) : `${decodeURIComponent(username!)}@${isOwn ? ownDomain : host!.replace(/:\d+$/, '')}`;
  } catch {
    return null; // a percent sign that begins no code
  }
}

/**
 * Takes apart what stands for a person: handle, chat address, `xmpp:` or `acct:` link, or the web address of a profile.
 * @throws DomainError invalid (field address)
 */
export function parseAddress(text: string, publicUrl: string, ownDomain: string): { username: string; domain: string } {
  const trimmed = text.trim();
  const bare = (addressInUrl(trimmed, publicUrl, ownDomain) ?? trimmed)
    .replace(/^(xmpp:|acct:|@)/i, '')
    .split(/[?/]/)[0]!
    .normalize('NFKC')
    .toLowerCase();
  const match = ADDRESS.exec(bare);
  if (!match || !isDomain(match[2]!)) throw new DomainError('invalid', 'Write an address like name@example.org, or paste a link to someone’s page.', 'address');
  return { username: match[1]!, domain: match[2]! };
}

/** People on one page. */
const PAGE_SIZE = 50;

/**
 * A page of the people of a circle: those who follow or ask, the latest first; all others by handle.
 * @param page.outside none of those who are in this aspect
 * @param page.after where the page before ended
 * @returns next: where this one ends, when there are more
 */
export async function pageOfPeople(
  ctx: Context,
  account: Account,
  circle: Circle,
  { limit = PAGE_SIZE, ...page }: { outside?: number; after?: number | undefined; limit?: number } = {},
): Promise<{ people: Entry[]; next: number | null }> {
  const rows = await listRelationships(ctx.store, account.actorId, circle, { ...page, limit: limit + 1 });
  const shown = rows.slice(0, limit);
  const aspects = await aspectsOfMembers(ctx.store, account.actorId, shown.map(({ other }) => other.id));
  const people = shown.map(({ relationship, other }) => ({ id: other.id, relationship, other, address: handleOf(other), aspectIds: aspects.get(other.id) ?? [] }));
  return { people, next: rows.length > limit ? people.at(-1)!.id : null };
}

/** How many people there are in each circle that is no aspect. */
export const countPeople = async (ctx: Context, account: Account): Promise<Record<Exclude<Circle, number>, number>> =>
  Object.fromEntries(await Promise.all(CIRCLES.map(async (circle) => [circle, await countRelationships(ctx.store, account.actorId, circle)] as const))) as Record<Exclude<Circle, number>, number>;

/** The first who wait for an answer, and how many they are. */
export async function firstRequests(ctx: Context, account: Account, limit: number): Promise<{ people: Entry[]; count: number }> {
  const { people, next } = await pageOfPeople(ctx, account, 'requests', { limit });
  return { people, count: next === null ? people.length : await countRelationships(ctx.store, account.actorId, 'requests') };
}

export interface Adding {
  /** Aspects to put them into, beside those that they are in. */
  aspectIds?: readonly number[];
  /** They may see older posts, too: those for contacts, and those for the aspects. */
  older?: boolean;
}

/**
 * Adds someone to the contacts, and into aspects: they may see posts for these from now on (or older ones, too), and A follows them.
 * @throws DomainError invalid | not-found (field address), invalid (field aspect), conflict (blocked)
 */
export async function addContact(ctx: Context, account: Account, address: string, { aspectIds = [], older = false }: Adding = {}): Promise<Entry> {
  return ctx.store.transaction(async (tx) => {
    await lockAspects(tx, account.actorId);
    const aspects = await requireAspects(tx, account.actorId, aspectIds, 'aspect');
    const other = await findOrNotePerson(ctx, tx, address);
    const relationship = await applyEvent(ctx, tx, account.actorId, other.id, 'add', { older });
    await joinAspects(tx, other.id, aspects, older ? ALWAYS : ctx.now());
    return { id: other.id, relationship, other, address: handleOf(other), aspectIds: await aspectsOfMember(tx, account.actorId, other.id) };
  });
}

/**
 * Puts someone into one aspect; who is no contact yet is added.
 * @param more.older they may see the aspect's older posts, too; of posts for all contacts nothing is said
 * @param more.onlyContacts who is no contact is refused: an address that was typed wrongly is somebody else's
 * @throws DomainError not-found (the aspect), invalid | not-found (field address), conflict (blocked)
 */
export async function putIntoAspect(ctx: Context, account: Account, aspectId: number, address: string, { older = false, onlyContacts = false } = {}): Promise<Actor> {
  return ctx.store.transaction(async (tx) => {
    await lockAspects(tx, account.actorId);
    await requireAspect(tx, account.actorId, aspectId);
    const other = await findOrNotePerson(ctx, tx, address);
    if (onlyContacts && (await findRelationship(tx, account.actorId, other.id)).addedAt === null) throw new DomainError('invalid', 'Nobody among your contacts has this address.', 'address');
    await applyEvent(ctx, tx, account.actorId, other.id, 'add');
    await joinAspects(tx, other.id, [aspectId], older ? ALWAYS : ctx.now());
    return other;
  });
}

/**
 * Says in which aspects a contact is: into the ones that are new, out of those that are not named. Who is in one already keeps his time.
 * @param more.older they may see older posts of the aspects that are new to them, too
 * @throws DomainError not-found (no contact), invalid (field aspect)
 */
export async function changeAspectsOf(ctx: Context, account: Account, otherId: number, aspectIds: readonly number[], { older = false } = {}): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    await lockAspects(tx, account.actorId);
    await requireContact(tx, account, otherId);
    const wanted = await requireAspects(tx, account.actorId, aspectIds, 'aspect');
    const current = await aspectsOfMember(tx, account.actorId, otherId);
    for (const id of current.filter((one) => !wanted.includes(one))) await removeAspectMember(tx, id, otherId);
    await joinAspects(tx, otherId, wanted.filter((one) => !current.includes(one)), older ? ALWAYS : ctx.now());
  });
}

/** A contact may see older posts, too: those for contacts, and those for the aspects they are in. @throws DomainError not-found (no contact) */
export async function showOlder(ctx: Context, account: Account, otherId: number): Promise<Relationship> {
  return ctx.store.transaction(async (tx) => {
    await lockAspects(tx, account.actorId);
    await requireContact(tx, account, otherId);
    await joinAspects(tx, otherId, await aspectsOfMember(tx, account.actorId, otherId), ALWAYS);
    return applyEvent(ctx, tx, account.actorId, otherId, 'open');
  });
}

/** One contact, for the page of their aspects. @throws DomainError not-found */
export async function findContact(ctx: Context, account: Account, otherId: number): Promise<Entry> {
  const { relationship, other } = await requireContact(ctx.store, account, otherId);
  return { id: other.id, relationship, other, address: handleOf(other), aspectIds: await aspectsOfMember(ctx.store, account.actorId, other.id) };
}

async function requireContact(db: Db, account: Account, otherId: number): Promise<{ relationship: Relationship; other: Actor }> {
  const [relationship, other] = await Promise.all([findRelationship(db, account.actorId, otherId), findActor(db, otherId)]);
  if (!other || relationship.addedAt === null) throw new DomainError('not-found', 'This person is not among your contacts.');
  return { relationship, other };
}

/** One of A's own actions on someone already known to her. @throws DomainError not-found, conflict */
async function act(ctx: Context, account: Account, otherId: number, ...events: RelationshipEvent[]): Promise<Relationship> {
  return ctx.store.transaction(async (tx) => {
    const other = await findActor(tx, otherId);
    if (!other) throw new DomainError('not-found', 'This person is no longer here.');
    let relationship: Relationship | undefined;
    for (const event of events) relationship = await applyEvent(ctx, tx, account.actorId, otherId, event);
    return relationship!;
  });
}

/** Lets someone follow who asked, or who was refused (whose wish is gone may ask again); with `followBack` they are added to the contacts, too. @throws DomainError conflict, not-found */
export const acceptRequest = (ctx: Context, account: Account, otherId: number, { followBack }: { followBack: boolean }) =>
  act(ctx, account, otherId, 'accept', ...(followBack ? (['add'] as const) : []));
/** Says no to a request, or ends someone's following. @throws DomainError not-found */
export const refuseRequest = (ctx: Context, account: Account, otherId: number) => act(ctx, account, otherId, 'refuse');
/** Takes someone out of the contacts and stops following them; they may go on following. @throws DomainError not-found */
export const removeContact = (ctx: Context, account: Account, otherId: number) => act(ctx, account, otherId, 'remove');
/** Ends both directions; they see nothing and cannot follow. @throws DomainError not-found */
export const blockPerson = (ctx: Context, account: Account, otherId: number) => act(ctx, account, otherId, 'block');
/** Lifts the block; nothing else comes back by itself. @throws DomainError not-found */
export const unblockPerson = (ctx: Context, account: Account, otherId: number) => act(ctx, account, otherId, 'unblock');
/** Hides someone's posts and doings; nothing else changes, and nobody can tell. @throws DomainError not-found */
export const mutePerson = (ctx: Context, account: Account, otherId: number) => act(ctx, account, otherId, 'mute');
/** @throws DomainError not-found */
export const unmutePerson = (ctx: Context, account: Account, otherId: number) => act(ctx, account, otherId, 'unmute');

/** So many are let in at once: each is a dozen statements, and nobody else writes meanwhile. */
const LET_IN = 100;

/** Switches "ask me first". Off: those who wait are let in, because nobody would answer them any more. */
export async function setAskFirst(ctx: Context, account: Account, on: boolean): Promise<void> {
  const change = (tx: Tx) => updateAccount(tx, account.id, { askFirst: on });
  if (on) return ctx.store.transaction(change);
  for (let waiting = LET_IN; waiting === LET_IN; ) {
    waiting = await ctx.store.transaction(async (tx) => {
      await change(tx);
      const requests = await listRelationships(tx, account.actorId, 'requests', { limit: LET_IN });
      for (const { relationship } of requests) await applyEvent(ctx, tx, account.actorId, relationship.otherId, 'accept');
      return requests.length;
    });
  }
}

/** The chat addresses (bare JIDs) of a person, the social address of a local one included. */
export const chatAddressesOf = async (db: Db, actorId: number): Promise<string[]> =>
  (await addressesOf(db, actorId)).filter((address) => address.protocol === 'xmpp').map((address) => address.value);
