import type { Account } from '../../../src/domain/account.js';
import { noRelationship, type Relationship } from '../../../src/domain/relationship.js';
import { askAbout, learnProfile, lookUp, noteAsked, personView, wordsFor } from '../../../src/services/people.js';
import { addContact, applyEvent, parseAddress } from '../../../src/services/relationships.js';
import type { Store } from '../../../src/store/database.js';
import { saveFeed } from '../../../src/store/received.js';
import { testContext, type TestContext } from '../../support/context.js';
import { makeAccount, makePost, makeRemote, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

describe('what stands for a person', () => {
  const parse = (text: string) => {
    const { username, domain } = parseAddress(text, 'https://social.test', 'social.test');
    return `${username}@${domain}`;
  };
  test.each([
    ['bob@else.test', 'bob@else.test'],
    [' @Bob@Else.Test ', 'bob@else.test'],
    ['xmpp:bob@else.test?message', 'bob@else.test'],
    ['acct:bob@else.test', 'bob@else.test'],
    ['bob@else.test/phone', 'bob@else.test'],
    ['https://social.test/u/alice', 'alice@social.test'],
    ['https://social.test/u/alice?older=1', 'alice@social.test'],
    ['https://social.test/people/bob@else.test', 'bob@else.test'],
    ['https://social.test/people/bob%40else.test', 'bob@else.test'],
    ['https://other.example:8443/u/carol/', 'carol@other.example'],
    ['http://other.example/people/dave@third.example#posts', 'dave@third.example'],
    ['xmpp:jürgen@bücher.example', 'jürgen@bücher.example'],
    ['bob@Bu\u0308CHER.example', 'bob@bücher.example'],
    ['李@例え.テスト', '李@例え.テスト'],
    ['https://bücher.example/u/carol', 'carol@bücher.example'],
    ['bob@my_host.example', 'bob@my_host.example'],
  ])('%s', (text, address) => expect(parse(text)).toBe(address));

  test.each(['', 'bob', '@bob', 'bob@', 'https://other.example/', 'https://other.example/posts/123', 'https://other.example/u/', 'https://other.example/u/%zz', 'bob@else.test\u0000', 'javascript:alert(1)@x', 'bob@else..test', 'bob@-else.test', 'bob@el\u200bse.test', 'bob@else.test\u2100', 'bob@carol@else.test', 'https://other.example/people/nobody'])(
    '%j is nobody',
    (text) => expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'invalid', field: 'address' })),
  );
});

describe('the words for what stands between two', () => {
  const words = (change: Partial<Relationship>) => wordsFor({ ...noRelationship(1, 2), ...change }).join(' ');
  test.each<[Partial<Relationship>, string]>([
    [{}, ''],
    [{ following: 'on', addedAt: 1 }, 'you-follow added'],
    [{ follower: 'on' }, 'follows-you'],
    [{ follower: 'on', following: 'on', addedAt: 1 }, 'mutual added'],
    [{ following: 'asked', addedAt: 1 }, 'requested added'],
    [{ follower: 'asked' }, 'asks-you'],
    [{ follower: 'on', following: 'asked', addedAt: 1 }, 'follows-you requested added'],
    [{ follower: 'refused' }, ''],
    [{ follower: 'on', mutedAt: 1 }, 'follows-you muted'],
    [{ blockedAt: 1, mutedAt: 1 }, 'blocked'],
  ])('%j: %s', (change, expected) => expect(words(change)).toBe(expected));
});

