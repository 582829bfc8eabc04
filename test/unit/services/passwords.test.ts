import { bcryptRuns, hashPassword, normalizePassword, verifyPassword } from '../../../src/services/passwords.js';

describe('passwords', () => {
  test('the right password is right, another is wrong', async () => {
    const hash = await hashPassword('app', 'correct horse');
    expect(hash).toMatch(/^\$2b\$06\$/);
    expect(await verifyPassword('app', 'correct horse', hash)).toBe(true);
    expect(await verifyPassword('app', 'correct horsf', hash)).toBe(false);
  });

  test('web passwords cost 12', async () => {
    expect(await hashPassword('web', 'correct horse')).toMatch(/^\$2b\$12\$/);
  });

  test.each([
    ['no hash', 'whatever', null],
    ['an empty hash', 'whatever', ''],
    ['an empty password', '', '$2b$06$Fskgpbpsr3UfhJRC2QW6zOwV3o0iLDTrJNU9sOk3EzfvrYRmmMdlO'],
    ['more bytes than bcrypt reads', 'x'.repeat(73), '$2b$06$Fskgpbpsr3UfhJRC2QW6zOwV3o0iLDTrJNU9sOk3EzfvrYRmmMdlO'],
    ['a NUL', 'a\0b', '$2b$06$Fskgpbpsr3UfhJRC2QW6zOwV3o0iLDTrJNU9sOk3EzfvrYRmmMdlO'],
  ])('%s: false, for one run of bcrypt', async (_, password, hash) => {
    const before = bcryptRuns.app;
    expect(await verifyPassword('app', password, hash)).toBe(false);
    expect(bcryptRuns.app).toBe(before + 1);
  });

  test('what stands in for no hash costs as much as a real one', async () => {
    const hash = await hashPassword('web', 'correct horse');
    const time = async (against: string | null) => {
      const started = process.cpuUsage();
      await verifyPassword('web', 'wrong', against);
      const { user, system } = process.cpuUsage(started);
      return user + system;
    };
    // A stand-in that bcrypt refused to read would cost nothing at all.
    expect(await time(null)).toBeGreaterThan((await time(hash)) / 10);
  });

  test('a password whose 72 bytes are right and whose rest differs is wrong', async () => {
    const hash = await hashPassword('app', 'x'.repeat(72));
    expect(await verifyPassword('app', 'x'.repeat(72), hash)).toBe(true);
    expect(await verifyPassword('app', `${'x'.repeat(72)}y`, hash)).toBe(false);
  });

  test('both ways to write an accent are one password', () => {
    expect(normalizePassword('cafe\u0301')).toBe(normalizePassword('caf\u00e9'));
  });

  test('what nobody waits for any more does not run', async () => {
    const before = bcryptRuns.app;
    await expect(verifyPassword('app', 'x', null, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(bcryptRuns.app).toBe(before);
  });

  test('many at once all get their answer, and too many are turned away', async () => {
    const results = await Promise.allSettled(Array.from({ length: 110 + 100 }, () => verifyPassword('web', 'x', null, AbortSignal.timeout(1))));
    const unavailable = results.filter((result) => result.status === 'rejected' && result.reason.code === 'unavailable');
    expect(unavailable.length).toBeGreaterThan(100);
    expect(await verifyPassword('web', 'x', null)).toBe(false);
  });
});
