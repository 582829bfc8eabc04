// What people publish with Libervia 0.9 on their own PEP, a real Prosody's, as people here see it; and what those do under it, as Libervia sees that.
import { commentOn, deleteComment, editComment } from '../../src/services/comments.js';
import { likePost, unlikePost } from '../../src/services/reactions.js';
import { addContact } from '../../src/services/relationships.js';
import { setSource } from '../../src/services/sources.js';
import { homeStream, type PostView, readPost } from '../../src/services/stream.js';
import { eventually } from '../support/eventually.js';
import { MICROBLOG } from '../support/follow.js';
import { openLiberviaScene } from '../support/libervia-scene.js';
import type { LiberviaUser } from '../support/servers/libervia.js';

const scene = openLiberviaScene();
const { actor, postsOf, commentsOn } = scene;
let app: typeof scene.app;
let alice: typeof scene.alice;
let owner: LiberviaUser;
let bob: LiberviaUser;
let carol: typeof scene.carol;

/** The id that Libervia has given to what it published. */
const itemOf = (said: string): string => /ID '?([^\s']+)/.exec(said)![1]!;
const streamOf = (member: typeof carol): Promise<PostView[]> => homeStream(app.ctx, member, { limit: 20 });
/** Resolves with carol's view of an item of bob's, once it fits. */
const seen = (itemId: string, fits: (view: PostView) => boolean = () => true) =>
  eventually(app, async () => (await streamOf(carol)).find(({ origin }) => origin?.itemId === itemId), (view) => view !== undefined && fits(view)) as Promise<PostView>;
/** COMPAT Prosody 0.12: a node of PEP is for contacts and keeps one item, unless its owner says otherwise. */
const opens = (user: LiberviaUser, node = MICROBLOG) => user.run(['pubsub', 'node', 'create', '-n', node, '-f', 'access_model', 'open', '-f', 'max_items', 'max']);

beforeAll(async () => {
  ({ app, alice, owner, bob, carol } = scene);
  await Promise.all([opens(bob), opens(owner)]);
  await addContact(app.ctx, carol, bob.jid);
  const first = itemOf(await bob.run(['blog', 'set'], 'The first'));
  await seen(first);
}, 60_000);

test('a post is there as it was written, an edit replaces it, a deletion takes it away', async () => {
  const item = itemOf(await bob.run(['blog', 'set', '-T', 'A title', '-t', 'Dinosaurs', '-t', 'open source', '-l', 'fr'], 'Hello **from** [Libervia](https://e.test/?a=1&b=2) & me\n\n- one\n- two\n'));
  const { post, author } = await seen(item);
  expect(post).toMatchObject({ title: 'A title', language: 'fr', tags: expect.arrayContaining(['dinosaurs']), audience: { to: 'public' } });
  expect(post.markdown).toBe('# A title\n\nHello **from** [Libervia](<https://e.test/?a=1&b=2>) & me\n\n- one\n- two');
  expect(author).toMatchObject({ isLocal: false, username: 'bob', domain: 'elsewhere.test' });
  await bob.run(['blog', 'set', '-i', item], 'Said *better*');
  expect(await seen(item, (view) => view.post.editedAt !== null)).toMatchObject({ post: { guid: post.guid, markdown: 'Said *better*', createdAt: post.createdAt } });
  await bob.run(['pubsub', 'delete', '-f', '-n', MICROBLOG, '-i', item]);
  await eventually(app, () => streamOf(carol), (views) => !views.some((view) => view.post.guid === post.guid));
});

test('comments under it go both ways', async () => {
  const item = itemOf(await bob.run(['blog', 'set', '-C'], 'Comment on **this**'));
  const view = await seen(item);
  const node = `${MICROBLOG}:comments/${item}`;
  await bob.run(['pubsub', 'node', 'set', '-n', node, '-f', 'max_items', 'max']);
  const hers = await commentOn(app.ctx, await actor(carol), view.post.guid, { text: 'I *like* it' });
  await app.idle();
  const [read] = await bob.reads(bob.jid, { node });
  expect(read).toMatchObject({ author: 'carol', author_jid: carol.jid, content: 'I *like* it', content_xhtml: expect.stringContaining('<em>like</em>') });
  await bob.run(['blog', 'set', '-n', node], 'Thank **you**');
  const texts = async () => (await commentsOn(view.post.guid)).map(({ by, markdown }) => `${by}: ${markdown}`).sort();
  await eventually(app, texts, (found) => found.join() === 'bob: Thank **you**,carol: I *like* it');
  await editComment(app.ctx, await actor(carol), hers.guid, 'I like it');
  await app.idle();
  expect((await bob.reads(bob.jid, { node })).map(({ author, content }) => `${author}: ${content}`).sort()).toEqual(['bob: Thank you', 'carol: I like it']);
  // COMPAT Prosody 0.12: at a node where everyone may publish, only its owner may retract; so her text goes, and her item stays.
  await deleteComment(app.ctx, await actor(carol), hers.guid);
  await app.idle();
  expect((await bob.reads(bob.jid, { node })).map(({ author, content }) => `${author}: ${content}`).sort()).toEqual(['bob: Thank you', 'carol: (deleted)']);
  expect(await texts()).toEqual(['bob: Thank **you**']);
});

test('her like stands there as Libervia writes likes, until she takes it back', async () => {
  const item = itemOf(await bob.run(['blog', 'set', '-C'], 'Like this'));
  const { post } = await seen(item);
  const attached = async () => JSON.parse(await bob.run(['blog', 'attachments', 'get', '-s', bob.jid, '-n', MICROBLOG, '-i', item, '-O', 'json'])) as unknown[];
  await likePost(app.ctx, await actor(carol), post.guid);
  await app.idle();
  expect(await attached()).toEqual([expect.objectContaining({ from: carol.jid, noticed: expect.objectContaining({ noticed: true }) })]);
  await unlikePost(app.ctx, await actor(carol), post.guid);
  await app.idle();
  expect(await attached()).toEqual([]);
});

test('what he repeats is a reshare here, and its root is the post that was there before', async () => {
  const root = await app.posts(alice, 'Say it **again**');
  const item = itemOf(await bob.run(['blog', 'repeat', '-s', alice.jid, '-i', root.guid]));
  const view = await seen(item);
  expect(view).toMatchObject({ post: { kind: 'reshare', reshareOf: root.guid }, author: { username: 'bob' }, root: { post: { guid: root.guid, markdown: 'Say it **again**' }, author: { username: 'alice' } } });
  expect((await readPost(app.ctx, 'anonymous', root.guid)).counts.reshares).toBe(1);
});

test('her own feed at her chat address becomes posts here: new, edited, deleted', async () => {
  await setSource(app.ctx, alice, owner.jid, true);
  await app.idle();
  const item = itemOf(await owner.run(['blog', 'set', '-t', 'tagged'], 'From my **own** feed'));
  const texts = async () => (await postsOf(alice)).map(({ post }) => post.markdown).filter((text) => text !== 'Say it **again**');
  await eventually(app, texts, (found) => found.join() === 'From my **own** feed\n\n#tagged');
  await owner.run(['blog', 'set', '-i', item], 'Said better');
  await eventually(app, texts, (found) => found.join() === 'Said better');
  await owner.run(['pubsub', 'delete', '-f', '-n', MICROBLOG, '-i', item]);
  await eventually(app, texts, (found) => found.length === 0);
});
