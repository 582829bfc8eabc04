import type { Account } from '../domain/account.js';
import type { Audience } from '../domain/activity.js';
import { ASPECTS_MAX, aspectKey, parseAspectName } from '../domain/aspect.js';
import { DomainError } from '../domain/errors.js';
import { findAccount, updateAccount } from '../store/accounts.js';
import {
  type Aspect,
  addAspectMember,
  countAspectPosts,
  countMembers,
  findAspect,
  insertAspect,
  listAspects,
  lockAspects,
  ownAspects,
  removeAspect as removeRow,
  removeAspectMember,
  renameAspect as renameRow,
} from '../store/aspects.js';
import type { Db, Tx } from '../store/database.js';
import type { Context } from './context.js';

/** A named group of an account's contacts, as its owner sees it. Nobody else ever learns its name or who is in it. */
export interface AspectView {
  id: number;
  name: string;
  /** How many people are in it. */
  members: number;
}

/** Beginning of all time: whoever is a member since then sees the older posts, too. */
export const ALWAYS = 0;

/** The account's aspects, by name. */
export async function listAspectViews(ctx: Context, account: Account): Promise<AspectView[]> {
  const [found, counts] = await Promise.all([listAspects(ctx.store, account.actorId), countMembers(ctx.store, account.actorId)]);
  return found.map(({ id, name }) => ({ id, name, members: counts.get(id) ?? 0 })).sort((a, b) => a.name.localeCompare(b.name));
}

/** @throws DomainError not-found */
export async function findAspectView(ctx: Context, account: Account, id: number): Promise<AspectView> {
  const { name } = await requireAspect(ctx.store, account.actorId, id);
  return { id, name, members: (await countMembers(ctx.store, account.actorId)).get(id) ?? 0 };
}

/** @throws DomainError not-found: also when it is someone else's */
export async function requireAspect(db: Db, ownerId: number, id: number): Promise<Aspect> {
  const aspect = await findAspect(db, ownerId, id);
  if (!aspect) throw new DomainError('not-found', 'You have no such aspect.');
  return aspect;
}

/**
 * Each of the ids once, if all of them are aspects of this owner. Someone else's aspect is like one that does not exist.
 * @param field the form field that named them
 * @throws DomainError invalid (field)
 */
export async function requireAspects(db: Db, ownerId: number, ids: readonly number[], field: string): Promise<number[]> {
  const wanted = [...new Set(ids)];
  const found = wanted.length > ASPECTS_MAX ? [] : await ownAspects(db, ownerId, wanted);
  if (found.length !== wanted.length) throw new DomainError('invalid', 'One of these aspects is not there any more. Have a look and choose again.', field);
  return found.map(({ id }) => id);
}

/**
 * The audience, if this account can give it to a post: at least one aspect, and only its own.
 * @throws DomainError invalid (field audience)
 */
export async function checkAudience(db: Db, account: Account, audience: Audience): Promise<Audience> {
  if (audience.to !== 'aspects') return audience;
  if (audience.aspectIds.length === 0) throw new DomainError('invalid', 'Choose at least one aspect, or everyone, or your contacts.', 'audience');
  return { to: 'aspects', aspectIds: await requireAspects(db, account.actorId, audience.aspectIds, 'audience') };
}

/** @throws DomainError conflict (field name) when another of the owner's aspects has this name */
async function requireFreeName(tx: Tx, ownerId: number, name: string, ofId?: number): Promise<Aspect[]> {
  await lockAspects(tx, ownerId);
  const others = (await listAspects(tx, ownerId)).filter(({ id }) => id !== ofId);
  const same = others.find((other) => aspectKey(other.name) === aspectKey(name));
  if (same) throw new DomainError('conflict', `You have an aspect “${same.name}” already.`, 'name');
  return others;
}

/** @throws DomainError invalid | conflict | too-many (field name) */
export async function createAspect(ctx: Context, account: Account, text: string): Promise<Aspect> {
  const name = parseAspectName(text);
  return ctx.store.transaction(async (tx) => {
    const others = await requireFreeName(tx, account.actorId, name);
    if (others.length >= ASPECTS_MAX) throw new DomainError('too-many', `You can have ${ASPECTS_MAX} aspects. Remove one before you make another.`, 'name');
    return insertAspect(tx, { ownerId: account.actorId, name });
  });
}

/** @throws DomainError invalid | conflict (field name), not-found */
export async function renameAspect(ctx: Context, account: Account, id: number, text: string): Promise<void> {
  const name = parseAspectName(text);
  await ctx.store.transaction(async (tx) => {
    await requireAspect(tx, account.actorId, id);
    await requireFreeName(tx, account.actorId, name, id);
    await renameRow(tx, id, name);
  });
}

/**
 * Removes an aspect. Its posts stay, for those of their other aspects and for their author. Where it was (part of) the account's default
 * audience, that loses it and is never widened: when nothing is left, the next post has to say for whom it is.
 * @throws DomainError not-found
 */
export async function removeAspect(ctx: Context, account: Account, id: number): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    await lockAspects(tx, account.actorId);
    await requireAspect(tx, account.actorId, id);
    const usual = (await findAccount(tx, account.id))?.defaultAudience;
    if (usual?.to === 'aspects' && usual.aspectIds.includes(id)) {
      await updateAccount(tx, account.id, { defaultAudience: { to: 'aspects', aspectIds: usual.aspectIds.filter((other) => other !== id) } });
    }
    await removeRow(tx, account.actorId, id);
  });
}

/** How many posts would be seen by fewer, and by nobody but their author, if the aspect were removed. */
export const countPostsOf = async (ctx: Context, account: Account, id: number): Promise<{ all: number; alone: number }> =>
  countAspectPosts(ctx.store, (await requireAspect(ctx.store, account.actorId, id)).id);

/** For whom a post is when its form or stanza does not say. @throws DomainError invalid (field audience) */
export async function changeDefaultAudience(ctx: Context, account: Account, audience: Audience): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    await lockAspects(tx, account.actorId);
    await updateAccount(tx, account.id, { defaultAudience: await checkAudience(tx, account, audience) });
  });
}

/** Puts a contact into aspects that were checked. Whoever is in one already keeps the time since when. */
export async function joinAspects(tx: Tx, actorId: number, aspectIds: readonly number[], since: number): Promise<void> {
  for (const aspectId of aspectIds) await addAspectMember(tx, { aspectId, actorId, since });
}

/** Takes someone out of one aspect; they stay a contact. @throws DomainError not-found */
export async function takeOutOfAspect(ctx: Context, account: Account, id: number, otherId: number): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    await requireAspect(tx, account.actorId, id);
    await removeAspectMember(tx, id, otherId);
  });
}
