// Libervia 0.9, as Debian has it, on a real Prosody: what people do with it under our posts, and what it makes of ours. Nobody here wrote it.
import { commentOn, deleteComment, editComment } from '../../src/services/comments.js';
import { askToLink, ownerAddressesOf } from '../../src/services/owner-addresses.js';
import { likePost, likersOf, unlikePost } from '../../src/services/reactions.js';
import { commentsNode } from '../../src/formats/namespaces.js';
import { MICROBLOG } from '../support/follow.js';
import { openLiberviaScene } from '../support/libervia-scene.js';
import type { LiberviaUser, Microblog } from '../support/servers/libervia.js';
import { Browser, type Site } from '../support/web.js';

const scene = openLiberviaScene();
const { actor, postsOf, commentsOn } = scene;
let app: typeof scene.app;
let alice: typeof scene.alice;
let owner: LiberviaUser;
let bob: LiberviaUser;
let carol: typeof scene.carol;
beforeAll(() => {
  ({ app, alice, owner, bob, carol } = scene);
});

const likesOf = async (guid: string) => (await likersOf(app.ctx, 'anonymous', guid, 10)).actors.map(({ username }) => username);
/** What everybody sees at a path of the site. */
const page = async (where: string) => {
  const { status, text } = await new Browser(app.url as unknown as Site['app']).get(where);
  return { status, text };
};
const articleOf = async (guid: string, id = `post-${guid}`) => new RegExp(`<article [^>]*id="${id}".*?</article>`, 's').exec((await page(`/posts/${guid}`)).text)?.[0];

/** Publishes on alice's node. @returns the guid */
async function publishes(user: LiberviaUser, text: string, ...options: string[]): Promise<string> {
  const before = (await postsOf(alice)).map(({ post }) => post.guid);
  await user.run(['blog', 'set', '-s', alice.jid, ...options], text);
  const [added, ...more] = (await postsOf(alice)).filter(({ post }) => !before.includes(post.guid));
  expect(more).toEqual([]);
  return added!.post.guid;
}

test('its owner publishes on our node, and reads what stands there now', async () => {
  const guid = await publishes(owner, 'Hello **from** [Libervia](https://e.test/?a=1&b=2) & me\n\n- one\n- two\n', '-T', 'A title', '-t', 'dinosaurs', '-l', 'en', '-C');
  const [view] = await postsOf(alice);
  const markdown = '# A title\n\nHello **from** [Libervia](<https://e.test/?a=1&b=2>) & me\n\n- one\n- two\n\n#dinosaurs';
  expect(view!.post).toMatchObject({ guid, title: 'A title', markdown, tags: ['dinosaurs'], language: 'en', audience: { to: 'public' } });
  const article = await articleOf(guid);
  for (const part of ['<strong>from</strong>', 'href="https://e.test/?a=1&#x26;b=2"', '<li>one</li>', '/tags/dinosaurs"']) expect(article).toContain(part);

  const [item] = await owner.reads(alice.jid);
  expect(item).toMatchObject({
    ...{ id: guid, atom_id: view!.post.atomId, title: 'A title', language: 'en', tags: ['dinosaurs'], content: markdown },
    ...{ author: 'alice', author_jid: alice.jid, author_jid_verified: true, published: Math.floor(view!.post.createdAt / 1000) },
    comments: [{ service: alice.jid, node: commentsNode(guid), uri: `xmpp:${alice.jid}?;node=${commentsNode(guid)}` }],
  });
  expect(item!.content_xhtml).toContain('<strong>from');
});

test('a title, a language and a comments node are not needed', async () => {
  const guid = await publishes(owner, 'Only a line & nothing else');
  expect((await postsOf(alice))[0]!.post).toMatchObject({ guid, title: 'Only a line & nothing else', markdown: 'Only a line & nothing else' });
  const [item] = await bob.reads(alice.jid, { item: guid });
  expect(item).toMatchObject({ id: guid, content: 'Only a line & nothing else', comments: [{ node: commentsNode(guid) }] });
});

test('an address that answered the code publishes for her, too', async () => {
  const lena = await scene.stranger('lena');
  await askToLink(app.ctx, alice, lena.jid);
  const code = /\d{4} \d{4}/.exec(await lena.message(alice.jid))![0];
  await lena.run(['message', 'send', alice.jid], code);
  expect(await lena.message(alice.jid)).toMatch(/^Done/);
  expect(await ownerAddressesOf(app.ctx, alice)).toEqual([expect.objectContaining({ state: 'chat' }), expect.objectContaining({ jid: lena.jid, state: 'linked' })]);
  const guid = await publishes(lena, 'from elsewhere');
  expect(await articleOf(guid)).toContain('from elsewhere');
});

