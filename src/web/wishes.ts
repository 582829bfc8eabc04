// What a program wishes for a person over the HTTP API (interface.md §6), done by the same services as what she does by forms.
import type { Account } from '../domain/account.js';
import type { Actor } from '../domain/actor.js';
import type { Audience } from '../domain/activity.js';
import { DomainError } from '../domain/errors.js';
import { type Guid, isGuid } from '../domain/guid.js';
import type { DecodedNote } from '../formats/activitystreams2.js';
import type { Wish } from '../formats/as2-activity.js';
import { markdownOfOwnEntry } from '../formats/atom-entry.js';
import { commentOn, deleteComment, editComment } from '../services/comments.js';
import type { Context } from '../services/context.js';
import { takeLimits } from '../services/limits.js';
import { deletePost, editPost, publishPost } from '../services/publish.js';
import { likePost, unlikePost } from '../services/reactions.js';
import { addContact, findOrNotePerson, removeContact } from '../services/relationships.js';
import { resharePost, unresharePost } from '../services/reshares.js';
import { personUrl } from './documents.js';

/** An object of ours by its IRI: `DX_PUBLIC_URL/posts/GUID` or `/comments/GUID`. */
type Thing = { kind: 'post' | 'comment'; guid: Guid };

/** @throws DomainError invalid (the field) */
function thingOf(ctx: Context, iri: string, field: string): Thing {
  const match = iri.startsWith(`${ctx.config.publicUrl}/`) ? /^(post|comment)s\/([0-9a-f]{32})(?:#.*)?$/.exec(iri.slice(ctx.config.publicUrl.length + 1)) : null;
  if (!match || !isGuid(match[2]!)) throw new DomainError('invalid', `There is no post or comment of that id here: ids begin with ${ctx.config.publicUrl}/posts/ or /comments/.`, field);
  return { kind: match[1] as Thing['kind'], guid: match[2]! };
}

/** @throws DomainError invalid (the field) */
function postOf(ctx: Context, iri: string, field: string): Guid {
  const thing = thingOf(ctx, iri, field);
  if (thing.kind !== 'post') throw new DomainError('invalid', 'Name a post here, not a comment.', field);
  return thing.guid;
}

/** relations.md "Audience": the public collection → public, the followers → contacts, nobody → the account's default. */
function audienceOf(note: DecodedNote): Audience | undefined {
  switch (note.audience?.to) {
    case 'public':
    case 'contacts':
      return { to: note.audience.to };
    case undefined:
      return undefined;
    default:
      throw new DomainError('invalid', 'A Note can be for everybody, or for your followers collection. Single people cannot be named yet.', 'to');
  }
}

/** The address in the IRI of a person: their page here, acct:, xmpp:, or the address alone. */
function addressIn(ctx: Context, iri: string): string {
  const page = `${ctx.config.publicUrl}/people/`;
  return iri.startsWith(page) ? decodeURIComponent(iri.slice(page.length).split(/[/?#]/)[0]!) : iri;
}

/**
 * Does what was wished.
 * @param once the client's idempotency key: a second Create with the same one is the first again
 * @returns the IRI of what was made, or of what it was about
 * @throws DomainError as the services do; the field names the member at fault
 */
export async function fulfil(ctx: Context, { account, actor: me }: { account: Account; actor: Actor }, wish: Wish, once: string | undefined): Promise<string> {
  const { publicUrl } = ctx.config;
  const countPost = () => takeLimits(ctx, { 'post-account': String(account.id) });
  switch (wish.do) {
    case 'create': {
      const { note } = wish;
      const text = markdownOfOwnEntry(note);
      const more = once === undefined ? {} : { once: `api:${once}` };
      if (note.inReplyTo !== null) return `${publicUrl}/comments/${(await commentOn(ctx, me, postOf(ctx, note.inReplyTo, 'inReplyTo'), { text, ...more })).guid}`;
      await countPost();
      const audience = audienceOf(note);
      const post = await publishPost(ctx, account, { text, ...(audience && { audience }), ...(note.language !== null && { language: note.language }), ...more });
      return post.atomId;
    }
    case 'update': {
      const thing = thingOf(ctx, wish.object, 'object');
      const text = markdownOfOwnEntry(wish.note);
      if (thing.kind === 'comment') await editComment(ctx, me, thing.guid, text);
      else {
        await countPost();
        await editPost(ctx, account, thing.guid, text);
      }
      return wish.object;
    }
    case 'delete': {
      const thing = thingOf(ctx, wish.object, 'object');
      await (thing.kind === 'comment' ? deleteComment(ctx, me, thing.guid) : deletePost(ctx, account, thing.guid));
      return wish.object;
    }
    case 'like':
      await likePost(ctx, me, postOf(ctx, wish.object, 'object'));
      return wish.object;
    case 'unlike':
      await unlikePost(ctx, me, postOf(ctx, wish.object, 'object'));
      return wish.object;
    case 'announce':
      return (await resharePost(ctx, account, postOf(ctx, wish.object, 'object'))).atomId;
    case 'unannounce':
      await unresharePost(ctx, account, postOf(ctx, wish.object, 'object'));
      return wish.object;
    case 'follow':
    case 'unfollow': {
      await takeLimits(ctx, { 'follow-account': String(account.id) });
      const text = addressIn(ctx, wish.object);
      const other = await withField(async () => (wish.do === 'follow' ? (await addContact(ctx, account, text)).other : ctx.store.transaction((tx) => findOrNotePerson(ctx, tx, text))));
      if (wish.do === 'unfollow') await removeContact(ctx, account, other.id);
      return personUrl(ctx, other);
    }
  }
}

/** A form's field name means nothing to a program. */
async function withField<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DomainError && error.field === 'address') throw new DomainError(error.code, error.message, 'object');
    throw error;
  }
}
