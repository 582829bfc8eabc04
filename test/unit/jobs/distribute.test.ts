import type { Account } from '../../../src/domain/account.js';
import { distribute } from '../../../src/jobs/distribute.js';
import { publishPost } from '../../../src/services/publish.js';
import { listDeliveries } from '../../../src/store/ledger.js';
import { testContext, type TestContext } from '../../support/context.js';
import { makeAccount } from '../../support/people.js';
import { describeStores } from '../../support/store.js';

describeStores((makeStore) => {
  let ctx: TestContext;
  let account: Account;
  let hosts: string[];

  beforeEach(async () => {
    ctx = await testContext({}, await makeStore());
    ctx.protocols.push({ name: 'xmpp', addressOf: () => null, hostsFor: async () => hosts, deliver: async () => ({ recipients: 1, resting: 0 }) });
    ({ account } = await makeAccount(ctx.store, 'alice'));
    hosts = ['a.test', 'b.test'];
  });
  afterEach(() => ctx.close());

  const waiting = async () => {
    const rows = await ctx.store.query<{ payload: string }>("select payload from jobs where kind = 'deliver' order by id");
    return rows.map(({ payload }) => JSON.parse(payload).host as string);
  };
  /** Publishes, and lets the jobs `distribute` run that are due. */
  const publish = () => publishPost(ctx, account, { text: 'hello', audience: { to: 'public' } });
  async function runDue(): Promise<number> {
    const rows = await ctx.store.query<{ payload: string }>("select payload from jobs where kind = 'distribute' and run_at <= ?", [ctx.now()]);
    for (const { payload } of rows) await distribute(ctx, JSON.parse(payload));
    return rows.length;
  }

  test('who began to follow from yet another server while a post was written gets it, and nobody twice', async () => {
    const { guid } = await publish();
    expect(await waiting()).toEqual(['a.test', 'b.test']);
    hosts = ['a.test', 'b.test', 'c.test'];
    ctx.pass(3_000);
    expect(await runDue()).toBe(1);
    expect(await runDue()).toBe(1);
    expect(await waiting()).toEqual(['a.test', 'b.test', 'c.test']);
    expect((await listDeliveries(ctx.store, guid)).map(({ host }) => host)).toEqual(['a.test', 'b.test', 'c.test']);
  });

  test('posts of the same second are looked at together', async () => {
    ctx.pass(100);
    await publish();
    ctx.pass(400);
    await publish();
    ctx.pass(600); // of the next one
    await publish();
    const times = await ctx.store.query<{ run_at: number }>("select run_at from jobs where kind = 'distribute' order by id");
    const since = times.map(({ run_at }) => run_at - ctx.now());
    expect(since).toEqual([1_900, 1_900, 2_900]);
  });

  test('many servers are all entered by the job, not with the post', async () => {
    hosts = Array.from({ length: 300 }, (_, index) => `s${index}.test`);
    await publish();
    expect(await waiting()).toEqual([]);
    expect(await runDue()).toBe(1);
    expect((await waiting()).toSorted()).toEqual(hosts.toSorted());
  });
});
