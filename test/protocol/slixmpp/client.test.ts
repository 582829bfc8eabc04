// A client that nobody here wrote: Debian's slixmpp follows people here by presence and gets what they post, and is followed by them, on both servers.
import path from 'node:path';
import { createAppPassword } from '../../../src/services/app-passwords.js';
import { addContact } from '../../../src/services/relationships.js';
import { eventually } from '../../support/eventually.js';
import { isEvent, told } from '../../support/follow.js';
import { type Installation, startInstallation } from '../../support/installation.js';
import { PythonScript } from '../../support/python.js';
import { SERVERS, server, type TestServer } from '../../support/servers/index.js';
import type { AuthChat } from '../../support/servers/plan.js';
import { Browser, type Site } from '../../support/web.js';
import { type Element, parse } from '../../support/xmpp-client.js';

type Line = { online?: string; refused?: string; subscribed?: string; asked?: string; event?: string; items?: [string, string][]; published?: string; configured?: true; retracted?: string };

/** The script, spoken to in lines. */
class Client {
  readonly #script: PythonScript<Line>;

  constructor(login: { jid: string; password: string; host: string; port: number }) {
    this.#script = new PythonScript(path.join(import.meta.dirname, 'client.py'));
    this.order(login);
  }

  order(what: object): void {
    this.#script.order(what);
  }

  /** The next line that says such a thing. */
  async says<K extends keyof Line>(key: K): Promise<NonNullable<Line[K]>> {
    const line = await this.#script.says((one) => one[key] !== undefined || one.refused !== undefined, key);
    if (line[key] === undefined) throw new Error(`the login was refused: ${line.refused}`);
    return line[key];
  }

  /** The next event. */
  async event(): Promise<Element> {
    return parse(await this.says('event'));
  }

  /** The events that nobody has taken. */
  get unread(): string[] {
    return this.#script.unread.flatMap(({ event }) => event ?? []);
  }

  end(): Promise<void> {
    return this.#script.end({ quit: true });
  }
}

describe('with an app password', () => {
  let prosody: TestServer;
  let chat: AuthChat;
  let app: Installation;

  beforeAll(async () => {
    prosody = await server('prosody');
    chat = prosody.authChat!;
    app = await startInstallation({ server: prosody, chatDomain: chat.domain, env: { DX_AUTH_LISTEN: chat.listen, DX_AUTH_SECRET: chat.secret } });
  });
  afterAll(() => app.stop());

  const login = (username: string, password: string) => new Client({ jid: `${username}@${chat.domain}`, password, host: prosody.host, port: prosody.c2sPort });

  test('slixmpp logs in, follows alice, and has the event in the moment she posts', async () => {
    const [alice, bob] = [await app.account('alice-slix'), await app.account('bob-slix')];
    const { password } = await createAppPassword(app.ctx, bob, 'slixmpp');
    const follower = login(bob.username, password);
    try {
      expect(await follower.says('online')).toMatch(new RegExp(`^bob-slix@${chat.domain}/`));
      follower.order({ follow: alice.jid });
      expect(await follower.says('subscribed')).toBe(alice.jid);

      const browser = new Browser(app.url as unknown as Site['app']);
      await browser.logIn(alice.username);
      const answer = await browser.post('/posts', { text: '# Hello slixmpp\n\nWith **love** & 🙂.', audience: 'public' });
      const guid = answer.headers.location!.split('/').pop()!;
      const event = await follower.event();
      expect(isEvent(alice.jid)(event)).toBe(true);
      expect(told(event)).toEqual([`+${guid} Hello slixmpp`]);
      expect(event.attrs.type).toBe('headline');

      await app.edits(alice, guid, '# Hello again');
      expect(told(await follower.event())).toEqual([`+${guid} Hello again`]);
      const kept = await app.posts(alice, '# Kept');
      await app.deletes(alice, guid);
      await follower.event();
      expect(told(await follower.event())).toEqual([`-${guid}`]);
      follower.order({ items: alice.jid });
      expect(await follower.says('items')).toEqual([[kept.guid, 'Kept']]);
      expect(follower.unread).toEqual([]);
    } finally {
      await follower.end();
    }
  });

  test('a wrong app password is refused', async () => {
    const carl = await app.account('carl-slix');
    await createAppPassword(app.ctx, carl, 'slixmpp');
    const follower = login(carl.username, 'dx0-0000-0000-0000-0000');
    try {
      expect(await follower.says('refused')).toBe('not-authorized');
    } finally {
      await follower.end();
    }
  });
});

describe.each(SERVERS)('on %s, with an account of the server', (name) => {
  let here: TestServer;
  let app: Installation;
  const open: Client[] = [];

  beforeAll(async () => {
    here = await server(name);
    app = await startInstallation({ server: here });
  });
  afterEach(() => Promise.all(open.splice(0).map((client) => client.end())));
  afterAll(() => app.stop());

  const stranger = async () => {
    const { jid, password } = await here.newAccount('slix');
    const client = new Client({ jid, password, host: here.host, port: here.c2sPort });
    open.push(client);
    await client.says('online');
    return { client, jid };
  };

  test('it follows alice and hears of a post, an edit and a deletion', async () => {
    const alice = await app.account(`alice-${name}`);
    const { client } = await stranger();
    client.order({ follow: alice.jid });
    expect(await client.says('subscribed')).toBe(alice.jid);
    const post = await app.posts(alice, 'Hello slixmpp');
    expect(told(await client.event())).toEqual([`+${post.guid} Hello slixmpp`]);
    await app.edits(alice, post.guid, 'Hello again');
    expect(told(await client.event())).toEqual([`+${post.guid} Hello again`]);
    await app.deletes(alice, post.guid);
    expect(told(await client.event())).toEqual([`-${post.guid}`]);
  });

  test('what it publishes on its own PEP is on the page of who follows it: new, edited, retracted', async () => {
    const alice = await app.account(`reader-${name}`);
    const browser = new Browser(app.url as unknown as Site['app']);
    await browser.logIn(alice.username);
    /** Resolves when her page shows these texts and not the others. */
    const shows = (there: string[], gone: string[] = []) =>
      eventually(app, async () => (await browser.get('/')).text, (text) => there.every((one) => text.includes(one)) && !gone.some((one) => text.includes(one)));
    const { client, jid } = await stranger();
    client.order({ publish: 'one', title: 'From slixmpp & me' });
    await client.says('published');
    // COMPAT ejabberd 23.01: by presence it tells of posts and edits, but not of retractions.
    if (name === 'ejabberd') {
      client.order({ configure: { 'pubsub#access_model': 'open', 'pubsub#persist_items': '1', 'pubsub#max_items': '100', 'pubsub#presence_based_delivery': '0' } });
      await client.says('configured');
    }

    await addContact(app.ctx, alice, jid);
    expect(await client.says('asked')).toBe(alice.jid);
    await shows(['From slixmpp &#x26; me', jid]);
    client.order({ publish: 'one', title: 'Said better' });
    await shows(['Said better'], ['From slixmpp']);
    client.order({ retract: 'one' });
    await client.says('retracted');
    await shows([], ['Said better']);
  });
});
