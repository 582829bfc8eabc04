// Proves the harness itself: the real servers, the test client, and the Prosody provider against a stand-in endpoint.
import http from 'node:http';
// @ts-ignore no types
import { component as createComponent } from '@xmpp/component';
import { SERVERS, server, startEjabberd, startProsody } from '../support/servers/index.js';
import { connect, type Element, StanzaError, type TestClient, xml } from '../support/xmpp-client.js';

const open: { disconnect(): Promise<void> }[] = [];
const login = async (options: Parameters<typeof connect>[0]): Promise<TestClient> => {
  const client = await connect(options);
  open.push(client);
  return client;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.disconnect()));
});

describe.each(SERVERS)('on %s', (name) => {
  test('two accounts exchange presence and messages', async () => {
    const here = await server(name);
    const romeo = await login(await here.newAccount('romeo'));
    const juliet = await login(await here.newAccount('juliet'));

    await romeo.send(`<presence type='subscribe' to='${juliet.bareJid}'/>`);
    await juliet.receives(`<presence type='subscribe' from='${romeo.bareJid}'/>`);
    await juliet.send(`<presence type='subscribed' to='${romeo.bareJid}'/>`);
    await romeo.receives(`<presence type='subscribed' from='${juliet.bareJid}'/>`);
    await romeo.receives(`<presence from='${juliet.jid}'><c xmlns='http://jabber.org/protocol/caps' hash='sha-1'/></presence>`);

    await romeo.send(`<message type='chat' to='${juliet.jid}'><body>ⓗello €uro 🙂</body></message>`);
    await juliet.receives(`<message from='${romeo.jid}'><body>ⓗello €uro 🙂</body></message>`);
    await juliet.barrier();
    expect(juliet.hasReceived(`<message from='${romeo.jid}'/>`)).toBe(false);
  });

  test('a contact whose caps ask for a node gets its events, another of his clients does not', async () => {
    const here = await server(name);
    const author = await login(await here.newAccount('author'));
    const account = await here.newAccount('reader');
    const reader = await login({ ...account, resource: 'reads', features: ['urn:example:node+notify'] });
    const other = await login({ ...account, resource: 'does-not' });
    await reader.send(`<presence type='subscribe' to='${author.bareJid}'/>`);
    await author.receives(`<presence type='subscribe' from='${account.jid}'/>`);
    await author.send(`<presence type='subscribed' to='${account.jid}'/>`);
    await author.send(`<presence type='subscribe' to='${account.jid}'/>`);
    await reader.receives(`<presence type='subscribe' from='${author.bareJid}'/>`);
    await reader.send(`<presence type='subscribed' to='${author.bareJid}'/>`);
    await author.receives(`<presence from='${reader.jid}'><c xmlns='http://jabber.org/protocol/caps'/></presence>`);

    await author.request(
      `<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:example:node'>
         <item id='one'><thing xmlns='urn:example'/></item></publish></pubsub></iq>`,
    );
    const event = `<message from='${author.bareJid}'><event xmlns='http://jabber.org/protocol/pubsub#event'>
         <items node='urn:example:node'><item id='one'><thing xmlns='urn:example'/></item></items></event></message>`;
    await reader.receives(event);
    await other.barrier();
    expect(other.hasReceived(event)).toBe(false);
  });

  test('a component takes its domain, a large stanza included, and answers', async () => {
    const here = await server(name);
    const { domain, url, secret } = here.component;
    const component = createComponent({ service: url, domain, password: secret });
    component.on('error', () => {});
    const heard = new Promise<Element>((resolve) =>
      component.on('stanza', (stanza: Element) => stanza.is('message') && resolve(stanza)),
    );
    await component.start();
    try {
      const romeo = await login(await here.newAccount('romeo'));
      await romeo.send(`<message to='alice@${domain}'><body>to the component</body></message>`);
      expect((await heard).getChildText('body')).toBe('to the component');

      const long = 'x'.repeat(400_000);
      await component.send(
        xml('message', { from: `alice@${domain}`, to: romeo.jid, type: 'headline' }, xml('body', {}, long)) as never,
      );
      const received = await romeo.receives(`<message from='alice@${domain}'/>`, 'the long message');
      expect(received.getChildText('body')).toHaveLength(long.length);
    } finally {
      component.reconnect.stop();
      await component.stop();
    }
  });

  test('a refusal is an error with its condition', async () => {
    const here = await server(name);
    const romeo = await login(await here.newAccount('romeo'));
    const refused = romeo.request(`<iq type='get' to='nobody@${here.chatDomain}'><query xmlns='urn:example:none'/></iq>`);
    await expect(refused).rejects.toMatchObject({ condition: 'service-unavailable', type: 'cancel' });
    await expect(refused).rejects.toBeInstanceOf(StanzaError);
  });

  test('a wrong password is refused', async () => {
    const account = await (await server(name)).newAccount('romeo');
    await expect(connect({ ...account, password: 'wrong' })).rejects.toMatchObject({ condition: 'not-authorized' });
  });

  test('what does not come is told with what did', async () => {
    const here = await server(name);
    const romeo = await login(await here.newAccount('romeo'));
    await romeo.send(`<message to='${romeo.jid}'><body>something else</body></message>`);
    await romeo.barrier();
    const missing = romeo.receives(`<message><body>expected</body></message>`, 'the message', { timeoutMs: 1 });
    await expect(missing).rejects.toThrow(/did not receive the message.*something else/s);
  });

  test('a server of one’s own can be killed and comes back with its accounts', async () => {
    const own = await (name === 'prosody' ? startProsody : startEjabberd)({ chatDomains: ['own.test'] });
    try {
      await own.register('own.test', 'romeo', 'secret');
      const account = {
        server: { host: own.host, c2sPort: own.c2sPort, chatDomain: 'own.test' },
        username: 'romeo',
        domain: 'own.test',
        password: 'secret',
        jid: 'romeo@own.test',
      };
      const before = await connect(account);
      const loss = before.receives('<message/>', 'anything');
      await Promise.all([expect(loss).rejects.toThrow(/connection|ECONNRESET/), own.kill()]);
      await own.start();
      const after = await login(account);
      expect(after.bareJid).toBe('romeo@own.test');
      await own.stop();
    } finally {
      await own.destroy();
    }
  });
});

