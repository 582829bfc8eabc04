// Own PEP feeds of owner addresses on their way to posts (services/sources.ts): subscribed like anybody's feed, read by this reader.
import type { Actor } from '../domain/actor.js';
import { DeliveryError, DomainError } from '../domain/errors.js';
import type { JobPayloads } from '../domain/job.js';
import { type DecodedEntry, decodeEntry, markdownOfOwnEntry } from '../formats/atom-entry.js';
import { NS } from '../formats/namespaces.js';
import type { Context } from '../services/context.js';
import type { NodeAddress } from '../services/receive.js';
import { findMirrored, mirrorItem } from '../services/sources.js';
import { findAccountByActor } from '../store/accounts.js';
import { findActor } from '../store/actors.js';
import type { Tx } from '../store/database.js';
import { addJobs } from '../store/jobs.js';
import { findSource, ownersOfSources } from '../store/sources.js';
import type { Element } from '../xml.js';
import { componentJidOf } from './addresses.js';
import type { Access } from './inbound/access.js';
import { type Asking, Refused, Unreachable } from './inbound/asking.js';
import type { InboundEvent } from './inbound/event.js';
import { asDeliveryError, type Following } from './inbound/following.js';
import type { NodeReader } from './inbound/intake.js';

/** There is no such item, or none that we may see. */
const IS_NONE = new Set(['item-not-found', 'forbidden', 'not-authorized', 'not-allowed']);

export interface SourcesParts {
  asking: Asking;
  access: Access;
  following: Following;
  isOnline(): boolean;
}

export class Sources implements NodeReader {
  /** By bare JID, the local part of whose posts it becomes: others here may follow that address as anybody's. */
  #owners = new Map<string, string>();

  constructor(
    private readonly ctx: Context,
    private readonly parts: SourcesParts,
  ) {}

  /** Learns which there are: at each connection, and when one was switched. */
  async load(): Promise<void> {
    this.#owners = await ownersOfSources(this.ctx.store);
  }

  reads({ service, node }: InboundEvent, local: string): boolean {
    return node === NS.MICROBLOG && this.#owners.get(service) === local;
  }

  /** Leaves a job for each item that may be news: publishing has transactions of its own. */
  async receive(tx: Tx, { service: jid, items }: InboundEvent, actor: Actor): Promise<void> {
    if ((await findSource(tx, jid))?.actorId !== actor.id) return;
    for (const { id, payload, isRetracted } of items) {
      if (id === '0') continue;
      const post = await findMirrored(tx, actor.id, jid, id);
      const entry = payload && readOwn(this.ctx, payload);
      const isNews = isRetracted ? post !== null && post.deletedAt === null : payload === null || (entry !== null && post?.markdown !== markdownOfOwnEntry(entry));
      if (isNews) await addJobs(tx, [{ kind: 'mirror-item', payload: { actorId: actor.id, jid, itemId: id }, queue: 'xmpp', lane: `source:${jid}` }]);
    }
  }

  /** The job `follow-source`: subscribes, or ends it. @throws DeliveryError */
  async follow({ actorId, jid }: JobPayloads['follow-source']): Promise<void> {
    await this.load();
    const [actor, source] = await Promise.all([findActor(this.ctx.store, actorId), findSource(this.ctx.store, jid)]);
    if (!actor?.isLocal) return;
    if (source?.actorId === actorId) await this.parts.following.followSource(actor, jid);
    else await this.parts.following.leaveSource(actor, jid);
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
    // Many clients write whole seconds (Libervia 0.9).
    const isOld = entry !== null && (entry.published ?? entry.updated ?? ctx.now()) < Math.floor(source.since / 1000) * 1000;
    if (isOld && !(await findMirrored(ctx.store, actorId, jid, itemId))) return;
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
