// The line to the XMPP server is slow, hangs, or is cut at the worst moment, and the server is away for days (threats.md 5, 6, 8, 9).
import type { Account } from '../../src/domain/account.js';
import { TIMING, Transport } from '../../src/xmpp/transport.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { checkInvariants, jobsLeft, untilInvariantsHold } from '../support/invariants.js';
import type { Accepted } from '../support/load.js';
import { componentHost, type RunningServer, type ServerName, SERVERS, startEjabberd, startProsody } from '../support/servers/index.js';
import { openSink, type Sink } from '../support/sink.js';
import { silentLog } from '../support/store.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { FAKE_DOMAIN, startFakeServer } from './fake-server.js';
import { until } from './own-server.js';

const SOCIAL = 'social.cuts.test';
const HOSTS = ['one', 'two', 'three', 'four'].map((name) => `${name}.cuts.test`);

describe.each(SERVERS)('%s', (name: ServerName) => {
  let server: RunningServer;
  let sink: Sink;
  let proxy: TcpProxy;
  let app: Installation;
  let passed = 0;
  const accepted: Accepted[] = [];
  const counts = new Map<string, number>();

  beforeAll(async () => {
    server = await { prosody: startProsody, ejabberd: startEjabberd }[name]({ chatDomains: ['cuts.test'], componentDomains: [SOCIAL, ...HOSTS], componentSecret: 'secret' });
    const at = (index: number) => ({ host: componentHost(name, index), port: server.componentPort, secret: 'secret' });
    sink = await openSink(HOSTS.map((domain, index) => ({ domain, ...at(index + 1) })), 10);
    proxy = await startTcpProxy(at(0));
    app = await startInstallation({ component: { domain: SOCIAL, ...at(0), host: proxy.host, port: proxy.port }, chatDomain: '', now: () => Date.now() + passed });
  });
  afterAll(async () => {
    await app.stop();
    await proxy.close();
    sink.close();
    await server.destroy();
  });
  beforeEach(async () => {
    // Of each test only what it posts itself: what came back from a server that was killed is tried again after a while.
    for (await app.idle(); (await jobsLeft(app.ctx.store)) > 0; await app.idle()) passed += 3_600_000;
    for (const ids of sink.received.values()) ids.length = 0;
    accepted.length = 0;
    counts.clear();
    await app.ctx.store.transaction(async (tx) => {
      for (const table of ['activities', 'posts']) await tx.query(`delete from ${table}`);
    });
  });

  const people: (Account & { jid: string })[] = [];
  async function authors(count: number): Promise<typeof people> {
    while (people.length < count) {
      const account = await app.account(`author${people.length}`);
      await sink.subscribe(account.jid);
      people.push(account);
    }
    return people.slice(0, count);
  }
  async function post(author: Account): Promise<void> {
    const number = counts.get(author.username) ?? 0;
    counts.set(author.username, number + 1);
    const { guid } = await app.posts(author, `# ${author.username} ${number}`);
    await app.ctx.store.transaction((tx) => tx.query('update posts set once = ? where guid = ?', [`${author.username}-${number}`, guid]));
    accepted.push({ username: author.username, number, guid });
  }
  /** Everything that was posted is with everyone, in order. @returns how often it came again */
  async function everythingHasArrived(): Promise<number> {
    passed += 10_000; // what had failed rests for some seconds, and `distribute` looks again
    await app.idle();
    const { faults, repeated } = await untilInvariantsHold(app.ctx.store, () => ({ accepted, hosts: HOSTS, received: sink.received }), 15_000);
    expect(faults).toEqual([]);
    return repeated;
  }
  const page = async () => expect((await fetch(`${app.url}/u/author0`)).status).toBe(200);
  const online = () => until(() => app.connector!.status().state === 'online', 'the connector is online', 20_000);

  test('everything comes a while late: it arrives in order, once, and the pages do not wait for it', async () => {
    const [alice] = await authors(1);
    proxy.delay(150);
    for (let count = 0; count < 10; count++) await post(alice!);
    await page();
    expect(await everythingHasArrived()).toBe(0);
    proxy.pass();
  });

  test('the server reads one byte a second: posts are accepted and pages read; once it reads again, all arrive in order', async () => {
    const [alice, bob] = await authors(2);
    proxy.trickle(1);
    for (let count = 0; count < 30; count++) await post(count % 2 === 0 ? alice! : bob!);
    await page();
    expect(await jobsLeft(app.ctx.store)).toBeGreaterThan(0);
    proxy.pass();
    await online();
    await everythingHasArrived();
  });

  test('the server delivers twenty bytes a second to us: readers have the posts at once, which count as arrived when it has said so; nothing is sent twice', async () => {
    const some = await authors(2);
    let heard = 0;
    const everyone = new Promise<void>((resolve) => {
      sink.onItem = () => ++heard === some.length * sink.readers.length && resolve();
    });
    proxy.trickle(20, 'far');
    for (const author of some) await post(author);
    await everyone;
    sink.onItem = () => {};
    expect(await jobsLeft(app.ctx.store)).toBeGreaterThan(0);
    expect(app.connector!.status().state).toBe('online');
    for (const author of some) await post(author); // each waits for the one before it
    await page();
    proxy.pass();
    expect(await everythingHasArrived()).toBe(0);
  });

  test('a cut in mid fan-out, and the same again: every reader has every post, in order', async () => {
    const [alice, bob] = await authors(2);
    for (const cut of ['reset', 'swallow and reset', 'server killed'] as const) {
      let heard = 0;
      const begun = new Promise<void>((resolve) => {
        sink.onItem = () => ++heard === 40 && resolve();
      });
      if (cut !== 'swallow and reset') {
        for (let count = 0; count < 6; count++) await post(count % 2 === 0 ? alice! : bob!);
        await begun;
      } else {
        proxy.swallow();
        for (let count = 0; count < 6; count++) await post(count % 2 === 0 ? alice! : bob!);
        await until(() => proxy.swallowed > 0, 'some of it is on its way');
      }
      if (cut === 'server killed') {
        await server.kill();
        await page();
        await server.start();
        await sink.reconnect();
      } else {
        proxy.pass();
        proxy.reset();
      }
      await until(() => app.connector!.status().state !== 'online', 'the loss is noticed', 4_000).catch(() => {}); // or it is over already
      await online();
      sink.onItem = () => {};
      passed += 10_000;
      await app.idle();
    }
    // What the killed server had taken and not yet handed on is gone with it: the readers there look it up.
    const { faults } = await checkInvariants(app.ctx.store, { accepted, hosts: HOSTS, received: new Map() });
    expect(faults).toEqual([]);
    const killedAt = 12;
    for (const ids of sink.received.values()) {
      const firsts = [...new Set(ids)];
      expect(firsts).toEqual(expect.arrayContaining(accepted.slice(0, killedAt).map(({ guid }) => guid)));
      for (const author of [alice!, bob!]) {
        const own = accepted.filter(({ username }) => username === author.username).map(({ guid }) => guid);
        expect(firsts.filter((id) => own.includes(id))).toEqual(own.filter((id) => firsts.includes(id)));
      }
    }
  }, 60_000);

  test('away for three days while 800 deliveries come together: then all in order per author, and pages meanwhile', async () => {
    const some = await authors(8);
    await server.stop();
    await until(() => app.connector!.status().state !== 'online', 'the loss is noticed');
    for (let round = 0; round < 25; round++) {
      passed += 72 / 25 * 3_600_000;
      for (const author of some) await post(author);
    }
    await app.idle();
    expect(await jobsLeft(app.ctx.store)).toBeGreaterThanOrEqual(800);
    await server.start();
    await sink.reconnect();
    await online();
    while ((await jobsLeft(app.ctx.store)) > 300) await page();
    expect(await everythingHasArrived()).toBe(0);
  }, 180_000);
});

