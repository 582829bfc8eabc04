import {
  authenticate,
  changePassword,
  checkOwnPassword,
  closeAccount,
  confirmAccount,
  confirmEmailChange,
  createAccount,
  peekToken,
  reactivateAccount,
  removeUnconfirmed,
  requestEmailChange,
  requestPasswordReset,
  resendConfirmation,
  resetPassword,
  signUp,
  suspendAccount,
} from '../../../src/services/accounts.js';
import { createAppPassword } from '../../../src/services/app-passwords.js';
import { BCRYPT_COST, bcryptRuns } from '../../../src/services/passwords.js';
import { findAccountByEmail, findAccountByUsername, listAccounts } from '../../../src/store/accounts.js';
import { findActorByAddress, findLocalActor } from '../../../src/store/actors.js';
import { readSession, writeSession } from '../../../src/store/sessions.js';
import { type TestContext, testContext } from '../../support/context.js';
import { describeStores } from '../../support/store.js';

const HOUR = 3_600_000;
const PASSWORD = 'correct horse battery';
const NEXT = 'nine wet umbrellas';
const tokenOf = (link: string) => link.split('/').at(-1)!;

beforeAll(() => {
  BCRYPT_COST.web = 4;
});

describe('accounts', () => {
  let ctx: TestContext;
  beforeEach(async () => {
    ctx = await testContext();
  });
  afterEach(() => ctx.close());

  const alice = { username: 'alice', email: 'alice@mail.test', password: PASSWORD };
  const make = async (username = 'alice') => (await createAccount(ctx, { username, email: `${username}@mail.test`, password: PASSWORD })).account;
  /** The token in the only mail that waits. */
  const mailedToken = async (template: string) => {
    const mails = await ctx.takeMails();
    expect(mails.map((mail) => mail.template)).toEqual([template]);
    return tokenOf(await ctx.linkIn(mails[0]!));
  };
  const session = (id: string, accountId: number) => ctx.store.transaction((tx) => writeSession(tx, { idHash: id, accountId, data: '{}', expiresAt: ctx.now() + HOUR }));
  const hasSession = async (id: string) => (await readSession(ctx.store, id, ctx.now())) !== null;
  const costOf = async (work: () => Promise<unknown>) => {
    const before = bcryptRuns.web;
    await work().catch(() => {});
    return bcryptRuns.web - before;
  };

  describe('signing up', () => {
    test('the mail confirms, and only then the account exists for others and logs in', async () => {
      await signUp(ctx, { ...alice, username: 'Alice', email: 'Alice@Mail.test' });
      expect(await findLocalActor(ctx.store, 'alice')).toBeNull();
      expect(await authenticate(ctx, 'alice', PASSWORD)).toBeNull();

      const [mail] = await ctx.takeMails();
      expect(mail).toMatchObject({ to: 'alice@mail.test', template: 'confirm' });
      const link = await ctx.linkIn(mail!);
      expect(link).toMatch(/^https:\/\/social\.test\/confirm\/[\w-]{43}$/);
      expect(await peekToken(ctx, tokenOf(link), 'confirm')).toBe(true);
      expect(await peekToken(ctx, tokenOf(link), 'reset')).toBe(false);

      expect(await confirmAccount(ctx, tokenOf(link))).toMatchObject({ username: 'alice', state: 'active', email: 'alice@mail.test', confirmedAt: ctx.now() });
      expect(await findLocalActor(ctx.store, 'alice')).toMatchObject({ username: 'alice', domain: 'social.test' });
      expect(await authenticate(ctx, 'alice', PASSWORD)).toMatchObject({ username: 'alice' });
      await expect(confirmAccount(ctx, tokenOf(link))).rejects.toMatchObject({ code: 'gone' });
    });

    test('a name that looks like another’s cannot be had', async () => {
      await make('alice');
      await expect(signUp(ctx, { ...alice, username: 'a1ice', email: 'other@mail.test' })).rejects.toMatchObject({ code: 'conflict', field: 'username' });
      await expect(createAccount(ctx, { username: 'a1ice', email: 'other@mail.test' })).rejects.toThrow('There is an account alice already, which looks the same');
    });

    test('neither the queue nor the tables hold the link', async () => {
      await signUp(ctx, alice);
      const tables = JSON.stringify([await ctx.store.query('select * from jobs'), await ctx.store.query('select * from tokens'), await ctx.store.query('select * from accounts')]);
      const token = await mailedToken('confirm');
      expect(token.length).toBeGreaterThanOrEqual(43);
      expect(tables).not.toContain(token);
      expect(tables).not.toContain(PASSWORD);
      expect(ctx.logged()).not.toContain(PASSWORD);
      expect(ctx.logged()).not.toContain(token);
    });

    test.each([
      ['username', { username: 'al ice' }],
      ['username', { username: 'admin' }],
      ['username', { username: 'аlice' }], // a Cyrillic а
      ['email', { email: 'alice' }],
      ['email', { email: 'a@b.test\r\nBcc: x@y.test' }],
      ['password', { password: 'short' }],
      ['password', { password: 'ä'.repeat(37) }],
      ['password', { password: 'abcdefghi\0j' }],
      ['password', { password: 'aaaaaaaaaaaa' }],
      ['password', { password: 'alice@mail.test' }],
      ['password', { password: 'Alice@Social.test' }],
    ])('a wrong %s is refused: %j', async (field, change) => {
      await expect(signUp(ctx, { ...alice, ...change })).rejects.toMatchObject({ code: 'invalid', field });
      expect(await listAccounts(ctx.store)).toEqual([]);
    });

    test('a taken name is a conflict, waiting or active', async () => {
      await signUp(ctx, alice);
      await expect(signUp(ctx, { ...alice, email: 'other@mail.test' })).rejects.toMatchObject({ code: 'conflict', field: 'username' });
      await confirmAccount(ctx, await mailedToken('confirm'));
      await expect(signUp(ctx, { ...alice, email: 'other@mail.test' })).rejects.toMatchObject({ code: 'conflict', field: 'username' });
    });

    test('with a known e-mail address: the same answer, the same work, the same after-effects; its owner gets a mail', async () => {
      await make('alice');
      const known = await costOf(() => signUp(ctx, { username: 'mallory', email: 'alice@mail.test', password: PASSWORD }));
      expect(await ctx.takeMails()).toMatchObject([{ to: 'alice@mail.test', template: 'address-taken', values: { username: 'alice' } }]);
      const unknown = await costOf(() => signUp(ctx, { username: 'oscar', email: 'new@mail.test', password: PASSWORD }));
      expect(known).toBe(unknown);
      // Asking again tells nothing either: both names are taken for now, and free when the links have run out.
      for (const username of ['mallory', 'oscar']) {
        await expect(signUp(ctx, { username, email: 'third@mail.test', password: PASSWORD })).rejects.toMatchObject({ code: 'conflict', field: 'username' });
        expect(await authenticate(ctx, username, PASSWORD)).toBeNull();
      }
      ctx.pass(48 * HOUR);
      for (const username of ['mallory', 'oscar']) await expect(signUp(ctx, { username, email: `${username}@mail.test`, password: PASSWORD })).resolves.toBeUndefined();
    });

    test('two sign-ups with one address: the one that is confirmed gets it', async () => {
      await signUp(ctx, alice);
      await signUp(ctx, { ...alice, username: 'alicia' });
      const [first, second] = await ctx.takeMails();
      const confirmed = await confirmAccount(ctx, tokenOf(await ctx.linkIn(second!)));
      expect(confirmed).toMatchObject({ username: 'alicia', email: 'alice@mail.test' });
      expect(await findAccountByEmail(ctx.store, 'alice@mail.test')).toMatchObject({ username: 'alicia' });
      await expect(confirmAccount(ctx, tokenOf(await ctx.linkIn(first!)))).rejects.toMatchObject({ code: 'conflict' });
      expect((await findAccountByUsername(ctx.store, 'alice'))?.state).toBe('pending');
    });

    test('after 48 hours the link is dead and the name is free again', async () => {
      await signUp(ctx, alice);
      const token = await mailedToken('confirm');
      ctx.pass(48 * HOUR - 1);
      await expect(signUp(ctx, alice)).rejects.toMatchObject({ code: 'conflict' });
      ctx.pass(1);
      expect(await peekToken(ctx, token, 'confirm')).toBe(false);
      await expect(confirmAccount(ctx, token)).rejects.toMatchObject({ code: 'gone' });
      await signUp(ctx, alice);
      expect((await confirmAccount(ctx, await mailedToken('confirm'))).state).toBe('active');
    });

    test('what was never confirmed is swept away whole', async () => {
      await make('bob');
      await signUp(ctx, alice);
      expect(await removeUnconfirmed(ctx)).toBe(0);
      ctx.pass(48 * HOUR);
      expect(await removeUnconfirmed(ctx)).toBe(1);
      expect((await listAccounts(ctx.store)).map((row) => row.username)).toEqual(['bob']);
      expect(await findActorByAddress(ctx.store, 'xmpp', 'alice@social.test')).toBeNull();
    });

    test('the link can be sent again; the earlier one ends and the time begins anew', async () => {
      await signUp(ctx, alice);
      const first = await mailedToken('confirm');
      ctx.pass(47 * HOUR);
      await resendConfirmation(ctx, 'ALICE@mail.test');
      const second = await mailedToken('confirm');
      expect(await peekToken(ctx, first, 'confirm')).toBe(false);
      ctx.pass(47 * HOUR);
      expect((await confirmAccount(ctx, second)).state).toBe('active');
    });

    test('sending again says and does nothing for addresses that wait for nothing', async () => {
      await make('alice');
      await resendConfirmation(ctx, 'alice@mail.test');
      await resendConfirmation(ctx, 'nobody@mail.test');
      expect(await ctx.takeMails()).toEqual([]);
    });

    test.each(['closed', 'approval', 'invite'])('when registration is %s, nobody signs up', async (registration) => {
      const other = await testContext({ DX_REGISTRATION: registration });
      await expect(signUp(other, alice)).rejects.toMatchObject({ code: 'forbidden' });
      await other.close();
    });

    test('too many sign-ups from one address are refused, and a flood of mails to one address is not sent', async () => {
      const limited = await testContext({ DX_RATE_LIMITS: 'on' });
      for (let i = 0; i < 7; i++) await signUp(limited, { username: `name-${i}`, email: 'victim@mail.test', password: PASSWORD }, '192.0.2.1');
      expect(await limited.takeMails()).toHaveLength(5);
      for (let i = 7; i < 10; i++) await signUp(limited, { username: `name-${i}`, email: `x${i}@mail.test`, password: PASSWORD }, '192.0.2.1');
      await expect(signUp(limited, { ...alice }, '192.0.2.1')).rejects.toMatchObject({ code: 'too-many' });
      await expect(signUp(limited, { ...alice }, '192.0.2.2')).resolves.toBeUndefined();
      await limited.close();
    });
  });

  describe('logging in', () => {
    test('by username, handle or e-mail address, in any case, with blanks around', async () => {
      const { id } = await make();
      for (const login of ['alice', ' Alice ', 'ALICE@Social.Test', 'alice@mail.test']) expect((await authenticate(ctx, login, PASSWORD))?.id).toBe(id);
    });

    test('an app password never opens the web', async () => {
      const { password } = await createAppPassword(ctx, await make(), 'Phone');
      expect(await authenticate(ctx, 'alice', password)).toBeNull();
    });

    test('known, unknown, suspended and password-less accounts cost one run of bcrypt each', async () => {
      await make('alice');
      await suspendAccount(ctx, await make('bob'));
      await createAccount(ctx, { username: 'carol', email: 'carol@mail.test' });
      for (const [login, password] of [['alice', 'wrong'], ['nobody', PASSWORD], ['bob', PASSWORD], ['carol', ''], ['nobody@mail.test', 'x'], ['', ''], ['x'.repeat(10_000), 'y'.repeat(10_000)], ['\0', '\0']] as const) {
        expect(await costOf(async () => expect(await authenticate(ctx, login, password)).toBeNull())).toBe(1);
      }
    });

    test('after many failures from one address the account is closed for it, the right password too; its owner elsewhere is not locked out', async () => {
      const limited = await testContext({ DX_RATE_LIMITS: 'on' });
      await createAccount(limited, { username: 'alice', email: 'alice@mail.test', password: PASSWORD });
      expect(await authenticate(limited, 'alice', PASSWORD, '192.0.2.7')).not.toBeNull();
      for (let i = 0; i < 8; i++) await authenticate(limited, 'alice', 'wrong', '192.0.2.1');
      await expect(authenticate(limited, 'alice', PASSWORD, '192.0.2.1')).rejects.toMatchObject({ code: 'too-many' });
      for (let address = 2; address < 7; address++) {
        for (let i = 0; i < 8; i++) await authenticate(limited, 'alice', 'wrong', `198.51.100.${address}`);
      }
      for (let i = 0; i < 8; i++) await authenticate(limited, 'alice', 'wrong', '198.51.100.8');
      for (let i = 0; i < 4; i++) await authenticate(limited, 'alice', 'wrong', '198.51.100.9');
      await limited.takeMails();
      for (let i = 0; i < 3; i++) await expect(authenticate(limited, 'alice', PASSWORD, '203.0.113.1')).rejects.toMatchObject({ code: 'too-many' });
      expect(await authenticate(limited, 'alice', PASSWORD, '192.0.2.7')).not.toBeNull();
      // The owner hears of it, once.
      let mails = await limited.takeMails();
      while (mails.length === 0) mails = await limited.takeMails();
      expect(mails).toMatchObject([{ to: 'alice@mail.test', template: 'guessing-web' }]);
      await limited.close();
    });

    test('right passwords do not use a limit up', async () => {
      const limited = await testContext({ DX_RATE_LIMITS: 'on' });
      await createAccount(limited, { username: 'alice', email: 'alice@mail.test', password: PASSWORD });
      for (let i = 0; i < 12; i++) expect(await authenticate(limited, 'alice', PASSWORD, '192.0.2.1')).not.toBeNull();
      await limited.close();
    });
  });

  describe('passwords', () => {
    test('a forgotten one is set anew by a link that works once, for an hour; every session ends', async () => {
      const account = await make();
      await session('here', account.id);
      await requestPasswordReset(ctx, 'alice@mail.test');
      const token = await mailedToken('reset');
      await expect(resetPassword(ctx, token, 'short')).rejects.toMatchObject({ code: 'invalid', field: 'password' });
      await expect(resetPassword(ctx, token, 'alice@mail.test')).rejects.toMatchObject({ code: 'invalid', field: 'password' });
      expect(await peekToken(ctx, token, 'reset')).toBe(true);
      await resetPassword(ctx, token, NEXT);
      expect(await hasSession('here')).toBe(false);
      expect(await authenticate(ctx, 'alice', PASSWORD)).toBeNull();
      expect(await authenticate(ctx, 'alice', NEXT)).not.toBeNull();
      expect(await ctx.takeMails()).toMatchObject([{ to: 'alice@mail.test', template: 'password-changed' }]);
      await expect(resetPassword(ctx, token, NEXT)).rejects.toMatchObject({ code: 'gone' });

      await requestPasswordReset(ctx, 'alice');
      const late = await mailedToken('reset');
      ctx.pass(HOUR);
      await expect(resetPassword(ctx, late, NEXT)).rejects.toMatchObject({ code: 'gone' });
    });

    test('used twice at the same time, a link works once', async () => {
      await make();
      await requestPasswordReset(ctx, 'alice');
      const token = await mailedToken('reset');
      const results = await Promise.allSettled([resetPassword(ctx, token, NEXT), resetPassword(ctx, token, `${NEXT}!`)]);
      expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
    });

    test('asking for a link says and does nothing for who is not an active account', async () => {
      await suspendAccount(ctx, await make('bob'));
      for (const login of ['nobody', 'nobody@mail.test', 'bob', '', '@', 'x'.repeat(5_000)]) await requestPasswordReset(ctx, login);
      expect(await ctx.takeMails()).toEqual([]);
    });

    test.each(['', 'x', 'x'.repeat(5_000), '../../etc', "' or 1=1 --"])('the token %j opens nothing, and costs no hashing', async (token) => {
      expect(await costOf(() => resetPassword(ctx, token, NEXT))).toBe(0);
      await expect(resetPassword(ctx, token, NEXT)).rejects.toMatchObject({ code: 'gone' });
      await expect(confirmAccount(ctx, token)).rejects.toMatchObject({ code: 'gone' });
      await expect(confirmEmailChange(ctx, token)).rejects.toMatchObject({ code: 'gone' });
    });

    test('changing it ends the other sessions, not this one, and leaves app passwords alone', async () => {
      const account = await make();
      await session('this', account.id);
      await session('other', account.id);
      await expect(changePassword(ctx, account, 'wrong', NEXT, { keepSession: 'this' })).rejects.toMatchObject({ code: 'forbidden', field: 'current' });
      await expect(changePassword(ctx, account, PASSWORD, 'short', { keepSession: 'this' })).rejects.toMatchObject({ code: 'invalid', field: 'password' });
      expect(await hasSession('other')).toBe(true);
      await changePassword(ctx, account, PASSWORD, NEXT, { keepSession: 'this' });
      expect([await hasSession('this'), await hasSession('other')]).toEqual([true, false]);
      expect(await authenticate(ctx, 'alice', NEXT)).not.toBeNull();
      await expect(checkOwnPassword(ctx, account, PASSWORD)).rejects.toMatchObject({ code: 'forbidden' });
    });

    test('both ways to write an accent are one password', async () => {
      await createAccount(ctx, { username: 'zoe', email: 'zoe@mail.test', password: 'caf\u00e9 au lait' });
      expect(await authenticate(ctx, 'zoe', 'cafe\u0301 au lait')).not.toBeNull();
    });
  });

  describe('the e-mail address', () => {
    test('a new one counts when its owner has confirmed it; the old one is told, and its links end', async () => {
      const account = await make();
      await requestPasswordReset(ctx, 'alice');
      const reset = await mailedToken('reset');
      await expect(requestEmailChange(ctx, account, 'wrong', 'new@mail.test')).rejects.toMatchObject({ code: 'forbidden', field: 'password' });
      await requestEmailChange(ctx, account, PASSWORD, 'New@mail.test');
      const [mail] = await ctx.takeMails();
      expect(mail).toMatchObject({ to: 'new@mail.test', template: 'confirm-email' });
      expect((await findAccountByUsername(ctx.store, 'alice'))?.email).toBe('alice@mail.test');
      await confirmEmailChange(ctx, tokenOf(await ctx.linkIn(mail!)));
      expect((await findAccountByUsername(ctx.store, 'alice'))?.email).toBe('new@mail.test');
      expect(await ctx.takeMails()).toMatchObject([{ to: 'alice@mail.test', template: 'email-changed', values: { email: 'new@mail.test' } }]);
      expect(await peekToken(ctx, reset, 'reset')).toBe(false);
    });

    test("someone else's: the same answer, and its owner gets a mail", async () => {
      const account = await make('alice');
      await make('bob');
      await expect(requestEmailChange(ctx, account, PASSWORD, 'bob@mail.test')).resolves.toBeUndefined();
      expect(await ctx.takeMails()).toMatchObject([{ to: 'bob@mail.test', template: 'address-taken', values: { username: 'bob' } }]);
    });

    test('taken by another account before the link is used: a conflict, and nothing changes', async () => {
      const account = await make('alice');
      await requestEmailChange(ctx, account, PASSWORD, 'bob@mail.test');
      const token = await mailedToken('confirm-email');
      await make('bob');
      await expect(confirmEmailChange(ctx, token)).rejects.toMatchObject({ code: 'conflict', field: 'email' });
      expect((await findAccountByUsername(ctx.store, 'alice'))?.email).toBe('alice@mail.test');
    });

    test('an address that was asked for but never confirmed holds nobody up', async () => {
      await signUp(ctx, { ...alice, username: 'squatter' });
      await ctx.takeMails();
      const { account } = await createAccount(ctx, { username: 'alice', email: 'alice@mail.test' });
      expect(await findAccountByEmail(ctx.store, 'alice@mail.test')).toMatchObject({ id: account.id });
    });
  });

  describe('for the operator', () => {
    test('an account without a password comes with a link to set one', async () => {
      const { account, setPasswordLink } = await createAccount(ctx, { username: 'alice', email: 'alice@mail.test', isAdmin: true });
      expect(account).toMatchObject({ state: 'active', isAdmin: true, confirmedAt: ctx.now() });
      expect(setPasswordLink).toMatch(/^https:\/\/social\.test\/password\/reset\/[\w-]{43}$/);
      expect(await peekToken(ctx, tokenOf(setPasswordLink!), 'reset')).toBe(true);
      await resetPassword(ctx, tokenOf(setPasswordLink!), NEXT);
      expect(await authenticate(ctx, 'alice', NEXT)).not.toBeNull();
      expect(await ctx.takeMails()).toEqual([]);
    });

    test.each([
      ['username', { username: 'alice', email: 'x@mail.test' }],
      ['email', { username: 'other', email: 'ALICE@mail.test' }],
    ])('a taken %s is a conflict', async (field, form) => {
      await make();
      await expect(createAccount(ctx, form)).rejects.toMatchObject({ code: 'conflict', field });
    });

    test('suspended: sessions and links end, the person is gone; active again: all is back', async () => {
      const account = await make();
      await session('here', account.id);
      await requestPasswordReset(ctx, 'alice');
      const token = await mailedToken('reset');
      await suspendAccount(ctx, account);
      expect([await hasSession('here'), await peekToken(ctx, token, 'reset'), await findLocalActor(ctx.store, 'alice')]).toEqual([false, false, null]);
      await reactivateAccount(ctx, { ...account, state: 'suspended' });
      expect(await authenticate(ctx, 'alice', PASSWORD)).not.toBeNull();
    });

    test('closed: nothing logs in, the name stays taken, the e-mail address is free', async () => {
      const account = await make();
      await closeAccount(ctx, account);
      expect(await authenticate(ctx, 'alice', PASSWORD)).toBeNull();
      await expect(signUp(ctx, { ...alice, email: 'other@mail.test' })).rejects.toMatchObject({ code: 'conflict' });
      await expect(createAccount(ctx, { username: 'alice2', email: 'alice@mail.test' })).resolves.toBeDefined();
      const closed = (await findAccountByUsername(ctx.store, 'alice'))!;
      expect(closed).toMatchObject({ state: 'closed', email: '', passwordHash: '' });
      await expect(reactivateAccount(ctx, closed)).rejects.toMatchObject({ code: 'conflict' });
      await expect(suspendAccount(ctx, closed)).rejects.toMatchObject({ code: 'conflict' });
    });

    test('one that waits for its mail can be confirmed, or removed whole; a decoy cannot be confirmed', async () => {
      await signUp(ctx, alice);
      await reactivateAccount(ctx, (await findAccountByUsername(ctx.store, 'alice'))!);
      expect(await authenticate(ctx, 'alice', PASSWORD)).not.toBeNull();
      await signUp(ctx, { ...alice, username: 'decoy' });
      await expect(reactivateAccount(ctx, (await findAccountByUsername(ctx.store, 'decoy'))!)).rejects.toMatchObject({ code: 'conflict' });
      await closeAccount(ctx, (await findAccountByUsername(ctx.store, 'decoy'))!);
      expect(await findAccountByUsername(ctx.store, 'decoy')).toBeNull();
    });
  });
});

describeStores((makeStore) => {
  test('of two that sign up for one name at the same time, one gets it and the other hears of a conflict', async () => {
    const ctx = await testContext({}, await makeStore());
    const results = await Promise.allSettled(['a', 'b', 'c'].map((who) => signUp(ctx, { username: 'alice', email: `${who}@mail.test`, password: PASSWORD })));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'conflict', field: 'username' });
    await ctx.close();
  });

  test('of several that confirm one e-mail address at the same time, one gets it', async () => {
    const ctx = await testContext({}, await makeStore());
    for (const username of ['alice', 'alicia', 'ally']) await signUp(ctx, { username, email: 'alice@mail.test', password: PASSWORD });
    const links = await Promise.all((await ctx.takeMails()).map((mail) => ctx.linkIn(mail)));
    const results = await Promise.allSettled(links.map((link) => confirmAccount(ctx, tokenOf(link))));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'conflict' });
    await ctx.close();
  });
}, /memory|PostgreSQL/);
