// Many people of another server, which is a component of its own behind the real one (`p0@DOMAIN`, `p1@DOMAIN` …): it lets everybody in, answers
// for their feeds, and sends events.
import { createLog } from '../../src/log.js';
import { type Element, parseStanza, xml } from '../../src/xml.js';
import { Transport } from '../../src/xmpp/transport.js';

const PUBSUB = 'http://jabber.org/protocol/pubsub';
const MB = 'urn:xmpp:microblog:0';
const WORDS = 'lorem ipsum dolor sit amet consectetur '.repeat(4);

/** An entry as Movim writes it: about 900 bytes. @param at milliseconds UTC */
export function entry(jid: string, id: string, at = Date.now()): string {
  const time = new Date(at).toISOString();
  return `<entry xmlns='http://www.w3.org/2005/Atom'><title>Post ${id}</title><id>${id}</id><published>${time}</published><updated>${time}</updated><author><uri>xmpp:${jid}</uri></author><content type='text'>Post ${id}: **${WORDS}** #bench</content><content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>Post ${id}: <strong>${WORDS}</strong> #bench</p></div></content><category term='bench'/><link rel='alternate' type='text/html' href='https://pub.test/${id}'/></entry>`;
}

export interface Publishers {
  /** Who has subscribed to a feed: `WHO FEED`. */
  subscribers: Set<string>;
  /** The items of a feed, oldest first, for those who ask. */
  items: (jid: string) => { id: string; at: number }[];
  /** Pubsub requests that came, are being answered now, and the most of them at once. */
  requests: { total: number; now: number; most: number };
  /** How long an answer takes. */
  answerMs: number;
  /** Until then no request is answered. */
  hold: Promise<void>;
  /** Sends an event; waits only while the server does not read. */
  sends(jid: string, to: string, id: string): Promise<void>;
  /** Resolves when the server has handled all that was sent. */
  barrier(): Promise<void>;
  stop(): Promise<void>;
}

export async function startPublishers({ host, port, domain, secret }: { host: string; port: number; domain: string; secret: string }): Promise<Publishers> {
  let isOnline: () => void;
  const online = new Promise<void>((resolve) => (isOnline = resolve));
  const transport = new Transport({ host, port, domain, secret, log: createLog('silent'), onStanza: (stanza) => void take(stanza), onOnline: () => isOnline() });
  const reply = (iq: Element, ...inside: Element[]) => transport.send(xml('iq', { type: 'result', id: iq.attrs.id, from: iq.attrs.to, to: iq.attrs.from }, inside));
  const refuse = (iq: Element) =>
    transport.send(xml('iq', { type: 'error', id: iq.attrs.id, from: iq.attrs.to, to: iq.attrs.from }, xml('error', { type: 'cancel' }, xml('item-not-found', { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' }))));
  const publishers: Publishers = {
    subscribers: new Set(),
    items: () => [],
    requests: { total: 0, now: 0, most: 0 },
    answerMs: 0,
    hold: Promise.resolve(),
    async sends(jid, to, id) {
      transport.sendRaw(`<message from='${jid}' to='${to}' type='headline' id='m${id}'><event xmlns='${PUBSUB}#event'><items node='${MB}'><item id='${id}' publisher='${jid}'>${entry(jid, id)}</item></items></event></message>`);
      if (transport.crowded) await transport.roomy();
    },
    barrier: () => transport.barrier(),
    stop: () => transport.stop(),
  };

  async function take(stanza: Element): Promise<void> {
    const { type, from = '', to = '' } = stanza.attrs;
    if (stanza.is('presence') && type === 'subscribe') transport.send(xml('presence', { type: 'subscribed', from: to, to: from }));
    if (!stanza.is('iq') || (type !== 'get' && type !== 'set')) return;
    if (!stanza.getChild('pubsub', PUBSUB)) return refuse(stanza);
    const { requests } = publishers;
    requests.total += 1;
    requests.now += 1;
    requests.most = Math.max(requests.most, requests.now);
    await Promise.all([publishers.hold, publishers.answerMs > 0 && new Promise((resolve) => setTimeout(resolve, publishers.answerMs))]);
    requests.now -= 1;
    if (transport.online) answer(stanza, from, to); // else the asker is told by the server
  }

  function answer(iq: Element, from: string, to: string): void {
    const pubsub = iq.getChild('pubsub', PUBSUB);
    const asked = pubsub?.getChild('items');
    if (pubsub?.getChild('subscribe')) {
      publishers.subscribers.add(`${from} ${to}`);
      return reply(iq, xml('pubsub', { xmlns: PUBSUB }, xml('subscription', { node: MB, jid: from, subscription: 'subscribed' })));
    }
    if (asked?.attrs.node !== MB) return refuse(iq);
    const wanted = new Set(asked.getChildren('item').map(({ attrs }) => attrs.id));
    const found = publishers.items(to).filter(({ id }) => wanted.size === 0 || wanted.has(id)).slice(-Number(asked.attrs.max_items ?? 1000));
    reply(iq, xml('pubsub', { xmlns: PUBSUB }, xml('items', { node: MB }, found.map(({ id, at }) => xml('item', { id }, parseStanza(entry(to, id, at)))))));
  }

  transport.start();
  await online;
  return publishers;
}
