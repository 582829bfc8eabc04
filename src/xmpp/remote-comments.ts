// What other people say under posts that other servers keep: their comments nodes and attachments, heard of by subscription and fetched when one
// of ours opens the post. A node's word counts for that node alone: who published is what its service says, never what stands in the entry, and
// nothing there touches what one of ours, or another node, has said (xmpp-social.md §11, §13).
import type { Actor } from '../domain/actor.js';
import { DeliveryError, DomainError } from '../domain/errors.js';
import type { JobPayloads } from '../domain/job.js';
import type { Post } from '../domain/post.js';
import { attachedItem, attachmentsNode, decodeAttachments, isLike } from '../formats/attachments.js';
import { type DecodedComment, decodeComment } from '../formats/comment-entry.js';
import { commentedItem } from '../formats/namespaces.js';
import { receiveComment, receiveCommentEnd, receiveCommentsEnd } from '../services/comments.js';
import type { Context } from '../services/context.js';
import { tryLimits } from '../services/limits.js';
import { receiveLike, receiveLikesEnd, receiveUnlike } from '../services/reactions.js';
import { writerKeys } from '../services/threads.js';
import { findActor, findActorByAddress, findLocalActor, upsertRemoteActor } from '../store/actors.js';
import { findCommentOfItem, listItemsLike } from '../store/comments.js';
import type { Tx } from '../store/database.js';
import { findPostForDelivery, findVisiblePost } from '../store/posts.js';
import { countNodes, findFeed, findOrigin, oldestNode, originOf, originsWithComments, removeFeed, saveFeed, subscribersOf } from '../store/received.js';
import type { Element } from '../xml.js';
import { hostOf, jidOf, parseJid } from './addresses.js';
import { type Asking, type Page, Refused, Unreachable } from './inbound/asking.js';
import type { InboundEvent, InboundItem } from './inbound/event.js';
import type { Intake, NodeReader } from './inbound/intake.js';

/** As many comments as Movim reads, in pages. */
const PAGE = 100;
const MAX_PAGES = 5;
/** Comments nodes that one of ours is subscribed to; the one that was looked at longest ago makes room. */
const MAX_NODES = 300;

export interface RemoteCommentsParts {
  asking: Asking;
  intake: Pick<Intake, 'push'>;
  isOnline(): boolean;
}

export class RemoteComments implements NodeReader {
  constructor(
    private readonly ctx: Context,
    private readonly parts: RemoteCommentsParts,
  ) {}

  reads({ node }: InboundEvent): boolean {
    return commentedItem(node) !== null || attachedItem(node) !== null;
  }

  /** An event, or an answer, of a node that one of ours has subscribed to or asked. */
  async receive(tx: Tx, event: InboundEvent, _actor: Actor, at: number, isAnswer: boolean): Promise<void> {
    const attached = attachedItem(event.node);
    if (attached) {
      const origin = parseJid(attached.jid)?.bare === event.service ? await findOrigin(tx, { service: event.service, node: attached.node, itemId: attached.item }) : null;
      const post = origin && (await remotePost(tx, origin.postGuid));
      if (post && event.isEmptied) await receiveLikesEnd(this.ctx, tx, post, { byItem: false });
      if (post) for (const item of event.items) await this.#attachment(tx, event, post, item, at);
      return;
    }
    for (const post of await postsOfNode(tx, event)) {
      if (event.isEmptied) await this.#emptied(tx, event, post, isAnswer);
      for (const item of event.items) await this.#comment(tx, event, post, item, at, isAnswer);
    }
  }

