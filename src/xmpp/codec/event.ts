// XEP-0060 §7.1.2.1 and §12: event notifications; XEP-0203 Delayed Delivery, version 2.0; XEP-0033 Extended Stanza Addressing, version 1.2.1.
import { NS } from '../../formats/namespaces.js';
import { type Element, serialize, xml } from '../../xml.js';

/** One item of an event: with payload it is there, without it was retracted. */
export interface EventItem {
  id: string;
  payload: Element | null;
  /** Bare JID; missing: whose node it is. */
  publisher?: string;
}

export interface Event {
  /** Our bare JID: sender and publisher. */
  from: string;
  /** The stanza's id, by which a bounce is known. */
  id: string;
  node: string;
  items: EventItem[];
  /** When it happened, if not just now: milliseconds UTC. */
  delayedSince?: number;
}

/** A node is no longer there (XEP-0060 §8.4.2). The message, without its recipient. */
export const encodeNodeEnd = ({ from, id, node }: Pick<Event, 'from' | 'id' | 'node'>): Element =>
  xml('message', { from, type: 'headline', id }, xml('event', { xmlns: NS.PUBSUB_EVENT }, xml('delete', { node })));

/** The message, without its recipient. Headlines are not kept for people who are offline (XEP-0060 §7.1.2.1, both servers). */
export const encodeEvent = ({ from, id, node, items, delayedSince }: Event): Element =>
  xml(
    'message',
    { from, type: 'headline', id },
    xml(
      'event',
      { xmlns: NS.PUBSUB_EVENT },
      xml(
        'items',
        { node },
        items.map((item) => (item.payload ? xml('item', { id: item.id, publisher: item.publisher ?? from }, item.payload) : xml('retract', { id: item.id }))),
      ),
    ),
    delayedSince !== undefined && xml('delay', { xmlns: NS.DELAY, from, stamp: new Date(delayedSince).toISOString() }),
  );

const PLAIN = /^[\w@.+=/\\ ()#!,;:*~$%^?|{}[\]-]*$/;

/** An attribute's value as it stands between double quotes. */
const attribute = (text: string): string => (PLAIN.test(text) ? text : serialize(xml('x', { v: text })).slice('<x v="'.length, -'"/>'.length));

/**
 * A stanza that goes to many: written once, only `to` is put in for each.
 * @param stanza has no `to`
 */
export function forMany(stanza: Element): (to: string) => string {
  const text = serialize(stanza);
  const at = 1 + stanza.name.length;
  const [head, tail] = [text.slice(0, at), text.slice(at)];
  return (to) => `${head} to="${attribute(to)}"${tail}`;
}

/**
 * The same for a multicast service, which multiplies it: every recipient is `bcc`, so that nobody sees who else gets it (XEP-0033 §4.3).
 * @param stanza has no `to`, and an id that each group replaces by its own
 */
export function forGroups(stanza: Element): (service: string, id: string, recipients: readonly string[]) => string {
  const text = serialize(xml(stanza.name, { ...stanza.attrs, id: null }, stanza.children as Element[]));
  const at = 1 + stanza.name.length;
  const inside = text.indexOf('>') + 1; // in attributes it is escaped
  const [head, attributes, children] = [text.slice(0, at), text.slice(at, inside), text.slice(inside)];
  return (service, id, recipients) => {
    const addresses = recipients.map((jid) => `<address type="bcc" jid="${attribute(jid)}"/>`).join('');
    return `${head} to="${attribute(service)}" id="${attribute(id)}"${attributes}<addresses xmlns="${NS.ADDRESS}">${addresses}</addresses>${children}`;
  };
}