test('nobody else publishes there', async () => {
  await expect(bob.run(['blog', 'set', '-s', alice.jid], 'not hers')).rejects.toThrow("condition 'forbidden'");
  expect((await postsOf(alice)).map(({ post }) => post.markdown)).not.toContain('not hers');
});

test('she edits in her editor and from a pipe: under the same address, with the same date and comments, for everybody', async () => {
  const { guid, createdAt } = await app.posts(alice, 'First **thoughts** #draft');
  await commentOn(app.ctx, await actor(carol), guid, { text: 'Go on' });
  const found = await owner.edits(['-s', alice.jid, '-n', MICROBLOG, '-i', guid], 'Second *thoughts* #draft\n');
  expect(found).toContain('First **thoughts**');
  expect((await postsOf(alice))[0]!.post).toMatchObject({ guid, createdAt, editedAt: expect.any(Number), markdown: 'Second *thoughts* #draft', tags: ['draft'] });
  expect(await articleOf(guid)).toContain('<em>thoughts</em>');
  await owner.run(['blog', 'set', '-s', alice.jid, '-i', guid], 'Third thoughts');
  const [item] = await bob.reads(alice.jid, { item: guid });
  expect(item).toMatchObject({ id: guid, content: 'Third thoughts', published: Math.floor(createdAt / 1000), comments: [{ node: commentsNode(guid) }] });
  expect((await commentsOn(guid)).map(({ markdown }) => markdown)).toEqual(['Go on']);
});

test('an edit that leaves the text alone changes nothing', async () => {
  const markdown = '# Title\n\nA [link](<https://e.test/>), **bold**, *both*, `code` #tag\n\n- one\n- two';
  const { guid } = await app.posts(alice, markdown);
  const found = await owner.edits(['-s', alice.jid, '-n', MICROBLOG, '-i', guid], '');
  await owner.edits(['-s', alice.jid, '-n', MICROBLOG, '-i', guid], found);
  expect((await postsOf(alice))[0]!.post).toMatchObject({ guid, markdown, tags: ['tag'] });
});

test('she deletes: it is gone from the page and for every reader', async () => {
  const guid = await publishes(owner, 'Soon gone');
  await owner.run(['pubsub', 'delete', '-f', '-s', alice.jid, '-n', MICROBLOG, '-i', guid]);
  expect((await page(`/posts/${guid}`)).status).toBe(410);
  expect((await bob.reads(alice.jid)).map(({ id }) => id)).not.toContain(guid);
});

test('a post for contacts is not there for who is none', async () => {
  const { guid } = await app.posts(alice, 'For friends', { to: 'contacts' });
  expect((await owner.reads(alice.jid)).map(({ id }) => id)).toContain(guid);
  expect((await bob.reads(alice.jid)).map(({ id }) => id)).not.toContain(guid);
});

/** The id that Libervia has given to what it published. */
const itemOf = (said: string): string => /ID (\S+)/.exec(said)![1]!;

test('comments go both ways: written, read, edited, deleted', async () => {
  const { guid } = await app.posts(alice, 'Comment on this');
  const node = commentsNode(guid);
  const there = ['-s', alice.jid, '-n', node];
  const by = (items: Microblog[]) => Object.fromEntries(items.map((item) => [item.author_jid, item]));

  const item = itemOf(await bob.run(['blog', 'set', ...there], 'I **agree**'));
  const [comment] = await commentsOn(guid);
  expect(comment).toMatchObject({ by: 'bob', markdown: 'I **agree**' });
  expect(await articleOf(guid, `comment-${comment!.guid}`)).toContain('<strong>agree</strong>');
  const hers = await commentOn(app.ctx, await actor(carol), guid, { text: 'So do *I*' });
  const read = by(await owner.reads(alice.jid, { node }));
  expect(Object.keys(read).sort()).toEqual([bob.jid, carol.jid].sort());
  expect(read[bob.jid]).toMatchObject({ id: item, author: 'bob', author_jid_verified: true, content: 'I **agree**', content_xhtml: expect.stringContaining('<strong>agree</strong>') });
  expect(read[carol.jid]).toMatchObject({ id: hers.guid, author: 'carol', author_jid_verified: true, content: 'So do *I*' });

  await bob.run(['blog', 'set', ...there, '-i', item], 'On second thought, no');
  await editComment(app.ctx, await actor(carol), hers.guid, 'So do we');
  expect((await commentsOn(guid)).map(({ by, markdown }) => [by, markdown])).toEqual([['carol', 'So do we'], ['bob', 'On second thought, no']]);
  expect(by(await owner.reads(alice.jid, { node }))).toMatchObject({ [bob.jid]: { content: 'On second thought, no' }, [carol.jid]: { content: 'So do we' } });

  // Neither what somebody else wrote, nor under somebody else's name.
  await expect(bob.run(['blog', 'set', ...there, '-i', hers.guid], 'forged')).rejects.toThrow(/condition '(forbidden|conflict)'/);
  await expect(bob.run(['pubsub', 'delete', '-f', ...there, '-i', hers.guid])).rejects.toThrow("condition 'forbidden'");
  expect(await commentsOn(guid)).toHaveLength(2);

  await bob.run(['pubsub', 'delete', '-f', ...there, '-i', item]);
  await deleteComment(app.ctx, await actor(carol), hers.guid);
  expect(await commentsOn(guid)).toEqual([]);
  expect(await owner.reads(alice.jid, { node })).toEqual([]);
});

