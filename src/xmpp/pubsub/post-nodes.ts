// Nodes that belong to posts of ours: one with the comments and one with the attachments (XEP-0470) of each post, and the summary of a whole
// feed. They are there as long as the post is, for exactly those who may see it; to everybody else they are like nodes that never were.
import { isGuid } from '../../domain/guid.js';
import type { Post } from '../../domain/post.js';
import { attachedItem, attachmentsNode, SUMMARY_NODE } from '../../formats/attachments.js';
import { commentedItem, commentsNode, NS } from '../../formats/namespaces.js';
import type { Context } from '../../services/context.js';
import { itemNotFound } from '../errors.js';
import type { Asker, Target } from '../people.js';
import { readItem } from './nodes.js';
import type { NodeTraits } from './rules.js';

/** `name`: as we write it, whatever the asker wrote. */
export type PostNode = { kind: 'comments' | 'attachments'; guid: string; name: string } | { kind: 'summary'; name: string };

const decoded = (name: string): string => {
  try {
    return /%3a/i.test(name) ? decodeURIComponent(name) : name;
  } catch {
    return name;
  }
};

/**
 * The node of that name at an account's address, whether or not there is such a post. null: no name of such a node.
 * COMPAT Movim 0.34: it takes names out of encoded URIs without decoding them.
 * @param jid the account's bare JID
 */
export function postNodeNamed(name: string, jid: string): PostNode | null {
  if (name === SUMMARY_NODE) return { kind: 'summary', name };
  const attached = attachedItem(name);
  if (attached) {
    const isOurs = attached.jid.toLowerCase() === jid && attached.node === NS.MICROBLOG && isGuid(attached.item);
    return isOurs ? { kind: 'attachments', guid: attached.item, name: attachmentsNode(jid, NS.MICROBLOG, attached.item) } : null;
  }
  const guid = commentedItem(decoded(name));
  return guid !== null && isGuid(guid) ? { kind: 'comments', guid, name: commentsNode(guid) } : null;
}

/** All nodes of a post, with their names. */
export const nodesOfPost = (jid: string, guid: string) => ({ comments: commentsNode(guid), attachments: attachmentsNode(jid, NS.MICROBLOG, guid), summary: SUMMARY_NODE });

/**
 * The post to which the node belongs, if the asker may see it. A reshare has no nodes: what is said of it is said of its root.
 * @throws StanzaError item-not-found
 */
export async function postOfNode(ctx: Context, target: Target, asker: Asker, guid: string): Promise<Post> {
  const view = await readItem(ctx, asker.viewer, target.actor, guid);
  if (view?.post.kind !== 'note') throw itemNotFound();
  return view.post;
}

export const POST_NODE_TRAITS: Record<PostNode['kind'], NodeTraits> = {
  comments: { title: 'Comments', type: NS.MICROBLOG, publishModel: 'open', sendLast: 'never' },
  attachments: { title: 'Attachments', type: NS.ATTACHMENTS, publishModel: 'open', sendLast: 'never' },
  summary: { title: 'Summary of attachments', type: NS.ATTACHMENTS_SUMMARY, publishModel: 'publishers', sendLast: 'never' },
};
