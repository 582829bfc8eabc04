// How often something may be tried. The counts of all processes are in the table `limits` on PostgreSQL; on SQLite, where there is one process, they
// are in its memory: a restart forgets them.
import { createHash } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import { DomainError } from '../domain/errors.js';
import type { Store } from '../store/database.js';
import { LIMITS_TABLE } from '../store/limits.js';
import type { Context } from './context.js';
import { isMarked, mark } from './marks.js';

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** points a duration in seconds, for each key. */
const LIMITS = {
  // Failed log-ins on the web: one account from one address; one account; one address; all.
  'login-pair': { points: 8, duration: 15 * MINUTE },
  'login-account': { points: 60, duration: HOUR },
  'login-address': { points: 40, duration: 15 * MINUTE },
  'login-overall': { points: 6_000, duration: 15 * MINUTE },
  // The own password asked again by someone who is logged in.
  'password-account': { points: 10, duration: 15 * MINUTE },
  'sign-up-address': { points: 10, duration: HOUR },
  'sign-up-overall': { points: 500, duration: HOUR },
  // Requests for a mail: who asks, and who would be written to.
  'mail-address': { points: 15, duration: HOUR },
  'mail-recipient': { points: 5, duration: HOUR },
  'mail-overall': { points: 1_000, duration: HOUR },
  // Opening links from mails: 256 random bits are not found, but the tries cost us.
  'link-address': { points: 60, duration: 15 * MINUTE },
  // Codes sent to chat addresses: who asks, and who would be written to.
  'link-account': { points: 10, duration: HOUR },
  'link-recipient': { points: 3, duration: HOUR },
  // People whom we have not heard of, made known by one chat server.
  'strangers-host': { points: 2_000, duration: HOUR },
  // Adding, answering, blocking and hiding people; looking up an address, of which most ask another server.
  'follow-account': { points: 300, duration: 5 * MINUTE },
  'look-up-account': { points: 120, duration: 5 * MINUTE },
  'picture-account': { points: 20, duration: HOUR },
  'post-account': { points: 60, duration: 5 * MINUTE },
  // What one person, and all of one other server, put under posts.
  'comment-actor': { points: 60, duration: 5 * MINUTE },
  'comment-host': { points: 1_200, duration: 5 * MINUTE },
  'like-actor': { points: 300, duration: 5 * MINUTE },
  'like-host': { points: 3_000, duration: 5 * MINUTE },
  // Mails of single notifications to one account: what is more goes into the digest.
  'notification-mail': { points: 20, duration: HOUR },
  // Wrong app passwords: one row (label), one account name without a known row, all.
  'app-password-row': { points: 30, duration: 10 * MINUTE },
  'app-password-account': { points: 60, duration: 10 * MINUTE },
  'app-password-overall': { points: 6_000, duration: 10 * MINUTE },
  // Mails that tell an owner of such tries.
  'guessing-mail': { points: 1, duration: 24 * HOUR },
} as const satisfies Record<string, { points: number; duration: number }>;

export type LimitName = keyof typeof LIMITS;
/** What is counted, by limit: a key each. They are taken in the order written: the widest first spares the memory of the narrower ones. */
export type Keys = Partial<Record<LimitName, string>>;

const limitersOf = new WeakMap<Store, Map<LimitName, RateLimiterAbstract>>();

function limiter(ctx: Context, name: LimitName): RateLimiterAbstract {
  let limiters = limitersOf.get(ctx.store);
  if (!limiters) limitersOf.set(ctx.store, (limiters = new Map()));
  let found = limiters.get(name);
  if (!found) limiters.set(name, (found = createLimiter(ctx.store, { ...LIMITS[name], keyPrefix: name })));
  return found;
}

function createLimiter(store: Store, options: { points: number; duration: number; keyPrefix: string }): RateLimiterAbstract {
  if (store.dialect === 'sqlite') return new RateLimiterMemory(options);
  const query = async ({ text, values }: { text: string; values: unknown[] }) => {
    const rows = await store.query(text, values);
    return { rows, rowCount: rows.length };
  };
  // The migrations make the table, and the sweep empties it.
  return new RateLimiterPostgres({ ...options, storeClient: { query }, storeType: 'client', tableName: LIMITS_TABLE, tableCreated: true, clearExpiredByTimeout: false });
}

