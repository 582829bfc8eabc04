import type { Account } from '../../../src/domain/account.js';
import { NOTIFICATION_KINDS, type NotificationKind } from '../../../src/domain/notification.js';
import { commentOn, deleteComment, editComment } from '../../../src/services/comments.js';
import { digestDue, peekUnsubscribe, queueDigests, sendNotificationMail, unsubscribe, unsubscribeToken } from '../../../src/services/notification-mail.js';
import { listNotificationEntries, listNotifications, markRead, mailOf, notify, pruneNotifications, setNotificationMail, unreadCount } from '../../../src/services/notifications.js';
import { deletePost, editPost, publishPost } from '../../../src/services/publish.js';
import { likePost, unlikePost } from '../../../src/services/reactions.js';
import { acceptRequest, addContact, applyEvent, blockPerson, mutePerson, refuseRequest, removeContact, setAskFirst } from '../../../src/services/relationships.js';
import { resharePost, unresharePost } from '../../../src/services/reshares.js';
import { findAccount } from '../../../src/store/accounts.js';
import type { Store } from '../../../src/store/database.js';
import { testContext, type TestContext } from '../../support/context.js';
import { readMails } from '../../support/mails.js';
import { makeAccount, makeRemote, type Person, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

const DAY_MS = 24 * 3_600_000;

describeStores((makeStore) => {
  let store: Store;
  let ctx: TestContext;
  let count = 0;
  beforeAll(async () => {
    store = await makeStore();
    // People of test/support/people.ts live on this domain.
    ctx = await testContext({ DX_DOMAIN: 'social.example.org' }, store);
  });
  afterAll(() => ctx.close());
  beforeEach(() => ctx.pass(1_000));

  const people = (...names: string[]): Promise<Person[]> => {
    count += 1;
    return Promise.all(names.map((name) => makeAccount(store, `${name}${count}`)));
  };
  const post = (by: Person, text = 'hello', to: 'public' | 'contacts' = 'public') => publishPost(ctx, by.account, { text, audience: { to } });
  const told = async (person: Person) => (await listNotifications(ctx, person.account, { limit: 50 })).map(({ notification, by }) => `${notification.kind} by ${by.username.replace(/\d+$/, '')}`);
  const fresh = async (person: Person): Promise<Account> => (await findAccount(store, person.account.id))!;

  test('people are told of comments, of further comments, likes, reshares and mentions, newest first, and never of their own doing', async () => {
    const [alice, bob, carol] = (await people('alice', 'bob', 'carol')) as [Person, Person, Person];
    const { guid } = await post(alice, `Who is @${bob.actor.username}? And @${alice.actor.username}?`);
    await commentOn(ctx, carol.actor, guid, { text: 'me' });
    await commentOn(ctx, bob.actor, guid, { text: 'me too' });
    await commentOn(ctx, alice.actor, guid, { text: 'ah' });
    await likePost(ctx, carol.actor, guid);
    await likePost(ctx, alice.actor, guid);
    await resharePost(ctx, bob.account, guid);
    expect(await told(alice)).toEqual(['reshare by bob', 'like by carol', 'comment by bob', 'comment by carol']);
    expect(await told(bob)).toEqual(['also-commented by alice', 'mention by alice']);
    expect(await told(carol)).toEqual(['also-commented by alice', 'also-commented by bob']);
    const [latest] = await listNotifications(ctx, carol.account, { limit: 1 });
    expect(latest).toMatchObject({ post: { guid }, comment: { markdown: 'ah' }, notification: { readAt: null } });
    expect(await listNotifications(ctx, carol.account, { limit: 5, older: latest!.notification.id })).toHaveLength(1);
  });

  test('likes of one post are one entry, reshares of it another: counted, paged and read as one', async () => {
    const [alice, ...fans] = (await people('alice', 'bob', 'carol', 'dora')) as [Person, ...Person[]];
    const [one, two] = [await post(alice), await post(alice)];
    const like = async (by: Person, { guid }: { guid: string }) => {
      ctx.pass(10);
      await likePost(ctx, by.actor, guid);
    };
    await like(fans[0]!, one);
    await markRead(ctx, alice.account, { postGuid: one.guid });
    await like(fans[0]!, two);
    for (const fan of fans.slice(1)) await like(fan, one);
    for (const fan of fans.slice(0, 2)) await resharePost(ctx, fan.account, one.guid);
    const entries = async (page: { limit?: number; older?: number; unread?: boolean; kind?: NotificationKind } = {}) => listNotificationEntries(ctx, alice.account, { limit: 9, ...page });
    const words = async (page = {}) => (await entries(page)).map(({ notification, by, others, isNew }) => `${by.username.replace(/\d+$/, '')} +${others} ${notification.kind}${isNew ? ', new' : ''}`);
    const all = ['carol +1 reshare, new', 'dora +2 like, new', 'bob +0 like, new'];
    expect(await words()).toEqual(all);
    expect(await words({ unread: true })).toEqual([all[0], 'dora +1 like, new', all[2]]);
    expect(await words({ kind: 'like' })).toEqual(all.slice(1));
    expect(await unreadCount(ctx, alice.account)).toBe(3);
    const [first] = await entries({ limit: 1 });
    const [second] = await entries({ limit: 1, older: first!.notification.id });
    expect(second!.by.id).toBe(fans[2]!.actor.id);
    expect(await words({ older: second!.notification.id })).toEqual([all[2]]);
    await markRead(ctx, alice.account, { id: second!.notification.id });
    expect(await words({ unread: true })).toEqual([all[0], all[2]]);
    expect(await unreadCount(ctx, alice.account)).toBe(2);
    await unlikePost(ctx, fans[2]!.actor, one.guid);
    expect(await words({ kind: 'like' })).toEqual(['carol +1 like', 'bob +0 like, new']);
  });

  test('one comment rings once for each, a mention before all else; edits ring only those who are new in them', async () => {
    const [alice, bob, carol] = (await people('alice', 'bob', 'carol')) as [Person, Person, Person];
    const { guid } = await post(alice);
    await commentOn(ctx, bob.actor, guid, { text: 'first' });
    const comment = await commentOn(ctx, carol.actor, guid, { text: `@${alice.actor.username} @${bob.actor.username}@social.example.org ciao` });
    expect(await told(alice)).toEqual(['mention by carol', 'comment by bob']);
    expect(await told(bob)).toEqual(['mention by carol']);
    await markRead(ctx, bob.account, { postGuid: guid });
    await store.transaction((tx) => tx.query('delete from notifications where owner_id = ?', [bob.actor.id])); // pruned long ago
    const [dora] = (await people('dora')) as [Person];
    await editComment(ctx, carol.actor, comment.guid, `@${bob.actor.username} and @${dora.actor.username}`);
    expect(await told(bob)).toEqual([]);
    expect(await told(dora)).toEqual(['mention by carol']);
    await editPost(ctx, alice.account, guid, `hello @${dora.actor.username}`);
    await editPost(ctx, alice.account, guid, `hello @${dora.actor.username}!`);
    expect(await told(dora)).toEqual(['mention by alice', 'mention by carol']);
  });

  test('who may not see the post is told nothing of it: by mention, comment, or count', async () => {
    const [alice, bob, carol] = (await people('alice', 'bob', 'carol')) as [Person, Person, Person];
    await relate(store, alice.actor.id, carol.actor.id, { addedAt: 1 });
    const limited = await post(alice, `secret for @${carol.actor.username}, not @${bob.actor.username}`, 'contacts');
    await commentOn(ctx, carol.actor, limited.guid, { text: `@${bob.actor.username}` });
    expect([await told(bob), await unreadCount(ctx, bob.account)]).toEqual([[], 0]);
    expect(await told(carol)).toEqual(['mention by alice']);
    // Nor what they could see before.
    await removeContact(ctx, alice.account, carol.actor.id);
    expect([await told(carol), await unreadCount(ctx, carol.account)]).toEqual([[], 0]);
  });

  test('nothing is told of whom one has muted or blocked, or by whom one is blocked: neither what comes, nor what came', async () => {
    const [alice, muted, blocked, blocker] = (await people('alice', 'muted', 'blocked', 'blocker')) as [Person, Person, Person, Person];
    const open = await post(await people('host').then(([host]) => host!));
    await commentOn(ctx, alice.actor, open.guid, { text: 'here' });
    const others = [muted, blocked, blocker];
    for (const other of others) await commentOn(ctx, other.actor, open.guid, { text: `hi @${alice.actor.username}` });
    expect(await told(alice)).toHaveLength(3);
    await mutePerson(ctx, alice.account, muted.actor.id);
    await blockPerson(ctx, alice.account, blocked.actor.id);
    await blockPerson(ctx, blocker.account, alice.actor.id);
    expect([await told(alice), await unreadCount(ctx, alice.account)]).toEqual([[], 0]);
    for (const other of others) await commentOn(ctx, other.actor, open.guid, { text: `again @${alice.actor.username}` });
    expect(await told(alice)).toEqual([]);
    await commentOn(ctx, alice.actor, open.guid, { text: `@${blocked.actor.username} @${blocker.actor.username} @${muted.actor.username}` });
    expect([await told(blocked), await told(blocker), (await told(muted))[0]]).toEqual([expect.not.arrayContaining(['mention by alice']), expect.not.arrayContaining(['mention by alice']), 'mention by alice']);
  });

  test('what was taken back is not told any more, and does not ring again', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Person, Person];
    const { guid } = await post(alice);
    const comment = await commentOn(ctx, bob.actor, guid, { text: 'x' });
    await likePost(ctx, bob.actor, guid);
    await resharePost(ctx, bob.account, guid);
    expect(await unreadCount(ctx, alice.account)).toBe(3);
    await deleteComment(ctx, bob.actor, comment.guid);
    await unlikePost(ctx, bob.actor, guid);
    await unresharePost(ctx, bob.account, guid);
    expect([await told(alice), await unreadCount(ctx, alice.account)]).toEqual([[], 0]);
    for (let n = 0; n < 3; n++) {
      await likePost(ctx, bob.actor, guid);
      await unlikePost(ctx, bob.actor, guid);
    }
    await likePost(ctx, bob.actor, guid);
    expect([await told(alice), await unreadCount(ctx, alice.account)]).toEqual([['like by bob'], 0]);
    await deletePost(ctx, alice.account, guid);
    expect(await told(alice)).toEqual([]);
  });

  test('requests ring once a day, are read when they are answered, and an answer is told', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Person, Person];
    await setAskFirst(ctx, alice.account, true);
    const address = `${alice.actor.username}@social.example.org`;
    for (let n = 0; n < 3; n++) {
      await addContact(ctx, bob.account, address);
      await removeContact(ctx, bob.account, alice.actor.id);
    }
    await addContact(ctx, bob.account, address);
    expect(await told(alice)).toEqual(['request by bob']);
    await acceptRequest(ctx, alice.account, bob.actor.id, { followBack: false });
    expect(await unreadCount(ctx, alice.account)).toBe(0);
    expect(await told(bob)).toEqual(['accepted by alice']);
    const romeo = await makeRemote(store, `romeo${count}@montague.example`);
    await store.transaction((tx) => applyEvent(ctx, tx, alice.actor.id, romeo.id, 'follow'));
    expect((await told(alice))[0]).toBe('request by romeo');
    expect(await unreadCount(ctx, alice.account)).toBe(1);
    await refuseRequest(ctx, alice.account, romeo.id);
    expect(await unreadCount(ctx, alice.account)).toBe(0);
    await addContact(ctx, alice.account, `romeo${count}@montague.example`);
    await store.transaction((tx) => applyEvent(ctx, tx, alice.actor.id, romeo.id, 'accepted'));
    expect((await told(alice))[0]).toBe('accepted by romeo');
  });

  test('reading marks one, all up to one, or those of a post', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Person, Person];
    const [one, two] = [await post(alice), await post(alice)];
    for (const { guid } of [one, two, one]) await commentOn(ctx, bob.actor, guid, { text: 'x' });
    await likePost(ctx, bob.actor, two.guid);
    const ids = (await listNotifications(ctx, alice.account, { limit: 9 })).map(({ notification }) => notification.id).reverse();
    const unread = async () => (await listNotifications(ctx, alice.account, { limit: 9 })).filter(({ notification }) => notification.readAt === null).map(({ notification }) => ids.indexOf(notification.id)).reverse();
    await markRead(ctx, bob.account, ids[3]!);
    expect(await unread()).toEqual([0, 1, 2, 3]);
    await markRead(ctx, alice.account, { id: ids[3]! });
    expect(await unread()).toEqual([0, 1, 2]);
    await markRead(ctx, alice.account, { postGuid: one.guid });
    expect(await unread()).toEqual([1]);
    await markRead(ctx, alice.account, ids[2]!);
    expect([await unread(), await unreadCount(ctx, alice.account)]).toEqual([[], 0]);
  });

  test('a flood is stopped: what one person does, what one server’s people do, and what all do, in an hour', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Person, Person];
    const remotes = await Promise.all(Array.from({ length: 12 }, (_, n) => makeRemote(store, `flood${n}@evil${count}-${n % 2}.example`)));
    const { guid } = await post(alice);
    const ring = (byId: number, n: number) => store.transaction((tx) => notify(ctx, tx, { ownerId: alice.actor.id, kind: 'comment', byId, postGuid: guid, commentGuid: `${byId}-${n}` }));
    const rows = async (byId?: number) =>
      (await store.query<{ n: number }>(`select count(*) as n from notifications where owner_id = ?${byId ? ' and by_id = ?' : ''}`, byId ? [alice.actor.id, byId] : [alice.actor.id]))[0]!.n;
    for (let n = 0; n < 35; n++) await ring(bob.actor.id, n);
    expect(await rows(bob.actor.id)).toBe(30);
    const ofHost = async (host: number) =>
      (await store.query<{ n: number }>('select count(*) as n from notifications n join actors a on a.id = n.by_id where n.owner_id = ? and a.domain = ?', [alice.actor.id, `evil${count}-${host}.example`]))[0]!.n;
    for (const { id } of remotes.filter((_, n) => n % 2 === 0)) for (let n = 0; n < 29; n++) await ring(id, n);
    expect([await ofHost(0), await rows()]).toEqual([150, 180]);
    for (const { id } of remotes.filter((_, n) => n % 2 === 1)) for (let n = 0; n < 25; n++) await ring(id, n);
    expect([await ofHost(1), await rows()]).toEqual([120, 300]);
    ctx.pass(3_600_001);
    await ring(bob.actor.id, 99);
    expect(await rows(bob.actor.id)).toBe(31);
    expect(await unreadCount(ctx, alice.account)).toBe(0); // none of these comments is there
    ctx.pass(91 * DAY_MS);
    await ring(bob.actor.id, 100);
    await store.transaction((tx) => pruneNotifications(ctx, tx));
    expect(await rows()).toBe(1);
  });

  describe('by mail', () => {
    interface Waiting {
      accountId: number;
      ids: number[];
      isDigest?: true;
    }
    /** The jobs that wait for this person; takes them. */
    const waiting = (person: Person): Promise<Waiting[]> =>
      store.transaction(async (tx) => {
        const rows = await tx.query<{ id: number; payload: string }>("select id, payload from jobs where kind = 'notification-mail' order by id");
        const mine = rows.map(({ id, payload }) => ({ id, job: JSON.parse(payload) as Waiting })).filter(({ job }) => job.accountId === person.account.id);
        for (const { id } of mine) await tx.query('delete from jobs where id = ?', [id]);
        return mine.map(({ job }) => job);
      });
    const mailTo = async (person: Person) => (await readMails(ctx.config.mailUrl.slice('file:'.length)).catch(() => [])).filter((mail) => mail.to?.[0]?.address === person.account.email);
    const tomorrow = () => ctx.pass(DAY_MS);

    test('a digest goes out once a day, with what is unread, and only when there is something', async () => {
      const [alice, bob, carol] = (await people('alice', 'bob', 'carol')) as [Person, Person, Person];
      const { guid } = await post(alice, 'My garden');
      await commentOn(ctx, bob.actor, guid, { text: 'how\n*nice* https://evil.example/' });
      await likePost(ctx, carol.actor, guid);
      await queueDigests(ctx);
      expect(await waiting(alice)).toEqual([]); // not before the next morning
      tomorrow();
      await markRead(ctx, alice.account, { id: (await listNotifications(ctx, alice.account, { limit: 1 }))[0]!.notification.id });
      await Promise.all([queueDigests(ctx), queueDigests(ctx)]);
      const [job, ...more] = await waiting(alice);
      expect(more).toEqual([]);
      await sendNotificationMail(ctx, job!);
      const [mail] = await mailTo(alice);
      expect(mail!.text).toContain(`${bob.actor.username} commented on your post “My garden”: how *nice*`);
      expect(mail!.text).not.toContain(carol.actor.username);
      expect(mail!.html).not.toContain('href="https://evil');
      await likePost(ctx, bob.actor, guid);
      await queueDigests(ctx);
      expect(await waiting(alice)).toEqual([]);
      tomorrow();
      await markRead(ctx, alice.account, { postGuid: guid });
      await queueDigests(ctx);
      expect(await waiting(alice)).toEqual([]);
    });

    test('the day of a digest ends in the morning', () => {
      const morning = Date.UTC(2025, 10, 22, 6);
      expect([digestDue(morning - 1), digestDue(morning), digestDue(morning + DAY_MS - 1)]).toEqual([morning - DAY_MS, morning, morning]);
    });

    test('each kind goes at once, in the digest, or not at all, as its owner wishes', async () => {
      const [alice, bob] = (await people('alice', 'bob')) as [Person, Person];
      await setNotificationMail(ctx, alice.account, { like: 'off', comment: 'now' });
      await setNotificationMail(ctx, alice.account, { reshare: 'now', nonsense: 'off' } as never);
      const account = await fresh(alice);
      expect(account.notificationMail).toEqual({ like: 'off', comment: 'now', reshare: 'now' });
      expect((['like', 'comment', 'mention'] as NotificationKind[]).map((kind) => mailOf(account, kind))).toEqual(['off', 'now', 'digest']);
      const { guid } = await post(alice);
      const comment = await commentOn(ctx, bob.actor, guid, { text: 'at once' });
      await likePost(ctx, bob.actor, guid);
      const jobs = await waiting(alice);
      expect(jobs).toHaveLength(1);
      await sendNotificationMail(ctx, jobs[0]!);
      const [mail] = await mailTo(alice);
      expect(mail!.subject).toBe(`${bob.actor.username} commented on your post “hello”: at once`);
      tomorrow();
      await queueDigests(ctx);
      expect(await waiting(alice)).toEqual([]);
      // What was deleted meanwhile is not mailed.
      await deleteComment(ctx, bob.actor, comment.guid);
      await sendNotificationMail(ctx, jobs[0]!);
      expect(await mailTo(alice)).toHaveLength(1);
    });

    test('one press ends them (RFC 8058): a digest’s all, a single one’s its kind; a token of anybody else ends nothing', async () => {
      const [alice, bob] = (await people('alice', 'bob')) as [Person, Person];
      await setNotificationMail(ctx, alice.account, { comment: 'now' });
      const { guid } = await post(alice);
      await commentOn(ctx, bob.actor, guid, { text: 'x' });
      await sendNotificationMail(ctx, (await waiting(alice))[0]!);
      const header = (mail: Awaited<ReturnType<typeof mailTo>>[number], name: string) => mail.headers.find(({ key }) => key === name)?.value;
      const [mail] = await mailTo(alice);
      expect(header(mail!, 'list-unsubscribe-post')).toBe('List-Unsubscribe=One-Click');
      const link = /^<(https:\/\/social\.test\/unsubscribe\/([^>]+))>$/.exec(header(mail!, 'list-unsubscribe')!)!;
      expect(mail!.text).toContain(link[1]);
      const token = link[2]!;
      expect(await peekUnsubscribe(ctx, token)).toEqual({ handle: `${alice.actor.username}@social.example.org`, kinds: ['comment'] });
      expect((await fresh(alice)).notificationMail).toEqual({ comment: 'now' });
      const [id, , mac] = token.split('.');
      for (const forged of ['', 'x', token.slice(0, -1), `${id}.all.${mac}`, `${bob.account.id}.comment.${mac}`, `${id}.nonsense.${mac}`, 'a'.repeat(5_000), `${token}.x`.replace(/^\d+/, '0')]) {
        await expect(unsubscribe(ctx, forged)).rejects.toMatchObject({ code: 'not-found' });
      }
      await unsubscribe(ctx, token);
      await unsubscribe(ctx, token);
      expect((await fresh(alice)).notificationMail).toEqual({ comment: 'off' });
      expect((await unsubscribe(ctx, unsubscribeToken(ctx, alice.account, 'all'))).kinds).toEqual(NOTIFICATION_KINDS);
      expect(Object.values((await fresh(alice)).notificationMail!)).toEqual(NOTIFICATION_KINDS.map(() => 'off'));
    });

    test('more mails at once than twenty an hour wait for the digest', async () => {
      const [alice, bob] = (await people('alice', 'bob')) as [Person, Person];
      const limited = await testContext({ DX_DOMAIN: 'social.example.org', DX_RATE_LIMITS: 'on' }, store);
      await setNotificationMail(ctx, alice.account, { comment: 'now' });
      const { guid } = await post(alice);
      for (let n = 0; n < 22; n++) await commentOn(ctx, bob.actor, guid, { text: `c${n}` });
      for (const job of await waiting(alice)) await sendNotificationMail(limited, job);
      const mails = await readMails(limited.config.mailUrl.slice('file:'.length));
      expect(mails).toHaveLength(20);
      expect(await store.query('select 1 from notifications where owner_id = ? and mailed_at is null', [alice.actor.id])).toHaveLength(2);
      await limited.close();
    });
  });
});
