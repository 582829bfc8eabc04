import type { Account } from '../../../src/domain/account.js';
import type { Activity } from '../../../src/domain/activity.js';
import type { Actor } from '../../../src/domain/actor.js';
import { DeliveryError } from '../../../src/domain/errors.js';
import type { Guid } from '../../../src/domain/guid.js';
import { MAX_AGE_MS } from '../../../src/domain/job.js';
import type { Protocol, Reached } from '../../../src/domain/protocol.js';
import { deliver, giveUp } from '../../../src/jobs/deliver.js';
import { startWorker } from '../../../src/jobs/worker.js';
import { noteArrivals, noteBounce, retryNow } from '../../../src/services/bounces.js';
import { listLate, readOwnDeliveries, retryDelivery } from '../../../src/services/own-deliveries.js';
import { editPost, deletePost, publishPost } from '../../../src/services/publish.js';
import { sendNotificationMail, queueDigests } from '../../../src/services/notification-mail.js';
import { listNotifications, setNotificationMail } from '../../../src/services/notifications.js';
import { dropJobs, dropServer, pauseServer, readQueue, resumeServer, retryJobs, retryServer } from '../../../src/services/queue.js';
import { findAccount } from '../../../src/store/accounts.js';
import type { Store } from '../../../src/store/database.js';
import { addJobs, listJobs } from '../../../src/store/jobs.js';
import { BOUNCE_MS, latestActivity, latestDeliverySummary, listDeliveries } from '../../../src/store/ledger.js';
import { testContext, type TestContext } from '../../support/context.js';
import { readMails } from '../../support/mails.js';
import { makeAccount } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

