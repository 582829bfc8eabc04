// Reshares: posts without a text of their own that show their root as it stands. Only what is public is shown on.
import type { Account } from '../domain/account.js';
import type { Actor } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import { type Guid, newGuid } from '../domain/guid.js';
import type { Post } from '../domain/post.js';
import type { Viewer } from '../store/access.js';
import { findOwnPost, findReshare, insertPost } from '../store/posts.js';
import { countResharers, listResharers } from '../store/reactions.js';
import { countReach } from '../store/reach.js';
import type { Context } from './context.js';
import { findDestinations } from './deliveries.js';
import { takeLimits } from './limits.js';
import { notify } from './notifications.js';
import { recordPost } from './publish.js';
import { endPost, orAgain, requireThread } from './threads.js';

/**
 * Shows a public post to those who follow. A reshare of a reshare is one of its root; a second one of the same root is the first again.
 * @throws DomainError not-found, gone, forbidden (not public, or one's own), too-many
 */
export async function resharePost(ctx: Context, account: Account, postGuid: Guid): Promise<Post> {
  const viewer = { actorId: account.actorId };
  const root = await requireThread(ctx.store, viewer, postGuid);
  checkRoot(root, account);
  await takeLimits(ctx, { 'post-account': String(account.id) });
  const [destinations, reach] = await Promise.all([findDestinations(ctx, { actorId: account.actorId, verb: 'post' }), countReach(ctx.store, account.actorId, { to: 'public' })]);
  return orAgain(() =>
    ctx.store.transaction(async (tx) => {
      const current = await requireThread(tx, viewer, root.guid);
      checkRoot(current, account);
      const earlier = await findReshare(tx, account.actorId, current.guid);
      if (earlier) return earlier;
      const now = ctx.now();
      const guid = newGuid(now);
      const post: Post = {
        ...{ guid, authorId: account.actorId, kind: 'reshare', reshareOf: current.guid, atomId: `${ctx.config.publicUrl}/posts/${guid}` },
        ...{ title: '', markdown: '', html: '', language: '', tags: [], audience: { to: 'public' }, createdAt: now, editedAt: null, deletedAt: null },
      };
      await insertPost(tx, { ...post, once: onceOf(current.guid), reach });
      await recordPost(ctx, tx, 'post', post, destinations);
      await notify(ctx, tx, { ownerId: current.authorId, kind: 'reshare', byId: account.actorId, postGuid: current.guid });
      return post;
    }),
  );
}

/** Unique for each author while the reshare stands. A form's token never begins like this. */
const onceOf = (root: Guid): string => `reshare:${root}`;

function checkRoot(root: Post, account: Account): void {
  if (root.audience.to !== 'public') throw new DomainError('forbidden', 'Only public posts can be reshared.');
  if (root.authorId === account.actorId) throw new DomainError('forbidden', 'This is your own post.');
}

/**
 * Takes one's reshare back.
 * @param postGuid the root, or the reshare itself
 * @throws DomainError not-found
 */
export async function unresharePost(ctx: Context, account: Account, postGuid: Guid): Promise<void> {
  const destinations = await findDestinations(ctx, { actorId: account.actorId, verb: 'delete', postGuid });
  await ctx.store.transaction(async (tx) => {
    const own = await findOwnPost(tx, account.actorId, postGuid);
    const post = own?.kind === 'reshare' && own.deletedAt === null ? own : await findReshare(tx, account.actorId, postGuid);
    if (!post) throw new DomainError('not-found', 'You have not reshared this post.');
    await endPost(ctx, tx, post);
    await recordPost(ctx, tx, 'delete', post, destinations);
  });
}

/** Who has reshared the post, of those whom the viewer may see, latest first. @throws DomainError not-found, gone */
export async function resharersOf(ctx: Context, viewer: Viewer, postGuid: Guid, limit: number): Promise<{ actors: Actor[]; count: number }> {
  const post = await requireThread(ctx.store, viewer, postGuid);
  const [actors, count] = await Promise.all([listResharers(ctx.store, viewer, post.guid, limit), countResharers(ctx.store, viewer, post.guid)]);
  return { actors, count };
}
