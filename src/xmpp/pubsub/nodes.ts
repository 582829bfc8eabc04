// The nodes of an account are views of its posts and its profile: nothing is stored for them. Every post is read through
// services/stream.ts, which decides who may see it.
import type { Actor } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import { type Guid, isGuid } from '../../domain/guid.js';
import type { Post } from '../../domain/post.js';
import { encodeNoteItem } from '../../formats/activitystreams2.js';
import { encodeEntry, ownLinks } from '../../formats/atom-entry.js';
import { NS } from '../../formats/namespaces.js';
import { encodeNick, encodeNoAvatar } from '../../formats/profile-nodes.js';
import { encodeVcard4 } from '../../formats/vcard4.js';
import type { Context } from '../../services/context.js';
import { countPostsBy, listPostsBy, type PostView, readPost, type Viewer } from '../../services/stream.js';
import { type Element, serialize } from '../../xml.js';
import { componentJidOf } from '../addresses.js';
import type { EventItem } from '../codec/event.js';
import type { PageInfo } from '../codec/rsm.js';
import { itemNotFound } from '../errors.js';
import { type FeedNodeName, PAGE_MAX, type Plan, type ProfileNodeName } from './rules.js';

/** Prosody's c2s takes 256 KiB from a client, servers among each other 512: a page stays below, whatever is asked for. */
const PAGE_BYTES = 160 * 1024;

export const actorUrl = (ctx: Context, actor: Actor): string => `${ctx.config.publicUrl}/u/${actor.username}`;

const ENCODERS: Record<FeedNodeName, (ctx: Context, post: Post, author: Actor) => Element | Promise<Element>> = {
  [NS.MICROBLOG]: (ctx, post, author) => {
    const authorJid = componentJidOf(author, ctx.config.domain);
    return encodeEntry(post, author, ownLinks(authorJid, post));
  },
  [NS.ACTIVITYSTREAMS2]: (ctx, post, author) => encodeNoteItem(post, actorUrl(ctx, author)),
};

/** A post as an item of a feed node. */
export const encodePost = async (ctx: Context, node: FeedNodeName, { post, author }: Pick<PostView, 'post' | 'author'>): Promise<EventItem> => ({
  id: post.guid,
  payload: await ENCODERS[node](ctx, post, author),
});

/** The items of a profile node: one, or none while there is nothing to tell. */
export function profileItems(ctx: Context, node: ProfileNodeName, actor: Actor): EventItem[] {
  switch (node) {
    case NS.VCARD4_NODE:
      return [{ id: 'current', payload: encodeVcard4(actor, componentJidOf(actor, ctx.config.domain), actorUrl(ctx, actor)) }];
    case NS.NICK:
      return [{ id: 'current', payload: encodeNick(actor) }];
    case NS.AVATAR_METADATA:
      return [{ id: 'current', payload: encodeNoAvatar() }];
    case NS.AVATAR_DATA:
      return []; // TODO: there are no pictures yet
  }
}

export interface ItemsPage {
  items: EventItem[];
  info: PageInfo;
}

/** A post of this person that the viewer may see, or null. */
export async function readItem(ctx: Context, viewer: Viewer, actor: Actor, guid: Guid): Promise<PostView | null> {
  if (!isGuid(guid)) return null;
  try {
    const view = await readPost(ctx, viewer, guid);
    return view.author.id === actor.id ? view : null;
  } catch (error) {
    if (error instanceof DomainError && (error.code === 'not-found' || error.code === 'gone')) return null;
    throw error;
  }
}

/**
 * A page of a feed, whatever of it the viewer may see. Its `<set/>` counts from the newest, also where the items stand oldest first:
 * Movim asks for what is `after` the last, and means older posts.
 * @throws StanzaError item-not-found: the item to page from is not there, or not for the viewer
 */
export async function readPage(ctx: Context, viewer: Viewer, actor: Actor, node: FeedNodeName, plan: Plan): Promise<ItemsPage> {
  const count = await countPostsBy(ctx, viewer, actor);
  if (plan.limit === 0) return { items: [], info: { first: null, last: null, index: null, count } };
  const { from } = plan;
  let views: PostView[];
  if ('end' in from) views = await listPostsBy(ctx, viewer, actor, { limit: plan.limit, direction: 'oldest-first' });
  else if ('newer' in from) {
    await requireCursor(ctx, viewer, actor, from.newer);
    views = await listPostsBy(ctx, viewer, actor, { newer: from.newer, limit: plan.limit, direction: 'oldest-first' });
  } else if ('older' in from) {
    await requireCursor(ctx, viewer, actor, from.older);
    views = await listPostsBy(ctx, viewer, actor, { older: from.older, limit: plan.limit });
  } else views = await fromIndex(ctx, viewer, actor, from.index, plan.limit);

  const items: EventItem[] = [];
  let bytes = 0;
  for (const view of views) {
    const item = await encodePost(ctx, node, view);
    bytes += Buffer.byteLength(serialize(item.payload!));
    if (items.length > 0 && bytes > PAGE_BYTES) break;
    items.push(item);
  }
  if ('end' in from || 'newer' in from) items.reverse();
  const first = items[0]?.id ?? null;
  const last = items.at(-1)?.id ?? null;
  const index = first === null ? null : await countPostsBy(ctx, viewer, actor, { newer: first });
  if (plan.chronological) items.reverse();
  return { items, info: { first, last, index, count } };
}

/** A deleted post still says where it stood; only whoever could see it may know. */
async function requireCursor(ctx: Context, viewer: Viewer, actor: Actor, guid: string): Promise<void> {
  if (!isGuid(guid)) throw itemNotFound();
  try {
    if ((await readPost(ctx, viewer, guid)).author.id !== actor.id) throw itemNotFound();
  } catch (error) {
    if (!(error instanceof DomainError && error.code === 'gone')) throw error;
  }
}

async function fromIndex(ctx: Context, viewer: Viewer, actor: Actor, index: number, limit: number): Promise<PostView[]> {
  let older: Guid | undefined;
  for (let left = index; left > 0; left -= PAGE_MAX) {
    const skipped = await listPostsBy(ctx, viewer, actor, { ...(older ? { older } : {}), limit: Math.min(left, PAGE_MAX) });
    if (skipped.length < Math.min(left, PAGE_MAX)) throw itemNotFound();
    older = skipped.at(-1)!.post.guid;
  }
  const views = await listPostsBy(ctx, viewer, actor, { ...(older ? { older } : {}), limit });
  if (index > 0 && views.length === 0) throw itemNotFound();
  return views;
}
