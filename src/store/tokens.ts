import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { type Token, type TokenKind, TokenSchema } from './schema/accounts.js';

export type { Token, TokenKind };

const tokens = table<Token>(TokenSchema);

/** @param token.hash SHA-256 of what stands in the link */
export async function insertToken(tx: Tx, token: Token): Promise<void> {
  await tokens.insert(tx, token);
}

/** The token while it is valid. */
export async function findToken(db: Db, hash: string, kind: TokenKind, now: number): Promise<Token | null> {
  const token = await tokens.find(db, { hash, kind });
  return token && token.expiresAt > now ? token : null;
}

/** @returns false when it was used before */
export const deleteToken = async (tx: Tx, hash: string): Promise<boolean> => (await tokens.remove(tx, { hash })) > 0;

export async function deleteTokensOf(tx: Tx, accountId: number, kind: TokenKind): Promise<void> {
  await tokens.remove(tx, { accountId, kind });
}

/** @returns how many had expired */
export const deleteExpired = async (tx: Tx, now: number): Promise<number> =>
  (await tx.query('delete from tokens where expires_at <= ? returning 1', [now])).length;
