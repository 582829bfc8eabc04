import fc from 'fast-check';
import type { Post } from '../../../src/domain/post.js';
import type { Store } from '../../../src/store/database.js';
import { countVisiblePosts, LOOK_AT, listHomePosts, listVisiblePosts } from '../../../src/store/posts.js';
import { makeAccount, makePost, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

const AUTHORS = 5;

describeStores((makeStore) => {
  let store: Store;
  let reader: number;
  const authors: number[] = [];
  /** All posts, oldest first. */
  const posts: Post[] = [];
  beforeAll(async () => {
    store = await makeStore();
    reader = (await makeAccount(store, 'reader')).actor.id;
    for (let author = 0; author < AUTHORS; author++) {
      const { actor } = await makeAccount(store, `author${author}`);
      authors.push(actor.id);
      if (author < 4) await relate(store, reader, actor.id, { following: author < 3 ? 'on' : 'asked' });
    }
    // The last but one is silent; the first writes most. Every fifth post cannot be seen, every seventh was deleted.
    for (let count = 0; count < 60; count++) {
      const author = count % 11 === 10 ? reader : authors[count % 3 === 0 ? 1 : count % 5 === 0 ? 4 : 0]!;
      posts.push(await makePost(store, author, { to: count % 5 === 1 && author !== reader ? 'contacts' : 'public' }, 1_000 + count, { deletedAt: count % 7 === 3 ? 5 : null }));
    }
  });

  const isSeen = (post: Post) => post.deletedAt === null && post.audience.to === 'public';
  const guids = (list: Post[]) => list.map(({ guid }) => guid);

  describe.each([
    ['among the latest posts of all, and then by author', LOOK_AT.posts],
    ['among so few that a page is sometimes found there', 8],
    ['by author alone', 0],
  ])('looked for %s', (_how, lookAt) => {
    const usual = LOOK_AT.posts;
    beforeAll(() => void (LOOK_AT.posts = lookAt));
    afterAll(() => void (LOOK_AT.posts = usual));

    test('the home stream holds what those who are followed wrote, and one’s own, newest first, page by page', async () => {
      const followed = new Set([reader, ...authors.slice(0, 3)]);
      const expected = guids(posts.filter((post) => followed.has(post.authorId) && isSeen(post))).reverse();
      expect(expected.length).toBeGreaterThan(20);
      for (const limit of [1, 4, 7, 100]) {
        const pages: string[] = [];
        for (let older: string | undefined; ; older = pages.at(-1)) {
          const page = await listHomePosts(store, reader, { older, limit });
          pages.push(...guids(page));
          if (page.length < limit) break;
        }
        expect(pages).toEqual(expected);
      }
    });

    test('a list within any bounds, in any direction, is what a filter over all posts would be', async () => {
      const index = fc.option(fc.nat(posts.length - 1), { nil: undefined });
      await fc.assert(
        fc.asyncProperty(
          fc.option(fc.uniqueArray(fc.nat(AUTHORS - 1), { maxLength: 3 }), { nil: undefined }),
          index,
          index,
          fc.integer({ min: 1, max: 12 }),
          fc.constantFrom('newest-first' as const, 'oldest-first' as const),
          async (chosen, olderIndex, newerIndex, limit, direction) => {
            const [older, newer] = [olderIndex, newerIndex].map((at) => (at === undefined ? undefined : posts[at]!.guid));
            const authorIds = chosen?.map((at) => authors[at]!);
            const expected = guids(
              posts.filter((post) => isSeen(post) && (authorIds?.includes(post.authorId) ?? true) && post.guid < (older ?? 'g') && post.guid > (newer ?? '')),
            );
            const inOrder = direction === 'oldest-first' ? expected : expected.toReversed();
            expect(guids(await listVisiblePosts(store, 'anonymous', { authorIds, older, newer, limit, direction }))).toEqual(inOrder.slice(0, limit));
            if (authorIds?.length === 1) expect(await countVisiblePosts(store, 'anonymous', authorIds[0]!, { older, newer })).toBe(expected.length);
          },
        ),
        { numRuns: 60 },
      );
    });
  });
});
