// Activity Streams 2.0 (W3C Recommendation 2017-05-23) with the members of ActivityPub (2018-01-23): source, preferredUsername, in- and outbox,
// followers; XEP-0335 JSON Containers 0.1.1 for PEP. The one user of activitystrea.ms: it costs 200 ms and 27 MiB, so it is loaded at the first use.
// Only its builders are used, never its `import`, whose JSON-LD loader would fetch any context that a stranger names: what is built
// names one context, which the package holds itself, and foreign JSON is read by hand (Activity Streams 2.0 core §2.1 allows it).
import type { Builder } from 'activitystrea.ms';
import { type Actor, nameOf } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import type { Post } from '../domain/post.js';
import { cleanForeignHtml, innerHtml, isSafeUrl, markdownOf, parseHtml, plainText, textToXhtml } from '../html.js';
import { type Element, xml } from '../xml.js';
import type { AudienceHint } from './atom-entry.js';
import { byteLength, cutText } from './cut.js';
import { NS } from './namespaces.js';

export type JsonObject = Record<string, unknown>;

/** Everybody, in `to` or `cc`. */
export const AS2_PUBLIC = `${NS.ACTIVITYSTREAMS2}#Public`;
export const AS2_MEDIA_TYPE = 'application/activity+json';

const CONTEXT = [NS.ACTIVITYSTREAMS2, { Hashtag: 'as:Hashtag' }];

const load = async () => (await import('activitystrea.ms')).default;

/** Exports without the context (it stands once, at the outside), and undoes what JSON-LD compaction does that plain readers do not expect. */
async function finish(builder: Builder, members: JsonObject = {}): Promise<JsonObject> {
  const { '@context': _, ...object } = await builder.export();
  for (const name of ['to', 'cc']) {
    if (object[name] !== undefined) object[name] = [object[name]].flat().map((iri) => (iri === 'as:Public' ? AS2_PUBLIC : iri));
  }
  return { ...object, ...members };
}

const withContext = (object: JsonObject): JsonObject => ({ '@context': CONTEXT, ...object });

/** The IRIs of an account, all below its page. */
const actorUrls = (actorUrl: string) => ({ outbox: `${actorUrl}/outbox`, followers: `${actorUrl}/followers` });

/** To whom it goes. A post for aspects names nobody: which people are in which aspect is the author's business. */
function address<T extends Builder>(builder: T, post: Post, actorUrl: string): T {
  const { followers } = actorUrls(actorUrl);
  if (post.audience.to === 'public') return builder.to(AS2_PUBLIC).cc(followers);
  return post.audience.to === 'contacts' ? builder.to(followers) : builder;
}

async function buildNote(post: Post, actorUrl: string, content: string, markdown: string): Promise<JsonObject> {
  const as = await load();
  const note = address(as.note().id(post.atomId), post, actorUrl).attributedTo(actorUrl).url(post.atomId).content(content).published(new Date(post.createdAt));
  if (post.editedAt !== null) note.updated(new Date(post.editedAt));
  return finish(note, {
    mediaType: 'text/html',
    ...(post.language && { contentMap: { [post.language]: content } }),
    source: { content: markdown, mediaType: 'text/markdown' },
    ...(post.tags.length > 0 && { tag: post.tags.map((tag) => ({ type: 'Hashtag', name: `#${tag}` })) }),
  });
}

/**
 * A post as a Note.
 * @param actorUrl the author's page, `DX_PUBLIC_URL/u/NAME`, which is the author's IRI as well
 */
export const encodeNote = async (post: Post, actorUrl: string): Promise<JsonObject> => withContext(await buildNote(post, actorUrl, post.html, post.markdown));

/** Longest JSON of an item: it goes by XMPP, as the Atom entry does. */
export const NOTE_ITEM_MAX_BYTES = 65_536;

