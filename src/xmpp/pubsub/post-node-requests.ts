// Requests to the nodes of a post (post-nodes.ts). Whether there is such a post, whether it is for the asker: nobody can tell one from the other.
import type { Actor } from '../../domain/actor.js';
import { isGuid } from '../../domain/guid.js';
import type { Post } from '../../domain/post.js';
import { NS } from '../../formats/namespaces.js';
import type { Context } from '../../services/context.js';
import { countSubscribers } from '../../store/xmpp.js';
import { type Element, xml } from '../../xml.js';
import { encodeForm } from '../codec/data-form.js';
import type { EventItem } from '../codec/event.js';
import { forbidden } from '../errors.js';
import { type Asker, notePerson, type Target } from '../people.js';
import { attachmentsOf, findAttachmentItem, publishAttachments, retractAttachments, summaryItem } from './attachments.js';
import { commentsOf, findCommentItem, publishComment, retractComment } from './comments.js';
import { feedOf, readItem } from './nodes.js';
import { POST_NODE_TRAITS, type PostNode, postOfNode } from './post-nodes.js';
import { metaDataOf } from './rules.js';
import type { Sequence } from './sequence.js';

/** A node of a post, as one asker has it. */
export interface OpenNode {
  node: PostNode;
  /** null: the summary, which is of all posts. */
  post: Post | null;
  sequence: Sequence;
  find(itemId: string): Promise<EventItem | null>;
  /** @returns the id of the item. @throws StanzaError, DomainError */
  publish(item: { id: string | null; payload: Element }): Promise<string>;
  /** @throws StanzaError, DomainError */
  retract(itemId: string): Promise<void>;
}

/** Who acts: anybody with a name, made known here only after it is clear that they may see the post. @throws StanzaError forbidden, DomainError too-many */
async function actorOf(ctx: Context, { person, jid }: Asker): Promise<Actor> {
  if (person) return person;
  if (jid.local === '') throw forbidden(); // a server has nothing to say
  return notePerson(ctx, jid);
}

const refuse = (): Promise<never> => Promise.reject(forbidden());

/**
 * The node, if the asker may see the post to which it belongs.
 * @throws StanzaError item-not-found
 */
export async function openNode(ctx: Context, target: Target, asker: Asker, node: PostNode): Promise<OpenNode> {
  const { viewer } = asker;
  if (node.kind === 'summary') {
    const sequence = feedOf(ctx, viewer, target.actor, ({ post }) => summaryItem(ctx, viewer, post));
    const find = async (id: string) => {
      const view = isGuid(id) ? await readItem(ctx, viewer, target.actor, id) : null;
      return view && summaryItem(ctx, viewer, view.post);
    };
    return { node, post: null, sequence, find, publish: refuse, retract: refuse };
  }
  const post = await postOfNode(ctx, target, asker, node.guid);
  if (node.kind === 'comments') {
    return {
      ...{ node, post, sequence: commentsOf(ctx, viewer, post, target.actor) },
      find: (id) => findCommentItem(ctx, viewer, post, target.actor, id),
      publish: async (item) => publishComment(ctx, await actorOf(ctx, asker), post, item),
      retract: (id) => retractComment(ctx, asker.person, post, viewer, id),
    };
  }
  return {
    ...{ node, post, sequence: attachmentsOf(ctx, asker, post) },
    find: (id) => findAttachmentItem(ctx, asker, post, id),
    publish: async (item) => publishAttachments(ctx, await actorOf(ctx, asker), asker, post, item),
    retract: (id) => retractAttachments(ctx, asker.person, asker, post, id),
  };
}

/** disco#info's form of the node. */
export async function postNodeMetaData(ctx: Context, target: Target, { node, post }: OpenNode): Promise<Element> {
  const subscribers = await countSubscribers(ctx.store, target.actor.id, node.name);
  const traits = POST_NODE_TRAITS[node.kind];
  return encodeForm('result', NS.PUBSUB_META_DATA, metaDataOf(traits, target.jid, post?.createdAt ?? target.account.createdAt, subscribers));
}

/** Items of a disco#items answer. */
export const discoItemsOf = (jid: string, items: readonly EventItem[]): Element[] => items.map(({ id }) => xml('item', { jid, name: id }));
