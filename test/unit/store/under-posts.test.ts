import type { Actor } from '../../../src/domain/actor.js';
import { newGuid } from '../../../src/domain/guid.js';
import type { Post } from '../../../src/domain/post.js';
import { countAttached, findAttached, findAttachments, listAttached, listKnown, saveAttachments } from '../../../src/store/attachments.js';
import { insertComment, listItemsLike } from '../../../src/store/comments.js';
import type { Store } from '../../../src/store/database.js';
import { countHearts, findHeart, listHearts } from '../../../src/store/hearts.js';
import { insertLike, removeLike, removeLikesOf } from '../../../src/store/reactions.js';
import { countNodes, oldestNode, saveFeed, subscribersOf } from '../../../src/store/received.js';
import { deliveryTargets, endSubscriptions, findSubscriptions, nodeHosts, nodeTargets, saveLeg, subscriptionHosts, upsertSubscription } from '../../../src/store/xmpp.js';
import { makeAccount, makePost, makeRemote, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

const NODE = 'urn:xmpp:microblog:0:comments/x';

describeStores((makeStore) => {
  let store: Store;
  let author: Actor;
  let people: Actor[];
  let post: Post;
  const anonymous = 'anonymous' as const;
  beforeEach(async () => {
    store = await makeStore();
    author = (await makeAccount(store, 'alice')).actor;
    people = [];
    for (const name of ['bob', 'carol', 'dave', 'eve']) people.push(await makeRemote(store, `${name}@${name}.test`));
    post = await makePost(store, author.id, { to: 'public' }, 1_000);
  });
  const [bob, carol, dave, eve] = [() => people[0]!, () => people[1]!, () => people[2]!, () => people[3]!];
  const like = (actor: Actor, createdAt: number, itemId: string | null) => store.transaction((tx) => insertLike(tx, { postGuid: post.guid, actorId: actor.id, itemId, createdAt }));
  const attach = (actor: Actor, known: string | null, others: string | null, updatedAt = 5_000) => store.transaction((tx) => saveAttachments(tx, { postGuid: post.guid, actorId: actor.id, known, others, updatedAt }));
  const names = (found: { actor: Actor }[]) => found.map(({ actor }) => actor.username);

  test('♥ are listed by time and person, within bounds, for who may see them', async () => {
    await like(bob(), 2_000, 'h-bob');
    await like(carol(), 2_000, 'h-carol');
    await like(dave(), 3_000, null);
    await like(eve(), 4_000, 'h-eve');
    expect(names(await listHearts(store, anonymous, post.guid, { limit: 9 }))).toEqual(['eve', 'carol', 'bob']);
    expect(names(await listHearts(store, anonymous, post.guid, { limit: 2, direction: 'oldest-first' }))).toEqual(['bob', 'carol']);
    expect(names(await listHearts(store, anonymous, post.guid, { limit: 9, older: [2_000, carol().id] }))).toEqual(['bob']);
    expect(names(await listHearts(store, anonymous, post.guid, { limit: 9, newer: [2_000, 0x7fff_ffff] }))).toEqual(['eve']);
    expect([await countHearts(store, anonymous, post.guid), await countHearts(store, anonymous, post.guid, { older: [4_000, 0] })]).toEqual([3, 2]);
    expect(await findHeart(store, anonymous, post.guid, 'h-bob')).toMatchObject({ itemId: 'h-bob', createdAt: 2_000 });
    await relate(store, author.id, bob().id, { blockedAt: 1 });
    expect(await findHeart(store, { actorId: author.id }, post.guid, 'h-bob')).toBeNull();
    expect(await countHearts(store, { actorId: bob().id }, post.guid)).toBe(0);
  });

  test('whoever likes has attached, and so has who attached something else', async () => {
    await like(bob(), 2_000, null);
    await like(carol(), 3_000, null);
    await attach(carol(), '<known/>', '<others/>');
    await attach(dave(), null, '<others/>', 2_500);
    const all = await listAttached(store, anonymous, post.guid, { limit: 9, direction: 'oldest-first' });
    expect(all.map(({ actor, at, likedAt, known, others }) => [actor.username, at, likedAt, known, others])).toEqual([
      ['bob', 2_000, 2_000, null, null],
      ['dave', 2_500, null, null, '<others/>'],
      ['carol', 3_000, 3_000, '<known/>', '<others/>'],
    ]);
    expect(names(await listAttached(store, anonymous, post.guid, { limit: 1, older: [3_000, carol().id] }))).toEqual(['dave']);
    expect([await countAttached(store, anonymous, post.guid), await countAttached(store, anonymous, post.guid, { newer: [2_000, bob().id] })]).toEqual([3, 2]);
    expect(await listKnown(store, anonymous, post.guid, 9)).toEqual({ plain: 1, known: ['<known/>'] });
    expect((await findAttached(store, anonymous, post.guid, dave().id))!.likedAt).toBeNull();
    expect(await findAttached(store, anonymous, post.guid, eve().id)).toBeNull();
    await relate(store, author.id, carol().id, { blockedAt: 1 });
    expect(await countAttached(store, { actorId: author.id }, post.guid)).toBe(2);
    expect(await listKnown(store, { actorId: author.id }, post.guid, 9)).toEqual({ plain: 1, known: [] });
  });

  test('the end of a like is the end of what said it, and of nothing else', async () => {
    await like(bob(), 2_000, null);
    await attach(bob(), '<known/>', '<others/>');
    await like(carol(), 2_000, null);
    await attach(carol(), '<known/>', null);
    await store.transaction(async (tx) => {
      await removeLike(tx, post.guid, bob().id);
      await removeLike(tx, post.guid, carol().id);
    });
    expect(await findAttachments(store, post.guid, bob().id)).toMatchObject({ known: null, others: '<others/>' });
    expect(await findAttachments(store, post.guid, carol().id)).toBeNull();
    await store.transaction((tx) => removeLikesOf(tx, post.guid));
    expect(await countAttached(store, anonymous, post.guid)).toBe(0);
  });

  const subscribe = (actor: Actor | null, jid: string, node: string) =>
    store.transaction((tx) => upsertSubscription(tx, { actorId: author.id, node, jid, personId: actor?.id ?? null, subid: '1', state: 'subscribed', pausedUntil: null, createdAt: 1 }));

  test('those who subscribed to a node are told on their host, unless a block stands between them and whose doing it is', async () => {
    await subscribe(bob(), 'bob@bob.test', NODE);
    await subscribe(null, 'service.test', NODE);
    await subscribe(carol(), 'carol@carol.test', 'urn:xmpp:microblog:0');
    expect(await nodeHosts(store, author.id, [NODE])).toEqual(['bob.test', 'service.test']);
    expect(await subscriptionHosts(store, author.id, ['urn:xmpp:microblog:0'])).toEqual(['carol.test']);
    const told = (byId: number, host: string) => nodeTargets(store, { postGuid: post.guid, byId, nodes: [NODE, 'urn:other'], host });
    expect(await told(dave().id, 'bob.test')).toEqual([{ node: NODE, jid: 'bob@bob.test', pausedUntil: null }]);
    expect(await told(dave().id, 'carol.test')).toEqual([]);
    const local = (await makeAccount(store, 'frank')).actor;
    await relate(store, local.id, bob().id, { blockedAt: 1 });
    expect(await told(local.id, 'bob.test')).toEqual([]);
    expect(await told(local.id, 'service.test')).toHaveLength(1);
    const hidden = await makePost(store, author.id, { to: 'contacts' }, 1_000);
    expect(await nodeTargets(store, { postGuid: hidden.guid, byId: dave().id, nodes: [NODE], host: 'service.test' })).toEqual([]);
    await store.transaction((tx) => endSubscriptions(tx, author.id, [NODE], 'bob.test'));
    expect((await findSubscriptions(store, { actorId: author.id, node: NODE })).map(({ jid }) => jid)).toEqual(['service.test']);
  });

  test('a reshare goes to nobody to whom the root’s author shows nothing', async () => {
    const root = (await makeAccount(store, 'rooter')).actor;
    const shown = await makePost(store, root.id, { to: 'public' }, 1_000);
    const reshare = await makePost(store, author.id, { to: 'public' }, 2_000, { kind: 'reshare', reshareOf: shown.guid });
    for (const actor of [bob(), carol()]) await subscribe(actor, `${actor.username}@same.test`, 'urn:xmpp:microblog:0');
    await relate(store, root.id, bob().id, { blockedAt: 1 });
    const told = async (one: Post) => (await deliveryTargets(store, { post: one, nodes: ['urn:xmpp:microblog:0'] }, ['same.test'])).get('same.test')!.subscriptions.map(({ jid }) => jid);
    expect(await told(reshare)).toEqual(['carol@same.test']);
    expect(await told(post)).toEqual(['bob@same.test', 'carol@same.test']);
  });

  test('of several hosts each has its own recipients', async () => {
    for (const jid of ['bob@one.test', 'carol@two.test', 'dave@two.test', 'three.test']) await subscribe(bob(), jid, 'urn:xmpp:microblog:0');
    for (const jid of ['erin@two.test', 'frank@three.test']) {
      await store.transaction((tx) => saveLeg(tx, { actorId: author.id, jid, personId: bob().id, inbound: 'on', outbound: 'none', capsOnly: false, lastGuid: null }));
    }
    const targets = await deliveryTargets(store, { post, nodes: ['urn:xmpp:microblog:0'] }, ['one.test', 'two.test', 'three.test', 'four.test']);
    const told = [...targets].map(([host, { subscriptions, legs }]) => [host, subscriptions.map(({ jid }) => jid), legs.map(({ jid }) => jid)]);
    expect(told).toEqual([
      ['one.test', ['bob@one.test'], []],
      ['two.test', ['carol@two.test', 'dave@two.test'], ['erin@two.test']],
      ['three.test', ['three.test'], ['frank@three.test']],
      ['four.test', [], []],
    ]);
    for (const host of targets.keys()) {
      const { isBeginning, ...alone } = (await deliveryTargets(store, { post, nodes: ['urn:xmpp:microblog:0'] }, [host])).get(host)!;
      expect([isBeginning, alone]).toEqual([true, { subscriptions: targets.get(host)!.subscriptions, legs: targets.get(host)!.legs }]);
    }
  });

  test('comments nodes that one of ours is subscribed to are counted apart from feeds, the one looked at longest ago first', async () => {
    const feed = (node: string, caughtUpAt: number) =>
      store.transaction((tx) => saveFeed(tx, { actorId: author.id, service: 's.test', node, personId: bob().id, state: 'subscribed', subid: null, caughtUpAt }));
    await feed('urn:xmpp:microblog:0', 1);
    await feed('urn:xmpp:microblog:0:comments/b', 3);
    await feed('urn:xmpp:microblog:0:comments/a', 2);
    expect(await countNodes(store, author.id)).toBe(2);
    expect(await oldestNode(store, author.id)).toMatchObject({ node: 'urn:xmpp:microblog:0:comments/a' });
    expect(await subscribersOf(store, { service: 's.test', node: 'urn:xmpp:microblog:0:comments/a' })).toHaveLength(1);
    expect(await oldestNode(store, bob().id)).toBeNull();
  });

  test('items are found by the beginning of their ids, whatever stands in it', async () => {
    const comment = (itemId: string) =>
      store.transaction((tx) => insertComment(tx, { guid: newGuid(1), postGuid: post.guid, authorId: bob().id, itemId, markdown: 'x', html: 'x', createdAt: 1, editedAt: null, deletedAt: null }));
    for (const id of ['a%', 'a% by bob@x', 'a% by carol@x', 'ab by bob@x', "a' by x"]) await comment(id);
    expect((await listItemsLike(store, post.guid, 'a% by ')).sort()).toEqual(['a% by bob@x', 'a% by carol@x']);
    expect(await listItemsLike(store, post.guid, "a' by ")).toEqual(["a' by x"]);
  });
});
