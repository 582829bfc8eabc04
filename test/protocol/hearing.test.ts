// People whose PEP is on another server are heard: by presence and caps, by explicit subscription, and by asking for what was missed.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { readPicture } from '../../src/services/media.js';
import { lookUp, personView } from '../../src/services/people.js';
import { addContact, removeContact } from '../../src/services/relationships.js';
import { homeStream, listPostsBy, type PostView } from '../../src/services/stream.js';
import { findActorByAddress } from '../../src/store/actors.js';
import { feedsOf } from '../../src/store/received.js';
import { findRelationship } from '../../src/store/relationships.js';
import { findLeg } from '../../src/store/xmpp.js';
import { eventually } from '../support/eventually.js';
import { MICROBLOG, pubsub } from '../support/follow.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { SERVERS, type ServerName, server, startEjabberd, startProsody, type TestAccount, type TestServer } from '../support/servers/index.js';
import { connect, type TestClient } from '../support/xmpp-client.js';

type Alice = Awaited<ReturnType<Installation['account']>>;

const field = (name: string, value: string) => `<field var='pubsub#${name}'><value>${value}</value></field>`;
const form = (type: string, fields: string) => `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#${type}</value></field>${fields}</x>`;

/** Someone with an account on the server, who publishes on their own PEP as any client does. */
class Publisher {
  constructor(
    readonly client: TestClient,
    private readonly name: ServerName,
  ) {}

  get jid(): string {
    return this.client.bareJid;
  }

  /** Makes the node, as a client does with its first post. ejabberd takes `max_items` from its owner's configuration alone. */
  async opens(access: 'open' | 'presence', more = ''): Promise<void> {
    const settings = field('access_model', access) + field('persist_items', '1');
    if (this.name === 'prosody') await this.publishes('first', 'the first', form('publish-options', settings + field('max_items', 'max')));
    else {
      await this.publishes('first', 'the first', form('publish-options', settings));
      await this.client.request(pubsub('set', this.jid, `<configure node='${MICROBLOG}'>${form('node_config', settings + field('max_items', '100') + more)}</configure>`, '#owner'));
    }
  }

  async publishes(id: string, title: string, options = ''): Promise<void> {
    const at = new Date().toISOString();
    const entry = `<entry xmlns='http://www.w3.org/2005/Atom'><title>${title}</title><id>${id}</id><published>${at}</published><updated>${at}</updated></entry>`;
    await this.client.request(pubsub('set', this.jid, `<publish node='${MICROBLOG}'><item id='${id}'>${entry}</item></publish>${options && `<publish-options>${options}</publish-options>`}`));
  }

  async retracts(id: string): Promise<void> {
    await this.client.request(pubsub('set', this.jid, `<retract node='${MICROBLOG}' notify='true'><item id='${id}'/></retract>`));
  }

  /** Answers the request to see their presence. */
  async answers(jid: string, answer: 'subscribed' | 'unsubscribed'): Promise<void> {
    await this.client.receives(`<presence type='subscribe' from='${jid}'/>`);
    await this.client.send(`<presence type='${answer}' to='${jid}'/>`);
  }
}

const titles = (views: PostView[]): string[] => views.map(({ post }) => post.title).sort();
const streamOf = async (app: Installation, alice: Alice): Promise<string[]> => titles(await homeStream(app.ctx, alice, { limit: 50 }));
const sees = (app: Installation, alice: Alice, ...expected: string[]) => eventually(app, () => streamOf(app, alice), (found) => found.join() === [...expected].sort().join());