const DEAD = 'dead.example';
const FINE = 'fine.example';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describeStores((makeStore) => {
  let store: Store;
  let ctx: TestContext;
  let alice: { actor: Actor; account: Account };
  let count = 0;
  let hosts: string[] = [];
  /** What the XMPP server does with a delivery. */
  let sends: (activity: Activity, host: string) => Promise<Reached> = async () => ({ recipients: 2, resting: 0 });
  let sent: string[] = [];
  const stop: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    store = await makeStore();
    ctx = await testContext({ DX_DOMAIN: 'social.example.org' }, store);
    const xmpp: Protocol = {
      name: 'xmpp',
      addressOf: () => null,
      hostsFor: async () => hosts,
      deliver: (activity, host) => {
        sent.push(`${activity.postGuid} ${host}`);
        return sends(activity, host);
      },
    };
    ctx.protocols.push(xmpp);
  });
  beforeEach(async () => {
    alice = await makeAccount(store, `alice${++count}`);
    hosts = [DEAD, FINE];
    sends = async () => ({ recipients: 2, resting: 0 });
    sent = [];
    ctx.pass(DAY_MS);
    await forgetJobs();
  });
  afterEach(async () => {
    for (const each of stop.splice(0)) await each();
  });
  afterAll(() => ctx.close());

  const forgetJobs = () =>
    store.transaction(async (tx) => {
      for (const table of ['jobs', 'lanes', 'dead_jobs', 'paused_hosts']) await tx.query(`delete from ${table}`);
    });
  /** Runs what is due until nothing is, as the connector does. */
  async function work(of: TestContext = ctx): Promise<void> {
    const worker = startWorker({
      ...{ store: of.store, log: of.log, now: of.now, queue: 'xmpp' as const, concurrency: 8 },
      handlers: { deliver: (job, signal) => deliver(of, job, signal) },
      onArrived: (tx, arrivals) => noteArrivals(of, tx, arrivals),
      onDead: (tx, job) => giveUp(of, tx, job),
    });
    stop.push(() => worker.stop());
    await worker.idle();
    await worker.stop();
  }
  const publish = (text = 'hello') => publishPost(ctx, alice.account, { text, audience: { to: 'public' } });
  const activityOf = async (guid: Guid) => (await latestActivity(store, guid))!;
  const back = async (guid: Guid, condition: string, { address = `romeo@${DEAD}`, isOfServer = true } = {}) =>
    noteBounce(ctx, await activityOf(guid), { protocol: 'xmpp', host: DEAD }, { condition, address, isOfServer, isUnreachable: condition.startsWith('remote-server-') });
  const line = async (guid: Guid, host = DEAD) => (await listDeliveries(store, guid)).find((one) => one.host === host)!;
  const waiting = async () => (await listJobs(store)).filter(({ kind }) => kind === 'deliver');
  const told = async () => (await listNotifications(ctx, alice.account, { limit: 20 })).filter(({ notification }) => notification.kind === 'undelivered');

  describe('what came back', () => {
    test('from a server that cannot be reached waits, is tried again, later each time, and arrives', async () => {
      const { guid } = await publish();
      await work();
      expect(await line(guid)).toMatchObject({ state: 'arrived', recipients: 2, tries: 0 });
      const job = (await line(guid)).jobId;
      expect(await back(guid, 'remote-server-not-found')).toBe(true);
      expect(await line(guid)).toMatchObject({ state: 'waiting', error: 'remote-server-not-found', recipients: null, tries: 1, jobId: job });
      expect((await latestDeliverySummary(store, [guid])).get(guid)).toEqual({ total: 2, arrived: 1, failed: 0 });
      const waits = [];
      for (let i = 0; i < 4; i++) {
        const [again] = await waiting();
        expect(again).toMatchObject({ id: job, attempts: i + 1, lastError: 'remote-server-not-found' });
        waits.push(again!.runAt! - ctx.now());
        await work();
        expect(await waiting()).toHaveLength(1); // not before its time
        ctx.pass(again!.runAt! - ctx.now());
        await work();
        expect(await line(guid)).toMatchObject({ state: 'arrived' });
        if (i < 3) await back(guid, 'remote-server-not-found');
      }
      expect(waits.map((ms, i) => ms > 0.79 * 5_000 * 2 ** i && ms < 1.21 * 5_000 * 2 ** i)).toEqual([true, true, true, true]);
      expect(await line(guid)).toMatchObject({ state: 'arrived', tries: 4, error: null, recipients: 2 });
      expect(await waiting()).toEqual([]);
    });

    test('from each of many recipients is tried again once', async () => {
      const { guid } = await publish();
      await work();
      await Promise.all(['a', 'b', 'c'].map((name) => back(guid, 'remote-server-timeout', { address: `${name}@${DEAD}` })));
      expect(await waiting()).toHaveLength(1);
      expect(await line(guid)).toMatchObject({ state: 'waiting', tries: 1 });
    });

    test('before its arrival was noted is no arrival', async () => {
      const { guid } = await publish();
      sends = async (activity, host) => {
        if (host === DEAD && activity.postGuid === guid && (await line(guid)).tries === 0) expect(await back(guid, 'remote-server-not-found')).toBe(true);
        return { recipients: 2, resting: 0 };
      };
      await work();
      expect(await line(guid)).toMatchObject({ state: 'waiting', error: 'remote-server-not-found', tries: 1 });
      expect(await line(guid, FINE)).toMatchObject({ state: 'arrived' });
      const [again] = await waiting();
      ctx.pass(again!.runAt! - ctx.now());
      await work();
      expect(await line(guid)).toMatchObject({ state: 'arrived', tries: 1 });
    });

    test('at the very moment at which its arrival is noted is not lost, whoever comes first', async () => {
      for (let i = 0; i < 10; i++) {
        const { guid } = await publish(`moment ${i}`);
        let bounced: Promise<unknown> = Promise.resolve();
        sends = async (activity, host) => {
          if (host === DEAD && activity.postGuid === guid && bounced instanceof Promise && (await line(guid)).tries === 0) {
            bounced = new Promise((resolve) => setTimeout(() => resolve(back(guid, 'remote-server-not-found')), i % 5));
          }
          return { recipients: 1, resting: 0 };
        };
        await work();
        await bounced;
        expect(await line(guid)).toMatchObject({ state: 'waiting', tries: 1 });
        expect((await waiting()).length).toBe(1);
        await forgetJobs();
      }
    });

    test('stays in the order of its author: before all that was posted later', async () => {
      const first = await publish('one');
      await work();
      const second = await publish('two');
      await work();
      hosts = [DEAD];
      sends = async () => {
        throw new DeliveryError('not now', false, HOUR_MS);
      };
      const third = await publish('three');
      await work();
      for (const { guid } of [second, first]) await back(guid, 'remote-server-not-found');
      sent = [];
      sends = async () => ({ recipients: 1, resting: 0 });
      await retryNow(ctx, alice.actor.id, { protocol: 'xmpp', host: DEAD });
      await work();
      expect(sent).toEqual([first, second, third].map(({ guid }) => `${guid} ${DEAD}`));
    });

    test('later than five minutes after its arrival says nothing', async () => {
      const { guid } = await publish();
      await work();
      ctx.pass(BOUNCE_MS + 1);
      await back(guid, 'remote-server-not-found');
      expect(await line(guid)).toMatchObject({ state: 'arrived' });
      expect(await waiting()).toEqual([]);
    });

    test('from one of many who may have said it himself holds up nobody; from all of them it counts', async () => {
      const { guid } = await publish();
      await work();
      const forged = { isOfServer: false };
      for (let i = 0; i < 3; i++) expect(await back(guid, 'remote-server-timeout', forged)).toBe(false);
      expect(await line(guid)).toMatchObject({ state: 'arrived', recipients: 2, refused: 0 });
      expect(await back(guid, 'remote-server-timeout', { ...forged, address: `juliet@${DEAD}` })).toBe(true);
      expect(await line(guid)).toMatchObject({ state: 'waiting' });
    });

    test('from recipients who are gone is counted, each once; from all of them it is given up, without a notification', async () => {
      const { guid } = await publish();
      await work();
      for (let i = 0; i < 2; i++) await back(guid, 'gone');
      expect(await line(guid)).toMatchObject({ state: 'arrived', recipients: 2, refused: 1, error: null });
      await back(guid, 'service-unavailable', { address: `juliet@${DEAD}` });
      expect(await line(guid)).toMatchObject({ state: 'given-up', refused: 2, error: 'service-unavailable' });
      expect((await latestDeliverySummary(store, [guid])).get(guid)).toEqual({ total: 2, arrived: 1, failed: 1 });
      expect([await waiting(), await told()]).toEqual([[], []]);
    });
  });

  test('a delivery to readers who all rest has not arrived', async () => {
    sends = async (_, host) => (host === DEAD ? { recipients: 0, resting: 3 } : { recipients: 0, resting: 0 });
    const { guid } = await publish();
    await work();
    expect(await line(guid)).toMatchObject({ state: 'given-up', error: 'resting', recipients: 0 });
    expect(await line(guid, FINE)).toMatchObject({ state: 'arrived', recipients: 0 }); // nobody was there
    expect(await told()).toEqual([]);
  });

  describe('after 14 days', () => {
    const away = async (_: Activity, host: string): Promise<Reached> => {
      if (host === FINE) return { recipients: 1, resting: 0 };
      throw new DeliveryError('The other server is away.', false);
    };

    test('it is given up, and its author told: on the page and by mail as she wants it, once for all servers of a post', async () => {
      hosts = [DEAD, 'dead2.example', FINE];
      sends = away;
      const { guid } = await publish('never');
      for (let day = 0; day < 14; day++) {
        await work();
        expect([await line(guid), await told()]).toEqual([expect.objectContaining({ state: 'waiting', error: 'The other server is away.' }), []]);
        ctx.pass(DAY_MS);
      }
      await setNotificationMail(ctx, alice.account, { undelivered: 'now' });
      await work();
      expect(await line(guid)).toMatchObject({ state: 'given-up', error: 'The other server is away.', tries: 15 });
      expect(await line(guid, 'dead2.example')).toMatchObject({ state: 'given-up' });
      expect(await told()).toEqual([expect.objectContaining({ post: expect.objectContaining({ guid }), notification: expect.objectContaining({ readAt: null }) })]);
      const mails = (await listJobs(store)).filter(({ kind }) => kind === 'notification-mail');
      expect(mails).toHaveLength(1);
      const [{ payload }] = (await store.query<{ payload: string }>("select payload from jobs where kind = 'notification-mail'")) as [{ payload: string }];
      await sendNotificationMail(ctx, JSON.parse(payload));
      const [mail] = (await readMails(ctx.config.mailUrl.replace('file:', ''))).slice(-1);
      expect(mail!.subject).toBe('Your post “never” did not reach every server.');
    });

    test('the mail is a line of the daily digest, unless she says otherwise, or none', async () => {
      sends = away;
      for (const wish of [undefined, 'off'] as const) {
        alice = await makeAccount(store, `wish${++count}`);
        if (wish) await setNotificationMail(ctx, alice.account, { undelivered: wish });
        alice.account = (await findAccount(store, alice.account.id))!;
        await publish();
        ctx.pass(MAX_AGE_MS);
        await work();
        expect(await told()).toHaveLength(1);
        ctx.pass(DAY_MS);
        await queueDigests(ctx);
        const mails = await store.query<{ payload: string }>("select payload from jobs where kind = 'notification-mail'");
        expect(mails.filter(({ payload }) => JSON.parse(payload).accountId === alice.account.id)).toHaveLength(wish === 'off' ? 0 : 1);
      }
    });

    test('what came back again and again is given up, too', async () => {
      const { guid } = await publish();
      for (let day = 0; day <= 14; day++) {
        await work();
        expect(await line(guid)).toMatchObject({ state: 'arrived' });
        await back(guid, 'remote-server-not-found');
        ctx.pass(DAY_MS);
      }
      expect(await line(guid)).toMatchObject({ state: 'given-up', error: 'remote-server-not-found', tries: 15 });
      expect([await waiting(), (await listJobs(store, { failed: true })).length, (await told()).length]).toEqual([[], 1, 1]);
    });

    test('an old version that did not arrive is no news when a new one did', async () => {
      sends = away;
      const { guid } = await publish();
      ctx.pass(1);
      hosts = [FINE];
      await editPost(ctx, alice.account, guid, 'better');
      ctx.pass(MAX_AGE_MS);
      await work();
      expect((await latestDeliverySummary(store, [guid])).get(guid)).toEqual({ total: 1, arrived: 1, failed: 0 });
      expect(await told()).toEqual([]);
    });

    test('a fault of ours is given up without its words', async () => {
      sends = async () => {
        throw new TypeError('x is not a function');
      };
      const { guid } = await publish();
      ctx.pass(MAX_AGE_MS);
      await work();
      expect(await line(guid)).toMatchObject({ state: 'given-up', error: 'internal' });
    });
  });

  test('a server that hangs holds up nobody else, however many authors write to it', async () => {
    const authors = await Promise.all(Array.from({ length: 80 }, () => makeAccount(store, `many${++count}`)));
    let release!: () => void;
    const hanging = new Promise<void>((resolve) => (release = resolve));
    let here!: () => void;
    const all = new Promise<void>((resolve) => (here = resolve));
    let arrived = 0;
    let atOnce = 0;
    let most = 0;
    sends = async (_, host) => {
      if (host === FINE) {
        if (++arrived === authors.length) here();
        return { recipients: 1, resting: 0 };
      }
      most = Math.max(most, ++atOnce);
      await hanging;
      atOnce -= 1;
      throw new DeliveryError('It hangs.', false);
    };
    // The dead one first, for everybody.
    for (const host of [DEAD, FINE]) {
      hosts = [host];
      for (const { account } of authors) await publishPost(ctx, account, { text: `to ${host}`, audience: { to: 'public' } });
      ctx.pass(1);
    }
    const worker = startWorker({
      ...{ store, log: ctx.log, now: ctx.now, queue: 'xmpp' as const, concurrency: 64, slow: { afterMs: 50, more: 64 }, stopMs: 1 },
      handlers: { deliver: (job, signal) => deliver(ctx, job, signal) },
      onArrived: (tx, arrivals) => noteArrivals(ctx, tx, arrivals),
    });
    stop.push(() => worker.stop());
    await all; // although 80 deliveries to the server that hangs were due before
    expect(most).toBe(64);
    release();
  }, 30_000);

  describe('its author', () => {
    const refused = async (): Promise<Guid> => {
      sends = async (_, host) => {
        if (host === FINE) return { recipients: 3, resting: 0 };
        throw new DeliveryError('The other server does not take it.', true);
      };
      const { guid } = await publish();
      await work();
      return guid;
    };

    test('sees each server, of the latest version alone, and nobody else does', async () => {
      const guid = await refused();
      const own = (await readOwnDeliveries(ctx, alice.account, guid))!;
      expect(own).toMatchObject({ verb: 'post', summary: { total: 2, arrived: 1, failed: 1 }, next: null, moreLate: false });
      expect(own.late).toEqual([expect.objectContaining({ host: DEAD, state: 'given-up', error: 'The other server does not take it.', pausedSince: null })]);
      expect(own.arrived).toEqual([expect.objectContaining({ host: FINE, recipients: 3 })]);
      expect(await listLate(ctx, alice.account, guid, 5)).toEqual(own.late);
      const bob = await makeAccount(store, `bob${++count}`);
      expect([await readOwnDeliveries(ctx, bob.account, guid), await listLate(ctx, bob.account, guid, 5)]).toEqual([null, []]);
      await expect(retryDelivery(ctx, bob.account, guid, { protocol: 'xmpp', host: DEAD })).rejects.toMatchObject({ code: 'not-found' });
      ctx.pass(1);
      hosts = [FINE];
      await editPost(ctx, alice.account, guid, 'again');
      await work();
      expect(await readOwnDeliveries(ctx, alice.account, guid)).toMatchObject({ verb: 'update', summary: { total: 1, arrived: 1 }, late: [] });
      ctx.pass(1);
      await deletePost(ctx, alice.account, guid);
      expect(await readOwnDeliveries(ctx, alice.account, guid)).toMatchObject({ verb: 'delete', summary: { total: 1, arrived: 0 } });
    });

    test('has it tried again, for another 14 days; twice is once', async () => {
      const guid = await refused();
      expect(await listJobs(store, { failed: true })).toHaveLength(1);
      ctx.pass(DAY_MS);
      await retryDelivery(ctx, alice.account, guid, { protocol: 'xmpp', host: DEAD });
      await retryDelivery(ctx, alice.account, guid, { protocol: 'xmpp', host: DEAD });
      expect([(await waiting()).length, await listJobs(store, { failed: true })]).toEqual([1, []]);
      expect(await line(guid)).toMatchObject({ state: 'waiting', since: ctx.now(), tries: 0, error: null });
      sends = async () => ({ recipients: 1, resting: 0 });
      await work();
      expect(await line(guid)).toMatchObject({ state: 'arrived', recipients: 1 });
      await retryDelivery(ctx, alice.account, guid, { protocol: 'xmpp', host: DEAD });
      expect(await waiting()).toEqual([]);
      await expect(retryDelivery(ctx, alice.account, guid, { protocol: 'xmpp', host: 'else.example' })).rejects.toMatchObject({ code: 'not-found' });
    });

    test('of a post that went nowhere sees no servers', async () => {
      hosts = [];
      expect(await readOwnDeliveries(ctx, alice.account, (await publish()).guid)).toBeNull();
    });
  });

  describe('the operator', () => {
    const fails = async (): Promise<Reached> => {
      throw new DeliveryError('away', false);
    };

    test('pauses a server: what goes there waits, in every process, counts as no try, and goes out in order when it is resumed', async () => {
      const url = makeStore.dialect === 'postgres' ? (store.dataSource.options as { url: string }).url : null;
      const other = url === null ? ctx : { ...ctx, store: await makeStore.open(url) };
      expect(await pauseServer(ctx, ` ${DEAD.toUpperCase()} `, 'command')).toBe(true);
      expect(await pauseServer(ctx, DEAD, 1)).toBe(false);
      const posts = [await publish('one'), await publish('two')];
      await work(other);
      expect(sent).toEqual(posts.map(({ guid }) => `${guid} ${FINE}`));
      for (const { guid } of posts) expect(await line(guid)).toMatchObject({ state: 'waiting', tries: 0, error: null });
      expect((await readOwnDeliveries(ctx, alice.account, posts[0]!.guid))!.late).toEqual([expect.objectContaining({ host: DEAD, pausedSince: ctx.now() })]);
      ctx.pass(20 * DAY_MS);
      await work(other);
      expect((await waiting()).map(({ attempts }) => attempts)).toEqual([0, 0]);
      sent = [];
      expect(await resumeServer(other, DEAD, 1)).toBe(true);
      expect(await resumeServer(ctx, DEAD, 1)).toBe(false);
      await work();
      expect(sent).toEqual(posts.map(({ guid }) => `${guid} ${DEAD}`));
    });

    test('sees what waits for each server, the oldest first, and what was given up', async () => {
      sends = fails;
      await publish();
      ctx.pass(HOUR_MS);
      await work();
      hosts = ['refuses.example', 'with:colon.example'];
      sends = async () => {
        throw new DeliveryError('no', true);
      };
      await publish();
      await work();
      await pauseServer(ctx, 'quiet.example', 1);
      await store.transaction((tx) => addJobs(tx, [{ kind: 'profile-changed', payload: { actorId: 1 }, queue: 'xmpp', lane: 'profile:1' }]));
      const { servers, kinds } = await readQueue(ctx);
      expect(servers.map(({ host, waiting, failed, tries, lastError, pausedSince }) => [host, waiting, failed, tries, lastError, pausedSince])).toEqual([
        [DEAD, 1, 0, 1, 'away', null],
        [FINE, 1, 0, 1, 'away', null],
        ['refuses.example', 0, 1, 0, 'no', null],
        ['with:colon.example', 0, 1, 0, 'no', null],
        ['quiet.example', 0, 0, 0, null, ctx.now()],
      ]);
      expect(servers[0]).toMatchObject({ oldestAgeMs: HOUR_MS, nextTryAt: expect.any(Number) });
      expect(kinds.find(({ kind }) => kind === 'deliver')).toMatchObject({ waiting: 2, failed: 2 });
    });

    test('tries a server again at once, with what was given up', async () => {
      sends = async (_, host) => {
        throw new DeliveryError('no', host === DEAD);
      };
      const { guid } = await publish();
      await work();
      await retryServer(ctx, FINE, 'command');
      expect(await retryServer(ctx, DEAD, 'command')).toBe(1);
      expect(await line(guid)).toMatchObject({ state: 'waiting', tries: 0 });
      sends = async () => ({ recipients: 1, resting: 0 });
      await work();
      for (const host of [DEAD, FINE]) expect(await line(guid, host)).toMatchObject({ state: 'arrived' });
      expect(ctx.logged()).toContain('"queue: a server is tried again"');
    });

    test('drops all for a server, and its authors see that; of other servers nothing goes', async () => {
      sends = fails;
      const posts = [await publish('one'), await publish('two')];
      hosts = [`x${DEAD}`, 'dead_example'];
      const other = await publish('three');
      await work();
      expect(await dropServer(ctx, DEAD, 1)).toBe(2);
      for (const { guid } of posts) expect(await line(guid)).toMatchObject({ state: 'given-up', error: 'dropped' });
      expect(await line(other.guid, `x${DEAD}`)).toMatchObject({ state: 'waiting' });
      expect((await waiting()).length).toBe(4);
      await retryDelivery(ctx, alice.account, posts[0]!.guid, { protocol: 'xmpp', host: DEAD });
      expect(await line(posts[0]!.guid)).toMatchObject({ state: 'waiting' });
    });

    test('retries and drops single jobs, and the ledger says so', async () => {
      sends = async () => {
        throw new DeliveryError('no', true);
      };
      hosts = [DEAD];
      const { guid } = await publish();
      await work();
      const [dead] = await listJobs(store, { failed: true });
      expect(await store.transaction((tx) => retryJobs(ctx, tx, [dead!.id]))).toBe(1);
      expect(await line(guid)).toMatchObject({ state: 'waiting' });
      const [again] = await waiting();
      expect(await store.transaction((tx) => dropJobs(ctx, tx, [again!.id]))).toBe(1);
      expect(await line(guid)).toMatchObject({ state: 'given-up', error: 'dropped' });
    });

    test.each(['', 'a b', 'user@host', 'host/path', '<x>', 'x'.repeat(300)])('is told that %j is no server', async (name) => {
      await expect(pauseServer(ctx, name, 1)).rejects.toMatchObject({ code: 'invalid', field: 'server' });
    });
  });
});
