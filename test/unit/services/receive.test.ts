// Posts from elsewhere, in whatever order and however often they come (threats.md 16, 17, 28, 56).
import fc from 'fast-check';
import type { Actor } from '../../../src/domain/actor.js';
import { sweepExpired } from '../../../src/jobs/sweep.js';
import { type Arrival, Arrivals, type ItemAddress, type ReceivedEntry, receivePost, receivePurge, receiveRetraction } from '../../../src/services/receive.js';
import { readPost } from '../../../src/services/stream.js';
import type { Store } from '../../../src/store/database.js';
import { originOf } from '../../../src/store/received.js';
import { testContext, type TestContext } from '../../support/context.js';
import { makeAccount, makePost, makeRemote, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

const NODE = 'urn:xmpp:microblog:0';
const T = Date.UTC(2025, 10, 21, 10);

const entry = (change: Partial<ReceivedEntry> = {}): ReceivedEntry => ({
  ...{ text: 'hello', iri: 'xmpp:bob@else.test?;node=urn:xmpp:microblog:0;item=a', tags: [], language: 'en', published: T, updated: T },
  ...{ audience: null, comments: null, root: null },
  ...change,
});

describeStores((makeStore) => {
  let store: Store;
  let ctx: TestContext;
  let bob: Actor;
  let mallory: Actor;
  let alice: Actor;
  let carol: Actor;
  let count = 0;

  beforeAll(async () => {
    store = await makeStore();
    ctx = await testContext({}, store);
    bob = await makeRemote(store, 'bob@else.test');
    mallory = await makeRemote(store, 'mallory@evil.test');
    alice = (await makeAccount(store, 'alice')).actor;
    carol = (await makeAccount(store, 'carol')).actor;
    for (const one of [alice, carol]) await relate(store, one.id, bob.id, { following: 'on' });
  });
  afterAll(() => ctx.close());

  const item = (): ItemAddress => ({ service: 'bob@else.test', node: NODE, itemId: `i${++count}` });
  const arrives = (origin: ItemAddress, change: Partial<ReceivedEntry> = {}, more: Partial<Arrival> = {}) =>
    store.transaction((tx) => receivePost(ctx, tx, { author: bob, origin, entry: entry(change), recipients: [alice.id], isOpen: true, at: ctx.now(), ...more }));
  const retracted = (origin: ItemAddress) => store.transaction((tx) => receiveRetraction(ctx, tx, origin));
  const seenBy = (actor: Actor | null, guid: string) =>
    readPost(ctx, actor ? { actorId: actor.id } : 'anonymous', guid).then(
      ({ post }) => post.markdown,
      (error: { code: string }) => error.code,
    );

  test('a post is stored with where it stands, and its copies change nothing', async () => {
    const origin = item();
    const post = await arrives(origin, { tags: ['#no', 'Yes'], text: 'about #cats' });
    expect(post).toMatchObject({ authorId: bob.id, kind: 'note', markdown: 'about #cats', tags: ['yes', 'cats'], audience: { to: 'public' }, createdAt: T, editedAt: null });
    expect(await arrives(origin, { tags: ['#no', 'Yes'], text: 'about #cats' })).toEqual(post);
    expect(await originOf(store, post!.guid)).toMatchObject({ ...origin, protocol: 'xmpp', updatedAt: T });
    expect(await store.query('select tag from post_tags where post_guid = ? order by tag', [post!.guid])).toEqual([{ tag: 'cats' }, { tag: 'yes' }]);
    expect(await seenBy(null, post!.guid)).toBe('about #cats');
  });

  test('the newest version stands, whichever comes last', async () => {
    const origin = item();
    const first = await arrives(origin, { text: 'one' });
    const edited = await arrives(origin, { text: 'two', updated: T + 60_000 });
    expect(edited).toMatchObject({ guid: first!.guid, markdown: 'two', createdAt: T, editedAt: T + 60_000 });
    expect(await arrives(origin, { text: 'one' })).toEqual(edited);
  });

  test('an edit in the same second is one, in the order in which it comes', async () => {
    const origin = item();
    await arrives(origin, { text: 'one' });
    expect(await arrives(origin, { text: 'two' })).toMatchObject({ markdown: 'two' });
  });

  test('a clock that is years ahead does not shut out later edits', async () => {
    const origin = item();
    await arrives(origin, { text: 'from the future', published: T + 1e12, updated: T + 1e12 }, { at: T });
    expect(await arrives(origin, { text: 'now', updated: T + 3 * 86_400_000 }, { at: T + 3 * 86_400_000 })).toMatchObject({ markdown: 'now', createdAt: T });
  });

  test('a post without any date is of when it came', async () => {
    expect(await arrives(item(), { published: null, updated: null }, { at: T + 5 })).toMatchObject({ createdAt: T + 5 });
  });

  test('what was retracted does not come back, before or after', async () => {
    const [early, late] = [item(), item()];
    await retracted(early);
    expect(await arrives(early)).toBeNull();
    const post = await arrives(late, { text: 'soon gone #gone' });
    await retracted(late);
    await retracted(late);
    expect(await arrives(late, { updated: T + 60_000 })).toBeNull();
    expect(await seenBy(alice, post!.guid)).toBe('gone');
    expect(await store.query('select markdown, html, title from posts where guid = ?', [post!.guid])).toEqual([{ markdown: '', html: '', title: '' }]);
    expect(await store.query('select tag from post_tags where post_guid = ?', [post!.guid])).toEqual([]);
  });

  test('each event twice, in any order: the same in the end', async () => {
    const versions = [1, 2, 3].map((n) => ({ text: `version ${n}`, updated: T + n * 60_000 }));
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 0, 1, 2, 3, 3].map((what, index) => [what, index] as const), { minLength: 8 }), fc.boolean(), async (order, ends) => {
        const origin = item();
        for (const [what] of order) {
          if (what === 3) await (ends ? retracted(origin) : undefined);
          else await arrives(origin, versions[what]);
        }
        const rows = await store.query<{ markdown: string; deleted_at: number | null; edited_at: number }>(
          'select p.markdown, p.deleted_at, p.edited_at from posts p join post_origins o on o.post_guid = p.guid where o.item_id = ?',
          [origin.itemId],
        );
        if (ends) expect(rows.every((row) => row.markdown === '' && row.deleted_at !== null)).toBe(true);
        else expect(rows).toEqual([{ markdown: 'version 3', deleted_at: null, edited_at: T + 180_000 }]);
      }),
      { numRuns: 60 },
    );
  });

  test('what comes together is as if it had come one by one', async () => {
    type Event = { which: number; what: 'post' | 'share' | 'retraction'; version: number };
    const event: fc.Arbitrary<Event> = fc.record({ which: fc.nat(3), what: fc.constantFrom('post', 'post', 'post', 'share', 'retraction'), version: fc.nat(2) });
    const standing = async (origins: ItemAddress[]) =>
      Promise.all(
        origins.map(({ itemId }) =>
          store.query(
            'select p.markdown, p.kind, p.deleted_at is null as stands, p.edited_at, (select count(*) from post_tags t where t.post_guid = p.guid) as tags from posts p join post_origins o on o.post_guid = p.guid where o.item_id = ?',
            [itemId],
          ),
        ),
      );
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 8 }), fc.array(event, { maxLength: 12 }), async (before, events) => {
        const [apart, together] = [0, 1].map(() => [item(), item(), item(), item()]) as [ItemAddress[], ItemAddress[]];
        const arrival = (origins: ItemAddress[], { which, what, version }: Event): Arrival => ({
          ...{ author: bob, origin: origins[which]!, recipients: [alice.id], isOpen: true, at: ctx.now() },
          entry: entry({ text: `version ${version} #tag${version}`, updated: T + version * 60_000, root: what === 'share' ? { items: [origins[0]!], guids: [] } : null }),
        });
        const oneByOne = async (origins: ItemAddress[], all: Event[]) => {
          for (const one of all) await (one.what === 'retraction' ? retracted(origins[one.which]!) : store.transaction((tx) => receivePost(ctx, tx, arrival(origins, one))));
        };
        for (const origins of [apart, together]) await oneByOne(origins, before);
        await oneByOne(apart, events);
        await store.transaction(async (tx) => {
          const arrivals = await Arrivals.open(ctx, tx, events.map(({ which }) => together[which]!));
          for (const one of events) await (one.what === 'retraction' ? arrivals.retraction(together[one.which]!) : arrivals.post(arrival(together, one)));
          await arrivals.write();
        });
        expect(await standing(together)).toEqual(await standing(apart));
      }),
      { numRuns: 60 },
    );
  });

  test('nobody changes or ends what another has published, and the same id elsewhere is another post', async () => {
    const origin = item();
    const post = await arrives(origin, { text: 'mine' });
    expect(await arrives(origin, { text: 'forged', updated: T + 60_000 }, { author: mallory })).toBeNull();
    const other = await arrives({ ...origin, service: 'mallory@evil.test' }, { text: 'another' }, { author: mallory });
    await retracted({ ...origin, service: 'mallory@evil.test' });
    await retracted({ ...origin, node: 'urn:example:other' });
    expect(other!.guid).not.toBe(post!.guid);
    expect(await seenBy(alice, post!.guid)).toBe('mine');
  });

  test.each([
    ['says it is for everyone', { audience: 'public' as const }, false, true],
    ['says it is for some', { audience: 'limited' as const }, true, false],
    ['says nothing, on an open node', {}, true, true],
    ['says nothing, on a closed node', {}, false, false],
    ['says nothing, and nobody knows the node', {}, null, false],
  ])('a post that %s', async (_, change, isOpen, isPublic) => {
    const origin = item();
    const post = await arrives(origin, { text: 'for whom', ...change }, { isOpen });
    expect(post!.audience).toEqual({ to: isPublic ? 'public' : 'people' });
    expect([await seenBy(alice, post!.guid), await seenBy(carol, post!.guid), await seenBy(null, post!.guid)]).toEqual(
      isPublic ? ['for whom', 'for whom', 'for whom'] : ['for whom', 'not-found', 'not-found'],
    );
    // It reaches one more when her server brings it to her, and is never for more than that.
    await arrives(origin, { text: 'for whom', ...change, updated: T + 1 }, { recipients: [carol.id], isOpen: true });
    expect(await seenBy(carol, post!.guid)).toBe('for whom');
    expect(await seenBy(null, post!.guid)).toBe(isPublic ? 'for whom' : 'not-found');
    const recipients = await store.query<{ actor_id: number }>('select actor_id from post_recipients where post_guid = ? order by actor_id', [post!.guid]);
    expect(recipients.map((row) => row.actor_id)).toEqual(isPublic ? [] : [alice.id, carol.id].sort((a, b) => a - b));
  });

  test('a node that is emptied takes everything along, and nothing of other nodes', async () => {
    const service = 'leaver@else.test';
    const leaver = await makeRemote(store, service);
    const posts = [];
    for (const itemId of ['a', 'b', 'c']) posts.push(await arrives({ service, node: NODE, itemId }, {}, { author: leaver }));
    const other = await arrives({ service, node: 'urn:example:other', itemId: 'a' }, { text: 'stays' }, { author: leaver });
    await store.transaction((tx) => receivePurge(ctx, tx, { service, node: NODE }));
    for (const post of posts) expect(await seenBy(alice, post!.guid)).toBe('gone');
    expect(await seenBy(alice, other!.guid)).toBe('stays');
  });

  test('the comments node is remembered, also by an edit that forgets it', async () => {
    const origin = item();
    const comments = { service: 'pubsub.else.test', node: 'urn:xmpp:microblog:0:comments/x' };
    const post = await arrives(origin, { comments });
    await arrives(origin, { text: 'edited', updated: T + 60_000 });
    expect(await originOf(store, post!.guid)).toMatchObject({ commentsService: comments.service, commentsNode: comments.node });
  });

  test('a reshare shows its root, once by each; without one it keeps the text that came with it', async () => {
    const rootOrigin = item();
    const root = await arrives(rootOrigin, { text: 'the root' });
    const share = (author: Actor, items: ItemAddress[], guids: string[] = []) =>
      arrives({ service: `${author.username}@${author.domain}`, node: NODE, itemId: `s${++count}` }, { text: 'look', root: { items, guids } }, { author });
    const reshare = await share(mallory, [rootOrigin]);
    expect(reshare).toMatchObject({ kind: 'reshare', reshareOf: root!.guid, authorId: mallory.id, markdown: '', title: '' });
    expect(await share(mallory, [rootOrigin])).toBeNull();
    expect(await share(bob, [rootOrigin])).toBeNull();
    expect(await share(mallory, [item()])).toMatchObject({ kind: 'reshare', reshareOf: null, markdown: 'look' });
  });

  test('a reshare of a reshare is one of its root, and what is not public is linked by nobody', async () => {
    const root = await makePost(store, carol.id, { to: 'public' }, T, { tags: [] });
    const limited = await makePost(store, carol.id, { to: 'contacts' }, T, { tags: [] });
    const origin = { service: 'bob@else.test', node: NODE, itemId: `s${++count}` };
    const first = await arrives(origin, { text: 'look', root: { items: [], guids: [root.guid] } });
    expect(first).toMatchObject({ reshareOf: root.guid });
    expect(await arrives({ ...origin, service: 'mallory@evil.test' }, { root: { items: [origin], guids: [] } }, { author: mallory })).toMatchObject({ reshareOf: root.guid });
    expect(await arrives(item(), { text: 'look', root: { items: [], guids: [limited.guid] } })).toMatchObject({ reshareOf: null, markdown: 'look' });
    expect(await store.query('select kind, by_id from notifications where owner_id = ? order by id', [carol.id])).toEqual([
      { kind: 'reshare', by_id: bob.id },
      { kind: 'reshare', by_id: mallory.id },
    ]);
  });

  test('posts stand where they belong by their time', async () => {
    const [newer, older] = [await arrives(item(), { published: T + 1_000, updated: T + 1_000 }), await arrives(item(), { published: T, updated: T })];
    expect(newer!.guid > older!.guid).toBe(true);
  });

  test('what has no text, or too much of it, is no post', async () => {
    expect(await arrives(item(), { text: ' \u0000\n' })).toBeNull();
    expect(await arrives(item(), { text: 'x'.repeat(70_000) })).toBeNull();
  });

  test('what was retracted long ago is forgotten, and what was retracted lately is not', async () => {
    const [old, late] = [item(), item()];
    await retracted(old);
    ctx.pass(90 * 24 * 3_600_000);
    await retracted(late);
    ctx.pass(1);
    await sweepExpired(ctx);
    expect([(await arrives(old))?.markdown, await arrives(late)]).toEqual(['hello', null]);
  });
});
