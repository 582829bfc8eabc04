// The main job, whole: written on the web, heard on XMPP, on real servers and both databases; and the other way round.
import type { Account } from '../../src/domain/account.js';
import { FOLLOWER, followByPresence, heard, idsOf, isEvent, items, MICROBLOG, nickOf, pageOf, pubsub, subscribeTo, told } from '../support/follow.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { createDatabase, SERVERS, type ServerName, server } from '../support/servers/index.js';
import { Browser, type Site } from '../support/web.js';
import { connect, type TestClient } from '../support/xmpp-client.js';

const DATABASES: Record<string, () => Promise<string | undefined>> = { SQLite: async () => undefined, PostgreSQL: createDatabase };
const ATOM = 'http://www.w3.org/2005/Atom';
const SCENES = SERVERS.flatMap((name) => Object.keys(DATABASES).map((database) => ({ name, database })));
const otherThan = (name: ServerName): ServerName => SERVERS.find((one) => one !== name)!;

describe.each(SCENES)('$name, $database', ({ name, database }) => {
  let app: Installation;
  let alice: Account & { jid: string };
  /** She writes on the web. */
  let browser: Browser;
  /** Her own chat client. */
  let owner: TestClient;
  const followers = {} as Record<'by presence' | 'by subscription' | 'by presence, elsewhere' | 'by subscription, elsewhere', TestClient>;

  beforeAll(async () => {
    const [here, there] = [await server(name), await server(otherThan(name))];
    const url = await DATABASES[database]!();
    app = await startInstallation({ server: here, ...(url ? { databaseUrl: url } : {}) });
    const account = await here.newAccount('alice');
    alice = await app.account(account.username);
    browser = new Browser(app.url as unknown as Site['app']);
    await browser.logIn(alice.username);
    owner = await connect(account);
    const connected = async (where: typeof here, features: string[] = []) => connect({ ...(await where.newAccount('reader')), features });
    followers['by presence'] = await connected(here, FOLLOWER);
    followers['by subscription'] = await connected(here);
    followers['by presence, elsewhere'] = await connected(there, FOLLOWER);
    followers['by subscription, elsewhere'] = await connected(there);
    await Promise.all(Object.entries(followers).map(([how, client]) => (how.startsWith('by presence') ? followByPresence(client, alice.jid) : subscribeTo(client, alice.jid))));
    await app.idle();
  });
  afterAll(async () => {
    await Promise.all([owner, ...Object.values(followers)].map((client) => client.disconnect()));
    await app.stop();
  });

  const write = async (text: string): Promise<string> => {
    await browser.get('/');
    const answer = await browser.post('/posts', { text, audience: 'public' });
    expect(answer.status).toBe(303);
    return answer.headers.location!.split('/').pop()!;
  };
  /** Everyone hears exactly this, in this order. */
  const allHear = async (expected: string[]): Promise<void> => {
    for (const client of Object.values(followers)) {
      const lines: string[] = [];
      while (lines.length < expected.length) lines.push(...told(await client.receives(isEvent(alice.jid), `${expected[lines.length]} after ${lines.join(', ')}`)));
      expect(lines).toEqual(expected);
    }
    await app.idle();
    for (const client of Object.values(followers)) {
      await client.barrier(alice.jid); // its answer comes the same way, after all events
      expect(heard(client, alice.jid)).toEqual([]);
    }
  };

  test('new posts, an edit and a retraction reach every follower in their order, each once', async () => {
    const first = await write('# One\n\nhello');
    const second = await write('# Two');
    await browser.get(`/posts/${first}/edit`);
    expect((await browser.post(`/posts/${first}/edit`, { text: '# One, better' })).status).toBe(303);
    await browser.get(`/posts/${second}/delete`);
    expect((await browser.post(`/posts/${second}/delete`)).status).toBe(303);
    const third = await write('# Three');
    const reader = Object.values(followers);
    for (const client of reader) {
      const last = await client.receives((stanza) => isEvent(alice.jid)(stanza) && told(stanza).includes(`+${third} Three`), 'the last event');
      client.unread.push(last);
    }
    await app.idle();
    for (const client of reader) {
      await client.barrier(alice.jid);
      const lines = heard(client, alice.jid);
      // An event carries the post of the moment: what was retracted before it could be told is told only as retracted.
      const inTime = lines.includes(`+${second} Two`) ? [`+${second}`] : [];
      expect(lines.map((line) => line.slice(0, 33))).toEqual([`+${first}`, ...inTime, `+${first}`, `-${second}`, `+${third}`]);
      expect(lines).toContain(`+${first} One, better`);
      client.forget();
    }
  });

  test('each step by itself is heard at once', async () => {
    const id = await write('# Alone');
    await allHear([`+${id} Alone`]);
    await app.edits(alice, id, '# Alone, edited');
    await allHear([`+${id} Alone, edited`]);
    await app.deletes(alice, id);
    await allHear([`-${id}`]);
  });

  test('an event holds the whole entry, with publisher and links', async () => {
    const id = await write('# Whole\n\n**bold** &amp; <b>not</b> 🙂');
    const client = followers['by presence, elsewhere'];
    const item = (await client.receives(isEvent(alice.jid))).getChild('event')!.getChild('items')!.getChild('item')!;
    expect(item.attrs).toMatchObject({ id, publisher: alice.jid });
    const entry = item.getChild('entry', ATOM)!;
    expect(entry.getChildText('id')).toBe(`${app.config.publicUrl}/posts/${id}`);
    expect(entry.getChild('author')?.getChildText('uri')).toBe(`xmpp:${alice.jid}`);
    const contents = entry.getChildren('content');
    expect(contents.map(({ attrs }) => attrs.type)).toEqual(['text', 'xhtml']);
    expect(contents[1]!.toString()).toContain('<strong>bold</strong>');
    expect(entry.getChildren('link').map(({ attrs }) => attrs.href)).toContain(`${app.config.publicUrl}/posts/${id}`);
    await app.idle();
    await Promise.all(Object.values(followers).map((one) => one.barrier(alice.jid)));
    for (const one of Object.values(followers)) one.forget();
  });

  test('who was away gets what he missed when he comes back, oldest first, each once', async () => {
    const clients = [followers['by presence'], followers['by presence, elsewhere']];
    for (const client of clients) {
      await client.send("<presence type='unavailable'/>");
      await client.barrier(alice.jid);
    }
    const missed = [await write('# Missed 1'), await write('# Missed 2'), await write('# Missed 3')];
    await app.idle();
    for (const client of clients) {
      await client.barrier(alice.jid);
      expect(heard(client, alice.jid)).toEqual([]);
      await client.sendPresence();
      await nickOf(client, alice.jid);
      const events = client.unread.filter(isEvent(alice.jid));
      expect(events.flatMap(told)).toEqual(missed.map((id, index) => `+${id} Missed ${index + 1}`));
      for (const event of events) expect(event.getChild('delay', 'urn:xmpp:delay')).toBeDefined();
      client.forget();
    }
    const next = await write('# Next');
    await Promise.all(clients.map(async (client) => expect(told(await client.receives(isEvent(alice.jid)))).toEqual([`+${next} Next`])));
    for (const client of Object.values(followers)) {
      await client.barrier(alice.jid);
      client.forget();
    }
  });

  test('the history is paged in both directions, whole and without repetition', async () => {
    const bob = await app.account(`history-${alice.username}`.slice(0, 30));
    const ids: string[] = [];
    for (let count = 0; count < 23; count++) ids.unshift((await app.posts(bob, `# Old ${count}`)).guid);
    const reader = followers['by subscription, elsewhere'];
    /** Follows the pages from an end to the other. */
    const walk = async (step: (last: ReturnType<typeof pageOf> | null) => string | null): Promise<string[][]> => {
      const pages: string[][] = [];
      for (let page: ReturnType<typeof pageOf> | null = null, set = step(null); set !== null; set = step(page)) {
        const answer = await reader.request(items(bob.jid, { set }));
        if (idsOf(answer).length === 0) break;
        pages.push(idsOf(answer));
        page = pageOf(answer);
        expect(page.count).toBe(23);
        expect(page.index).toBe(String(ids.indexOf(page.first!)));
      }
      return pages;
    };
    const back = await walk((page) => (page ? `<max>10</max><after>${page.last}</after>` : '<max>10</max>'));
    expect(back.map(({ length }) => length)).toEqual([10, 10, 3]);
    expect(back.flat()).toEqual(ids);
    const forth = await walk((page) => (page ? `<max>10</max><before>${page.first}</before>` : '<max>10</max><before/>'));
    expect(forth.map(({ length }) => length)).toEqual([10, 10, 3]);
    expect(forth.reverse().flat()).toEqual(ids);
  });

  test("what she publishes, edits and retracts in her chat client is a post like one from the web", async () => {
    const entry = (title: string) => `<entry xmlns='${ATOM}'><title>${title}</title><content type='text'>Written on the sofa.</content></entry>`;
    const publish = (id: string, title: string) => owner.request(pubsub('set', alice.jid, `<publish node='${MICROBLOG}'><item${id && ` id='${id}'`}>${entry(title)}</item></publish>`));
    const answer = await publish('', 'Sofa');
    const id = answer.getChild('pubsub')!.getChild('publish')!.getChild('item')!.attrs.id!;
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    await allHear([`+${id} Sofa`]);
    expect((await browser.get('/')).text).toContain(`id="post-${id}"`);
    expect((await new Browser(app.url as unknown as Site['app']).get(`/posts/${id}`)).text).toContain('Written on the sofa.');

    await publish(id, 'Sofa again');
    await allHear([`+${id} Sofa again`]);
    expect((await browser.get(`/posts/${id}`)).text).toContain('Sofa again');

    await owner.request(pubsub('set', alice.jid, `<retract node='${MICROBLOG}' notify='true'><item id='${id}'/></retract>`));
    await allHear([`-${id}`]);
    expect((await browser.get(`/posts/${id}`)).status).toBe(410);
    expect((await browser.get('/')).text).not.toContain(`id="post-${id}"`);
  });
});
