import fc from 'fast-check';
import type { Actor } from '../../../src/domain/actor.js';
import type { Outgoing, Protocol } from '../../../src/domain/protocol.js';
import { blockPerson } from '../../../src/services/relationships.js';
import { commentOn, countComments, deleteComment, editComment, findComment, findCommentByItem, listComments, receiveComment, receiveCommentEnd } from '../../../src/services/comments.js';
import { deletePost, publishPost } from '../../../src/services/publish.js';
import { likePost, likersOf, receiveLike, receiveUnlike } from '../../../src/services/reactions.js';
import { insertOrigins } from '../../../src/store/received.js';
import type { Store } from '../../../src/store/database.js';
import type { LiveEvent } from '../../../src/store/notify.js';
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
  const asked: Outgoing[] = [];
  const events: LiveEvent[] = [];

  beforeAll(async () => {
    store = await makeStore();
    ctx = await testContext({}, store);
    const hostsFor = async (activity: Outgoing) => {
      asked.push(activity);
      return ['montague.example'];
    };
    const xmpp: Protocol = { name: 'xmpp', addressOf: () => null, hostsFor, deliver: async () => ({ recipients: 0, resting: 0 }) };
    ctx.protocols.push(xmpp);
    ({ alice, bob, carol, romeo } = await makeCast(store));
    store.notify.onEvent((event) => events.push(event));
  });
  afterAll(() => ctx.close());
  beforeEach(() => {
    asked.length = 0;
    events.length = 0;
    ctx.pass(1_000);
  });

  const post = (text = 'hello') => publishPost(ctx, alice.account, { text, audience: { to: 'public' } });
  const as = (person: Actor) => ({ actorId: person.id });
  const texts = async (viewer: Actor | null, guid: string) =>
    (await listComments(ctx, viewer ? as(viewer) : 'anonymous', guid, { limit: 100, direction: 'oldest-first' })).map(({ comment }) => comment.markdown);
  const ledger = (guid: string) =>
    store.query<{ verb: string; comment_guid: string | null; actor_id: number; host: string }>(
      'select a.verb, a.comment_guid, a.actor_id, d.host from activities a join deliveries d on d.activity_id = a.id where a.post_guid = ? order by a.id',
      [guid],
    );

  test('a comment is stored, told to open pages, and left to be carried to where its post is heard', async () => {
    const { guid } = await post();
    asked.length = 0;
    events.length = 0;
    const comment = await commentOn(ctx, bob.actor, guid, { text: ' *nice* \r\n' });
    expect(comment).toMatchObject({ postGuid: guid, authorId: bob.actor.id, itemId: comment.guid, markdown: '*nice*', html: '<p><em>nice</em></p>', editedAt: null, deletedAt: null });
    expect(asked).toEqual([{ actorId: bob.actor.id, verb: 'comment', postGuid: guid }]);
    expect(await ledger(guid)).toMatchObject([{ verb: 'post' }, { verb: 'comment', comment_guid: comment.guid, actor_id: bob.actor.id, host: 'montague.example' }]);
    await expectEvent({ kind: 'comment', actorId: bob.actor.id, guid });
    const [view] = await listComments(ctx, as(alice.actor), guid, { limit: 10 });
    expect(view).toMatchObject({ comment: { guid: comment.guid }, author: { username: 'bob' }, may: { edit: false, delete: true } });
    expect((await findComment(ctx, as(bob.actor), comment.guid)).may).toEqual({ edit: true, delete: true });
    expect((await findComment(ctx, 'anonymous', comment.guid)).may).toEqual({ edit: false, delete: false });
  });

  /** Events come after the commit, on PostgreSQL by the server. */
  async function expectEvent(event: LiveEvent): Promise<void> {
    const isThere = () => events.some((one) => one.kind === event.kind && one.guid === event.guid && one.actorId === event.actorId);
    if (isThere()) return;
    await new Promise<void>((resolve) => {
      const off = store.notify.onEvent(() => {
        if (!isThere()) return;
        off();
        resolve();
      });
    });
  }

  test('the same form sent twice makes one comment', async () => {
    const { guid } = await post();
    const send = () => commentOn(ctx, bob.actor, guid, { text: 'once', once: 'token-1' });
    const [one, two] = await Promise.all([send(), send()]);
    expect(two.guid).toBe(one.guid);
    expect((await send()).guid).toBe(one.guid);
    await commentOn(ctx, carol.actor, guid, { text: 'mine', once: 'token-1' });
    expect(await texts(alice.actor, guid)).toEqual(['once', 'mine']);
  });

  test.each([
    ['nothing', ' \n ', 'invalid'],
    ['a ♥ alone, which is a like', ' ♥ ', 'invalid'],
    ['too much', 'x'.repeat(16_385), 'too-large'],
  ])('%s is refused', async (_name, text, code) => {
    const { guid } = await post();
    await expect(commentOn(ctx, bob.actor, guid, { text })).rejects.toMatchObject({ code, field: 'text' });
    const comment = await commentOn(ctx, bob.actor, guid, { text: 'good' });
    await expect(editComment(ctx, bob.actor, comment.guid, text)).rejects.toMatchObject({ code, field: 'text' });
  });

  test('who may not see a post is answered like for an unknown one, on every path', async () => {
    const hidden = await publishPost(ctx, alice.account, { text: 'for contacts', audience: { to: 'contacts' } });
    const seen = await post();
    const comment = await commentOn(ctx, alice.actor, hidden.guid, { text: 'note to self' });
    const blocked = await makeAccount(store, `blocked${ctx.now()}`);
    const blocker = await makeAccount(store, `blocker${ctx.now()}`);
    await relate(store, alice.actor.id, blocked.actor.id, { blockedAt: 1 });
    await relate(store, blocker.actor.id, alice.actor.id, { blockedAt: 1 });
    const unknown = '0'.repeat(32);
    const answer = async (work: Promise<unknown>) => work.then(() => 'done', (error) => `${error.code}: ${error.message}`);
    const tries: [Actor, string, string][] = [[bob.actor, hidden.guid, comment.guid], [romeo, hidden.guid, comment.guid], [blocked.actor, seen.guid, comment.guid], [blocker.actor, seen.guid, comment.guid]];
    for (const [who, guid, of] of tries) {
      expect(await answer(commentOn(ctx, who, guid, { text: 'x' }))).toBe(await answer(commentOn(ctx, who, unknown, { text: 'x' })));
      expect(await answer(listComments(ctx, as(who), guid, { limit: 5 }))).toBe(await answer(listComments(ctx, as(who), unknown, { limit: 5 })));
      expect(await answer(countComments(ctx, as(who), guid))).toBe(await answer(countComments(ctx, as(who), unknown)));
      expect(await answer(editComment(ctx, who, of, 'x'))).toBe(await answer(editComment(ctx, who, unknown, 'x')));
      expect(await answer(deleteComment(ctx, who, of))).toBe(await answer(deleteComment(ctx, who, unknown)));
      expect(await answer(findComment(ctx, as(who), of))).toBe(await answer(findComment(ctx, as(who), unknown)));
      expect(await findCommentByItem(ctx, as(who), hidden.guid, comment.itemId)).toBeNull();
    }
    expect(await answer(commentOn(ctx, bob.actor, unknown, { text: 'x' }))).toMatch(/^not-found/);
    await deletePost(ctx, alice.account, seen.guid);
    await expect(commentOn(ctx, bob.actor, seen.guid, { text: 'x' })).rejects.toMatchObject({ code: 'gone' });
    await expect(commentOn(ctx, blocked.actor, seen.guid, { text: 'x' })).rejects.toMatchObject({ code: 'not-found' });
  });

  test('only its author edits a comment; he and the author of the post delete it; what is gone stays gone', async () => {
    const { guid } = await post();
    const comment = await commentOn(ctx, bob.actor, guid, { text: 'frist' });
    for (const other of [alice.actor, carol.actor]) await expect(editComment(ctx, other, comment.guid, 'stolen')).rejects.toMatchObject({ code: 'forbidden' });
    ctx.pass(5);
    expect(await editComment(ctx, bob.actor, comment.guid, 'first')).toMatchObject({ markdown: 'first', editedAt: ctx.now(), createdAt: comment.createdAt });
    await editComment(ctx, bob.actor, comment.guid, 'first');
    await expect(deleteComment(ctx, carol.actor, comment.guid)).rejects.toMatchObject({ code: 'forbidden' });
    await deleteComment(ctx, alice.actor, comment.guid);
    expect(await texts(bob.actor, guid)).toEqual([]);
    expect(await store.query('select markdown, html from comments where guid = ?', [comment.guid])).toEqual([{ markdown: '', html: '' }]);
    await expect(editComment(ctx, bob.actor, comment.guid, 'again')).rejects.toMatchObject({ code: 'gone' });
    await expect(deleteComment(ctx, bob.actor, comment.guid)).rejects.toMatchObject({ code: 'gone' });
    await expect(commentOn(ctx, bob.actor, guid, { text: 'again', itemId: comment.itemId })).rejects.toMatchObject({ code: 'gone' });
    expect((await ledger(guid)).map(({ verb }) => verb)).toEqual(['post', 'comment', 'update-comment', 'delete-comment']);
    const own = await commentOn(ctx, bob.actor, guid, { text: 'mine' });
    await deleteComment(ctx, bob.actor, own.guid);
    expect(await countComments(ctx, 'anonymous', guid)).toBe(0);
  });

  test('an item id belongs to whoever published it first: as a comment or as a like', async () => {
    const { guid } = await post();
    const comment = await commentOn(ctx, romeo, guid, { text: 'from afar', itemId: 'item-1', createdAt: 5 });
    expect(comment).toMatchObject({ itemId: 'item-1', createdAt: expect.any(Number) });
    expect(comment.createdAt).toBeGreaterThan(1_000_000); // not before its post
    await expect(commentOn(ctx, bob.actor, guid, { text: 'overwritten', itemId: 'item-1' })).rejects.toMatchObject({ code: 'conflict' });
    await likePost(ctx, bob.actor, guid, { itemId: 'heart-1' });
    await expect(commentOn(ctx, romeo, guid, { text: 'overwritten', itemId: 'heart-1' })).rejects.toMatchObject({ code: 'conflict' });
    await expect(likePost(ctx, carol.actor, guid, { itemId: 'item-1' })).rejects.toMatchObject({ code: 'conflict' });
    await expect(commentOn(ctx, romeo, guid, { text: 'x', itemId: 'i'.repeat(513) })).rejects.toMatchObject({ code: 'invalid' });
    expect(await commentOn(ctx, romeo, guid, { text: 'edited', itemId: 'item-1' })).toMatchObject({ guid: comment.guid, markdown: 'edited' });
    expect(await texts(alice.actor, guid)).toEqual(['edited']);
    // The same id under another post is another item.
    const other = await post();
    await commentOn(ctx, bob.actor, other.guid, { text: 'mine', itemId: 'item-1' });
    expect((await findCommentByItem(ctx, 'anonymous', other.guid, 'item-1'))?.comment.markdown).toBe('mine');
  });

  test('comments of people who block each other are hidden from both, in lists and counts, and from nobody else', async () => {
    const { guid } = await post();
    const [dora, emil] = [await makeAccount(store, 'dora'), await makeAccount(store, 'emil')];
    for (const person of [dora, emil, carol]) await commentOn(ctx, person.actor, guid, { text: `by ${person.actor.username}` });
    await blockPerson(ctx, dora.account, emil.actor.id);
    expect(await texts(dora.actor, guid)).toEqual(['by dora', 'by carol']);
    expect(await texts(emil.actor, guid)).toEqual(['by emil', 'by carol']);
    expect(await texts(carol.actor, guid)).toEqual(['by dora', 'by emil', 'by carol']);
    expect(await Promise.all([dora, emil, carol].map(({ actor }) => countComments(ctx, as(actor), guid)))).toEqual([2, 2, 3]);
    await store.transaction((tx) => tx.query("update accounts set state = 'suspended' where id = ?", [emil.account.id]));
    expect(await texts(null, guid)).toEqual(['by dora', 'by carol']);
    expect(await countComments(ctx, 'anonymous', guid)).toBe(2);
  });

  test('pages of comments are those of a list of all, in both directions', async () => {
    const { guid } = await post();
    const all: string[] = [];
    for (let n = 0; n < 11; n++) all.push((await commentOn(ctx, n % 2 ? bob.actor : carol.actor, guid, { text: `c${n}` })).guid);
    for (const direction of ['newest-first', 'oldest-first'] as const) {
      const pages: string[] = [];
      for (let last: string | undefined; ; last = pages.at(-1)) {
        const page = await listComments(ctx, 'anonymous', guid, { limit: 4, direction, ...(last && (direction === 'oldest-first' ? { newer: last } : { older: last })) });
        pages.push(...page.map(({ comment }) => comment.guid));
        if (page.length < 4) break;
      }
      expect(pages).toEqual(direction === 'oldest-first' ? all : all.toReversed());
    }
    expect(await countComments(ctx, 'anonymous', guid, { newer: all[2]!, older: all[6]! })).toBe(3);
  });

  test('a post that is deleted takes all that stands under it along', async () => {
    const { guid } = await post('a #thing');
    await commentOn(ctx, bob.actor, guid, { text: 'secret' });
    await likePost(ctx, bob.actor, guid);
    await deletePost(ctx, alice.account, guid);
    for (const [table, column] of [['likes', 'post_guid'], ['post_tags', 'post_guid'], ['notifications', 'post_guid']]) {
      expect(await store.query(`select 1 from ${table} where ${column} = ?`, [guid])).toEqual([]);
    }
    expect(await store.query('select markdown from comments where post_guid = ?', [guid])).toEqual([{ markdown: '' }]);
  });

  describe('on a post from elsewhere', () => {
    const remotePost = async (commentsNode: string | null) => {
      const found = await makePost(store, romeo.id, { to: 'public' }, ctx.now(), { tags: [] });
      const node = `n${found.guid}`;
      await store.transaction((tx) =>
        insertOrigins(tx, [
          {
            ...{ postGuid: found.guid, protocol: 'xmpp', service: 'romeo@montague.example', node: 'urn:xmpp:microblog:0', itemId: found.guid, updatedAt: 1 },
            ...{ commentsService: commentsNode && 'comments.montague.example', commentsNode: commentsNode && node },
          },
        ]),
      );
      return found;
    };
    const receive = (post: Awaited<ReturnType<typeof remotePost>>, author: Actor, item: Parameters<typeof receiveComment>[4]) => store.transaction((tx) => receiveComment(ctx, tx, post, author, item));

    test('ours goes to the server that keeps its comments, and its author learns why it did not arrive', async () => {
      const found = await remotePost('yes');
      const comment = await commentOn(ctx, bob.actor, found.guid, { text: 'hello Verona' });
      expect((await findComment(ctx, as(bob.actor), comment.guid)).undelivered).toBeUndefined();
      await store.transaction((tx) => tx.query("update deliveries set state = 'given-up', error = 'not allowed' where activity_id in (select id from activities where comment_guid = ?)", [comment.guid]));
      expect((await findComment(ctx, as(bob.actor), comment.guid)).undelivered).toBe('not allowed');
      expect((await findComment(ctx, as(carol.actor), comment.guid)).undelivered).toBeUndefined();
      await editComment(ctx, bob.actor, comment.guid, 'once more');
      expect((await findComment(ctx, as(bob.actor), comment.guid)).undelivered).toBeUndefined();
    });

    test('without a place for comments none is taken, and a stranger’s own server is the place for his', async () => {
      await expect(commentOn(ctx, bob.actor, (await remotePost(null)).guid, { text: 'x' })).rejects.toMatchObject({ code: 'forbidden' });
      const juliet = await makeRemote(store, 'juliet@capulet.example');
      await expect(commentOn(ctx, juliet, (await remotePost('yes')).guid, { text: 'x' })).rejects.toMatchObject({ code: 'forbidden' });
    });

    test('comments that come are stored once; old versions, others’ items and what was retracted change nothing', async () => {
      const found = await remotePost('yes');
      const juliet = await makeRemote(store, 'juliet@capulet.example');
      const item = { itemId: 'c1', text: 'first', createdAt: ctx.now() - 500 };
      const comment = (await receive(found, juliet, item))!;
      expect(comment).toMatchObject({ itemId: 'c1', markdown: 'first', createdAt: item.createdAt });
      expect(await receive(found, juliet, item)).toEqual(comment);
      expect(await receive(found, juliet, { ...item, text: 'third', editedAt: item.createdAt + 30 })).toMatchObject({ markdown: 'third' });
      expect(await receive(found, juliet, { ...item, text: 'second', editedAt: item.createdAt + 20 })).toMatchObject({ markdown: 'third' });
      expect(await receive(found, romeo, { ...item, text: 'stolen', editedAt: item.createdAt + 40 })).toBeNull();
      expect(await receive(found, juliet, { itemId: 'c2', text: 'x'.repeat(20_000), createdAt: ctx.now() + 9e9 })).toMatchObject({ createdAt: ctx.now(), markdown: expect.stringMatching(/^x{16000}.* …$/) });
      expect(await texts(bob.actor, found.guid)).toEqual(['third', expect.any(String)]);
      await store.transaction(async (tx) => {
        await receiveCommentEnd(ctx, tx, found, 'c1');
        await receiveCommentEnd(ctx, tx, found, 'c3');
      });
      expect(await receive(found, juliet, { ...item, text: 'back', editedAt: ctx.now() })).toBeNull();
      expect(await receive(found, juliet, { itemId: 'c3', text: 'late', createdAt: 1 })).toBeNull();
      expect(await texts(bob.actor, found.guid)).toHaveLength(1);
      expect(await ledger(found.guid)).toEqual([]);
    });
  });

  test('whatever order, and however often, its server tells it: the state in the end is the same (threats 16, 17)', async () => {
    const juliet = await makeRemote(store, 'juliet@capulet.example');
    const at = ctx.now();
    type Step = { text: string; editedAt?: number } | 'retracted' | 'heart' | 'heart retracted';
    const versions: Step[] = [{ text: 'one' }, { text: 'two', editedAt: at + 10 }, { text: 'three', editedAt: at + 20 }];
    const tell = async (steps: Step[]) => {
      const found = await makePost(store, romeo.id, { to: 'public' }, at, { tags: [] });
      const node = { commentsService: 'comments.montague.example', commentsNode: `n${found.guid}` };
      await store.transaction(async (tx) => {
        await insertOrigins(tx, [{ ...{ postGuid: found.guid, protocol: 'xmpp', service: 'romeo@montague.example', node: 'n', itemId: found.guid, updatedAt: 1 }, ...node }]);
        for (const step of steps) {
          if (step === 'heart') await receiveLike(ctx, tx, found, juliet, 'h', at);
          else if (step === 'heart retracted' || step === 'retracted') {
            const itemId = step === 'retracted' ? 'c' : 'h';
            await receiveCommentEnd(ctx, tx, found, itemId);
            await receiveUnlike(ctx, tx, found, { itemId });
          } else await receiveComment(ctx, tx, found, juliet, { itemId: 'c', createdAt: at, ...step });
        }
      });
      return { texts: await texts(null, found.guid), likes: (await likersOf(ctx, 'anonymous', found.guid, 5)).count };
    };
    ctx.pass(1_000);
    const shuffled = (steps: Step[]) => fc.shuffledSubarray([...steps, ...steps], { minLength: steps.length * 2 });
    await fc.assert(
      fc.asyncProperty(shuffled(versions), async (steps) => expect(await tell(steps)).toEqual({ texts: ['three'], likes: 0 })),
      { numRuns: 15 },
    );
    await fc.assert(
      fc.asyncProperty(shuffled([...versions, 'retracted', 'heart', 'heart retracted']), async (steps) => expect(await tell(steps)).toEqual({ texts: [], likes: 0 })),
      { numRuns: 15 },
    );
  });

  test('floods of comments are stopped, of one person and of one server', async () => {
    const limited = await testContext({ DX_RATE_LIMITS: 'on' }, store);
    const { guid } = await post();
    const writers = [bob.actor, romeo];
    for (const by of writers) {
      for (let n = 0; n < 60; n++) await commentOn(limited, by, guid, { text: `c${n}` });
      await expect(commentOn(limited, by, guid, { text: 'one more' })).rejects.toMatchObject({ code: 'too-many' });
      await expect(likePost(limited, by, guid)).resolves.toBeUndefined();
    }
    await limited.close();
  });
});
