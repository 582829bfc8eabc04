// An owner's client publishes, edits and retracts: XEP-0060 §7 ↔ services/publish.ts.
import type { Account } from '../../domain/account.js';
import type { Audience } from '../../domain/activity.js';
import { DomainError } from '../../domain/errors.js';
import { type Guid, isGuid } from '../../domain/guid.js';
import type { Post } from '../../domain/post.js';
import { type DecodedNote, decodeJsonItem, decodeNote } from '../../formats/activitystreams2.js';
import { type AudienceHint, type DecodedEntry, decodeEntry, markdownOfOwnEntry } from '../../formats/atom-entry.js';
import { NS } from '../../formats/namespaces.js';
import type { Context } from '../../services/context.js';
import { takeLimits } from '../../services/limits.js';
import { deletePost, editPost, publishPost } from '../../services/publish.js';
import { listAspects } from '../../store/aspects.js';
import { findOwnPost, findPostByOnce } from '../../store/posts.js';
import type { Element } from '../../xml.js';
import { badRequest, itemNotFound, StanzaError } from '../errors.js';
import { audienceOf, checkEditedAudience, checkItemId, type FeedNodeName, isOwnLimited } from './rules.js';

/**
 * Item ids are guids, on every network the same (interface.md §8), so a client that chooses another id for a new post is told ours in the
 * result (XEP-0060 §7.1.2). Its own id goes on working for this client: it is kept as the post's idempotency token, by which a second
 * publish is an edit and a retract finds the post. Nobody else sees it.
 */
const tokenOf = (clientId: string): string => `item:${clientId}`;

/** The own post that the owner means by an item id: its guid, or what her client called it. Tombstones too. */
export async function findOwnItem(ctx: Context, account: Account, id: string): Promise<Post | null> {
  const byGuid = isGuid(id) ? await findOwnPost(ctx.store, account.actorId, id) : null;
  return byGuid ?? findPostByOnce(ctx.store, account.actorId, tokenOf(id));
}

/** What a payload says, in words of ours. */
interface Draft {
  text: string;
  language: string | null;
  acl: AudienceHint | null;
}

/** @param derived the title that we made of a text without one; an editor that was given it sends it back with another text (Libervia 0.9) */
const fromEntry = (entry: DecodedEntry, derived: string | null): Draft => {
  if (entry.verb !== 'post' && entry.verb !== 'update') throw new StanzaError('cancel', 'feature-not-implemented', 'unsupported', 'Only posts can be published here.');
  if (entry.inReplyTo) throw new StanzaError('cancel', 'feature-not-implemented', 'unsupported', 'Comments are not taken here yet.');
  return { text: markdownOfOwnEntry(entry.title === derived ? { ...entry, title: '' } : entry), language: entry.language, acl: entry.acl };
};

const fromNote = (note: DecodedNote): Draft => {
  if (note.inReplyTo) throw new StanzaError('cancel', 'feature-not-implemented', 'unsupported', 'Comments are not taken here yet.');
  return { text: markdownOfOwnEntry(note), language: note.language, acl: note.audience };
};

/** @throws StanzaError bad-request + invalid-payload */
function decode(node: FeedNodeName, payload: Element, derivedTitle: string | null): Draft {
  try {
    return node === NS.MICROBLOG ? fromEntry(decodeEntry(payload), derivedTitle) : fromNote(decodeNote(decodeJsonItem(payload)));
  } catch (error) {
    throw asPayloadError(error);
  }
}

/** XEP-0060 §7.1.3: what was wrong with the item itself. */
const asPayloadError = (error: unknown): unknown => {
  if (!(error instanceof DomainError)) return error;
  // The item is as it should be; for whom it is cannot be said (the aspects of the default are gone).
  if (error.field === 'audience') return new StanzaError('modify', 'not-acceptable', null, error.message);
  if (error.code === 'invalid') return badRequest('invalid-payload', error.message);
  if (error.code === 'too-large') return new StanzaError('modify', 'not-acceptable', 'payload-too-big', error.message);
  return error;
};

/**
 * Publishes a new post, or edits the one that bears this id.
 * @param id as the client chose it, or null
 * @returns the item id: the post's guid
 * @throws StanzaError, DomainError
 */
export async function publishItem(
  ctx: Context,
  account: Account,
  node: FeedNodeName,
  { id, payload, ofOptions }: { id: string | null; payload: Element; ofOptions: Audience | null },
): Promise<Guid> {
  if (id !== null) checkItemId(id);
  await takeLimits(ctx, { 'post-account': String(account.id) });
  const existing = id === null ? null : await findOwnItem(ctx, account, id);
  const isEdit = existing !== null && existing.deletedAt === null;
  const { text, language, acl } = decode(node, payload, isEdit && !/^#{1,6}\s/.test(existing.markdown) ? existing.title : null);
  const aspects = acl?.to === 'groups' ? await listAspects(ctx.store, account.actorId) : [];
  const audience = isEdit && existing.audience.to === 'aspects' && isOwnLimited(acl) ? null : audienceOf(acl, ofOptions, aspects);
  try {
    if (isEdit) {
      checkEditedAudience(audience, existing.audience);
      return (await editPost(ctx, account, existing.guid, text)).guid;
    }
    // A retracted post does not come back under its guid; what its client publishes again is a new one.
    const token = id === null || existing ? null : tokenOf(id);
    const post = await publishPost(ctx, account, {
      text,
      ...(audience ? { audience } : {}),
      ...(language ? { language } : {}),
      ...(token === null ? {} : { once: token }),
    });
    return post.guid;
  } catch (error) {
    throw asPayloadError(error);
  }
}

/** @throws StanzaError item-not-found */
export async function retractItem(ctx: Context, account: Account, id: string): Promise<void> {
  const post = await findOwnItem(ctx, account, id);
  if (!post || post.deletedAt) throw itemNotFound();
  await deletePost(ctx, account, post.guid);
}
