// XEP-0470 Pubsub Attachments, version 0.2.0: what one person attaches to an item, and the summary of all.
import { DomainError } from '../domain/errors.js';
import { type Element, isDeeperThan, parseStanza, serialize, UNTRUSTED_LIMITS, xml } from '../xml.js';
import { byteLength } from './cut.js';
import { parseItemUri, xmppUri } from './item-uri.js';
import { NS } from './namespaces.js';

/** The node with all summaries of a feed's items. */
export const SUMMARY_NODE = `${NS.ATTACHMENTS_SUMMARY}/${NS.MICROBLOG}`;

/**
 * The node of the attachments to one item: the item's URI in it is written as the XEP does, percent-encoded, because clients compare the name
 * (Libervia 0.9).
 */
export const attachmentsNode = (jid: string, node: string, item: string): string =>
  `${NS.ATTACHMENTS}/${xmppUri(jid)}?;node=${encodeURIComponent(node)};item=${encodeURIComponent(item)}`;

/** The item to which the node's attachments belong, however its URI is encoded. null: not the name of such a node. */
export function attachedItem(name: string): { jid: string; node: string; item: string } | null {
  if (!name.startsWith(`${NS.ATTACHMENTS}/`)) return null;
  const address = parseItemUri(name.slice(NS.ATTACHMENTS.length + 1));
  return address && address.item !== null ? { ...address, item: address.item } : null;
}

/** Is this the name of a node that only the service itself may make? (§2.4) */
export const isAttachmentsName = (name: string): boolean => name.startsWith(`${NS.ATTACHMENTS}/`) || name.startsWith(`${NS.ATTACHMENTS_SUMMARY}/`);

/** Longest payload that is taken, serialised. */
export const ATTACHMENTS_MAX_BYTES = 8_192;
const MAX_REACTIONS = 20;
const MAX_REACTION_LENGTH = 32;

const isKnown = (child: Element): boolean => child.is('noticed', NS.ATTACHMENTS) || child.is('reactions', NS.ATTACHMENTS);

/**
 * What is known of an attachments payload. What is not known is in it as well, and stays.
 * @throws DomainError invalid (not `<attachments/>` of this namespace), too-large
 */
export function decodeAttachments(payload: Element): { noticed: boolean; reactions: string[] } {
  if (!payload.is('attachments', NS.ATTACHMENTS)) throw new DomainError('invalid', 'These are no attachments.');
  if (isDeeperThan(payload, UNTRUSTED_LIMITS.maxDepth)) throw new DomainError('invalid', 'The attachments are nested too deeply.');
  if (byteLength(serialize(payload)) > ATTACHMENTS_MAX_BYTES) throw new DomainError('too-large', 'These attachments are too long.');
  const reactions = payload
    .getChildren('reactions', NS.ATTACHMENTS)
    .flatMap((list) => list.getChildren('reaction', NS.ATTACHMENTS))
    .map((reaction) => reaction.getText().trim())
    .filter((text) => text !== '' && [...text].length <= MAX_REACTION_LENGTH);
  return { noticed: payload.getChild('noticed', NS.ATTACHMENTS) !== undefined, reactions: [...new Set(reactions)].slice(0, MAX_REACTIONS) };
}

/** Noticed and reactions alike are the one like of a person. */
export const isLike = ({ noticed, reactions }: { noticed: boolean; reactions: string[] }): boolean => noticed || reactions.length > 0;

const stamp = (timeMs: number): string => new Date(timeMs).toISOString();

/** A like and nothing else. */
export const encodeNoticed = (atMs: number): Element => xml('attachments', { xmlns: NS.ATTACHMENTS }, xml('noticed', { timestamp: stamp(atMs) }));

/** A payload in two: what says that it is liked, and all else. null: there is nothing of it. */
export function partsOf(payload: Element): { known: Element | null; others: Element | null } {
  const children = payload.getChildElements();
  const part = (some: Element[]) => (some.length === 0 ? null : rebuilt(some));
  return { known: part(children.filter(isKnown)), others: part(children.filter((child) => !isKnown(child))) };
}

/** The parts put together again. */
export const joined = (...parts: (Element | null)[]): Element => rebuilt(parts.flatMap((part) => part?.getChildElements() ?? []));

/** By way of text, so that each child takes along the namespaces that it has from around it. */
function rebuilt(children: Element[]): Element {
  const root = xml('attachments', { xmlns: NS.ATTACHMENTS });
  for (const child of children) root.cnode(child.parent ? parseStanza(serialize(child)) : child);
  return root;
}

/** What all people together have attached: how many noticed it, and how often each reaction stands there. */
export interface AttachmentsSummary {
  noticed: number;
  reactions: Map<string, number>;
}

export function summarize(all: Iterable<{ noticed: boolean; reactions: string[] }>): AttachmentsSummary {
  const summary: AttachmentsSummary = { noticed: 0, reactions: new Map() };
  for (const { noticed, reactions } of all) {
    if (noticed) summary.noticed += 1;
    for (const reaction of reactions) summary.reactions.set(reaction, (summary.reactions.get(reaction) ?? 0) + 1);
  }
  return summary;
}

/** Most different reactions in a summary, the most frequent ones: strangers choose them. */
const MAX_SUMMARY_REACTIONS = 100;

/** §2.6: `count` stands only where a reaction is there more than once. Nothing attached: an empty element. */
export function encodeSummary({ noticed, reactions }: AttachmentsSummary): Element {
  const frequent = [...reactions].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, MAX_SUMMARY_REACTIONS);
  return xml(
    'summary',
    { xmlns: NS.ATTACHMENTS_SUMMARY },
    noticed > 0 && xml('noticed', { count: noticed }),
    frequent.length > 0 &&
      xml(
        'reactions',
        null,
        frequent.map(([reaction, count]) => xml('reaction', { count: count > 1 ? count : null }, reaction)),
      ),
  );
}
