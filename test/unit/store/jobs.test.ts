import type { NewJob } from '../../../src/domain/job.js';
import type { Store } from '../../../src/store/database.js';
import {
  addJobs,
  type Claim,
  claim,
  complete,
  completeAll,
  dropJobs,
  fail,
  listJobs,
  nextRunAt,
  queueCounts,
  release,
  renew,
  renewAll,
  retryDead,
  sweep,
} from '../../../src/store/jobs.js';
import { describeStores } from '../../support/store.js';

const NOW = 1_000_000;
const LEASE = 60_000;

/** A job that is told apart by its number. */
const job = (number: number, lane?: string, runAt?: number): NewJob => ({ kind: 'profile-changed', payload: { actorId: number }, queue: 'main', lane, runAt });
const add = (store: Store, ...jobs: NewJob[]) => store.transaction((tx) => addJobs(tx, jobs, NOW));
const take = (store: Store, change: { lanes?: number; jobs?: number; perLane?: number; now?: number } = {}) =>
  claim(store, 'main', { lanes: 10, jobs: 10, perLane: 5, leaseMs: LEASE, now: NOW, ...change });
const numbers = (claims: Claim[]) => claims.map(({ jobs }) => jobs.map(({ payload }) => (payload as { actorId: number }).actorId));
const finish = (store: Store, taken: Claim, now = NOW) =>
  store.transaction((tx) =>
    complete(
      tx,
      taken,
      taken.jobs.map(({ id }) => id),
      now,
    ),
  );
/** A promise and what fulfils it. */
function signal() {
  let give!: () => void;
  const given = new Promise<void>((resolve) => (give = resolve));
  return { give, given };
}

/** Is the promise fulfilled, or does what it stands for wait: for a lock of PostgreSQL's, or for its turn on SQLite? */
async function isWaiting(store: Store, promise: Promise<unknown>): Promise<boolean> {
  let isDone = false;
  void promise.then(() => {
    isDone = true;
  });
  if (store.dialect === 'sqlite') await new Promise((resolve) => setImmediate(resolve));
  else {
    const blocked = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while (!isDone && (await store.query(blocked)).length === 0);
  }
  return !isDone;
}

