import type { Account } from '../domain/account.js';
import type { Audience, Verb } from '../domain/activity.js';
import { DomainError } from '../domain/errors.js';
import { type Guid, newGuid } from '../domain/guid.js';
import { type Post, parsePostText } from '../domain/post.js';
import { lockAspects } from '../store/aspects.js';
import type { Tx } from '../store/database.js';
import { insertActivity } from '../store/ledger.js';
import { findOwnPost, findPostByOnce, findVisiblePost, insertPost, updatePost } from '../store/posts.js';
import { countReach } from '../store/reach.js';
import { setTags } from '../store/tags.js';
import { checkAudience } from './aspects.js';
import type { Context } from './context.js';
import { type Destinations, findDestinations, leaveToDistribute } from './deliveries.js';
import { notifyMentioned } from './notifications.js';
import { writeText } from './text.js';
import { endPost } from './threads.js';

/** What an author hands in. `text` is Markdown. */
export interface PostDraft {
  text: string;
  /** Missing: the account's default audience. */
  audience?: Audience;
  /** Idempotency token: a second draft with the same token is the first post again. */
  once?: string;
  /** BCP 47; missing: unknown. */
  language?: string;
}

/**
 * Publishes a post: the post and the job that carries it to every network commit together, or not at all.
 * @throws DomainError invalid | too-large (field text), invalid (field audience)
 */
export async function publishPost(ctx: Context, account: Account, draft: PostDraft): Promise<Post> {
  const text = parsePostText(draft.text);
  const wanted = draft.audience ?? account.defaultAudience;
  const [destinations, reach] = await Promise.all([findDestinations(ctx, { actorId: account.actorId, verb: 'post' }), countReach(ctx.store, account.actorId, wanted)]);
  return ctx.store.transaction(async (tx) => {
    if (draft.once !== undefined) {
      const earlier = await findPostByOnce(tx, account.actorId, draft.once);
      if (earlier) return earlier;
    }
    if (wanted.to === 'aspects') await lockAspects(tx, account.actorId); // what is checked stands until the commit
    const audience = await checkAudience(tx, account, wanted);
    const { mentions, ...written } = await write(ctx, tx, text);
    const now = ctx.now();
    const guid = newGuid(now);
    const post: Post = {
      guid,
      authorId: account.actorId,
      kind: 'note',
      reshareOf: null,
      atomId: `${ctx.config.publicUrl}/posts/${guid}`,
      ...written,
      language: draft.language ?? '',
      audience,
      createdAt: now,
      editedAt: null,
      deletedAt: null,
    };
    await insertPost(tx, { ...post, once: draft.once ?? null, reach });
    if (post.tags.length > 0) await setTags(tx, guid, post.tags);
    await recordPost(ctx, tx, 'post', post, destinations);
    await notifyMentioned(ctx, tx, { handles: mentions, byId: post.authorId, postGuid: guid });
    return post;
  });
}

/**
 * Replaces the text of an own post. Its address, its date of publication and who may see it stay as they are.
 * @throws DomainError invalid | too-large (field text), not-found, forbidden (also a reshare), gone
 */
export async function editPost(ctx: Context, account: Account, guid: Guid, text: string): Promise<Post> {
  const markdown = parsePostText(text);
  const destinations = await findDestinations(ctx, { actorId: account.actorId, verb: 'update', postGuid: guid });
  return ctx.store.transaction(async (tx) => {
    const post = await requireOwnPost(tx, account, guid);
    if (post.kind === 'reshare') throw new DomainError('forbidden', 'A reshare has no text of its own.');
    if (markdown === post.markdown) return post;
    const before = await write(ctx, tx, post.markdown);
    const { mentions, ...written } = await write(ctx, tx, markdown);
    const edited: Post = { ...post, ...written, editedAt: ctx.now() };
    await updatePost(tx, guid, { ...written, editedAt: edited.editedAt });
    await setTags(tx, guid, edited.tags);
    await recordPost(ctx, tx, 'update', edited, destinations);
    const added = mentions.filter((handle) => !before.mentions.includes(handle));
    await notifyMentioned(ctx, tx, { handles: added, byId: post.authorId, postGuid: guid });
    return edited;
  });
}

/**
 * Removes an own post everywhere, and what stands under it. A tombstone stays, without text, so that no late copy can bring it back.
 * @throws DomainError not-found, forbidden, gone
 */
export async function deletePost(ctx: Context, account: Account, guid: Guid): Promise<void> {
  const destinations = await findDestinations(ctx, { actorId: account.actorId, verb: 'delete', postGuid: guid });
  await ctx.store.transaction(async (tx) => {
    const post = await requireOwnPost(tx, account, guid);
    await endPost(ctx, tx, post);
    await recordPost(ctx, tx, 'delete', post, destinations);
  });
}

/** The stored forms of a text, and who is mentioned in it. */
async function write(ctx: Context, tx: Tx, markdown: string): Promise<Pick<Post, 'markdown' | 'html' | 'title' | 'tags'> & { mentions: string[] }> {
  const { html, title, tags, mentions } = await writeText(ctx, tx, markdown, { isLocal: true });
  return { markdown, html, title, tags, mentions };
}

/** Someone else's post is forbidden to those who can see it, and not there for all others. */
async function requireOwnPost(tx: Tx, account: Account, guid: Guid): Promise<Post> {
  const post = await findOwnPost(tx, account.actorId, guid);
  if (post?.deletedAt) throw new DomainError('gone', 'This post was deleted.');
  if (post) return post;
  if (await findVisiblePost(tx, { actorId: account.actorId }, guid)) throw new DomainError('forbidden', 'Only its author can change this post.');
  throw new DomainError('not-found', 'There is no such post.');
}

/** Notes what was done with a post, leaves what carries it, and tells open pages. */
export async function recordPost(ctx: Context, tx: Tx, verb: Verb, post: Post, destinations: Destinations): Promise<void> {
  const now = ctx.now();
  const activity = { id: newGuid(now), actorId: post.authorId, verb, postGuid: post.guid, commentGuid: null, publishedAt: now };
  await insertActivity(tx, activity);
  await leaveToDistribute(ctx, tx, activity, destinations);
  tx.publish({ kind: 'post', actorId: post.authorId, guid: post.guid });
}
