// One post to many connected clients, by each of the ways in which it can go, interleaved: all of them bring the same bytes to the same clients.
import { componentHost, type RunningServer } from '../../test/support/servers/index.js';
import { BulkClients } from './bulk-clients.js';
import { rawComponent } from './component.js';
import { median, spread } from './figures.js';
import { startService } from './service.js';

/** Components of the sending server: one that multicast services admit, one that they do not, and one that writes what was prepared, which they admit. */
export const MULTICAST = 'social.test';
const DIRECT = 'direct.test';
export const COMPONENTS = [MULTICAST, 'single.test', DIRECT];
export const ADMITTED = [MULTICAST, DIRECT];

const WARM_UP = 60;
/** What each service has published before, as any that has run for a day: V8 compiles only what runs often, and neither baseline has that. */
const POSTS_BEFORE = 3_000;
const REST_MS = 50;
/** Addresses in a stanza for the multicast service. */
const GROUP = 100;
const NODE = 'urn:xmpp:microblog:0';
/** Text of this length makes an event of about 2.7 KB: it stands there three times, and once cut. */
const TEXT = 'lorem ipsum '.repeat(20);

export interface FanOut {
  /** With COMPONENTS, and a chat domain where the publisher of the baseline is. */
  sending: RunningServer;
  sendingChat: string;
  /** Where the clients are: the same, or another. */
  receiving: RunningServer;
  receivingChat: string;
  count: number;
  rounds: number;
}

export interface Taken {
  multicast: number[];
  single: number[];
  /** Single stanzas, written as they were prepared, and stanzas for the multicast service. */
  raw: number[];
  rawMulticast: number[];
  pep: number[];
  messageBytes: number;
}

/** Milliseconds of each round: from the POST (or the first byte written) to the last of all receipts. */
export async function measureFanOut({ sending, sendingChat, receiving, receivingChat, count, rounds }: FanOut): Promise<Taken> {
  const usernames = Array.from({ length: count }, (_, index) => `u${index}`);
  for (const username of usernames) await receiving.register(receivingChat, username, 'pw');
  await sending.register(sendingChat, 'publisher', 'pw');
  const at = (domain: string) => ({ host: componentHost(sending.name, COMPONENTS.indexOf(domain)), port: sending.componentPort, secret: sending.componentSecret, domain });
  const services = [await startService(at(MULTICAST), ''), await startService(at('single.test'), '')];
  const [alice, bob] = [await services[0]!.author('alice'), await services[1]!.author('alice')];
  for (let before = 0; before < POSTS_BEFORE; before++) await Promise.all([alice, bob].map((author) => author.post(`${before} ${TEXT}`)));
  const direct = await rawComponent(at(DIRECT));
  const c2s = ({ host, c2sPort: port }: RunningServer, domain: string) => ({ host, port, domain, password: 'pw' });
  const publisher = (await BulkClients.connect({ ...c2s(sending, sendingChat), usernames: ['publisher'] })).clients[0]!;
  const clients = await BulkClients.connect({ ...c2s(receiving, receivingChat), usernames });
  await publishOpenly(publisher);
  for (const to of [alice.jid, bob.jid, publisher.jid]) await subscribeAll(clients, to);

  // What the others send is what a client gets from us.
  const sample = `sample-${sending.name}`.padEnd(20, 'x');
  const post = (author: typeof alice) => async (marker: string) => (await author.post(`${marker} ${TEXT}`)).sentAt;
  // Whoever subscribes is told of what was posted in the seconds before, too: all of that comes before these.
  for (const author of [bob, alice]) {
    const received = clients.allReceive(sample);
    await post(author)(sample);
    await received;
  }
  const message = await clients.clients[0]!.message(sample);
  const event = message.slice(message.indexOf('<event'), message.indexOf('</message>')).replaceAll(MULTICAST, DIRECT);
  const entry = event.slice(event.indexOf('<entry'), event.lastIndexOf('</item>'));

  const write = (stanzas: string[]) => {
    const from = performance.now();
    for (const stanza of stanzas) direct.write(stanza);
    return from;
  };
  // Prosody's module is the chat domain itself, ejabberd's a service beside it.
  const multiplier = receiving.name === 'prosody' ? receivingChat : `multicast.${receivingChat}`;
  const groups = Array.from({ length: Math.ceil(count / GROUP) }, (_, index) => clients.clients.slice(index * GROUP, (index + 1) * GROUP));
  const ways = {
    multicast: post(alice),
    single: post(bob),
    raw: (marker: string) => write(clients.clients.map(({ jid }, index) => `<message from='alice@${DIRECT}' to='${jid}' type='headline' id='r${index}'>${event.replaceAll(sample, marker)}</message>`)),
    rawMulticast: (marker: string) =>
      write(
        groups.map((group, index) => {
          const addresses = group.map(({ jid }) => `<address type='bcc' jid='${jid}'/>`).join('');
          return `<message from='alice@${DIRECT}' to='${multiplier}' type='headline' id='m${index}'><addresses xmlns='http://jabber.org/protocol/address'>${addresses}</addresses>${event.replaceAll(sample, marker)}</message>`;
        }),
      ),
    pep: (marker: string) => {
      const publish = `<iq type='set' id='p-${marker}'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='${NODE}'><item id='${marker}'>${entry.replaceAll(sample, marker)}</item></publish></pubsub></iq>`;
      const from = performance.now();
      publisher.send(publish);
      return from;
    },
  };
  const taken: Taken = { multicast: [], single: [], raw: [], rawMulticast: [], pep: [], messageBytes: Buffer.byteLength(message) };
  const names = Object.keys(ways) as (keyof typeof ways)[];
  for (let round = -WARM_UP; round < rounds; round++) {
    // By lot, and each after a moment of rest: what a way leaves behind, in caches and in work, neither helps nor burdens always the same.
    for (const [, way] of names.map((name) => [Math.random(), name] as const).sort(([one], [other]) => one - other)) {
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      const marker = `${way}-${round + WARM_UP}.`.padEnd(sample.length, 'x');
      const last = clients.allReceive(marker);
      const from = await ways[way](marker);
      const ms = (await last) - from;
      if (round >= 0) taken[way].push(ms);
    }
  }
  clients.end();
  publisher.end();
  direct.end();
  for (const service of services) await service.destroy();
  return taken;
}

