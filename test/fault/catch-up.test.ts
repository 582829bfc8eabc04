// Much to hear at once: everything that is followed is asked again after an absence, and an end comes in the middle of a flood (threats.md 6, 16, 20, 21).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { addContact } from '../../src/services/relationships.js';
import { createLog } from '../../src/log.js';
import { openStore } from '../../src/store/open.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { type Publishers, startPublishers } from '../support/publishers.js';
import { componentHost, SERVERS } from '../support/servers/index.js';
import { FOREIGN, type OwnServer, ownServer, until } from './own-server.js';

const FEEDS = 60;
/** Of one host, as src/xmpp/inbound/index.ts has it. */
const MOST_AT_ONCE = 4;

describe.each(SERVERS)('behind %s', (name) => {
  let own: OwnServer;
  let publishers: Publishers;
  let stateDir: string;
  let app: Installation;
  let jid: string;
  const feeds = Array.from({ length: FEEDS }, (_, n) => `p${n}@${FOREIGN}`);
  const start = async () => {
    app = await startInstallation({ server: own, chatDomain: '', stateDir });
  };
  const itemsHere = async () => (await app.ctx.store.query<{ id: string }>('select item_id as id from post_origins order by item_id')).map(({ id }) => id);

  beforeAll(async () => {
    own = await ownServer(name);
    stateDir = mkdtempSync(path.join(tmpdir(), 'dx-catch-up-'));
    publishers = await startPublishers({ host: componentHost(name, 1), port: own.componentPort, domain: FOREIGN, secret: own.componentSecret });
    await start();
    const alice = await app.account('alice');
    jid = alice.jid;
    for (const feed of feeds) await addContact(app.ctx, alice, feed);
    await until(async () => (await app.ctx.store.query('select 1 from followed_feeds where caught_up_at is not null')).length === FEEDS, 'all are followed', 60_000);
  }, 90_000);
  afterAll(async () => {
    await app.stop();
    await publishers.stop();
    await own.destroy();
    rmSync(stateDir, { recursive: true, force: true });
  });

  test('after an absence few requests are out at once, pages are answered meanwhile, and nothing is missing in the end', async () => {
    await app.stop();
    const missed = (feed: string) => [1, 2, 3].map((n) => ({ id: `${feed} ${n}`, at: Date.now() - 60_000 }));
    let answer = () => {};
    publishers.hold = new Promise((resolve) => (answer = resolve));
    publishers.items = missed;
    publishers.requests = { total: 0, now: 0, most: 0 };
    await start();
    await until(() => publishers.requests.now === MOST_AT_ONCE, 'the first requests are out');
    // While nobody answers, nobody else is asked, and the pages do not wait for them.
    expect((await fetch(`${app.url}/login`)).status).toBe(200);
    expect((await fetch(`${app.url}/readyz`)).status).toBe(200);
    expect(publishers.requests.now).toBe(MOST_AT_ONCE);
    answer();
    await until(async () => (await itemsHere()).length === 3 * FEEDS, 'everything is here', 30_000);
    expect(await itemsHere()).toEqual(feeds.flatMap((feed) => missed(feed).map(({ id }) => id)).sort());
    expect(publishers.requests.most).toBe(MOST_AT_ONCE);
  }, 60_000);

  test('an end in the middle of a flood: nothing is written afterwards, and the next start brings what was not stored', async () => {
    const before = (await itemsHere()).length;
    const lines: string[] = [];
    Object.assign(app.ctx, { log: createLog('warn', { write: (line) => void lines.push(line) }) });
    const sent: { feed: string; id: string }[] = [];
    const send = async (count: number) => {
      for (let n = 0; n < count; n++) {
        const one = { feed: feeds[n % FEEDS]!, id: `flood ${sent.length}` };
        sent.push(one);
        await publishers.sends(one.feed, jid, one.id);
        if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const sending = send(1_800);
    await until(async () => (await itemsHere()).length > before, 'the flood has begun');
    await app.stop();
    await sending;
    await send(FEEDS); // nobody is there any more
    await publishers.barrier();
    expect(lines.join('')).not.toMatch(/not open|could not/);
    const store = await openStore(app.config.databaseUrl, createLog('silent'));
    const [{ n: left }] = (await store.query<{ n: number }>("select count(*) as n from post_origins where item_id like 'flood %'")) as [{ n: number }];
    await store.close();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(sent.length);

    publishers.items = (feed) => sent.filter((one) => one.feed === feed).map(({ id }) => ({ id, at: Date.now() - 1_000 }));
    await start();
    await until(async () => (await itemsHere()).filter((id) => id.startsWith('flood ')).length === sent.length, 'everything is here', 30_000);
    expect(new Set(await itemsHere()).size).toBe((await itemsHere()).length);
  }, 60_000);
});
