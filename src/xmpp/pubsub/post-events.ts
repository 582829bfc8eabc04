// Events of the nodes of posts of ours: comments, ♥, attachments, summaries, and the end of all that with the post. Who is told, and what, is
// found out when it is told.
import type { Actor } from '../../domain/actor.js';
import type { Activity, Verb } from '../../domain/activity.js';
import type { Outgoing } from '../../domain/protocol.js';
import type { Post } from '../../domain/post.js';
import type { Context } from '../../services/context.js';
import { type PostView, viewsOfPosts } from '../../services/stream.js';
import { findActor } from '../../store/actors.js';
import { findAttached } from '../../store/attachments.js';
import { findComment } from '../../store/comments.js';
import { findPostForDelivery } from '../../store/posts.js';
import { findLike } from '../../store/reactions.js';
import { originOf } from '../../store/received.js';
import { endSubscriptions, nodeHosts, nodeTargets, subscriptionHosts } from '../../store/xmpp.js';
import type { Element } from '../../xml.js';
import { hostOf, jidOf } from '../addresses.js';
import { encodeEvent, encodeNodeEnd, type EventItem } from '../codec/event.js';
import { eventId } from '../messages.js';
import { attachedItemOf, summaryItem } from './attachments.js';
import { commentItem, heartItem } from './comments.js';
import { nodesOfPost } from './post-nodes.js';
import { FEED_NODES } from './rules.js';

/** Is it about the post itself, and goes to the author's followers? All other verbs are about what stands under one. */
export const isOfFeed = (verb: Verb): boolean => verb === 'post' || verb === 'update' || verb === 'delete';

/** Was something done under a post that another server keeps? Then it goes there (remote-nodes.ts). */
export async function isKeptElsewhere(ctx: Context, { verb, postGuid }: Pick<Activity, 'verb' | 'postGuid'>): Promise<boolean> {
  if (isOfFeed(verb)) return false;
  const post = await findPostForDelivery(ctx.store, postGuid);
  return post !== null && (await findActor(ctx.store, post.authorId))?.isLocal === false;
}

/** The servers to which an activity goes (domain/protocol.ts). */
export async function hostsFor(ctx: Context, { actorId, verb, postGuid }: Outgoing): Promise<string[]> {
  const followers = isOfFeed(verb) ? await subscriptionHosts(ctx.store, actorId, FEED_NODES) : [];
  if (postGuid === undefined || verb === 'post' || verb === 'update') return followers;
  const post = await findPostForDelivery(ctx.store, postGuid);
  const author = post && (await findActor(ctx.store, post.authorId));
  if (!post || !author) return followers;
  if (author.isLocal) {
    const { comments, attachments, summary } = nodesOfPost(jidOf(author), post.guid);
    const nodes = verb === 'like' || verb === 'unlike' || verb === 'delete' ? [comments, attachments, summary] : [comments];
    return [...new Set([...followers, ...(await nodeHosts(ctx.store, author.id, nodes))])];
  }
  const origin = await originOf(ctx.store, post.guid);
  return origin?.protocol === 'xmpp' ? [hostOf(origin.commentsService ?? origin.service)] : [];
}

/** One event, and who on the host gets it. JIDs are bare. */
export interface News {
  event: Element;
  recipients: string[];
}

type Change = { node: 'comments' | 'attachments' | 'summary'; item: EventItem } | { node: 'comments' | 'attachments'; item: null };

/** What an activity means for the nodes of its post, as things stand now. `byId`: whose doing it shows. */
async function changesOf(ctx: Context, activity: Activity, post: Post, author: Actor): Promise<{ byId: number; changes: Change[] }> {
  const none = { byId: activity.actorId, changes: [] };
  if (activity.verb === 'delete') {
    const changes: Change[] = [
      { node: 'comments', item: null },
      { node: 'attachments', item: null },
      { node: 'summary', item: { id: post.guid, payload: null } },
    ];
    return { byId: post.authorId, changes };
  }
  if (activity.verb === 'like' || activity.verb === 'unlike') return { byId: activity.actorId, changes: await likeChanges(ctx, activity, post, author) };
  const comment = activity.commentGuid === null ? null : await findComment(ctx.store, activity.commentGuid);
  const writer = comment && (await findActor(ctx.store, comment.authorId));
  const isEnd = activity.verb === 'delete-comment';
  // What was removed in between is not told any more; its end has a delivery of its own.
  if (!comment || !writer || (comment.deletedAt !== null) !== isEnd) return none;
  const item = isEnd ? { id: comment.itemId, payload: null } : await commentItem(ctx, post, author, comment, writer);
  return { byId: comment.authorId, changes: [{ node: 'comments', item }] };
}

async function likeChanges(ctx: Context, { verb, actorId, commentGuid: itemId }: Activity, post: Post, author: Actor): Promise<Change[]> {
  const viewer = { actorId: post.authorId };
  const [like, liker, attached] = await Promise.all([findLike(ctx.store, post.guid, actorId), findActor(ctx.store, actorId), findAttached(ctx.store, viewer, post.guid, actorId)]);
  if (!liker || (like === null) === (verb === 'like')) return [];
  const changes: Change[] = [];
  if (like?.itemId) changes.push({ node: 'comments', item: await heartItem(ctx, post, author, { itemId: like.itemId, createdAt: like.createdAt, actor: liker }) });
  else if (!like && itemId !== null) changes.push({ node: 'comments', item: { id: itemId, payload: null } });
  changes.push({ node: 'attachments', item: attached ? attachedItemOf(attached) : { id: jidOf(liker), payload: null } });
  changes.push({ node: 'summary', item: await summaryItem(ctx, viewer, post) });
  return changes;
}

/** What those on a host who subscribed to nodes of the post are to hear. Nothing for the news of a feed, but for a post's end. */
export async function newsUnder(ctx: Context, activity: Activity, post: Post, author: Actor, host: string): Promise<News[]> {
  if (activity.verb === 'post' || activity.verb === 'update' || !author.isLocal) return [];
  const jid = jidOf(author);
  const names = nodesOfPost(jid, post.guid);
  const { byId, changes } = await changesOf(ctx, activity, post, author);
  if (changes.length === 0) return [];
  const targets = await nodeTargets(ctx.store, { postGuid: post.guid, byId, nodes: changes.map(({ node }) => names[node]), host });
  const now = ctx.now();
  return changes.flatMap(({ node, item }) => {
    const recipients = targets.filter((one) => one.node === names[node] && (one.pausedUntil === null || one.pausedUntil <= now)).map((one) => one.jid);
    if (recipients.length === 0) return [];
    const about = { from: jid, id: eventId(activity.id), node: names[node] };
    return [{ event: item === null ? encodeNodeEnd(about) : encodeEvent({ ...about, items: [item] }), recipients }];
  });
}

/** After the end of a post was told: the subscriptions to its nodes end with it. */
export async function forgetEnded(ctx: Context, activity: Activity, post: Post, host: string): Promise<void> {
  if (activity.verb !== 'delete') return;
  const author = await findActor(ctx.store, post.authorId);
  if (!author) return;
  const { comments, attachments } = nodesOfPost(jidOf(author), post.guid);
  await ctx.store.transaction((tx) => endSubscriptions(tx, author.id, [comments, attachments], host));
}

/** What a reshare shows to everybody: its recipients are asked one by one whether the root is for them. */
export const rootOf = async (ctx: Context, reshare: Post): Promise<PostView | null> => (await viewsOfPosts(ctx, 'anonymous', [reshare]))[0]?.root ?? null;
