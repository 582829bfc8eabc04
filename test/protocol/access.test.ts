// The one access check, as XMPP shows it: viewer × audience × path, on real servers (relations.md "One check").
// The same table for the web pages: test/unit/web/access.test.ts.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Account } from '../../src/domain/account.js';
import type { Post } from '../../src/domain/post.js';
import { attachmentsNode, SUMMARY_NODE } from '../../src/formats/attachments.js';
import { commentsNode } from '../../src/formats/namespaces.js';
import { commentOn } from '../../src/services/comments.js';
import { likePost, unlikePost } from '../../src/services/reactions.js';
import { actorOf } from '../../src/services/stream.js';
import { upsertRemoteActor } from '../../src/store/actors.js';
import { findSubscriptions, upsertSubscription } from '../../src/store/xmpp.js';
import { discoHandlers } from '../../src/xmpp/disco.js';
import { POST_NODE_TRAITS } from '../../src/xmpp/pubsub/post-nodes.js';
import { FEED_NODES, PROFILE_NODES } from '../../src/xmpp/pubsub/rules.js';
import { pubsubHandlers } from '../../src/xmpp/pubsub/stanzas.js';
import { smallHandlers } from '../../src/xmpp/small-requests.js';
import { AUDIENCES, type AudienceName, arrange, CELLS, maySee, VIEWERS, type ViewerName } from '../support/access-matrix.js';
import { FOLLOWER, followByPresence, items, MICROBLOG, nickOf, pageOf, pubsub, STREAMS } from '../support/follow.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { SERVERS, server, type TestAccount } from '../support/servers/index.js';
import { connect, type Element, StanzaError, type TestClient } from '../support/xmpp-client.js';

/** Well-formed, and nobody's. */
const UNKNOWN = 'f'.repeat(32);
const DISCO_ITEMS = 'http://jabber.org/protocol/disco#items';
const SEEN = Object.fromEntries(VIEWERS.map((viewer) => [viewer, AUDIENCES.filter((audience) => maySee(viewer, audience))])) as Record<ViewerName, AudienceName[]>;

/** What a viewer gets by a path that answers requests. */
type Ask = (client: TestClient, to: string, posts: Record<AudienceName, Post>) => Promise<Element>;

const rsm = (inside: string) => `<set xmlns='http://jabber.org/protocol/rsm'>${inside}</set>`;
const ids = (posts: Record<AudienceName, Post>) => [...AUDIENCES.map((audience) => posts[audience].guid), UNKNOWN];
const discoItems = (to: string, inside = '') => `<iq type='get' to='${to}'><query xmlns='${DISCO_ITEMS}' node='${MICROBLOG}'>${inside}</query></iq>`;

/** Every request whose answer shows posts: each tells of all that its asker may see. */
const REQUESTS: Record<string, Ask> = {
  'items list': (client, to) => client.request(items(to)),
  'items list with max_items': (client, to) => client.request(pubsub('get', to, `<items node='${MICROBLOG}' max_items='10'/>`)),
  'items, newest page': (client, to) => client.request(items(to, { set: '<max>10</max>' })),
  'items, oldest page': (client, to) => client.request(items(to, { set: '<max>10</max><before/>' })),
  'items, page by index': (client, to) => client.request(items(to, { set: '<max>10</max><index>0</index>' })),
  'several items by id': (client, to, posts) => client.request(items(to, { ids: ids(posts) })),
  'items under the name that Movim asks for': (client, to) => client.request(items(to, { node: encodeURIComponent(MICROBLOG) })),
  'disco#items': (client, to) => client.request(discoItems(to)),
  'disco#items, a page': (client, to) => client.request(discoItems(to, rsm('<max>10</max>'))),
  'Activity Streams node, list': (client, to) => client.request(items(to, { node: STREAMS })),
  'Activity Streams node, page': (client, to) => client.request(items(to, { node: STREAMS, set: '<max>10</max>' })),
  'Activity Streams node, by id': (client, to, posts) => client.request(items(to, { node: STREAMS, ids: ids(posts) })),
  'summary node, list': (client, to) => client.request(items(to, { node: SUMMARY_NODE })),
  'summary node, page': (client, to) => client.request(items(to, { node: SUMMARY_NODE, set: '<max>10</max>' })),
  'summary node, by id': (client, to, posts) => client.request(items(to, { node: SUMMARY_NODE, ids: ids(posts) })),
  'disco#items of the summary node': (client, to) => client.request(disco('items', to, SUMMARY_NODE)),
};

