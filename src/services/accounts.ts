// Accounts of people: from sign-up to closing. Whether an e-mail address is known here is never told to who asks, only to who reads its mail.
import { setTimeout as wait } from 'node:timers/promises';
import { type Account, checkWebPassword, isUsername, parseEmail, parseUsername } from '../domain/account.js';
import { DomainError } from '../domain/errors.js';
import {
  deleteAccount,
  findAccount,
  findAccountByEmail,
  findAccountByUsername,
  findAccountLike,
  insertAccount,
  listAccounts as listRows,
  releaseEmail,
  updateAccount,
} from '../store/accounts.js';
import { insertLocalActor } from '../store/actors.js';
import type { Db, Tx } from '../store/database.js';
import { deleteSessionsOf } from '../store/sessions.js';
import { deleteTokensOf } from '../store/tokens.js';
import { revokeAllIn } from './app-passwords.js';
import { noteChatChange } from './chat-sessions.js';
import type { Context } from './context.js';
import { tellOfGuessing } from './guessing.js';
import { addressKey, isLimited, knowsAddress, rememberAddress, takeLimits } from './limits.js';
import { queueMail } from './mail.js';
import { hashPassword, normalizePassword, verifyPassword } from './passwords.js';
import { deadLink, issueToken, linkOf, peekToken, TOKEN_LIFE_MS, type TokenKind, useToken } from './tokens.js';

export { peekToken };

/** Answers that must not tell whether someone is known take this long in either case. */
const EVEN_MS = 100;
const evenly = async <T>(work: Promise<T>): Promise<T> => (await Promise.all([work, wait(EVEN_MS)]))[0];

const TOKEN_KINDS: TokenKind[] = ['confirm', 'reset', 'email', 'set-password'];

/** A pending account whose link has run out: its name is free again. `createdAt` of a pending account is when its link was last sent. */
const isStale = (ctx: Context, account: Account): boolean => account.state === 'pending' && account.createdAt + TOKEN_LIFE_MS.confirm <= ctx.now();

/** What accounts have that have no address (yet, or any more). */
const NO_EMAIL = '';

/** PostgreSQL lets two transactions look before one of them writes: the one that lost looks again, and then sees the other's row. */
async function transaction<T>(ctx: Context, work: (tx: Tx) => Promise<T>): Promise<T> {
  try {
    return await ctx.store.transaction(work);
  } catch (error) {
    // A conflict without a field is the database's, not one of ours.
    if (!(error instanceof DomainError) || error.code !== 'conflict' || error.field !== undefined) throw error;
    return ctx.store.transaction(work);
  }
}

/** @throws DomainError invalid (field password) */
function parseNewPassword(text: string, account: { username: string; email: string }, domain: string): string {
  const password = normalizePassword(text);
  checkWebPassword(password);
  const lower = password.toLowerCase();
  const known = [account.username, account.email, account.email.split('@')[0], `${account.username}@${domain}`];
  if (known.includes(lower) || new Set(lower).size < 4) {
    throw new DomainError('invalid', 'This password would be guessed at once. Three or four words are good.', 'password');
  }
  return password;
}

/**
 * Whoever a log-in field means: a username, a handle, or an e-mail address. `key` is what was typed, in one form.
 */
async function findByLogin(ctx: Context, login: string): Promise<{ account: Account | null; key: string }> {
  const key = login.trim().toLowerCase().slice(0, 320);
  const [local = '', domain] = key.split('@');
  const isName = (domain === undefined || domain === ctx.config.domain) && isUsername(local);
  const byName = isName ? await findAccountByUsername(ctx.store, local) : null;
  return { account: byName ?? (key.includes('@') ? await findAccountByEmail(ctx.store, key) : null), key: isName ? local : key };
}

/**
 * Signs up someone new: a pending account, and a mail with the link that confirms it. When the e-mail address belongs to an account already, its
 * owner gets a mail instead, and the name is taken up all the same for as long as a link would live: whoever asks sees no difference, neither now
 * nor by asking for the name again.
 * @param address the internet address of who asks, for the limits
 * @throws DomainError invalid (fields username, email, password), conflict (field username), forbidden, too-many, unavailable
 */
