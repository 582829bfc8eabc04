// What we ask other people's servers: XEP-0060 §6.1 Subscribe, §6.2 Unsubscribe, §6.5 Retrieve Items with XEP-0059 Result Set Management.
// What Prosody 0.12, ejabberd 23.01 and Libervia Pubsub 0.4 make of it was measured (xmpp-social.md §13).
import { DomainError } from '../../domain/errors.js';
import { NS } from '../../formats/namespaces.js';
import type { NodeAddress } from '../../services/receive.js';
import { type Element, xml } from '../../xml.js';
import { hostOf } from '../addresses.js';
import { conditionOf, isNotNow } from '../messages.js';
import { StanzaErrorReply, type Transport } from '../transport.js';
import { decodeItems, type InboundItem } from './event.js';
import type { Gate } from './gate.js';

/** The server could not be asked: it is away, or we are. Another time may be better. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}
/** It said no. */
export class Refused extends Error {
  override readonly name = 'Refused';
  /** @param condition RFC 6120 §8.3.3 */
  constructor(readonly condition: string) {
    super(condition);
  }
}

/** A page of items, oldest first, and how to ask for the one before it. */
export interface Page {
  items: InboundItem[];
  /** null: the service knows no pages, or there are no older ones. */
  older: { before: string } | { after: string } | null;
}

/** As many items as are asked for at once, and the fewest that are fetched when following starts. */
export const PAGE = 20;
/** How far back a page after the other is asked for: what was missed in a long absence beyond that stays there. */
export const MAX_PAGES = 10;
/** The most that is asked for in one answer, where there are no pages: it must not be larger than servers let pass. */
const MOST_AT_ONCE = 8 * PAGE;

/** Everything goes through one gate: however much there is to ask, little is asked at once. */
export class Asking {
  constructor(
    private readonly transport: Transport,
    private readonly gate: Gate,
    private readonly domain: string,
  ) {}

