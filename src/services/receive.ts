// What comes from people elsewhere: their posts, edits and ends, in whatever order and however often they come.
import type { Actor } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import { type Guid, guidAt } from '../domain/guid.js';
import { type Post, parsePostText } from '../domain/post.js';
import { findPostForDelivery, findReshare, insertPosts, updatePost } from '../store/posts.js';
import type { Db, Tx } from '../store/database.js';
import { addRecipients, findOrigin, forgetRetracted, insertOrigins, isRetracted, type ItemAddress, listUnknown, liveItems, type NodeAddress, noteRetracted, type PostOrigin, updateOrigin } from '../store/received.js';
import { insertTags, setTags } from '../store/tags.js';
import type { Context } from './context.js';
import { notify, notifyMentioned } from './notifications.js';
import { writeText } from './text.js';
import { endPost } from './threads.js';

export type { ItemAddress, NodeAddress } from '../store/received.js';

/** A post as its server tells it. Nothing of it is verified: the author is whoever sent it. Times are milliseconds UTC. */
export interface ReceivedEntry {
  /** Markdown; '' only for a reshare. */
  text: string;
  /** The IRI under which it is known from now on. */
  iri: string;
  tags: readonly string[];
  /** BCP 47; '': unknown. */
  language: string;
  published: number | null;
  updated: number | null;
  /** For whom it says that it is; null: it says nothing. */
  audience: 'public' | 'limited' | null;
  /** Where comments on it stand. */
  comments: NodeAddress | null;
  /** A reshare: where its root stands, as far as it says so. */
  root: { items: ItemAddress[]; guids: Guid[] } | null;
}

export interface Arrival {
  /** The verified sender: whose node it is. */
  author: Actor;
  origin: ItemAddress;
  entry: ReceivedEntry;
  /** Local actors to whom their server brought it. */
  recipients: readonly number[];
  /** May anybody read its node? null: not known. */
  isOpen: boolean | null;
  /** When it came. */
  at: number;
}

/** Another server's clock may be ahead by so much. */
const CLOCK_SKEW_MS = 24 * 3_600_000;
/** What is older is fetched, not told. */
const NEWS_MS = 30 * 24 * 3_600_000;
const MAX_TAGS = 30;
const TAG = /^[\p{L}\p{M}\p{N}_-]{1,60}$/u;

/** When this version was made: a wrong clock cannot shut out every later edit. */
const versionOf = ({ entry, at }: Arrival): number => Math.max(0, Math.min(entry.updated ?? entry.published ?? at, at + CLOCK_SKEW_MS));

/**
 * A post from elsewhere, new or edited. Idempotent and in any order: what is older than what is here changes nothing, what was retracted does
 * not come (back), and nobody's item is another's.
 * @returns the post as it stands now; null: there is none
 */
export async function receivePost(ctx: Context, tx: Tx, arrival: Arrival): Promise<Post | null> {
  const known = await findOrigin(tx, arrival.origin);
  if (known) return receiveAgain(ctx, tx, known, arrival);
  if (await isRetracted(tx, arrival.origin)) return null;
  const made = await make(ctx, tx, arrival);
  if (made) await insertMade(ctx, tx, [made]);
  return made?.post ?? null;
}

/** A post that is not yet written. */
interface Made {
  post: Post;
  arrival: Arrival;
  mentions: readonly string[];
  root: Post | null;
}

async function make(ctx: Context, tx: Tx, arrival: Arrival): Promise<Made | null> {
  const { author, entry, isOpen, at } = arrival;
  const root = entry.root && (await findRoot(tx, entry.root));
  // One by a person of a root, and none of what one has written oneself.
  if (root && (root.authorId === author.id || (await findReshare(tx, author.id, root.guid)))) return null;
  const written = root ? NOTHING_WRITTEN : await write(ctx, tx, author, entry);
  if (!written) return null;
  const isPublic = entry.audience === 'public' || (entry.audience === null && isOpen === true);
  const createdAt = Math.max(0, Math.min(entry.published ?? entry.updated ?? at, at));
  const post: Post = {
    guid: guidAt(createdAt),
    authorId: author.id,
    kind: entry.root ? 'reshare' : 'note',
    reshareOf: root?.guid ?? null,
    atomId: entry.iri,
    ...stored(written),
    language: entry.language,
    audience: { to: isPublic ? 'public' : 'people' },
    createdAt,
    // The newest version may come first.
    editedAt: entry.updated !== null && entry.published !== null && entry.updated >= entry.published + 1_000 ? Math.max(createdAt, Math.min(entry.updated, at)) : null,
    deletedAt: null,
  };
  return { post, arrival, mentions: written.mentions, root };
}

