// Our own process dies, at any moment (threats.md 1-3), or is asked to end while it works (21). What was accepted arrives.
import { setTimeout as pause } from 'node:timers/promises';
import { openStore } from '../../src/store/open.js';
import { upsertSubscription } from '../../src/store/xmpp.js';
import { FOLLOWER, followByPresence, heard, idsOf, items, MICROBLOG, subscribeTo } from '../support/follow.js';
import { server } from '../support/servers/index.js';
import { type Author, type Service, startService } from '../support/service-process.js';
import { silentLog } from '../support/store.js';
import { connect, type TestClient } from '../support/xmpp-client.js';
import { startFakeServer } from './fake-server.js';
import { until } from './own-server.js';

/** Of every post exactly its set: one activity, one delivery to the one host, arrived; and nothing left to do. */
async function checkLedger(database: string, accepted: string[]): Promise<string[]> {
  const store = await openStore(`sqlite:${database}`, silentLog);
  try {
    const posts = (await store.query<{ guid: string }>('select guid from posts order by guid')).map(({ guid }) => guid);
    const activities = await store.query<{ post_guid: string }>("select post_guid from activities where verb = 'post' order by post_guid");
    const deliveries = await store.query<{ post_guid: string; host: string; state: string }>(
      'select a.post_guid, d.host, d.state from deliveries d join activities a on a.id = d.activity_id order by a.post_guid',
    );
    expect(posts).toEqual(expect.arrayContaining(accepted));
    expect(activities.map((row) => row.post_guid)).toEqual(posts);
    expect(deliveries).toEqual(posts.map((post_guid) => ({ post_guid, host: 'prosody.test', state: 'arrived' })));
    expect(await store.query('select * from dead_jobs')).toEqual([]);
    return posts;
  } finally {
    await store.close();
  }
}

const jobsLeft = async (database: string): Promise<number> => {
  const store = await openStore(`sqlite:${database}`, silentLog);
  try {
    return (await store.query<{ n: number }>('select count(*) as n from jobs'))[0]!.n;
  } finally {
    await store.close();
  }
};

let service: Service;
let alice: Author;
let byPresence: TestClient;
let bySubscription: TestClient;
/** Guids that were answered with 303. */
const accepted: string[] = [];

beforeAll(async () => {
  const here = await server('prosody');
  service = await startService(here.component);
  alice = await service.author('alice');
  byPresence = await connect({ ...(await here.newAccount('reader')), features: FOLLOWER });
  bySubscription = await connect(await here.newAccount('reader'));
  await followByPresence(byPresence, alice.jid);
  await subscribeTo(bySubscription, alice.jid);
});
afterAll(async () => {
  await Promise.all([byPresence, bySubscription].map((client) => client.disconnect()));
  await service.destroy();
});

/** Posts one after another until the service is gone. */
async function postUntilGone(): Promise<void> {
  for (;;) {
    try {
      accepted.push(await alice.post(`# Number ${accepted.length}`));
    } catch (error) {
      // Whether the one that was underway is accepted nobody knows; it must be whole or not there.
      if (/ECONNRE|socket hang up|EPIPE|answered 503/.test(String(error))) return;
      throw error;
    }
  }
}

const ids = (client: TestClient): string[] => heard(client, alice.jid).map((line) => line.slice(1, 33));

/** All that is in the database has been heard, and the ledger agrees. */
async function everythingArrives(): Promise<void> {
  await until(async () => (await jobsLeft(service.database)) === 0, 'the queue is empty');
  const posts = await checkLedger(service.database, accepted);
  for (const client of [byPresence, bySubscription]) {
    await client.barrier(alice.jid);
    const list = ids(client);
    expect([...new Set(list)].sort()).toEqual(posts);
    // In their order, apart from what was told twice because nobody knew whether it had been told.
    const firsts = list.filter((id, index) => list.indexOf(id) === index);
    expect(firsts).toEqual(posts);
    expect(list.length - posts.length).toBeLessThanOrEqual(5 * 4); // at most one claim of a lane for each crash
    expect(idsOf(await client.request(items(alice.jid, { set: '<max>100</max>' })))).toEqual(posts.toReversed().slice(0, 100));
  }
}

test('killed at random moments while people post: every post that was accepted reaches everyone', async () => {
  const moments = [0, 1, 2].map(() => ({ posts: Math.round(Math.random() * 20), ms: Math.round(Math.random() * 20) }));
  process.stderr.write(`killed after ${moments.map(({ posts, ms }) => `${posts} posts and ${ms} ms`).join(', ')}\n`);
  for (const { posts, ms } of moments) {
    const before = accepted.length;
    const posting = postUntilGone();
    await until(() => accepted.length >= before + posts, 'the moment has come');
    await pause(ms);
    await service.kill();
    await posting;
    await service.start();
  }
  accepted.push(await alice.post('# After the crashes'));
  await everythingArrives();
});

test('SIGTERM while people post: it ends in order, within 10 s, and loses nothing', async () => {
  const posting = postUntilGone();
  const before = accepted.length;
  await until(() => accepted.length > before + 5, 'some posts are accepted');
  const { code, signal, tookMs } = await service.stop();
  await posting;
  expect({ code, signal }).toEqual({ code: 0, signal: null });
  expect(tookMs).toBeLessThan(10_000);
  await service.start();
  accepted.push(await alice.post('# After the stop'));
  await everythingArrives();
});

test('killed in the middle of one delivery to many: everyone gets it, and nobody more than twice', async () => {
  const fake = await startFakeServer();
  const second = await startService(fake.component);
  try {
    const author = await second.author('alice');
    await second.kill();
    const store = await openStore(`sqlite:${second.database}`, silentLog);
    const [{ actor_id: actorId }] = (await store.query<{ actor_id: number }>('select actor_id from accounts')) as [{ actor_id: number }];
    const readers = Array.from({ length: 1_000 }, (_, count) => `reader${count}@fake.test`);
    await store.transaction(async (tx) => {
      for (const jid of readers) await upsertSubscription(tx, { actorId, node: MICROBLOG, jid, personId: null, subid: '1', state: 'subscribed', pausedUntil: null, createdAt: 1 });
    });
    await store.close();

    const times = new Map<string, number>();
    const dieAt = Math.round(1 + Math.random() * 900);
    process.stderr.write(`killed after ${dieAt} of 1000 recipients\n`);
    let killed: Promise<void> | undefined;
    fake.echoes = false; // the barrier is not passed before the end
    fake.onStanza = (stanza) => {
      if (!stanza.is('message')) return;
      times.set(stanza.attrs.to!, (times.get(stanza.attrs.to!) ?? 0) + 1);
      if (times.size >= dieAt) killed ??= second.kill();
    };
    await second.start();
    await author.post('# To all');
    await until(() => killed !== undefined, 'the moment has come');
    await killed;
    fake.echoes = true;
    await second.start();
    await until(async () => times.size === readers.length && (await jobsLeft(second.database)) === 0, 'everyone has it');
    expect([...times.keys()].sort()).toEqual(readers.toSorted());
    expect(Math.max(...times.values())).toBeLessThanOrEqual(2);
  } finally {
    await second.destroy();
    await fake.close();
  }
});
