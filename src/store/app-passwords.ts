import type { Account, AppPassword } from '../domain/account.js';
import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { type AccountRow, AccountSchema, AppPasswordSchema } from './schema/accounts.js';

const appPasswords = table<AppPassword>(AppPasswordSchema);

export const insertAppPassword = async (tx: Tx, row: Omit<AppPassword, 'id'>): Promise<AppPassword> => (await appPasswords.insert(tx, row))!;

export const findAppPasswordBySelector = (db: Db, selector: string): Promise<AppPassword | null> => appPasswords.find(db, { selector });

const accounts = table<AccountRow>(AccountSchema);
// One statement is half the time of two (each takes and gives back SQLite's lock), and both are looked for whatever the other one is.
const CREDENTIALS = `select ${accounts.columnsAs('a')}, ${appPasswords.columnsAs('p')} from (select 1 as one) as x
  left join accounts a on a.username = ? left join app_passwords p on p.selector = ?`;

/** The account of that name and the app password of that selector, whether or not they belong together. */
export async function findCredentials(db: Db, username: string, selector: string): Promise<{ account: Account | null; row: AppPassword | null }> {
  const [found] = await db.query(CREDENTIALS, [username, selector]);
  return { account: accounts.readAs(found!, 'a'), row: appPasswords.readAs(found!, 'p') };
}

/** Revoked ones too; newest first. */
export const listAppPasswords = (db: Db, accountId: number): Promise<AppPassword[]> => appPasswords.select(db, { accountId }, 'order by id desc');

export async function updateAppPassword(tx: Tx, id: number, change: Partial<AppPassword>): Promise<void> {
  await appPasswords.update(tx, { id }, change);
}