const disco = (kind: 'info' | 'items', to: string, node: string, inside = '') => `<iq type='get' to='${to}'><query xmlns='http://jabber.org/protocol/disco#${kind}' node='${node}'>${inside}</query></iq>`;
const attached = (to: string, guid: string) => attachmentsNode(to, MICROBLOG, guid);

/** Every request to a node of one post. All but `disco#info` show what stands under it. */
const POST_NODE_REQUESTS: Record<string, (client: TestClient, to: string, guid: string) => Promise<Element>> = {
  'comments, list': (client, to, guid) => client.request(items(to, { node: commentsNode(guid) })),
  'comments, list with max_items': (client, to, guid) => client.request(pubsub('get', to, `<items node='${commentsNode(guid)}' max_items='500'/>`)),
  'comments, newest page': (client, to, guid) => client.request(items(to, { node: commentsNode(guid), set: '<max>10</max>' })),
  'comments, oldest page': (client, to, guid) => client.request(items(to, { node: commentsNode(guid), set: '<max>10</max><before/>' })),
  'comments, page by index': (client, to, guid) => client.request(items(to, { node: commentsNode(guid), set: '<max>10</max><index>0</index>' })),
  'comments by id': (client, to, guid) => client.request(items(to, { node: commentsNode(guid), ids: ['remark', 'heart-1', 'none'] })),
  'comments under the name that Movim asks for': (client, to, guid) => client.request(items(to, { node: encodeURIComponent(commentsNode(guid)) })),
  'disco#items of comments': (client, to, guid) => client.request(disco('items', to, commentsNode(guid))),
  'disco#items of comments, a page': (client, to, guid) => client.request(disco('items', to, commentsNode(guid), rsm('<max>10</max>'))),
  'disco#info of comments': (client, to, guid) => client.request(disco('info', to, commentsNode(guid))),
  'attachments, list': (client, to, guid) => client.request(items(to, { node: attached(to, guid) })),
  'attachments, page': (client, to, guid) => client.request(items(to, { node: attached(to, guid), set: '<max>10</max>' })),
  'attachments by id': (client, to, guid) => client.request(items(to, { node: attached(to, guid), ids: [to] })),
  'disco#items of attachments': (client, to, guid) => client.request(disco('items', to, attached(to, guid))),
  'disco#info of attachments': (client, to, guid) => client.request(disco('info', to, attached(to, guid))),
};
/** Requests that change something, and so come last: whoever may not see the post is told as if there were none. */
const POST_NODE_CHANGES: Record<string, (client: TestClient, to: string, guid: string) => Promise<Element>> = {
  comment: (client, to, guid) => client.request(pubsub('set', to, `<publish node='${commentsNode(guid)}'><item id='${client.bareJid}'><entry xmlns='http://www.w3.org/2005/Atom'><title>me, too</title></entry></item></publish>`)),
  'comment over another’s': (client, to, guid) => client.request(pubsub('set', to, `<publish node='${commentsNode(guid)}'><item id='remark'><entry xmlns='http://www.w3.org/2005/Atom'><title>mine</title></entry></item></publish>`)),
  'like with a heart': (client, to, guid) => client.request(pubsub('set', to, `<publish node='${commentsNode(guid)}'><item id='♥${client.bareJid}'><entry xmlns='http://www.w3.org/2005/Atom'><title>♥</title></entry></item></publish>`)),
  attach: (client, to, guid) => client.request(pubsub('set', to, `<publish node='${attached(to, guid)}'><item id='${client.bareJid}'><attachments xmlns='urn:xmpp:pubsub-attachments:1'><noticed/></attachments></item></publish>`)),
  'retract another’s comment': (client, to, guid) => client.request(pubsub('set', to, `<retract node='${commentsNode(guid)}'><item id='remark'/></retract>`)),
  'retract another’s like': (client, to, guid) => client.request(pubsub('set', to, `<retract node='${attached(to, guid)}'><item id='${to}'/></retract>`)),
  subscribe: (client, to, guid) => client.request(pubsub('set', to, `<subscribe node='${commentsNode(guid)}' jid='${client.bareJid}'/>`)),
  'subscribe to attachments': (client, to, guid) => client.request(pubsub('set', to, `<subscribe node='${attached(to, guid)}' jid='${client.bareJid}'/>`)),
  'see one’s subscriptions': (client, to, guid) => client.request(pubsub('get', to, `<subscriptions node='${commentsNode(guid)}'/>`)),
  configure: (client, to, guid) => client.request(pubsub('get', to, `<configure node='${commentsNode(guid)}'/>`, '#owner')),
};
/** The pubsub verbs that these are, and the two events below; all others tell nothing of a post. */
const SHOWS_POSTS = ['get items'];
const SHOWS_NONE = [
  ...['set subscribe', 'set unsubscribe', 'get subscriptions', 'get affiliations', 'get options', 'set options', 'set publish', 'set retract', 'set create'],
  ...['get configure', 'set configure', 'get default', 'set subscriptions', 'set affiliations', 'set delete', 'set purge'],
];
const SHOW_POSTS_NODES = [MICROBLOG, STREAMS];
const PROFILE_ONLY_NODES = ['urn:xmpp:vcard4', 'http://jabber.org/protocol/nick', 'urn:xmpp:avatar:metadata', 'urn:xmpp:avatar:data'];
/** Requests that are no pubsub. `disco#items` is above; the others tell of the account, its nodes and its profile. */
const OTHER_REQUESTS = [
  `get {${DISCO_ITEMS}}query`,
  'get {http://jabber.org/protocol/disco#info}query',
  'get {urn:xmpp:ping}ping',
  'get {jabber:iq:version}query',
  'get {jabber:iq:last}query',
  'get {vcard-temp}vCard',
  'set {vcard-temp}vCard',
  'get {urn:ietf:params:xml:ns:vcard-4.0}vcard',
  'set {urn:ietf:params:xml:ns:vcard-4.0}vcard',
];