test('messages and presence travel between the servers in both directions', async () => {
  const [prosody, ejabberd] = await Promise.all([server('prosody'), server('ejabberd')]);
  const romeo = await login(await prosody.newAccount('romeo'));
  const juliet = await login(await ejabberd.newAccount('juliet'));
  await juliet.send(`<message type='chat' to='${romeo.jid}'><body>from ejabberd</body></message>`);
  await romeo.receives(`<message from='${juliet.jid}'><body>from ejabberd</body></message>`);
  await romeo.send(`<presence type='subscribe' to='${juliet.bareJid}'/>`);
  await juliet.receives(`<presence type='subscribe' from='${romeo.bareJid}'/>`);
});

test('a component on one server hears a user of the other', async () => {
  const [prosody, ejabberd] = await Promise.all([server('prosody'), server('ejabberd')]);
  const { domain, url, secret } = prosody.component;
  const component = createComponent({ service: url, domain, password: secret });
  component.on('error', () => {});
  component.on('stanza', (stanza: Element) => {
    if (stanza.is('message')) component.send(xml('message', { from: stanza.attrs.to, to: stanza.attrs.from }, xml('body', {}, 'heard')));
  });
  await component.start();
  try {
    const juliet = await login(await ejabberd.newAccount('juliet'));
    await juliet.send(`<message to='alice@${domain}'><body>hello</body></message>`);
    await juliet.receives(`<message from='alice@${domain}'><body>heard</body></message>`);
  } finally {
    component.reconnect.stop();
    await component.stop();
  }
});

