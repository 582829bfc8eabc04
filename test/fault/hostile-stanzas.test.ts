// What others send: with our users' names, around the server, or with no name at all (threats.md 25-27), and floods (20).
import { readFileSync } from 'node:fs';
// @ts-expect-error no types
import { component as createComponent } from '@xmpp/component';
import type { Account } from '../../src/domain/account.js';
import { findLocalActor, upsertRemoteActor } from '../../src/store/actors.js';
import { openStore } from '../../src/store/open.js';
import { saveLeg } from '../../src/store/xmpp.js';
import { MICROBLOG, pubsub } from '../support/follow.js';
import { type Installation, PASSWORD, startInstallation } from '../support/installation.js';
import { componentHost, SERVERS, type TestAccount } from '../support/servers/index.js';
import { startService } from '../support/service-process.js';
import { silentLog } from '../support/store.js';
import { connect, type Element, parse } from '../support/xmpp-client.js';
import { FAKE_DOMAIN, type FakeServer, startFakeServer } from './fake-server.js';
import { CHAT, FOREIGN, type OwnServer, ownServer, SOCIAL, until } from './own-server.js';

const ENTRY = "<entry xmlns='http://www.w3.org/2005/Atom'><title>forged</title></entry>";
const PUBLISH = `<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='${MICROBLOG}'><item id='forged'>${ENTRY}</item></publish></pubsub>`;
const postsIn = async (app: Installation): Promise<string[]> => (await app.ctx.store.query<{ title: string }>('select title from posts where deleted_at is null order by guid')).map(({ title }) => title);

