// What our people do under posts that other servers keep: published to the nodes there, under the same item ids however often it is tried.
// What Movim, Libervia, Prosody and ejabberd answer: xmpp-social.md §4, §7, §13.
import type { Actor } from '../domain/actor.js';
import type { Activity } from '../domain/activity.js';
import type { Comment } from '../domain/comment.js';
import { DeliveryError, DomainError } from '../domain/errors.js';
import type { Post } from '../domain/post.js';
import { attachmentsNode, decodeAttachments, encodeNoticed, isLike, joined, partsOf } from '../formats/attachments.js';
import { commentedItem, NS } from '../formats/namespaces.js';
import type { Context } from '../services/context.js';
import { wantComments } from '../services/remote-threads.js';
import { findActor } from '../store/actors.js';
import { findComment } from '../store/comments.js';
import { findPostForDelivery } from '../store/posts.js';
import { findLike } from '../store/reactions.js';
import { originOf, type PostOrigin } from '../store/received.js';
import { type Element, xml } from '../xml.js';
import { jidOf } from './addresses.js';
import type { EventItem } from './codec/event.js';
import { conditionOf } from './messages.js';
import { commentItem, heartItem } from './pubsub/comments.js';
import { StanzaErrorReply, type Transport } from './transport.js';

/** A no that trying again does not change, in words for whoever wrote it. */
const REFUSALS: Record<string, string> = {
  'item-not-found': 'There is no place for it any more: the post, or its comments, are gone.',
  gone: 'There is no place for it any more.',
  forbidden: 'The other server does not let you write there.',
  'not-allowed': 'The other server takes nothing there.',
  'not-authorized': 'The other server does not let you write there.',
  'registration-required': 'The other server wants an account of its own for that.',
  'subscription-required': 'One has to follow the author to write there.',
  'not-acceptable': 'The other server does not take it as it is.',
  'bad-request': 'The other server does not understand it.',
  conflict: 'Somebody else has the same place there already.',
  'feature-not-implemented': 'The other server takes nothing of this kind.',
  'service-unavailable': 'The other server has no such place.',
  'payload-too-big': 'It is too long for the other server.',
};

/** What stands where the other server lets nobody take their comment away. */
const TAKEN_BACK = '(deleted)';

interface Place {
  service: string;
  node: string;
}

export class RemoteNodes {
  constructor(
    private readonly ctx: Context,
    private readonly transport: Transport,
  ) {}

  /**
   * Brings what one of ours did to the nodes of the post. It has arrived when the service there says so.
   * @returns 1, or 0 when there is nothing to tell any more
   * @throws DeliveryError
   */
  async deliver(activity: Activity): Promise<number> {
    const { store } = this.ctx;
    const [post, origin, actor] = await Promise.all([findPostForDelivery(store, activity.postGuid), originOf(store, activity.postGuid), findActor(store, activity.actorId)]);
    const author = post && (await findActor(store, post.authorId));
    if (!post || !author || !origin || !actor?.isLocal) return 0;
    const about = { post, author, origin, actor };
    // Whoever writes under a post wants to hear what is said there.
    if (activity.verb === 'comment') await wantComments(this.ctx, actor.id, post.guid);
    if (activity.verb === 'like') return this.#like(about, activity);
    if (activity.verb === 'unlike') return this.#unlike(about, activity);
    const comment = activity.commentGuid === null ? null : await findComment(store, activity.commentGuid);
    return comment ? this.#comment(about, comment, activity) : 0;
  }

