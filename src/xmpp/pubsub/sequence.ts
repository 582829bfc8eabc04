// Pages of whatever a node holds (XEP-0059, XEP-0060 §6.5), by keys that sort by time.
import { serialize } from '../../xml.js';
import type { EventItem } from '../codec/event.js';
import type { PageInfo } from '../codec/rsm.js';
import { itemNotFound } from '../errors.js';
import { PAGE_MAX, type Plan } from './rules.js';

/** Prosody's c2s takes 256 KiB from a client, servers among each other 512: a page stays below, whatever is asked for. */
const PAGE_BYTES = 160 * 1024;

/** Exclusive bounds: older < key < newer is what is left out, the rest is there. */
export interface KeyBounds {
  older?: string;
  newer?: string;
}

/** One item of a node, with its place; the item is only made when the page has room for it. */
export interface Keyed {
  key: string;
  make(): EventItem | Promise<EventItem>;
}

/** What a node holds for one viewer. */
export interface Sequence {
  count(bounds: KeyBounds): Promise<number>;
  list(page: KeyBounds & { limit: number; direction: 'newest-first' | 'oldest-first' }): Promise<Keyed[]>;
  /** The place of an item, also of one that was removed; null: there was none, or not for the viewer. */
  keyOf(itemId: string): Promise<string | null>;
}

export interface ItemsPage {
  items: EventItem[];
  info: PageInfo;
}

/**
 * A page, whatever of it the viewer may see. Its `<set/>` counts from the newest, also where the items stand oldest first:
 * Movim asks for what is `after` the last, and means older posts.
 * @throws StanzaError item-not-found: the item to page from is not there, or not for the viewer
 */
export async function readSequence(sequence: Sequence, plan: Plan): Promise<ItemsPage> {
  const count = await sequence.count({});
  if (plan.limit === 0) return { items: [], info: { first: null, last: null, index: null, count } };
  const { from, limit } = plan;
  const keyOf = async (id: string): Promise<string> => {
    const key = await sequence.keyOf(id);
    if (key === null) throw itemNotFound();
    return key;
  };
  let found: Keyed[];
  if ('end' in from) found = await sequence.list({ limit, direction: 'oldest-first' });
  else if ('newer' in from) found = await sequence.list({ newer: await keyOf(from.newer), limit, direction: 'oldest-first' });
  else if ('older' in from) found = await sequence.list({ older: await keyOf(from.older), limit, direction: 'newest-first' });
  else found = await fromIndex(sequence, from.index, limit);

  const items: EventItem[] = [];
  let bytes = 0;
  for (const { make } of found) {
    const item = await make();
    bytes += Buffer.byteLength(serialize(item.payload!));
    if (items.length > 0 && bytes > PAGE_BYTES) break;
    items.push(item);
  }
  const firstKey = items.length === 0 ? null : 'end' in from || 'newer' in from ? found[items.length - 1]!.key : found[0]!.key;
  if ('end' in from || 'newer' in from) items.reverse();
  const info = { first: items[0]?.id ?? null, last: items.at(-1)?.id ?? null, index: firstKey === null ? null : await sequence.count({ newer: firstKey }), count };
  if (plan.chronological) items.reverse();
  return { items, info };
}

async function fromIndex(sequence: Sequence, index: number, limit: number): Promise<Keyed[]> {
  let older: string | undefined;
  for (let left = index; left > 0; left -= PAGE_MAX) {
    const skipped = await sequence.list({ ...(older ? { older } : {}), limit: Math.min(left, PAGE_MAX), direction: 'newest-first' });
    if (skipped.length < Math.min(left, PAGE_MAX)) throw itemNotFound();
    older = skipped.at(-1)!.key;
  }
  const found = await sequence.list({ ...(older ? { older } : {}), limit, direction: 'newest-first' });
  if (index > 0 && found.length === 0) throw itemNotFound();
  return found;
}
