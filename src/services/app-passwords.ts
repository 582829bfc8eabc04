// Passwords for chat apps and the API. The text has 32 characters in eight groups: `k7m2-…`. The first six find the row (selector), the other
// 26 are random: 26 × log2(31) = 128.8 bits. Only bcrypt of those 26 bytes is stored.
import { randomInt } from 'node:crypto';
import { type Account, type AppPassword, isUsername } from '../domain/account.js';
import { DomainError } from '../domain/errors.js';
import { findAccountByUsername } from '../store/accounts.js';
import { type Credentials, findAppPasswordBySelector, findCredentials, insertAppPassword, listAppPasswords as listRows, updateAppPassword } from '../store/app-passwords.js';
import type { Store, Tx } from '../store/database.js';
import { noteChatChange, noteLetIn } from './chat-sessions.js';
import type { Context } from './context.js';
import { tellOfGuessing } from './guessing.js';
import { KnownPasswords } from './known-passwords.js';
import { countFailure, isLimited } from './limits.js';
import { hashPassword, verifyPassword } from './passwords.js';

/** Small letters and digits without those that look alike: no i, l, o, 0, 1. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
const SELECTOR_LENGTH = 6;
const SECRET_LENGTH = 26;
const CANONICAL = new RegExp(`^[${ALPHABET}]{${SELECTOR_LENGTH + SECRET_LENGTH}}$`);
/** Longer texts are no app password, however many blanks are in them. */
const MAX_INPUT = 256;
const MAX_LABEL = 60;
/** An account's passwords that are in use at the same time. */
const MAX_IN_USE = 50;
const DAY_MS = 86_400_000;

const random = (length: number): string => Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');

/**
 * The two parts of a password as it was typed: blanks, hyphens of any kind and case do not matter. null: it is no app password.
 */
export function parseAppPassword(text: string): { selector: string; secret: string } | null {
  if (text.length > MAX_INPUT) return null;
  // As it is shown, which is how most apps keep it; the rest costs more.
  let canonical = text.replaceAll('-', '');
  if (!CANONICAL.test(canonical)) {
    canonical = text
      .normalize('NFKC')
      .toLowerCase()
      // Phones turn hyphens into dashes and add blanks that cannot be seen (\p{Cf}: zero-width ones, the soft hyphen).
      .replace(/[\s\p{Pd}\p{Cf}\u2212]/gu, '');
    if (!CANONICAL.test(canonical)) return null;
  }
  return { selector: canonical.slice(0, SELECTOR_LENGTH), secret: canonical.slice(SELECTOR_LENGTH) };
}

/**
 * A new app password. `password` is shown to its owner once and stored nowhere.
 * @throws DomainError invalid (field label), conflict when the account has too many, unavailable
 */
export async function createAppPassword(ctx: Context, account: Account, label: string): Promise<{ row: AppPassword; password: string }> {
  const name = label.replace(/\p{C}/gu, '').trim();
  if (name === '') throw new DomainError('invalid', 'Write what it is for, such as “Phone”.', 'label');
  if ([...name].length > MAX_LABEL) throw new DomainError('invalid', `Use at most ${MAX_LABEL} characters.`, 'label');
  const secret = random(SECRET_LENGTH);
  const hash = await hashPassword('app', secret);
  const made = await ctx.store.transaction(async (tx) => {
    const inUse = (await listRows(tx, account.id)).filter((row) => row.revokedAt === null);
    if (inUse.length >= MAX_IN_USE) throw new DomainError('conflict', `You have ${MAX_IN_USE} app passwords. Revoke one that you no longer use.`);
    let selector = random(SELECTOR_LENGTH);
    while (await findAppPasswordBySelector(tx, selector)) selector = random(SELECTOR_LENGTH);
    const row = await insertAppPassword(tx, {
      accountId: account.id,
      selector,
      label: name,
      hash,
      createdAt: ctx.now(),
      lastUsedDay: null,
      lastUsedBy: null,
      revokedAt: null,
    });
    return { row, password: (selector + secret).match(/.{4}/g)!.join('-') };
  });
  // Most are typed into an app minutes later: that login needs no bcrypt, for that it is right is known here and now.
  known.addFresh(known.fingerprint(made.row.selector + secret), made.row.hash, ctx.now());
  return made;
}

/** The app passwords in use, newest first. */
export async function listAppPasswords(ctx: Context, account: Account): Promise<AppPassword[]> {
  const rows = await listRows(ctx.store, account.id);
  return rows.filter((row) => row.revokedAt === null).sort((a, b) => b.createdAt - a.createdAt || b.id - a.id);
}

/**
 * The next log-in with it fails, and the open chat sessions of the account end (clients with another app password come back by themselves).
 * Revoking twice is no error.
 * @throws DomainError not-found when the account has no such app password
 */
export async function revokeAppPassword(ctx: Context, account: Account, id: number): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const row = (await listRows(tx, account.id)).find((candidate) => candidate.id === id);
    if (!row) throw new DomainError('not-found', 'There is no such app password.');
    await revoke(ctx, tx, account, [row]);
  });
}

/** The same with every one. @returns how many were in use */
export const revokeAllAppPasswords = (ctx: Context, account: Account): Promise<number> => ctx.store.transaction((tx) => revokeAllIn(ctx, tx, account));

/** The same in a transaction of something larger. */
export const revokeAllIn = async (ctx: Context, tx: Tx, account: Account): Promise<number> => revoke(ctx, tx, account, await listRows(tx, account.id));