async function insertMade(ctx: Context, tx: Tx, all: readonly Made[]): Promise<void> {
  await insertPosts(tx, all.map(({ post }) => post));
  await insertOrigins(tx, all.map(originOf));
  await insertTags(tx, all.flatMap(({ post }) => [...new Set(post.tags)].map((tag) => ({ tag, postGuid: post.guid }))));
  for (const { post, arrival, mentions, root } of all) {
    if (post.audience.to === 'people') await addRecipients(tx, post.guid, arrival.recipients);
    if (post.createdAt > arrival.at - NEWS_MS) {
      await notifyMentioned(ctx, tx, { handles: mentions, byId: post.authorId, postGuid: post.guid });
      if (root) await notify(ctx, tx, { ownerId: root.authorId, kind: 'reshare', byId: post.authorId, postGuid: root.guid });
    }
    tx.publish({ kind: 'post', actorId: post.authorId, guid: post.guid });
  }
}

const originOf = ({ post, arrival }: Made): PostOrigin => ({
  ...{ postGuid: post.guid, protocol: 'xmpp', ...arrival.origin, updatedAt: versionOf(arrival) },
  ...{ commentsService: arrival.entry.comments?.service ?? null, commentsNode: arrival.entry.comments?.node ?? null },
});

/** What comes in one transaction, in its order: new posts are gathered, and written together before anything that may depend on them. */
export class Arrivals {
  readonly #made: Made[] = [];

  private constructor(
    private readonly ctx: Context,
    private readonly tx: Tx,
    /** Items of which nothing is here yet, by `keyOf`. */
    private readonly unknown: Set<string>,
  ) {}

  /** @param items what may come */
  static async open(ctx: Context, tx: Tx, items: readonly ItemAddress[]): Promise<Arrivals> {
    return new Arrivals(ctx, tx, new Set(items.length > 0 ? (await listUnknown(tx, items)).map(keyOf) : []));
  }

  /** `receivePost`, now or at the next `write`. */
  async post(arrival: Arrival): Promise<void> {
    const isNew = this.unknown.delete(keyOf(arrival.origin));
    if (isNew && arrival.entry.root === null) {
      const made = await make(this.ctx, this.tx, arrival);
      if (made) this.#made.push(made);
      return;
    }
    await this.write();
    await receivePost(this.ctx, this.tx, arrival);
  }

  async retraction(item: ItemAddress): Promise<void> {
    await this.write();
    this.unknown.delete(keyOf(item));
    await receiveRetraction(this.ctx, this.tx, item);
  }

  /** Writes what was gathered. */
  async write(): Promise<void> {
    const made = this.#made.splice(0);
    if (made.length > 0) await insertMade(this.ctx, this.tx, made);
  }
}

const keyOf = ({ service, node, itemId }: ItemAddress): string => JSON.stringify([service, node, itemId]);

