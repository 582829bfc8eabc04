// The pages of posts and people in the forms that programs read.
import type { Response } from 'express';
import type { Account } from '../domain/account.js';
import { type Actor, handleOf, nameOf } from '../domain/actor.js';
import { encodeActor, encodeAnnounce, encodeCollection, encodeCollectionPage, encodeNote, AS2_MEDIA_TYPE, type JsonObject } from '../formats/activitystreams2.js';
import { type EntryLinks, type EntryRoot, encodeEntry, encodeReshare, ownLinks } from '../formats/atom-entry.js';
import { encodeFeed, webEntry } from '../formats/atom-feed.js';
import { itemUri } from '../formats/item-uri.js';
import type { Context } from '../services/context.js';
import type { PostView } from '../services/stream.js';
import { serialize } from '../xml.js';

/** The media types under which Activity Streams 2.0 is asked for, the own one first. The one with a profile is ActivityPub's (§3.2). */
export const ACTIVITY_TYPES = [AS2_MEDIA_TYPE, 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"', 'application/ld+json', 'application/json'];

/** `shared`: the same for everyone, so that caches between may keep it for a minute. */
const cacheOf = (shared: boolean) => (shared ? 'public, max-age=60' : 'private, no-cache');

export function sendActivityJson(res: Response, document: JsonObject, { shared = false } = {}): void {
  res.set('Cache-Control', cacheOf(shared)).type(AS2_MEDIA_TYPE).send(JSON.stringify(document));
}

export function sendAtom(res: Response, xml: string, { shared = false } = {}): void {
  res.set('Cache-Control', cacheOf(shared)).type('application/atom+xml').send(`<?xml version="1.0" encoding="utf-8"?>\n${xml}\n`);
}

/** The page of a person here: people from elsewhere have one for those who are logged in. */
export const personUrl = (ctx: Context, actor: Actor): string =>
  actor.isLocal ? `${ctx.config.publicUrl}/u/${actor.username}` : `${ctx.config.publicUrl}/people/${encodeURIComponent(handleOf(actor))}`;

/** Of a post of ours, its own; of one from elsewhere, where it stands there. */
const entryLinks = (ctx: Context, { post, author, origin }: Pick<PostView, 'post' | 'author' | 'origin'>): EntryLinks => {
  const authorJid = handleOf(author);
  const webUrl = `${ctx.config.publicUrl}/posts/${post.guid}`;
  if (!origin) return { ...ownLinks(authorJid, post), webUrl };
  return { authorJid, webUrl, itemUri: itemUri({ jid: origin.address, node: origin.node, item: origin.itemId }), commentsUri: null };
};

/** What a reshare shows, as far as the one who asks may see it. */
const rootOf = (ctx: Context, { root }: PostView): EntryRoot | null => root && { post: root.post, author: root.author, links: entryLinks(ctx, root) };

const amount = (totalItems: number): JsonObject => ({ type: 'Collection', totalItems });

/** A post as a Note, with how much stands under it (ActivityPub §5.6, §5.7: likes and shares); a reshare as an Announce. */
export async function postAsNote(ctx: Context, view: PostView): Promise<JsonObject> {
  const { post, author, root, counts } = view;
  // Its object is named for everybody, or not at all: the document may be kept and shown on.
  if (post.kind === 'reshare') return encodeAnnounce(post, personUrl(ctx, author), root?.post.audience.to === 'public' ? root.post.atomId : null);
  return { ...(await encodeNote(post, personUrl(ctx, author))), replies: amount(counts.comments), likes: amount(counts.likes), shares: amount(counts.reshares) };
}

const postAsEntry = (ctx: Context, view: PostView) =>
  view.post.kind === 'reshare' ? encodeReshare(view.post, view.author, entryLinks(ctx, view), rootOf(ctx, view)) : encodeEntry(view.post, view.author, entryLinks(ctx, view));
export const postAsAtom = (ctx: Context, view: PostView): string => serialize(webEntry(postAsEntry(ctx, view)));
export function personAsActor(ctx: Context, actor: Actor): Promise<JsonObject> {
  const { avatar, banner } = actor.profile;
  const image = (id: string, mediaType: string): JsonObject => ({ type: 'Image', mediaType, url: `${ctx.config.publicUrl}/media/${id}` });
  return encodeActor(actor, personUrl(ctx, actor), { ...(avatar !== null && { icon: image(avatar, 'image/png') }), ...(banner !== null && { image: image(banner, 'image/webp') }) });
}

/**
 * Posts as a collection: the whole with its first page in it, or, for `older`, one page alone.
 * @param id its IRI
 * @param total null: not counted
 */
export async function postsAsCollection(
  ctx: Context,
  id: string,
  { posts, olderThan }: { posts: PostView[]; olderThan: string | null },
  { total, older }: { total: number | null; older: string | undefined },
): Promise<JsonObject> {
  const page = await encodeCollectionPage({
    id: older ? `${id}?older=${older}` : `${id}?older`,
    partOf: id,
    next: olderThan ? `${id}?older=${olderThan}` : null,
    items: await Promise.all(posts.map((view) => postAsNote(ctx, view))),
  });
  if (older) return page;
  const { '@context': _, ...first } = page;
  return { ...(await encodeCollection({ id, totalItems: total, first: `${id}?older` })), first };
}

/** The newest public posts, for feed readers. */
export function feedAsAtom(ctx: Context, actor: Actor, account: Account, views: PostView[]): string {
  const url = personUrl(ctx, actor);
  const self = `${url}/feed.atom`;
  const updatedAt = Math.max(account.confirmedAt ?? account.createdAt, ...views.map(({ post }) => post.editedAt ?? post.createdAt));
  const entries = views.map((view) => postAsEntry(ctx, view));
  const author = { name: nameOf(actor), uri: url };
  return serialize(encodeFeed({ id: self, title: nameOf(actor), subtitle: actor.profile.summary, author, updatedAt, links: { self, alternate: url }, entries }));
}