/** A post as the payload of an item on the node `https://www.w3.org/ns/activitystreams`; a long one in part, with a link to its page. */
export async function encodeNoteItem(post: Post, actorUrl: string): Promise<Element> {
  let note = await encodeNote(post, actorUrl);
  for (let room = NOTE_ITEM_MAX_BYTES / 4; byteLength(JSON.stringify(note)) > NOTE_ITEM_MAX_BYTES && room > 64; room *= 0.7) {
    const markdown = cutText(post.markdown, room, post.atomId);
    note = withContext(await buildNote(post, actorUrl, innerHtml(textToXhtml(markdown)), markdown));
  }
  return encodeJsonItem(note);
}

/**
 * A reshare as an Announce. A root that is no longer there, or not for everybody, is not named.
 * @param rootId the root's IRI, or null
 */
export async function encodeAnnounce(reshare: Post, actorUrl: string, rootId: string | null): Promise<JsonObject> {
  const as = await load();
  const announce = address(as.announce().id(reshare.atomId), reshare, actorUrl).actor(actorUrl).url(reshare.atomId).published(new Date(reshare.createdAt));
  return withContext(await finish(announce, rootId === null ? { object: { type: 'Tombstone' } } : { object: rootId }));
}

/** The same as the payload of an item. */
export const encodeAnnounceItem = async (reshare: Post, actorUrl: string, rootId: string | null): Promise<Element> => encodeJsonItem(await encodeAnnounce(reshare, actorUrl, rootId));

/** A person. The summary is HTML there, plain text here. @param pictures Image objects: `icon` the picture, `image` the banner */
export async function encodeActor(actor: Actor, actorUrl: string, pictures: { icon?: JsonObject; image?: JsonObject } = {}): Promise<JsonObject> {
  const as = await load();
  const { outbox } = actorUrls(actorUrl);
  const person = as.person().id(actorUrl).name(nameOf(actor)).url(actorUrl).outbox(outbox);
  if (actor.profile.summary) person.summary(innerHtml(textToXhtml(actor.profile.summary)));
  return withContext(await finish(person, { preferredUsername: actor.username, ...pictures }));
}

/** An ordered collection as a whole: how many there are (null: not counted), and where its first page is. */
export async function encodeCollection({ id, totalItems, first }: { id: string; totalItems: number | null; first: string }): Promise<JsonObject> {
  const as = await load();
  const builder = as.orderedCollection().id(id).first(first);
  if (totalItems !== null) builder.totalItems(totalItems);
  return withContext(await finish(builder));
}

/** A page of an ordered collection, newest first. `items` as the encoders of this file give them. */
export async function encodeCollectionPage(page: { id: string; partOf: string; next?: string | null; prev?: string | null; items: JsonObject[] }): Promise<JsonObject> {
  const as = await load();
  const builder = as.orderedCollectionPage().id(page.id).partOf(page.partOf);
  if (page.next) builder.next(page.next);
  if (page.prev) builder.prev(page.prev);
  return withContext(await finish(builder, { orderedItems: page.items.map(({ '@context': _, ...item }) => item) }));
}

/** XEP-0335 §3. */
export const encodeJsonItem = (value: unknown): Element => xml('json', { xmlns: NS.JSON }, JSON.stringify(value));

/**
 * The JSON in a container.
 * @throws DomainError invalid
 */
export function decodeJsonItem(payload: Element): unknown {
  if (!payload.is('json', NS.JSON)) throw new DomainError('invalid', 'This is not a JSON container.');
  try {
    return JSON.parse(payload.getText());
  } catch {
    throw new DomainError('invalid', 'The JSON in this item cannot be read.');
  }
}

/** What a stranger's Note says. Nothing of it is verified. */
export interface DecodedNote {
  id: string | null;
  /** The name on one line, where there is a text beside it; else ''. */
  title: string;
  /** Markdown: the source if it is Markdown, else what the HTML content says, else the name. */
  text: string;
  published: number | null;
  updated: number | null;
  attributedTo: string | null;
  inReplyTo: string | null;
  /** Without `#`, in small letters. */
  tags: string[];
  url: string | null;
  /** null: it is addressed to nobody, what the node or the account says counts. */
  audience: AudienceHint | null;
  language: string | null;
}

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]);
const textOf = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');
/** An object by its IRI: itself, its id, or the href of a link. */
const iriOf = (value: unknown): string | null => {
  const [first] = list(value);
  return textOf(isObject(first) ? (first.id ?? first.href) : first) || null;
};
const timeOf = (value: unknown): number | null => {
  const time = /^\d{4}-\d\d-\d\dT/.test(textOf(value)) ? Date.parse(textOf(value)) : Number.NaN;
  return Number.isNaN(time) ? null : time;
};
const typesOf = (object: JsonObject): unknown[] => list(object.type);

