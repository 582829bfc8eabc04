import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { type Session, SessionSchema } from './schema/accounts.js';

const sessions = table<Session>(SessionSchema);

export async function readSession(db: Db, idHash: string, now: number): Promise<Pick<Session, 'accountId' | 'data'> | null> {
  const session = await sessions.find(db, { idHash });
  return session && session.expiresAt > now ? { accountId: session.accountId, data: session.data } : null;
}

export async function writeSession(tx: Tx, session: Session): Promise<void> {
  await sessions.upsert(tx, session, ['idHash']);
}

export async function deleteSession(tx: Tx, idHash: string): Promise<void> {
  await sessions.remove(tx, { idHash });
}

/** Ends the account's sessions, all or all but one. */
export async function deleteSessionsOf(tx: Tx, accountId: number, exceptIdHash = ''): Promise<void> {
  await tx.query('delete from sessions where account_id = ? and id_hash <> ?', [accountId, exceptIdHash]);
}

/** @returns how many had expired */
export const deleteExpired = async (tx: Tx, now: number): Promise<number> =>
  (await tx.query('delete from sessions where expires_at <= ? returning 1', [now])).length;