  /**
   * Its service says that the node was emptied or removed, or (`isAnswer`) that there is none. What ours wrote stays in that case: it may be
   * on its way, and a service that lost its nodes has not judged it.
   */
  async #emptied(tx: Tx, event: InboundEvent, post: Post, isAnswer: boolean): Promise<void> {
    await receiveCommentsEnd(this.ctx, tx, post, { others: isAnswer });
    await receiveLikesEnd(this.ctx, tx, post, { byItem: true });
    // Subscriptions end with their node; if it is made anew, the next one who opens the post subscribes again.
    for (const feed of await subscribersOf(tx, event)) if (feed.state === 'subscribed') await saveFeed(tx, { ...feed, state: 'asked', subid: null });
  }

  async #comment(tx: Tx, event: InboundEvent, post: Post, item: InboundItem, at: number, isAnswer: boolean): Promise<void> {
    const { ctx } = this;
    if (item.isRetracted) {
      for (const itemId of [item.id, ...(await listItemsLike(tx, post.guid, claimed(item.id, '')))]) await receiveCommentEnd(ctx, tx, post, itemId);
      return receiveUnlike(ctx, tx, post, { itemId: item.id });
    }
    const entry = item.payload && decoded(item.payload);
    const author = entry && (await this.#publisher(tx, event, item.publisher));
    if (!entry || !author) return;
    // What we ask for is bounded already; what is shed of a flood is found when somebody opens the post.
    if (!isAnswer && !(await tryLimits(ctx, writerKeys(author, entry.isLike ? 'like' : 'comment')))) return;
    const createdAt = entry.published ?? entry.updated ?? at;
    if (entry.isLike) return receiveLike(ctx, tx, post, author, item.id, createdAt);
    // Whoever published an item first keeps it: another's under the same id (an open node on Prosody lets that happen) is one more comment.
    const first = await findCommentOfItem(tx, post.guid, item.id);
    const itemId = first && first.authorId !== author.id ? claimed(item.id, jidOf(author)) : item.id;
    await receiveComment(ctx, tx, post, author, { itemId, text: entry.text, createdAt, ...(entry.updated === null ? {} : { editedAt: entry.updated }) });
  }

  async #attachment(tx: Tx, event: InboundEvent, post: Post, item: InboundItem, at: number): Promise<void> {
    const { ctx } = this;
    if (item.isRetracted) {
      const known = await findActorByAddress(tx, 'xmpp', parseJid(item.id)?.bare ?? '');
      return known && !known.isLocal ? receiveUnlike(ctx, tx, post, { by: known }) : undefined;
    }
    // §2.1: the id is the publisher's bare JID; where the service does not say who published, the id is anybody's.
    if (!item.payload || item.publisher === null || item.publisher !== item.id) return;
    const by = await this.#publisher(tx, event, item.publisher);
    if (!by) return;
    if (liked(item.payload)) return receiveLike(ctx, tx, post, by, null, at);
    return receiveUnlike(ctx, tx, post, { by });
  }

  /**
   * The person who published, by the service's word. null: it does not say (Prosody's PEP in answers), or says that it was one of ours, which we
   * know better: what they publish is here before it is there.
   */
  async #publisher(tx: Tx, { service }: InboundEvent, publisher: string | null): Promise<Actor | null> {
    const jid = publisher === null ? null : parseJid(publisher);
    if (!jid || jid.local === '' || jid.domain === this.ctx.config.domain) return null;
    if (jid.domain === this.ctx.config.chatDomain && (await findLocalActor(tx, jid.local))) return null;
    const known = await findActorByAddress(tx, 'xmpp', jid.bare);
    if (known) return known.isLocal ? null : known;
    if (!(await tryLimits(this.ctx, { 'strangers-host': hostOf(service) }))) return null;
    return upsertRemoteActor(tx, { username: jid.local, domain: jid.domain, address: { protocol: 'xmpp', value: jid.bare } });
  }

  // ── fetching ──

  /**
   * The job `fetch-comments`: subscribes one of ours to the comments node of a post, and fetches what stands there.
   * @throws DeliveryError so that it runs again, when the server cannot be reached now
   */
  async run({ actorId, postGuid }: JobPayloads['fetch-comments']): Promise<void> {
    const { ctx } = this;
    const [actor, post, origin] = await Promise.all([findActor(ctx.store, actorId), findVisiblePost(ctx.store, { actorId }, postGuid), originOf(ctx.store, postGuid)]);
    if (!actor?.isLocal || !post || origin?.protocol !== 'xmpp') return;
    try {
      if (origin.commentsService !== null && origin.commentsNode !== null && commentedItem(origin.commentsNode) !== null) {
        const place = { service: origin.commentsService, node: origin.commentsNode };
        await this.#subscribe(actor, post, place);
        await this.#fetch(actor, post, place);
      }
      await this.#fetch(actor, post, { service: origin.service, node: attachmentsNode(origin.service, origin.node, origin.itemId) });
    } catch (error) {
      if (error instanceof Unreachable) throw new DeliveryError(error.message, false, this.parts.isOnline() ? undefined : 0);
      throw error;
    }
  }

  /** One subscription of ours to a node is enough: what it tells is for all who see the post. */
  async #subscribe(actor: Actor, post: Post, place: { service: string; node: string }): Promise<void> {
    const { ctx } = this;
    const now = ctx.now();
    const known = await findFeed(ctx.store, actor.id, place);
    const others = (await subscribersOf(ctx.store, place)).some((feed) => feed.actorId !== actor.id && feed.state === 'subscribed');
    const feed = { actorId: actor.id, ...place, personId: post.authorId, state: 'asked' as const, subid: null };
    // Written before it is asked for: its first events may come before the answer.
    await ctx.store.transaction((tx) => saveFeed(tx, { ...(known ?? feed), caughtUpAt: now }), { mayBeLost: true });
    if (others || known?.state === 'subscribed' || known?.state === 'refused') return;
    if ((await countNodes(ctx.store, actor.id)) > MAX_NODES) await this.#makeRoom(actor);
    const note = (state: 'subscribed' | 'asked' | 'refused', subid: string | null) =>
      ctx.store.transaction((tx) => saveFeed(tx, { ...feed, state, subid, caughtUpAt: now }), { mayBeLost: true });
    try {
      const { state, subid } = await this.parts.asking.subscribe(jidOf(actor), place);
      await note(state === 'subscribed' ? 'subscribed' : state === 'none' ? 'refused' : 'asked', subid);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      await note('refused', null); // it can be read all the same, perhaps
    }
  }

  async #makeRoom(actor: Actor): Promise<void> {
    const oldest = await oldestNode(this.ctx.store, actor.id);
    if (!oldest) return;
    if (oldest.state === 'subscribed') await this.parts.asking.unsubscribe(jidOf(actor), oldest, oldest.subid);
    await this.ctx.store.transaction((tx) => removeFeed(tx, actor.id, oldest));
  }

  /** The newest items; that they are not shown is no failure. */
  async #fetch(actor: Actor, post: Post, place: { service: string; node: string }): Promise<void> {
    let older: Page['older'] = null;
    try {
      for (let pages = 0; pages < MAX_PAGES; pages++) {
        const page: Page = await this.parts.asking.items(jidOf(actor), place, PAGE, older);
        const items = page.items.filter(({ payload }) => payload !== null);
        if (items.length > 0) await this.#push(actor, { ...place, items, isEmptied: false });
        older = page.older;
        if (older === null || page.items.length === 0) return;
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.ctx.log.debug({ service: place.service, condition: error.condition }, 'a node does not show its items');
      // Of a post that is not for everybody it may be there for others.
      if (post.audience.to === 'public' && GONE.has(error.condition)) await this.#push(actor, { ...place, items: [], isEmptied: true });
    }
  }

  async #push(actor: Actor, event: Pick<InboundEvent, 'service' | 'node' | 'items' | 'isEmptied'>): Promise<void> {
    const isDone = await this.parts.intake.push({ local: actor.username, event: { ...event, isConfigured: false, subscription: null }, at: this.ctx.now(), isAnswer: true });
    if (!isDone) throw new Unreachable('it could not be stored now');
  }
}

