import fc from 'fast-check';
import type { Account } from '../../../src/domain/account.js';
import { closeAccount, createAccount, reactivateAccount, suspendAccount } from '../../../src/services/accounts.js';
import {
  checkAppPassword,
  createAppPassword,
  forgetVerified,
  listAppPasswords,
  parseAppPassword,
  revokeAllAppPasswords,
  revokeAppPassword,
  writeUses,
} from '../../../src/services/app-passwords.js';
import { countFailure } from '../../../src/services/limits.js';
import { bcryptRuns, verifyPassword } from '../../../src/services/passwords.js';
import type { Tx } from '../../../src/store/database.js';
import { type TestContext, testContext } from '../../support/context.js';

const DAY = 86_400_000;
const WEB_PASSWORD = 'correct horse battery';

describe('app passwords', () => {
  let ctx: TestContext;
  let alice: Account;
  let bob: Account;
  beforeAll(async () => {
    ctx = await testContext();
    alice = (await createAccount(ctx, { username: 'alice', email: 'alice@mail.test', password: WEB_PASSWORD })).account;
    bob = (await createAccount(ctx, { username: 'bob', email: 'bob@mail.test' })).account;
  });
  afterAll(() => ctx.close());
  beforeEach(() => forgetVerified());

  const check = (username: string, password: string) => checkAppPassword(ctx, username, password, 'chat');
  const costOf = async (work: () => Promise<unknown>): Promise<number> => {
    const before = bcryptRuns.app + bcryptRuns.web;
    await work();
    return bcryptRuns.app + bcryptRuns.web - before;
  };

  test('eight groups of four that nobody mistakes, 128 random bits, of which bcrypt reads every byte', async () => {
    const { row, password } = await createAppPassword(ctx, alice, 'Phone');
    expect(password).toMatch(/^([a-hj-km-np-z2-9]{4}-){7}[a-hj-km-np-z2-9]{4}$/);
    const parsed = parseAppPassword(password)!;
    expect(parsed.selector).toBe(row.selector);
    expect(Buffer.byteLength(parsed.secret)).toBeLessThanOrEqual(72);
    expect(parsed.secret.length * Math.log2(31)).toBeGreaterThanOrEqual(128);
    expect(row.hash).toMatch(/^\$2b\$06\$/);
    expect(JSON.stringify(row)).not.toContain(parsed.secret);
  });

  test('it opens the chat of its account, and of no other', async () => {
    const { password } = await createAppPassword(ctx, alice, 'Phone');
    expect(await check('alice', password)).toMatchObject({ id: alice.id });
    expect(await check('ALICE', password)).toMatchObject({ id: alice.id });
    expect(await check('bob', password)).toBeNull();
    expect(await check('nobody', password)).toBeNull();
    expect(await check('', password)).toBeNull();
  });

  test('blanks, hyphens of any kind and case are forgiven', async () => {
    const { password } = await createAppPassword(ctx, alice, 'Phone');
    const bare = password.replaceAll('-', '');
    for (const typed of [bare, bare.toUpperCase(), ` ${password} `, password.replaceAll('-', '–'), password.replaceAll('-', ' \u00a0'), `${bare.slice(0, 9)}\u200b${bare.slice(9)}\n`]) {
      expect(await check('alice', typed)).toMatchObject({ id: alice.id });
    }
  });

  test('one wrong, missing or added character is a wrong password', async () => {
    const { password } = await createAppPassword(ctx, alice, 'Phone');
    const other = password.at(-1) === 'a' ? 'b' : 'a';
    const otherFirst = password[0] === 'a' ? 'b' : 'a';
    for (const typed of [password.slice(0, -1) + other, password.slice(0, -1), `${password}a`, otherFirst + password.slice(1), '']) {
      expect(await check('alice', typed)).toBeNull();
    }
  });

  test('whatever bytes come as a password, the answer is no', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 400 }), async (text) => {
        expect(await check('alice', text)).toBeNull();
      }),
      { numRuns: 50 },
    );
    expect(await check('alice', 'x'.repeat(65_536))).toBeNull();
  });

  test('a web password never opens chat', async () => {
    expect(await check('alice', WEB_PASSWORD)).toBeNull();
  });

  test('a known and an unknown name, password, or account cost the same', async () => {
    const { row, password } = await createAppPassword(ctx, alice, 'Phone');
    const wrong = password.slice(0, -1) + (password.at(-1) === 'a' ? 'b' : 'a');
    const unknownSelector = `zzzzzz${parseAppPassword(password)!.secret}`;
    const cases: [string, string][] = [['alice', wrong], ['alice', unknownSelector], ['alice', 'rubbish'], ['alice', ''], ['nobody', password], ['no body', wrong], ['bob', password]];
    for (const [username, typed] of cases) expect(await costOf(() => check(username, typed))).toBe(1);
    await revokeAppPassword(ctx, alice, row.id);
    expect(await costOf(() => check('alice', password))).toBe(1);
  });

  /** A password that this process has forgotten, as after a restart. */
  const coldPassword = async (account: Account) => {
    const made = await createAppPassword(ctx, account, 'Phone');
    forgetVerified();
    return made;
  };
  const almost = (password: string) => password.slice(0, -1) + (password.at(-1) === 'a' ? 'b' : 'a');

  test('the first use of a new one needs no bcrypt, for an hour, and only for the very same password and name', async () => {
    const { password } = await createAppPassword(ctx, alice, 'Phone');
    for (const [name, typed] of [['alice', almost(password)], ['bob', password], ['nobody', password]] as const) {
      expect(await costOf(async () => expect(await check(name, typed)).toBeNull())).toBe(1);
    }
    ctx.pass(3_599_999);
    expect(await costOf(async () => expect(await check('alice', password)).not.toBeNull())).toBe(0);
    // From here it counts as any other that was right a moment ago.
    ctx.pass(3_599_999);
    expect(await costOf(async () => expect(await check('alice', password)).not.toBeNull())).toBe(0);
    const late = await createAppPassword(ctx, alice, 'Typed late');
    ctx.pass(3_600_000);
    expect(await costOf(async () => expect(await check('alice', late.password)).not.toBeNull())).toBe(1);
  });

  test('a new one that was revoked, or whose account was suspended, before its first use gets nobody in', async () => {
    const { account } = await createAccount(ctx, { username: 'freda', email: 'freda@mail.test' });
    const lost = await createAppPassword(ctx, account, 'Lost');
    const kept = await createAppPassword(ctx, account, 'Kept');
    await revokeAppPassword(ctx, account, lost.row.id);
    expect(await costOf(async () => expect(await check('freda', lost.password)).toBeNull())).toBe(1);
    await suspendAccount(ctx, account);
    expect(await costOf(async () => expect(await check('freda', kept.password)).toBeNull())).toBe(1);
    await reactivateAccount(ctx, { ...account, state: 'suspended' });
    expect(await check('freda', kept.password)).not.toBeNull();
  });

  test('one whose making came to nothing is not known', async () => {
    const { account } = await createAccount(ctx, { username: 'greta', email: 'greta@mail.test' });
    let made: string | undefined;
    const undone = Object.create(ctx.store, {
      transaction: {
        value: (work: (tx: Tx) => Promise<{ password: string }>) =>
          ctx.store.transaction(async (tx) => {
            made = (await work(tx)).password;
            throw new Error('the commit failed');
          }),
      },
    });
    await expect(createAppPassword({ ...ctx, store: undone }, account, 'Phone')).rejects.toThrow('the commit failed');
    expect(await costOf(async () => expect(await check('greta', made!)).toBeNull())).toBe(1);
  });

  test('what was right a moment ago needs no bcrypt, for an hour, and only for the very same password', async () => {
    const { password } = await coldPassword(alice);
    expect(await costOf(() => check('alice', password))).toBe(1);
    expect(await costOf(() => check('alice', password.toUpperCase()))).toBe(0);
    expect(await costOf(() => check('alice', almost(password)))).toBe(1);
    ctx.pass(3_600_000);
    expect(await costOf(() => check('alice', password))).toBe(1);
  });

  test('revoked: the next check fails, cached or not; others go on', async () => {
    const phone = await createAppPassword(ctx, alice, 'Phone');
    const tablet = await createAppPassword(ctx, alice, 'Tablet');
    expect(await check('alice', phone.password)).not.toBeNull();
    await revokeAppPassword(ctx, alice, phone.row.id);
    expect(await check('alice', phone.password)).toBeNull();
    expect(await check('alice', tablet.password)).not.toBeNull();
    await revokeAppPassword(ctx, alice, phone.row.id);
    expect((await listAppPasswords(ctx, alice)).map((row) => row.label)).toContain('Tablet');
    expect((await listAppPasswords(ctx, alice)).map((row) => row.id)).not.toContain(phone.row.id);
  });

  test('revoked while bcrypt was waiting: it does not get in', async () => {
    const { row, password } = await coldPassword(alice);
    const queue = Array.from({ length: 300 }, () => verifyPassword('app', 'x', null)); // it waits behind these
    const answer = check('alice', password);
    await revokeAppPassword(ctx, alice, row.id);
    expect(await answer).toBeNull();
    await Promise.all(queue);
  });

  test('suspended and closed accounts are let in no more, active again they are', async () => {
    const { account } = await createAccount(ctx, { username: 'carol', email: 'carol@mail.test' });
    const { password } = await createAppPassword(ctx, account, 'Phone');
    expect(await check('carol', password)).not.toBeNull();
    await suspendAccount(ctx, account);
    expect(await check('carol', password)).toBeNull();
    await reactivateAccount(ctx, { ...account, state: 'suspended' });
    expect(await check('carol', password)).not.toBeNull();
    await closeAccount(ctx, account);
    expect(await check('carol', password)).toBeNull();
  });

  test('one cannot revoke what belongs to another', async () => {
    const { row, password } = await createAppPassword(ctx, alice, 'Phone');
    await expect(revokeAppPassword(ctx, bob, row.id)).rejects.toMatchObject({ code: 'not-found' });
    expect(await check('alice', password)).not.toBeNull();
  });

  test('all of an account are revoked at once', async () => {
    const mine = await createAppPassword(ctx, bob, 'Phone');
    await createAppPassword(ctx, bob, 'Tablet');
    const hers = await createAppPassword(ctx, alice, 'Phone');
    expect(await revokeAllAppPasswords(ctx, bob)).toBe(2);
    expect(await check('bob', mine.password)).toBeNull();
    expect(await check('alice', hers.password)).not.toBeNull();
    expect(await listAppPasswords(ctx, bob)).toEqual([]);
  });

  test('the day of the last use is noted, once a day, and what used it', async () => {
    const { row, password } = await createAppPassword(ctx, alice, 'Noted');
    const noted = async () => (await listAppPasswords(ctx, alice)).find((each) => each.id === row.id)!;
    expect(await noted()).toMatchObject({ lastUsedDay: null, lastUsedBy: null });
    await check('alice', password);
    await writeUses(ctx);
    const today = Math.floor(ctx.now() / DAY) * DAY;
    expect(await noted()).toMatchObject({ lastUsedDay: today, lastUsedBy: 'chat' });
    ctx.pass(60_000);
    await checkAppPassword(ctx, 'alice', password, 'api');
    await writeUses(ctx);
    expect(await noted()).toMatchObject({ lastUsedDay: today, lastUsedBy: 'chat' });
    ctx.pass(DAY);
    await checkAppPassword(ctx, 'alice', password, 'api');
    await writeUses(ctx);
    expect(await noted()).toMatchObject({ lastUsedDay: today + DAY, lastUsedBy: 'api' });
  });

  test.each([
    ['', /what it is for/],
    [' \u200b\n', /what it is for/],
    ['x'.repeat(61), /at most 60/],
  ])('the label %j is refused', async (label, message) => {
    await expect(createAppPassword(ctx, alice, label)).rejects.toMatchObject({ code: 'invalid', field: 'label', message: expect.stringMatching(message) });
  });

  test('an account has at most 50', async () => {
    const { account } = await createAccount(ctx, { username: 'dora', email: 'dora@mail.test' });
    for (let i = 0; i < 50; i++) await createAppPassword(ctx, account, `App ${i}`);
    await expect(createAppPassword(ctx, account, 'One more')).rejects.toMatchObject({ code: 'conflict' });
  });

  test('no password is ever logged', async () => {
    const { password } = await createAppPassword(ctx, alice, 'Canary');
    await check('alice', password);
    await check('bob', password);
    expect(ctx.logged()).not.toContain(password);
    expect(ctx.logged()).not.toContain(parseAppPassword(password)!.secret);
  });
});

