// What followers do on the wire, in lines.
import { type Element, type TestClient, xml } from './xmpp-client.js';

export const MICROBLOG = 'urn:xmpp:microblog:0';
export const STREAMS = 'https://www.w3.org/ns/activitystreams';
/** The features of a client that wants to hear of posts, and of names: by these it learns that our side has read its caps. */
export const FOLLOWER = [`${MICROBLOG}+notify`, 'http://jabber.org/protocol/nick+notify'];

const PUBSUB = 'http://jabber.org/protocol/pubsub';
const RSM = 'http://jabber.org/protocol/rsm';

/** A request to a PEP service. `inside` is the XML within `<pubsub/>`. */
export const pubsub = (type: 'get' | 'set', to: string, inside: string, owner = ''): string => `<iq type='${type}' to='${to}'><pubsub xmlns='${PUBSUB}${owner}'>${inside}</pubsub></iq>`;

/** Asks for items: all (`''`), some (`<item id='…'/>`), or a page (`<max>…</max>` of RSM). */
export const items = (to: string, { node = MICROBLOG, ids = [], set = null }: { node?: string; ids?: string[]; set?: string | null } = {}): string =>
  pubsub('get', to, `<items node='${node}'>${ids.map((id) => `<item id='${id}'/>`).join('')}</items>${set === null ? '' : `<set xmlns='${RSM}'>${set}</set>`}`);

/** The item ids of an answer, in its order. */
export const idsOf = (answer: Element): string[] =>
  answer.getChild('pubsub')!.getChild('items')!.getChildren('item').map((item) => item.attrs.id!);

/** The RSM part of an answer. */
export function pageOf(answer: Element): { count: number; first: string | null; last: string | null; index: string | undefined } {
  const set = answer.getChild('pubsub')!.getChild('set', RSM)!;
  return { count: Number(set.getChildText('count')), first: set.getChildText('first'), last: set.getChildText('last'), index: set.getChild('first')?.attrs.index };
}

/** Subscribes the bare JID explicitly, as Movim and Libervia do. */
export const subscribeTo = (client: TestClient, to: string, node = MICROBLOG): Promise<Element> => client.request(pubsub('set', to, `<subscribe node='${node}' jid='${client.bareJid}'/>`));

/** Follows by presence and lets the other side see the presence, as a client does whose user says yes. For a client with FOLLOWER's features. */
export async function followByPresence(client: TestClient, to: string): Promise<void> {
  await client.send(xml('presence', { type: 'subscribe', to }));
  await client.receives(xml('presence', { type: 'subscribed', from: to }));
  await client.receives(xml('presence', { type: 'subscribe', from: to }));
  await client.send(xml('presence', { type: 'subscribed', to }));
  await nickOf(client, to);
}

/** The name comes when our side knows what the client wants to hear of, and after whatever it had missed. */
export const nickOf = (client: TestClient, from: string): Promise<Element> => client.receives(isEvent(from, 'http://jabber.org/protocol/nick'), `the name of ${from}`);

/** What an event says of its items: `+id title` or `-id`, in order. */
export const told = (message: Element): string[] =>
  message
    .getChild('event')!
    .getChild('items')!
    .getChildElements()
    .map((item) => (item.is('retract') ? `-${item.attrs.id}` : `+${item.attrs.id} ${item.getChild('entry')?.getChildText('title') ?? ''}`.trim()));

export const isEvent = (from: string, node = MICROBLOG) => (stanza: Element): boolean =>
  stanza.is('message') && stanza.attrs.from === from && stanza.getChild('event')?.getChild('items')?.attrs.node === node;

/** Everything that events of this feed have told so far, in the order in which it came; takes nothing. */
export const heard = (client: TestClient, from: string, node = MICROBLOG): string[] => client.unread.filter(isEvent(from, node)).flatMap(told);