describe.each(SERVERS)('on %s', (name) => {
  let here: TestServer;
  let app: Installation;
  let alice: Alice;
  let count = 0;
  const open: TestClient[] = [];
  const publisher = async (account?: TestAccount): Promise<Publisher> => {
    const client = await connect({ ...(account ?? (await here.newAccount('bob'))) });
    open.push(client);
    return new Publisher(client, name);
  };
  const follows = async (bob: Publisher) => {
    const { other } = await addContact(app.ctx, alice, bob.jid);
    return other;
  };
  const standing = async (bob: Publisher) => {
    const actor = (await findActorByAddress(app.ctx.store, 'xmpp', bob.jid))!;
    const [relationship, leg, feeds] = await Promise.all([findRelationship(app.ctx.store, alice.actorId, actor.id), findLeg(app.ctx.store, alice.actorId, bob.jid), feedsOf(app.ctx.store, alice.actorId, actor.id)]);
    return { following: relationship.following, presence: leg?.outbound ?? 'none', explicit: feeds[0]?.state ?? 'none', caughtUp: (feeds[0]?.caughtUpAt ?? null) !== null };
  };
  const stands = async (bob: Publisher, expected: Partial<Awaited<ReturnType<typeof standing>>>) =>
    eventually(app, () => standing(bob), (found) => Object.entries(expected).every(([key, value]) => found[key as keyof typeof found] === value));

  beforeAll(async () => {
    here = await server(name);
    app = await startInstallation({ server: here });
  });
  afterAll(() => app.stop());
  beforeEach(async () => {
    alice = await app.account(`alice${++count}`);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((client) => client.disconnect()));
  });

  test('by presence and caps: who lets her see his presence is heard, also where only friends may read', async () => {
    const bob = await publisher();
    await bob.opens('presence');
    await follows(bob);
    await bob.answers(alice.jid, 'subscribed');
    await stands(bob, { following: 'on', presence: 'on' });
    await sees(app, alice, 'the first');
    await bob.publishes('second', 'for friends');
    await sees(app, alice, 'the first', 'for friends');
    const [view] = await homeStream(app.ctx, alice, { limit: 1 });
    expect(view!.post.audience).toEqual({ to: 'people' });
    expect(await listPostsBy(app.ctx, 'anonymous', view!.author, { limit: 10 })).toEqual([]);
  });

  test('by explicit subscription: who keeps his presence to himself is heard all the same', async () => {
    const bob = await publisher();
    // COMPAT ejabberd 23.01: it delivers to explicit subscribers without presence only where the node says so.
    await bob.opens('open', field('presence_based_delivery', '0'));
    await follows(bob);
    await bob.answers(alice.jid, 'unsubscribed');
    await stands(bob, { following: 'on', presence: 'refused', explicit: 'subscribed' });
    await bob.publishes('second', 'for all');
    await sees(app, alice, 'the first', 'for all');
    const [view] = await homeStream(app.ctx, alice, { limit: 1 });
    expect(view!.post.audience).toEqual({ to: 'public' });
    expect(titles(await listPostsBy(app.ctx, 'anonymous', view!.author, { limit: 10 }))).toEqual(['for all', 'the first']);
  });

  test('both ways at once bring one copy; edits replace it and retractions take it away', async () => {
    const bob = await publisher();
    // COMPAT ejabberd 23.01: it tells retractions to explicit subscribers alone, and those only of such a node.
    await bob.opens('open', field('presence_based_delivery', '0'));
    await follows(bob);
    await bob.answers(alice.jid, 'subscribed');
    await stands(bob, { presence: 'on', explicit: 'subscribed' });
    await bob.publishes('x', 'one');
    await sees(app, alice, 'the first', 'one');
    await bob.publishes('x', 'two');
    await sees(app, alice, 'the first', 'two');
    const [view] = await homeStream(app.ctx, alice, { limit: 1 });
    expect(view!.post).toMatchObject({ title: 'two', editedAt: expect.any(Number) });
    await bob.retracts('x');
    await sees(app, alice, 'the first');
  });

  test('who refuses both is not followed, and what he sends anyhow is not stored', async () => {
    const bob = await publisher();
    await follows(bob);
    await bob.answers(alice.jid, 'unsubscribed');
    await stands(bob, { following: 'none', presence: 'refused' });
    await stands(bob, { explicit: 'none' });
    const forged = `<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${MICROBLOG}'><item id='f'><entry xmlns='http://www.w3.org/2005/Atom'><title>forged</title></entry></item></items></event>`;
    for (const to of [alice.jid, `${alice.jid}/pep`]) await bob.client.send(`<message type='headline' to='${to}'>${forged}</message>`);
    await bob.client.barrier(alice.jid);
    await app.idle();
    expect(await streamOf(app, alice)).toEqual([]);
  });

  test('following ends on both wires', async () => {
    const bob = await publisher();
    await bob.opens('open');
    const other = await follows(bob);
    await bob.answers(alice.jid, 'subscribed');
    await stands(bob, { presence: 'on', explicit: 'subscribed' });
    await removeContact(app.ctx, alice, other.id);
    await bob.client.receives(`<presence type='unsubscribe' from='${alice.jid}'/>`);
    await stands(bob, { following: 'none', presence: 'none', explicit: 'none' });
    const left = await bob.client.request(pubsub('get', bob.jid, `<subscriptions node='${MICROBLOG}'/>`, '#owner')).then(String, () => '');
    expect(left).not.toContain(alice.jid);
    await bob.publishes('late', 'too late');
    await bob.client.barrier(alice.jid);
    await app.idle();
    expect(await streamOf(app, alice)).toEqual([]);
  });

  test('his posts and what he tells about himself are there before anybody follows him', async () => {
    const bob = await publisher();
    await bob.opens('open');
    await bob.publishes('second', 'another');
    await bob.client.request(`<iq type='set'><vCard xmlns='vcard-temp'><FN>Bob the Builder</FN><DESC>I build.</DESC></vCard></iq>`);
    const first = await lookUp(app.ctx, alice, `xmpp:${bob.jid}`);
    expect(first).toMatchObject({ address: bob.jid, words: [], relationship: null });
    const view = await eventually(app, () => personView(app.ctx, { actorId: alice.actorId }, first.actor), ({ isFetching }) => !isFetching);
    expect(view).toMatchObject({ fetchError: null, counts: { posts: 2 } });
    expect((await lookUp(app.ctx, alice, bob.jid)).actor.profile).toMatchObject({ displayName: 'Bob the Builder', summary: 'I build.' });
  });

  test('somebody whose server is nowhere: a sentence says so', async () => {
    const { actor } = await lookUp(app.ctx, alice, 'somebody@nowhere.invalid');
    const view = await eventually(app, () => personView(app.ctx, { actorId: alice.actorId }, actor), ({ isFetching }) => !isFetching, 20_000);
    expect(view.fetchError).toMatch(/nowhere\.invalid/);
  }, 30_000);

  test('a new name and a new picture are heard', async () => {
    const bob = await publisher();
    await bob.opens('open');
    await follows(bob);
    await bob.answers(alice.jid, 'subscribed');
    await stands(bob, { presence: 'on', caughtUp: true });
    await bob.client.request(pubsub('set', bob.jid, `<publish node='http://jabber.org/protocol/nick'><item id='current'><nick xmlns='http://jabber.org/protocol/nick'>Bobby</nick></item></publish>`));
    await eventually(app, async () => (await findActorByAddress(app.ctx.store, 'xmpp', bob.jid))!.profile.displayName, (found) => found === 'Bobby');
    const picture = await sharp({ create: { width: 96, height: 96, channels: 3, background: '#cc3300' } }).png().toBuffer();
    const hash = createHash('sha1').update(picture).digest('hex');
    const publish = (node: string, payload: string) => bob.client.request(pubsub('set', bob.jid, `<publish node='urn:xmpp:avatar:${node}'><item id='${hash}'>${payload}</item></publish>`));
    await publish('data', `<data xmlns='urn:xmpp:avatar:data'>${picture.toString('base64')}</data>`);
    await publish('metadata', `<metadata xmlns='urn:xmpp:avatar:metadata'><info id='${hash}' type='image/png' bytes='${picture.length}' width='96' height='96'/></metadata>`);
    const avatar = await eventually(app, async () => (await findActorByAddress(app.ctx.store, 'xmpp', bob.jid))!.profile.avatar, (found) => found !== null);
    expect(await readPicture(app.ctx, avatar!)).toMatchObject({ media: { kind: 'avatar' } });
  });
});