describe('limits of app passwords', () => {
  let ctx: TestContext;
  let alice: Account;
  beforeEach(async () => {
    ctx = await testContext({ DX_RATE_LIMITS: 'on' });
    alice = (await createAccount(ctx, { username: 'alice', email: 'alice@mail.test' })).account;
    forgetVerified();
  });
  afterEach(() => ctx.close());
  const guess = (name: string) => checkAppPassword(ctx, name, 'aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaa', 'chat');

  test('after many wrong ones nothing is looked at any more', async () => {
    for (let i = 0; i < 60; i++) await guess('alice');
    const before = bcryptRuns.app;
    expect(await guess('alice')).toBeNull();
    expect(bcryptRuns.app).toBe(before);
    await guess('bob');
    expect(bcryptRuns.app).toBe(before + 1);
  });

  test('a stranger who guesses does not lock the owner out, whether her password was used of late or not', async () => {
    const used = await createAppPassword(ctx, alice, 'Phone');
    const fresh = await createAppPassword(ctx, alice, 'Tablet');
    forgetVerified();
    await checkAppPassword(ctx, 'alice', used.password, 'chat');
    for (let i = 0; i < 100; i++) await guess('alice');
    expect(await checkAppPassword(ctx, 'alice', used.password, 'chat')).not.toBeNull();
    expect(await checkAppPassword(ctx, 'alice', fresh.password, 'chat')).not.toBeNull();
  });

  test('the owner is told by mail, once a day, and nobody for a name that nobody has', async () => {
    for (let i = 0; i < 60; i++) await guess('alice');
    await writeUses(ctx);
    expect(await ctx.takeMails()).toEqual([]);
    await guess('alice');
    await guess('alice');
    let mails = await ctx.takeMails();
    while (mails.length === 0) mails = await ctx.takeMails();
    expect(mails).toMatchObject([{ to: 'alice@mail.test', template: 'guessing-chat', values: { username: 'alice' } }]);
    for (let i = 0; i < 70; i++) await guess('nobody');
    await guess('alice');
    expect(await ctx.takeMails()).toEqual([]);
    expect(ctx.logged().match(/the owner was told/g)).toHaveLength(1);
  });

  test('tries for many names reach the limit over all, and nobody is written to for it', async () => {
    const password = (await createAppPassword(ctx, alice, 'Phone')).password;
    await checkAppPassword(ctx, 'alice', password, 'chat');
    await countFailure(ctx, { 'app-password-overall': 'all' }, 6_000);
    const before = bcryptRuns.app;
    expect(await guess('someone')).toBeNull();
    expect(await guess('alice')).toBeNull();
    expect(bcryptRuns.app).toBe(before);
    expect(await checkAppPassword(ctx, 'alice', password, 'chat')).not.toBeNull();
    forgetVerified(); // also from a cold cache: whoever knows the selector is no stranger
    expect(await checkAppPassword(ctx, 'alice', password, 'chat')).not.toBeNull();
    expect(await ctx.takeMails()).toEqual([]);
  });

  test('who knows the selector too can be stopped, and even then the password that was right a minute ago is right', async () => {
    const { password } = await createAppPassword(ctx, alice, 'Phone');
    forgetVerified();
    await checkAppPassword(ctx, 'alice', password, 'chat');
    const near = password.slice(0, -1) + (password.at(-1) === 'a' ? 'b' : 'a');
    for (let i = 0; i < 40; i++) await checkAppPassword(ctx, 'alice', near, 'chat');
    const before = bcryptRuns.app;
    expect(await checkAppPassword(ctx, 'alice', near, 'chat')).toBeNull();
    expect(bcryptRuns.app).toBe(before);
    expect(await checkAppPassword(ctx, 'alice', password, 'chat')).not.toBeNull();
  });
});
