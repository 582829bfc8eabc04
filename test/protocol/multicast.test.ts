// The server multiplies (XEP-0033): on both servers, with the settings that `dx snippet` prints, to accounts here and on the other server.
// @ts-ignore the package has no types
import { component as createComponent } from '@xmpp/component';
import { listDeliveries } from '../../src/store/ledger.js';
import { TARGETS } from '../../src/store/xmpp.js';
import { FOLLOWER, followByPresence, heard, isEvent, subscribeTo, told } from '../support/follow.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { removeFolder } from '../support/servers/daemon.js';
import { componentHost, type Network, planNetwork, type RunningServer, SERVERS, type ServerName } from '../support/servers/index.js';
import { startMulticast } from '../support/servers/multicast.js';
import { connect, type Element, StanzaError, type TestClient } from '../support/xmpp-client.js';

const chatOf = (name: ServerName): string => `${name}.multicast.test`;
/** The first is admitted by both servers, the second by none. */
const componentsOf = (name: ServerName): string[] => [`social.${chatOf(name)}`, `other.${chatOf(name)}`];

let network: Network;
const servers = {} as Record<ServerName, RunningServer>;
const apps: Installation[] = [];
const clients: TestClient[] = [];

beforeAll(async () => {
  const domains = (name: ServerName) => [chatOf(name), `multicast.${chatOf(name)}`, ...componentsOf(name)];
  network = await planNetwork({ prosody: domains('prosody'), ejabberd: domains('ejabberd') });
  for (const name of SERVERS) {
    const options = { chatDomains: [chatOf(name)], componentDomains: componentsOf(name), network };
    servers[name] = await startMulticast(name, options, chatOf(name), SERVERS.map((each) => componentsOf(each)[0]!));
  }
});
afterEach(() => Promise.all(clients.splice(0).map((client) => client.disconnect())));
afterAll(async () => {
  for (const app of apps) await app.stop();
  for (const name of SERVERS) await servers[name]?.destroy();
  if (network) await removeFolder(network.folder);
});

let made = 0;
async function reader(name: ServerName, options: { resource?: string } = {}): Promise<TestClient> {
  const [server, domain, username] = [servers[name], chatOf(name), `reader${++made}`];
  await server.register(domain, username, 'pw');
  const at = { host: server.host, c2sPort: server.c2sPort, chatDomain: domain };
  const client = await connect({ server: at, username, domain, password: 'pw', jid: `${username}@${domain}`, features: FOLLOWER, ...options });
  clients.push(client);
  return client;
}

async function install(name: ServerName, component: 0 | 1): Promise<Installation> {
  const server = servers[name];
  const app = await startInstallation({
    component: { domain: componentsOf(name)[component]!, host: componentHost(name, component), port: server.componentPort, secret: server.componentSecret },
    chatDomain: '',
  });
  apps.push(app);
  return app;
}

const subscribers = async (name: ServerName, count: number, to: string): Promise<TestClient[]> => {
  const found: TestClient[] = [];
  for (let i = 0; i < count; i++) {
    const client = await reader(name);
    await subscribeTo(client, to);
    found.push(client);
  }
  return found;
};

