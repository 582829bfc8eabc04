// What would end the component's stream for everyone, were it sent as it came (threats.md 10, servers.md): characters that XML 1.0 forbids.
import type { Account } from '../../src/domain/account.js';
import { heard, subscribeTo } from '../support/follow.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { SERVERS, server } from '../support/servers/index.js';
import { Browser, type Site } from '../support/web.js';
import { connect, type TestClient } from '../support/xmpp-client.js';

const POISON: Record<string, string> = {
  NUL: '\u0000',
  'a control character': '\u0001',
  'a vertical tab': '\u000b',
  'U+FFFE': '\ufffe',
  'U+FFFF': '\uffff',
  'the first half of a pair': '\ud83d',
  'the second half of a pair': '\ude42',
  'the end of CDATA': ']]>',
  'a document type': '<!DOCTYPE x [<!ENTITY y "z">]>&y;',
  'the end of the stream': '</stream:stream>',
};

describe.each(SERVERS)('on %s', (name) => {
  let app: Installation;
  let alice: Account & { jid: string };
  let reader: TestClient;
  let browser: Browser;
  /** How often the stream had to be opened again. */
  let reopened = 0;

  beforeAll(async () => {
    const here = await server(name);
    app = await startInstallation({ server: here });
    app.connector!.gate.onOpen(() => (reopened += 1));
    alice = await app.account('alice');
    reader = await connect(await here.newAccount('reader'));
    await subscribeTo(reader, alice.jid);
    browser = new Browser(app.url as unknown as Site['app']);
    await browser.logIn('alice');
  });
  afterAll(async () => {
    await reader.disconnect();
    await app.stop();
  });

  /** What follows it is heard, in order, over the same stream. */
  const goesOn = async (): Promise<string> => {
    await app.posts(alice, '# After it');
    await app.idle();
    await reader.barrier(alice.jid);
    expect(heard(reader, alice.jid).map((line) => line.slice(34)).at(-1)).toBe('After it');
    expect(heard(reader, alice.jid)).toHaveLength(2);
    expect(reopened).toBe(0);
    const text = reader.unread.join('');
    reader.forget();
    return text;
  };

  test.each(Object.keys(POISON))('a post with %s in it disturbs nobody', async (what) => {
    await app.posts(alice, `# be${POISON[what]}fore\n\n[link${POISON[what]}](https://example.org/${encodeURIComponent('ä')}${POISON[what]}) #tag${POISON[what]}`);
    expect(await goesOn()).toMatch(/be.*fore/);
  });

  test('nor one that comes through the form, and her page shows it', async () => {
    const text = `# The form ${Object.values(POISON).join(' and ')}`;
    const answer = await browser.post('/posts', { text, audience: 'public' });
    expect(answer.status).toBe(303);
    expect((await browser.get(answer.headers.location!)).text).toContain('The form');
    await goesOn();
  });

  test('nor an edit', async () => {
    const { guid } = await app.posts(alice, '# Harmless');
    await app.idle();
    await reader.barrier(alice.jid);
    reader.forget();
    await app.edits(alice, guid, `# Harm ${Object.values(POISON).join(' ')}`);
    await goesOn();
  });

  test('nor a name', async () => {
    const { changeProfile } = await import('../../src/services/profiles.js');
    await subscribeTo(reader, alice.jid, 'http://jabber.org/protocol/nick');
    await changeProfile(app.ctx, alice, { displayName: `Ali${Object.values(POISON).join('')}ce`.slice(0, 100), summary: POISON.NUL! });
    await app.posts(alice, '# One');
    expect(await goesOn()).toContain('Ali');
  });
});
