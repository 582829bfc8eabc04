import type { Actor } from '../../../src/domain/actor.js';
import type { Post } from '../../../src/domain/post.js';
import type { Store } from '../../../src/store/database.js';
import { deliveryTargets, listHostsOfMany, saveLeg, subscriptionHosts, upsertSubscription } from '../../../src/store/xmpp.js';
import { makeAccount, makePost, makeRemote } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

const FEED = 'urn:xmpp:microblog:0';
const SAME_IN_JSON = 'https://www.w3.org/ns/activitystreams';

describeStores((makeStore) => {
  let store: Store;
  let author: Actor;
  let reader: Actor;
  let post: Post;
  beforeEach(async () => {
    store = await makeStore();
    author = (await makeAccount(store, 'alice')).actor;
    reader = await makeRemote(store, 'bob@bob.test');
    post = await makePost(store, author.id, { to: 'public' }, 1_000);
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
    await follow('carol@b.test', post.guid);
    await follow('amy@b.test');
    expect((await deliveryTargets(store, post, ['b.test'])).get('b.test')).toEqual({
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
});
