// Links sent by mail. The token is HMAC(DX_SECRET, seed): the waiting mail job holds the seed, the table a SHA-256 of the token, so neither the
// queue nor a copy of the database opens anything without the secret. Each works once, and of each kind an account has one.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { DomainError } from '../domain/errors.js';
import type { Db, Tx } from '../store/database.js';
import { deleteToken, deleteTokensOf, findToken, insertToken } from '../store/tokens.js';
import type { Context } from './context.js';

/** confirm: a new account's e-mail. reset, set-password: a new web password. email: a changed e-mail address. */
export type TokenKind = 'confirm' | 'reset' | 'email' | 'set-password';

const HOUR_MS = 3_600_000;
export const TOKEN_LIFE_MS: Record<TokenKind, number> = {
  confirm: 48 * HOUR_MS,
  reset: HOUR_MS,
  email: 24 * HOUR_MS,
  'set-password': 72 * HOUR_MS,
};

/** Where each kind of link leads (interface.md §5). */
const PATHS: Record<TokenKind, string> = {
  confirm: '/confirm/',
  reset: '/password/reset/',
  'set-password': '/password/reset/',
  email: '/settings/email/',
};

/** Both kinds of link set a new web password, on the same page. */
const SAME_PAGE: Partial<Record<TokenKind, TokenKind>> = { reset: 'set-password', 'set-password': 'reset' };

const tokenOf = (ctx: Context, seed: string): string => createHmac('sha256', ctx.config.secret).update(`link\0${seed}`).digest('base64url');
const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/** The whole link of a seed. */
export const linkOf = (ctx: Context, kind: TokenKind, seed: string): string => `${ctx.config.publicUrl}${PATHS[kind]}${tokenOf(ctx, seed)}`;

/**
 * Makes a token; earlier ones of this kind end.
 * @param payload what it is about, e.g. the new e-mail address
 */
export async function issueToken(ctx: Context, tx: Tx, kind: TokenKind, accountId: number, payload = ''): Promise<{ seed: string; expiresAt: number }> {
  const seed = randomBytes(32).toString('base64url');
  const now = ctx.now();
  const expiresAt = now + TOKEN_LIFE_MS[kind];
  await deleteTokensOf(tx, accountId, kind);
  await insertToken(tx, { hash: hashOf(tokenOf(ctx, seed)), kind, accountId, payload, expiresAt, createdAt: now });
  return { seed, expiresAt };
}

async function look(ctx: Context, db: Db, token: string, kind: TokenKind) {
  if (token.length > 100) return null;
  const other = SAME_PAGE[kind];
  return (await findToken(db, hashOf(token), kind, ctx.now())) ?? (other ? await findToken(db, hashOf(token), other, ctx.now()) : null);
}

/** Would this link work? Changes nothing. */
export const peekToken = async (ctx: Context, token: string, kind: TokenKind): Promise<boolean> => (await look(ctx, ctx.store, token, kind)) !== null;

/** What is said about every link that does not work. */
export const deadLink = (): DomainError => new DomainError('gone', 'This link was used already, or it is too old. Please ask for a new one.');

/**
 * Uses a token up.
 * @throws DomainError gone
 */
export async function useToken(ctx: Context, tx: Tx, token: string, kind: TokenKind): Promise<{ accountId: number; payload: string }> {
  const found = await look(ctx, tx, token, kind);
  if (!found || !(await deleteToken(tx, found.hash))) throw deadLink();
  return found;
}