describe.each(SERVERS)('on %s', (name) => {
  const there: ServerName = name === 'prosody' ? 'ejabberd' : 'prosody';
  let app: Installation;
  beforeAll(async () => {
    app = await install(name, 0);
  });

  /** How many messages the component sent while this was done. */
  async function messages(work: () => Promise<unknown>, of = app): Promise<number> {
    const before = of.connector!.counts().sent.message;
    await work();
    await of.idle();
    return of.connector!.counts().sent.message - before;
  }
  const quiet = async (client: TestClient, jid: string, of = app) => {
    await of.idle();
    await client.barrier(jid);
  };

  test('one stanza a server brings a post, its edit and its end to everyone there, once, in order, and shows nobody else', async () => {
    const alice = await app.account(`alice${++made}`);
    const here = await subscribers(name, 4, alice.jid);
    const elsewhere = await subscribers(there, 4, alice.jid);
    const byPresence = await reader(name, { resource: 'a <&"\'> b' });
    await followByPresence(byPresence, alice.jid);
    const all = [...here, ...elsewhere, byPresence];
    await app.idle();

    let guid = '';
    expect(await messages(async () => ({ guid } = await app.posts(alice, 'first')))).toBe(2);
    expect(await messages(() => app.edits(alice, guid, 'second'))).toBe(2);
    expect(await messages(() => app.deletes(alice, guid))).toBe(2);
    for (const client of all) {
      await quiet(client, alice.jid);
      const events = client.unread.filter(isEvent(alice.jid));
      expect(events.flatMap(told)).toEqual([`+${guid} first`, `+${guid} second`, `-${guid}`]);
      for (const event of events) {
        expect(event.getChild('addresses')).toBeUndefined();
        expect(event.attrs.to).toBe(client === byPresence ? client.jid : client.bareJid);
        for (const other of all) if (other !== client) expect(event.toString()).not.toContain(other.bareJid);
      }
    }
    const deliveries = await listDeliveries(app.ctx.store, guid);
    expect(deliveries.map(({ host, state, recipients }) => [host, state, recipients]).sort()).toEqual(
      [...Array(3).fill([chatOf(name), 'arrived', 5]), ...Array(3).fill([chatOf(there), 'arrived', 4])].sort(),
    );
  });

  test('of more readers than are read at once each gets it once, whichever way he follows', async () => {
    const alice = await app.account(`alice${++made}`);
    const all = await subscribers(name, 5, alice.jid);
    for (const client of all.slice(3)) await followByPresence(client, alice.jid); // both ways
    for (let i = 0; i < 4; i++) {
      const client = await reader(name);
      await followByPresence(client, alice.jid);
      all.push(client);
    }
    await app.idle();
    const normal = TARGETS.page;
    TARGETS.page = 3;
    try {
      const { guid } = await app.posts(alice, 'for pages');
      for (const client of all) {
        await quiet(client, alice.jid);
        expect(told(await client.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${guid} for pages`]);
        expect(heard(client, alice.jid)).toEqual([]);
      }
      expect((await listDeliveries(app.ctx.store, guid)).map(({ state, recipients }) => [state, recipients])).toEqual([['arrived', 9]]);
    } finally {
      TARGETS.page = normal;
    }
  });

  test('who has blocked the author at his own server gets nothing, the others do', async () => {
    const alice = await app.account(`alice${++made}`);
    const all = [...(await subscribers(name, 4, alice.jid)), ...(await subscribers(there, 4, alice.jid))];
    const blockers = [all[1]!, all[6]!];
    for (const client of blockers) await client.request(`<iq type='set'><block xmlns='urn:xmpp:blocking'><item jid='${alice.jid}'/></block></iq>`);
    let guid = '';
    expect(await messages(async () => ({ guid } = await app.posts(alice, 'not for all')))).toBe(2);
    for (const client of all) {
      // The blocked one would not answer a barrier: the server's own does.
      await client.request(`<iq type='get' to='${chatOf(all.indexOf(client) < 4 ? name : there)}'><ping xmlns='urn:xmpp:ping'/></iq>`);
      if (blockers.includes(client)) continue;
      expect(told(await client.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${guid} not for all`]);
    }
    await app.idle();
    for (const client of blockers) {
      await client.request(`<iq type='set'><unblock xmlns='urn:xmpp:blocking'><item jid='${alice.jid}'/></unblock></iq>`);
      await quiet(client, alice.jid);
      expect(heard(client, alice.jid)).toEqual([]);
    }
  });

  test('a service that refuses our domain costs nobody his post, and is not tried again', async () => {
    const other = await install(name, 1);
    const alice = await other.account('alice');
    const all = [...(await subscribers(name, 4, alice.jid)), ...(await subscribers(there, 4, alice.jid))];
    await other.idle();
    const guids: string[] = [];
    expect(await messages(async () => guids.push((await other.posts(alice, 'tried')).guid), other)).toBe(2 + 8);
    expect(await messages(async () => guids.push((await other.posts(alice, 'not tried')).guid), other)).toBe(8);
    for (const client of all) {
      await quiet(client, alice.jid, other);
      expect(heard(client, alice.jid)).toEqual([`+${guids[0]} tried`, `+${guids[1]} not tried`]);
    }
    for (const guid of guids) expect((await listDeliveries(other.ctx.store, guid)).map(({ state, recipients }) => [state, recipients])).toEqual(Array(2).fill(['arrived', 4]));
  });

  test('the service is not for accounts: nobody of them sends to many by it', async () => {
    const [romeo, victim] = [await reader(name), await reader(name)];
    const service = name === 'prosody' ? chatOf(name) : `multicast.${chatOf(name)}`;
    await romeo.send(`<message to='${service}' id='spam'><addresses xmlns='http://jabber.org/protocol/address'><address type='bcc' jid='${victim.bareJid}'/></addresses><body>buy</body></message>`);
    const error = new StanzaError(await romeo.receives((stanza) => stanza.attrs.id === 'spam', 'an error'));
    expect([error.type, error.condition]).toEqual(['auth', 'forbidden']);
    await victim.request(`<iq type='get' to='${chatOf(name)}'><ping xmlns='urn:xmpp:ping'/></iq>`);
    expect(victim.unread.filter((stanza) => stanza.is('message'))).toEqual([]);
  });
});

test.each([
  ['of another host', `<address type='bcc' jid='romeo@elsewhere.test'/>`, ['modify', 'forbidden']],
  ['that all would see', `<address type='to' jid='romeo@${chatOf('prosody')}'/>`, ['modify', 'feature-not-implemented']],
  ['that is none', `<address type='bcc' jid='@'/>`, ['modify', 'jid-malformed']],
  ['of no account', `<address type='bcc' jid='${chatOf('prosody')}'/>`, ['modify', 'jid-malformed']],
  ['too many', `<address type='bcc' jid='romeo@${chatOf('prosody')}'/>`.repeat(1_001), ['modify', 'not-acceptable']],
])('the module for Prosody delivers nothing of a stanza with an address %s', async (_what, addresses, expected) => {
  const romeo = await reader('prosody');
  const [domain] = componentsOf('prosody');
  for (const app of apps.splice(0)) await app.stop(); // one of them bears the name that is admitted
  const component = createComponent({ service: `xmpp://${servers.prosody.host}:${servers.prosody.componentPort}`, domain, password: servers.prosody.componentSecret });
  await component.start();
  try {
    const answer = new Promise<StanzaError>((resolve) => component.once('stanza', (stanza: Element) => resolve(new StanzaError(stanza))));
    const good = `<address type='bcc' jid='${romeo.bareJid}'/>`;
    await component.write(`<message id='m' from='x@${domain}' to='${chatOf('prosody')}'><addresses xmlns='http://jabber.org/protocol/address'>${good}${addresses}</addresses><body>hi</body></message>`);
    const { type, condition } = await answer;
    expect([type, condition]).toEqual(expected);
  } finally {
    await component.stop();
  }
  await romeo.request(`<iq type='get' to='${chatOf('prosody')}'><ping xmlns='urn:xmpp:ping'/></iq>`);
  expect(romeo.unread.filter((stanza) => stanza.is('message'))).toEqual([]);
});
