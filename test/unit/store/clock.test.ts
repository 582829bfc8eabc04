import { addJobs, type Claim, claim, complete, fail, release } from '../../../src/store/jobs.js';
import { setJobsBack } from '../../../src/store/clock.js';
import type { Store } from '../../../src/store/database.js';
import { describeStores } from '../../support/store.js';

const DAY_MS = 86_400_000;
const LIMITS = { backOffMs: 3_600_000, leaseMs: 30_000 };

describeStores((makeStore) => {
  let store: Store;
  beforeEach(async () => {
    store = await makeStore();
  });
  const add = (actorId: number, at: number, more: { lane?: string; runAt?: number } = {}) =>
    store.transaction((tx) => addJobs(tx, [{ queue: 'main', kind: 'profile-changed', payload: { actorId }, ...more }], at));
  const take = (now: number): Promise<Claim[]> => claim(store, 'main', { lanes: 9, jobs: 9, perLane: 9, leaseMs: LIMITS.leaseMs, now });
  const ids = (claims: Claim[]) => claims.flatMap(({ jobs }) => jobs.map(({ payload }) => (payload as { actorId: number }).actorId));

  test('a lane that was given back before the clock was set back a day runs now, in its order', async () => {
    await add(1, DAY_MS, { lane: 'a' });
    await add(2, DAY_MS, { lane: 'a' });
    const [held] = await take(DAY_MS);
    await release(store, held!, DAY_MS);
    expect(ids(await take(1_000))).toEqual([]);
    await setJobsBack(store, 1_000, LIMITS);
    expect(ids(await take(1_000))).toEqual([1, 2]);
  });

  test('what was to wait for a minute still waits for a minute, in a lane and without one', async () => {
    await add(1, DAY_MS, { runAt: DAY_MS + 60_000 });
    await add(2, DAY_MS, { runAt: DAY_MS + 60_000, lane: 'a' });
    await setJobsBack(store, 1_000, LIMITS);
    expect(ids(await take(60_999))).toEqual([]);
    expect(ids(await take(61_000)).sort()).toEqual([1, 2]);
  });

  test('what failed in the future is tried again within the longest wait', async () => {
    await add(1, 0, { lane: 'a' });
    const [held] = await take(0);
    await store.transaction((tx) => fail(tx, held!, held!.jobs[0]!.id, 'away', { retryAt: DAY_MS }, 0));
    expect(ids(await take(1_000))).toEqual([]);
    await setJobsBack(store, 1_000, LIMITS);
    expect(ids(await take(1_000))).toEqual([1]);
  });

  test('a lease from before ends as soon as one of now; who holds it may still complete it', async () => {
    await add(1, 0, { lane: 'a' });
    await add(2, 0);
    const held = await take(DAY_MS);
    await setJobsBack(store, 1_000, LIMITS);
    expect(await store.query('select lease_until from lanes union all select lease_until from jobs where ordering_key is null')).toEqual([{ lease_until: 31_000 }, { lease_until: 31_000 }]);
    for (const each of held) expect(await store.transaction((tx) => complete(tx, each, [each.jobs[0]!.id], 1_000))).toBe(true);
  });

  test('jobs of a clock that did not jump stay as they are', async () => {
    await add(1, 500, { runAt: DAY_MS });
    await add(2, 500, { lane: 'a' });
    const before = await store.query('select * from jobs order by id');
    const lanes = await store.query('select * from lanes');
    await setJobsBack(store, 1_000, LIMITS);
    expect(await store.query('select * from jobs order by id')).toEqual(before);
    expect(await store.query('select * from lanes')).toEqual(lanes);
  });
});