/** A copy, an edit, or an old version. Who may see it stays, but for one more of ours to whom its server has brought it. */
async function receiveAgain(ctx: Context, tx: Tx, known: PostOrigin, arrival: Arrival): Promise<Post | null> {
  const { author, entry, recipients, at } = arrival;
  const post = await findPostForDelivery(tx, known.postGuid);
  if (!post || post.authorId !== author.id || post.deletedAt !== null) return null;
  if (post.audience.to === 'people') await addRecipients(tx, post.guid, recipients);
  const version = versionOf(arrival);
  // At the same second the node's own order counts, which is that of arrival; a copy is told by its text, which is cheap.
  if (version < known.updatedAt || (version === known.updatedAt && cleanText(entry.text) === post.markdown)) return post;
  const written = post.reshareOf === null ? await write(ctx, tx, author, entry) : NOTHING_WRITTEN;
  if (!written) return post;
  // An edit that forgets to name the comments node (Libervia 0.9 without -C) does not lose the comments.
  const comments = entry.comments ? { commentsService: entry.comments.service, commentsNode: entry.comments.node } : {};
  await updateOrigin(tx, post.guid, { updatedAt: version, ...comments });
  if (written.markdown === post.markdown && written.tags.join() === post.tags.join()) return post;
  const edited: Post = { ...post, ...stored(written), editedAt: Math.max(post.createdAt, Math.min(version, at)) };
  await updatePost(tx, post.guid, { ...stored(written), editedAt: edited.editedAt });
  await setTags(tx, post.guid, edited.tags);
  await notifyMentioned(ctx, tx, { handles: written.mentions, byId: author.id, postGuid: post.guid });
  tx.publish({ kind: 'post', actorId: author.id, guid: post.guid });
  return edited;
}

/**
 * An item is gone, by the word of the service and node that held it. It does not come back, whenever a copy arrives.
 */
export async function receiveRetraction(ctx: Context, tx: Tx, item: ItemAddress): Promise<void> {
  await noteRetracted(tx, item, ctx.now());
  const origin = await findOrigin(tx, item);
  const post = origin && (await findPostForDelivery(tx, origin.postGuid));
  if (post && post.deletedAt === null) await endPost(ctx, tx, post);
}

/** A copy of an item that came before its end, and is older than this, is not underway any more. */
const RETRACTED_KEPT_MS = 90 * 24 * 3_600_000;
/** What was retracted long ago is forgotten: servers may tell of the ends of as many items as they like, whether they were here or not. */
export const forgetRetractions = (ctx: Context, tx: Tx): Promise<number> => forgetRetracted(tx, ctx.now() - RETRACTED_KEPT_MS);

/** The node was emptied, or removed: all that is here of it goes. */
export async function receivePurge(ctx: Context, tx: Tx, node: NodeAddress): Promise<void> {
  for (;;) {
    const some = await liveItems(tx, node, PURGE_AT_ONCE);
    for (const itemId of some) await receiveRetraction(ctx, tx, { ...node, itemId });
    if (some.length < PURGE_AT_ONCE) return;
  }
}

const PURGE_AT_ONCE = 500;
type Written = Pick<Post, 'markdown' | 'html' | 'title' | 'tags'> & { mentions: string[] };
const NOTHING_WRITTEN: Written = { markdown: '', html: '', title: '', tags: [], mentions: [] };
const stored = ({ mentions, ...columns }: Written): Omit<Written, 'mentions'> => columns;

/** As `parsePostText` leaves it; null: there is nothing to read in it, or too much. */
function cleanText(text: string): string | null {
  try {
    return parsePostText(text);
  } catch (error) {
    if (error instanceof DomainError) return null;
    throw error;
  }
}

async function write(ctx: Context, db: Db, author: Actor, { text, tags }: ReceivedEntry): Promise<Written | null> {
  const markdown = cleanText(text);
  if (markdown === null) return null;
  const { html, title, tags: inText, mentions } = await writeText(ctx, db, markdown, author);
  const all = [...tags.map((tag) => tag.normalize('NFC').toLowerCase()).filter((tag) => TAG.test(tag)), ...inText];
  return { markdown, html, title, tags: [...new Set(all)].slice(0, MAX_TAGS), mentions };
}

/** The post here that is reshared: a public one, and never a reshare itself. */
async function findRoot(db: Db, { items, guids }: NonNullable<ReceivedEntry['root']>): Promise<Post | null> {
  const candidates = [...guids];
  for (const item of items) {
    const origin = await findOrigin(db, item);
    if (origin) candidates.push(origin.postGuid);
  }
  for (const guid of candidates) {
    const post = await findPostForDelivery(db, guid);
    const root = post?.kind === 'reshare' ? post.reshareOf && (await findPostForDelivery(db, post.reshareOf)) : post;
    if (root && root.deletedAt === null && root.audience.to === 'public') return root;
  }
  return null;
}