  async #comment({ post, author, origin, actor }: About, comment: Comment, { verb }: Activity): Promise<number> {
    const place = commentsPlace(origin);
    if (!place) throw new DeliveryError('The server of this post takes no comments on it.', true);
    if (verb === 'delete-comment') {
      const instead = () => commentItem(this.ctx, post, author, { ...comment, markdown: TAKEN_BACK, html: `<p>${TAKEN_BACK}</p>` }, actor);
      await this.#retract(actor, place, comment.itemId, async () => (await instead()).payload);
      return 1;
    }
    // What was deleted in between is not told any more; its end has a delivery of its own.
    if (comment.deletedAt !== null || post.deletedAt !== null) return 0;
    await this.#publish(actor, place, await commentItem(this.ctx, post, author, comment, actor));
    return 1;
  }

  /** By the form that the other server knows: attachments where there is a place for them (Libervia), else Movim's ♥. */
  async #like(about: About, { commentGuid }: Activity): Promise<number> {
    const { post, author, origin, actor } = about;
    const like = await findLike(this.ctx.store, post.guid, actor.id);
    if (!like || post.deletedAt !== null) return 0;
    const attachments = attachmentsPlace(origin);
    const own = await this.#ownAttachments(actor, attachments);
    if (own !== 'no place') {
      if (own && isLike(decodedAttachments(own))) return 1; // a try before this one, whose answer was lost
      const payload = joined(encodeNoticed(like.createdAt), own && partsOf(own).others);
      await this.#publish(actor, attachments, { id: jidOf(actor), payload });
      return 1;
    }
    const place = commentsPlace(origin);
    const itemId = like.itemId ?? commentGuid;
    if (!place || itemId === null) throw new DeliveryError('The server of this post takes no likes.', true);
    await this.#publish(actor, place, await heartItem(this.ctx, post, author, { itemId, createdAt: like.createdAt, actor }));
    return 1;
  }

  /** In every form that it may have there. */
  async #unlike({ post, origin, actor }: About, { commentGuid }: Activity): Promise<number> {
    if (await findLike(this.ctx.store, post.guid, actor.id)) return 0; // liked again
    const attachments = attachmentsPlace(origin);
    const own = await this.#ownAttachments(actor, attachments);
    if (own !== 'no place' && own) {
      const { others } = partsOf(own);
      if (others) await this.#publish(actor, attachments, { id: jidOf(actor), payload: others });
      else await this.#retract(actor, attachments, jidOf(actor), () => joined());
    } else {
      const place = commentsPlace(origin);
      if (place && commentGuid !== null) await this.#retract(actor, place, commentGuid);
    }
    return 1;
  }

  /**
   * What the person has attached there: null: nothing yet. Where a node is missing it would be made by a service that knows all of XEP-0470,
   * and by no other.
   */
  async #ownAttachments(actor: Actor, place: Place): Promise<Element | null | 'no place'> {
    try {
      return (await this.#item(actor, place, jidOf(actor)))?.getChild('attachments', NS.ATTACHMENTS) ?? null;
    } catch (error) {
      if (!(error instanceof DeliveryError && error.permanent)) throw error;
      return (await this.#makesAttachments(actor, place.service)) ? null : 'no place';
    }
  }

  async #makesAttachments(actor: Actor, service: string): Promise<boolean> {
    try {
      const answer = await this.#request(xml('iq', { type: 'get', from: jidOf(actor), to: service }, xml('query', { xmlns: NS.DISCO_INFO })));
      return answer.getChild('query', NS.DISCO_INFO)?.getChildren('feature').some(({ attrs }) => attrs.var === NS.ATTACHMENTS) ?? false;
    } catch (error) {
      if (error instanceof DeliveryError && error.permanent) return false; // it tells strangers nothing (Prosody)
      throw error;
    }
  }

  async #publish(actor: Actor, { service, node }: Place, { id, payload }: EventItem): Promise<void> {
    await this.#ask(actor, 'set', { service, node }, xml('publish', { node }, xml('item', { id }, payload)));
  }

  /**
   * That it is not there is as good.
   * @param instead makes what says nothing any more. COMPAT Prosody 0.12: where everyone may publish, only the node's owner may retract; but an own item can
   *   be replaced.
   */
  async #retract(actor: Actor, place: Place, id: string, instead?: () => Element | Promise<Element | null>): Promise<void> {
    const { node } = place;
    try {
      await this.#ask(actor, 'set', place, xml('retract', { node, notify: 'true' }, xml('item', { id })));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.condition === 'item-not-found' || error.condition === 'gone') return;
      const payload = error.condition === 'forbidden' ? await instead?.() : null;
      if (!payload) throw error;
      if (await this.#item(actor, place, id)) await this.#publish(actor, place, { id, payload });
    }
  }

  async #item(actor: Actor, place: Place, id: string): Promise<Element | undefined> {
    const answer = await this.#ask(actor, 'get', place, xml('items', { node: place.node }, xml('item', { id })));
    return answer.getChild('pubsub', NS.PUBSUB)?.getChild('items')?.getChildren('item').find(({ attrs }) => attrs.id === id);
  }

  #ask(actor: Actor, type: 'get' | 'set', { service }: Place, verb: Element): Promise<Element> {
    return this.#request(xml('iq', { type, from: jidOf(actor), to: service }, xml('pubsub', { xmlns: NS.PUBSUB }, verb)));
  }

  /** @throws DeliveryError */
  async #request(iq: Element): Promise<Element> {
    try {
      return await this.transport.request(iq);
    } catch (error) {
      if (error instanceof StanzaErrorReply) {
        const condition = conditionOf(error.stanza);
        const isLater = error.stanza.getChild('error')?.attrs.type === 'wait' || REFUSALS[condition] === undefined;
        if (isLater) throw new DeliveryError(`The other server cannot take it now (${condition}).`, false);
        throw new Refusal(condition);
      }
      // Offline: at once when we are back. No answer: later.
      if (error instanceof DomainError) throw new DeliveryError(error.message, error.code === 'too-large' || error.code === 'invalid', this.transport.online ? undefined : 0);
      throw error;
    }
  }
}

interface About {
  post: Post;
  author: Actor;
  origin: PostOrigin;
  actor: Actor;
}

/** The other server said no, for good. */
class Refusal extends DeliveryError {
  constructor(readonly condition: string) {
    super(REFUSALS[condition] ?? condition, true);
  }
}

/** Whatever an entry names: only a node of comments is one. */
const commentsPlace = ({ commentsService, commentsNode }: PostOrigin): Place | null =>
  commentsService !== null && commentsNode !== null && commentedItem(commentsNode) !== null ? { service: commentsService, node: commentsNode } : null;

const attachmentsPlace = ({ service, node, itemId }: PostOrigin): Place => ({ service, node: attachmentsNode(service, node, itemId) });

function decodedAttachments(payload: Element): { noticed: boolean; reactions: string[] } {
  try {
    return decodeAttachments(payload);
  } catch (error) {
    if (error instanceof DomainError) return { noticed: false, reactions: [] };
    throw error;
  }
}
