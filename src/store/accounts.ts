import { type Account, skeletonOf } from '../domain/account.js';
import { deleteActor } from './actors.js';
import type { Db, Tx } from './database.js';
import { marks, table } from './rows.js';
import { type AccountRow, AccountSchema } from './schema/accounts.js';

const accounts = table<AccountRow>(AccountSchema);

/** @throws DomainError conflict when the name, one that looks like it, the e-mail address or the actor has an account */
export const insertAccount = async (tx: Tx, account: Omit<Account, 'id'>): Promise<Account> =>
  (await accounts.insert(tx, { ...account, skeleton: skeletonOf(account.username) }))!;

export const findAccount = (db: Db, id: number): Promise<Account | null> => accounts.find(db, { id });
export const findAccountByUsername = (db: Db, username: string): Promise<Account | null> => accounts.find(db, { username });
/** The account of this name, or of one that looks like it. */
export const findAccountLike = (db: Db, username: string): Promise<Account | null> => accounts.find(db, { skeleton: skeletonOf(username) });
export const findAccountByActor = (db: Db, actorId: number): Promise<Account | null> => accounts.find(db, { actorId });
/** @param email as parseEmail gives it */
export const findAccountByEmail = async (db: Db, email: string): Promise<Account | null> => (email === '' ? null : accounts.find(db, { email }));

/** @throws DomainError conflict when the new e-mail address is taken */
export async function updateAccount(tx: Tx, id: number, change: Partial<Account>): Promise<void> {
  await accounts.update(tx, { id }, change);
}

/** Takes its e-mail address from an account that still waits to be confirmed. @returns false when it no longer waits */
export const releaseEmail = async (tx: Tx, id: number): Promise<boolean> =>
  (await tx.query("update accounts set email = '' where id = ? and state = 'pending' returning 1", [id])).length > 0;

export const listAccounts = (db: Db): Promise<Account[]> => accounts.select(db, {}, 'order by username');

/** Removes an account that was never confirmed, with its person, so that the name is free again. */
export async function deleteAccount(tx: Tx, id: number): Promise<void> {
  const account = await findAccount(tx, id);
  if (!account) return;
  await accounts.remove(tx, { id });
  await deleteActor(tx, account.actorId);
}

/** The names of all active accounts. */
export const listUsernames = async (db: Db): Promise<string[]> =>
  (await db.query<{ username: string }>("select username from accounts where state = 'active' order by username")).map((row) => row.username);

/** Those of the names that active accounts have. */
export const activeUsernames = async (db: Db, names: readonly string[]): Promise<string[]> =>
  names.length === 0
    ? []
    : (await db.query<{ username: string }>(`select username from accounts where state = 'active' and username in (${marks(names.length)})`, names)).map((row) => row.username);
