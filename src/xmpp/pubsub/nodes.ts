// The nodes of an account are views of its posts and its profile: nothing is stored for them. Every post is read through
// services/stream.ts, which decides who may see it.
import type { Actor } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import { type Guid, isGuid } from '../../domain/guid.js';
import { encodeAnnounceItem, encodeNoteItem } from '../../formats/activitystreams2.js';
import { type EntryLinks, encodeEntry, encodeReshare, ownLinks } from '../../formats/atom-entry.js';
import { itemUri } from '../../formats/item-uri.js';
import { NS } from '../../formats/namespaces.js';
import { type AvatarInfo, encodeAvatarData, encodeAvatarMetadata, encodeNick } from '../../formats/profile-nodes.js';
import { encodeVcard4 } from '../../formats/vcard4.js';
import type { Context } from '../../services/context.js';
import { readPicture } from '../../services/media.js';
import { countPostsBy, listPostsBy, type PostView, readPost, type Viewer } from '../../services/stream.js';
import type { Element } from '../../xml.js';
import { originOf } from '../../store/received.js';
import { componentJidOf, jidOf } from '../addresses.js';
import type { EventItem } from '../codec/event.js';
import type { FeedNodeName, Plan, ProfileNodeName } from './rules.js';
import { type ItemsPage, readSequence, type Sequence } from './sequence.js';

export const actorUrl = (ctx: Context, actor: Actor): string => `${ctx.config.publicUrl}/u/${actor.username}`;

/** What an item needs of a post. */
type Shown = Pick<PostView, 'post' | 'author' | 'root'>;

/** Where a post is to be found: here, or where it came from. */
export async function linksOf(ctx: Context, { post, author }: Pick<PostView, 'post' | 'author'>): Promise<EntryLinks> {
  const authorJid = jidOf(author);
  if (author.isLocal) return ownLinks(authorJid, post);
  const origin = await originOf(ctx.store, post.guid);
  return {
    authorJid,
    webUrl: /^https?:/i.test(post.atomId) ? post.atomId : `${ctx.config.publicUrl}/posts/${post.guid}`,
    itemUri: itemUri({ jid: origin?.service ?? authorJid, node: origin?.node ?? NS.MICROBLOG, item: origin?.itemId ?? post.guid }),
    commentsUri: origin?.commentsService && origin.commentsNode ? itemUri({ jid: origin.commentsService, node: origin.commentsNode, item: null }) : null,
  };
}

const ENCODERS: Record<FeedNodeName, (ctx: Context, view: Shown) => Promise<Element>> = {
  [NS.MICROBLOG]: async (ctx, { post, author, root }) => {
    const links = ownLinks(componentJidOf(author, ctx.config.domain), post);
    if (post.kind === 'note') return encodeEntry(post, author, links);
    return encodeReshare(post, author, links, root && { post: root.post, author: root.author, links: await linksOf(ctx, root) });
  },
  [NS.ACTIVITYSTREAMS2]: (ctx, { post, author, root }) =>
    post.kind === 'note' ? encodeNoteItem(post, actorUrl(ctx, author)) : encodeAnnounceItem(post, actorUrl(ctx, author), root?.post.atomId ?? null),
};

/** A post as an item of a feed node. */
export const encodePost = async (ctx: Context, node: FeedNodeName, view: Shown): Promise<EventItem> => ({
  id: view.post.guid,
  payload: await ENCODERS[node](ctx, view),
});

/** Where a picture is over HTTP. @param id of media */
const pictureUrl = (ctx: Context, id: string): string => `${ctx.config.publicUrl}/media/${id}`;

/** The picture that an actor shows, with its bytes; null: none, or its file is gone. */
export async function pictureOf(ctx: Context, { profile }: Actor): Promise<(AvatarInfo & { url: string; data: Buffer }) | null> {
  const found = profile.avatar === null ? null : await readPicture(ctx, profile.avatar);
  return found && { ...found.media, url: pictureUrl(ctx, found.media.id), data: found.bytes };
}

/** The items of a profile node: one, or none while there is nothing to tell. */
export async function profileItems(ctx: Context, node: ProfileNodeName, actor: Actor): Promise<EventItem[]> {
  switch (node) {
    case NS.VCARD4_NODE: {
      const { avatar } = actor.profile;
      return [{ id: 'current', payload: encodeVcard4(actor, componentJidOf(actor, ctx.config.domain), actorUrl(ctx, actor), avatar === null ? null : { url: pictureUrl(ctx, avatar) }) }];
    }
    case NS.NICK:
      return [{ id: 'current', payload: encodeNick(actor) }];
    case NS.AVATAR_METADATA: {
      const picture = await pictureOf(ctx, actor);
      // They have one, whose file is not here: "none" would take it away from everybody.
      if (!picture && actor.profile.avatar !== null) return [];
      return [{ id: picture?.id ?? 'current', payload: encodeAvatarMetadata(picture) }];
    }
    case NS.AVATAR_DATA: {
      const picture = await pictureOf(ctx, actor);
      return picture ? [{ id: picture.id, payload: encodeAvatarData(picture.data) }] : [];
    }
  }
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

/** The posts of a person, for one viewer. @param encode makes the item of a post */
export const feedOf = (ctx: Context, viewer: Viewer, actor: Actor, encode: (view: PostView) => Promise<EventItem>): Sequence => ({
  count: (bounds) => countPostsBy(ctx, viewer, actor, bounds),
  list: async (page) => (await listPostsBy(ctx, viewer, actor, page)).map((view) => ({ key: view.post.guid, make: () => encode(view) })),
  // A deleted post still says where it stood; only whoever could see it may know.
  keyOf: async (id) => {
    if (!isGuid(id)) return null;
    try {
      return (await readPost(ctx, viewer, id)).author.id === actor.id ? id : null;
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      if (error.code === 'gone') return id;
      if (error.code === 'not-found') return null;
      throw error;
    }
  },
});

/** A page of a feed, whatever of it the viewer may see. @throws StanzaError item-not-found: the item to page from */
export const readPage = (ctx: Context, viewer: Viewer, actor: Actor, node: FeedNodeName, plan: Plan): Promise<ItemsPage> =>
  readSequence(feedOf(ctx, viewer, actor, (view) => encodePost(ctx, node, view)), plan);
