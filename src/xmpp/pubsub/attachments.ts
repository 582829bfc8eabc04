// XEP-0470 Pubsub Attachments, version 0.2.0, as a fully compliant service: nodes that are there by themselves, one item a person under the
// person's bare JID, unknown attachments kept, and a summary of each post.
import type { Actor } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import type { Post } from '../../domain/post.js';
import { decodeAttachments, encodeNoticed, encodeSummary, isLike, joined, partsOf, summarize } from '../../formats/attachments.js';
import { attach } from '../../services/attachments.js';
import type { Context } from '../../services/context.js';
import { actorByJid, type Viewer } from '../../services/stream.js';
import { type Attached, countAttached, findAttached, listAttached, listKnown, type Place } from '../../store/attachments.js';
import { findActor } from '../../store/actors.js';
import { type Element, parseStanza, serialize } from '../../xml.js';
import { jidOf } from '../addresses.js';
import type { EventItem } from '../codec/event.js';
import { badRequest, forbidden, itemNotFound } from '../errors.js';
import type { Asker } from '../people.js';
import { asPayloadError } from './comments.js';
import type { KeyBounds, Sequence } from './sequence.js';

/** Beyond so many who attached more than a like, their reactions no longer count: to read each costs time. */
const MAX_SUMMARIZED = 5_000;

const read = (text: string | null): Element | null => (text === null ? null : parseStanza(text));

/** What a person attached, under their bare JID. An owner sees what is hers under the JID that she asks from: by that one her client looks for it. */
export function attachedItemOf({ actor, likedAt, known, others }: Attached, asker?: Asker): EventItem {
  const jid = asker?.person?.id === actor.id ? asker.jid.bare : jidOf(actor);
  const payload = joined(likedAt === null ? null : (read(known) ?? encodeNoticed(likedAt)), read(others));
  return { id: jid, publisher: jid, payload };
}

const keyOf = ({ at, actor }: Attached): string => at.toString(16).padStart(12, '0') + actor.id.toString(16).padStart(20, '0');
const placeOf = (key: string): Place => [Number.parseInt(key.slice(0, 12), 16), Number.parseInt(key.slice(12), 16)];
const boundsOf = ({ older, newer }: KeyBounds) => ({ ...(older === undefined ? {} : { older: placeOf(older) }), ...(newer === undefined ? {} : { newer: placeOf(newer) }) });

/** Who bears the JID, among those who may have attached something. */
async function personOf(ctx: Context, asker: Asker, jid: string): Promise<Actor | null> {
  if (jid === asker.jid.bare) return asker.person;
  const actor = await actorByJid(ctx, jid);
  return actor && jidOf(actor) === jid ? actor : null;
}

/** What the node holds for the asker, who may see the post. */
export const attachmentsOf = (ctx: Context, asker: Asker, post: Post): Sequence => ({
  count: (bounds) => countAttached(ctx.store, asker.viewer, post.guid, boundsOf(bounds)),
  list: async ({ limit, direction, ...bounds }) =>
    (await listAttached(ctx.store, asker.viewer, post.guid, { ...boundsOf(bounds), limit, direction })).map((one) => ({ key: keyOf(one), make: () => attachedItemOf(one, asker) })),
  keyOf: async (itemId) => {
    const person = await personOf(ctx, asker, itemId);
    const attached = person && (await findAttached(ctx.store, asker.viewer, post.guid, person.id));
    return attached && keyOf(attached);
  },
});

/** One person's item, if it is there for the asker. */
export async function findAttachmentItem(ctx: Context, asker: Asker, post: Post, itemId: string): Promise<EventItem | null> {
  const person = await personOf(ctx, asker, itemId);
  const attached = person && (await findAttached(ctx.store, asker.viewer, post.guid, person.id));
  return attached && attachedItemOf(attached, asker);
}

/** The summary of one post, of those whom the viewer may see. Nothing attached: an empty one (§2.6 allows it). */
export async function summaryItem(ctx: Context, viewer: Viewer, post: Pick<Post, 'guid'>): Promise<EventItem> {
  const { plain, known } = await listKnown(ctx.store, viewer, post.guid, MAX_SUMMARIZED);
  const summary = summarize(known.map((text) => decodeAttachments(parseStanza(text))));
  return { id: post.guid, payload: encodeSummary({ ...summary, noticed: summary.noticed + plain }) };
}

/**
 * Replaces what the asker has attached.
 * @returns the id of the item
 * @throws StanzaError bad-request (§2.5: another id than the publisher's bare JID, another root), DomainError
 */
export async function publishAttachments(ctx: Context, by: Actor, asker: Asker, post: Post, { id, payload }: { id: string | null; payload: Element }): Promise<string> {
  if (id !== asker.jid.bare) throw badRequest('invalid-payload', 'The id of this item is your own bare JID.');
  try {
    const liked = isLike(decodeAttachments(payload));
    const { known, others } = partsOf(payload);
    await attach(ctx, by, post.guid, { known: liked && known ? serialize(known) : null, others: others && serialize(others) });
  } catch (error) {
    throw error instanceof DomainError && (error.code === 'invalid' || error.code === 'too-large') ? asPayloadError(error) : error;
  }
  return id;
}

/**
 * Removes all that a person has attached: that person, or the author of the post.
 * @throws StanzaError item-not-found, forbidden
 */
export async function retractAttachments(ctx: Context, by: Actor | null, asker: Asker, post: Post, itemId: string): Promise<void> {
  const person = await personOf(ctx, asker, itemId);
  if (!person || !(await findAttached(ctx.store, asker.viewer, post.guid, person.id))) throw itemNotFound();
  if (!by || (by.id !== person.id && by.id !== post.authorId)) throw forbidden();
  const whose = by.id === person.id ? by : await findActor(ctx.store, person.id);
  if (whose) await attach(ctx, whose, post.guid, { known: null, others: null });
}
