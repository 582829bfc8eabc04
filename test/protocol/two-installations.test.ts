// Two installations of ours, one behind Prosody and one behind ejabberd, over server-to-server.
import { createAspect } from '../../src/services/aspects.js';
import { lookUp, personView } from '../../src/services/people.js';
import { acceptRequest, addContact, blockPerson, contactsPage, putIntoAspect, refuseRequest, setAskFirst } from '../../src/services/relationships.js';
import { eventually } from '../support/eventually.js';
import { type Member, openTwo, type Two } from '../support/two-installations.js';

let two: Two;
let alice: Member;
let bob: Member;
let count: number;

const scene = openTwo();
beforeEach(() => {
  ({ two, alice, bob, number: count } = scene);
});

const texts = async (member: Member): Promise<string[]> => (await two.streamOf(member)).map(({ post }) => post.markdown);
const sees = (member: Member, ...expected: string[]) => eventually(two.homeOf(member), () => texts(member), (found) => [...found].sort().join() === [...expected].sort().join());

test('they befriend each other, and each reads what the other posts, edits and deletes', async () => {
  await two.befriend(alice, bob);
  const post = await two.there.posts(bob, 'from bob #hello');
  await two.here.posts(alice, 'from alice');
  await sees(alice, 'from bob #hello', 'from alice');
  await sees(bob, 'from bob #hello', 'from alice');
  const [view] = (await two.streamOf(alice)).filter(({ author }) => author.username === bob.username);
  expect(view).toMatchObject({ post: { audience: { to: 'public' }, tags: ['hello'] }, author: { isLocal: false, domain: two.there.domain }, origin: { node: 'urn:xmpp:microblog:0', itemId: post.guid } });
  await two.there.edits(bob, post.guid, 'better');
  await sees(alice, 'better', 'from alice');
  await two.there.deletes(bob, post.guid);
  await sees(alice, 'from alice');
});

test('a post for an aspect reaches who is in it, and is for nobody else there', async () => {
  const eve = await two.here.account(`eve${count}`);
  await two.befriend(alice, bob);
  await two.follows(eve, bob);
  const aspect = await createAspect(two.there.ctx, bob, 'family');
  await putIntoAspect(two.there.ctx, bob, aspect.id, alice.jid);
  await two.there.posts(bob, 'for the family', { to: 'aspects', aspectIds: [aspect.id] });
  await two.there.posts(bob, 'for all');
  await sees(alice, 'for the family', 'for all');
  await sees(eve, 'for all');
  const [view] = (await two.streamOf(alice)).filter(({ post }) => post.markdown === 'for the family');
  expect(view!.post.audience).toEqual({ to: 'people' });
});

test('who is asked first lets in or does not, and older public posts come with the yes', async () => {
  await setAskFirst(two.there.ctx, bob, true);
  await two.there.posts(bob, 'from before');
  await addContact(two.here.ctx, alice, bob.jid);
  const [request] = await eventually(two.there, async () => (await contactsPage(two.there.ctx, bob)).requests, (found) => found.length > 0);
  expect(await two.between(alice, bob)).toMatchObject({ following: 'asked' });
  await acceptRequest(two.there.ctx, bob, request!.id, { followBack: false });
  await eventually(two.here, async () => (await two.between(alice, bob)).following === 'on');
  await sees(alice, 'from before');
});

test('a refusal ends the asking on both sides', async () => {
  await setAskFirst(two.there.ctx, bob, true);
  await addContact(two.here.ctx, alice, bob.jid);
  const [request] = await eventually(two.there, async () => (await contactsPage(two.there.ctx, bob)).requests, (found) => found.length > 0);
  await refuseRequest(two.there.ctx, bob, request!.id);
  await eventually(two.here, async () => (await two.between(alice, bob)).following === 'none');
});

test('a block ends what stood, on both sides', async () => {
  await two.befriend(alice, bob);
  const other = (await contactsPage(two.there.ctx, bob)).contacts[0]!;
  await blockPerson(two.there.ctx, bob, other.id);
  await eventually(two.here, async () => {
    const { following, follower } = await two.between(alice, bob);
    return following === 'none' && follower === 'none';
  });
  await two.there.posts(bob, 'without alice');
  await two.there.idle();
  await two.here.idle();
  expect(await texts(alice)).toEqual([]);
});

test('a pasted web address shows who it is, with what is public', async () => {
  await two.there.posts(bob, 'for everyone');
  await two.there.posts(bob, 'for contacts', { to: 'contacts' });
  const { actor } = await lookUp(two.here.ctx, alice, `https://${two.there.domain}/u/${bob.username}`);
  const view = await eventually(two.here, () => personView(two.here.ctx, { actorId: alice.actorId }, actor), ({ isFetching }) => !isFetching);
  expect(view).toMatchObject({ address: bob.jid, fetchError: null, counts: { posts: 1 }, words: [] });
});

test('what was missed while one of them was away is fetched', async () => {
  await two.befriend(alice, bob);
  await two.there.posts(bob, 'before');
  await sees(alice, 'before');
  await two.restartHere(async () => {
    for (let n = 0; n < 25; n++) await two.there.posts(bob, `missed ${n}`);
    await two.there.idle();
  });
  await sees(alice, 'before', ...Array.from({ length: 25 }, (_, n) => `missed ${n}`));
}, 60_000);
