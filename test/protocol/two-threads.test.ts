// Two installations of ours, one behind Prosody and one behind ejabberd: what is said under each other's posts, over server-to-server.
import type { Audience } from '../../src/domain/activity.js';
import type { Post } from '../../src/domain/post.js';
import { commentOn, deleteComment, editComment, listComments } from '../../src/services/comments.js';
import { listNotifications } from '../../src/services/notifications.js';
import { likePost, likersOf, unlikePost } from '../../src/services/reactions.js';
import { blockPerson, pageOfPeople } from '../../src/services/relationships.js';
import { wantComments } from '../../src/services/remote-threads.js';
import { resharePost, unresharePost } from '../../src/services/reshares.js';
import { actorOf, type PostView } from '../../src/services/stream.js';
import { addRecipients } from '../../src/store/received.js';
import { eventually } from '../support/eventually.js';
import { type Member, openTwo, type Two } from '../support/two-installations.js';

let two: Two;
let alice: Member;
let bob: Member;
let post: Post;
/** The same post as alice has it. */
let copy: PostView;
let count: number;

const scene = openTwo();
beforeEach(async () => {
  ({ two, alice, bob, number: count } = scene);
  await two.befriend(alice, bob);
  await posted('from bob');
});

/** bob posts what the test is about. */
async function posted(text: string, audience?: Audience): Promise<void> {
  post = await two.there.posts(bob, text, audience);
  copy = (await eventually(two.here, () => two.streamOf(alice), (views) => views.some(({ origin }) => origin?.itemId === post.guid))).find(({ origin }) => origin?.itemId === post.guid)!;
}

const me = (member: Member) => actorOf(two.homeOf(member).ctx, member);
const guidFor = (member: Member) => (two.homeOf(member) === two.there ? post.guid : copy.post.guid);
const comments = async (member: Member): Promise<string[]> =>
  (await listComments(two.homeOf(member).ctx, { actorId: member.actorId }, guidFor(member), { limit: 20, direction: 'oldest-first' })).map(({ comment, author }) => `${author.username}: ${comment.markdown}`);
const reads = (member: Member, ...expected: string[]) => eventually(two.homeOf(member), () => comments(member), (found) => found.join() === expected.join());
const likers = async (member: Member) => (await likersOf(two.homeOf(member).ctx, { actorId: member.actorId }, guidFor(member), 10)).actors.map(({ username }) => username);
const liked = (member: Member, ...expected: string[]) => eventually(two.homeOf(member), () => likers(member), (found) => [...found].sort().join() === [...expected].sort().join());
const say = async (member: Member, text: string) => commentOn(two.homeOf(member).ctx, await me(member), guidFor(member), { text });
const opens = async (member: Member) => {
  await wantComments(two.homeOf(member).ctx, member.actorId, guidFor(member));
  await two.homeOf(member).idle();
};
/** As if her server had come by the post in some way. */
const shownTo = (member: Member) => two.here.ctx.store.transaction((tx) => addRecipients(tx, copy.post.guid, [member.actorId]));
/** Her last comment did not get in. */
const refusedThere = (member: Member) =>
  eventually(two.here, () => listComments(two.here.ctx, { actorId: member.actorId }, copy.post.guid, { limit: 1 }), ([one]) => one?.author.username === member.username && one.undelivered !== undefined);
const told = (member: Member, ...expected: string[]) =>
  eventually(
    two.homeOf(member),
    async () => (await listNotifications(two.homeOf(member).ctx, member, { limit: 20 })).map(({ notification, by }) => `${notification.kind} by ${by.username}`).filter((line) => !line.startsWith('accepted')),
    (found) => [...found].sort().join() === [...expected].sort().join(),
  );

test('comments, their edits and their ends go both ways', async () => {
  await opens(alice);
  const hers = await say(alice, 'hello **bob**');
  await reads(bob, `${alice.username}: hello **bob**`);
  const his = await say(bob, 'hello alice');
  await reads(alice, `${alice.username}: hello **bob**`, `${bob.username}: hello alice`);
  await editComment(two.here.ctx, await me(alice), hers.guid, 'hello Bob');
  await reads(bob, `${alice.username}: hello Bob`, `${bob.username}: hello alice`);
  await editComment(two.there.ctx, await me(bob), his.guid, 'hello Alice');
  await reads(alice, `${alice.username}: hello Bob`, `${bob.username}: hello Alice`);
  await deleteComment(two.here.ctx, await me(alice), hers.guid);
  await reads(bob, `${bob.username}: hello Alice`);
  await deleteComment(two.there.ctx, await me(bob), his.guid);
  await reads(alice);
});

test('the author of the post removes another’s comment, and it goes where it was written', async () => {
  await opens(alice);
  await say(alice, 'rude');
  await reads(bob, `${alice.username}: rude`);
  const [view] = await listComments(two.there.ctx, { actorId: bob.actorId }, post.guid, { limit: 1 });
  await deleteComment(two.there.ctx, await me(bob), view!.comment.guid);
  await reads(alice);
});

test('what was said before is there when the post is opened', async () => {
  await say(bob, 'one');
  await likePost(two.there.ctx, await me(bob), post.guid);
  await opens(alice);
  await reads(alice, `${bob.username}: one`);
  await liked(alice, bob.username);
});

test('a like goes both ways, once, and back again', async () => {
  await opens(alice);
  await likePost(two.here.ctx, await me(alice), copy.post.guid);
  await liked(bob, alice.username);
  await likePost(two.there.ctx, await me(bob), post.guid);
  await liked(alice, alice.username, bob.username);
  await unlikePost(two.here.ctx, await me(alice), copy.post.guid);
  await liked(bob, bob.username);
  await unlikePost(two.there.ctx, await me(bob), post.guid);
  await liked(alice);
});