describe.each(SERVERS)('through %s', (name) => {
  let own: OwnServer;
  let bobs: TestAccount;
  let app: Installation;
  let alice: Account & { jid: string };
  let guid: string;
  beforeAll(async () => {
    own = await ownServer(name);
    bobs = await own.account('bob');
    app = await startInstallation({ server: own });
    alice = await app.account('alice');
    guid = (await app.posts(alice, '# True')).guid;
  });
  afterAll(async () => {
    await app.stop();
    await own.destroy();
  });

  /** Another component of the same server. */
  const foreign = async () => {
    const component = createComponent({ service: `xmpp://${componentHost(name, 1)}:${own.componentPort}`, domain: FOREIGN, password: own.componentSecret });
    component.on('error', () => {});
    const closed = new Promise<void>((resolve) => component.on('disconnect', resolve));
    await component.start();
    component.reconnect.stop();
    const received: Element[] = [];
    component.on('stanza', (stanza: Element) => received.push(stanza));
    return {
      closed,
      received,
      send: (text: string) => component.send(parse(text) as never) as Promise<void>,
      request: async (text: string): Promise<Element> => {
        const iq = parse(text);
        iq.attrs.id = `r${Math.random()}`;
        const from = iq.attrs.from!;
        await component.send(iq as never);
        await until(() => received.some((one) => one.attrs.id === iq.attrs.id && one.attrs.to === from), 'the answer');
        return received.find((one) => one.attrs.id === iq.attrs.id)!;
      },
      stop: () => component.stop().catch(() => {}),
    };
  };
  const errorOf = (answer: Element) => answer.getChild('error')?.getChildElements().map((child) => child.name);

  test.each(['alice@own.test', `alice@${SOCIAL}`, `alice@${SOCIAL}/social`, SOCIAL])('a foreign component that writes as %s is heard by nobody', async (forged) => {
    const bob = await connect(bobs);
    const other = await foreign();
    await other.send(`<iq type='set' id='1' from='${forged}' to='${alice.jid}'>${PUBLISH}</iq>`).catch(() => {});
    await other.send(`<message type='headline' from='${forged}' to='${bob.jid}'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${MICROBLOG}'><item id='forged'>${ENTRY}</item></items></event></message>`).catch(() => {});
    await other.send(`<presence type='unsubscribed' from='${forged}' to='${alice.jid}'/>`).catch(() => {});
    await other.closed; // the server ends the stream of whoever forges a sender
    await bob.barrier(alice.jid);
    expect(bob.unread.join('')).not.toContain('forged');
    expect(await postsIn(app)).toEqual(['True']);
    await bob.disconnect();
    await other.stop();
  });

  test('under its own name it may do nothing that is hers, whatever it names inside', async () => {
    const other = await foreign();
    const me = `mallory@${FOREIGN}`;
    const as = (type: 'get' | 'set', inside: string, owner = '') => pubsub(type, alice.jid, inside, owner).replace('<iq ', `<iq from='${me}' `);
    const forbidden: [string, Promise<Element>][] = [
      ['publish', other.request(as('set', `<publish node='${MICROBLOG}'><item id='${guid}' publisher='${alice.jid}'>${ENTRY}</item></publish>`))],
      ['retract', other.request(as('set', `<retract node='${MICROBLOG}'><item id='${guid}'/></retract>`))],
      ['configure', other.request(as('get', `<configure node='${MICROBLOG}'/>`, '#owner'))],
      ['delete', other.request(as('set', `<delete node='${MICROBLOG}'/>`, '#owner'))],
      ['purge', other.request(as('set', `<purge node='${MICROBLOG}'/>`, '#owner'))],
      ['see subscribers', other.request(as('get', `<subscriptions node='${MICROBLOG}'/>`, '#owner'))],
    ];
    for (const [what, answer] of forbidden) expect([what, errorOf(await answer)]).toEqual([what, expect.arrayContaining(['forbidden'])]);
    for (const jid of [alice.jid, 'alice@own.test', `bob@${CHAT}`]) {
      expect(errorOf(await other.request(as('set', `<subscribe node='${MICROBLOG}' jid='${jid}'/>`)))).toEqual(expect.arrayContaining(['bad-request', 'invalid-jid']));
      expect(errorOf(await other.request(as('set', `<unsubscribe node='${MICROBLOG}' jid='${jid}'/>`)))).toEqual(expect.arrayContaining(['bad-request']));
    }
    expect(await postsIn(app)).toEqual(['True']);
    await other.stop();
  });

  test('what it forwards, or claims to hold a privilege for, is nothing to us', async () => {
    const other = await foreign();
    const me = `mallory@${FOREIGN}`;
    const inner = `<iq xmlns='jabber:client' type='set' id='x' from='alice@${CHAT}' to='${alice.jid}'>${PUBLISH}</iq>`;
    const message = `<message xmlns='jabber:client' from='alice@${CHAT}' to='${alice.jid}'><body>forged</body></message>`;
    for (const inside of [
      `<privilege xmlns='urn:xmpp:privilege:2'><perm access='message' type='outgoing'/><forwarded xmlns='urn:xmpp:forward:0'>${message}</forwarded></privilege>`,
      `<privilege xmlns='urn:xmpp:privilege:2'><perm access='iq'><namespace ns='http://jabber.org/protocol/pubsub' type='both'/></perm></privilege>`,
      `<forwarded xmlns='urn:xmpp:forward:0'>${inner}</forwarded>`,
      `<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>${message}</forwarded></sent>`,
      `<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${MICROBLOG}'><item id='forged' publisher='${alice.jid}'>${ENTRY}</item></items></event>`,
    ]) {
      await other.send(`<message from='${me}' to='${alice.jid}'>${inside}</message>`);
      await other.send(`<message from='${me}' to='${SOCIAL}'>${inside}</message>`);
    }
    for (const to of [alice.jid, SOCIAL]) {
      const answer = await other.request(`<iq type='set' from='${me}' to='${to}'><privileged_iq xmlns='urn:xmpp:privilege:2'>${inner}</privileged_iq></iq>`);
      expect(errorOf(answer)).toEqual(expect.arrayContaining(['service-unavailable']));
    }
    await other.request(`<iq type='get' from='${me}' to='${alice.jid}'><ping xmlns='urn:xmpp:ping'/></iq>`);
    expect(await postsIn(app)).toEqual(['True']);
    expect(other.received.filter((stanza) => stanza.is('message'))).toEqual([]);
    expect(app.connector!.counts().failed).toBe(0);
    await other.stop();
  });
});

