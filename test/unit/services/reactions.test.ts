// Likes, reshares, tags, and the streams that show them.
import type { Actor } from '../../../src/domain/actor.js';
import type { Post } from '../../../src/domain/post.js';
import { commentOn, deleteComment, listComments } from '../../../src/services/comments.js';
import { deletePost, editPost, publishPost } from '../../../src/services/publish.js';
import { likePost, likersOf, receiveLike, receiveUnlike, unlikePost, whatIsItem } from '../../../src/services/reactions.js';
import { blockPerson, mutePerson } from '../../../src/services/relationships.js';
import { resharePost, resharersOf, unresharePost } from '../../../src/services/reshares.js';
import { activityStream, homeStream, listPostsBy, type PostView, readPost, tagStream } from '../../../src/services/stream.js';
import type { Store } from '../../../src/store/database.js';
import { insertOrigins } from '../../../src/store/received.js';
import { testContext, type TestContext } from '../../support/context.js';
import { makeAccount, makeCast, makePost, makeRemote, type Person, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

describeStores((makeStore) => {
  let store: Store;
  let ctx: TestContext;
  let alice: Person;
  let bob: Person;
  let carol: Person;
  let romeo: Actor;
  beforeAll(async () => {
    store = await makeStore();
    ctx = await testContext({}, store);
    if (makeStore.dialect === 'postgres') ctx.pass(24 * 3_600_000); // guids of one process never go back, and the first run has used up some time
    ({ alice, bob, carol, romeo } = await makeCast(store));
  });
  afterAll(() => ctx.close());
  beforeEach(() => ctx.pass(1_000));

  const post = (text = 'hello', by = alice, to: 'public' | 'contacts' = 'public') => publishPost(ctx, by.account, { text, audience: { to } });
  const as = (actor: Actor) => ({ actorId: actor.id });
  const see = (viewer: Person | null, guid: string) => readPost(ctx, viewer ? as(viewer.actor) : 'anonymous', guid);
  const verbs = async (guid: string) => (await store.query<{ verb: string; comment_guid: string | null }>('select verb, comment_guid from activities where post_guid = ? order by id', [guid]));
  const guids = (views: PostView[]) => views.map((view) => view.post.guid);

  describe('likes', () => {
    test('there is one for each person and post, whichever way it came and however often', async () => {
      const { guid } = await post();
      await likePost(ctx, bob.actor, guid);
      await likePost(ctx, bob.actor, guid);
      await likePost(ctx, romeo, guid);
      await likePost(ctx, romeo, guid, { itemId: 'heart' });
      await likePost(ctx, romeo, guid, { itemId: 'another heart' });
      expect(await see(bob, guid)).toMatchObject({ counts: { comments: 0, likes: 2, reshares: 0 }, liked: true });
      expect(await see(null, guid)).toMatchObject({ counts: { likes: 2 }, liked: false });
      const { actors, count } = await likersOf(ctx, as(alice.actor), guid, 1);
      expect([actors.length, count]).toEqual([1, 2]);
      expect(await whatIsItem(ctx, guid, 'heart')).toEqual({ kind: 'like', authorId: romeo.id });
      const told = await verbs(guid);
      expect(told.map(({ verb }) => verb)).toEqual(['post', 'like', 'like', 'like']); // of romeo first an attachment, then a ♥
      expect(told[1]!.comment_guid).toMatch(/^[0-9a-f]{32}$/);
      expect(told.slice(2).map((one) => one.comment_guid)).toEqual([null, 'heart']);
    });

    test('taking one back takes every form of it back, and tells by which item it was known', async () => {
      const { guid } = await post();
      await likePost(ctx, romeo, guid, { itemId: 'h' });
      await unlikePost(ctx, romeo, guid);
      await unlikePost(ctx, romeo, guid);
      expect((await see(null, guid)).counts.likes).toBe(0);
      expect((await verbs(guid)).slice(1)).toEqual([
        { verb: 'like', comment_guid: 'h' },
        { verb: 'unlike', comment_guid: 'h' },
      ]);
      expect(await whatIsItem(ctx, guid, 'h')).toBeNull();
    });

    test('who may not see a post can neither like it nor learn who does', async () => {
      const hidden = await post('x', alice, 'contacts');
      const seen = await post();
      await likePost(ctx, alice.actor, hidden.guid);
      const blocked = await makeAccount(store, 'blocked');
      await blockPerson(ctx, alice.account, blocked.actor.id);
      for (const [who, guid] of [[bob.actor, hidden.guid], [romeo, hidden.guid], [blocked.actor, seen.guid]] as [Actor, string][]) {
        for (const work of [() => likePost(ctx, who, guid), () => unlikePost(ctx, who, guid), () => likersOf(ctx, as(who), guid, 5)]) await expect(work()).rejects.toMatchObject({ code: 'not-found' });
      }
    });

    test('likes of people who block each other are hidden from both', async () => {
      const { guid } = await post();
      const dora = await makeAccount(store, 'dora');
      await likePost(ctx, dora.actor, guid);
      await likePost(ctx, bob.actor, guid);
      await blockPerson(ctx, bob.account, dora.actor.id);
      for (const person of [bob, dora]) {
        expect((await see(person, guid)).counts.likes).toBe(1);
        expect((await likersOf(ctx, as(person.actor), guid, 9)).actors.map(({ id }) => id)).toEqual([person.actor.id]);
      }
      expect((await see(carol, guid)).counts.likes).toBe(2);
    });

    test('those that come from the nodes of a post from elsewhere are taken in once, and send nothing out', async () => {
      const found = await makePost(store, romeo.id, { to: 'public' }, ctx.now());
      const juliet = await makeRemote(store, 'juliet@capulet.example');
      await store.transaction(async (tx) => {
        await receiveLike(ctx, tx, found, juliet, null, 5);
        await receiveLike(ctx, tx, found, juliet, 'h1', 5);
        await receiveLike(ctx, tx, found, romeo, 'h1', 5);
      });
      expect((await see(bob, found.guid)).counts.likes).toBe(2);
      expect(await whatIsItem(ctx, found.guid, 'h1')).toEqual({ kind: 'like', authorId: juliet.id });
      await store.transaction((tx) => receiveUnlike(ctx, tx, found, { itemId: 'h1', by: romeo }));
      expect((await see(bob, found.guid)).counts.likes).toBe(2);
      await store.transaction(async (tx) => {
        await receiveUnlike(ctx, tx, found, { itemId: 'h1' });
        await receiveUnlike(ctx, tx, found, { by: romeo });
      });
      expect((await see(bob, found.guid)).counts.likes).toBe(0);
      expect(await verbs(found.guid)).toEqual([]);
    });
  });

  describe('reshares', () => {
    test('show the root as it stands, with what stands under it', async () => {
      const root = await post('root');
      await likePost(ctx, carol.actor, root.guid);
      const reshare = await resharePost(ctx, bob.account, root.guid);
      expect(reshare).toMatchObject({ kind: 'reshare', reshareOf: root.guid, authorId: bob.actor.id, markdown: '', audience: { to: 'public' } });
      await editPost(ctx, alice.account, root.guid, 'root, edited');
      await commentOn(ctx, carol.actor, reshare.guid, { text: 'on the root' });
      await likePost(ctx, bob.actor, reshare.guid);
      const view = await see(bob, reshare.guid);
      expect(view).toMatchObject({ author: { username: 'bob' }, root: { post: { markdown: 'root, edited' }, author: { username: 'alice' } }, counts: { comments: 1, likes: 2, reshares: 1 }, liked: true, reshared: true });
      expect(await see(carol, root.guid)).toMatchObject({ root: null, counts: { comments: 1, likes: 2, reshares: 1 }, liked: true, reshared: false });
      expect((await listComments(ctx, 'anonymous', reshare.guid, { limit: 5 })).map(({ comment }) => comment.postGuid)).toEqual([root.guid]);
      expect((await verbs(reshare.guid)).map(({ verb }) => verb)).toEqual(['post']);
    });

    test('there is one of each root for each person, of a reshare it is one of the root; it can be taken back and made again', async () => {
      const root = await post('root');
      const [one, two] = await Promise.all([resharePost(ctx, bob.account, root.guid), resharePost(ctx, bob.account, root.guid)]);
      expect(two.guid).toBe(one.guid);
      expect(await resharePost(ctx, carol.account, one.guid)).toMatchObject({ reshareOf: root.guid });
      expect((await see(null, root.guid)).counts.reshares).toBe(2);
      const sharers = async (viewer: Person, guid = root.guid) => (await resharersOf(ctx, as(viewer.actor), guid, 1)).actors.map(({ username }) => username).concat(String((await resharersOf(ctx, as(viewer.actor), guid, 1)).count));
      expect([await sharers(alice), await sharers(alice, one.guid)]).toEqual([['carol', '2'], ['carol', '2']]);
      const enemy = await makeAccount(store, 'enemy3');
      await blockPerson(ctx, carol.account, enemy.actor.id);
      expect(await sharers(enemy)).toEqual(['bob', '1']);
      await unresharePost(ctx, bob.account, root.guid);
      await expect(unresharePost(ctx, bob.account, root.guid)).rejects.toMatchObject({ code: 'not-found' });
      await expect(see(null, one.guid)).rejects.toMatchObject({ code: 'gone' });
      expect((await see(bob, root.guid)).reshared).toBe(false);
      const again = await resharePost(ctx, bob.account, root.guid);
      expect(again.guid).not.toBe(one.guid);
      await unresharePost(ctx, bob.account, again.guid);
      expect((await verbs(one.guid)).map(({ verb }) => verb)).toEqual(['post', 'delete']);
    });

    test('only what is public is shown on, and only by those who see it', async () => {
      const limited = await post('x', alice, 'contacts');
      await relate(store, alice.actor.id, carol.actor.id, { addedAt: 1 });
      await expect(resharePost(ctx, carol.account, limited.guid)).rejects.toMatchObject({ code: 'forbidden' });
      await expect(resharePost(ctx, bob.account, limited.guid)).rejects.toMatchObject({ code: 'not-found' });
      const open = await post();
      await expect(resharePost(ctx, alice.account, open.guid)).rejects.toMatchObject({ code: 'forbidden' });
      const [enemy, brought] = [await makeAccount(store, 'enemy'), await makePost(store, romeo.id, { to: 'people' }, ctx.now())];
      await blockPerson(ctx, alice.account, enemy.actor.id);
      await expect(resharePost(ctx, enemy.account, open.guid)).rejects.toMatchObject({ code: 'not-found' });
      await store.transaction((tx) => tx.query('insert into post_recipients (post_guid, actor_id) values (?, ?)', [brought.guid, bob.actor.id]));
      await expect(resharePost(ctx, bob.account, brought.guid)).rejects.toMatchObject({ code: 'forbidden' });
    });

    test('nobody sees through one what they may not see: the root of someone who has blocked them, or one that is gone', async () => {
      const root = await post('root');
      const reshare = await resharePost(ctx, bob.account, root.guid);
      const enemy = await makeAccount(store, 'enemy2');
      await blockPerson(ctx, alice.account, enemy.actor.id);
      const seen = await see(enemy, reshare.guid);
      expect(seen).toMatchObject({ root: null, counts: { comments: 0, likes: 0, reshares: 0 }, takesComments: false });
      expect(JSON.stringify(seen)).not.toContain('"root,');
      await expect(commentOn(ctx, enemy.actor, reshare.guid, { text: 'x' })).rejects.toMatchObject({ code: 'not-found' });
      await expect(likersOf(ctx, as(enemy.actor), reshare.guid, 5)).rejects.toMatchObject({ code: 'not-found' });
      await deletePost(ctx, alice.account, root.guid);
      expect(await see(carol, reshare.guid)).toMatchObject({ post: { kind: 'reshare' }, root: null });
      await expect(resharePost(ctx, carol.account, reshare.guid)).rejects.toMatchObject({ code: 'gone' });
      await expect(editPost(ctx, bob.account, reshare.guid, 'mine')).rejects.toMatchObject({ code: 'forbidden' });
    });
  });

  test('a post from elsewhere says where it stands, and whether it takes comments', async () => {
    const found = await makePost(store, romeo.id, { to: 'public' }, ctx.now());
    const origin = { postGuid: found.guid, protocol: 'xmpp' as const, service: 'romeo@montague.example', node: 'urn:xmpp:microblog:0', itemId: 'i1', updatedAt: 1 };
    await store.transaction((tx) => insertOrigins(tx, [{ ...origin, commentsService: null, commentsNode: null }]));
    expect(await see(null, found.guid)).toMatchObject({ origin: { protocol: 'xmpp', address: 'romeo@montague.example', node: 'urn:xmpp:microblog:0', itemId: 'i1' }, takesComments: false });
    await store.transaction((tx) => tx.query("update post_origins set comments_service = 'c', comments_node = 'n' where post_guid = ?", [found.guid]));
    expect((await see(null, found.guid)).takesComments).toBe(true);
    expect(await see(null, (await post()).guid)).toMatchObject({ origin: null, takesComments: true });
  });

  describe('tags', () => {
    const tagged = async (viewer: Person | null, tag: string, page = {}) => guids(await tagStream(ctx, viewer ? as(viewer.actor) : 'anonymous', tag, { limit: 50, ...page }));

    test('a tag’s page holds the posts with it that the viewer may see, and follows edits and ends', async () => {
      const [open, limited, both] = [await post('#Bees are #nice'), await post('#bees', alice, 'contacts'), await post('#nice #bees')];
      await resharePost(ctx, bob.account, open.guid);
      expect(await tagged(null, 'bees')).toEqual([both.guid, open.guid]);
      expect(await tagged(alice, '#BEES')).toEqual([both.guid, limited.guid, open.guid]);
      expect(await tagged(null, 'bees', { limit: 1 })).toEqual([both.guid]);
      expect(await tagged(null, 'bees', { older: both.guid })).toEqual([open.guid]);
      expect(await tagged(null, 'bees', { direction: 'oldest-first' })).toEqual([open.guid, both.guid]);
      await editPost(ctx, alice.account, both.guid, '#nice #wasps');
      await deletePost(ctx, alice.account, open.guid);
      expect([await tagged(null, 'bees'), await tagged(null, 'nice'), await tagged(null, 'wasps')]).toEqual([[], [both.guid], [both.guid]]);
    });
  });

  describe('my activity', () => {
    test('holds what I made, reshared, commented and liked, each once, by when I last did something with it, page by page', async () => {
      const me = await makeAccount(store, 'me');
      const tick = async <T>(work: Promise<T>): Promise<T> => {
        const result = await work;
        ctx.pass(10);
        return result;
      };
      const theirs: Post[] = [];
      for (let n = 0; n < 6; n++) theirs.push(await tick(post(`theirs ${n}`)));
      const mine = await tick(post('mine', me));
      await tick(likePost(ctx, me.actor, theirs[0]!.guid));
      const talked = await tick(commentOn(ctx, me.actor, theirs[1]!.guid, { text: 'one' }));
      await tick(likePost(ctx, me.actor, theirs[2]!.guid));
      await tick(commentOn(ctx, me.actor, theirs[3]!.guid, { text: 'two' }));
      for (let n = 0; n < 9; n++) await tick(commentOn(ctx, me.actor, theirs[2]!.guid, { text: `again ${n}` }));
      const reshare = await tick(resharePost(ctx, me.account, theirs[4]!.guid));
      await tick(likePost(ctx, me.actor, theirs[5]!.guid));
      await tick(likePost(ctx, me.actor, mine.guid));
      const expected = [mine, theirs[5]!, reshare, theirs[2]!, theirs[3]!, theirs[1]!, theirs[0]!].map(({ guid }) => guid);
      for (const limit of [1, 2, 3, 50]) {
        const pages: string[] = [];
        for (let older: string | undefined; ; older = pages.at(-1)) {
          const page = guids(await activityStream(ctx, me.account, { limit, ...(older && { older }) }));
          pages.push(...page);
          if (page.length < limit) break;
        }
        expect(pages).toEqual(expected);
      }
      await deleteComment(ctx, me.actor, talked.guid);
      await unlikePost(ctx, me.actor, theirs[5]!.guid);
      await deletePost(ctx, alice.account, theirs[3]!.guid);
      await blockPerson(ctx, alice.account, me.actor.id);
      expect(guids(await activityStream(ctx, me.account, { limit: 50 }))).toEqual([mine.guid, reshare.guid]);
      expect(await activityStream(ctx, bob.account, { limit: 50 })).toEqual(expect.not.arrayContaining([expect.objectContaining({ post: expect.objectContaining({ guid: mine.guid }) })]));
    });
  });

  test('who is muted is hidden from the stream alone, and can tell by nothing', async () => {
    const [reader, loud] = [await makeAccount(store, 'reader'), await makeAccount(store, 'loud')];
    await relate(store, reader.actor.id, loud.actor.id, { following: 'on', addedAt: 1 });
    await relate(store, loud.actor.id, reader.actor.id, { follower: 'on' });
    const noise = await post('noise', loud);
    expect(guids(await homeStream(ctx, reader.account, { limit: 5 }))).toEqual([noise.guid]);
    const jobs = async () => (await store.query<{ n: number }>('select count(*) as n from jobs'))[0]!.n;
    const before = await jobs();
    await mutePerson(ctx, reader.account, loud.actor.id);
    expect(await jobs()).toBe(before);
    expect(guids(await homeStream(ctx, reader.account, { limit: 5 }))).toEqual([]);
    expect(guids(await listPostsBy(ctx, as(reader.actor), loud.actor, { limit: 5 }))).toEqual([noise.guid]);
  });
});
