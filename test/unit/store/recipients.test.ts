import type { Actor } from '../../../src/domain/actor.js';
import type { Post } from '../../../src/domain/post.js';
import type { Store } from '../../../src/store/database.js';
import { type DeliveryTargets, deliveryTargets, listHostsOfMany, saveLeg, subscriptionHosts, TARGETS, targetPages, upsertSubscription } from '../../../src/store/xmpp.js';
import { saveRelationship } from '../../../src/store/relationships.js';
import { makeAccount, makePost, makeRemote } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

const FEED = 'urn:xmpp:microblog:0';
const SAME_IN_JSON = 'https://www.w3.org/ns/activitystreams';

describeStores((makeStore) => {
  let store: Store;
  let author: Actor;
  let reader: Actor;
  let post: Post;
  let told: { post: Post; nodes: string[] };
  beforeEach(async () => {
    store = await makeStore();
    author = (await makeAccount(store, 'alice')).actor;
    reader = await makeRemote(store, 'bob@bob.test');
    post = await makePost(store, author.id, { to: 'public' }, 1_000);
    told = { post, nodes: [FEED, SAME_IN_JSON] };
  });
  const subscribe = (jid: string, { node = FEED, state = 'subscribed' as 'subscribed' | 'pending', actorId = author.id, pausedUntil = null as number | null } = {}) =>
    store.transaction((tx) => upsertSubscription(tx, { actorId, node, jid, personId: null, subid: '1', state, pausedUntil, createdAt: 1 }));
  const follow = (jid: string, lastGuid: string | null = null) =>
    store.transaction((tx) => saveLeg(tx, { actorId: author.id, jid, personId: reader.id, inbound: 'on', outbound: 'none', capsOnly: false, lastGuid }));

  test('of the hosts where somebody follows, each is found once, and none where nobody does', async () => {
    expect(await subscriptionHosts(store, author.id, [FEED])).toEqual([]);
    for (const jid of ['bob@b.test', 'carol@b.test', 'dave@d.test', 'eve@d.test', 'z.test']) await subscribe(jid);
    await subscribe('carol@b.test', { node: SAME_IN_JSON });
    await subscribe('asks@a.test', { state: 'pending' });
    await subscribe('comments@c.test', { node: `${FEED}:comments/x` });
    await subscribe('bob@b.test', { actorId: reader.id });
    await subscribe('bob@e.test', { actorId: reader.id });
    for (const jid of ['frank@d.test', 'grace@g.test']) await follow(jid);
    expect(await subscriptionHosts(store, author.id, [FEED, SAME_IN_JSON])).toEqual(['b.test', 'd.test', 'g.test', 'z.test']);
    expect(await subscriptionHosts(store, author.id)).toEqual(['b.test', 'c.test', 'd.test', 'g.test', 'z.test']);
    expect(await subscriptionHosts(store, reader.id, [FEED])).toEqual(['b.test', 'e.test']);
  });

  test('the hosts where somebody has many followers come with the most of one person, who counts once', async () => {
    for (const jid of ['bob@b.test', 'carol@b.test', 'dave@d.test', 'eve@d.test', 'frank@d.test', 'grace@g.test']) await subscribe(jid);
    for (const jid of ['bob@b.test', 'eve@d.test']) await subscribe(jid, { node: SAME_IN_JSON });
    for (const jid of ['carol@b.test', 'heidi@d.test']) await follow(jid);
    await subscribe('asks@b.test', { state: 'pending' });
    await subscribe('comments@b.test', { node: `${FEED}:comments/x` });
    for (const jid of ['ivan@d.test', 'judy@g.test']) await subscribe(jid, { actorId: reader.id });
    const nodes = [FEED, SAME_IN_JSON];
    expect(await listHostsOfMany(store, { nodes, least: 2, limit: 9 })).toEqual([
      { host: 'd.test', followers: 4 },
      { host: 'b.test', followers: 2 },
    ]);
    expect(await listHostsOfMany(store, { nodes, least: 1, limit: 1 })).toEqual([{ host: 'd.test', followers: 4 }]);
  });

  test('recipients come in the order of their addresses, with what sending needs, whatever their addresses hold', async () => {
    const odd = 'o\\27hara"[],{}ü💌@b.test';
    await subscribe(odd);
    await subscribe('bob@b.test', { pausedUntil: 1_795_000_000_000 });
    await subscribe('bob@b.test', { node: SAME_IN_JSON });
    await subscribe('dave@b.test', { node: `${FEED}:comments/x` });
    await follow('carol@b.test', post.guid);
    await follow('amy@b.test');
    expect((await deliveryTargets(store, told, ['b.test'])).get('b.test')).toEqual({
      isBeginning: true,
      subscriptions: [
        { node: SAME_IN_JSON, jid: 'bob@b.test', personId: null, pausedUntil: null },
        { node: FEED, jid: 'bob@b.test', personId: null, pausedUntil: 1_795_000_000_000 },
        { node: FEED, jid: odd, personId: null, pausedUntil: null },
      ],
      legs: [
        { actorId: author.id, jid: 'amy@b.test', personId: reader.id, lastGuid: null },
        { actorId: author.id, jid: 'carol@b.test', personId: reader.id, lastGuid: post.guid },
      ],
    });
  });

  describe('of a host with many', () => {
    const normal = { ...TARGETS };
    beforeEach(() => void Object.assign(TARGETS, { page: 2 }));
    afterEach(() => void Object.assign(TARGETS, normal));

    const pagesOf = async <K extends 'subscriptions' | 'legs'>(kind: K, found: DeliveryTargets) => {
      const pages: string[][] = [];
      for await (const page of targetPages(store, kind, told, 'b.test', found)) pages.push(page.map((one) => ('node' in one ? `${one.jid} ${one.node}` : one.jid)));
      return pages;
    };
    const found = async (...hosts: string[]) => (await deliveryTargets(store, told, hosts)).get('b.test')!;

    test('they come page by page, each once and in order, where a page ends between two nodes of one address, too', async () => {
      for (const name of ['a', 'b', 'c', 'd']) await subscribe(`${name}@b.test`);
      for (const name of ['b', 'c']) await subscribe(`${name}@b.test`, { node: SAME_IN_JSON });
      await subscribe('a@c.test');
      for (const name of ['e', 'f', 'g', 'h', 'i']) await follow(`${name}@b.test`);
      const targets = await found('b.test');
      expect(await pagesOf('subscriptions', targets)).toEqual([
        [`a@b.test ${FEED}`, `b@b.test ${SAME_IN_JSON}`],
        [`b@b.test ${FEED}`, `c@b.test ${SAME_IN_JSON}`],
        [`c@b.test ${FEED}`, `d@b.test ${FEED}`],
        [],
      ]);
      expect(await pagesOf('legs', targets)).toEqual([['e@b.test', 'f@b.test'], ['g@b.test', 'h@b.test'], ['i@b.test']]);
    });

    test('there is one page when there are as few, or when several hosts were asked for together', async () => {
      await subscribe('a@b.test');
      expect(await pagesOf('subscriptions', await found('b.test'))).toEqual([[`a@b.test ${FEED}`]]);
      expect(await pagesOf('legs', await found('b.test'))).toEqual([[]]);
      for (const name of ['b', 'c', 'd']) await subscribe(`${name}@b.test`);
      expect(await pagesOf('subscriptions', await found('b.test', 'c.test'))).toEqual([['a', 'b', 'c', 'd'].map((name) => `${name}@b.test ${FEED}`)]);
    });

    test('who was blocked after the first page gets none of the next', async () => {
      for (const name of ['a', 'b', 'c', 'd']) await store.transaction((tx) => upsertSubscription(tx, { actorId: author.id, node: FEED, jid: `${name}@b.test`, personId: reader.id, subid: '1', state: 'subscribed', pausedUntil: null, createdAt: 1 }));
      const targets = await found('b.test');
      await store.transaction((tx) => saveRelationship(tx, { actorId: author.id, otherId: reader.id, follower: 'none', following: 'none', addedAt: null, blockedAt: 5, mutedAt: null }));
      expect(await pagesOf('subscriptions', targets)).toEqual([[`a@b.test ${FEED}`, `b@b.test ${FEED}`], []]);
    });
  });
});
