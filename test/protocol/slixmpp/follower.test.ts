// A client that nobody here wrote: Debian's slixmpp logs in with an app password, follows by presence and gets what is posted on the web.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { createAppPassword } from '../../../src/services/app-passwords.js';
import { isEvent, MICROBLOG, told } from '../../support/follow.js';
import { type Installation, startInstallation } from '../../support/installation.js';
import { server, type TestServer } from '../../support/servers/index.js';
import type { AuthChat } from '../../support/servers/plan.js';
import { Browser, type Site } from '../../support/web.js';
import { parse } from '../../support/xmpp-client.js';

/** Debian's own: slixmpp is one of its packages. */
const PYTHON = '/usr/bin/python3';

type Line = { online?: string; refused?: string; subscribed?: string; event?: string; items?: [string, string][] };

/** The script, spoken to in lines. */
class Follower {
  readonly #lines: AsyncIterator<string>;
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  /** What it wrote to stderr: shown when it ends too early. */
  #complaints = '';
  /** Every event, as its XML. */
  readonly events: string[] = [];

  constructor(login: { jid: string; password: string; host: string; port: number }) {
    this.#process = spawn(PYTHON, [path.join(import.meta.dirname, 'follower.py')], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process.stderr.setEncoding('utf8').on('data', (text) => {
      this.#complaints += text;
    });
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
    this.order({ ...login, interest: MICROBLOG });
  }

  order(what: object): void {
    this.#process.stdin.write(`${JSON.stringify(what)}\n`);
  }

  /** The next line that says such a thing. */
  async says<K extends keyof Line>(key: K): Promise<NonNullable<Line[K]>> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`slixmpp ended before it said ${key}:\n${this.#complaints}`);
      const line = JSON.parse(value) as Line;
      if (line.event) this.events.push(line.event);
      if (line[key] !== undefined) return line[key];
      if (line.refused) throw new Error(`the login was refused: ${line.refused}`);
    }
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.order({ quit: true });
    await ended;
  }
}

let prosody: TestServer;
let chat: AuthChat;
let app: Installation;

beforeAll(async () => {
  prosody = await server('prosody');
  chat = prosody.authChat!;
  app = await startInstallation({ server: prosody, chatDomain: chat.domain, env: { DX_AUTH_LISTEN: chat.listen, DX_AUTH_SECRET: chat.secret } });
});
afterAll(() => app.stop());

const login = (username: string, password: string) => new Follower({ jid: `${username}@${chat.domain}`, password, host: prosody.host, port: prosody.c2sPort });

test('slixmpp logs in with an app password, follows alice, and has the event in the moment she posts', async () => {
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
    const event = parse(await follower.says('event'));
    expect(isEvent(alice.jid)(event)).toBe(true);
    expect(told(event)).toEqual([`+${guid} Hello slixmpp`]);
    expect(event.attrs.type).toBe('headline');

    await app.edits(alice, guid, '# Hello again');
    expect(told(parse(await follower.says('event')))).toEqual([`+${guid} Hello again`]);
    const kept = await app.posts(alice, '# Kept');
    await app.deletes(alice, guid);
    await follower.says('event');
    expect(told(parse(await follower.says('event')))).toEqual([`-${guid}`]);
    follower.order({ items: alice.jid });
    expect(await follower.says('items')).toEqual([[kept.guid, 'Kept']]);
    expect(follower.events).toHaveLength(4);
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
