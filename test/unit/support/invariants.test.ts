// The checker itself: each kind of damage is found. What it passes, the fault tests rely on.
import { newGuid } from '../../../src/domain/guid.js';
import type { Store } from '../../../src/store/database.js';
import { addJobs } from '../../../src/store/jobs.js';
import { addDeliveries, insertActivity, setDelivery } from '../../../src/store/ledger.js';
import { checkInvariants, type Expected } from '../../support/invariants.js';
import { makeAccount, makePost } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

const HOSTS = ['one.test', 'two.test'];

describeStores((makeStore) => {
  let store: Store;
  let authorId: number;
  let expected: Expected & { received: Map<string, string[]> };
  const faults = async (change: Partial<Expected> = {}) => (await checkInvariants(store, { ...expected, ...change })).faults;
  const run = (sql: string, ...params: unknown[]) => store.transaction((tx) => tx.query(sql, params));

  beforeEach(async () => {
    store = await makeStore();
    authorId = (await makeAccount(store, 'alice')).actor.id;
    const accepted: Expected['accepted'][number][] = [];
    for (const number of [0, 1, 2]) {
      const { guid } = await makePost(store, authorId, { to: 'public' }, 1_000 + number);
      await run('update posts set once = ? where guid = ?', `alice-${number}`, guid);
      await store.transaction(async (tx) => {
        const id = newGuid(2_000 + number);
        await insertActivity(tx, { id, actorId: authorId, verb: 'post', postGuid: guid, commentGuid: null, publishedAt: 1 });
        await addDeliveries(tx, id, 'xmpp', HOSTS, 1);
        for (const host of HOSTS) await setDelivery(tx, { activityId: id, protocol: 'xmpp', host, state: 'arrived', at: 2 });
      });
      accepted.push({ username: 'alice', number, guid });
    }
    const guids = accepted.map(({ guid }) => guid);
    expected = { accepted, hosts: HOSTS, received: new Map([['reader@one.test', [...guids]], ['reader@two.test', [guids[0]!, ...guids]]]) };
  });

  test('nothing is amiss: items that came again are counted, and no fault', async () => {
    expect(await checkInvariants(store, expected)).toEqual({ faults: [], posts: 3, repeated: 1, lost: 0 });
  });

  test('a post that is not there, a second one, and one of another form are found', async () => {
    const missing = { username: 'alice', number: 3, guid: newGuid(5_000) };
    expect(await faults({ accepted: [...expected.accepted, missing] })).toEqual(expect.arrayContaining([expect.stringContaining(`lost: post 3 of alice, ${missing.guid}`)]));
    expect(await faults({ accepted: expected.accepted.slice(0, 2) })).toEqual(expect.arrayContaining([expect.stringContaining('a post that no author knows')]));
    await run("update posts set once = 'alice-7' where guid = ?", expected.accepted[0]!.guid);
    expect(await faults()).toEqual([expect.stringContaining('is another one')]);
  });

  test('a delivery that is missing, too much, waiting or given up is found; so is a second activity', async () => {
    await run("delete from deliveries where host = 'two.test'");
    expect(await faults()).toHaveLength(3);
    expect(await faults({ hosts: ['one.test'] })).toEqual([]);
    await run("update deliveries set state = 'waiting'");
    expect(await faults({ hosts: ['one.test'] })).toHaveLength(3);
    expect(await faults({ hosts: ['one.test'], failing: ['one.test'] })).toEqual([expect.stringContaining('without a reason'), expect.anything(), expect.anything()]);
    await store.transaction((tx) => insertActivity(tx, { id: newGuid(9_000), actorId: authorId, verb: 'post', postGuid: expected.accepted[0]!.guid, commentGuid: null, publishedAt: 1 }));
    expect(await faults()).toEqual(expect.arrayContaining([expect.stringContaining('has 2 activities')]));
  });

  test('a reader without an item, in another order, or with what nobody posted is found', async () => {
    const [a, b, c] = expected.accepted.map(({ guid }) => guid) as [string, string, string];
    const of = async (...ids: string[]) => checkInvariants(store, { ...expected, received: new Map([['reader@one.test', ids]]) });
    expect(await of(a, c)).toMatchObject({ faults: [`reader@one.test has not got 1 of alice, ${b}`], lost: 1 });
    expect((await of(a, c, b)).faults).toEqual(['reader@one.test got 1 of alice after 2']);
    expect((await of(a, b, c, newGuid(1))).faults).toEqual([expect.stringContaining('which nobody posted')]);
    expect((await of(a, b, a, c)).faults).toEqual([]);
  });

  test('a lane that is stranded and a job that was given up are found', async () => {
    await store.transaction((tx) => addJobs(tx, [{ kind: 'profile-changed', payload: { actorId: 1 }, queue: 'xmpp', lane: 'a' }], 1));
    expect(await faults()).toEqual([]);
    await run('update lanes set run_at = null');
    expect(await faults()).toEqual(['the lane a is stranded']);
    await run("insert into dead_jobs (id, queue, kind, payload, attempts, last_error, created_at, died_at) values (99, 'main', 'mail', '{}', 1, 'no', 1, 1)");
    expect(await faults()).toHaveLength(2);
  });
});
