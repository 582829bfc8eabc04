// Fan-out of one post to N connected clients (default 500), on Prosody and ejabberd, beside raw pre-serialised component writes to the same clients.
import { componentHost, startEjabberd, startProsody } from '../test/support/servers/index.js';
import { BulkClients } from './support/bulk-clients.js';
import { rawComponent } from './support/component.js';
import { median, printMachine, printTable, spread } from './support/figures.js';
import { startService } from './support/service.js';

const ROUNDS = 15;
const MB = 'urn:xmpp:microblog:0';

export async function run([count = '500']: string[]): Promise<void> {
  const usernames = Array.from({ length: Number(count) }, (_, index) => `u${index}`);
  printMachine();
  const rows = [['server', 'ours: POST to last receipt, ms', 'raw: first write to last receipt, ms', 'ratio of medians', 'stanza bytes ours/raw']];
  for (const start of [startProsody, startEjabberd]) {
    const options = { chatDomains: ['chat.test'], componentDomains: ['social.test', 'raw.test'], componentSecret: 'secret' };
    const server = await start(options);
    for (const username of usernames) await server.register('chat.test', username, 'pw');
    const at = { host: server.host, port: server.componentPort, secret: 'secret' };
    const service = await startService({ ...at, domain: 'social.test' }, '');
    const alice = await service.author('alice');
    const raw = await rawComponent({ ...at, host: componentHost(server.name, 1), domain: 'raw.test' });
    const clients = await BulkClients.connect({ host: server.host, port: server.c2sPort, domain: 'chat.test', usernames, password: 'pw' });
    await clients.each((jid) => `<iq type='set' id='sub' to='${alice.jid}'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='${MB}' jid='${jid}'/></pubsub></iq>`, 'subscribed');

    // The raw stanza is ours as a client saw it, so that both have the same bytes.
    const sample = 'sample-of-the-bench';
    const seen = clients.clients[0]!;
    await alice.post(`${sample} ${'lorem ipsum '.repeat(20)}`);
    await clients.allReceive(sample);
    const entry = await fetchEntry(service.url, (await alice.post(`${sample}-2 ${'lorem ipsum '.repeat(20)}`)).guid);
    await clients.allReceive(`${sample}-2`);
    const payload = (marker: string) =>
      `<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${MB}'><item id='019aa2f4c1d07b3e8f5a6c20d4e9b101' publisher='alice@raw.test'>${entry.replaceAll(`${sample}-2`, marker)}</item></items></event></message>`;

    const ours: number[] = [];
    const baseline: number[] = [];
    let bytes = 0;
    for (let round = -3; round < ROUNDS; round++) {
      const marker = `${start.name}-round-${round + 3}-`;
      const received = clients.allReceive(`${marker}ours`);
      const { sentAt } = await alice.post(`${marker}ours ${'lorem ipsum '.repeat(20)}`);
      const oursMs = (await received) - sentAt;

      const stanzas = clients.clients.map(({ jid }, index) => `<message from='alice@raw.test' to='${jid}' type='headline' id='r${index}'>${payload(`${marker}raw`)}`);
      bytes = Buffer.byteLength(stanzas[0]!);
      const receivedRaw = clients.allReceive(`${marker}raw`);
      const from = performance.now();
      for (const stanza of stanzas) raw.write(stanza);
      const rawMs = (await receivedRaw) - from;
      if (round >= 0) {
        ours.push(oursMs);
        baseline.push(rawMs);
      }
    }
    rows.push([server.name, spread(ours), spread(baseline), (median(ours) / median(baseline)).toFixed(2), String(bytes)]);
    void seen;
    clients.end();
    raw.end();
    await service.destroy();
    await server.destroy();
  }
  console.log(`${count} clients, ${ROUNDS} rounds each, interleaved; goal: ratio ≤ 1.2`);
  printTable(rows);
}

/** The Atom entry of a post as the web answers it, without the XML declaration. */
async function fetchEntry(url: string, guid: string): Promise<string> {
  const answer = await fetch(`${url}/posts/${guid}`, { headers: { accept: 'application/atom+xml' } });
  return (await answer.text()).replace(/^<\?xml[^>]*\?>\s*/, '');
}