async function revoke(ctx: Context, tx: Tx, account: Account, rows: AppPassword[]): Promise<number> {
  const inUse = rows.filter((row) => row.revokedAt === null);
  for (const row of inUse) await updateAppPassword(tx, row.id, { revokedAt: ctx.now() });
  if (inUse.length > 0) {
    await noteChatChange(ctx, tx, account, { endSessions: true });
    ctx.log.info({ username: account.username, count: inUse.length }, 'app passwords revoked');
  }
  return inUse.length;
}

const known = new KnownPasswords({ inUse: 20_000, fresh: 2_000 });

/** Forgets every sparing of bcrypt, as a restart does: for benches and tests of the cold case. */
export const forgetVerified = (): void => known.clear();

/**
 * Is this the app password of that account? Account and password are read from the database at each check; only bcrypt may be spared.
 * An unknown name, an unknown password and a revoked one cost the same. Too many wrong ones: no without looking, which never meets a password
 * that was right within the hour, nor one whose selector is known: a stranger cannot lock the owner out.
 * @param username without a domain
 * @param usedBy what is noted as its last use
 * @param signal aborted when nobody waits for the answer any more; asked for only when there is something to wait for
 * @throws DomainError unavailable when too many wait; the signal's reason
 */
export async function isAppPassword(ctx: Context, username: string, password: string, usedBy: 'chat' | 'api', signal?: () => AbortSignal): Promise<boolean> {
  const name = username.toLowerCase();
  const parsed = parseAppPassword(password);
  const print = parsed && known.fingerprint(parsed.selector + parsed.secret);
  const knownHash = print && known.hashOf(print, ctx.now());
  // The note comes before the look: who revokes it after our look finds the note.
  const note = usedBy === 'chat' && ctx.config.ejabberdApi ? () => noteLetIn(ctx, name) : null;
  if (knownHash) await note?.();
  // Both are asked for in every case: the same work for all.
  const find = () => findCredentials(ctx.store, isUsername(name) ? name : '-', parsed?.selector ?? '-');
  const { account, row } = await find();
  const usable = isUsable(account, row) ? row : null;

  if (!usable || !print || knownHash !== usable.hash) {
    const keys = usable ? { 'app-password-row': String(usable.id) } : { 'app-password-overall': 'all', 'app-password-account': name };
    if (await isLimited(ctx, keys)) {
      ctx.log.warn({ username: name, usedBy }, 'too many wrong app passwords: not looked at');
      // Not when it is the limit over all accounts, and without waiting: the answer takes as long for a name that nobody has.
      if (await isLimited(ctx, usable ? keys : { 'app-password-account': name })) void tellOfGuessing(ctx, account?.id ?? null, 'chat');
      return false;
    }
    if (!(await verifyPassword('app', parsed?.secret ?? '', usable?.hash ?? null, signal?.())) || !usable || !print) {
      await countFailure(ctx, keys);
      return false;
    }
    await note?.();
    // bcrypt may have waited in its queue: what was revoked meanwhile must not get in.
    const now = await find();
    if (!isUsable(now.account, now.row) || now.row!.id !== usable.id) return false;
  }
  known.addInUse(print, usable.hash, ctx.now());
  noteUse(ctx, usable, usedBy);
  return true;
}

/** The same. @returns the account that it opens, or null */
export async function checkAppPassword(ctx: Context, username: string, password: string, usedBy: 'chat' | 'api'): Promise<Account | null> {
  if (!(await isAppPassword(ctx, username, password, usedBy))) return null;
  const account = await findAccountByUsername(ctx.store, username.toLowerCase());
  return account?.state === 'active' ? account : null;
}

const isUsable = (account: Credentials['account'], row: Credentials['row']): boolean =>
  account !== null && row !== null && row.accountId === account.id && account.state === 'active' && row.revokedAt === null;

// The day of the last use is written a moment later and for many at once: a storm of log-ins shall not wait for the disk.
const uses = new WeakMap<Store, { waiting: Map<number, Partial<AppPassword>>; timer: NodeJS.Timeout | null }>();
const WRITE_AFTER_MS = 250;

function noteUse(ctx: Context, row: Pick<AppPassword, 'id' | 'lastUsedDay'>, usedBy: 'chat' | 'api'): void {
  const day = Math.floor(ctx.now() / DAY_MS) * DAY_MS;
  if (row.lastUsedDay === day) return;
  let state = uses.get(ctx.store);
  if (!state) uses.set(ctx.store, (state = { waiting: new Map(), timer: null }));
  if (!state.waiting.has(row.id)) state.waiting.set(row.id, { lastUsedDay: day, lastUsedBy: usedBy });
  state.timer ??= setTimeout(() => void writeUses(ctx), WRITE_AFTER_MS).unref();
}

/** Writes now what is known about last uses. Called by itself a moment after a check, and at the end of the service. Never throws: it is no reason to fail. */
export async function writeUses(ctx: Context): Promise<void> {
  const state = uses.get(ctx.store);
  if (!state) return;
  if (state.timer) clearTimeout(state.timer);
  state.timer = null;
  const rows = [...state.waiting];
  state.waiting.clear();
  if (rows.length === 0) return;
  try {
    await ctx.store.transaction(async (tx) => {
      for (const [id, change] of rows) await updateAppPassword(tx, id, change);
    });
  } catch (error) {
    ctx.log.warn({ err: error, count: rows.length }, 'last use of app passwords not noted');
  }
}