test('a third person hears, though only by the post’s own node', async () => {
  const carol = await two.here.account(`carol${count}`);
  await two.follows(carol, bob);
  await opens(alice);
  await opens(carol);
  const dave = await two.there.account(`dave${count}`);
  await commentOn(two.there.ctx, await me(dave), post.guid, { text: 'me, too' });
  await reads(alice, `${dave.username}: me, too`);
  await reads(carol, `${dave.username}: me, too`);
});

test('a reshare shows the root to the followers of who reshared, with its author, and goes again', async () => {
  const carol = await two.there.account(`carol${count}`);
  await two.follows(carol, alice);
  await resharePost(two.here.ctx, alice, copy.post.guid);
  const [view] = await eventually(two.there, () => two.streamOf(carol), (views) => views.length === 1);
  expect(view).toMatchObject({ author: { username: alice.username }, post: { kind: 'reshare', reshareOf: post.guid }, root: { post: { markdown: 'from bob' }, author: { username: bob.username } } });
  await unresharePost(two.here.ctx, alice, copy.post.guid);
  await eventually(two.there, () => two.streamOf(carol), (views) => views.length === 0);
});

test('a reshare of what is not known there says whose it is', async () => {
  const eve = await two.there.account(`eve${count}`);
  const root = await two.here.posts(await two.here.account(`root${count}`), 'the **root**');
  await two.follows(eve, alice);
  await resharePost(two.here.ctx, alice, root.guid);
  const [view] = await eventually(two.there, () => two.streamOf(eve), (views) => views.length === 1);
  expect(view!.post).toMatchObject({ kind: 'reshare', reshareOf: null });
  expect(view!.post.markdown).toContain(`root${count}@${two.here.domain}`);
  expect(view!.post.markdown).toContain('the **root**');
});

test('the end of the post is the end of all that stands under it', async () => {
  await opens(alice);
  await say(alice, 'hello');
  await reads(bob, `${alice.username}: hello`);
  await two.there.deletes(bob, post.guid);
  await eventually(two.here, () => two.streamOf(alice), (views) => views.length === 0);
  await expect(say(alice, 'too late')).rejects.toMatchObject({ code: 'gone' });
});

test('a comment that is refused there tells its author why', async () => {
  await opens(alice);
  await two.there.ctx.store.transaction((tx) => tx.query('update posts set deleted_at = 1 where guid = ?', [post.guid])); // gone, and nobody was told
  await say(alice, 'hello');
  await two.here.idle();
  const [view] = await eventually(two.here, () => listComments(two.here.ctx, { actorId: alice.actorId }, copy.post.guid, { limit: 1 }), ([one]) => one?.undelivered !== undefined);
  expect(view!.undelivered).toContain('no place');
});

test('under a post for contacts those who may see it comment and like; for who follows and is no contact there is no such post', async () => {
  const eve = await two.here.account(`eve${count}`);
  await two.follows(eve, bob);
  await posted('for contacts', { to: 'contacts' });
  await opens(alice);
  await say(alice, 'between us');
  await likePost(two.here.ctx, await me(alice), copy.post.guid);
  await reads(bob, `${alice.username}: between us`);
  await liked(bob, alice.username);
  await say(bob, 'quite');
  await reads(alice, `${alice.username}: between us`, `${bob.username}: quite`);
  await expect(say(eve, 'me too')).rejects.toMatchObject({ code: 'not-found' });
  await expect(likePost(two.here.ctx, await me(eve), copy.post.guid)).rejects.toMatchObject({ code: 'not-found' });
  // Nor does bob's server take her word, however her own server came to send it.
  await shownTo(eve);
  await say(eve, 'let me in');
  await likePost(two.here.ctx, await me(eve), copy.post.guid);
  await two.here.idle();
  await refusedThere(eve);
  expect(await comments(bob)).toEqual([`${alice.username}: between us`, `${bob.username}: quite`]);
  expect(await likers(bob)).toEqual([alice.username]);
});

test('whom the author has blocked neither comments nor likes, though her server still knows the post', async () => {
  await opens(alice);
  await say(alice, 'before');
  await reads(bob, `${alice.username}: before`);
  await blockPerson(two.there.ctx, bob, (await pageOfPeople(two.there.ctx, bob, 'contacts')).people[0]!.id);
  await eventually(two.here, async () => (await two.between(alice, bob)).following === 'none');
  await say(alice, 'after');
  await likePost(two.here.ctx, await me(alice), copy.post.guid);
  await two.here.idle();
  await refusedThere(alice);
  expect(await comments(bob)).toEqual([]);
  expect(await likers(bob)).toEqual([]);
  expect((await listComments(two.there.ctx, 'anonymous', post.guid, { limit: 20 })).map(({ comment }) => comment.markdown)).not.toContain('after');
});

test('a comment, a like and who is mentioned in a comment ring there, each once', async () => {
  const carol = await two.here.account(`carol${count}`);
  const dave = await two.there.account(`dave${count}`);
  await two.follows(carol, bob);
  await opens(alice);
  await opens(carol);
  await say(alice, `hello @${dave.jid}`);
  await likePost(two.here.ctx, await me(alice), copy.post.guid);
  await told(bob, `comment by ${alice.username}`, `like by ${alice.username}`);
  await told(dave, `mention by ${alice.username}`);
  await say(bob, `ask @${carol.jid}`);
  await told(alice, `also-commented by ${bob.username}`);
  await told(carol, `mention by ${bob.username}`);
});
