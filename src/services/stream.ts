import type { Account } from '../domain/account.js';
import type { Actor, ProtocolName } from '../domain/actor.js';
import type { Audience } from '../domain/activity.js';
import { DomainError } from '../domain/errors.js';
import type { Guid } from '../domain/guid.js';
import type { Post, Reach } from '../domain/post.js';
import type { Viewer } from '../store/access.js';
import { findAccountByActor } from '../store/accounts.js';
import { findActor, findActors, findLocalActor } from '../store/actors.js';
import { type DeliverySummary, failedLikes, latestDeliverySummary } from '../store/ledger.js';
import { listAspects } from '../store/aspects.js';
import { countUnderPosts, countVisiblePosts, findVisiblePosts, lastDoing, listDoings, listHomePosts, listTagged, listVisiblePosts, type PostCounts } from '../store/posts.js';
import { originsOf } from '../store/received.js';
import { findSpeaker } from '../store/owner-addresses.js';
import { countReach } from '../store/reach.js';
import type { Context } from './context.js';
import { requirePost, takesComments } from './threads.js';

export type { Viewer } from '../store/access.js';

/** A post as its viewer may see it. `delivery` tells the author, and nobody else, where it has arrived. */
export interface PostView {
  post: Post;
  author: Actor;
  delivery: DeliverySummary | null;
  /** For the author of a post for aspects, and nobody else: their names. Empty when all of them were removed. */
  aspectNames?: string[];
  /** Of those people whom the viewer may see; of a reshare: of its root. */
  counts: Pick<PostCounts, 'comments' | 'likes' | 'reshares'>;
  /** By the viewer; of a reshare: its root. */
  liked: boolean;
  reshared: boolean;
  /** Tells the viewer why their like has not arrived at the server that keeps the post. */
  undeliveredLike?: string;
  /** May one comment here? Some posts from elsewhere have no place for it. */
  takesComments: boolean;
  /** What a reshare shows. null in one: it was deleted, is not for the viewer, or is not known here (then the reshare's own text says what there is). */
  root: PostView | null;
  /** Where a post from elsewhere stands: the item of a node of a service; `address` is the service's (for PEP: the author's bare JID). null: made here. */
  origin: { protocol: ProtocolName; address: string; node: string; itemId: string } | null;
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
  return (await viewsOfPosts(ctx, viewer, [await requirePost(ctx.store, viewer, guid)]))[0]!;
}

/** The posts of one person that the viewer may see. */
export async function listPostsBy(ctx: Context, viewer: Viewer, author: Actor, page: Page): Promise<PostView[]> {
  return viewsOfPosts(ctx, viewer, await listVisiblePosts(ctx.store, viewer, { ...page, authorIds: [author.id] }));
}

/** How many posts of one person the viewer may see, within bounds when given. */
export const countPostsBy = (ctx: Context, viewer: Viewer, author: Actor, bounds: { older?: Guid; newer?: Guid } = {}): Promise<number> =>
  countVisiblePosts(ctx.store, viewer, author.id, bounds);

/**
 * The stream of someone who is logged in: own posts and those of the people they follow, newest first.
 * @param page.aspectId an aspect of theirs: only posts of the people in it. Someone else's aspect has nobody in it.
 */
export async function homeStream(ctx: Context, account: Account, page: { older?: Guid; limit: number; aspectId?: number }): Promise<PostView[]> {
  return viewsOfPosts(ctx, { actorId: account.actorId }, await listHomePosts(ctx.store, account.actorId, page));
}

