// Two installations of ours, one behind Prosody and one behind ejabberd, over server-to-server.
import sharp from 'sharp';
import { createAspect } from '../../src/services/aspects.js';
import { readPicture, removePicture, setPicture } from '../../src/services/media.js';
import { listNotifications } from '../../src/services/notifications.js';
import { askAbout, lookUp, personView } from '../../src/services/people.js';
import { changeProfile } from '../../src/services/profiles.js';
import { acceptRequest, addContact, blockPerson, pageOfPeople, putIntoAspect, refuseRequest, setAskFirst } from '../../src/services/relationships.js';
import { findActorByAddress } from '../../src/store/actors.js';
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
const notices = async (member: Member): Promise<string[]> =>
  (await listNotifications(two.homeOf(member).ctx, member, { limit: 20 })).map(({ notification, by }) => `${notification.kind} by ${by.username}`).sort();
const told = (member: Member, ...expected: string[]) => eventually(two.homeOf(member), () => notices(member), (found) => found.join() === [...expected].sort().join());

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
  const [request] = await eventually(two.there, async () => (await pageOfPeople(two.there.ctx, bob, 'requests')).people, (found) => found.length > 0);
  expect(await two.between(alice, bob)).toMatchObject({ following: 'asked' });
  await acceptRequest(two.there.ctx, bob, request!.id, { followBack: false });
  await eventually(two.here, async () => (await two.between(alice, bob)).following === 'on');
  await sees(alice, 'from before');
});

test('who accepts and follows back is a contact on both sides, and each is told', async () => {
  await setAskFirst(two.there.ctx, bob, true);
  await addContact(two.here.ctx, alice, bob.jid);
  await told(bob, `request by ${alice.username}`);
  const [request] = (await pageOfPeople(two.there.ctx, bob, 'requests')).people;
  await acceptRequest(two.there.ctx, bob, request!.id, { followBack: true });
  for (const [one, other] of [[alice, bob] as const, [bob, alice] as const])
    await eventually(two.homeOf(one), () => two.between(one, other), ({ following, follower, addedAt }) => following === 'on' && follower === 'on' && addedAt !== null);
  await told(alice, `accepted by ${bob.username}`);
  await two.there.posts(bob, 'for contacts', { to: 'contacts' });
  await two.here.posts(alice, 'mine for contacts', { to: 'contacts' });
  await sees(alice, 'for contacts', 'mine for contacts');
  await sees(bob, 'for contacts', 'mine for contacts');
});

test('who may see older posts finds those for contacts too, and who may not does not', async () => {
  const eve = await two.here.account(`eve${count}`);
  await two.follows(alice, bob);
  await two.follows(eve, bob);
  await two.there.posts(bob, 'old, for contacts', { to: 'contacts' });
  await two.there.posts(bob, 'old, for all');
  await addContact(two.there.ctx, bob, alice.jid, { older: true });
  await addContact(two.there.ctx, bob, eve.jid);
  for (const one of [alice, eve]) {
    await eventually(two.there, async () => (await two.between(bob, one)).following === 'on');
    await askAbout(two.here.ctx, one, (await findActorByAddress(two.here.ctx.store, 'xmpp', bob.jid))!, { again: true });
    await two.here.idle();
  }
  await sees(alice, 'old, for contacts', 'old, for all');
  await sees(eve, 'old, for all');
});

test('a mention rings there, once, and not where the post is not for the one mentioned', async () => {
  const eve = await two.here.account(`eve${count}`);
  await two.befriend(alice, bob);
  await two.follows(eve, bob);
  await two.there.posts(bob, `only for contacts, @${alice.jid} and @${eve.jid}`, { to: 'contacts' });
  const { guid } = await two.there.posts(bob, `for all, @${alice.jid}`);
  await two.there.edits(bob, guid, `for all, dear @${alice.jid}`);
  await sees(alice, `only for contacts, @${alice.jid} and @${eve.jid}`, `for all, dear @${alice.jid}`);
  await told(alice, `accepted by ${bob.username}`, `mention by ${bob.username}`, `mention by ${bob.username}`);
  await sees(eve, `for all, dear @${alice.jid}`);
  await told(eve, `accepted by ${bob.username}`);
});

test('another name, text and picture of hers are seen there, and that there is no picture any more', async () => {
  await two.befriend(alice, bob);
  const seen = async () => (await findActorByAddress(two.there.ctx.store, 'xmpp', alice.jid))!.profile;
  await changeProfile(two.here.ctx, alice, { displayName: 'Alice the Second', summary: 'likes tea' });
  await eventually(two.there, seen, ({ displayName, summary }) => displayName === 'Alice the Second' && summary === 'likes tea');
  await setPicture(two.here.ctx, alice, 'avatar', await sharp({ create: { width: 90, height: 90, channels: 3, background: '#c33' } }).png().toBuffer());
  const { avatar } = await eventually(two.there, seen, (profile) => profile.avatar !== null);
  const { dominant } = await sharp((await readPicture(two.there.ctx, avatar!))!.bytes).stats();
  expect(dominant.r).toBeGreaterThan(180);
  expect(dominant.g).toBeLessThan(80);
  await removePicture(two.here.ctx, alice, 'avatar');
  await eventually(two.there, seen, (profile) => profile.avatar === null);
});

test('a refusal ends the asking on both sides', async () => {
  await setAskFirst(two.there.ctx, bob, true);
  await addContact(two.here.ctx, alice, bob.jid);
  const [request] = await eventually(two.there, async () => (await pageOfPeople(two.there.ctx, bob, 'requests')).people, (found) => found.length > 0);
  await two.here.idle(); // she has asked in both ways: for his presence, and for his feed
  await refuseRequest(two.there.ctx, bob, request!.id);
  await eventually(two.here, async () => (await two.between(alice, bob)).following === 'none');
});

test('a block ends what stood, on both sides', async () => {
  await two.befriend(alice, bob);
  const other = (await pageOfPeople(two.there.ctx, bob, 'contacts')).people[0]!;
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