export async function signUp(ctx: Context, form: { username: string; email: string; password: string }, address?: string): Promise<void> {
  checkRegistration(ctx);
  const username = parseUsername(form.username);
  const email = parseEmail(form.email);
  const password = parseNewPassword(form.password, { username, email }, ctx.config.domain);
  const giveBack = await takeLimits(ctx, { 'sign-up-overall': 'all', 'sign-up-address': addressKey(address) });
  try {
    await checkNameIsFree(ctx, ctx.store, username);
    const mayMail = await mailAllowed(ctx, email);
    const passwordHash = await hashPassword('web', password);
    await transaction(ctx, async (tx) => {
      await checkNameIsFree(ctx, tx, username);
      await removeStale(ctx, tx, await findAccountLike(tx, username));
      await removeStale(ctx, tx, await findAccountByEmail(tx, email));
      const holder = await findAccountByEmail(tx, email);
      const isOwned = holder !== null && holder.state !== 'pending';
      const account = await insertNew(ctx, tx, { username, email: holder ? NO_EMAIL : email, passwordHash, state: 'pending', isAdmin: false });
      // The address is settled when the link is used: of several sign-ups with one address, the one that its owner confirms counts.
      const token = await issueToken(ctx, tx, 'confirm', account.id, isOwned ? '' : email);
      if (!mayMail) return;
      if (isOwned) await queueMail(ctx, tx, email, 'address-taken', { username: holder.username });
      else await queueMail(ctx, tx, email, 'confirm', { username, token });
    });
  } catch (error) {
    if (error instanceof DomainError) await giveBack();
    throw error;
  }
  ctx.log.info({ username }, 'signed up');
}

function checkRegistration({ config }: Context): void {
  if (config.registration === 'open') return;
  const why = config.registration === 'closed' ? 'This server takes no new accounts.' : `This server takes new people by ${config.registration === 'invite' ? 'invitation' : 'approval'} only, and not on this page.`;
  throw new DomainError('forbidden', `${why} Please ask the people who run it.`);
}

/** @throws DomainError conflict (field username) */
async function checkNameIsFree(ctx: Context, db: Db, username: string): Promise<void> {
  const bearer = await findAccountLike(db, username);
  if (bearer && !isStale(ctx, bearer)) {
    throw new DomainError('conflict', `This name${bearer.username === username ? '' : ', or one that looks like it,'} is taken. If you asked for it a moment ago, the mail is on its way; otherwise please choose another.`, 'username');
  }
}

async function removeStale(ctx: Context, tx: Tx, account: Account | null): Promise<void> {
  if (account && isStale(ctx, account)) await deleteAccount(tx, account.id);
}

/** May another mail go to this address? Too many: silently none, since the answer must be the same for all. */
async function mailAllowed(ctx: Context, email: string): Promise<boolean> {
  try {
    await takeLimits(ctx, { 'mail-overall': 'all', 'mail-recipient': email });
    return true;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    ctx.log.warn('mail not sent: too many to this address, or in all');
    return false;
  }
}

async function insertNew(ctx: Context, tx: Tx, fields: Pick<Account, 'username' | 'email' | 'passwordHash' | 'state' | 'isAdmin'>): Promise<Account> {
  const now = ctx.now();
  const actor = await insertLocalActor(tx, { username: fields.username, domain: ctx.config.domain });
  return insertAccount(tx, {
    ...fields,
    actorId: actor.id,
    defaultAudience: { to: 'public' },
    askFirst: false,
    notificationMail: null,
    createdAt: now,
    confirmedAt: fields.state === 'active' ? now : null,
  });
}

/** What others hear when an account begins, or ends, to exist for them. */
const announce = (ctx: Context, tx: Tx, account: Account, exists: boolean): Promise<void> => noteChatChange(ctx, tx, account, { endSessions: !exists });

/**
 * Makes the account active: the button behind the link of the sign-up mail.
 * @throws DomainError gone; conflict when its e-mail address was given to another account in between
 */
export async function confirmAccount(ctx: Context, token: string): Promise<Account> {
  const account = await transaction(ctx, async (tx) => {
    const { accountId, payload: email } = await useToken(ctx, tx, token, 'confirm');
    const pending = await findAccount(tx, accountId);
    if (pending?.state !== 'pending') throw deadLink();
    if (pending.email !== email) await freeEmail(tx, email);
    await updateAccount(tx, accountId, { state: 'active', email, confirmedAt: ctx.now() });
    await announce(ctx, tx, pending, true);
    return { ...pending, state: 'active' as const, email, confirmedAt: ctx.now() };
  });
  ctx.log.info({ username: account.username }, 'account confirmed');
  return account;
}

/**
 * Takes an address from an account that never confirmed it.
 * @throws DomainError conflict when it is another account's own
 */
async function freeEmail(tx: Tx, email: string): Promise<void> {
  const holder = await findAccountByEmail(tx, email);
  // Its own link still says which address it is about.
  if (holder && !(await releaseEmail(tx, holder.id))) throw new DomainError('conflict', 'This e-mail address belongs to another account by now.', 'email');
}

