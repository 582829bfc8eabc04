// Whether somebody has an account cannot be told by how long an answer takes (threats.md 50): 500 samples each, taken in turn, compared by
// Welch's t-test. What it compares is us with ourselves, so a slow machine is slow for both.
import { jest } from '@jest/globals';
import { authenticate, createAccount, suspendAccount } from '../../../src/services/accounts.js';
import { checkAppPassword, createAppPassword } from '../../../src/services/app-passwords.js';
import { BCRYPT_COST } from '../../../src/services/passwords.js';
import { type TestContext, testContext } from '../../support/context.js';

const SAMPLES = 500;
/** Two thousand times bcrypt, beside whatever else the machine does. */
jest.setTimeout(300_000);
/** Beyond it, two means differ (one chance in 100,000 that they do not). */
const LIMIT = 4.5;
/**
 * What a row that is there costs more to read than one that is not: 0.04 ms on a quiet machine. Neither the 60 tries an hour that an account has nor
 * the 30 in ten minutes of an app password tell so little.
 */
const ROW_MS = 0.2;
const PASSWORD = 'correct horse battery';

/** @returns milliseconds of each way, taken in turn; which one comes first changes */
async function sample(ways: readonly (() => Promise<unknown>)[]): Promise<number[][]> {
  const took: number[][] = ways.map(() => []);
  for (let round = -20; round < SAMPLES; round++) {
    for (let place = 0; place < ways.length; place++) {
      const way = (place + Math.abs(round)) % ways.length;
      const from = performance.now();
      await ways[way]!();
      if (round >= 0) took[way]!.push(performance.now() - from); // the first ones warm up
    }
  }
  return took;
}

/** Welch's t of two samples whose means may differ by ROW_MS, without the slowest tenth of both: those are the garbage collector's, and the machine's. */
function welch(one: number[], other: number[]): number {
  const crop = [...one, ...other].sort((a, b) => a - b)[Math.floor((one.length + other.length) * 0.9)]!;
  const [a, b] = [one, other].map((all) => {
    const values = all.filter((value) => value <= crop);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return { mean, error: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) / values.length };
  });
  return Math.max(0, Math.abs(a!.mean - b!.mean) - ROW_MS) / Math.sqrt(a!.error + b!.error);
}

/** That no way differs from the first. */
async function expectAlike(ways: readonly (() => Promise<unknown>)[]): Promise<void> {
  const [first, ...others] = await sample(ways);
  for (const other of others) expect(welch(first!, other)).toBeLessThan(LIMIT);
}

describe('by the time that an answer takes', () => {
  let ctx: TestContext;
  let password: string;
  beforeAll(async () => {
    BCRYPT_COST.web = 6;
    ctx = await testContext();
    const { account } = await createAccount(ctx, { username: 'alice', email: 'alice@mail.test', password: PASSWORD });
    password = (await createAppPassword(ctx, account, 'Phone')).password;
    await suspendAccount(ctx, (await createAccount(ctx, { username: 'sue', email: 'sue@mail.test', password: PASSWORD })).account);
  });
  afterAll(() => ctx.close());

  test('the test itself tells a bcrypt that is missing', async () => {
    const [slow, quick] = await sample([() => checkAppPassword(ctx, 'alice', 'wrong', 'chat'), () => Promise.resolve()]);
    expect(welch(slow!, quick!)).toBeGreaterThan(LIMIT);
  });

  test('nobody learns at a chat login whether a name, or an app password, is known', async () => {
    const wrong = password.slice(0, -1) + (password.at(-1) === 'a' ? 'b' : 'a');
    const check = (name: string, typed: string) => () => checkAppPassword(ctx, name, typed, 'chat');
    await expectAlike([check('alice', wrong), check('nobody', wrong), check('alice', `zzzzzz${password.slice(6)}`), check('sue', wrong)]);
  });

  test('nobody learns at a login on the web whether a name is known, or an account suspended', async () => {
    const tryIt = (login: string) => () => authenticate(ctx, login, 'wrong horse');
    await expectAlike([tryIt('alice'), tryIt('nobody'), tryIt('sue')]);
  });
});