function readAudience(object: JsonObject): AudienceHint | null {
  const iris = [...list(object.to), ...list(object.cc), ...list(object.audience)].map(iriOf).filter((iri) => iri !== null);
  if (iris.length === 0) return null;
  if (iris.some((iri) => [AS2_PUBLIC, 'as:Public', 'Public'].includes(iri))) return { to: 'public' };
  if (iris.some((iri) => /\/followers\/?$/.test(iri))) return { to: 'contacts' };
  return { to: 'people', addresses: iris.slice(0, 50) };
}

/** HTML as Markdown. A tag that the Note names is a #tag again, wherever its link leads: links of ours are no tags. */
function markdownWithTags(html: string, tags: readonly string[]): string {
  const unlink = (element: Element): void => {
    element.children = element.children.map((child) => {
      if (typeof child !== 'object') return child;
      const text = child.name === 'a' ? plainText(child) : '';
      if (text.startsWith('#') && tags.includes(text.slice(1).toLowerCase())) return text;
      unlink(child);
      return child;
    });
  };
  const div = parseHtml(cleanForeignHtml(html));
  unlink(div);
  return markdownOf(div);
}

function readText(note: JsonObject, tags: readonly string[]): { title: string; text: string; language: string | null } {
  const title = textOf(note.name).replace(/\s+/g, ' ');
  const map = isObject(note.contentMap) ? Object.entries(note.contentMap).find(([, value]) => textOf(value) !== '') : undefined;
  const language = map?.[0] ?? null;
  const { source } = note;
  if (isObject(source) && textOf(source.mediaType).startsWith('text/markdown') && textOf(source.content)) return { title, text: textOf(source.content), language };
  const content = textOf(note.content) || textOf(map?.[1]);
  const isPlain = ['text/plain', 'text/markdown'].includes(textOf(note.mediaType));
  const text = isPlain ? content : markdownWithTags(content, tags);
  return text === '' ? { title: '', text: textOf(note.name), language } : { title, text, language };
}

/**
 * Reads a Note or an Article, alone or in the Create or Update that brings it.
 * @throws DomainError invalid: something else, or nothing to read in it; too-large: HTML of too many parts
 */
export function decodeNote(json: unknown): DecodedNote {
  if (!isObject(json)) throw new DomainError('invalid', 'This is not an Activity Streams object.');
  const activity = typesOf(json).some((type) => type === 'Create' || type === 'Update') ? json : null;
  const note = activity ? list(activity.object)[0] : json;
  if (!isObject(note) || !typesOf(note).some((type) => type === 'Note' || type === 'Article')) {
    throw new DomainError('invalid', 'Only an object of type Note or Article can be posted here.', 'type');
  }
  const named = list(note.tag).flatMap((tag) => (isObject(tag) && typesOf(tag).includes('Hashtag') ? [textOf(tag.name).replace(/^#/, '').toLowerCase()] : []));
  const tags = [...new Set(named.filter((tag) => tag !== ''))].slice(0, 50);
  const { title, text, language } = readText(note, tags);
  if (text === '') throw new DomainError('invalid', 'The Note has neither a content nor a name.', 'content');
  const url = iriOf(note.url);
  return {
    id: iriOf(note.id),
    title,
    text,
    published: timeOf(note.published) ?? timeOf(activity?.published),
    updated: timeOf(note.updated),
    attributedTo: iriOf(note.attributedTo) ?? iriOf(activity?.actor),
    inReplyTo: iriOf(note.inReplyTo),
    tags,
    url: url && isSafeUrl(url) ? url : null,
    audience: readAudience(note) ?? (activity && readAudience(activity)),
    language,
  };
}