describeStores((makeStore) => {
  let store: Store;
  let ctx: TestContext;
  let alice: Account;
  const jobs = async () => (await store.query<{ payload: string }>("select payload from jobs where kind = 'fetch-person' order by id")).map(({ payload }) => JSON.parse(payload) as object);
  beforeAll(async () => {
    store = await makeStore();
  });
  beforeEach(async () => {
    for (const table of ['jobs', 'lanes', 'person_fetches', 'followed_feeds', 'relationships', 'post_origins', 'posts', 'accounts', 'actors']) await store.transaction((tx) => tx.query(`delete from ${table}`));
    ctx = await testContext({ DX_DOMAIN: 'social.example.org' }, store);
    alice = (await makeAccount(store, 'alice')).account;
  });
  afterEach(() => ctx.close());
  const viewer = () => ({ actorId: alice.actorId });

  test('somebody new is noted and asked about, once for all who look', async () => {
    const bob = (await makeAccount(store, 'bob')).account;
    const view = await lookUp(ctx, alice, 'carol@else.test');
    expect(view).toMatchObject({ address: 'carol@else.test', actor: { isLocal: false, username: 'carol', domain: 'else.test' }, relationship: null, words: [], isFetching: true, fetchError: null, counts: { posts: 0 } });
    expect(await lookUp(ctx, bob, 'xmpp:carol@else.test')).toMatchObject({ actor: { id: view.actor.id }, isFetching: true });
    expect(await jobs()).toEqual([{ actorId: alice.actorId, otherId: view.actor.id }]);
  });

  test('asked again when what is known is old, or when somebody wants it; not while it is being asked', async () => {
    const { actor } = await lookUp(ctx, alice, 'carol@else.test');
    await askAbout(ctx, alice, actor, { again: true });
    expect(await jobs()).toHaveLength(1);
    await noteAsked(ctx, actor.id, null);
    await lookUp(ctx, alice, 'carol@else.test');
    expect(await jobs()).toHaveLength(1);
    await askAbout(ctx, alice, actor, { again: true });
    expect(await jobs()).toHaveLength(2);
    await noteAsked(ctx, actor.id, null);
    ctx.pass(11 * 60_000);
    expect(await lookUp(ctx, alice, 'carol@else.test')).toMatchObject({ isFetching: true });
    expect(await jobs()).toHaveLength(3);
  });

  test('that a server is away is told, and soon tried again; an answer that never comes is not waited for', async () => {
    const { actor } = await lookUp(ctx, alice, 'carol@else.test');
    await noteAsked(ctx, actor.id, 'else.test cannot be reached at the moment.');
    expect(await personView(ctx, viewer(), actor)).toMatchObject({ isFetching: false, fetchError: 'else.test cannot be reached at the moment.' });
    ctx.pass(31_000);
    expect(await lookUp(ctx, alice, 'carol@else.test')).toMatchObject({ isFetching: true, fetchError: null });
    ctx.pass(3 * 60_000);
    expect(await personView(ctx, viewer(), actor)).toMatchObject({ isFetching: false });
  });

  test('whoever has just been followed is being asked for, until their posts have come or their server is away', async () => {
    const { actor } = await lookUp(ctx, alice, 'carol@else.test');
    await noteAsked(ctx, actor.id, null);
    await addContact(ctx, alice, 'carol@else.test');
    const isFetching = async () => (await personView(ctx, viewer(), actor)).isFetching;
    expect(await isFetching()).toBe(true);
    const feed = { actorId: alice.actorId, service: 'carol@else.test', personId: actor.id, state: 'subscribed', subid: null } as const;
    await store.transaction(async (tx) => {
      await saveFeed(tx, { ...feed, node: 'urn:xmpp:microblog:0', caughtUpAt: null });
      await saveFeed(tx, { ...feed, node: 'urn:xmpp:microblog:0:comments/1', caughtUpAt: 1 });
    });
    expect(await isFetching()).toBe(true);
    await noteAsked(ctx, actor.id, 'else.test cannot be reached at the moment.');
    expect(await isFetching()).toBe(false);
    await noteAsked(ctx, actor.id, null);
    await store.transaction((tx) => saveFeed(tx, { ...feed, node: 'urn:xmpp:microblog:0', caughtUpAt: 1 }));
    expect(await isFetching()).toBe(false);
  });

  test.each(['accepted', 'refused'] as const)('who waits on the page of somebody asked hears that it was answered: %s', async (answer) => {
    const { other } = await addContact(ctx, alice, 'carol@else.test');
    const heard = new Promise<void>((resolve) => {
      const off = store.notify.onEvent(({ kind, actorId }) => {
        if (kind !== 'account' || actorId !== other.id) return;
        off();
        resolve();
      });
    });
    await store.transaction((tx) => applyEvent(ctx, tx, alice.actorId, other.id, answer));
    await heard;
  });

  test('people of this installation are not asked about; unknown names are nobody', async () => {
    await makeAccount(store, 'bob');
    expect(await lookUp(ctx, alice, 'bob@social.example.org')).toMatchObject({ actor: { isLocal: true }, isFetching: false });
    await expect(lookUp(ctx, alice, 'nobody@social.example.org')).rejects.toMatchObject({ code: 'not-found', field: 'address' });
    expect(await lookUp(ctx, alice, 'alice@social.example.org')).toMatchObject({ words: ['yourself'] });
    expect(await jobs()).toEqual([]);
  });

  test('counts what the viewer may see, and says what stands between them', async () => {
    const carol = await makeRemote(store, 'carol@else.test');
    await makePost(store, carol.id, { to: 'public' }, 1, { tags: [] });
    await makePost(store, carol.id, { to: 'people' }, 2, { tags: [] });
    await relate(store, alice.actorId, carol.id, { following: 'on', addedAt: 1 });
    expect(await personView(ctx, viewer(), carol)).toMatchObject({ words: ['you-follow', 'added'], relationship: { following: 'on' }, counts: { posts: 1 } });
    expect(await personView(ctx, 'anonymous', carol)).toMatchObject({ words: [], relationship: null });
  });

  test('what a stranger tells about himself is bounded and cleaned, and tells nobody when it is the same', async () => {
    const carol = await makeRemote(store, 'carol@else.test');
    const learn = (displayName: string, summary: string) => store.transaction((tx) => learnProfile(tx, carol, { displayName, summary }));
    expect(await learn(` Carol\u202e\n of   ${'x'.repeat(500)}`, `one\r\ntwo\u0000${'y'.repeat(5_000)}`)).toBe(true);
    const [row] = await store.query<{ display_name: string; summary: string }>('select display_name, summary from actors where id = ?', [carol.id]);
    expect([row!.display_name.length, row!.summary.length]).toEqual([100, 2_000]);
    expect(row).toMatchObject({ display_name: expect.stringMatching(/^Carol of x/), summary: expect.stringMatching(/^one\ntwoy/) });
    expect(await learn(` Carol\u202e\n of   ${'x'.repeat(500)}`, `one\r\ntwo\u0000${'y'.repeat(5_000)}`)).toBe(false);
    expect(await store.transaction((tx) => learnProfile(tx, { ...carol, isLocal: true }, { displayName: 'Mallory' }))).toBe(false);
  });
});
