import type { Account } from '../../../src/domain/account.js';
import type { Audience } from '../../../src/domain/activity.js';
import { ASPECT_NAME_MAX, ASPECTS_MAX } from '../../../src/domain/aspect.js';
import { DomainError } from '../../../src/domain/errors.js';
import { describeReach } from '../../../src/services/audience.js';
import { changeDefaultAudience, countPostsOf, createAspect, listAspectViews, removeAspect, renameAspect, takeOutOfAspect } from '../../../src/services/aspects.js';
import type { Context } from '../../../src/services/context.js';
import { editPost, publishPost } from '../../../src/services/publish.js';
import { addContact, blockPerson, changeAspectsOf, pageOfPeople, putIntoAspect, removeContact } from '../../../src/services/relationships.js';
import { homeStream, readPost } from '../../../src/services/stream.js';
import { findAccount } from '../../../src/store/accounts.js';
import { loadConfig } from '../../../src/config.js';
import { makeAccount } from '../../support/people.js';
import { describeStores, silentLog } from '../../support/store.js';

describeStores((makeStore) => {
  let ctx: Context;
  let alice: Account;
  let bob: Account;
  let carol: Account;
  let clock: number;
  beforeEach(async () => {
    const store = await makeStore();
    clock = Date.UTC(2026, 10, 21);
    const config = loadConfig({ DX_SECRET: 'a secret for tests only', DX_DOMAIN: 'social.test', DX_CHAT_DOMAIN: 'chat.test' }, '/nowhere');
    ctx = { store, config, protocols: [], log: silentLog, now: () => (clock += 1_000) };
    [alice, bob, carol] = (await Promise.all(['alice', 'bob', 'carol'].map((name) => makeAccount(store, name)))).map(({ account }) => account) as [Account, Account, Account];
  });

  const at = (account: Account) => `${account.username}@social.test`;
  const post = async (aspectIds: number[], text = 'for some') => (await publishPost(ctx, alice, { text, audience: { to: 'aspects', aspectIds } })).guid;
  const sees = (account: Account, guid: string) =>
    readPost(ctx, { actorId: account.actorId }, guid).then(
      () => true,
      (error) => (error instanceof DomainError && error.code === 'not-found' ? false : Promise.reject(error)),
    );
  const fault = (work: Promise<unknown>) =>
    work.then(
      () => 'nothing',
      (error) => (error instanceof DomainError ? `${error.code} ${error.field ?? ''}`.trim() : Promise.reject(error)),
    );
  const members = async () => (await listAspectViews(ctx, alice)).map(({ name, members }) => [name, members]);
  const make = (name: string, of = alice) => createAspect(ctx, of, name);

  test('names are one line, bounded, and unique without case, for each account by itself', async () => {
    const { id, name } = await make('  Chœur \n d’été\u202e ');
    expect(name).toBe('Chœur d’été');
    for (const same of ['chœur D’ÉTÉ', 'Chœur d’e\u0301te\u0301']) expect(await fault(make(same))).toBe('conflict name');
    for (const none of ['', ' \n ', '\u200b', 'x'.repeat(ASPECT_NAME_MAX + 1), 'Contacts', 'LIMITED', 'everyone', 'Public']) expect([none, await fault(make(none))]).toEqual([none, 'invalid name']);
    expect((await make('👩‍👩‍👧'.slice(0, 5))).name).not.toBe('');
    expect((await make('chœur d’été', bob)).name).toBe('chœur d’été');

    const other = await make('Work');
    expect(await fault(renameAspect(ctx, alice, other.id, 'CHŒUR d’été'))).toBe('conflict name');
    await renameAspect(ctx, alice, id, 'CHŒUR');
    expect((await listAspectViews(ctx, alice)).map(({ name }) => name)).toContain('CHŒUR');
  });

  test('there is a limit to their number, also when many are made at once', async () => {
    const names = Array.from({ length: ASPECTS_MAX + 2 }, (_, at) => `Group ${at}`);
    const results = await Promise.all([...names, 'GROUP 1'].map((name) => fault(make(name))));
    expect(await listAspectViews(ctx, alice)).toHaveLength(ASPECTS_MAX);
    expect(new Set(results)).toEqual(new Set(['nothing', 'too-many name', 'conflict name']));
  });

  test('a post keeps the number of people whom it could reach, each once, and the names of its aspects, whatever becomes of them', async () => {
    const [family, friends] = [await make('Family'), await make('Friends')];
    await addContact(ctx, alice, at(bob), { aspectIds: [family.id, friends.id] });
    await addContact(ctx, alice, at(carol), { aspectIds: [friends.id] });
    const reach = async (guid: string) => {
      const found = await describeReach(ctx, alice, (await readPost(ctx, { actorId: alice.actorId }, guid)).post, 10);
      return { posted: found?.posted, now: found?.now?.count };
    };
    const [both, first] = [await post([friends.id, family.id]), await post([family.id])];
    const contacts = (await publishPost(ctx, alice, { text: 'for contacts', audience: { to: 'contacts' } })).guid;
    expect(await reach(both)).toEqual({ posted: { people: 2, aspects: ['Family', 'Friends'] }, now: 2 });
    expect(await reach(first)).toEqual({ posted: { people: 1, aspects: ['Family'] }, now: 1 });
    expect(await reach(contacts)).toEqual({ posted: { people: 2, aspects: [] }, now: 2 });
    await renameAspect(ctx, alice, friends.id, 'Neighbours');
    await removeAspect(ctx, alice, family.id);
    await blockPerson(ctx, alice, carol.actorId);
    expect(await reach(both)).toEqual({ posted: { people: 2, aspects: ['Family', 'Friends'] }, now: 1 });
    expect(await reach(first)).toEqual({ posted: { people: 1, aspects: ['Family'] }, now: 0 });
    expect(await describeReach(ctx, bob, (await readPost(ctx, { actorId: bob.actorId }, both)).post, 10)).toBeNull();
  });

  test('someone else’s aspect is like one that does not exist', async () => {
    const foreign = await make('Family', bob);
    for (const id of [foreign.id, foreign.id + 1_000]) {
      expect(await fault(renameAspect(ctx, alice, id, 'Mine'))).toBe('not-found');
      expect(await fault(removeAspect(ctx, alice, id))).toBe('not-found');
      expect(await fault(countPostsOf(ctx, alice, id))).toBe('not-found');
      expect(await fault(putIntoAspect(ctx, alice, id, at(bob)))).toBe('not-found');
      expect(await fault(takeOutOfAspect(ctx, alice, id, carol.actorId))).toBe('not-found');
      expect(await fault(addContact(ctx, alice, at(bob), { aspectIds: [id] }))).toBe('invalid aspect');
      expect(await fault(post([id]))).toBe('invalid audience');
      expect(await fault(changeDefaultAudience(ctx, alice, { to: 'aspects', aspectIds: [id] }))).toBe('invalid audience');
    }
    expect((await pageOfPeople(ctx, alice, 'contacts')).people).toEqual([]);
    expect(await listAspectViews(ctx, bob)).toEqual([{ id: foreign.id, name: 'Family', members: 0 }]);
  });

  test('putting someone into an aspect adds them; a contact can be in several; who is no contact is in none', async () => {
    const [family, choir] = [await make('Family'), await make('Choir')];
    await putIntoAspect(ctx, alice, family.id, at(bob));
    expect((await pageOfPeople(ctx, alice, 'contacts')).people).toMatchObject([{ id: bob.actorId, aspectIds: [family.id] }]);
    await addContact(ctx, alice, at(bob), { aspectIds: [choir.id, choir.id] });
    await addContact(ctx, alice, at(carol), { aspectIds: [choir.id] });
    expect(await members()).toEqual([['Choir', 2], ['Family', 1]]);
    await changeAspectsOf(ctx, alice, bob.actorId, [family.id]);
    await takeOutOfAspect(ctx, alice, choir.id, carol.actorId);
    expect(await members()).toEqual([['Choir', 0], ['Family', 1]]);
    expect((await pageOfPeople(ctx, alice, 'contacts')).people).toHaveLength(2);
    await removeContact(ctx, alice, bob.actorId);
    expect(await members()).toEqual([['Choir', 0], ['Family', 0]]);
    expect(await fault(changeAspectsOf(ctx, alice, bob.actorId, [family.id]))).toBe('not-found');
    await putIntoAspect(ctx, alice, family.id, at(carol));
    await blockPerson(ctx, alice, carol.actorId);
    expect(await members()).toEqual([['Choir', 0], ['Family', 0]]);
    expect(await fault(putIntoAspect(ctx, alice, family.id, at(carol)))).toBe('conflict');
    expect(await fault(putIntoAspect(ctx, alice, family.id, at(alice)))).toBe('invalid address');
  });

  test('its posts are for those who were in it then and are in it now', async () => {
    const [family, choir] = [await make('Family'), await make('Choir')];
    await addContact(ctx, alice, at(bob), { aspectIds: [family.id] });
    await addContact(ctx, alice, at(carol));
    const guid = await post([family.id]);
    expect([await sees(bob, guid), await sees(carol, guid), await sees(alice, guid)]).toEqual([true, false, true]);
    await putIntoAspect(ctx, alice, family.id, at(carol));
    expect(await sees(carol, guid)).toBe(false);
    expect(await sees(carol, await post([family.id]))).toBe(true);
    const both = await post([family.id, choir.id]);
    await takeOutOfAspect(ctx, alice, family.id, bob.actorId);
    expect([await sees(bob, guid), await sees(bob, both)]).toEqual([false, false]);
  });

  test('"may see older posts" opens the aspect’s older posts, and for who is newly added those for contacts', async () => {
    const family = await make('Family');
    const old = { aspect: await post([family.id]), contacts: (await publishPost(ctx, alice, { text: 'for contacts', audience: { to: 'contacts' } })).guid };
    await addContact(ctx, alice, at(bob));
    await putIntoAspect(ctx, alice, family.id, at(bob));
    expect([await sees(bob, old.aspect), await sees(bob, old.contacts)]).toEqual([false, false]);
    await putIntoAspect(ctx, alice, family.id, at(bob), { older: true });
    expect([await sees(bob, old.aspect), await sees(bob, old.contacts)]).toEqual([true, false]);
    await putIntoAspect(ctx, alice, family.id, at(bob)); // again, without: nothing is taken back
    expect(await sees(bob, old.aspect)).toBe(true);
    await addContact(ctx, alice, at(carol), { older: true });
    expect([await sees(carol, old.aspect), await sees(carol, old.contacts)]).toEqual([false, true]);
    await changeAspectsOf(ctx, alice, carol.actorId, [family.id], { older: true });
    expect(await sees(carol, old.aspect)).toBe(true);
  });

  test('a removed aspect takes its posts from its members and gives them to nobody; the author keeps them', async () => {
    const [family, choir] = [await make('Family'), await make('Choir')];
    await addContact(ctx, alice, at(bob), { aspectIds: [family.id] });
    await addContact(ctx, alice, at(carol), { aspectIds: [choir.id] });
    const [only, both] = [await post([family.id]), await post([family.id, choir.id])];
    expect(await countPostsOf(ctx, alice, family.id)).toEqual({ all: 2, alone: 1 });
    await removeAspect(ctx, alice, family.id);
    for (const viewer of [bob, carol]) expect(await sees(viewer, only)).toBe(false);
    expect([await sees(bob, both), await sees(carol, both)]).toEqual([false, true]);
    expect((await readPost(ctx, { actorId: alice.actorId }, only)).aspectNames).toEqual([]);
    expect((await pageOfPeople(ctx, alice, 'contacts')).people).toHaveLength(2);
    // A new one of the same name is another one.
    await make('Family');
    await putIntoAspect(ctx, alice, (await make('Family 2')).id, at(bob), { older: true });
    expect(await sees(bob, only)).toBe(false);
  });

  test('an edit leaves the audience; the names are told to the author alone', async () => {
    const family = await make('Family');
    await addContact(ctx, alice, at(bob), { aspectIds: [family.id] });
    const guid = await post([family.id]);
    await editPost(ctx, alice, guid, 'other words');
    expect(await readPost(ctx, { actorId: alice.actorId }, guid)).toMatchObject({ aspectNames: ['Family'], post: { audience: { to: 'aspects', aspectIds: [family.id] } } });
    expect(await readPost(ctx, { actorId: bob.actorId }, guid)).not.toHaveProperty('aspectNames');
  });

  test('the default audience can be aspects, and is never widened by removing them', async () => {
    const [family, choir] = [await make('Family'), await make('Choir')];
    const now = async () => (await findAccount(ctx.store, alice.id))!;
    const audienceNow = async (): Promise<Audience> => (await publishPost(ctx, await now(), { text: 'as usual' })).audience;
    expect(await fault(changeDefaultAudience(ctx, alice, { to: 'aspects', aspectIds: [] }))).toBe('invalid audience');
    await changeDefaultAudience(ctx, alice, { to: 'aspects', aspectIds: [family.id, choir.id] });
    expect(await audienceNow()).toEqual({ to: 'aspects', aspectIds: [choir.id, family.id] });
    await removeAspect(ctx, alice, family.id);
    expect(await audienceNow()).toEqual({ to: 'aspects', aspectIds: [choir.id] });
    await removeAspect(ctx, alice, choir.id);
    expect(await fault(audienceNow())).toBe('invalid audience');
  });

  test('the stream by aspect holds the posts of its members, and of nobody else', async () => {
    const [family, foreign] = [await make('Family'), await make('Family', bob)];
    await addContact(ctx, alice, at(bob), { aspectIds: [family.id] });
    await addContact(ctx, alice, at(carol));
    for (const account of [alice, bob, carol]) await publishPost(ctx, account, { text: `by ${account.username}` });
    const texts = async (aspectId?: number) => (await homeStream(ctx, alice, { limit: 10, ...(aspectId === undefined ? {} : { aspectId }) })).map(({ post }) => post.markdown);
    expect(await texts()).toEqual(['by carol', 'by bob', 'by alice']);
    expect(await texts(family.id)).toEqual(['by bob']);
    expect(await texts(foreign.id)).toEqual([]);
  });
});