/** Keys come from strangers: of any length, so a digest stands for them. */
const digest = (key: string): string => createHash('sha256').update(key).digest('base64url').slice(0, 22);

const entriesOf = (keys: Keys) => Object.entries(keys) as [LimitName, string][];

/** `too-many` in words: says how long to wait. */
function tooMany(msBeforeNext: number): DomainError {
  const minutes = Math.max(1, Math.ceil(msBeforeNext / 60_000));
  const error = new DomainError('too-many', `That was too often. Please wait ${minutes === 1 ? 'a minute' : `${minutes} minutes`} and try again.`);
  return Object.assign(error, { retryAfterMs: msBeforeNext }); // for HTTP's Retry-After
}

/**
 * Counts one try against each of these limits, or none of them when one is used up.
 * @returns gives the tries back, for those that count failures only
 * @throws DomainError too-many
 */
export async function takeLimits(ctx: Context, keys: Keys): Promise<() => Promise<void>> {
  if (!ctx.config.rateLimits) return async () => {};
  const taken: [LimitName, string][] = [];
  const giveBack = async () => {
    for (const [name, key] of taken.splice(0)) await limiter(ctx, name).reward(key, 1);
  };
  for (const [name, plainKey] of entriesOf(keys)) {
    const key = digest(plainKey);
    taken.push([name, key]); // a refused try was counted too: it goes back like the others, else trying on would never end the wait
    try {
      await limiter(ctx, name).consume(key, 1);
    } catch (error) {
      await giveBack();
      if (error instanceof RateLimiterRes) throw tooMany(error.msBeforeNext);
      throw error;
    }
  }
  return giveBack;
}

/** Counts one try like `takeLimits`. @returns false: one of them is used up, and none is counted */
export async function tryLimits(ctx: Context, keys: Keys): Promise<boolean> {
  try {
    await takeLimits(ctx, keys);
    return true;
  } catch (error) {
    if (error instanceof DomainError && error.code === 'too-many') return false;
    throw error;
  }
}

/** Is one of these limits used up? Counts nothing. */
export async function isLimited(ctx: Context, keys: Keys): Promise<boolean> {
  if (!ctx.config.rateLimits) return false;
  for (const [name, key] of entriesOf(keys)) {
    const state = await limiter(ctx, name).get(digest(key));
    if (state && state.consumedPoints >= LIMITS[name].points) return true;
  }
  return false;
}

/** Counts one failure against each of these limits, used up or not. */
export async function countFailure(ctx: Context, keys: Keys, times = 1): Promise<void> {
  if (!ctx.config.rateLimits) return;
  for (const [name, key] of entriesOf(keys)) await limiter(ctx, name).penalty(digest(key), times);
}

/**
 * The key of an internet address: IPv6 by its /64, which one customer has whole; IPv4 written as IPv6 is IPv4. Missing: one key for all such.
 */
export function addressKey(address: string | undefined): string {
  if (!address) return 'unknown';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return mapped;
  if (isIPv4(address) || !isIPv6(address)) return address;
  const [head = '', tail] = address.split('%')[0]!.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? before : [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** An address from which nobody logged in for so long is a stranger's again. */
const KNOWN_MS = 90 * 24 * 3_600_000;

/**
 * Remembers that an account logged in from an address, so that a stranger who uses up the account's tries does not lock its owner out.
 */
export async function rememberAddress(ctx: Context, accountId: number, address: string | undefined): Promise<void> {
  if (address) await mark(ctx, 'known-address', `${accountId} ${addressKey(address)}`, ctx.now() + KNOWN_MS);
}

/** Has this account logged in from this address of late? */
export const knowsAddress = async (ctx: Context, accountId: number, address: string | undefined): Promise<boolean> =>
  address !== undefined && isMarked(ctx, 'known-address', `${accountId} ${addressKey(address)}`);