/**
 * Sends the link of a pending account again; the earlier one ends. Says nothing about whether there is one.
 * @throws DomainError invalid (field email), too-many
 */
export async function resendConfirmation(ctx: Context, emailText: string, address?: string): Promise<void> {
  const email = parseEmail(emailText);
  await takeLimits(ctx, { 'mail-address': addressKey(address) });
  const mayMail = await mailAllowed(ctx, email);
  await evenly(
    ctx.store.transaction(async (tx) => {
      const account = await findAccountByEmail(tx, email);
      if (!mayMail || account?.state !== 'pending' || isStale(ctx, account)) return;
      const token = await issueToken(ctx, tx, 'confirm', account.id, email);
      await updateAccount(tx, account.id, { createdAt: ctx.now() });
      await queueMail(ctx, tx, email, 'confirm', { username: account.username, token });
    }),
  );
}

/**
 * Who logs in with these words on the web, or null: wrong password, no such account, and an account that is not active look the same and cost the
 * same. Too many failures of an account do not lock out who logged in from the same address of late.
 * @param login username, handle or e-mail address
 * @param address the internet address of who asks, for the limits
 * @throws DomainError too-many, unavailable
 */
export async function authenticate(ctx: Context, login: string, password: string, address?: string): Promise<Account | null> {
  const { account, key } = await findByLogin(ctx, login);
  const from = addressKey(address);
  const isFriend = account !== null && (await knowsAddress(ctx, account.id, address));
  const giveBack = await takeLimits(ctx, {
    ...(isFriend ? {} : { 'login-overall': 'all', 'login-address': from, 'login-account': key }),
    'login-pair': `${from} ${key}`,
  }).catch(async (error) => {
    if (await isLimited(ctx, { 'login-account': key })) void tellOfGuessing(ctx, account?.id ?? null, 'web');
    throw error;
  });
  let right: boolean;
  try {
    right = await verifyPassword('web', normalizePassword(password), account?.passwordHash ?? null);
  } catch (error) {
    await giveBack();
    throw error;
  }
  if (!right || account?.state !== 'active') {
    ctx.log.info({ known: account !== null }, 'log-in refused');
    return null;
  }
  await giveBack();
  await rememberAddress(ctx, account.id, address);
  return account;
}

/**
 * Is this the account's own web password? Asked again before what matters.
 * @param field the form field that is named when it is not
 * @throws DomainError forbidden, too-many, unavailable
 */
export async function checkOwnPassword(ctx: Context, account: Account, password: string, field = 'password'): Promise<void> {
  const giveBack = await takeLimits(ctx, { 'password-account': String(account.id) });
  const fresh = await findAccount(ctx.store, account.id);
  if (!(await verifyPassword('web', normalizePassword(password), fresh?.passwordHash ?? null)) || fresh?.state !== 'active') {
    throw new DomainError('forbidden', 'This is not your password.', field);
  }
  await giveBack();
}

/**
 * Sends a link for a new web password, when there is such an active account. Says nothing about whether there is.
 * @param login username, handle or e-mail address
 * @throws DomainError too-many
 */
export async function requestPasswordReset(ctx: Context, login: string, address?: string): Promise<void> {
  await takeLimits(ctx, { 'mail-address': addressKey(address) });
  await evenly(
    (async () => {
      const { account } = await findByLogin(ctx, login);
      if (account?.state !== 'active' || !(await mailAllowed(ctx, account.email))) return;
      await ctx.store.transaction(async (tx) => {
        const token = await issueToken(ctx, tx, 'reset', account.id);
        await queueMail(ctx, tx, account.email, 'reset', { username: account.username, token });
      });
    })(),
  );
}

/**
 * Sets a new web password by a link (from a mail, or printed by `dx account create`). Ends every session; app passwords stay, unless
 * asked otherwise.
 * @throws DomainError invalid (field password) while the link stays good, gone, unavailable
 */
export async function resetPassword(ctx: Context, token: string, password: string, more: Pick<PasswordChange, 'revokeAppPasswords'> = {}): Promise<Account> {
  const checked = normalizePassword(password);
  checkWebPassword(checked);
  if (!(await peekToken(ctx, token, 'reset'))) throw deadLink(); // no hashing for guessers
  const passwordHash = await hashPassword('web', checked);
  return ctx.store.transaction(async (tx) => {
    const { accountId } = await useToken(ctx, tx, token, 'reset');
    const account = await findAccount(tx, accountId);
    if (account?.state !== 'active') throw deadLink();
    parseNewPassword(password, account, ctx.config.domain);
    await setPassword(ctx, tx, account, passwordHash, more);
    return { ...account, passwordHash };
  });
}

