import type { Account } from '../../../src/domain/account.js';
import type { Audience } from '../../../src/domain/activity.js';
import type { Guid } from '../../../src/domain/guid.js';
import type { Viewer } from '../../../src/store/access.js';
import { updateAccount } from '../../../src/store/accounts.js';
import { addAspectMember, insertAspect } from '../../../src/store/aspects.js';
import type { Store } from '../../../src/store/database.js';
import { newGuid } from '../../../src/domain/guid.js';
import { countVisibleComments, findVisibleComment, findVisibleCommentOfItem, insertComment, listVisibleComments } from '../../../src/store/comments.js';
import { listShown } from '../../../src/store/notifications.js';
import { countVisiblePosts, findDeletedPost, findVisiblePost, findVisiblePosts, listHomePosts, listTagged, listVisiblePosts, updatePost } from '../../../src/store/posts.js';
import { countLikers, countResharers, insertLike, listLikers, listResharers } from '../../../src/store/reactions.js';
import { setTags } from '../../../src/store/tags.js';
import { activityStream, readPost } from '../../../src/services/stream.js';
import { testContext, type TestContext } from '../../support/context.js';
import { deliveryTargets, saveLeg, upsertSubscription } from '../../../src/store/xmpp.js';
import { makeAccount, makePost, makeRemote, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

const [BEFORE, POSTED, AFTER] = [1_000, 2_000, 3_000];
const NODE = 'urn:xmpp:microblog:0';

/** What each kind of viewer may see, of public posts, posts for contacts, for an aspect, and for those to whom they were brought. */
const MATRIX: Record<string, Record<Audience['to'], boolean>> = {
  anonymous: { public: true, contacts: false, aspects: false, people: false },
  author: { public: true, contacts: true, aspects: true, people: true },
  'contact added before': { public: true, contacts: true, aspects: false, people: false },
  'contact added with the post': { public: true, contacts: true, aspects: false, people: false },
  'contact added after': { public: true, contacts: false, aspects: false, people: false },
  'removed contact': { public: true, contacts: false, aspects: false, people: false },
  'contact of the opposite direction': { public: true, contacts: false, aspects: false, people: false },
  'follower only': { public: true, contacts: false, aspects: false, people: false },
  stranger: { public: true, contacts: false, aspects: false, people: false },
  'blocked by the author': { public: false, contacts: false, aspects: false, people: false },
  'blocks the author': { public: false, contacts: false, aspects: false, people: false },
  'aspect member before': { public: true, contacts: true, aspects: true, people: false },
  'aspect member after': { public: true, contacts: true, aspects: false, people: false },
  'member of another aspect': { public: true, contacts: true, aspects: false, people: false },
  'one to whom it was brought': { public: true, contacts: false, aspects: false, people: true },
  'one to whom it was brought, who blocks the author': { public: false, contacts: false, aspects: false, people: false },
};
const VIEWERS = Object.keys(MATRIX);
const AUDIENCES: Audience['to'][] = ['public', 'contacts', 'aspects', 'people'];

describeStores((makeStore) => {
  let store: Store;
  let authorId: number;
  let posts: Record<Audience['to'], Guid>;
  let ctx: TestContext;
  /** Under each post a comment and a like of a bystander; of each a reshare of his. */
  const comments = {} as Record<Audience['to'], Guid>;
  const reshares = {} as Record<Audience['to'], Guid>;
  const viewers = new Map<string, Viewer>();
  /** An aspect of each viewer's own that the author is in. */
  const ownAspects = new Map<number, number>();

  beforeAll(async () => {
    store = await makeStore();
    const author = await makeAccount(store, 'alice');
    authorId = author.actor.id;
    const { aspect, other } = await store.transaction(async (tx) => ({
      aspect: await insertAspect(tx, { ownerId: authorId, name: 'friends' }),
      other: await insertAspect(tx, { ownerId: authorId, name: 'work' }),
    }));
    const added = (at: number, ...aspects: [number, number][]) => async (id: number) => {
      await relate(store, authorId, id, { addedAt: at, follower: 'on' });
      for (const [aspectId, since] of aspects) await store.transaction((tx) => addAspectMember(tx, { aspectId, actorId: id, since }));
    };
    const story: Record<string, (id: number) => Promise<void>> = {
      'contact added before': added(BEFORE),
      'contact added with the post': added(POSTED),
      'contact added after': added(AFTER),
      'removed contact': async (id) => {
        await added(BEFORE, [aspect.id, BEFORE])(id);
        await relate(store, authorId, id, { follower: 'on' });
      },
      'contact of the opposite direction': (id) => relate(store, id, authorId, { addedAt: BEFORE }),
      'follower only': (id) => relate(store, authorId, id, { follower: 'on' }),
      stranger: async () => {},
      'blocked by the author': (id) => relate(store, authorId, id, { blockedAt: AFTER, addedAt: BEFORE }),
      'blocks the author': async (id) => {
        await added(BEFORE, [aspect.id, BEFORE])(id);
        await relate(store, id, authorId, { blockedAt: AFTER });
      },
      'aspect member before': added(BEFORE, [aspect.id, BEFORE]),
      'aspect member after': added(BEFORE, [aspect.id, AFTER]),
      'member of another aspect': added(BEFORE, [other.id, BEFORE]),
      'one to whom it was brought': async () => {},
      'one to whom it was brought, who blocks the author': (id) => relate(store, id, authorId, { blockedAt: AFTER }),
    };
    viewers.set('anonymous', 'anonymous');
    viewers.set('author', { actorId: authorId });
    for (const [index, name] of Object.keys(story).entries()) {
      const { actor } = await makeAccount(store, `viewer${index}`);
      viewers.set(name, { actorId: actor.id });
      await story[name]!(actor.id);
    }
    // Everybody follows and subscribes, so that the access check alone decides.
    for (const [name, viewer] of viewers) {
      const jid = `${name.replaceAll(' ', '-')}@example.net`;
      const personId = viewer === 'anonymous' ? null : viewer.actorId;
      await store.transaction(async (tx) => {
        await upsertSubscription(tx, { actorId: authorId, node: NODE, jid, personId, subid: '1', state: 'subscribed', pausedUntil: null, createdAt: 1 });
        if (personId === null) return;
        await saveLeg(tx, { actorId: authorId, jid, personId, inbound: 'on', outbound: 'none', capsOnly: false, lastGuid: null });
        await tx.query(
          `insert into relationships (actor_id, other_id, follower, following) values (?, ?, 'none', 'on')
           on conflict (actor_id, other_id) do update set following = 'on'`,
          [personId, authorId],
        );
        const { id } = await insertAspect(tx, { ownerId: personId, name: 'people to read' });
        await addAspectMember(tx, { aspectId: id, actorId: authorId, since: BEFORE });
        ownAspects.set(personId, id);
      });
    }
    const make = async (audience: Audience) => (await makePost(store, authorId, audience, POSTED)).guid;
    posts = { public: await make({ to: 'public' }), contacts: await make({ to: 'contacts' }), aspects: await make({ to: 'aspects', aspectIds: [aspect.id] }), people: await make({ to: 'people' }) };
    for (const [name, viewer] of viewers) {
      if (!name.startsWith('one to whom') || viewer === 'anonymous') continue;
      await store.transaction((tx) => tx.query('insert into post_recipients (post_guid, actor_id) values (?, ?)', [posts.people, viewer.actorId]));
    }
    // Beside them: a post of somebody else, which no answer about the author may hold.
    const bystander = await makeAccount(store, 'bystander');
    await makePost(store, bystander.actor.id, { to: 'public' }, POSTED);
    ctx = await testContext({}, store);
    for (const to of AUDIENCES) {
      const postGuid = posts[to];
      const guid = (comments[to] = newGuid(AFTER));
      const by = bystander.actor.id;
      // As nobody may by the services: what is under a post must not depend on how it came there.
      reshares[to] = (await makePost(store, by, { to: 'public' }, AFTER, { kind: 'reshare', reshareOf: postGuid, markdown: '', html: '' })).guid;
      await store.transaction(async (tx) => {
        await setTags(tx, postGuid, ['tag']);
        await insertComment(tx, { guid, postGuid, authorId: by, itemId: guid, markdown: 'x', html: '<p>x</p>', createdAt: AFTER, editedAt: null, deletedAt: null });
        await insertLike(tx, { postGuid, actorId: by, itemId: null, createdAt: AFTER });
        for (const viewer of viewers.values()) {
          if (viewer === 'anonymous') continue;
          // Everybody has liked each post at a time when he could, and was told of the comment.
          await insertLike(tx, { postGuid, actorId: viewer.actorId, itemId: null, createdAt: AFTER });
          await tx.query('insert into notifications (owner_id, kind, by_id, post_guid, created_at, key) values (?, ?, ?, ?, ?, ?)', [viewer.actorId, 'mention', by, postGuid, AFTER, postGuid]);
        }
      });
    }
  });
  afterAll(() => ctx.close());

  /** The audiences whose post is among the guids. */
  const seen = (guids: Guid[]) => AUDIENCES.filter((to) => guids.includes(posts[to]));
  const where = async (isSeen: (to: Audience['to']) => Promise<boolean>) => {
    const found = await Promise.all(AUDIENCES.map(isSeen));
    return AUDIENCES.filter((_, index) => found[index]);
  };
  const guidsOf = (list: { guid: Guid }[]) => list.map(({ guid }) => guid);
  const targetsOf = async (to: Audience['to'], ...hosts: string[]) => (await deliveryTargets(store, { post: { guid: posts[to], authorId }, nodes: ['urn:xmpp:microblog:0'] }, hosts)).get('example.net')!;
  const idOf = (viewer: Viewer) => (viewer === 'anonymous' ? null : viewer.actorId);

  /** Every path by which the store hands out posts: each tells which of them the viewer gets. */
  const PATHS: Record<string, (viewer: Viewer) => Promise<Audience['to'][]>> = {
    find: async (viewer) => {
      const found = await Promise.all(AUDIENCES.map((to) => findVisiblePost(store, viewer, posts[to])));
      return seen(guidsOf(found.filter((post) => post !== null)));
    },
    'list of the author': async (viewer) => seen(guidsOf(await listVisiblePosts(store, viewer, { authorIds: [authorId], limit: 10 }))),
    'list of several authors': async (viewer) => seen(guidsOf(await listVisiblePosts(store, viewer, { authorIds: [authorId, -1], limit: 10 }))),
    'list of all': async (viewer) => seen(guidsOf(await listVisiblePosts(store, viewer, { limit: 10, direction: 'oldest-first' }))),
    home: async (viewer) => (viewer === 'anonymous' ? PATHS.find!(viewer) : seen(guidsOf(await listHomePosts(store, viewer.actorId, { limit: 10 })))),
    'home, of one aspect': async (viewer) =>
      viewer === 'anonymous' ? PATHS.find!(viewer) : seen(guidsOf(await listHomePosts(store, viewer.actorId, { limit: 10, aspectId: ownAspects.get(viewer.actorId)! }))),
    'several by guid': async (viewer) => seen([...(await findVisiblePosts(store, viewer, AUDIENCES.map((to) => posts[to]))).keys()]),
    'page of a tag': async (viewer) => seen(guidsOf(await listTagged(store, viewer, 'tag', { limit: 10 }))),
    'my activity': async (viewer) =>
      viewer === 'anonymous' ? PATHS.find!(viewer) : seen((await activityStream(ctx, { actorId: viewer.actorId } as Account, { limit: 50 })).map(({ post }) => post.guid)),
    comments: (viewer) => where(async (to) => (await listVisibleComments(store, viewer, posts[to], { limit: 10 })).length === 1),
    'count of comments': (viewer) => where(async (to) => (await countVisibleComments(store, viewer, posts[to])) === 1),
    'one comment': (viewer) => where(async (to) => (await findVisibleComment(store, viewer, comments[to])) !== null),
    'one item of the comments': (viewer) => where(async (to) => (await findVisibleCommentOfItem(store, viewer, posts[to], comments[to])) !== null),
    likers: (viewer) => where(async (to) => (await listLikers(store, viewer, posts[to], 50)).length > 0),
    'count of likers': (viewer) => where(async (to) => (await countLikers(store, viewer, posts[to])) > 0),
    resharers: (viewer) => where(async (to) => (await listResharers(store, viewer, posts[to], 50)).length === 1),
    'count of resharers': (viewer) => where(async (to) => (await countResharers(store, viewer, posts[to])) === 1),
    'root of a reshare': (viewer) => where(async (to) => (await readPost(ctx, viewer, reshares[to])).root !== null),
    'counts of a reshare': (viewer) => where(async (to) => (await readPost(ctx, viewer, reshares[to])).counts.comments > 0),
    notifications: async (viewer) => (viewer === 'anonymous' ? PATHS.find!(viewer) : seen((await listShown(store, viewer.actorId, { limit: 50 })).map(({ postGuid }) => postGuid!))),
    subscriptions: (viewer) => where(async (to) => (await targetsOf(to, 'example.net')).subscriptions.some(({ personId }) => personId === idOf(viewer))),
    legs: async (viewer) =>
      viewer === 'anonymous' ? PATHS.find!(viewer) : where(async (to) => (await targetsOf(to, 'example.net')).legs.some(({ personId }) => personId === viewer.actorId)),
    'subscriptions on several hosts': (viewer) => where(async (to) => (await targetsOf(to, 'else.test', 'example.net')).subscriptions.some(({ personId }) => personId === idOf(viewer))),
    'legs on several hosts': async (viewer) =>
      viewer === 'anonymous' ? PATHS.find!(viewer) : where(async (to) => (await targetsOf(to, 'else.test', 'example.net')).legs.some(({ personId }) => personId === viewer.actorId)),
  };
  const CELLS = VIEWERS.flatMap((viewer) => Object.keys(PATHS).map((path) => ({ viewer, path })));

  test.each(CELLS)('$viewer sees by $path what the matrix says', async ({ viewer, path }) => {
    expect(await PATHS[path]!(viewers.get(viewer)!)).toEqual(AUDIENCES.filter((to) => MATRIX[viewer]![to]));
  });

  test.each(VIEWERS)('%s is told as many posts as can be seen', async (viewer) => {
    expect(await countVisiblePosts(store, viewers.get(viewer)!, authorId)).toBe(AUDIENCES.filter((to) => MATRIX[viewer]![to]).length);
  });

  test('a deleted post is in no list, and its tombstone is found by those who saw it', async () => {
    const [blocked, friend] = [viewers.get('blocked by the author')!, viewers.get('aspect member before')!];
    await store.transaction((tx) => updatePost(tx, posts.aspects, { deletedAt: AFTER }));
    try {
      expect(await PATHS.find!(friend)).toEqual(['public', 'contacts']);
      expect(await PATHS.home!(friend)).toEqual(['public', 'contacts']);
      expect(await countVisiblePosts(store, friend, authorId)).toBe(2);
      expect(await findDeletedPost(store, friend, posts.aspects)).toMatchObject({ guid: posts.aspects, deletedAt: AFTER });
      expect(await findDeletedPost(store, friend, posts.public)).toBeNull();
      expect(await findDeletedPost(store, blocked, posts.aspects)).toBeNull();
      // Its end is told to the same people as its beginning.
      expect(await PATHS.subscriptions!(friend)).toEqual(['public', 'contacts', 'aspects']);
    } finally {
      await store.transaction((tx) => updatePost(tx, posts.aspects, { deletedAt: null }));
    }
  });

  test.each(['pending', 'suspended', 'closed'] as const)('of an author whose account is %s nobody sees anything by any path', async (state) => {
    const { rows } = { rows: await store.query<{ id: number }>('select id from accounts where actor_id = ?', [authorId]) };
    await store.transaction((tx) => updateAccount(tx, rows[0]!.id, { state }));
    try {
      for (const viewer of viewers.values()) {
        for (const path of Object.values(PATHS)) expect(await path(viewer)).toEqual([]);
        expect(await countVisiblePosts(store, viewer, authorId)).toBe(0);
      }
    } finally {
      await store.transaction((tx) => updateAccount(tx, rows[0]!.id, { state: 'active' }));
    }
  });

  test('posts of people of other servers are seen like those of ours', async () => {
    const remote = await makeRemote(store, 'romeo@montague.example');
    const { guid } = await makePost(store, remote.id, { to: 'public' }, POSTED);
    expect(await findVisiblePost(store, 'anonymous', guid)).toMatchObject({ guid });
  });
});
