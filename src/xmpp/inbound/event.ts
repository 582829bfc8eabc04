// XEP-0060 §7.1.2.1, §7.2.2.1, §8.4.2, §8.5.2, §8.6: events as they come from other servers, and the items of an answer (§6.5.2).
import { NS } from '../../formats/namespaces.js';
import type { Element } from '../../xml.js';
import { parseJid } from '../addresses.js';

/** Longer ids and node names are nobody's; they would only travel into the database. */
const MAX_NAME = 1023;

/** One item, there or gone. */
export interface InboundItem {
  id: string;
  /** null: it came without (XEP-0060 `deliver_payloads` false), or it is gone. */
  payload: Element | null;
  isRetracted: boolean;
  /** Bare JID, by the service's word alone; null: it says nothing. */
  publisher: string | null;
}

/** What a service tells of one of its nodes. Nothing of it is believed before the service is known to be one that we follow. */
export interface InboundEvent {
  /** Bare JID of the sender, which the servers on the way vouch for. */
  service: string;
  node: string;
  /** In their order. */
  items: InboundItem[];
  /** The node was emptied, or removed. */
  isEmptied: boolean;
  /** Its settings have changed. */
  isConfigured: boolean;
  /** How it stands with our subscription now. */
  subscription: { jid: string; state: string; subid: string | null } | null;
}

/** COMPAT Libervia Pubsub 0.4: a full JID. */
const publisherOf = (item: Element): string | null => parseJid(item.attrs.publisher)?.bare ?? null;

const isName = (text: string | undefined): text is string => text !== undefined && text !== '' && text.length <= MAX_NAME;

/** The items of `<items/>`. One without an id, or with more than one payload, is none of XEP-0060's. */
export function decodeItems(items: Element): InboundItem[] {
  const found: InboundItem[] = [];
  for (const child of items.getChildElements()) {
    const isRetracted = child.getName() === 'retract';
    const id = child.attrs.id;
    if ((!isRetracted && child.getName() !== 'item') || !isName(id)) continue;
    const payloads = isRetracted ? [] : child.getChildElements();
    if (payloads.length <= 1) found.push({ id, payload: payloads[0] ?? null, isRetracted, publisher: publisherOf(child) });
  }
  return found;
}

/**
 * The event in a message. Servers send type headline or none (Libervia Pubsub 0.4); whatever else a message is for, it is no event.
 * @returns null: it is none, or one that says two things at once
 */
export function decodeEvent(message: Element, service: string): InboundEvent | null {
  const { type = 'normal' } = message.attrs;
  if (type !== 'headline' && type !== 'normal') return null;
  const events = message.getChildren('event', NS.PUBSUB_EVENT);
  const about = events.length === 1 ? events[0]!.getChildElements() : [];
  const [what] = about;
  if (about.length !== 1 || !what || !isName(what.attrs.node)) return null;
  const name = what.getName();
  const event: InboundEvent = { service, node: what.attrs.node, items: [], isEmptied: name === 'purge' || name === 'delete', isConfigured: name === 'configuration', subscription: null };
  if (name === 'items') event.items = decodeItems(what);
  else if (name === 'subscription') event.subscription = { jid: parseJid(what.attrs.jid)?.bare ?? '', state: what.attrs.subscription ?? '', subid: what.attrs.subid ?? null };
  else if (!event.isEmptied && !event.isConfigured) return null;
  return event;
}

/** Is there an event in the message? Asked of every message. */
export const hasEvent = (message: Element): boolean => message.getChild('event', NS.PUBSUB_EVENT) !== undefined;