test('the owner of the post deletes what somebody has written under it', async () => {
  const { guid } = await app.posts(alice, 'Be kind');
  const there = ['-s', alice.jid, '-n', commentsNode(guid)];
  const item = itemOf(await bob.run(['blog', 'set', ...there], 'No'));
  await owner.run(['pubsub', 'delete', '-f', ...there, '-i', item]);
  expect(await commentsOn(guid)).toEqual([]);
});

test('likes go both ways, and back', async () => {
  const { guid } = await app.posts(alice, 'Like this');
  const there = ['-s', alice.jid, '-n', MICROBLOG, '-i', guid];
  const attached = async () => JSON.parse(await owner.run(['blog', 'attachments', 'get', ...there, '-O', 'json'])) as { from: string; noticed?: { noticed: boolean }; reactions?: { reactions: string[] } }[];
  await bob.run(['blog', 'attachments', 'set', ...there, '--noticed', 'true', '-r', '🦖']);
  await likePost(app.ctx, await actor(carol), guid);
  expect((await likesOf(guid)).sort()).toEqual(['bob', 'carol']);
  expect((await attached()).sort((a, b) => a.from.localeCompare(b.from))).toEqual([
    expect.objectContaining({ from: bob.jid, noticed: expect.objectContaining({ noticed: true }), reactions: expect.objectContaining({ reactions: ['🦖'] }) }),
    expect.objectContaining({ from: carol.jid, noticed: expect.objectContaining({ noticed: true }) }),
  ]);
  expect(await articleOf(guid)).toContain('Likes: </span>2');
  await bob.run(['blog', 'attachments', 'set', ...there, '--noticed', 'false', '-R', '🦖']);
  await unlikePost(app.ctx, await actor(carol), guid);
  expect(await likesOf(guid)).toEqual([]);
  expect((await attached()).filter(({ noticed }) => noticed?.noticed)).toEqual([]);
});

describe('following', () => {
  test('where the server of the account does not know XEP-0376, Libervia cannot follow: its own server says no', async () => {
    await expect(owner.run(['pubsub', 'subscribe', '-s', carol.jid, '-n', MICROBLOG])).rejects.toThrow("condition 'service-unavailable'");
  });

  test('where it does, Libervia hears of posts, edits and deletions in the moment', async () => {
    await bob.run(['pubsub', 'subscribe', '-s', carol.jid, '-n', MICROBLOG]);
    expect(await bob.run(['pubsub', 'subscriptions', '-s', carol.jid])).toContain('subscribed');
    const post = await app.posts(carol, '# News\n\nwith **marks** #tag');
    expect(await bob.event(carol.jid)).toMatchObject({ id: post.guid, title: 'News', tags: ['tag'], author: 'carol', author_jid: carol.jid, author_jid_verified: true, content_xhtml: expect.stringContaining('<strong>marks') });
    await app.edits(carol, post.guid, 'Better news');
    expect(await bob.event(carol.jid)).toMatchObject({ id: post.guid, content: 'Better news' });
    await app.deletes(carol, post.guid);
    expect(await bob.event(carol.jid, 'retract')).toMatchObject({ id: post.guid });

    await bob.run(['pubsub', 'unsubscribe', '-s', carol.jid, '-n', MICROBLOG]);
    await app.posts(carol, 'Nobody listens');
    await app.idle();
    expect(await bob.run(['pubsub', 'subscriptions', '-s', carol.jid])).not.toContain('subscribed');
    expect(bob.unheard(carol.jid)).toEqual([]);
  });

  test('comments are heard of by who subscribes to them', async () => {
    const { guid } = await app.posts(alice, 'Speak');
    await bob.run(['pubsub', 'subscribe', '-s', alice.jid, '-n', commentsNode(guid)]);
    await commentOn(app.ctx, await actor(carol), guid, { text: 'A *word*' });
    expect(await bob.event(alice.jid)).toMatchObject({ author_jid: carol.jid, content: 'A *word*' });
  });
});