describe.each(SERVERS)('on %s', (name) => {
  let app: Installation;
  let alice: Account & { jid: string };
  let posts: Record<AudienceName, Post>;
  const accounts = {} as Record<ViewerName, TestAccount>;
  const clients = {} as Record<ViewerName, TestClient>;

  beforeAll(async () => {
    const here = await server(name);
    app = await startInstallation({ server: here });
    const people: Partial<Record<ViewerName, number>> = {};
    for (const viewer of VIEWERS) {
      const account = await here.newAccount(viewer === 'author' ? 'alice' : 'viewer');
      accounts[viewer] = account;
      if (viewer === 'author') {
        alice = await app.account(account.username);
        people.author = alice.actorId;
      } else if (viewer !== 'nobody') {
        const address = { protocol: 'xmpp', value: account.jid } as const;
        people[viewer] = (await app.ctx.store.transaction((tx) => upsertRemoteActor(tx, { username: account.username, domain: account.domain, address }))).id;
      }
    }
    await Promise.all(VIEWERS.map(async (viewer) => (clients[viewer] = await connect({ ...accounts[viewer], features: FOLLOWER }))));
    // Everyone who has a name here follows by presence, so that later the check alone decides.
    await Promise.all(VIEWERS.map(async (viewer) => viewer === 'author' || viewer === 'nobody' || followByPresence(clients[viewer], alice.jid)));
    await app.idle();
    posts = await arrange(app.ctx, alice.actorId, people);
  });
  afterAll(async () => {
    await Promise.all(Object.values(clients).map((client) => client.disconnect()));
    await app.stop();
  });

  /** The audiences of the posts that a stanza shows, by id or by text. */
  const shown = (...stanzas: Element[]): AudienceName[] => {
    const text = stanzas.join('');
    return AUDIENCES.filter((audience) => text.includes(posts[audience].guid) || text.includes(posts[audience].title));
  };
  const shut = (viewer: ViewerName) => viewer === 'blocked';
  /** An answer, or the error. */
  const tried = (answer: Promise<Element>): Promise<Element> =>
    answer.catch((error) => {
      if (error instanceof StanzaError) return error.stanza;
      throw error;
    });
  /** An answer without what the asker chose himself. */
  const plain = (stanza: Element): string => {
    delete stanza.attrs.id;
    return stanza.toString();
  };

  describe.each(Object.keys(REQUESTS))('%s', (request) => {
    test.each(VIEWERS)('%s sees what the table says', async (viewer) => {
      const answer = await tried(REQUESTS[request]!(clients[viewer], alice.jid, posts));
      expect(answer.attrs.type).toBe(shut(viewer) ? 'error' : 'result');
      // What was asked for by id stands only in what is shown: an answer does not repeat the question.
      expect(shown(answer)).toEqual(SEEN[viewer]);
    });
  });

  describe.each([MICROBLOG, STREAMS])('one item of %s by its id', (node) => {
    test.each(CELLS)('$viewer, post for $audience: $sees', async ({ viewer, audience, sees }) => {
      const answer = await tried(clients[viewer].request(items(alice.jid, { node, ids: [posts[audience].guid] })));
      expect(shown(answer)).toEqual(sees ? [audience] : []);
    });
  });

  test.each(VIEWERS.filter((viewer) => !shut(viewer)))('%s counts only what may be seen', async (viewer) => {
    const counts = await Promise.all(['<max>0</max>', '<max>1</max>', '<max>1</max><before/>'].map(async (set) => pageOf(await clients[viewer].request(items(alice.jid, { set }))).count));
    expect(counts).toEqual([SEEN[viewer].length, SEEN[viewer].length, SEEN[viewer].length]);
    // The oldest page of one says how many stand before it.
    const { index } = pageOf(await clients[viewer].request(items(alice.jid, { set: '<max>1</max><before/>' })));
    expect(index).toBe(SEEN[viewer].length === 0 ? undefined : String(SEEN[viewer].length - 1));
  });

  describe('nodes of a post', () => {
    beforeAll(async () => {
      const author = await actorOf(app.ctx, alice);
      for (const audience of AUDIENCES) {
        await commentOn(app.ctx, author, posts[audience].guid, { text: `a remark on ${posts[audience].title}`, itemId: 'remark' });
        await likePost(app.ctx, author, posts[audience].guid, { itemId: 'heart-1' });
      }
    });
    const same = async (request: (client: TestClient, to: string, guid: string) => Promise<Element>, viewer: ViewerName, audience: AudienceName) => {
      const [hidden, absent] = await Promise.all([posts[audience].guid, UNKNOWN].map(async (guid) => plain(await tried(request(clients[viewer], alice.jid, guid))).replaceAll(guid, 'GUID')));
      expect(hidden).toBe(absent);
      expect(hidden).toContain("type='error'".replaceAll("'", '"'));
      expect(hidden).not.toContain('remark on');
    };

    describe.each(Object.keys(POST_NODE_REQUESTS))('%s', (request) => {
      test.each(CELLS)('$viewer, post for $audience: $sees', async ({ viewer, audience, sees }) => {
        const ask = POST_NODE_REQUESTS[request]!;
        if (!sees) return same(ask, viewer, audience);
        const answer = await ask(clients[viewer], alice.jid, posts[audience].guid);
        if (!request.startsWith('disco#info')) expect(String(answer)).toMatch(/remark|noticed|name=/);
      });
    });

    test.each(Object.keys(POST_NODE_CHANGES))('%s: who may not see the post is answered as if there were none', async (request) => {
      for (const { viewer, audience } of CELLS.filter(({ sees }) => !sees)) await same(POST_NODE_CHANGES[request]!, viewer, audience);
      expect(await app.ctx.store.query("select item_id from comments where item_id <> 'remark'")).toEqual([]);
      expect(await app.ctx.store.query('select actor_id from likes where actor_id <> ?', [alice.actorId])).toEqual([]);
    });
  });

  describe('a post that may not be seen is like one that does not exist', () => {
    /** Every request that names an item. */
    const NAMED: Record<string, (client: TestClient, guid: string) => Promise<Element>> = {
      'get it': (client, guid) => client.request(items(alice.jid, { ids: [guid] })),
      'get it from the Activity Streams node': (client, guid) => client.request(items(alice.jid, { node: STREAMS, ids: [guid] })),
      'page from it to older ones': (client, guid) => client.request(items(alice.jid, { set: `<max>10</max><after>${guid}</after>` })),
      'page from it to newer ones': (client, guid) => client.request(items(alice.jid, { set: `<max>10</max><before>${guid}</before>` })),
      'page from it in disco#items': (client, guid) => client.request(discoItems(alice.jid, rsm(`<max>10</max><after>${guid}</after>`))),
      'retract it': (client, guid) => client.request(pubsub('set', alice.jid, `<retract node='${MICROBLOG}'><item id='${guid}'/></retract>`)),
      'publish over it': (client, guid) =>
        client.request(pubsub('set', alice.jid, `<publish node='${MICROBLOG}'><item id='${guid}'><entry xmlns='http://www.w3.org/2005/Atom'><title>mine</title></entry></item></publish>`)),
    };
    test.each(Object.keys(NAMED))('%s', async (request) => {
      for (const { viewer, audience } of CELLS.filter(({ sees }) => !sees)) {
        const [hidden, absent] = await Promise.all([posts[audience].guid, UNKNOWN].map(async (guid) => plain(await tried(NAMED[request]!(clients[viewer], guid)))));
        expect(hidden).toBe(absent);
        expect(hidden).not.toContain(posts[audience].guid);
      }
    });
  });

  test('to whom she has blocked the author is like a name that nobody has', async () => {
    const nobody = `nobody-${Date.now()}@${app.domain}`;
    const asks = [...Object.values(REQUESTS), (client: TestClient, to: string) => client.request(pubsub('set', to, `<subscribe node='${MICROBLOG}' jid='${client.bareJid}'/>`))];
    for (const ask of asks) {
      const [hers, nobodys] = await Promise.all([alice.jid, nobody].map(async (to) => plain(await tried(ask(clients.blocked, to, posts))).replaceAll(to, 'her')));
      expect(hers).toBe(nobodys);
    }
  });

  describe('events', () => {
    /** Does something to each post and collects what every client hears of it. */
    const during = async (work: () => Promise<unknown>): Promise<Record<ViewerName, Element[]>> => {
      for (const viewer of VIEWERS) clients[viewer].forget();
      await work();
      await app.idle();
      await Promise.all(VIEWERS.map((viewer) => clients[viewer].barrier()));
      return Object.fromEntries(VIEWERS.map((viewer) => [viewer, clients[viewer].unread.filter((stanza) => stanza.is('message'))])) as Record<ViewerName, Element[]>;
    };
    const edits = () => AUDIENCES.reduce((before, audience) => before.then(() => app.edits(alice, posts[audience].guid, `${posts[audience].title}, edited ${Math.random()}`)), Promise.resolve<unknown>(null));
    const seenBy = (heard: Record<ViewerName, Element[]>, viewers: readonly ViewerName[]) => Object.fromEntries(viewers.map((viewer) => [viewer, shown(...heard[viewer])]));
    const table = (viewers: readonly ViewerName[]) => Object.fromEntries(viewers.map((viewer) => [viewer, SEEN[viewer]]));
    const followers = VIEWERS.filter((viewer) => viewer !== 'author' && viewer !== 'nobody');
    const noLegs = () => app.ctx.store.transaction((tx) => tx.query('delete from presence_legs where actor_id = ?', [alice.actorId]));

    test('to those who follow by presence and whose clients say +notify', async () => {
      const heard = await during(edits);
      expect(seenBy(heard, followers)).toEqual(table(followers));
      expect(heard.nobody).toEqual([]);
    });

    test('what they missed while they were away', async () => {
      const away = await during(async () => {
        for (const viewer of followers) await clients[viewer].send("<presence type='unavailable'/>");
        await Promise.all(followers.map((viewer) => clients[viewer].barrier(alice.jid)));
        await app.ctx.store.transaction((tx) => tx.query('update presence_legs set last_guid = ? where actor_id = ?', ['0'.repeat(32), alice.actorId]));
      });
      expect(Object.values(seenBy(away, followers)).flat()).toEqual([]);
      const back = await during(async () => {
        for (const viewer of followers) await clients[viewer].sendPresence();
        await Promise.all(followers.map((viewer) => nickOf(clients[viewer], alice.jid)));
      });
      expect(seenBy(back, followers)).toEqual(table(followers));
    });

    describe('to those who subscribed explicitly', () => {
      beforeAll(async () => {
        await noLegs();
        // In the table, because whoever is blocked cannot subscribe: the check alone decides.
        const subscribe = (viewer: ViewerName, personId: number | null) =>
          app.ctx.store.transaction(async (tx) => {
            for (const node of FEED_NODES) {
              await upsertSubscription(tx, { actorId: alice.actorId, node, jid: accounts[viewer].jid, personId, subid: '1', state: 'subscribed', pausedUntil: null, createdAt: 1 });
            }
          });
        for (const viewer of VIEWERS) {
          const [person] = await app.ctx.store.query<{ actor_id: number }>('select actor_id from addresses where value = ?', [accounts[viewer].jid]);
          await subscribe(viewer, viewer === 'author' ? alice.actorId : (person?.actor_id ?? null));
        }
      });

      test('of new texts', async () => {
        const heard = await during(edits);
        expect(seenBy(heard, VIEWERS)).toEqual(table(VIEWERS));
        // Both nodes, once each.
        for (const viewer of VIEWERS) expect(heard[viewer]).toHaveLength(2 * SEEN[viewer].length);
      });

      test('of what is said and liked under a post', async () => {
        const nodes = [SUMMARY_NODE, ...AUDIENCES.flatMap((audience) => [commentsNode(posts[audience].guid), attached(alice.jid, posts[audience].guid)])];
        await app.ctx.store.transaction(async (tx) => {
          const followers = await findSubscriptions(tx, { actorId: alice.actorId, node: MICROBLOG });
          for (const one of followers) for (const node of nodes) await upsertSubscription(tx, { ...one, node });
        });
        const author = await actorOf(app.ctx, alice);
        const each = (act: (guid: string) => Promise<unknown>) => during(async () => {
          for (const audience of AUDIENCES) await act(posts[audience].guid);
        });
        const commented = await each((guid) => commentOn(app.ctx, author, guid, { text: `changed ${guid}`, itemId: 'remark' }));
        expect(seenBy(commented, VIEWERS)).toEqual(table(VIEWERS));
        for (const viewer of VIEWERS) expect(commented[viewer]).toHaveLength(SEEN[viewer].length);
        // Its end in comments, attachments and summary.
        const unliked = await each((guid) => unlikePost(app.ctx, author, guid));
        expect(seenBy(unliked, VIEWERS)).toEqual(table(VIEWERS));
        for (const viewer of VIEWERS) expect(unliked[viewer]).toHaveLength(3 * SEEN[viewer].length);
      });

      test('of an end, and afterwards nobody sees the post by any path', async () => {
        const heard = await during(() => AUDIENCES.reduce((before, audience) => before.then(() => app.deletes(alice, posts[audience].guid)), Promise.resolve()));
        expect(seenBy(heard, VIEWERS)).toEqual(table(VIEWERS));
        expect(Object.values(heard).flat().join('')).not.toContain('a post for');
        for (const viewer of VIEWERS) {
          for (const ask of Object.values(REQUESTS)) expect(shown(await tried(ask(clients[viewer], alice.jid, posts)))).toEqual([]);
          for (const ask of Object.values(POST_NODE_REQUESTS)) for (const audience of AUDIENCES) expect((await tried(ask(clients[viewer], alice.jid, posts[audience].guid))).attrs.type).toBe('error');
        }
      });
    });
  });
});

