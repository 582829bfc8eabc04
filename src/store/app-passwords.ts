import type { Account, AppPassword } from '../domain/account.js';
import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { AppPasswordSchema } from './schema/accounts.js';

const appPasswords = table<AppPassword>(AppPasswordSchema);

export const insertAppPassword = async (tx: Tx, row: Omit<AppPassword, 'id'>): Promise<AppPassword> => (await appPasswords.insert(tx, row))!;

export const findAppPasswordBySelector = (db: Db, selector: string): Promise<AppPassword | null> => appPasswords.find(db, { selector });

/** As much of an account and of an app password as a check of the password needs. */
export interface Credentials {
  account: Pick<Account, 'id' | 'state'> | null;
  row: Pick<AppPassword, 'id' | 'accountId' | 'hash' | 'lastUsedDay' | 'revokedAt'> | null;
}

// One statement is half the time of two (each takes and gives back SQLite's lock), and both are looked for whatever the other one is. Each column
// that is not read spares another twenty-fifth.
const CREDENTIALS = `select a.id as account, a.state as state, p.id as id, p.account_id as owner, p.hash as hash, p.last_used_day as day, p.revoked_at as revoked
  from (select 1 as one) as x left join accounts a on a.username = ? left join app_passwords p on p.selector = ?`;
interface CredentialsRow {
  account: number | null;
  state: Account['state'];
  id: number | null;
  owner: number;
  hash: string;
  day: number | null;
  revoked: number | null;
}

/** The account of that name and the app password of that selector, whether or not they belong together. */
export async function findCredentials(db: Db, username: string, selector: string): Promise<Credentials> {
  const [found] = await db.query<CredentialsRow>(CREDENTIALS, [username, selector]);
  const { account, state, id, owner, hash, day, revoked } = found!;
  return {
    account: account === null ? null : { id: account, state },
    row: id === null ? null : { id, accountId: owner, hash, lastUsedDay: day, revokedAt: revoked },
  };
}

/** Revoked ones too; newest first. */
export const listAppPasswords = (db: Db, accountId: number): Promise<AppPassword[]> => appPasswords.select(db, { accountId }, 'order by id desc');

export async function updateAppPassword(tx: Tx, id: number, change: Partial<AppPassword>): Promise<void> {
  await appPasswords.update(tx, { id }, change);
}
