import { awaitChatNews, endsChatSessions, readChatNews } from '../../../src/services/chat-sessions.js';
import { addressKey, countFailure, isLimited, knowsAddress, rememberAddress, takeLimits } from '../../../src/services/limits.js';
import { sweepExpired } from '../../../src/jobs/sweep.js';
import { isMarked, mark, markedUntil } from '../../../src/services/marks.js';
import { type TestContext, testContext } from '../../support/context.js';
import { describeStores } from '../../support/store.js';

describeStores((makeStore) => {
  let ctx: TestContext;
  beforeEach(async () => {
    ctx = await testContext({ DX_RATE_LIMITS: 'on' }, await makeStore());
  });
  afterEach(() => ctx.close());

  test('the try after the last allowed one is refused, and says how long to wait', async () => {
    for (let i = 0; i < 5; i++) await takeLimits(ctx, { 'mail-recipient': 'alice@mail.test' });
    await expect(takeLimits(ctx, { 'mail-recipient': 'alice@mail.test' })).rejects.toMatchObject({ code: 'too-many', message: expect.stringMatching(/wait 60 minutes/) });
    await expect(takeLimits(ctx, { 'mail-recipient': 'bob@mail.test' })).resolves.toBeDefined();
  });

  test('tries that are given back do not count', async () => {
    for (let i = 0; i < 20; i++) await (await takeLimits(ctx, { 'mail-recipient': 'alice@mail.test' }))();
    expect(await isLimited(ctx, { 'mail-recipient': 'alice@mail.test' })).toBe(false);
  });

  test('when one limit of several is used up, the others are not counted', async () => {
    for (let i = 0; i < 5; i++) await takeLimits(ctx, { 'mail-recipient': 'alice@mail.test' });
    for (let i = 0; i < 100; i++) await takeLimits(ctx, { 'mail-address': '192.0.2.1', 'mail-recipient': 'alice@mail.test' }).catch(() => {});
    await expect(takeLimits(ctx, { 'mail-address': '192.0.2.1' })).resolves.toBeDefined();
  });

  test('counted failures use a limit up', async () => {
    for (let i = 0; i < 30; i++) {
      expect(await isLimited(ctx, { 'app-password-row': '7' })).toBe(false);
      await countFailure(ctx, { 'app-password-row': '7' });
    }
    expect(await isLimited(ctx, { 'app-password-row': '7' })).toBe(true);
    expect(await isLimited(ctx, { 'app-password-row': '8' })).toBe(false);
  });

  test('switched off, nothing is limited', async () => {
    const off = await testContext();
    for (let i = 0; i < 50; i++) await takeLimits(off, { 'mail-recipient': 'alice@mail.test' });
    for (let i = 0; i < 50; i++) await countFailure(off, { 'app-password-row': '7' });
    expect(await isLimited(off, { 'app-password-row': '7' })).toBe(false);
    await off.close();
  });

  test('of tries at the same moment, no more pass than are allowed', async () => {
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => takeLimits(ctx, { 'mail-recipient': 'alice@mail.test' })));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
  });

  test('an address is remembered for its account alone, and not for ever', async () => {
    await rememberAddress(ctx, 1, '2001:db8::1');
    expect(await knowsAddress(ctx, 1, '2001:db8::ffff')).toBe(true);
    expect(await knowsAddress(ctx, 2, '2001:db8::1')).toBe(false);
    expect(await knowsAddress(ctx, 1, undefined)).toBe(false);
    ctx.pass(100 * 24 * 3_600_000);
    expect(await knowsAddress(ctx, 1, '2001:db8::1')).toBe(false);
  });

  test('a mark holds until its time, and a later one stands for it', async () => {
    expect(await markedUntil(ctx, 'let-in', 'alice')).toBe(-Infinity);
    await mark(ctx, 'let-in', 'alice', ctx.now() + 1_000);
    await mark(ctx, 'let-in', 'alice', ctx.now() + 5_000);
    expect([await isMarked(ctx, 'let-in', 'alice'), await isMarked(ctx, 'let-in', 'bob'), await isMarked(ctx, 'chat-module', 'alice')]).toEqual([true, false, false]);
    ctx.pass(5_000);
    expect(await isMarked(ctx, 'let-in', 'alice')).toBe(false);
  });

  // SQLite has one process.
  const betweenProcesses = makeStore.dialect === 'postgres' ? describe : null;
  betweenProcesses?.('between two processes', () => {
    let url: string;
    const processes: TestContext[] = [];
    beforeEach(async () => {
      url = await makeStore.url();
      await (await makeStore.open(url)).migrate();
      processes.push(...(await Promise.all([1, 2].map(async () => testContext({ DX_RATE_LIMITS: 'on' }, await makeStore.open(url))))));
    });
    afterEach(() => Promise.all(processes.splice(0).map((each) => each.close())));

    test('what one counts the other counts on, whichever way it is counted', async () => {
      const [one, two] = processes as [TestContext, TestContext];
      for (let i = 0; i < 5; i++) await takeLimits(i % 2 ? one : two, { 'mail-recipient': 'alice@mail.test' });
      for (const each of processes) await expect(takeLimits(each, { 'mail-recipient': 'alice@mail.test' })).rejects.toMatchObject({ code: 'too-many' });
      for (let i = 0; i < 30; i++) await countFailure(one, { 'app-password-row': '7' });
      expect(await isLimited(two, { 'app-password-row': '7' })).toBe(true);
      const giveBack = await takeLimits(one, { 'sign-up-address': 'x' });
      await giveBack();
      for (let i = 0; i < 10; i++) await takeLimits(two, { 'sign-up-address': 'x' });
      await expect(takeLimits(one, { 'sign-up-address': 'x' })).rejects.toMatchObject({ code: 'too-many' });
    });

    test('an address from which one let somebody in is known to the other, and so is a chat server', async () => {
      const [one, two] = processes as [TestContext, TestContext];
      await rememberAddress(one, 1, '192.0.2.1');
      expect(await knowsAddress(two, 1, '192.0.2.1')).toBe(true);
      const stop = new AbortController();
      const waiting = awaitChatNews(one, (await readChatNews(one, null, false)).cursor, false, stop.signal);
      while (!(await endsChatSessions(two))) await new Promise((resolve) => setImmediate(resolve));
      stop.abort();
      await waiting;
      two.pass(29_000);
      expect(await endsChatSessions(two)).toBe(true);
      two.pass(2_000);
      expect(await endsChatSessions(two)).toBe(false);
    });

    test('the sweep forgets what has run out, and nothing else', async () => {
      const [one] = processes as [TestContext];
      await mark(one, 'let-in', 'old', one.now() - 1);
      await mark(one, 'let-in', 'new', one.now() + 1_000);
      await sweepExpired(one);
      expect(await one.store.query('select expire from limits')).toEqual([{ expire: one.now() + 1_000 }]);
    });
  });

});

describe('the key of an address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', 'unknown'],
    ['nonsense', 'nonsense'],
  ])('the key of %s is %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});
