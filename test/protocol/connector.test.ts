// The component stream: against a stand-in for a server that misbehaves as real ones do not on demand, and against real ones.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Element, xml } from '../../src/xml.js';
import { StanzaErrorReply, Transport, type TransportOptions } from '../../src/xmpp/transport.js';
import { FOLLOWER, followByPresence, heard, isEvent, subscribeTo, told } from '../support/follow.js';
import { startInstallation } from '../support/installation.js';
import { freePort, SERVERS, server, startEjabberd, startProsody } from '../support/servers/index.js';
import { silentLog } from '../support/store.js';
import { connect } from '../support/xmpp-client.js';

const DOMAIN = 'social.test';
const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A component listener that does what the test says. */
class StandIn {
  readonly sockets: net.Socket[] = [];
  #received = '';
  #changed: (() => void)[] = [];
  #server: net.Server | undefined;
  port = 0;
  /** Answers the handshake; what else is written after `<handshake/>` in the same chunk. */
  welcome: (socket: net.Socket) => void = (socket) => socket.write('<handshake/>');
  /** Echoes IQs of the domain to itself, as both servers do. */
  echo = true;

  async listen(port = 0): Promise<void> {
    this.#server = net.createServer((socket) => {
      this.sockets.push(socket);
      socket.on('error', () => {});
      let seen = '';
      let welcomed = false;
      socket.on('data', (data) => {
        const text = data.toString('utf8');
        this.#received += text;
        seen += text;
        if (seen.includes('<stream:stream') && !seen.includes('<handshake') && !welcomed) socket.write(`<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='s1' from='${DOMAIN}'>`);
        if (seen.includes('</handshake>') && !welcomed) {
          welcomed = true;
          seen = '';
          this.welcome(socket);
        }
        if (welcomed && this.echo) for (const [iq] of seen.matchAll(/<iq type="get" from="social.test" to="social.test".*?<\/iq>/g)) socket.write(iq);
        if (welcomed) seen = seen.slice(seen.lastIndexOf('>') + 1);
        for (const listener of this.#changed.splice(0)) listener();
      });
    });
    await new Promise<void>((resolve) => this.#server!.listen(port, '127.0.0.1', resolve));
    this.port = (this.#server.address() as net.AddressInfo).port;
    closing.push(() => this.close());
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server!.close(resolve));
  }

  /** Resolves when this has come. */
  async receives(part: string): Promise<void> {
    while (!this.#received.includes(part)) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }
  get received(): string {
    return this.#received;
  }
}

interface Line {
  transport: Transport;
  heard: Element[];
  online(): Promise<void>;
  offline(): Promise<void>;
  next(): Promise<Element>;
}

function dial(port: number, more: Partial<TransportOptions> = {}): Line {
  const heard: Element[] = [];
  let waiting: (() => void)[] = [];
  const wake = () => {
    for (const listener of waiting.splice(0)) listener();
  };
  const transport = new Transport({
    ...{ host: '127.0.0.1', port, domain: DOMAIN, secret: 'geheim ü', log: silentLog },
    onStanza: (stanza) => {
      heard.push(stanza);
      wake();
    },
    onOnline: wake,
    onOffline: wake,
    ...more,
    timing: { retryMinMs: 5, refusedMinMs: 5, stableMs: 20, closeMs: 200, ...more.timing },
  });
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resolve) => {
        waiting.push(resolve);
        setTimeout(resolve, 50).unref();
      });
  };
  closing.push(() => transport.stop());
  waiting = [];
  return {
    transport,
    heard,
    online: () => until(() => transport.online),
    offline: () => until(() => !transport.online),
    next: async () => {
      await until(() => heard.length > 0);
      return heard.shift()!;
    },
  };
}

