// What others say under posts from elsewhere is fetched when one of ours opens such a post, or writes under it.
import type { Guid } from '../domain/guid.js';
import { findActor } from '../store/actors.js';
import { addJobs } from '../store/jobs.js';
import { findPostForDelivery } from '../store/posts.js';
import { findFeed, isInLane, originOf } from '../store/received.js';
import type { Context } from './context.js';

/** A node is not asked again before: who subscribed hears of what is new. */
const FRESH_MS = 2 * 60_000;

/**
 * Leaves the job that fetches the comments and likes of a post from elsewhere, unless that was done a short while ago.
 * @param actorId someone of ours who may see the post
 * @param postGuid of a reshare: its root counts
 */
export async function wantComments(ctx: Context, actorId: number, postGuid: Guid): Promise<void> {
  const post = await findPostForDelivery(ctx.store, postGuid);
  const root = post?.reshareOf ? await findPostForDelivery(ctx.store, post.reshareOf) : post;
  const origin = root && root.deletedAt === null ? await originOf(ctx.store, root.guid) : null;
  if (!root || origin?.protocol !== 'xmpp' || (await findActor(ctx.store, root.authorId))?.isLocal !== false) return;
  const [service, node] = [origin.commentsService ?? origin.service, origin.commentsNode ?? ''];
  const feed = await findFeed(ctx.store, actorId, { service, node });
  if (feed?.caughtUpAt != null && feed.caughtUpAt > ctx.now() - FRESH_MS) return;
  const lane = `comments:${root.guid}`;
  await ctx.store.transaction(
    async (tx) => {
      if (!(await isInLane(tx, lane))) await addJobs(tx, [{ kind: 'fetch-comments', payload: { actorId, postGuid: root.guid }, queue: 'xmpp', lane }]);
    },
    { mayBeLost: true },
  );
}
