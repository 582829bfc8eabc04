import { addressKey, countFailure, isLimited, knowsAddress, rememberAddress, takeLimits } from '../../../src/services/limits.js';
import { type TestContext, testContext } from '../../support/context.js';

describe('limits', () => {
  let ctx: TestContext;
  beforeEach(async () => {
    ctx = await testContext({ DX_RATE_LIMITS: 'on' });
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

  test('an address is remembered for its account alone', () => {
    rememberAddress(ctx, 1, '2001:db8::1');
    expect(knowsAddress(ctx, 1, '2001:db8::ffff')).toBe(true);
    expect(knowsAddress(ctx, 2, '2001:db8::1')).toBe(false);
    expect(knowsAddress(ctx, 1, undefined)).toBe(false);
  });

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