describeStores((makeStore) => {
  let store: Store;
  beforeAll(async () => {
    store = await makeStore();
  });
  afterEach(async () => {
    await store.transaction(async (tx) => {
      for (const table of ['jobs', 'lanes', 'dead_jobs']) await tx.query(`delete from ${table}`);
    });
  });

  test('a job comes out as it went in', async () => {
    await add(store, { kind: 'mail', payload: { to: 'ä@example.net', template: 'confirm', values: { link: "'?$1" } }, queue: 'main', runAt: NOW });
    const [taken] = await take(store);
    expect(taken!.jobs).toEqual([
      {
        id: expect.any(Number),
        kind: 'mail',
        payload: { to: 'ä@example.net', template: 'confirm', values: { link: "'?$1" } },
        queue: 'main',
        lane: null,
        runAt: NOW,
        attempts: 0,
        createdAt: NOW,
        lastError: null,
      },
    ]);
  });

  test('jobs of a lane come in the order of their adding, so many at a time, and by one claimer only', async () => {
    await add(store, job(1, 'a'), job(2, 'b'), job(3, 'a'));
    await add(store, job(4, 'a'));
    const first = await take(store, { perLane: 2 });
    expect(numbers(first).sort()).toEqual([[1, 3], [2]]);
    expect(await take(store)).toEqual([]);
    for (const taken of first) expect(await finish(store, taken)).toBe(true);
    expect(numbers(await take(store))).toEqual([[4]]);
  });

  test('a queue sees nothing of another, even in a lane of the same name', async () => {
    await add(store, job(1, 'a'), { ...job(2, 'a'), queue: 'xmpp' }, { ...job(3), queue: 'xmpp' });
    expect(numbers(await take(store))).toEqual([[1]]);
    expect(numbers(await claim(store, 'xmpp', { lanes: 9, jobs: 9, perLane: 9, leaseMs: LEASE, now: NOW }))).toEqual([[2], [3]]);
  });

  test('jobs wait for their time, and hold up those behind them in their lane', async () => {
    await add(store, job(1, 'a', NOW + 50), job(2, 'a'), job(3, undefined, NOW + 20));
    expect(await take(store)).toEqual([]);
    expect(await nextRunAt(store, 'main')).toBe(NOW + 20);
    expect(numbers(await take(store, { now: NOW + 50 }))).toEqual([[1, 2], [3]]);
    expect(await nextRunAt(store, 'main')).toBeNull();
  });

  test('a job in the middle of a lane that must wait ends the claim before it', async () => {
    await add(store, job(1, 'a'), job(2, 'a', NOW + 50), job(3, 'a'));
    const [taken] = await take(store);
    expect(numbers([taken!])).toEqual([[1]]);
    await finish(store, taken!);
    expect(await nextRunAt(store, 'main')).toBe(NOW + 50);
    expect(await take(store)).toEqual([]);
    expect(numbers(await take(store, { now: NOW + 50 }))).toEqual([[2, 3]]);
  });

  test('a lane that is busy all the time does not keep others from their turn', async () => {
    await add(store, job(1, 'a'), job(2, 'b'), job(3, 'a'));
    const order: number[] = [];
    for (let now = NOW; order.length < 3; now++) {
      const [taken] = await take(store, { lanes: 1, perLane: 1, now });
      order.push(...numbers([taken!]).flat());
      await finish(store, taken!, now);
    }
    expect(order).toEqual([1, 2, 3]);
  });

  test('many claimers at once never share a lane or a job', async () => {
    const lanes = Array.from({ length: 12 }, (_, lane) => `lane ${lane}`);
    await add(store, ...lanes.flatMap((lane, index) => [job(index, lane), job(100 + index, lane)]), ...lanes.map((_, index) => job(200 + index)));
    const claims = (await Promise.all(Array.from({ length: 8 }, () => take(store, { lanes: 2, jobs: 2 })))).flat();
    const ids = claims.flatMap(({ jobs }) => jobs.map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(claims.filter(({ lane }) => lane).map(({ lane }) => lane)).size).toBe(claims.filter(({ lane }) => lane).length);
    expect(claims.length).toBeGreaterThan(12);
  });

  test('a job that is committed late, with a lower id, still runs before those added after it', async () => {
    // Both add to one lane: the second is held up by the first one's lock until that commits, and so gets the higher id.
    const added = signal();
    const go = signal();
    const slow = store.transaction(async (tx) => {
      await addJobs(tx, [job(1, 'a')], NOW);
      added.give();
      await go.given;
    });
    await added.given;
    const quick = add(store, job(2, 'a'));
    expect(await isWaiting(store, quick)).toBe(true);
    if (store.dialect === 'postgres') expect(await take(store)).toEqual([]);
    go.give();
    await Promise.all([slow, quick]);
    expect(numbers(await take(store))).toEqual([[1, 2]]);
  });

  test('a job that is being added while its lane completes is not stranded', async () => {
    await add(store, job(1, 'a'));
    const [taken] = await take(store);
    const added = signal();
    const go = signal();
    const adding = store.transaction(async (tx) => {
      await addJobs(tx, [job(2, 'a')], NOW);
      added.give();
      await go.given;
    });
    await added.given;
    const completing = finish(store, taken!);
    expect(await isWaiting(store, completing)).toBe(true); // without the lane's lock it would find the lane empty, and say so
    go.give();
    expect(await completing).toBe(true);
    await adding;
    expect(numbers(await take(store))).toEqual([[2]]);
  });

  test('who lost the lease of a lane is refused, and changes nothing', async () => {
    await add(store, job(1, 'a'), job(2, 'a'));
    const [old] = await take(store);
    expect(await sweep(store, NOW + LEASE - 1)).toBe(0);
    expect(await sweep(store, NOW + LEASE)).toBe(1);
    expect(await finish(store, old!)).toBe(false);
    const [fresh] = await take(store, { now: NOW + LEASE });
    expect(await finish(store, old!)).toBe(false);
    expect(await renew(store, old!, LEASE, NOW)).toBe(false);
    expect(await release(store, old!, NOW)).toBe(false);
    expect(await store.transaction((tx) => fail(tx, old!, old!.jobs[0]!.id, 'late', { dead: true }, NOW))).toBe(false);
    expect(numbers([fresh!])).toEqual([[1, 2]]);
    expect(fresh!.jobs.map(({ attempts }) => attempts)).toEqual([1, 0]); // only the first one can have run
    expect(await finish(store, fresh!)).toBe(true);
    expect(await listJobs(store)).toEqual([]);
  });

  test('who lost the lease of a job without a lane is refused, even after others gave it back', async () => {
    await add(store, job(1));
    const [first] = await take(store);
    await sweep(store, NOW + LEASE);
    const [second] = await take(store, { now: NOW + LEASE });
    expect(second!.jobs[0]!.attempts).toBe(1);
    expect(await release(store, second!, NOW)).toBe(true);
    expect(await finish(store, first!)).toBe(false);
    const [third] = await take(store, { now: NOW + LEASE });
    expect(third!.jobs[0]!.attempts).toBe(1);
    expect(await finish(store, first!)).toBe(false);
    expect(await renew(store, third!, LEASE, NOW)).toBe(true);
    expect(await finish(store, third!)).toBe(true);
    expect(await listJobs(store)).toEqual([]);
  });

  test('of many jobs that are completed together, those whose lease is lost stay', async () => {
    await add(store, ...Array.from({ length: 300 }, (_, number) => job(number)));
    const claims = await take(store, { jobs: 300 });
    const [unlucky, ...others] = claims;
    await store.transaction((tx) => renewAll(tx, others, LEASE, NOW + 1));
    expect(await sweep(store, NOW + LEASE)).toBe(1);
    expect(await store.transaction((tx) => completeAll(tx, claims.map((claim) => ({ claim, done: [claim.jobs[0]!.id] })), NOW))).toEqual([unlucky]);
    expect((await listJobs(store)).map(({ id }) => id)).toEqual([unlucky!.jobs[0]!.id]);
  });

  test('of many lanes that are completed together, those whose lease is lost keep their jobs; the others go on, with what was added meanwhile', async () => {
    await add(store, ...['a', 'b', 'c', 'd'].flatMap((lane, index) => [job(index, lane), job(10 + index, lane)]));
    await add(store, { ...job(5, 'a'), queue: 'xmpp' });
    const [other] = await claim(store, 'xmpp', { lanes: 1, jobs: 0, perLane: 5, leaseMs: 2 * LEASE, now: NOW });
    const claims = (await take(store)).sort((x, y) => (x.lane! < y.lane! ? -1 : 1));
    const [, unlucky] = claims;
    await store.transaction((tx) => renewAll(tx, [claims[0]!, claims[2]!, claims[3]!], LEASE, NOW + 1));
    expect(await sweep(store, NOW + LEASE)).toBe(1);
    await add(store, job(20, 'a'));
    // Of c only the first was begun.
    const endings = [other!, ...claims].map((taken) => ({ claim: taken, done: taken.jobs.slice(0, taken.lane === 'c' ? 1 : 2).map(({ id }) => id) }));
    expect(await store.transaction((tx) => completeAll(tx, endings, NOW + LEASE))).toEqual([unlucky]);
    expect((await listJobs(store)).map(({ lane }) => lane)).toEqual(['b', 'b', 'c', 'a']);
    const rest = await take(store, { now: NOW + LEASE });
    expect(rest.map(({ lane, jobs }) => [lane, jobs.length]).sort()).toEqual([['a', 1], ['b', 2], ['c', 1]]);
  });

  test('a lease that is renewed outlives the sweep', async () => {
    await add(store, job(1, 'a'), job(2));
    const claims = await take(store);
    for (const taken of claims) expect(await renew(store, taken, LEASE, NOW + 1)).toBe(true);
    expect(await sweep(store, NOW + LEASE)).toBe(0);
    for (const taken of claims) expect(await finish(store, taken)).toBe(true);
  });

  test('a failed job waits, and its lane with it; others go on', async () => {
    await add(store, job(1, 'a'), job(2, 'a'), job(3, 'b'), job(4));
    const [a, b, flat] = (await take(store)).sort((x, y) => ((x.lane ?? 'z') < (y.lane ?? 'z') ? -1 : 1));
    await store.transaction(async (tx) => {
      await fail(tx, a!, a!.jobs[0]!.id, 'no route', { retryAt: NOW + 5_000 }, NOW);
      await fail(tx, flat!, flat!.jobs[0]!.id, 'no route', { retryAt: NOW + 6_000 }, NOW);
    });
    await finish(store, b!);
    expect(await take(store, { now: NOW + 4_999 })).toEqual([]);
    const again = await take(store, { now: NOW + 6_000 });
    expect(numbers(again)).toEqual([[1, 2], [4]]);
    expect(again.map(({ jobs }) => jobs[0]!.attempts)).toEqual([1, 1]);
    expect((await listJobs(store)).map(({ lastError }) => lastError)).toEqual(['no route', null, 'no route']);
  });

  test('a job that is given up moves to the dead ones and frees its lane', async () => {
    await add(store, job(1, 'a'), job(2, 'a'), job(3));
    const [lane, flat] = await take(store);
    const [first] = lane!.jobs;
    expect(await store.transaction((tx) => fail(tx, lane!, first!.id, `404\0${'x'.repeat(5_000)}`, { dead: true }, NOW + 7))).toBe(true);
    expect(await store.transaction((tx) => fail(tx, flat!, flat!.jobs[0]!.id, '410', { dead: true }, NOW + 7))).toBe(true);
    expect(numbers(await take(store, { now: NOW + 7 }))).toEqual([[2]]);
    const dead = await listJobs(store, { failed: true });
    expect(dead).toEqual([
      expect.objectContaining({ id: first!.id, lane: 'a', attempts: 1, failed: true, runAt: null, createdAt: NOW }),
      expect.objectContaining({ id: flat!.jobs[0]!.id, lane: null, attempts: 1, lastError: '410' }),
    ]);
    expect(dead[0]!.lastError!.length).toBeLessThanOrEqual(1_000);
    expect(await store.transaction((tx) => retryDead(tx, [first!.id, 999_999], NOW))).toBe(1);
    expect(await store.transaction((tx) => dropJobs(tx, [flat!.jobs[0]!.id]))).toBe(1);
    expect(await listJobs(store, { failed: true })).toEqual([]);
    expect((await listJobs(store)).map(({ lane, attempts }) => [lane, attempts])).toEqual([
      ['a', 0],
      ['a', 0],
    ]);
  });

  test('what is put off counts as no attempt', async () => {
    await add(store, job(1, 'a'), job(2));
    for (const taken of await take(store)) expect(await release(store, taken, NOW, NOW + 10)).toBe(true);
    expect(await take(store)).toEqual([]);
    const again = await take(store, { now: NOW + 10 });
    expect(numbers(again)).toEqual([[1], [2]]);
    expect(again.flatMap(({ jobs }) => jobs.map(({ attempts }) => attempts))).toEqual([0, 0]);
  });

  test('a lane whose first job was dropped goes on with the next', async () => {
    await add(store, job(1, 'a', NOW + 99), job(2, 'a'), job(3, 'b'));
    const [first] = await listJobs(store);
    await store.transaction((tx) => dropJobs(tx, [first!.id]));
    const last = (await listJobs(store)).at(-1)!;
    await store.transaction((tx) => dropJobs(tx, [last.id]));
    expect(numbers(await take(store, { now: NOW + 99 }))).toEqual([[2]]);
    await add(store, job(4, 'b'));
    expect(numbers(await take(store))).toEqual([[4]]);
  });

  test('the process that is alone frees all that its forerunner held, of its queue', async () => {
    await add(store, job(1, 'a'), job(2), { ...job(3, 'c'), queue: 'xmpp' });
    await take(store);
    await claim(store, 'xmpp', { lanes: 9, jobs: 9, perLane: 9, leaseMs: LEASE, now: NOW });
    expect(await sweep(store, NOW, { queue: 'main' })).toBe(2);
    expect(numbers(await take(store))).toEqual([[1], [2]]);
  });

  test('the counts tell what waits, runs and was given up, and how old it is', async () => {
    await add(store, job(1, 'a'), job(2, 'a'), job(3), job(4));
    const [lane, flat] = await take(store, { jobs: 1 });
    await store.transaction((tx) => fail(tx, flat!, flat!.jobs[0]!.id, 'no', { dead: true }, NOW));
    expect(lane!.jobs).toHaveLength(2);
    expect(await queueCounts(store, NOW + 500)).toEqual([{ queue: 'main', kind: 'profile-changed', waiting: 2, running: 1, failed: 1, oldestAgeMs: 500 }]);
  });

  test('thousands of jobs are added in one transaction', async () => {
    await add(store, ...Array.from({ length: 3_000 }, (_, index) => job(index, `lane ${index % 700}`)));
    expect((await take(store, { lanes: 700 })).flatMap(({ jobs }) => jobs)).toHaveLength(3_000);
  });

  test('a long queue is counted whole, and others have their turn meanwhile', async () => {
    await add(store, ...Array.from({ length: 9_000 }, (_, index): NewJob => (index % 3 === 0 ? { kind: 'mail', payload: { to: '', template: '', values: {} }, queue: 'main' } : job(index))));
    let turns = 0;
    const turning = setInterval(() => turns++);
    const counts = await queueCounts(store, NOW);
    clearInterval(turning);
    const rest = { queue: 'main', running: 0, failed: 0, oldestAgeMs: 0 };
    expect(counts).toEqual([{ ...rest, kind: 'mail', waiting: 3_000 }, { ...rest, kind: 'profile-changed', waiting: 6_000 }]);
    expect(turns).toBeGreaterThan(0);
  });
});