describe('the stream', () => {
  let standIn: StandIn;
  beforeEach(async () => {
    standIn = new StandIn();
    await standIn.listen();
  });
  const message = (text: string) => xml('message', { from: `alice@${DOMAIN}`, to: 'bob@x.test' }, xml('body', null, text));

  test('proves the secret as XEP-0114 says, in UTF-8', async () => {
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    expect(standIn.received).toContain(`<handshake>${createHash('sha1').update('s1geheim ü', 'utf8').digest('hex')}</handshake>`);
  });

  test('hears stanzas that come in one piece with the handshake', async () => {
    standIn.welcome = (socket) => socket.write(`<handshake/><message from='bob@x.test' to='alice@${DOMAIN}'><body>early</body></message>`);
    const line = dial(standIn.port);
    line.transport.start();
    expect((await line.next()).getChildText('body')).toBe('early');
  });

  test('keeps characters whole that are cut between two chunks', async () => {
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    const text = 'ü€🙂'.repeat(50);
    const bytes = Buffer.from(`<message from='bob@x.test' to='alice@${DOMAIN}'><body>${text}</body></message>`);
    for (const byte of bytes) {
      standIn.sockets[0]!.write(Buffer.of(byte));
      if (byte > 0x7f) await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await line.next()).getChildText('body')).toBe(text);
  });

  test('survives a handler that throws', async () => {
    let calls = 0;
    const line = dial(standIn.port, {
      onStanza: () => {
        calls += 1;
        throw new Error('a bug');
      },
    });
    line.transport.start();
    await line.online();
    for (let i = 0; i < 3; i++) standIn.sockets[0]!.write(`<presence from='bob@x.test' to='alice@${DOMAIN}'/>`);
    await line.transport.barrier();
    expect(calls).toBe(3);
    expect(line.transport.online).toBe(true);
  });

  test('lets nothing out that would close it', async () => {
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    line.transport.send(message('a\u0000b\u0001c\ufffed\ud800e'));
    await standIn.receives('<body>abcde</body>');
    expect(() => line.transport.send(message('x'.repeat(400 * 1024)))).toThrow(expect.objectContaining({ code: 'too-large' }));
    expect(() => line.transport.send(message('€'.repeat(140_000)))).toThrow(expect.objectContaining({ code: 'too-large' }));
    line.transport.send(message('still here'));
    await standIn.receives('still here');
  });

  test('takes nothing while it is offline', async () => {
    const line = dial(standIn.port);
    expect(() => line.transport.send(message('x'))).toThrow(expect.objectContaining({ code: 'unavailable' }));
    await expect(line.transport.barrier()).rejects.toMatchObject({ code: 'unavailable' });
    await expect(line.transport.request(xml('iq', { from: DOMAIN, to: 'x.test', type: 'get' }))).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('a barrier stands after all that was sent before, one for all callers of a turn', async () => {
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    await line.transport.barrier(); // the one that each connection begins with
    const before = standIn.received.length;
    for (let i = 0; i < 10; i++) line.transport.send(message(`m${i}`));
    await Promise.all([line.transport.barrier(), line.transport.barrier(), line.transport.barrier()]);
    const stanzas = standIn.received.slice(before);
    expect(stanzas.match(/<iq /g)).toHaveLength(1);
    expect(stanzas.indexOf('m9')).toBeLessThan(stanzas.indexOf('<iq '));
    expect(line.heard).toEqual([]);
  });

  test('a barrier is not passed by a forged echo, and fails when the stream is lost', async () => {
    standIn.echo = false;
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    const barrier = line.transport.barrier();
    let passed = false;
    void barrier.then(
      () => (passed = true),
      () => {},
    );
    await standIn.receives('urn:xmpp:ping');
    const id = /<iq [^>]*id="([^"]+)"/.exec(standIn.received)![1];
    standIn.sockets[0]!.write(`<iq type='get' id='${id}' from='mallory@x.test' to='${DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>`);
    await line.next();
    expect(passed).toBe(false);
    standIn.sockets[0]!.destroy();
    await expect(barrier).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('an answer counts only from whom was asked', async () => {
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    const ask = (to: string) => line.transport.request(xml('iq', { type: 'get', from: `alice@${DOMAIN}`, to }, xml('query', { xmlns: 'urn:q' })), 300);
    const reply = (from: string, to: string) => {
      const id = [...standIn.received.matchAll(/<iq ([^>]*)id="([^"]+)"/g)].find(([, attrs]) => attrs!.includes('alice@'))![2];
      standIn.sockets[0]!.write(`<iq type='result' id='${id}' from='${from}' to='${to}'><query xmlns='urn:q'/></iq>`);
    };
    const asked = ask('bob@x.test/1');
    await standIn.receives('urn:q');
    reply('mallory@x.test/1', `alice@${DOMAIN}`);
    reply('bob@x.test/1', `carol@${DOMAIN}`);
    reply('bob@x.test/1', `alice@${DOMAIN}`);
    expect((await asked).attrs.from).toBe('bob@x.test/1');
    expect(line.transport.strayReplies).toBe(2);

    await expect(ask('silent@x.test')).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('an answer of type error is one', async () => {
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    const refused = line.transport.request(xml('iq', { type: 'get', from: `alice@${DOMAIN}`, to: 'bob@x.test' }, xml('query', { xmlns: 'urn:q' })));
    await standIn.receives('urn:q');
    const id = /<iq [^>]*to="bob@x.test" id="([^"]+)"/.exec(standIn.received)![1];
    standIn.sockets[0]!.write(`<iq type='error' id='${id}' from='bob@x.test' to='alice@${DOMAIN}'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`);
    await expect(refused).rejects.toBeInstanceOf(StanzaErrorReply);
    await expect(refused).rejects.toThrow('item-not-found');
  });

  test('a server that stops reading is waited for, and memory stays small', async () => {
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    const socket = standIn.sockets[0]!;
    socket.pause();
    const text = 'x'.repeat(10_000);
    const stanza = `<message from="a@${DOMAIN}" to="b@x.test"><body>${text}</body></message>`;
    let sent = 0;
    const all = (async () => {
      for (; sent < 3_000; sent++) {
        line.transport.sendRaw(stanza);
        if (line.transport.crowded) await line.transport.roomy();
      }
    })();
    await new Promise((resolve) => setImmediate(resolve));
    expect(line.transport.crowded).toBe(true);
    expect(sent).toBeLessThan(1_000);
    socket.resume();
    await all;
    await line.transport.barrier();
    expect(standIn.received.split(text)).toHaveLength(3_001);
  });

  test('a flood that waits for nobody is refused at a bound', async () => {
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    standIn.sockets[0]!.pause();
    const stanza = 'x'.repeat(100_000);
    expect(() => {
      for (let i = 0; i < 1_000; i++) line.transport.sendRaw(stanza);
    }).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });

  test('comes back after a loss, at once the first time', async () => {
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    await pause(30); // longer than `stableMs`: this stream was not lost at its start
    const lostAt = performance.now();
    standIn.sockets[0]!.destroy();
    await line.offline();
    await line.online();
    expect(performance.now() - lostAt).toBeLessThan(1_000);
    expect(standIn.sockets).toHaveLength(2);
    await line.transport.barrier();
  });

  test('waits for a server that is not there yet', async () => {
    const port = await freePort();
    const line = dial(port);
    line.transport.start();
    await pause(50);
    expect(line.transport.status()).toMatchObject({ state: 'offline', remedy: expect.stringContaining(String(port)) });
    const late = new StandIn();
    await late.listen(port);
    await line.online();
    expect(line.transport.status().state).toBe('online');
  });

  test('notices a connection whose other end is silent', async () => {
    const line = dial(standIn.port, { timing: { idleMs: 60, silentMs: 60 } });
    line.transport.start();
    await line.online();
    standIn.echo = false;
    await line.offline();
    standIn.echo = true;
    await line.online();
    expect(standIn.sockets.length).toBeGreaterThan(1);
  });

  test('says what is wrong when it is refused, and does not knock in a loop', async () => {
    standIn.welcome = (socket) => socket.end(`<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>`);
    const line = dial(standIn.port, { timing: { refusedMinMs: 5_000 } });
    line.transport.start();
    await standIn.receives('</handshake>');
    while (line.transport.status().state !== 'refused') await pause(5);
    expect(line.transport.status()).toMatchObject({ state: 'refused', reason: expect.stringContaining('already has a component'), remedy: expect.stringContaining('Stop the other program') });
    expect(standIn.sockets).toHaveLength(1);
  });

  test('ends in order: what was queued, the end of the stream, then the socket', async () => {
    const line = dial(standIn.port);
    line.transport.start();
    await line.online();
    line.transport.send(message('last words'));
    const socket = standIn.sockets[0]!;
    const ended = new Promise((resolve) => socket.once('end', resolve));
    await Promise.all([line.transport.stop(), ended.then(() => socket.end())]);
    expect(standIn.received).toMatch(/last words.*<\/stream:stream>$/s);
    expect(line.transport.status()).toMatchObject({ state: 'offline' });
  });
});

describe.each(SERVERS)('on %s', (name) => {
  const start = name === 'prosody' ? startProsody : startEjabberd;

  test('a wrong secret is told, and the web goes on', async () => {
    const here = await server(name);
    const app = await startInstallation({ component: { ...here.component, secret: 'wrong' } });
    closing.push(() => app.stop());
    while (app.connector!.status().state !== 'refused') await pause(20);
    expect(app.connector!.status()).toMatchObject({ reason: expect.stringContaining('secret'), remedy: expect.stringContaining('DX_COMPONENT_SECRET') });
    const ready = await fetch(`${app.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain('DX_COMPONENT_SECRET');
    expect((await fetch(`${app.url}/`)).status).toBe(200);
  });

  test('after our own restart, followers who are there get the next post at once, although others are away', async () => {
    const here = await server(name);
    const stateDir = mkdtempSync(path.join(tmpdir(), 'dx-restart-'));
    closing.push(() => rmSync(stateDir, { recursive: true }));
    const before = await startInstallation({ server: here, stateDir });
    const alice = await before.account('alice');
    const login = async (options: Parameters<typeof connect>[0]) => {
      const client = await connect(options);
      closing.push(() => client.disconnect());
      return client;
    };
    const [romeo, away, subscriber] = [await login({ ...(await here.newAccount('romeo')), features: FOLLOWER }), await connect({ ...(await here.newAccount('away')), features: FOLLOWER }), await login(await here.newAccount('movim'))];
    for (const client of [romeo, away]) await followByPresence(client, alice.jid);
    await subscribeTo(subscriber, alice.jid);
    await before.idle();
    await away.disconnect();
    await before.stop();

    const after = await startInstallation({ server: here, stateDir });
    closing.push(() => after.stop());
    const post = await after.posts(alice, 'awake again');
    for (const client of [romeo, subscriber]) expect(told(await client.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${post.guid} awake again`]);
    await after.idle();
    await romeo.barrier(alice.jid);
    expect(heard(romeo, alice.jid)).toEqual([]);
  });

  test('a server killed in mid-publish and started again: the posts arrive afterwards, each once', async () => {
    const own = await start({ chatDomains: ['chat.own.test'], componentDomains: ['social.own.test'] });
    closing.push(() => own.destroy());
    const component = { domain: 'social.own.test', host: own.host, port: own.componentPort, secret: own.componentSecret };
    const app = await startInstallation({ component, chatDomain: 'chat.own.test' });
    closing.push(() => app.stop());
    const alice = await app.account('alice');
    await own.register('chat.own.test', 'romeo', 'secret');
    const login = async (username: string, features: string[]) => {
      const account = { server: { host: own.host, c2sPort: own.c2sPort, chatDomain: 'chat.own.test' }, username, domain: 'chat.own.test', password: 'secret', jid: `${username}@chat.own.test` };
      return connect({ ...account, features });
    };
    const first = await login('romeo', FOLLOWER);
    await followByPresence(first, alice.jid);
    await app.idle();
    const before = await app.posts(alice, 'before');
    expect(told(await first.receives(isEvent(alice.jid), 'the post before'))).toEqual([`+${before.guid} before`]);
    await app.idle();

    const lost = first.receives('<message/>', 'the end of the connection', { timeoutMs: 20_000 });
    await Promise.all([expect(lost).rejects.toThrow(), own.kill()]);
    const posts = [];
    for (const text of ['one', 'two', 'three']) posts.push(await app.posts(alice, text));
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
    await own.start();
    const romeo = await login('romeo', FOLLOWER);
    closing.push(() => romeo.disconnect());
    const lines: string[] = [];
    while (lines.length < 3) lines.push(...told(await romeo.receives(isEvent(alice.jid), `post ${lines.length + 1}`, { timeoutMs: 25_000 })));
    expect(lines).toEqual(posts.map((post) => `+${post.guid} ${post.title}`));
    await app.idle();
    await romeo.barrier(alice.jid);
    expect(heard(romeo, alice.jid)).toEqual([]);
  }, 60_000);
});

