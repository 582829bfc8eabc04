// What a stream shows of reshares, on both databases: pages are read as the web reads them.
import { blockPerson, mutePerson, unblockPerson, unmutePerson } from '../../../src/services/relationships.js';
import { deletePost, publishPost } from '../../../src/services/publish.js';
import { resharePost } from '../../../src/services/reshares.js';
import { homeStream } from '../../../src/services/stream.js';
import type { Store } from '../../../src/store/database.js';
import { foldReshares } from '../../../src/web/fold-reshares.js';
import { PAGE_SIZE, pageOfPosts } from '../../../src/web/routes/stream.js';
import { testContext, type TestContext } from '../../support/context.js';
import { makeAccount, type Person, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

describeStores((makeStore) => {
  let store: Store;
  let ctx: TestContext;
  let alice: Person;
  let bob: Person;
  let carol: Person;
  let dora: Person;
  let count = 0;
  beforeAll(async () => {
    store = await makeStore();
    ctx = await testContext({}, store);
  });
  afterAll(() => ctx.close());
  /** alice follows bob and carol; dora writes what they share. */
  beforeEach(async () => {
    count += 1;
    [alice, bob, carol, dora] = (await Promise.all(['alice', 'bob', 'carol', 'dora'].map((name) => makeAccount(store, `${name}${count}`)))) as [Person, Person, Person, Person];
    for (const other of [bob, carol]) await relate(store, alice.actor.id, other.actor.id, { following: 'on' });
  });

  const post = (by: Person, text: string) => {
    ctx.pass(1_000);
    return publishPost(ctx, by.account, { text, audience: { to: 'public' } });
  };
  const reshare = (by: Person, root: { guid: string }) => {
    ctx.pass(1_000);
    return resharePost(ctx, by.account, root.guid);
  };
  /** Page by page: each place as its text, with who shared it before it. */
  async function pages(of: Person): Promise<string[][]> {
    const found: string[][] = [];
    for (let older: string | undefined; ; ) {
      const { posts, olderThan } = await pageOfPosts((limit) => homeStream(ctx, of.account, { older, limit }));
      found.push(
        foldReshares(posts).map(({ view, via }) => {
          const reshares = view.post.kind === 'reshare' ? [view, ...via] : via;
          return [...reshares.map(({ author }) => `${author.username.replace(/\d+$/, '')}:`), (view.root ?? view).post.markdown].join(' ');
        }),
      );
      if (olderThan === null) return found;
      older = olderThan;
    }
  }

  test('a post stands on a page once, in its own place when it is there itself, with all who shared it', async () => {
    const theirs = await post(dora, 'from dora');
    const his = await post(bob, 'from bob');
    await reshare(bob, theirs);
    await reshare(carol, his);
    await reshare(carol, theirs);
    await reshare(alice, his);
    expect(await pages(alice)).toEqual([['carol: bob: from dora', 'alice: carol: from bob']]);
    // Whoever follows neither sees each of them alone.
    expect(await pages(carol)).toEqual([['carol: from dora', 'carol: from bob']]);
  });

  test('a reshare of what was deleted, or is not for the viewer, is not there', async () => {
    const [gone, theirs] = [await post(dora, 'gone'), await post(dora, 'from dora')];
    for (const one of [gone, theirs]) await reshare(bob, one);
    await deletePost(ctx, dora.account, gone.guid);
    expect(await pages(alice)).toEqual([['bob: from dora']]);
    await blockPerson(ctx, alice.account, dora.actor.id);
    expect(await pages(alice)).toEqual([[]]);
    await unblockPerson(ctx, alice.account, dora.actor.id);
    await blockPerson(ctx, dora.account, alice.actor.id);
    expect(await pages(alice)).toEqual([[]]);
  });

  test('what is folded or left out costs no post its place on a later page', async () => {
    const theirs = await post(dora, 'shared by both');
    const first = await post(bob, 'the oldest');
    const roots = [];
    for (let i = 0; i < PAGE_SIZE; i++) roots.push(await post(dora, `hidden ${i}`));
    for (const root of roots) await reshare(bob, root);
    for (const by of [bob, carol]) await reshare(by, theirs);
    for (const root of roots) await deletePost(ctx, dora.account, root.guid);
    await reshare(carol, first); // on another page than the post itself: there it stands again
    expect(await pages(alice)).toEqual([['carol: the oldest', 'carol: bob: shared by both'], ['the oldest']]);
  });

  test('what those wrote who are muted is not shared into the stream either, and pages are as full as before', async () => {
    const last = await post(carol, 'the oldest');
    const roots = [];
    for (let i = 0; i <= PAGE_SIZE; i++) roots.push(await post(dora, `noise ${i}`));
    await post(bob, 'from bob');
    for (const root of roots) await reshare(bob, root);
    await reshare(alice, last);
    await mutePerson(ctx, alice.account, dora.actor.id);
    expect(await pages(alice)).toEqual([['from bob', 'alice: the oldest']]);
    await unmutePerson(ctx, alice.account, dora.actor.id);
    expect((await pages(alice)).flat()).toContain('bob: noise 0');
  });
});
