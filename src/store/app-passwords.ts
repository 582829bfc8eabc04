import type { AppPassword } from '../domain/account.js';
import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { AppPasswordSchema } from './schema/accounts.js';

const appPasswords = table<AppPassword>(AppPasswordSchema);

export const insertAppPassword = async (tx: Tx, row: Omit<AppPassword, 'id'>): Promise<AppPassword> => (await appPasswords.insert(tx, row))!;

export const findAppPasswordBySelector = (db: Db, selector: string): Promise<AppPassword | null> => appPasswords.find(db, { selector });

/** Revoked ones too; newest first. */
export const listAppPasswords = (db: Db, accountId: number): Promise<AppPassword[]> => appPasswords.select(db, { accountId }, 'order by id desc');

export async function updateAppPassword(tx: Tx, id: number, change: Partial<AppPassword>): Promise<void> {
  await appPasswords.update(tx, { id }, change);
}