test('what was written into a connection that swallowed it is sent again, and arrives once', async () => {
  const here = await server('prosody');
  let swallows = false;
  let swallowed: () => void = () => {};
  const pipes: net.Socket[] = [];
  const proxy = net.createServer((near) => {
    const far = net.connect(here.component.port, here.component.host);
    pipes.push(near, far);
    for (const socket of [near, far]) socket.on('error', () => {});
    near.on('data', (data) => {
      if (!swallows) far.write(data);
      else if (data.includes('urn:xmpp:microblog:0')) swallowed();
    });
    far.on('data', (data) => near.write(data));
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  closing.push(() => proxy.close());
  const app = await startInstallation({ component: { ...here.component, port: (proxy.address() as net.AddressInfo).port }, chatDomain: here.chatDomain });
  closing.push(() => app.stop());
  const alice = await app.account('alice');
  const romeo = await connect(await here.newAccount('romeo'));
  closing.push(() => romeo.disconnect());
  await subscribeTo(romeo, alice.jid);
  await app.idle();

  swallows = true;
  const gone = new Promise<void>((resolve) => (swallowed = resolve));
  const post = await app.posts(alice, 'swallowed at first');
  await gone;
  swallows = false;
  for (const socket of pipes) socket.destroy();
  expect(told(await romeo.receives(isEvent(alice.jid), 'the post', { timeoutMs: 20_000 }))).toEqual([`+${post.guid} swallowed at first`]);
  await app.idle();
  await romeo.barrier(alice.jid);
  expect(heard(romeo, alice.jid)).toEqual([]);
});

test.each(SERVERS)('a second component of our name on %s learns it and stays away, the first goes on', async (name) => {
  const here = await server(name);
  const first = await startInstallation({ server: here });
  closing.push(() => first.stop());
  const alice = await first.account('alice');
  const romeo = await connect(await here.newAccount('romeo'));
  closing.push(() => romeo.disconnect());
  await subscribeTo(romeo, alice.jid);
  const second = await startInstallation({ server: here });
  closing.push(() => second.stop());
  // ejabberd lets both in, and gives either some of the stanzas: each post's barrier may tell the second one.
  while (second.connector!.status().state !== 'refused') await first.posts(alice, 'is anybody there?');
  expect(second.connector!.status()).toMatchObject({ reason: expect.stringContaining('already has a component'), remedy: expect.stringContaining('Stop the other program') });
  expect(first.connector!.status().state).toBe('online');
});