  /** @throws Refused, Unreachable */
  async #ask(iq: Element): Promise<Element> {
    try {
      return await this.gate.run(hostOf(iq.attrs.to!), () => this.transport.request(iq));
    } catch (error) {
      if (error instanceof StanzaErrorReply) {
        const condition = conditionOf(error.stanza);
        throw isNotNow(condition) ? new Unreachable(condition) : new Refused(condition);
      }
      // Offline, or no answer in time; what cannot be written as XML is nobody's address.
      if (error instanceof DomainError && error.code === 'invalid') throw new Refused('bad-request');
      throw new Unreachable(error instanceof Error ? error.message : String(error));
    }
  }

  #pubsub(type: 'get' | 'set', from: string, to: string, ...inside: (Element | null)[]): Promise<Element> {
    return this.#ask(xml('iq', { type, from, to }, xml('pubsub', { xmlns: NS.PUBSUB }, inside)));
  }

  /**
   * Subscribes one of our bare JIDs.
   * @returns `subscribed`, `pending` or what else the service says
   * @throws Refused, Unreachable
   */
  async subscribe(ownJid: string, { service, node }: NodeAddress): Promise<{ state: string; subid: string | null }> {
    const result = await this.#pubsub('set', ownJid, service, xml('subscribe', { node, jid: ownJid }));
    const subscription = result.getChild('pubsub', NS.PUBSUB)?.getChild('subscription');
    // An empty result is a yes, too (XEP-0060 §6.1.2 wants more, but says it MAY be less).
    return { state: subscription?.attrs.subscription ?? 'subscribed', subid: subscription?.attrs.subid ?? null };
  }

  /** Ends a subscription; that there is none any more is as good. @throws Unreachable */
  async unsubscribe(ownJid: string, { service, node }: NodeAddress, subid: string | null): Promise<void> {
    try {
      await this.#pubsub('set', ownJid, service, xml('unsubscribe', { node, jid: ownJid, subid }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }

  /**
   * The newest items of a node, or a page of those before.
   * @throws Refused, Unreachable
   */
  async items(ownJid: string, { service, node }: NodeAddress, max: number, older: Page['older'] = null): Promise<Page> {
    // `max_items` means the newest ones everywhere; with <set/>, ejabberd begins with the oldest, and Prosody answers with all there are.
    const set = older && xml('set', { xmlns: NS.RSM }, xml('max', null, max), 'before' in older ? xml('before', null, older.before) : xml('after', null, older.after));
    const result = await this.#pubsub('get', ownJid, service, xml('items', { node, max_items: older ? null : max }), set);
    const answer = result.getChild('pubsub', NS.PUBSUB);
    const items = decodeItems(answer?.getChild('items') ?? xml('items')).filter(({ isRetracted }) => !isRetracted);
    return pageOf(items, answer?.getChild('set', NS.RSM), older);
  }

  /**
   * The newest items of a node, page by page backwards, as long as somebody wants more.
   * COMPAT Prosody 0.12: it knows no pages. The same again then, and more of it.
   * @throws Refused, Unreachable
   */
  async *pages(ownJid: string, address: NodeAddress): AsyncGenerator<InboundItem[]> {
    let older: Page['older'] = null;
    for (let pages = 1, max = PAGE; pages <= MAX_PAGES; pages++) {
      const page: Page = await this.items(ownJid, address, max, older);
      yield page.items;
      if (page.items.length === 0) return;
      if (page.older) older = page.older;
      else if (older === null && page.items.length >= max && max < MOST_AT_ONCE) max *= 2;
      else return;
    }
  }

  /** Those of the items that are there. @throws Refused, Unreachable */
  async someItems(ownJid: string, { service, node }: NodeAddress, ids: readonly string[]): Promise<InboundItem[]> {
    const result = await this.#pubsub('get', ownJid, service, xml('items', { node }, ids.map((id) => xml('item', { id }))));
    return decodeItems(result.getChild('pubsub', NS.PUBSUB)?.getChild('items') ?? xml('items'));
  }

  /**
   * May anybody read the node? Asked as somebody who does not exist: disco#info, which would say so, is refused to strangers by both
   * servers, whatever the node's access model.
   * @returns null: the service does not know the node, or does not tell
   * @throws Unreachable
   */
  async isOpen({ service, node }: NodeAddress): Promise<boolean | null> {
    try {
      await this.#pubsub('get', `${NOBODY}@${this.domain}`, service, xml('items', { node, max_items: 1 }));
      return true;
    } catch (error) {
      if (error instanceof Refused) return error.condition === 'item-not-found' ? null : false;
      throw error;
    }
  }

  /** vcard-temp (XEP-0054). @throws Refused, Unreachable */
  async vcardTemp(ownJid: string, jid: string): Promise<Element | null> {
    const result = await this.#ask(xml('iq', { type: 'get', from: ownJid, to: jid }, xml('vCard', { xmlns: NS.VCARD_TEMP })));
    return result.getChild('vCard', NS.VCARD_TEMP) ?? null;
  }
}

/** No account bears a name with a dot (interface.md §1), so no node lets in this one but an open one. */
const NOBODY = 'no.one';

function pageOf(items: InboundItem[], set: Element | undefined, asked: Page['older']): Page {
  const [first, last] = [set?.getChildText('first') ?? null, set?.getChildText('last') ?? null];
  if (items.length === 0 || first === null || last === null) return { items, older: null };
  // Ours and Movim's kind of page counts from the newest, ejabberd's from the oldest; its ids need not be those of the items.
  const isNewestFirst = asked ? 'after' in asked : last === items[0]!.id && first === items.at(-1)!.id && items.length > 1;
  if (isNewestFirst) return { items: asked ? items.reverse() : items, older: { after: last } };
  return { items, older: Number(set?.getChild('first')?.attrs.index ?? 1) === 0 ? null : { before: first } };
}
