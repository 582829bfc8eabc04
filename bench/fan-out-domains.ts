// Fan-out of one post to 10,000 subscribers on 100 domains (10000 100; then prosody or ejabberd for one of them): until the server has taken them; beside raw component writes.
import Database from 'better-sqlite3';
import { createLog } from '../src/log.js';
import { openStore } from '../src/store/open.js';
import { upsertSubscription } from '../src/store/xmpp.js';
import { componentHost, type ServerName, SERVERS, startEjabberd, startProsody } from '../test/support/servers/index.js';
import { rawComponent } from './support/component.js';
import { median, printMachine, printTable, spread } from './support/figures.js';
import { startService } from './support/service.js';

const START = { prosody: startProsody, ejabberd: startEjabberd };
const [SOCIAL, DIRECT] = ['social.test', 'direct.test'];
const WARM_UP = 3;
const ROUNDS = 9;
const NODE = 'urn:xmpp:microblog:0';
const TEXT = 'lorem ipsum '.repeat(20);
const END = '</message>';

/** @param args subscribers, domains, servers */
export async function run([subscribers = '10000', domains = '100', ...names]: string[]): Promise<void> {
  printMachine();
  const rows = [['server', 'what', 'ms', 'raw / this', 'goal']];
  for (const name of SERVERS.filter((one) => names.length === 0 || names.includes(one))) {
    const { ours, noted, raw, taken, messageBytes } = await measure(name, Number(subscribers), Number(domains));
    const row = (what: string, values: number[], goal = '') => [name, what, spread(values), (median(raw) / median(values)).toFixed(2), goal];
    rows.push(row('POST to the last at its domain', ours, '≥ 0.9'), row('POST to the last delivery in the ledger', noted));
    rows.push(row('raw component writes, first to the last at its domain', raw), row('raw component writes, until an IQ after them is answered', taken));
    console.log(`${name}: ${subscribers} subscribers on ${domains} domains, messages of ${messageBytes} bytes; ${ROUNDS} rounds, interleaved, after ${WARM_UP} to warm up; median (min–max)`);
  }
  printTable(rows);
}

async function measure(name: ServerName, subscribers: number, count: number) {
  const domains = Array.from({ length: count }, (_, index) => `d${index}.test`);
  const readers = Array.from({ length: subscribers }, (_, index) => `u${index}@${domains[index % count]}`);
  const components = [SOCIAL, DIRECT, ...domains];
  const server = await START[name]({ chatDomains: ['chat.test'], componentDomains: components, componentSecret: 'secret' });
  const at = (domain: string) => ({ host: componentHost(name, components.indexOf(domain)), port: server.componentPort, secret: server.componentSecret, domain });

  // Each domain counts what comes, and says that it is no multicast service.
  let came = 0;
  let bytes = 0;
  let last = '';
  let [wanted, all] = [0, (_at: number) => {}];
  for (const domain of domains) {
    let rest = '';
    const component = await rawComponent(at(domain));
    component.hear((text) => {
      bytes += text.length;
      rest += text;
      for (const [, from, id] of rest.matchAll(/<iq (?=[^>]*type=['"]get)(?=[^>]*from=['"]([^'"]+))(?=[^>]*\bid=['"]([^'"]+))/g)) {
        component.write(`<iq type='error' from='${domain}' to='${from}' id='${id}'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`);
        rest = '';
      }
      let end = -1;
      for (let next = rest.indexOf(END); next >= 0; next = rest.indexOf(END, next + 1)) {
        end = next + END.length;
        came += 1;
      }
      if (end < 0) return;
      last = rest.slice(rest.lastIndexOf('<message', end), end);
      rest = rest.slice(end);
      if (came === wanted) all(performance.now());
    });
  }
  const allCome = () => {
    [came, bytes, wanted] = [0, 0, subscribers];
    return new Promise<number>((resolve) => {
      all = resolve;
    });
  };

  const service = await startService(at(SOCIAL), '');
  const alice = await service.author('alice');
  const file = `${service.env.DX_STATE_DIR}/diaspora-x.sqlite`;
  const store = await openStore(`sqlite:${file}`, createLog('silent'));
  const [{ id: actorId } = { id: 0 }] = await store.query<{ id: number }>("select id from actors where username = 'alice'");
  await store.transaction(async (tx) => {
    for (const jid of readers) await upsertSubscription(tx, { actorId, node: NODE, jid, personId: null, subid: '1', state: 'subscribed', pausedUntil: null, createdAt: 1 });
  });
  await store.close();
  const ledger = new Database(file, { readonly: true });
  const arrived = ledger.prepare("select count(*) as n from deliveries d join activities a on a.id = d.activity_id where a.post_guid = ? and d.state = 'arrived'");
  const direct = await rawComponent(at(DIRECT));
  let echoed = (_at: number) => {};
  direct.hear((text) => {
    if (/['"]echo['"]/.test(text)) echoed(performance.now());
  });

  async function post(marker: string): Promise<{ ms: number; notedMs: number }> {
    const come = allCome();
    const { sentAt, guid } = await alice.post(`${marker} ${TEXT}`);
    const ms = (await come) - sentAt;
    while ((arrived.get(guid) as { n: number }).n < count) await new Promise((resolve) => setTimeout(resolve, 2));
    return { ms, notedMs: performance.now() - sentAt };
  }
  await post('sample'.padEnd(20, 'x'));
  const messageBytes = Math.round(bytes / subscribers);
  const event = last.slice(last.indexOf('<event'), -END.length).replaceAll(SOCIAL, DIRECT);

  async function write(): Promise<{ ms: number; takenMs: number }> {
    const stanzas = readers.map((jid, index) => `<message from='alice@${DIRECT}' to='${jid}' type='headline' id='r${index}'>${event}${END}`);
    const come = allCome();
    const echo = new Promise<number>((resolve) => {
      echoed = resolve;
    });
    const from = performance.now();
    for (const stanza of stanzas) direct.write(stanza);
    direct.write(`<iq type='get' from='${DIRECT}' to='${DIRECT}' id='echo'><ping xmlns='urn:xmpp:ping'/></iq>`);
    return { takenMs: (await echo) - from, ms: (await come) - from };
  }
  const figures = { ours: [] as number[], noted: [] as number[], raw: [] as number[], taken: [] as number[], messageBytes };
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const { ms, notedMs } = await post(`round-${round}`.padEnd(20, 'x'));
    const baseline = await write();
    if (round < 0) continue;
    figures.ours.push(ms);
    figures.noted.push(notedMs);
    figures.raw.push(baseline.ms);
    figures.taken.push(baseline.takenMs);
  }
  ledger.close();
  direct.end();
  await service.destroy();
  await server.destroy();
  return figures;
}