/** What may go with a new web password. */
interface PasswordChange {
  /** The hash of the session that goes on: that of the browser which asks. */
  keepSession?: string;
  /** App passwords too, and the chat sessions with them. */
  revokeAppPasswords?: boolean;
}

async function setPassword(ctx: Context, tx: Tx, account: Account, passwordHash: string, { keepSession, revokeAppPasswords }: PasswordChange): Promise<void> {
  await updateAccount(tx, account.id, { passwordHash });
  await deleteSessionsOf(tx, account.id, keepSession);
  if (revokeAppPasswords) await revokeAllIn(ctx, tx, account);
  await deleteTokensOf(tx, account.id, 'reset');
  await deleteTokensOf(tx, account.id, 'set-password');
  // The first password of an account made by the operator is no news to its owner.
  if (account.passwordHash !== '') await queueMail(ctx, tx, account.email, 'password-changed', { username: account.username });
}

/**
 * Sets a new web password. Ends all other sessions; app passwords stay, unless asked otherwise.
 * @throws DomainError forbidden (field current), invalid (field password), too-many, unavailable
 */
export async function changePassword(ctx: Context, account: Account, current: string, next: string, more: PasswordChange = {}): Promise<void> {
  const password = parseNewPassword(next, account, ctx.config.domain);
  await checkOwnPassword(ctx, account, current, 'current');
  const passwordHash = await hashPassword('web', password);
  await ctx.store.transaction((tx) => setPassword(ctx, tx, account, passwordHash, more));
}

/**
 * Sends a link to a new e-mail address, which counts once the link was used. When the address is another account's, its owner hears of it instead;
 * who asks sees no difference.
 * @throws DomainError forbidden (field password), invalid (field email), too-many, unavailable
 */
export async function requestEmailChange(ctx: Context, account: Account, password: string, emailText: string): Promise<void> {
  const email = parseEmail(emailText);
  if (email === account.email) throw new DomainError('invalid', 'This is your e-mail address already.', 'email');
  await checkOwnPassword(ctx, account, password);
  await takeLimits(ctx, { 'mail-address': `account ${account.id}` });
  const mayMail = await mailAllowed(ctx, email);
  await ctx.store.transaction(async (tx) => {
    const holder = await findAccountByEmail(tx, email);
    const token = await issueToken(ctx, tx, 'email', account.id, email);
    if (!mayMail) return;
    if (holder && holder.state !== 'pending') await queueMail(ctx, tx, email, 'address-taken', { username: holder.username });
    else await queueMail(ctx, tx, email, 'confirm-email', { username: account.username, token });
  });
}

/**
 * The new e-mail address counts from now on; the old one is told. Links that were sent to the old one end.
 * @throws DomainError gone, conflict when the address is another account's by now
 */
export async function confirmEmailChange(ctx: Context, token: string): Promise<Account> {
  return transaction(ctx, async (tx) => {
    const { accountId, payload: email } = await useToken(ctx, tx, token, 'email');
    const account = await findAccount(tx, accountId);
    if (account?.state !== 'active') throw deadLink();
    await freeEmail(tx, email);
    await updateAccount(tx, accountId, { email });
    await deleteTokensOf(tx, accountId, 'reset');
    await queueMail(ctx, tx, account.email, 'email-changed', { username: account.username, email });
    return { ...account, email };
  });
}

/**
 * Makes a confirmed account, for the operator.
 * @returns without a password: the link by which its owner sets one (72 hours)
 * @throws DomainError invalid, conflict (fields username, email, password)
 */
export async function createAccount(
  ctx: Context,
  form: { username: string; email: string; password?: string; isAdmin?: boolean },
): Promise<{ account: Account; setPasswordLink: string | null }> {
  const username = parseUsername(form.username);
  const email = parseEmail(form.email);
  const password = form.password === undefined ? null : parseNewPassword(form.password, { username, email }, ctx.config.domain);
  const passwordHash = password === null ? '' : await hashPassword('web', password);
  const made = await transaction(ctx, async (tx) => {
    const bearer = await findAccountLike(tx, username);
    if (bearer && !isStale(ctx, bearer)) throw new DomainError('conflict', `There is an account ${bearer.username} already${bearer.username === username ? '' : ', which looks the same at a glance'}.`, 'username');
    await removeStale(ctx, tx, bearer);
    const holder = await findAccountByEmail(tx, email);
    if (holder && holder.state !== 'pending') throw new DomainError('conflict', `${email} belongs to the account ${holder.username}.`, 'email');
    await freeEmail(tx, email);
    const account = await insertNew(ctx, tx, { username, email, passwordHash, state: 'active', isAdmin: form.isAdmin ?? false });
    await announce(ctx, tx, account, true);
    const token = password === null ? await issueToken(ctx, tx, 'set-password', account.id) : null;
    return { account, setPasswordLink: token ? linkOf(ctx, 'set-password', token.seed) : null };
  });
  ctx.log.info({ username }, 'account made');
  return made;
}

