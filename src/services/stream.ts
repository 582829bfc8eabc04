import type { Account } from '../domain/account.js';
import type { Actor } from '../domain/actor.js';
import type { Audience } from '../domain/activity.js';
import { DomainError } from '../domain/errors.js';
import type { Guid } from '../domain/guid.js';
import type { Post } from '../domain/post.js';
import type { Viewer } from '../store/access.js';
import { findAccountByActor } from '../store/accounts.js';
import { findActor, findActorByAddress, findActors, findLocalActor } from '../store/actors.js';
import { type DeliverySummary, latestDeliverySummary } from '../store/ledger.js';
import { listAspects } from '../store/aspects.js';
import { countVisiblePosts, findDeletedPost, findVisiblePost, listHomePosts, listVisiblePosts } from '../store/posts.js';
import { countContacts, countFollowers } from '../store/relationships.js';
import type { Context } from './context.js';

export type { Viewer } from '../store/access.js';

/** A post as its viewer may see it. `delivery` tells the author, and nobody else, where it has arrived. */
export interface PostView {
  post: Post;
  author: Actor;
  delivery: DeliverySummary | null;
  /** For the author of a post for aspects, and nobody else: their names. Empty when all of them were removed. */
  aspectNames?: string[];
}

/** Keyset bounds are guids and exclusive: `older` than this one, `newer` than that one. */
export interface Page {
  older?: Guid;
  newer?: Guid;
  limit: number;
  direction?: 'newest-first' | 'oldest-first';
}

/**
 * One post.
 * @throws DomainError not-found (also when the viewer may not see it), gone (it was deleted, and they could see it before)
 */
export async function readPost(ctx: Context, viewer: Viewer, guid: Guid): Promise<PostView> {
  const post = await findVisiblePost(ctx.store, viewer, guid);
  if (!post) {
    if (await findDeletedPost(ctx.store, viewer, guid)) throw new DomainError('gone', 'This post was deleted by its author.');
    throw new DomainError('not-found', 'There is no such post, or it is not for you to see.');
  }
  return (await withAuthors(ctx, viewer, [post]))[0]!;
}

/** The posts of one person that the viewer may see. */
export async function listPostsBy(ctx: Context, viewer: Viewer, author: Actor, page: Page): Promise<PostView[]> {
  return withAuthors(ctx, viewer, await listVisiblePosts(ctx.store, viewer, { ...page, authorIds: [author.id] }));
}

/** How many posts of one person the viewer may see, within bounds when given. */
export const countPostsBy = (ctx: Context, viewer: Viewer, author: Actor, bounds: { older?: Guid; newer?: Guid } = {}): Promise<number> =>
  countVisiblePosts(ctx.store, viewer, author.id, bounds);

/**
 * The stream of someone who is logged in: own posts and those of the people they follow, newest first.
 * @param page.aspectId an aspect of theirs: only posts of the people in it. Someone else's aspect has nobody in it.
 */
export async function homeStream(ctx: Context, account: Account, page: { older?: Guid; limit: number; aspectId?: number }): Promise<PostView[]> {
  return withAuthors(ctx, { actorId: account.actorId }, await listHomePosts(ctx.store, account.actorId, page));
}

async function withAuthors(ctx: Context, viewer: Viewer, posts: Post[]): Promise<PostView[]> {
  const authors = await findActors(ctx.store, [...new Set(posts.map((post) => post.authorId))]);
  const own = viewer === 'anonymous' ? [] : posts.filter((post) => post.authorId === viewer.actorId);
  const deliveries = own.length > 0 ? await latestDeliverySummary(ctx.store, own.map((post) => post.guid)) : new Map<Guid, DeliverySummary>();
  const names = own.some(({ audience }) => audience.to === 'aspects') ? new Map((await listAspects(ctx.store, own[0]!.authorId)).map(({ id, name }) => [id, name])) : null;
  return posts.map((post) => ({
    ...(names && own.includes(post) && post.audience.to === 'aspects' ? { aspectNames: post.audience.aspectIds.flatMap((id) => names.get(id) ?? []) } : {}),
    post,
    author: authors.get(post.authorId)!,
    delivery: viewer !== 'anonymous' && viewer.actorId === post.authorId ? (deliveries.get(post.guid) ?? { total: 0, arrived: 0, failed: 0 }) : null,
  }));
}

/**
 * The person behind a username of this installation; only active accounts exist for others.
 * @throws DomainError not-found
 */
export async function findPerson(ctx: Context, username: string): Promise<{ actor: Actor; account: Account }> {
  const actor = await findLocalActor(ctx.store, username);
  const account = actor && (await findAccountByActor(ctx.store, actor.id));
  if (!actor || !account) throw new DomainError('not-found', 'There is nobody of this name here.');
  return { actor, account };
}

/** The account's own person. */
export async function actorOf(ctx: Context, account: Account): Promise<Actor> {
  const actor = await findActor(ctx.store, account.actorId);
  if (!actor) throw new Error(`account ${account.id} has no actor`);
  return actor;
}

/**
 * Who asks, by a chat address (bare JID): an owner address is its account (relations.md), a known person is that person, anyone else is anonymous.
 */
export async function viewerByJid(ctx: Context, bareJid: string): Promise<Viewer> {
  const actor = await actorByJid(ctx, bareJid);
  return actor ? { actorId: actor.id } : 'anonymous';
}

/** The person known by a chat address (bare JID), or null. An owner address is its account's person. */
export async function actorByJid(ctx: Context, bareJid: string): Promise<Actor | null> {
  const at = bareJid.indexOf('@');
  const host = bareJid.slice(at + 1);
  if (at > 0 && ctx.config.chatDomain !== '' && host === ctx.config.chatDomain) {
    const owner = await findLocalActor(ctx.store, bareJid.slice(0, at));
    if (owner) return owner;
  }
  if (at > 0 && host === ctx.config.domain) return findLocalActor(ctx.store, bareJid.slice(0, at));
  return findActorByAddress(ctx.store, 'xmpp', bareJid);
}

/** How many people an audience reaches, for the composer. */
export async function describeAudience(ctx: Context, account: Account, audience: Audience): Promise<{ people: number }> {
  return { people: audience.to === 'public' ? await countFollowers(ctx.store, account.actorId) : await countContacts(ctx.store, account.actorId) };
}
