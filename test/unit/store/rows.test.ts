import { type Account, type AppPassword, skeletonOf } from '../../../src/domain/account.js';
import { newGuid } from '../../../src/domain/guid.js';
import type { Relationship } from '../../../src/domain/relationship.js';
import {
  deleteAccount,
  findAccount,
  findAccountByActor,
  findAccountByEmail,
  findAccountByUsername,
  listAccounts,
  listUsernames,
  updateAccount,
} from '../../../src/store/accounts.js';
import { addressesOf, findActor, findActorByAddress, findActors, findLocalActor, updateProfile } from '../../../src/store/actors.js';
import { findAppPasswordBySelector, findCredentials, insertAppPassword, listAppPasswords, updateAppPassword } from '../../../src/store/app-passwords.js';
import { addAspectMember, insertAspect, listAspects, removeAspectMember } from '../../../src/store/aspects.js';
import type { Store } from '../../../src/store/database.js';
import {
  addDeliveries,
  findActivity,
  insertActivity,
  latestDeliverySummary,
  listDeliveries,
  setArrived,
  setDelivery,
} from '../../../src/store/ledger.js';
import { findOwnPost, findPostByOnce, findPostForDelivery, insertPost, updatePost } from '../../../src/store/posts.js';
import { type Circle, countContacts, countFollowers, findRelationship, listRelationships, saveRelationship } from '../../../src/store/relationships.js';
import { deleteExpired as deleteExpiredSessions, deleteSession, deleteSessionsOf, readSession, writeSession } from '../../../src/store/sessions.js';
import { deleteExpired as deleteExpiredTokens, deleteToken, deleteTokensOf, findToken, insertToken, type Token } from '../../../src/store/tokens.js';
import {
  countSubscriptionsOf,
  deleteSubscription,
  findLeg,
  findSubscriptions,
  legsOf,
  legsOfActor,
  listLegs,
  type PresenceLeg,
  type PubsubSubscription,
  saveLeg,
  subscriptionHosts,
  upsertSubscription,
} from '../../../src/store/xmpp.js';
import { makeAccount, makePost, makeRemote, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

const T = 1_763_712_000_000;

describeStores((makeStore) => {
  let store: Store;
  let count = 0;
  beforeAll(async () => {
    store = await makeStore();
  });
  const someone = (change: Partial<Account> = {}) => makeAccount(store, `person${++count}`, change);

  test('an account comes out as it went in, and as it was changed', async () => {
    const { account, actor } = await someone({ defaultAudience: { to: 'aspects', aspectIds: [1, 2] }, isAdmin: true, passwordHash: '$2b$', createdAt: T, confirmedAt: null });
    expect(account).toEqual({
      ...{ id: expect.any(Number), actorId: actor.id, username: actor.username, email: `${actor.username}@example.net`, passwordHash: '$2b$', state: 'active' },
      ...{ skeleton: skeletonOf(actor.username), isAdmin: true, defaultAudience: { to: 'aspects', aspectIds: [1, 2] }, askFirst: false, notificationMail: null, createdAt: T, confirmedAt: null },
    });
    const found = [
      await findAccount(store, account.id),
      await findAccountByUsername(store, account.username),
      await findAccountByEmail(store, account.email),
      await findAccountByActor(store, actor.id),
    ];
    expect(found).toEqual([account, account, account, account]);
    const change: Partial<Account> = { email: 'new@example.net', askFirst: true, isAdmin: false, defaultAudience: { to: 'contacts' }, confirmedAt: T + 1, state: 'suspended' };
    await store.transaction((tx) => updateAccount(tx, account.id, change));
    expect(await findAccount(store, account.id)).toEqual({ ...account, ...change });
    expect(await listAccounts(store)).toContainEqual({ ...account, ...change });
    expect([await findAccountByEmail(store, account.email), (await findAccountByEmail(store, 'new@example.net'))?.id, (await findAccountByUsername(store, account.username))?.id]).toEqual([null, account.id, account.id]);
    expect(await findAccount(store, 999_999)).toBeNull();
  });

  test('two accounts share no name and no e-mail address, but closed ones may both be without', async () => {
    const [one, two] = [await someone(), await someone()];
    await expect(store.transaction((tx) => updateAccount(tx, two.account.id, { email: one.account.email }))).rejects.toMatchObject({ code: 'conflict' });
    await expect(makeAccount(store, one.account.username)).rejects.toMatchObject({ code: 'conflict' });
    for (const { account } of [one, two]) await store.transaction((tx) => updateAccount(tx, account.id, { email: '', state: 'closed' }));
    expect(await findAccountByEmail(store, '')).toBeNull();
  });

  test('an account that was never confirmed leaves its name free', async () => {
    const { account, actor } = await someone({ state: 'pending' });
    expect(await findLocalActor(store, account.username)).toBeNull();
    expect(await listUsernames(store)).not.toContain(account.username);
    await store.transaction((tx) => insertToken(tx, { hash: 'h0', kind: 'confirm', accountId: account.id, payload: '', expiresAt: T, createdAt: 1 }));
    await store.transaction((tx) => deleteAccount(tx, account.id));
    expect([await findAccount(store, account.id), await findActor(store, actor.id), await findToken(store, 'h0', 'confirm', 1)]).toEqual([null, null, null]);
    await makeAccount(store, account.username);
    expect(await listUsernames(store)).toContain(account.username);
  });

  test('actors are found by id, name and address', async () => {
    const { actor } = await someone();
    const remote = await makeRemote(store, 'juliet@capulet.example');
    expect(remote).toEqual({ id: expect.any(Number), isLocal: false, username: 'juliet', domain: 'capulet.example', profile: { displayName: '', summary: '', avatar: null, banner: null } });
    expect(await makeRemote(store, 'juliet@capulet.example')).toEqual(remote);
    await store.transaction((tx) => updateProfile(tx, actor.id, { displayName: 'Ä', summary: 'line\nline' }));
    const changed = { ...actor, isLocal: true, profile: { displayName: 'Ä', summary: 'line\nline', avatar: null, banner: null } };
    expect(await findActors(store, [actor.id, remote.id, -1])).toEqual(
      new Map([
        [actor.id, changed],
        [remote.id, remote],
      ]),
    );
    expect(await findActors(store, [])).toEqual(new Map());
    expect(await findLocalActor(store, actor.username)).toEqual(changed);
    expect(await findActorByAddress(store, 'xmpp', `${actor.username}@social.example.org`)).toEqual(changed);
    expect(await findActorByAddress(store, 'diaspora', 'juliet@capulet.example')).toBeNull();
    expect(await addressesOf(store, remote.id)).toEqual([{ protocol: 'xmpp', value: 'juliet@capulet.example' }]);
  });

  test('app passwords', async () => {
    const { account } = await someone();
    const row: Omit<AppPassword, 'id'> = { accountId: account.id, selector: `s${account.id}`, label: 'phone', hash: 'h', createdAt: T, lastUsedDay: null, lastUsedBy: null, revokedAt: null };
    const stored = await store.transaction((tx) => insertAppPassword(tx, row));
    expect(stored).toEqual({ ...row, id: expect.any(Number) });
    await store.transaction((tx) => updateAppPassword(tx, stored.id, { lastUsedDay: T, lastUsedBy: 'chat', revokedAt: T + 1 }));
    const changed = { ...stored, lastUsedDay: T, lastUsedBy: 'chat', revokedAt: T + 1 };
    expect(await findAppPasswordBySelector(store, row.selector)).toEqual(changed);
    expect(await listAppPasswords(store, account.id)).toEqual([changed]);
    expect(await findAppPasswordBySelector(store, 'none')).toBeNull();

    // Name and selector are looked for apart: whoever asks finds out whether they belong together.
    const other = (await someone()).account;
    const [name, password] = [
      { id: account.id, state: account.state },
      { id: stored.id, accountId: account.id, hash: 'h', lastUsedDay: T, revokedAt: T + 1 },
    ];
    expect(await findCredentials(store, account.username, row.selector)).toEqual({ account: name, row: password });
    expect(await findCredentials(store, other.username, row.selector)).toEqual({ account: { id: other.id, state: other.state }, row: password });
    expect(await findCredentials(store, account.username, 'none')).toEqual({ account: name, row: null });
    expect(await findCredentials(store, '-', row.selector)).toEqual({ account: null, row: password });
    expect(await findCredentials(store, '-', '-')).toEqual({ account: null, row: null });
  });

  test('tokens are valid for their kind and time, once', async () => {
    const { account } = await someone();
    const token: Token = { hash: 'h1', kind: 'reset', accountId: account.id, payload: 'x', expiresAt: T, createdAt: 5 };
    await store.transaction((tx) => insertToken(tx, token));
    await store.transaction((tx) => insertToken(tx, { ...token, hash: 'h2' }));
    expect(await findToken(store, 'h1', 'reset', T - 1)).toEqual(token);
    expect([await findToken(store, 'h1', 'email', T - 1), await findToken(store, 'h1', 'reset', T)]).toEqual([null, null]);
    expect(await store.transaction((tx) => deleteToken(tx, 'h1'))).toBe(true);
    expect(await store.transaction((tx) => deleteToken(tx, 'h1'))).toBe(false);
    await store.transaction((tx) => deleteTokensOf(tx, account.id, 'email'));
    expect(await store.transaction((tx) => deleteExpiredTokens(tx, T - 1))).toBe(0);
    expect(await store.transaction((tx) => deleteExpiredTokens(tx, T))).toBe(1);
  });

  test('sessions', async () => {
    const { account } = await someone();
    const write = (idHash: string, accountId: number | null, data: string) => store.transaction((tx) => writeSession(tx, { idHash, accountId, data, expiresAt: T }));
    await write('a', null, '1');
    await write('a', account.id, '2');
    await write('b', account.id, '');
    await write('c', null, '');
    expect(await readSession(store, 'a', T - 1)).toEqual({ accountId: account.id, data: '2' });
    expect(await readSession(store, 'a', T)).toBeNull();
    await store.transaction((tx) => deleteSessionsOf(tx, account.id, 'a'));
    expect([await readSession(store, 'b', 1), (await readSession(store, 'a', 1)) !== null]).toEqual([null, true]);
    await store.transaction((tx) => deleteSession(tx, 'a'));
    expect(await store.transaction((tx) => deleteExpiredSessions(tx, T))).toBe(1);
  });

  test('a post comes out as it went in, and as it was changed', async () => {
    const { actor } = await someone();
    const aspects = await store.transaction(async (tx) => [await insertAspect(tx, { ownerId: actor.id, name: 'x' }), await insertAspect(tx, { ownerId: actor.id, name: 'y' })]);
    const aspectIds = aspects.map(({ id }) => id);
    const post = await makePost(store, actor.id, { to: 'aspects', aspectIds }, T, { tags: ['ä', '"'], markdown: "'?'", editedAt: null });
    expect(await findOwnPost(store, actor.id, post.guid)).toEqual(post);
    expect(await findOwnPost(store, actor.id + 1, post.guid)).toBeNull();
    await store.transaction((tx) => updatePost(tx, post.guid, { markdown: '', tags: [], editedAt: T, deletedAt: T + 1, audience: { to: 'aspects', aspectIds: [aspectIds[1]!] } }));
    const changed = { ...post, markdown: '', tags: [], editedAt: T, deletedAt: T + 1, audience: { to: 'aspects', aspectIds: [aspectIds[1]!] } };
    expect(await findPostForDelivery(store, post.guid)).toEqual(changed);
    await store.transaction((tx) => updatePost(tx, post.guid, { audience: { to: 'public' } }));
    expect(await findPostForDelivery(store, post.guid)).toEqual({ ...changed, audience: { to: 'public' } });
    expect(await store.query('select * from post_aspects where post_guid = ?', [post.guid])).toEqual([]);
  });

  test('a form makes one post', async () => {
    const [one, two] = [await someone(), await someone()];
    const post = await makePost(store, one.actor.id, { to: 'public' }, T);
    const next = (authorId: number) => ({ ...post, guid: newGuid(T), authorId, once: 'token' });
    const first = next(one.actor.id);
    await store.transaction((tx) => insertPost(tx, first));
    await store.transaction((tx) => insertPost(tx, next(two.actor.id)));
    await expect(store.transaction((tx) => insertPost(tx, next(one.actor.id)))).rejects.toMatchObject({ code: 'conflict' });
    expect((await findPostByOnce(store, one.actor.id, 'token'))?.guid).toBe(first.guid);
    expect(await findPostByOnce(store, one.actor.id, 'other')).toBeNull();
  });

  test('relationships', async () => {
    const [{ actor }, romeo, juliet] = [await someone(), await makeRemote(store, 'romeo@montague.example'), await makeRemote(store, 'juliet@montague.example')];
    const full: Relationship = { actorId: actor.id, otherId: romeo.id, follower: 'on', following: 'asked', addedAt: T, blockedAt: T + 1, mutedAt: T + 2 };
    await store.transaction((tx) => saveRelationship(tx, full));
    expect(await findRelationship(store, actor.id, romeo.id)).toEqual(full);
    await relate(store, actor.id, juliet.id, { follower: 'asked' });
    const list = (circle: Circle) => listRelationships(store, actor.id, circle, { limit: 9 });
    for (const circle of ['contacts', 'followers', 'blocked', 'muted'] as const) expect(await list(circle)).toEqual([{ relationship: full, other: romeo }]);
    expect(await list('requests')).toEqual([{ relationship: expect.objectContaining({ otherId: juliet.id, follower: 'asked' }), other: juliet }]);
    expect([await countContacts(store, actor.id), await countFollowers(store, actor.id)]).toEqual([1, 1]);
    await relate(store, actor.id, romeo.id, {});
    expect(await findRelationship(store, actor.id, romeo.id)).toEqual({ actorId: actor.id, otherId: romeo.id, follower: 'none', following: 'none', addedAt: null, blockedAt: null, mutedAt: null });
    expect(await store.query('select other_id from relationships where actor_id = ?', [actor.id])).toEqual([{ other_id: juliet.id }]);
  });

  test('who is no longer a contact is in no aspect of the owner, but stays in those of others', async () => {
    const [one, two, member] = [await someone(), await someone(), await someone()];
    const [mine, theirs] = await store.transaction(async (tx) => [
      await insertAspect(tx, { ownerId: one.actor.id, name: 'b' }),
      await insertAspect(tx, { ownerId: two.actor.id, name: 'b' }),
    ]);
    await relate(store, one.actor.id, member.actor.id, { addedAt: T });
    for (const aspect of [mine, theirs]) {
      await store.transaction((tx) => addAspectMember(tx, { aspectId: aspect!.id, actorId: member.actor.id, since: T }));
      await store.transaction((tx) => addAspectMember(tx, { aspectId: aspect!.id, actorId: member.actor.id, since: T + 9 }));
    }
    const members = () => store.query('select aspect_id, since from aspect_members where actor_id = ?', [member.actor.id]);
    await relate(store, one.actor.id, member.actor.id, { addedAt: T, follower: 'on' });
    expect(await members()).toHaveLength(2);
    await relate(store, one.actor.id, member.actor.id, { follower: 'on' });
    expect(await members()).toEqual([{ aspect_id: theirs!.id, since: T }]);
    await store.transaction((tx) => removeAspectMember(tx, theirs!.id, member.actor.id));
    expect(await members()).toEqual([]);
    await expect(store.transaction((tx) => insertAspect(tx, { ownerId: one.actor.id, name: 'b' }))).rejects.toMatchObject({ code: 'conflict' });
    expect(await listAspects(store, one.actor.id)).toEqual([mine]);
  });

  test('presence legs', async () => {
    const [{ actor }, person] = [await someone(), await makeRemote(store, 'leg@a.example')];
    const leg: PresenceLeg = { actorId: actor.id, jid: 'leg@a.example', personId: person.id, inbound: 'asked', outbound: 'refused', capsOnly: true, lastGuid: null };
    await store.transaction((tx) => saveLeg(tx, leg));
    const changed: PresenceLeg = { ...leg, inbound: 'on', outbound: 'on', capsOnly: false, lastGuid: newGuid(T) };
    await store.transaction((tx) => saveLeg(tx, changed));
    const second: PresenceLeg = { ...leg, jid: 'leg@b.example' };
    await store.transaction((tx) => saveLeg(tx, second));
    expect(await findLeg(store, actor.id, leg.jid)).toEqual(changed);
    expect(await findLeg(store, actor.id, 'nobody@a.example')).toBeNull();
    expect(await legsOf(store, actor.id, person.id)).toEqual([changed, second]);
    expect(await legsOfActor(store, actor.id)).toEqual([changed, second]);
    const first = await listLegs(store, null, 1);
    expect([...first, ...(await listLegs(store, first[0]!, 10))]).toEqual([changed, second]);
    expect(await subscriptionHosts(store, actor.id)).toEqual(['a.example']);
  });

  test('pubsub subscriptions', async () => {
    const [{ actor }, person] = [await someone(), await makeRemote(store, 'sub@b.example')];
    const subscription: PubsubSubscription = { actorId: actor.id, node: 'n', jid: 'sub@b.example', personId: null, subid: 's', state: 'pending', pausedUntil: null, createdAt: T };
    await store.transaction((tx) => upsertSubscription(tx, subscription));
    expect(await subscriptionHosts(store, actor.id)).toEqual([]);
    const changed: PubsubSubscription = { ...subscription, personId: person.id, state: 'subscribed', pausedUntil: T + 1 };
    await store.transaction((tx) => upsertSubscription(tx, changed));
    const ofDomain: PubsubSubscription = { ...changed, jid: 'c.example', node: 'm' };
    await store.transaction((tx) => upsertSubscription(tx, ofDomain));
    expect(await findSubscriptions(store, { actorId: actor.id })).toEqual([ofDomain, changed]);
    expect(await findSubscriptions(store, { actorId: actor.id, jid: changed.jid, node: 'n' })).toEqual([changed]);
    expect(await findSubscriptions(store, { actorId: actor.id, node: 'm' })).toEqual([ofDomain]);
    expect(await subscriptionHosts(store, actor.id)).toEqual(['b.example', 'c.example']);
    expect(await countSubscriptionsOf(store, changed.jid)).toBe(1);
    expect(await store.transaction((tx) => deleteSubscription(tx, actor.id, 'n', changed.jid))).toBe(true);
    expect(await store.transaction((tx) => deleteSubscription(tx, actor.id, 'n', changed.jid))).toBe(false);
  });

  test('the ledger holds each host once, and its latest activity is summed up', async () => {
    const { actor } = await someone();
    const { guid } = await makePost(store, actor.id, { to: 'public' }, T);
    const activity = { id: newGuid(T), actorId: actor.id, verb: 'post' as const, postGuid: guid, publishedAt: T, commentGuid: null };
    const edit = { ...activity, id: newGuid(T), verb: 'update' as const };
    for (const each of [activity, edit]) await store.transaction((tx) => insertActivity(tx, each));
    expect(await findActivity(store, edit.id)).toEqual(edit);
    const add = (id: string, hosts: string[]) => store.transaction((tx) => addDeliveries(tx, id, 'xmpp', hosts, T));
    expect((await latestDeliverySummary(store, [guid])).size).toBe(0);
    expect(await add(activity.id, ['old.example'])).toEqual(['old.example']);
    expect((await add(edit.id, ['b.example', 'a.example', 'b.example'])).sort()).toEqual(['a.example', 'b.example']);
    expect(await add(edit.id, ['c.example', 'a.example'])).toEqual(['c.example']);
    const of = (host: string) => ({ activityId: edit.id, protocol: 'xmpp', host, at: T + 1 }) as const;
    const by = { jobId: 12, tries: 2 };
    await store.transaction((tx) => setDelivery(tx, { ...of('a.example'), state: 'waiting', error: 'away' }));
    await store.transaction((tx) => setDelivery(tx, { ...of('b.example'), state: 'given-up', error: 'no route' }));
    await store.transaction((tx) => setArrived(tx, [{ ...of('a.example'), ...by, recipients: 7 }, { ...of('nobody.example'), ...by, recipients: 1 }, { ...of('old.example'), ...by, activityId: activity.id, recipients: 0 }]));
    expect(await latestDeliverySummary(store, [guid, newGuid(T)])).toEqual(new Map([[guid, { total: 3, arrived: 1, failed: 1 }]]));
    const begun = { since: T, refused: 0, tries: 0, jobId: null };
    expect(await listDeliveries(store, guid)).toEqual([
      { activityId: edit.id, protocol: 'xmpp', host: 'a.example', state: 'arrived', recipients: 7, error: null, at: T + 1, ...begun, ...by },
      { activityId: edit.id, protocol: 'xmpp', host: 'b.example', state: 'given-up', recipients: null, error: 'no route', at: T + 1, ...begun },
      { activityId: edit.id, protocol: 'xmpp', host: 'c.example', state: 'waiting', recipients: null, error: null, at: T, ...begun },
      { activityId: activity.id, protocol: 'xmpp', host: 'old.example', state: 'arrived', recipients: 0, error: null, at: T + 1, ...begun, ...by },
    ]);
  });
});