/** What a service says of a node that it does not have. */
const GONE = new Set(['item-not-found', 'gone']);

/** The id here of an item that somebody else has written over. */
const claimed = (itemId: string, jid: string): string => `${itemId} by ${jid}`;

async function remotePost(tx: Tx, guid: string): Promise<Post | null> {
  const post = await findPostForDelivery(tx, guid);
  return post && post.reshareOf === null && post.deletedAt === null && (await findActor(tx, post.authorId))?.isLocal === false ? post : null;
}

/**
 * The posts whose comments stand in the node. Anybody can name any node in an entry: where several do, and one of them is not for everybody, what
 * stands there is told to the readers of that one alone; and a node that bears the id of one of the posts belongs to that one.
 */
async function postsOfNode(tx: Tx, { service, node }: InboundEvent): Promise<Post[]> {
  const origins = await originsWithComments(tx, service, node);
  const found: { post: Post; isNamed: boolean }[] = [];
  for (const origin of origins.slice(0, 20)) {
    const post = await remotePost(tx, origin.postGuid);
    if (post) found.push({ post, isNamed: commentedItem(node) === origin.itemId });
  }
  const named = found.some(({ isNamed }) => isNamed) ? found.filter(({ isNamed }) => isNamed) : found;
  const limited = found.filter(({ post }) => post.audience.to !== 'public');
  return (limited.length > 0 ? limited : named).map(({ post }) => post);
}

function decoded(payload: Element): DecodedComment | null {
  try {
    return decodeComment(payload);
  } catch (error) {
    if (error instanceof DomainError) return null; // nothing to read in it
    throw error;
  }
}

function liked(payload: Element): boolean {
  try {
    return isLike(decodeAttachments(payload));
  } catch (error) {
    if (error instanceof DomainError) return false;
    throw error;
  }
}
