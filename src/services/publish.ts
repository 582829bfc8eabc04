import type { Account } from '../domain/account.js';
import type { Audience, Verb } from '../domain/activity.js';
import { DomainError } from '../domain/errors.js';
import { type Guid, newGuid } from '../domain/guid.js';
import { type Post, parsePostText } from '../domain/post.js';
import { lockAspects } from '../store/aspects.js';
import type { Tx } from '../store/database.js';
import { insertActivity } from '../store/ledger.js';
import { findOwnPost, findPostByOnce, findVisiblePost, insertPost, updatePost } from '../store/posts.js';
import { checkAudience } from './aspects.js';
import type { Context } from './context.js';
import { type Destinations, findDestinations, leaveToDistribute } from './deliveries.js';
import { renderMarkdown } from './text.js';

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
  const written = write(draft.text);
  const destinations = await findDestinations(ctx, account);
  return ctx.store.transaction(async (tx) => {
    if (draft.once !== undefined) {
      const earlier = await findPostByOnce(tx, account.actorId, draft.once);
      if (earlier) return earlier;
    }
    const wanted = draft.audience ?? account.defaultAudience;
    if (wanted.to === 'aspects') await lockAspects(tx, account.actorId); // what is checked stands until the commit
    const audience = await checkAudience(tx, account, wanted);
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
    await insertPost(tx, { ...post, once: draft.once ?? null });
    await record(ctx, tx, 'post', post, destinations);
    return post;
  });
}

/**
 * Replaces the text of an own post. Its address, its date of publication and who may see it stay as they are.
 * @throws DomainError invalid | too-large (field text), not-found, forbidden, gone
 */
export async function editPost(ctx: Context, account: Account, guid: Guid, text: string): Promise<Post> {
  const written = write(text);
  const destinations = await findDestinations(ctx, account);
  return ctx.store.transaction(async (tx) => {
    const post = await requireOwnPost(tx, account, guid);
    if (written.markdown === post.markdown) return post;
    const edited: Post = { ...post, ...written, editedAt: ctx.now() };
    await updatePost(tx, guid, { ...written, editedAt: edited.editedAt });
    await record(ctx, tx, 'update', edited, destinations);
    return edited;
  });
}

/**
 * Removes an own post everywhere. A tombstone stays, without text, so that no late copy can bring it back.
 * @throws DomainError not-found, forbidden, gone
 */
export async function deletePost(ctx: Context, account: Account, guid: Guid): Promise<void> {
  const destinations = await findDestinations(ctx, account);
  await ctx.store.transaction(async (tx) => {
    const post = await requireOwnPost(tx, account, guid);
    await updatePost(tx, guid, { title: '', markdown: '', html: '', tags: [], deletedAt: ctx.now() });
    await record(ctx, tx, 'delete', post, destinations);
  });
}

/** The stored forms of a text. */
function write(text: string): Pick<Post, 'markdown' | 'html' | 'title' | 'tags'> {
  const markdown = parsePostText(text);
  const { html, title, tags } = renderMarkdown(markdown);
  return { markdown, html, title, tags };
}

/** Someone else's post is forbidden to those who can see it, and not there for all others. */
async function requireOwnPost(tx: Tx, account: Account, guid: Guid): Promise<Post> {
  const post = await findOwnPost(tx, account.actorId, guid);
  if (post?.deletedAt) throw new DomainError('gone', 'This post was deleted.');
  if (post) return post;
  if (await findVisiblePost(tx, { actorId: account.actorId }, guid)) throw new DomainError('forbidden', 'Only its author can change this post.');
  throw new DomainError('not-found', 'There is no such post.');
}

/** Notes what was done and leaves what carries it. */
async function record(ctx: Context, tx: Tx, verb: Verb, post: Post, destinations: Destinations): Promise<void> {
  const now = ctx.now();
  const activity = { id: newGuid(now), actorId: post.authorId, verb, postGuid: post.guid, commentGuid: null, publishedAt: now };
  await insertActivity(tx, activity);
  await leaveToDistribute(ctx, tx, activity, destinations);
  tx.publish({ kind: 'post', actorId: post.authorId, guid: post.guid });
}
