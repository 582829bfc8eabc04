// A post with 1,000 comments and 50 likes: written over XMPP, opened over XMPP page by page (RSM) and on the web; beside a ping of the same address.
import { startEjabberd, startProsody } from '../test/support/servers/index.js';
import { BulkClients } from './support/bulk-clients.js';
import { percentiles, printMachine, printTable, ratio } from './support/figures.js';
import { startService } from './support/service.js';

const WRITERS = 50;
const COMMENTS = 1_000;
const ROUNDS = 5;
const PAGE = 100;

export async function run(): Promise<void> {
  printMachine();
  const rows = [['server', 'what', 'figure', '/ ping (p50)', 'goal']];
  for (const start of [startProsody, startEjabberd]) {
    const server = await start({ chatDomains: ['chat.test'], componentDomains: ['social.test'], componentSecret: 'secret' });
    const usernames = Array.from({ length: WRITERS }, (_, n) => `writer${n}`);
    for (const username of usernames) await server.register('chat.test', username, 'pw');
    const service = await startService({ domain: 'social.test', host: server.host, port: server.componentPort, secret: 'secret' }, '', { DX_LOG_LEVEL: 'error' });
    const alice = await service.author('alice');
    const { guid } = await alice.post('a post that many talk about');
    const node = `urn:xmpp:microblog:0:comments/${guid}`;
    const clients = await BulkClients.connect({ host: server.host, port: server.c2sPort, domain: 'chat.test', usernames, password: 'pw' });
    const pubsub = (type: string, id: string, inside: string) => `<iq type='${type}' id='${id}' to='${alice.jid}'><pubsub xmlns='http://jabber.org/protocol/pubsub'>${inside}</pubsub></iq>`;
    const entry = (title: string) => `<entry xmlns='http://www.w3.org/2005/Atom'><title>${title}</title></entry>`;

    const from = performance.now();
    for (let n = 0; n < COMMENTS / WRITERS; n++) {
      const text = (index: number) => `comment ${n} of ${index}: ${'lorem ipsum '.repeat(10)}`;
      await clients.each((_, index) => pubsub('set', `c-${n}-end`, `<publish node='${node}'><item id='item-${n}-${index}'>${entry(text(index))}</item></publish>`), `c-${n}-end`);
    }
    const perSecond = Math.round(COMMENTS / ((performance.now() - from) / 1000));
    await clients.each((_, index) => pubsub('set', 'like-end', `<publish node='${node}'><item id='heart-${index}'>${entry('♥')}</item></publish>`), 'like-end');

    const reader = clients.clients[0]!;
    const asked = async (stanza: string, end: string): Promise<number> => {
      const sent = performance.now();
      reader.send(stanza);
      return (await reader.receives(end)) - sent;
    };
    const [pings, pages, web]: [number[], number[], number[]] = [[], [], []];
    let seen = 0;
    for (let round = 0; round <= ROUNDS; round++) {
      const isWarm = round > 0;
      for (let after = ''; ; ) {
        const ping = await asked(`<iq type='get' id='ping-end' to='${alice.jid}'><ping xmlns='urn:xmpp:ping'/></iq>`, 'ping-end');
        const took = await asked(pubsub('get', 'page', `<items node='${node}'/><set xmlns='http://jabber.org/protocol/rsm'><max>${PAGE}</max>${after && `<after>${after}</after>`}</set>`), '</set></pubsub></iq>');
        const next = /<last>([^<]+)<\/last>/.exec(reader.last)?.[1];
        if (!next) break;
        if (isWarm) {
          pings.push(ping);
          pages.push(took);
        } else seen += reader.last.split('<entry').length - 1;
        after = next;
      }
      for (let n = 0; n < 20; n++) {
        const sent = performance.now();
        const page = await fetch(`${service.url}/posts/${guid}`);
        const body = await page.text();
        if (!body.includes('lorem ipsum')) throw new Error(`the page shows no comments: ${page.status}`);
        if (isWarm) web.push(performance.now() - sent);
      }
    }
    if (seen !== COMMENTS + WRITERS) throw new Error(`${seen} items were read`);
    rows.push([server.name, 'ping', percentiles(pings), 'baseline', '']);
    rows.push([server.name, `a page of ${PAGE} over XMPP`, percentiles(pages), ratio(pages, pings), '< 100 ms']);
    rows.push([server.name, 'the page on the web', percentiles(web), ratio(web, pings), '< 100 ms']);
    rows.push([server.name, `comments published by ${WRITERS} at once`, `${perSecond} a second`, '', '']);
    clients.end();
    await service.destroy();
    await server.destroy();
  }
  printTable(rows);
}
