// POST /posts at 50 a second: until it is accepted, and until a follower's client has the event; beside the bare parts.
import { componentHost, startEjabberd, startProsody } from '../test/support/servers/index.js';
import { bareInserts } from './support/bare.js';
import { BulkClients } from './support/bulk-clients.js';
import { rawComponent } from './support/component.js';
import { percentiles, printMachine, printTable, ratio } from './support/figures.js';
import { startService } from './support/service.js';

const PER_SECOND = 50;
const SECONDS = 20;
const MB = 'urn:xmpp:microblog:0';

export async function run(): Promise<void> {
  printMachine();
  const text = 'lorem ipsum '.repeat(20);
  const inserts = await bareInserts('sqlite', text);
  const rows = [['server', 'what', 'figure', '/ baseline (p50)', 'goal']];
  rows.push(['–', 'bare durable insert (SQLite, FULL)', percentiles(inserts), 'baseline of accepted', '']);
  for (const start of [startProsody, startEjabberd]) {
    const server = await start({ chatDomains: ['chat.test'], componentDomains: ['social.test', 'raw.test'], componentSecret: 'secret' });
    await server.register('chat.test', 'bob', 'pw');
    const at = { host: server.host, port: server.componentPort, secret: 'secret' };
    const service = await startService({ ...at, domain: 'social.test' }, '');
    const alice = await service.author('alice');
    const raw = await rawComponent({ ...at, host: componentHost(server.name, 1), domain: 'raw.test' });
    const bob = await BulkClients.connect({ host: server.host, port: server.c2sPort, domain: 'chat.test', usernames: ['bob'], password: 'pw' });
    await bob.each((jid) => `<iq type='set' id='sub' to='${alice.jid}'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='${MB}' jid='${jid}'/></pubsub></iq>`, 'subscribed');
    for (let warm = 0; warm < 50; warm++) await alice.post(`warm ${warm}`);

    const accepted: number[] = [];
    const events: number[] = [];
    const relayed: number[] = [];
    const from = performance.now();
    for (let n = 0; n < PER_SECOND * SECONDS; n++) {
      // One after the other on a fixed beat: a late one does not make the next ones look early.
      const due = from + n * (1000 / PER_SECOND);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
      const event = bob.allReceive(`event-${n}-end`);
      const { sentAt, tookMs } = await alice.post(`event-${n}-end ${text}`);
      accepted.push(tookMs);
      events.push((await event) - sentAt);
      if (n % 10 === 0) {
        const relay = bob.allReceive(`raw-${n}-end`);
        const wrote = performance.now();
        raw.write(`<message from='alice@raw.test' to='bob@chat.test' type='headline'><body>raw-${n}-end ${text.repeat(4)}</body></message>`);
        relayed.push((await relay) - wrote);
      }
    }
    rows.push([server.name, 'raw component write → client', percentiles(relayed), 'baseline of the event', '']);
    rows.push([server.name, 'POST /posts accepted', percentiles(accepted), ratio(accepted, inserts), 'p99 < 25 ms']);
    rows.push([server.name, 'POST → event at the client', percentiles(events), ratio(events, relayed), 'p50 < 15, p99 < 60 ms']);
    bob.end();
    raw.end();
    await service.destroy();
    await server.destroy();
  }
  console.log(`${PER_SECOND} posts a second for ${SECONDS} s on each server`);
  printTable(rows);
}