/** Rows for printTable, beside the two baselines. */
export function rowsOf(name: string, { multicast, single, raw, rawMulticast, pep }: Taken, goals: { multicast: string; single: string }): string[][] {
  const row = (way: string, values: number[], goal = '') => [name, way, spread(values), (median(values) / median(pep)).toFixed(2), (median(values) / median(raw)).toFixed(2), goal];
  return [
    row('ours with multicast, POST to last receipt', multicast, goals.multicast),
    row('ours one by one, POST to last receipt', single, goals.single),
    row('raw component writes, first to last receipt', raw),
    row('raw stanzas for its multicast, first to last receipt', rawMulticast),
    row('the server’s own PEP, publish to last receipt', pep),
  ];
}
export const HEADING = ['server', 'way', 'ms', '/ own PEP', '/ raw', 'goal'];
export const legend = (count: number, rounds: number, { messageBytes }: Taken): string =>
  `${count} clients, explicit subscriptions, messages of ${messageBytes} bytes; ${rounds} rounds, in an order by lot, each way after ${REST_MS} ms of rest; ${WARM_UP} rounds and ${POSTS_BEFORE} posts to nobody before; median (min–max)`;

type Client = BulkClients['clients'][number];

/** Makes the node with a first item, and opens it to those who subscribe. */
async function publishOpenly(publisher: Client): Promise<void> {
  const field = (name: string, value: string) => `<field var='${name}'><value>${value}</value></field>`;
  const form = (type: string, ...fields: string[]) => `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#${type}</value></field>${fields.join('')}</x>`;
  const open = field('pubsub#access_model', 'open');
  publisher.send(
    `<iq type='set' id='first'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='${NODE}'><item id='first'><entry xmlns='http://www.w3.org/2005/Atom'/></item></publish><publish-options>${form('publish-options', open)}</publish-options></pubsub></iq>`,
  );
  await publisher.receives('first');
  // COMPAT ejabberd 23.01: else subscribers without the author's presence get nothing; Prosody knows no such field, and answers so.
  publisher.send(
    `<iq type='set' id='configure'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='${NODE}'>${form('node_config', open, field('pubsub#presence_based_delivery', '0'))}</configure></pubsub></iq>`,
  );
  await publisher.receives('configure');
}

const subscribeAll = (clients: BulkClients, to: string): Promise<void> =>
  clients.each(
    (jid) => `<iq type='set' id='sub-${to}' to='${to}'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='${NODE}' jid='${jid}'/></pubsub></iq>`,
    `sub-${to}`,
  );