describe('a line that is dead without a word', () => {
  test('is found within 60 s when nobody waits for anything: tried with all times a hundredth', async () => {
    const watchedEveryMs = Math.min(TIMING.idleMs, TIMING.silentMs) / 3;
    expect(TIMING.idleMs + TIMING.silentMs + 2 * watchedEveryMs).toBeLessThanOrEqual(60_000);
    const fake = await startFakeServer();
    const proxy = await startTcpProxy(fake.component);
    const timing = Object.fromEntries(Object.entries(TIMING).map(([key, ms]) => [key, ms / 100]));
    let lost!: () => void;
    const gone = new Promise<void>((resolve) => (lost = resolve));
    const transport = new Transport({ domain: FAKE_DOMAIN, host: proxy.host, port: proxy.port, secret: 'secret', log: silentLog, timing: { ...timing, stepMs: 5_000 }, onStanza: () => {}, onOffline: lost });
    try {
      transport.start();
      await until(() => transport.online, 'the transport is online');
      await transport.barrier();
      const from = performance.now();
      proxy.stall();
      await gone;
      expect(performance.now() - from).toBeGreaterThan((TIMING.idleMs + TIMING.silentMs) / 100 - 100);
      expect(transport.status().reason).toMatch(/nothing came/);
    } finally {
      await transport.stop();
      await proxy.close();
      await fake.close();
    }
  });
});