describe.each([
  ['prosody', startProsody],
  ['ejabberd', startEjabberd],
] as const)('what was missed, on %s', (name, start) => {
  test('while we were away, and while the server was: new posts, edits and retractions are found', async () => {
    const own = await start({ chatDomains: ['chat.test'], componentDomains: ['social.test'], componentSecret: 'secret' });
    const component = { domain: 'social.test', host: own.host, port: own.componentPort, secret: 'secret' };
    const login = () => connect({ server: { host: own.host, c2sPort: own.c2sPort, chatDomain: 'chat.test' }, username: 'bob', domain: 'chat.test', password: 'pw', jid: 'bob@chat.test' });
    await own.register('chat.test', 'bob', 'pw');
    const stateDir = mkdtempSync(path.join(tmpdir(), 'dx-hearing-'));
    let app = await startInstallation({ component, chatDomain: '', stateDir });
    let bob = new Publisher(await login(), name);
    try {
      const alice = await app.account('alice');
      await bob.opens('open');
      await addContact(app.ctx, alice, bob.jid);
      await bob.answers(alice.jid, 'subscribed');
      await sees(app, alice, 'the first');
      for (const id of ['a', 'b', 'c']) await bob.publishes(id, `post ${id}`);
      await sees(app, alice, 'the first', 'post a', 'post b', 'post c');

      await app.stop();
      for (let n = 0; n < 30; n++) await bob.publishes(`n${n}`, `new ${n}`);
      await bob.publishes('b', 'post b, edited');
      await bob.retracts('c');
      app = await startInstallation({ component, chatDomain: '', stateDir });
      const news = Array.from({ length: 30 }, (_, n) => `new ${n}`);
      await sees(app, alice, 'the first', 'post a', 'post b, edited', ...news);

      await own.stop();
      await own.start();
      bob = new Publisher(await login(), name);
      await bob.publishes('z', 'after the restart');
      await sees(app, alice, 'the first', 'post a', 'post b, edited', 'after the restart', ...news);
    } finally {
      await bob.client.disconnect();
      await app.stop();
      rmSync(stateDir, { recursive: true, force: true });
      await own.destroy();
    }
  }, 60_000);
});
