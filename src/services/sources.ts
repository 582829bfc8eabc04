// An owner address whose own PEP feed becomes posts of the account: what alice publishes in Movim or Libervia to her own address appears here, too.
import type { Account } from '../domain/account.js';
import { DomainError } from '../domain/errors.js';
import type { Guid } from '../domain/guid.js';
import type { NewJob } from '../domain/job.js';
import type { Post } from '../domain/post.js';
import type { Db } from '../store/database.js';
import { findPostByOnce, listPostsByOnce } from '../store/posts.js';
import { addJobs } from '../store/jobs.js';
import { feedsOf, findAccess, saveFeed } from '../store/received.js';
import { deleteSource, findSource, saveSource, sourcesOf } from '../store/sources.js';
import { legsOf } from '../store/xmpp.js';
import type { Context } from './context.js';
import { ownerAddressesOf } from './owner-addresses.js';
import { deletePost, editPost, publishPost } from './publish.js';

/** What makes the subscription to the feed agree with what was switched, and finds out what was missed of it. */
export const followSourceJob = (actorId: number, jid: string) => ({ kind: 'follow-source', payload: { actorId, jid }, queue: 'xmpp', lane: `source:${jid}` }) as const;

/** The same for presence, by which it is heard, too. */
const followSourceJobs = (actorId: number, jid: string): NewJob[] => [
  followSourceJob(actorId, jid),
  { kind: 'reconcile-presence', payload: { actorId, otherId: actorId }, queue: 'xmpp', lane: `presence:${actorId}:${actorId}` },
];

/**
 * How a source stands. asking: nothing has been answered yet; missing: there is no such feed, or nobody says who may read it; closed: not everybody may, so that
 * nothing of it is public; late: nothing brings its news, it is looked at now and then; on: all is well.
 */
export type SourceState = 'asking' | 'missing' | 'closed' | 'late' | 'on';

/** The own feeds that become posts of the account, by bare JID, as the last look has found them. */
export async function sourceStatesOf(ctx: Context, { actorId }: Account): Promise<Map<string, SourceState>> {
  const [sources, feeds, legs] = await Promise.all([sourcesOf(ctx.store, actorId), feedsOf(ctx.store, actorId, actorId), legsOf(ctx.store, actorId, actorId)]);
  const states = new Map<string, SourceState>();
  for (const { jid } of sources) {
    const feed = feeds.find(({ service }) => service === jid);
    const access = feed && (await findAccess(ctx.store, feed));
    const isHeard = feed?.state === 'subscribed' || legs.some((leg) => leg.jid === jid && leg.outbound === 'on');
    states.set(jid, feed?.caughtUpAt == null ? 'asking' : !access ? 'missing' : access.model === '' ? 'closed' : isHeard ? 'on' : 'late');
  }
  return states;
}

/**
 * Switches an own address as a source on or off. On: public posts from now on, with their edits and retractions; what is there already stays there. On
 * once more: it is looked at again.
 * @param jid bare
 * @throws DomainError not-found: it does not speak for the account
 */
export async function setSource(ctx: Context, account: Account, jid: string, on: boolean): Promise<void> {
  if (on && !(await ownerAddressesOf(ctx, account)).some((one) => one.jid === jid && (one.state === 'chat' || one.state === 'linked'))) {
    throw new DomainError('not-found', 'This address does not speak for you.');
  }
  await ctx.store.transaction(async (tx) => {
    if (on && (await findSource(tx, jid))?.actorId === account.actorId) {
      for (const feed of await feedsOf(tx, account.actorId, account.actorId)) if (feed.service === jid) await saveFeed(tx, { ...feed, caughtUpAt: null });
    } else if (on) await saveSource(tx, { jid, actorId: account.actorId, since: ctx.now() });
    else if (!(await deleteSource(tx, account.actorId, jid))) return;
    await addJobs(tx, followSourceJobs(account.actorId, jid));
  });
}

/** An item of a source is one post, by the token that also keeps forms from being sent twice; forms' tokens never begin like this. */
const tokensOf = (jid: string): string => `source:${jid} `;
const onceOf = (jid: string, itemId: string): string => tokensOf(jid) + itemId;

/** The post that an item has become; tombstones too. */
export const findMirrored = (db: Db, actorId: number, jid: string, itemId: string): Promise<Post | null> => findPostByOnce(db, actorId, onceOf(jid, itemId));

/** The items of a source whose posts stand here and are newer than this one, newest first. */
export async function listMirroredSince(db: Db, actorId: number, jid: string, newerThan: Guid, limit: number): Promise<{ itemId: string; changedAt: number }[]> {
  const prefix = tokensOf(jid);
  const posts = await listPostsByOnce(db, actorId, { prefix, newerThan, limit });
  return posts.map(({ once, changedAt }) => ({ itemId: once.slice(prefix.length), changedAt }));
}

/**
 * Makes the post of an item agree with it. What was deleted here does not come back.
 * @param text Markdown; null: the item is gone, or is no public post
 * @throws DomainError as publishing does
 */
export async function mirrorItem(ctx: Context, account: Account, jid: string, itemId: string, text: string | null): Promise<void> {
  const post = await findMirrored(ctx.store, account.actorId, jid, itemId);
  if (post?.deletedAt) return;
  if (text === null) {
    if (post) await deletePost(ctx, account, post.guid);
  } else if (post) await editPost(ctx, account, post.guid, text);
  else await publishPost(ctx, account, { text, audience: { to: 'public' }, once: onceOf(jid, itemId) });
}
