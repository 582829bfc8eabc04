// Own PEP feeds of owner addresses on their way to posts (services/sources.ts): subscribed like anybody's feed, read by this reader.
import type { Actor } from '../domain/actor.js';
import { DeliveryError, DomainError } from '../domain/errors.js';
import type { Guid } from '../domain/guid.js';
import type { JobPayloads, NewJob } from '../domain/job.js';
import { cleanPlainText, type Post } from '../domain/post.js';
import { type DecodedEntry, decodeEntry, markdownOfOwnEntry } from '../formats/atom-entry.js';
import { NS } from '../formats/namespaces.js';
import type { Context } from '../services/context.js';
import type { NodeAddress } from '../services/receive.js';
import { findMirrored, followSourceJob, listMirroredSince, mirrorItem } from '../services/sources.js';
import { findAccountByActor } from '../store/accounts.js';
import { findActor } from '../store/actors.js';
import type { Db, Tx } from '../store/database.js';
import { addJobs } from '../store/jobs.js';
import { findSource, ownersOfSources, type Source } from '../store/sources.js';
import type { Element } from '../xml.js';
import { componentJidOf } from './addresses.js';
import type { Access } from './inbound/access.js';
import { type Asking, MAX_PAGES, PAGE, Refused, Unreachable } from './inbound/asking.js';
import type { InboundEvent, InboundItem } from './inbound/event.js';
import { asDeliveryError, type Following } from './inbound/following.js';
import type { NodeReader } from './inbound/intake.js';

/** How many posts are compared with what the feed still has. */
const COMPARED = PAGE * MAX_PAGES;
/** There is no such item, or none that we may see. */
const IS_NONE = new Set(['item-not-found', 'forbidden', 'not-authorized', 'not-allowed']);

export interface SourcesParts {
  asking: Asking;
  access: Access;
  following: Following;
  isOnline(): boolean;
}

const mirrorItemJob = ({ actorId, jid }: Source, itemId: string): NewJob => ({ kind: 'mirror-item', payload: { actorId, jid, itemId }, queue: 'xmpp', lane: `source:${jid}` });

export class Sources implements NodeReader {
  /** By bare JID, the local part of whose posts it becomes: others here may follow that address as anybody's. */
  #owners = new Map<string, string>();

  constructor(
    private readonly ctx: Context,
    private readonly parts: SourcesParts,
  ) {}

  /** Learns which there are, at each connection. */
  async load(): Promise<void> {
    this.#owners = await ownersOfSources(this.ctx.store);
  }

  reads({ service, node }: InboundEvent, local: string): boolean {
    return node === NS.MICROBLOG && this.#owners.get(service) === local;
  }

  /** Leaves a job for each item that may be news: publishing has transactions of its own. */
  async receive(tx: Tx, { service: jid, items, isConfigured }: InboundEvent, actor: Actor): Promise<void> {
    const source = await findSource(tx, jid);
    if (source?.actorId !== actor.id) return;
    if (isConfigured) await addJobs(tx, [followSourceJob(actor.id, jid)]); // it may be open, or closed, from now on
    const news: string[] = [];
    for (const item of items) if ((await this.#compare(tx, source, item)).isNews) news.push(item.id);
    await addJobs(tx, news.map((itemId) => mirrorItemJob(source, itemId)));
  }

  /** What an item says, beside the post that it has become. @param isOpen may everybody read the feed? undefined: that is asked later */
  async #compare(db: Db, source: Source, { id, payload, isRetracted }: InboundItem, isOpen?: boolean | null): Promise<{ post: Post | null; entry: DecodedEntry | null; isNews: boolean }> {
    const post = await findMirrored(db, source.actorId, source.jid, id);
    const entry = payload && readOwn(this.ctx, payload);
    const isNews = (): boolean => {
      if (id === '0' || post?.deletedAt) return false;
      if (isRetracted) return post !== null;
      if (payload === null) return true;
      if (entry === null) return false;
      const isClosed = entry.acl === null ? isOpen === false || isOpen === null : entry.acl.to !== 'public';
      if (!post) return !isClosed && !this.#isOlder(entry, source);
      return cleanPlainText(markdownOfOwnEntry(entry)) !== post.markdown || (entry.acl !== null && isClosed);
    };
    return { post, entry, isNews: isNews() };
  }

  /** Was it there before the feed became a source? Many clients write whole seconds (Libervia 0.9). */
  #isOlder(entry: DecodedEntry, { since }: Source): boolean {
    return (entry.published ?? entry.updated ?? this.ctx.now()) < Math.floor(since / 1000) * 1000;
  }