/**
 * The account does not exist for anyone until it is active again; nothing of it is removed. Ends its sessions.
 * @throws DomainError conflict when it was closed, or was never confirmed
 */
export async function suspendAccount(ctx: Context, account: Account): Promise<void> {
  if (account.state === 'closed') throw new DomainError('conflict', `The account ${account.username} was closed by its owner.`);
  if (account.state === 'pending') throw new DomainError('conflict', `The account ${account.username} is not confirmed yet; delete it instead.`);
  await ctx.store.transaction(async (tx) => {
    await updateAccount(tx, account.id, { state: 'suspended' });
    await deleteSessionsOf(tx, account.id);
    for (const kind of TOKEN_KINDS) await deleteTokensOf(tx, account.id, kind);
    await announce(ctx, tx, account, false);
  });
  ctx.log.info({ username: account.username }, 'account suspended');
}

/** Makes somebody an operator, who sees /admin, or no operator any more: with the next request. */
export async function setAdmin(ctx: Context, account: Account, isAdmin: boolean): Promise<void> {
  if (account.state === 'closed') throw new DomainError('conflict', `The account ${account.username} was closed by its owner.`);
  await ctx.store.transaction((tx) => updateAccount(tx, account.id, { isAdmin }));
  ctx.log.warn({ username: account.username, isAdmin }, isAdmin ? 'account is an operator now' : 'account is no operator any more');
}

/**
 * Ends a suspension; confirms an account that still waits for it.
 * @throws DomainError conflict when it was closed
 */
export async function reactivateAccount(ctx: Context, account: Account): Promise<void> {
  if (account.state === 'closed') throw new DomainError('conflict', `The account ${account.username} was closed by its owner.`);
  if (account.state === 'pending' && account.email === NO_EMAIL) {
    throw new DomainError('conflict', `Nobody has confirmed an e-mail address for ${account.username}. Delete it, and make it again with account create.`);
  }
  await ctx.store.transaction(async (tx) => {
    await updateAccount(tx, account.id, { state: 'active', confirmedAt: account.confirmedAt ?? ctx.now() });
    await deleteTokensOf(tx, account.id, 'confirm');
    await announce(ctx, tx, account, true);
  });
  ctx.log.info({ username: account.username }, 'account activated');
}

/**
 * Closes an account for good: nobody logs in with it, it exists for nobody, its name stays taken. Its e-mail address is forgotten and free again;
 * passwords, links and sessions are gone. A pending account is removed whole.
 */
export async function closeAccount(ctx: Context, account: Account): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    if (account.state === 'pending') return deleteAccount(tx, account.id);
    await updateAccount(tx, account.id, { state: 'closed', email: NO_EMAIL, passwordHash: '', isAdmin: false });
    await deleteSessionsOf(tx, account.id);
    for (const kind of TOKEN_KINDS) await deleteTokensOf(tx, account.id, kind);
    await revokeAllIn(ctx, tx, account);
    await announce(ctx, tx, account, false);
  });
  ctx.log.info({ username: account.username }, 'account closed');
}

/**
 * Logs an account out everywhere: every session in browsers and in chat ends. Chat apps come back with their app passwords, unless these are
 * revoked, too.
 */
export async function logOutEverywhere(ctx: Context, account: Account, { revokeAppPasswords = false } = {}): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    await deleteSessionsOf(tx, account.id);
    if (revokeAppPasswords) await revokeAllIn(ctx, tx, account);
    await noteChatChange(ctx, tx, account, { endSessions: true });
  });
  ctx.log.info({ username: account.username, revokeAppPasswords }, 'logged out everywhere');
}

/**
 * Removes accounts that were never confirmed in time, for the sweep.
 * @returns how many
 */
export async function removeUnconfirmed(ctx: Context): Promise<number> {
  const stale = (await listRows(ctx.store)).filter((account) => isStale(ctx, account));
  if (stale.length === 0) return 0;
  return ctx.store.transaction(async (tx) => {
    for (const account of stale) await removeStale(ctx, tx, await findAccount(tx, account.id));
    return stale.length;
  });
}
