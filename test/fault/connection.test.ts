// The network between us and the XMPP server goes bad (threats.md 5, 8, 9).
import { Transport, type TransportOptions } from '../../src/xmpp/transport.js';
import { serialize, xml } from '../../src/xml.js';
import { heard, subscribeTo } from '../support/follow.js';
import { startInstallation } from '../support/installation.js';
import { SERVERS, server } from '../support/servers/index.js';
import { silentLog } from '../support/store.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { connect } from '../support/xmpp-client.js';
import { FAKE_DOMAIN, type FakeServer, startFakeServer } from './fake-server.js';
import { until } from './own-server.js';

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
const later = <T>(what: T, stop: (what: T) => Promise<unknown>): T => {
  stops.push(() => stop(what));
  return what;
};

describe.each(SERVERS)('%s', (name) => {
  test('bytes that only the kernel took are sent again: posts survive a connection that swallows them and is then reset', async () => {
    const here = await server(name);
    const proxy = later(await startTcpProxy(here.component), (one) => one.close());
    let passed = 0;
    const component = { ...here.component, host: proxy.host, port: proxy.port };
    const app = later(await startInstallation({ component, chatDomain: here.chatDomain, now: () => Date.now() + passed }), (one) => one.stop());
    const alice = await app.account('alice');
    const reader = later(await connect(await here.newAccount('reader')), (one) => one.disconnect());
    await subscribeTo(reader, alice.jid);
    await app.posts(alice, '# Before');
    await app.idle();

    proxy.swallow();
    for (const count of [1, 2, 3]) await app.posts(alice, `# Lost ${count}`);
    await until(() => proxy.swallowed > 0, 'the first of them has left');
    const back = new Promise<void>((resolve) => app.connector!.gate.onOpen(resolve));
    proxy.pass();
    proxy.reset();
    await back;
    passed += 10_000; // what had failed rests for some seconds; a new post wakes the queue
    await app.posts(alice, '# After');
    await app.idle();
    await reader.barrier(alice.jid);
    expect(heard(reader, alice.jid).map((line) => line.slice(34))).toEqual(['Before', 'Lost 1', 'Lost 2', 'Lost 3', 'After']);
  });
});

describe('the transport', () => {
  let fake: FakeServer;
  let proxy: TcpProxy;
  beforeEach(async () => {
    fake = later(await startFakeServer(), (one) => one.close());
    proxy = later(await startTcpProxy(fake.component), (one) => one.close());
  });
  const open = async (options: Partial<TransportOptions> = {}): Promise<Transport> => {
    const transport = new Transport({ domain: FAKE_DOMAIN, host: proxy.host, port: proxy.port, secret: 'secret', log: silentLog, onStanza: () => {}, ...options });
    later(transport, (one) => one.stop());
    transport.start();
    await until(() => transport.online, 'the transport is online');
    return transport;
  };

  test('finds out by silence that the other side hangs, and comes back when it works again', async () => {
    const transport = await open({ timing: { idleMs: 100, silentMs: 150, retryMinMs: 20, retryMaxMs: 50, stepMs: 200, closeMs: 100 } });
    await transport.barrier();
    const from = performance.now();
    proxy.stall();
    // Somebody waits for an answer: he is told, too.
    await expect(transport.barrier()).rejects.toMatchObject({ code: 'unavailable' });
    expect(performance.now() - from).toBeLessThan(2_000);
    expect(transport.online).toBe(false);
    expect(transport.status()).toMatchObject({ state: 'offline', reason: expect.stringMatching(/nothing came|does not/) });
    proxy.pass();
    proxy.reset();
    await until(() => transport.online, 'it is online again');
    await transport.barrier();
    expect(fake.streams).toBe(2);
  });

  test('a server that does not read is not drowned: what waits is bounded, callers wait, and everything arrives once it reads again', async () => {
    fake.skims = true;
    const transport = await open();
    const text = serialize(xml('message', { from: FAKE_DOMAIN, to: 'reader@fake.test' }, xml('body', null, 'x'.repeat(300_000))));
    proxy.trickle(1);
    let sent = 0;
    let refused: unknown;
    const before = process.memoryUsage();
    for (; sent < 200 && refused === undefined; sent++) {
      try {
        transport.sendRaw(text);
      } catch (error) {
        refused = error;
      }
      await new Promise(setImmediate);
    }
    expect(refused).toMatchObject({ code: 'unavailable' });
    // The kernel's buffers, ours, and no more: far from 200 × 300 kB.
    expect(process.memoryUsage().external + process.memoryUsage().heapUsed - before.external - before.heapUsed).toBeLessThan(48 * 1024 * 1024);
    expect(transport.crowded).toBe(true);
    const roomy = transport.roomy();
    proxy.pass();
    await roomy;
    await transport.barrier();
    expect(fake.skimmed).toBe(sent - 1);
    expect(transport.crowded).toBe(false);
  });

  test('a server that delivers slowly to us is not silent: the connection stays, and the answer counts when all of it is there', async () => {
    const timing = { idleMs: 1_000, silentMs: 1_500, stepMs: 5_000 };
    const transport = await open({ timing });
    await transport.barrier();
    proxy.trickle(50, 'far');
    const from = performance.now();
    await transport.barrier();
    expect(performance.now() - from).toBeGreaterThan(timing.silentMs);
    expect(fake.streams).toBe(1);
    proxy.pass();
    await transport.barrier();
  });

  test('callers that wait for room are told when the connection is lost', async () => {
    const transport = await open({ timing: { retryMinMs: 20 } });
    proxy.trickle(1);
    const text = serialize(xml('message', { from: FAKE_DOMAIN, to: 'reader@fake.test' }, xml('body', null, 'x'.repeat(300_000))));
    while (!transport.crowded) {
      transport.sendRaw(text);
      await new Promise(setImmediate);
    }
    const roomy = transport.roomy();
    proxy.reset();
    await expect(roomy).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('an answer counts only from the address that was asked', async () => {
    const transport = await open();
    fake.onStanza = (stanza) => {
      const { id, from } = stanza.attrs;
      fake.send(`<iq type='result' id='${id}' from='mallory@fake.test' to='${from}'><query xmlns='jabber:iq:version'><name>forged</name></query></iq>`);
      fake.send(`<iq type='result' id='${id}' from='bob@fake.test/b' to='${from}'><query xmlns='jabber:iq:version'><name>true</name></query></iq>`);
    };
    const reply = await transport.request(xml('iq', { type: 'get', from: `alice@${FAKE_DOMAIN}`, to: 'bob@fake.test/b' }, xml('query', { xmlns: 'jabber:iq:version' })));
    expect(reply.getChild('query')!.getChildText('name')).toBe('true');
    expect(transport.strayReplies).toBe(1);
  });
});