  /** The job `follow-source`: subscribes and catches up, or ends it. @throws DeliveryError */
  async follow({ actorId, jid }: JobPayloads['follow-source']): Promise<void> {
    const [actor, source] = await Promise.all([findActor(this.ctx.store, actorId), findSource(this.ctx.store, jid)]);
    if (!source) this.#owners.delete(jid);
    if (!actor?.isLocal) return;
    if (source?.actorId !== actorId) return this.parts.following.leaveSource(actor, jid);
    this.#owners.set(jid, actor.username);
    await this.parts.following.followSource(actor, jid, () => this.#look(actor, source));
  }

  /**
   * Looks what is in the feed, as far back as something is known, and leaves a job for each item that is news. What stands here, is not there any more
   * and is newer than something that still is (or else newer ones have pushed it out, where few are kept), was retracted: its job asks once more.
   * @throws Refused, Unreachable
   */
  async #look(actor: Actor, source: Source): Promise<void> {
    const { ctx } = this;
    const node = { service: source.jid, node: NS.MICROBLOG };
    const isOpen = await this.parts.access.askAnew(node);
    const there = new Set<string>();
    const kept: { guid: Guid; changedAt: number }[] = [];
    let news: string[] = [];
    for await (const items of this.parts.asking.pages(componentJidOf(actor, ctx.config.domain), node)) {
      const newOfPage: string[] = [];
      let isKnown = false;
      for (const item of items.filter(({ id }) => !there.has(id))) {
        there.add(item.id);
        const { post, entry, isNews } = await this.#compare(ctx.store, source, item, isOpen);
        if (isNews) newOfPage.push(item.id);
        else if (post) kept.push({ guid: post.guid, changedAt: Math.max(post.editedAt ?? post.createdAt, entry?.updated ?? 0) });
        isKnown ||= (post !== null && !isNews) || (entry !== null && this.#isOlder({ ...entry, published: null }, source));
      }
      news = [...newOfPage, ...news];
      if (isKnown) break;
    }
    const [first] = kept.map(({ guid }) => guid).sort();
    const changedAt = Math.min(...kept.map((post) => post.changedAt));
    const newer = first === undefined ? [] : await listMirroredSince(ctx.store, source.actorId, source.jid, first, COMPARED);
    const gone = newer.filter((one) => !there.has(one.itemId) && one.changedAt > changedAt).map(({ itemId }) => itemId);
    await ctx.store.transaction((tx) => addJobs(tx, [...gone, ...news].map((itemId) => mirrorItemJob(source, itemId))));
  }

  /** The job `mirror-item`: asks for the item as it is now. @throws DeliveryError */
  async mirror({ actorId, jid, itemId }: JobPayloads['mirror-item']): Promise<void> {
    const { ctx } = this;
    const [actor, account, source] = await Promise.all([findActor(ctx.store, actorId), findAccountByActor(ctx.store, actorId), findSource(ctx.store, jid)]);
    if (!actor || account?.state !== 'active' || source?.actorId !== actorId) return;
    const node = { service: jid, node: NS.MICROBLOG };
    let payload: Element | null = null;
    try {
      const items = await this.parts.asking.someItems(componentJidOf(actor, ctx.config.domain), node, [itemId]);
      payload = items.find(({ id }) => id === itemId)?.payload ?? null;
    } catch (error) {
      if (!(error instanceof Refused)) throw asDeliveryError(error, this.parts.isOnline());
      // Any other condition says nothing of the item, and what is deleted does not come back.
      if (!IS_NONE.has(error.condition)) throw new DeliveryError(error.condition, false);
    }
    const entry = payload && readOwn(ctx, payload);
    if (entry && this.#isOlder(entry, source) && !(await findMirrored(ctx.store, actorId, jid, itemId))) return;
    const isPublic = entry !== null && (entry.acl === null ? await this.#isOpen(node) : entry.acl.to === 'public');
    try {
      await mirrorItem(ctx, account, jid, itemId, entry && isPublic ? markdownOfOwnEntry(entry) : null);
    } catch (error) {
      if (!(error instanceof DomainError) || error.code === 'unavailable' || error.code === 'too-many') throw error;
      ctx.log.info({ jid, itemId, code: error.code }, 'an item of an own feed is no post');
    }
  }

  /** May everybody read it now? What was known an hour ago may have made a closed post public. @throws DeliveryError when nobody says: that is no reason to delete */
  async #isOpen(node: NodeAddress): Promise<boolean> {
    const isOpen = await this.parts.access.askAnew(node);
    if (isOpen === undefined) throw asDeliveryError(new Unreachable('nobody says who may read it'), this.parts.isOnline());
    return isOpen === true;
  }
}

/** An entry that may become a post: no answer to something, nothing shared, and nothing that came from here. */
function readOwn(ctx: Context, payload: Element): DecodedEntry | null {
  let entry: DecodedEntry;
  try {
    entry = decodeEntry(payload);
  } catch (error) {
    if (error instanceof DomainError) return null;
    throw error;
  }
  const { publicUrl } = ctx.config;
  const isOurs = [entry.atomId, ...entry.links.filter(({ rel }) => rel === 'alternate').map(({ href }) => href)].some((iri) => iri?.startsWith(`${publicUrl}/posts/`));
  const isShared = entry.links.some(({ rel }) => rel === 'via');
  return isOurs || isShared || entry.inReplyTo !== null || (entry.verb !== 'post' && entry.verb !== 'update') ? null : entry;
}
