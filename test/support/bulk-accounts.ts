// Accounts and app passwords in bulk, written straight into the database: what is measured is the login, not the sign-up.
import { randomInt } from 'node:crypto';
import bcrypt from 'bcrypt';
import { createLog } from '../../src/log.js';
import { hashPassword } from '../../src/services/passwords.js';
import { insertAccount } from '../../src/store/accounts.js';
import { insertLocalActor } from '../../src/store/actors.js';
import { insertAppPassword } from '../../src/store/app-passwords.js';
import { openStore } from '../../src/store/open.js';

const LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';
const random = (length: number) => Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('');

export interface Login {
  username: string;
  password: string;
}

/** Everyone's password on the pages, of the lowest cost. */
export const WEB_PASSWORD = 'correct horse battery';

/**
 * Active accounts `u0`, `u1` … with `sets` app passwords each.
 * @returns the sets, each with one login of every account: a set that was not used yet is a cold cache
 */
export async function makeAccounts(databaseUrl: string, domain: string, count: number, sets: number): Promise<Login[][]> {
  const store = await openStore(databaseUrl, createLog('silent'));
  // One secret is enough: rows and selectors differ, so each costs its own bcrypt.
  const secret = random(26);
  const hash = await hashPassword('app', secret);
  const passwordHash = await bcrypt.hash(WEB_PASSWORD, 4);
  const logins: Login[][] = Array.from({ length: sets }, () => []);
  await store.transaction(async (tx) => {
    for (let index = 0; index < count; index++) {
      const username = `u${index}`;
      const actor = await insertLocalActor(tx, { username, domain });
      const account = await insertAccount(tx, {
        actorId: actor.id,
        username,
        email: `${username}@mail.test`,
        passwordHash,
        state: 'active',
        isAdmin: false,
        defaultAudience: { to: 'public' },
        askFirst: false, notificationMail: null,
        createdAt: Date.now(),
        confirmedAt: Date.now(),
      });
      for (const set of logins) {
        const selector = random(6);
        await insertAppPassword(tx, { accountId: account.id, selector, label: 'Bench', hash, createdAt: Date.now(), lastUsedDay: null, lastUsedBy: null, revokedAt: null });
        set.push({ username, password: (selector + secret).match(/.{4}/g)!.join('-') });
      }
    }
  });
  await store.close();
  return logins;
}
