// Fan-out of one post to N connected clients (default 500; then prosody or ejabberd for one of them): by multicast, one by one, raw component writes, the server's own PEP.
import { componentHost, SERVERS } from '../test/support/servers/index.js';
import { startMulticast } from '../test/support/servers/multicast.js';
import { BulkClients } from './support/bulk-clients.js';
import { rawComponent } from './support/component.js';
import { median, printMachine, printTable, spread } from './support/figures.js';
import { startService } from './support/service.js';

const CHAT = 'chat.test';
/** The component that may use the multicast service; the others may not. */
const MULTICAST = 'social.test';
const WARM_UP = 10;
const ROUNDS = 25;
const NODE = 'urn:xmpp:microblog:0';
/** Text of about this length makes an event of 2.7 KB: it stands there three times, and once cut. */
const TEXT = 'lorem ipsum '.repeat(20);
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

const ratio = (of: number[], to: number[]): string => (median(of) / median(to)).toFixed(2);

export async function run([count = '500', ...names]: string[]): Promise<void> {
  const usernames = Array.from({ length: Number(count) }, (_, index) => `u${index}`);
  printMachine();
  const rows = [['server', 'way', 'ms', '/ own PEP', '/ raw', 'goal']];
  for (const name of SERVERS.filter((one) => names.length === 0 || names.includes(one))) {
    const domains = [MULTICAST, 'single.test', 'direct.test'];
    const server = await startMulticast(name, { chatDomains: [CHAT], componentDomains: domains, componentSecret: 'secret' }, CHAT, [MULTICAST]);
    for (const username of [...usernames, 'publisher']) await server.register(CHAT, username, 'pw');
    const at = (domain: string) => ({ host: componentHost(server.name, domains.indexOf(domain)), port: server.componentPort, secret: 'secret', domain });
    const services = [await startService(at(MULTICAST), ''), await startService(at('single.test'), '')];
    const [alice, bob] = [await services[0]!.author('alice'), await services[1]!.author('alice')];
    const raw = await rawComponent(at('direct.test'));
    const c2s = { host: server.host, port: server.c2sPort, domain: CHAT, password: 'pw' };
    const publisher = (await BulkClients.connect({ ...c2s, usernames: ['publisher'] })).clients[0]!;
    const clients = await BulkClients.connect({ ...c2s, usernames });
    await publishOpenly(publisher);
    for (const to of [alice.jid, bob.jid, publisher.jid]) await subscribeAll(clients, to);

    // What the others send is what a client gets from us, so that all have the same bytes.
    const sample = `sample-on-${name}`;
    await alice.post(`${sample} ${TEXT}`);
    await clients.allReceive(sample);
    const message = await clients.clients[0]!.message();
    const event = message.slice(message.indexOf('<event'), message.indexOf('</message>')).replaceAll(MULTICAST, 'direct.test');
    const entry = event.slice(event.indexOf('<entry'), event.lastIndexOf('</item>'));

    const post = (author: typeof alice) => async (marker: string) => (await author.post(`${marker} ${TEXT}`)).sentAt;
    const ways: Record<string, (marker: string) => Promise<number> | number> = {
      multicast: post(alice),
      single: post(bob),
      raw: (marker) => {
        const stanzas = clients.clients.map(({ jid }, index) => `<message from='alice@direct.test' to='${jid}' type='headline' id='r${index}'>${event.replaceAll(sample, marker)}</message>`);
        const from = performance.now();
        for (const stanza of stanzas) raw.write(stanza);
        return from;
      },
      pep: (marker) => {
        const publish = `<iq type='set' id='p-${marker}'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='${NODE}'><item id='${marker}'>${entry.replaceAll(sample, marker)}</item></publish></pubsub></iq>`;
        const from = performance.now();
        publisher.send(publish);
        return from;
      },
    };
    const took: Record<string, number[]> = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      for (const [way, send] of Object.entries(ways)) {
        const marker = `${way}-${LETTERS[(round + WARM_UP) % 26]}-${round + WARM_UP}.`.padEnd(sample.length, 'x');
        const received = clients.allReceive(marker);
        const from = await send(marker);
        const ms = (await received) - from;
        if (round >= 0) took[way]!.push(ms);
      }
    }
    const { multicast, single, raw: written, pep } = took as Record<'multicast' | 'single' | 'raw' | 'pep', number[]>;
    const line = (way: string, values: number[], goal: string) => rows.push([server.name, way, spread(values), ratio(values, pep), ratio(values, written), goal]);
    line('ours with multicast, POST to last receipt', multicast, server.name === 'prosody' ? '≤ 0.9 × PEP' : '≤ 1.2 × PEP');
    line('ours one by one, POST to last receipt', single, '≤ 1.1 × raw; ≤ 1.2 × raw for the first release');
    line('raw component writes, first to last receipt', written, '');
    line('the server’s own PEP, publish to last receipt', pep, '');
    console.log(`${server.name}: ${Buffer.byteLength(message)} bytes a message`);
    clients.end();
    publisher.end();
    raw.end();
    for (const service of services) await service.destroy();
    await server.destroy();
  }
  console.log(`${count} clients, explicit subscriptions; ${ROUNDS} rounds, interleaved, after ${WARM_UP} to warm up; median (min–max)`);
  printTable(rows);
}

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