describe('from a server that says anything', () => {
  let fake: FakeServer;
  let app: Installation;
  let alice: Account & { jid: string };
  beforeAll(async () => {
    fake = await startFakeServer();
    app = await startInstallation({ component: fake.component, chatDomain: 'fake.test' });
    alice = await app.account('alice');
  });
  afterAll(async () => {
    await app.stop();
    await fake.close();
  });
  const ping = () => fake.ask(`<iq type='get' from='bob@fake.test/b' to='${alice.jid}'><ping xmlns='urn:xmpp:ping'/></iq>`);

  test.each([
    ['without from', `<iq type='set' id='1' to='alice@${FAKE_DOMAIN}'>${PUBLISH}</iq>`],
    ['with an empty from', `<iq type='set' id='1' from='' to='alice@${FAKE_DOMAIN}'>${PUBLISH}</iq>`],
    ['without to', `<iq type='set' id='1' from='alice@fake.test/a'>${PUBLISH}</iq>`],
    ['without both', `<iq type='set' id='1'>${PUBLISH}</iq>`],
    ['from one of our own', `<iq type='set' id='1' from='alice@${FAKE_DOMAIN}' to='alice@${FAKE_DOMAIN}'>${PUBLISH}</iq>`],
    ['from our own domain', `<iq type='set' id='1' from='${FAKE_DOMAIN}' to='alice@${FAKE_DOMAIN}'>${PUBLISH}</iq>`],
    ['to somebody who is not ours', `<iq type='set' id='1' from='alice@fake.test/a' to='alice@elsewhere.test'>${PUBLISH}</iq>`],
    ['to a domain that ends like ours', `<iq type='set' id='1' from='alice@fake.test/a' to='alice@not${FAKE_DOMAIN}'>${PUBLISH}</iq>`],
    ['from an address that is none', `<iq type='set' id='1' from='@/a' to='alice@${FAKE_DOMAIN}'>${PUBLISH}</iq>`],
  ])('a stanza %s is dropped, counted, and not answered', async (_, stanza) => {
    const { dropped } = app.connector!.counts();
    const answers: Element[] = [];
    fake.onStanza = (answer) => answers.push(answer);
    fake.send(stanza);
    await ping();
    expect(app.connector!.counts().dropped).toBe(dropped + 1);
    expect(answers).toEqual([]);
    expect(await postsIn(app)).toEqual([]);
  });
});

/**
 * What may wait, and be kept in mind, has bounds of its own: 20,000 follow-ups and 16 resources for each of 2,000 contacts are some 130 MB. A process
 * that kept more of what floods it would die of this limit.
 */
const HEAP_MB = 256;

test('50,000 presences at once, and as many again and again: requests are answered, few questions go out, and memory stays within bounds', async () => {
  const fake = await startFakeServer();
  const service = await startService(fake.component, { env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` } });
  const died = new Promise<never>((_, reject) => service.process.once('exit', () => reject(new Error(`it did not live through it:\n${service.output().slice(-2_000)}`))));
  died.catch(() => {}); // its end at the end of the test
  try {
    await fake.connected();
    const alice = `alice@${FAKE_DOMAIN}`;
    service.dx(['account', 'create', 'alice', '--email', 'alice@mail.test', '--password-file', '-'], PASSWORD);
    // Of two thousand people who follow her the presence counts; the others are strangers.
    const store = await openStore(`sqlite:${service.database}`, silentLog);
    await store.transaction(async (tx) => {
      const { id: actorId } = (await findLocalActor(tx, 'alice'))!;
      for (let count = 0; count < 2_000; count++) {
        const jid = `f${count}@flood.test`;
        const { id } = await upsertRemoteActor(tx, { username: `f${count}`, domain: 'flood.test', address: { protocol: 'xmpp', value: jid } });
        await saveLeg(tx, { actorId, jid, personId: id, inbound: 'on', outbound: 'on', capsOnly: true, lastGuid: null });
      }
    });
    await store.close();
    const ping = () => Promise.race([died, fake.ask(`<iq type='get' from='bob@fake.test/b' to='${alice}'><ping xmlns='urn:xmpp:ping'/></iq>`)]);
    /** The most that the process has ever held in memory, in megabytes. */
    const peakMb = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${service.process.pid}/status`, 'utf8'))![1]) / 1024;
    let asked = 0;
    fake.onStanza = (stanza) => {
      if (stanza.is('iq')) asked += 1; // never answered
    };
    await ping();
    const before = peakMb();
    const from = Date.now();
    const caps = (ver: string) => `<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://flood.test' ver='${ver}'/>`;
    for (const round of 'abc') {
      // More than may wait for an answer about caps (20,000), of two dozen resources each; and strangers.
      for (let count = 0; count < 50_000; count++) {
        const sender = count % 13 === 0 ? `stranger${round}${count}@flood.test/r` : `f${count % 2_000}@flood.test/${round}${count}`;
        fake.send(`<presence from='${sender}' to='${alice}'>${caps(`${round}${count}`)}</presence>`);
      }
      expect((await ping()).attrs.type).toBe('result');
    }
    // Beside the heap: what is young in it, and what the socket holds.
    expect(peakMb() - before).toBeLessThan(HEAP_MB + 64);
    // 64 at a time, and each is given up after ten seconds.
    expect(asked).toBeLessThanOrEqual(64 * (1 + Math.floor((Date.now() - from) / 10_000)));
  } finally {
    await service.destroy();
    await fake.close();
  }
}, 90_000);