describe('chat logins through mod_auth_diaspora_x, against a stand-in for our endpoint', () => {
  const asked: { operation: string; method: string; fields: Record<string, string>; authorization: string }[] = [];
  let respond: (fields: Record<string, string>, operation: string) => { status: number; text: string };
  let endpoint: http.Server;

  const endpointOn = async (listen: string) => {
    endpoint = http.createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const fields = Object.fromEntries(new URLSearchParams(body));
      const operation = String(request.url).replace('/auth/', '');
      asked.push({ operation, method: String(request.method), fields, authorization: String(request.headers.authorization) });
      const { status, text } = respond(fields, operation);
      response.writeHead(status).end(text);
    });
    const [host, port] = listen.split(':');
    await new Promise<void>((resolve) => endpoint.listen(Number(port), host, resolve));
  };
  const chatAccount = async (username: string, password: string) => {
    const prosody = await server('prosody');
    const domain = prosody.authChat?.domain as string;
    return { server: prosody, username, domain, password, jid: `${username}@${domain}` };
  };

  beforeEach(async () => {
    asked.length = 0;
    const passwords: Record<string, string> = { alice: 'a:pass&word=ü €', bob: 'bobs' };
    respond = ({ user = '', pass }, operation) => ({
      status: 200,
      text: String(operation === 'user_exists' ? user in passwords : passwords[user] === pass),
    });
    await endpointOn((await server('prosody')).authChat?.listen as string);
  });
  afterEach(() => new Promise((resolve) => endpoint.close(resolve)));

  test('the right password lets in and travels in the body, with the secret', async () => {
    const { authChat } = await server('prosody');
    const alice = await login(await chatAccount('alice', 'a:pass&word=ü €'));
    expect(alice.bareJid).toBe(`alice@${authChat?.domain}`);
    expect(asked[0]).toEqual({
      operation: 'check_password',
      method: 'POST',
      fields: { user: 'alice', server: authChat?.domain, pass: 'a:pass&word=ü €' },
      authorization: `Basic ${Buffer.from(`dx:${authChat?.secret}`).toString('base64')}`,
    });
  });

  test('a wrong password is refused', async () => {
    await expect(connect(await chatAccount('alice', 'wrong'))).rejects.toMatchObject({ condition: 'not-authorized' });
  });

  test.each([
    ['refuses our secret', () => ({ status: 401, text: '' })],
    ['fails', () => ({ status: 500, text: 'true' })],
    ['answers something else', () => ({ status: 200, text: 'perhaps' })],
  ])('an endpoint that %s lets nobody in', async (_, answer) => {
    respond = answer;
    const account = await chatAccount('alice', 'a:pass&word=ü €');
    await expect(connect(account)).rejects.toMatchObject({ condition: 'not-authorized' });
  });

  test('an account without a session gets its messages kept, a name without account is refused', async () => {
    const alice = await login(await chatAccount('alice', 'a:pass&word=ü €'));
    await alice.send(`<message type='chat' id='m1' to='nobody@${alice.bareJid.split('@')[1]}'><body>?</body></message>`);
    await alice.receives(`<message type='error' id='m1'><error><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`);
    const bob = await chatAccount('bob', 'bobs');
    await alice.send(`<message type='chat' to='${bob.jid}'><body>for later</body></message>`);
    await alice.barrier();
    await (await login(bob)).receives(`<message from='${alice.jid}'><body>for later</body></message>`);
  });

  test('a component’s stanza to an unknown name is answered at once', async () => {
    const { component: own } = await server('prosody');
    const component = createComponent({ service: own.url, domain: own.domain, password: own.secret });
    component.on('error', () => {});
    const heard: Element[] = [];
    const inTurn = new Promise<void>((resolve) =>
      component.on('stanza', (stanza: Element) => {
        heard.push(stanza);
        if (stanza.attrs.id === 'after') resolve();
      }),
    );
    await component.start();
    try {
      const { jid } = await chatAccount('stranger', '');
      await component.send(xml('message', { from: own.domain, to: jid, type: 'chat', id: 'm' }, xml('body', {}, 'x')) as never);
      await component.send(xml('iq', { from: own.domain, to: own.domain, type: 'get', id: 'after' }, xml('ping', { xmlns: 'urn:xmpp:ping' })) as never);
      await inTurn;
      expect(heard.filter((stanza) => stanza.attrs.type === 'error')).toEqual([]);
    } finally {
      component.reconnect.stop();
      await component.stop();
    }
  });
});