describe('the matrix is whole', () => {
  const folder = path.resolve(import.meta.dirname, '../../src/xmpp');
  const source = (file: string) => readFileSync(path.join(folder, file), 'utf8');

  test('every pubsub verb is listed', () => {
    const verbs = [...source('pubsub/stanzas.ts').matchAll(/^\s+'((?:get|set) [a-z]+)':/gm)].map((match) => match[1]!);
    expect(verbs).toContain('get items');
    expect(verbs.filter((verb) => ![...SHOWS_POSTS, ...SHOWS_NONE].includes(verb))).toEqual([]);
  });

  test('every request is listed', async () => {
    const { ctx, stop } = await startInstallation();
    const table = Object.keys({ ...pubsubHandlers(ctx), ...discoHandlers(ctx), ...smallHandlers(ctx) });
    await stop();
    expect(table.filter((request) => !OTHER_REQUESTS.includes(request) && !/^[gs]et \{http:\/\/jabber.org\/protocol\/pubsub(#owner)?\}pubsub$/.test(request))).toEqual([]);
    expect([...source('index.ts').matchAll(/\.\.\.(\w+)\(ctx\)/g)].map((match) => match[1])).toEqual(['pubsubHandlers', 'discoHandlers', 'smallHandlers']);
  });

  test('every kind of node of a post is listed', () => {
    expect(Object.keys(POST_NODE_TRAITS).sort()).toEqual(['attachments', 'comments', 'summary']);
    for (const kind of Object.keys(POST_NODE_TRAITS)) expect([...Object.keys(REQUESTS), ...Object.keys(POST_NODE_REQUESTS)].some((name) => name.includes(kind))).toBe(true);
  });

  test('every node is listed', () => {
    expect([...FEED_NODES].sort()).toEqual(SHOW_POSTS_NODES.sort());
    expect([...PROFILE_NODES].sort()).toEqual(PROFILE_ONLY_NODES.sort());
  });
});