/** The posts with a tag that the viewer may see. @param tag with or without `#`, in any case */
export const tagStream = async (ctx: Context, viewer: Viewer, tag: string, page: Page): Promise<PostView[]> =>
  viewsOfPosts(ctx, viewer, await listTagged(ctx.store, viewer, tag.replace(/^#/, '').normalize('NFC').toLowerCase(), page));

/**
 * What someone did: the posts that they made, reshared, commented or liked, each once, by when they last did something with it.
 * @param page.older the last post of the page before
 */
export async function activityStream(ctx: Context, account: Account, page: { older?: Guid; limit: number }): Promise<PostView[]> {
  const { actorId } = account;
  const viewer = { actorId };
  let before = page.older === undefined ? null : await lastDoing(ctx.store, actorId, page.older);
  if (page.older !== undefined && before === null) before = page.older; // taken back in between
  const posts = new Map<Guid, Post>();
  for (const seen = new Set<Guid>(page.older === undefined ? [] : [page.older]); posts.size < page.limit; ) {
    const { doings, isAll } = await listDoings(ctx.store, actorId, before, page.limit * 2);
    const fresh: Guid[] = [];
    for (const { postGuid, at } of doings) {
      if (seen.has(postGuid)) continue;
      seen.add(postGuid);
      // On a later page: whatever was shown before stands there by something later.
      if (page.older === undefined || at === (await lastDoing(ctx.store, actorId, postGuid))) fresh.push(postGuid);
    }
    const visible = await findVisiblePosts(ctx.store, viewer, fresh);
    for (const guid of fresh) if (visible.has(guid) && posts.size < page.limit) posts.set(guid, visible.get(guid)!);
    if (isAll || doings.length === 0) break;
    before = doings.at(-1)!.at;
  }
  return viewsOfPosts(ctx, viewer, [...posts.values()]);
}

/** Posts that the viewer may see, with all that belongs to them: in a few statements, however many they are. */
export async function viewsOfPosts(ctx: Context, viewer: Viewer, posts: Post[]): Promise<PostView[]> {
  const rootGuids = [...new Set(posts.map(({ reshareOf }) => reshareOf).filter((guid) => guid !== null))];
  const roots = await findVisiblePosts(ctx.store, viewer, rootGuids);
  const all = [...posts, ...roots.values()];
  const guids = [...new Set(all.map(({ guid }) => guid))];
  const me = viewer === 'anonymous' ? null : viewer.actorId;
  const own = all.filter((post) => post.authorId === me);
  const [authors, counts, origins, deliveries, names] = await Promise.all([
    findActors(ctx.store, [...new Set(all.map((post) => post.authorId))]),
    countUnderPosts(ctx.store, viewer, guids),
    originsOf(ctx.store, guids),
    own.length > 0 ? latestDeliverySummary(ctx.store, own.map((post) => post.guid)) : new Map<Guid, DeliverySummary>(),
    own.some(({ audience }) => audience.to === 'aspects') ? listAspects(ctx.store, me!).then((aspects) => new Map(aspects.map(({ id, name }) => [id, name]))) : null,
  ]);
  const likedElsewhere = me === null ? [] : guids.filter((guid) => counts.get(guid)?.liked && origins.has(guid));
  const undelivered = await failedLikes(ctx.store, me ?? 0, likedElsewhere);
  const view = (post: Post, root: PostView | null): PostView => {
    const author = authors.get(post.authorId)!;
    const origin = author.isLocal ? undefined : origins.get(post.guid);
    const { comments, likes, reshares, liked, reshared } = counts.get(post.guid) ?? NOTHING_UNDER;
    return {
      ...(undelivered.has(post.guid) ? { undeliveredLike: undelivered.get(post.guid)! } : {}),
      ...(names && own.includes(post) && post.audience.to === 'aspects' ? { aspectNames: post.audience.aspectIds.flatMap((id) => names.get(id) ?? []) } : {}),
      post,
      author,
      delivery: post.authorId === me ? (deliveries.get(post.guid) ?? { total: 0, arrived: 0, failed: 0 }) : null,
      ...(root ? { counts: root.counts, liked: root.liked, reshared: root.reshared } : { counts: { comments, likes, reshares }, liked, reshared }),
      takesComments: root ? root.takesComments : post.reshareOf === null && (author.isLocal || takesComments(origin)),
      root,
      origin: origin ? { protocol: origin.protocol, address: origin.service, node: origin.node, itemId: origin.itemId } : null,
    };
  };
  return posts.map((post) => {
    const root = post.reshareOf === null ? undefined : roots.get(post.reshareOf);
    return view(post, root ? view(root, null) : null);
  });
}

/** A post that is not stored yet, as its author would see it. */
export const previewOf = (post: Post, author: Actor): PostView => {
  const { liked, reshared, ...counts } = NOTHING_UNDER;
  return { post, author, delivery: null, counts, liked, reshared, takesComments: true, root: null, origin: null };
};

const NOTHING_UNDER: PostCounts = { comments: 0, likes: 0, reshares: 0, liked: false, reshared: false };

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

/** The person known by a chat address (bare JID), or null. An owner address is its account's person (relations.md). */
export async function actorByJid(ctx: Context, bareJid: string): Promise<Actor | null> {
  const at = bareJid.indexOf('@');
  const host = bareJid.slice(at + 1);
  if (at > 0 && ctx.config.chatDomain !== '' && host === ctx.config.chatDomain) {
    const owner = await findLocalActor(ctx.store, bareJid.slice(0, at));
    if (owner) return owner;
  }
  if (at > 0 && host === ctx.config.domain) return findLocalActor(ctx.store, bareJid.slice(0, at));
  return findSpeaker(ctx.store, bareJid);
}

/** How many people an audience reaches, for the composer. */
export const describeAudience = (ctx: Context, account: Account, audience: Audience): Promise<Reach> => countReach(ctx.store, account.actorId, audience);
