// The pages of posts and people in the forms that programs read.
import type { Response } from 'express';
import type { Account } from '../domain/account.js';
import { type Actor, handleOf, nameOf } from '../domain/actor.js';
import { encodeActor, encodeCollection, encodeCollectionPage, encodeNote, AS2_MEDIA_TYPE, type JsonObject } from '../formats/activitystreams2.js';
import { type EntryLinks, encodeEntry, ownLinks } from '../formats/atom-entry.js';
import { encodeFeed, webEntry } from '../formats/atom-feed.js';
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

export const personUrl = (ctx: Context, actor: Actor): string => `${ctx.config.publicUrl}/u/${actor.username}`;

export const entryLinks = (ctx: Context, { post, author }: Pick<PostView, 'post' | 'author'>): EntryLinks => {
  const authorJid = handleOf(author);
  return { ...ownLinks(authorJid, post), webUrl: `${ctx.config.publicUrl}/posts/${post.guid}` };
};

export const postAsNote = (ctx: Context, { post, author }: PostView): Promise<JsonObject> => encodeNote(post, personUrl(ctx, author));
export const postAsAtom = (ctx: Context, view: PostView): string => serialize(webEntry(encodeEntry(view.post, view.author, entryLinks(ctx, view))));
export const personAsActor = (ctx: Context, actor: Actor): Promise<JsonObject> => encodeActor(actor, personUrl(ctx, actor));

/** The whole collection with its first page in it, or, for `older`, one page alone. */
export async function feedAsCollection(
  ctx: Context,
  actor: Actor,
  views: PostView[],
  { total, older, olderThan }: { total: number; older?: string; olderThan: string | null },
): Promise<JsonObject> {
  const id = `${personUrl(ctx, actor)}/feed.json`;
  const page = await encodeCollectionPage({
    id: older ? `${id}?older=${older}` : `${id}?older`,
    partOf: id,
    next: olderThan ? `${id}?older=${olderThan}` : null,
    items: await Promise.all(views.map((view) => postAsNote(ctx, view))),
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
  const entries = views.map((view) => encodeEntry(view.post, view.author, entryLinks(ctx, view)));
  const author = { name: nameOf(actor), uri: url };
  return serialize(encodeFeed({ id: self, title: nameOf(actor), subtitle: actor.profile.summary, author, updatedAt, links: { self, alternate: url }, entries }));
}
