import { DomainError } from '../domain/errors.js';
import { findAccount } from '../store/accounts.js';
import type { Context } from './context.js';
import { takeLimits } from './limits.js';
import { queueMail } from './mail.js';

/**
 * Writes to the owner of an account that someone tries passwords for it: once, and at most one such mail a day. Never throws, because nobody's answer
 * shall depend on it.
 * @param accountId null: nobody has the name that is tried
 * @param where what is guarded by the password that is tried
 */
export async function tellOfGuessing(ctx: Context, accountId: number | null, where: 'chat' | 'web'): Promise<void> {
  if (accountId === null) return;
  try {
    const account = await findAccount(ctx.store, accountId);
    if (account?.state !== 'active' || account.email === '') return;
    await takeLimits(ctx, { 'mail-overall': 'all', 'guessing-mail': String(account.id) });
    await ctx.store.transaction((tx) => queueMail(ctx, tx, account.email, where === 'chat' ? 'guessing-chat' : 'guessing-web', { username: account.username }));
    ctx.log.warn({ username: account.username, where }, 'someone guesses passwords: the owner was told');
  } catch (error) {
    if (error instanceof DomainError && error.code === 'too-many') return; // it was said today
    ctx.log.error({ err: error }, 'the owner could not be told of guessing');
  }
}
