import { removeUnconfirmed } from '../services/accounts.js';
import { forgetChatChanges } from '../services/chat-sessions.js';
import type { Context } from '../services/context.js';
import { deleteExpired as deleteExpiredLimits } from '../store/limits.js';
import { deleteExpired as deleteExpiredSessions } from '../store/sessions.js';
import { deleteExpired as deleteExpiredTokens } from '../store/tokens.js';

/** Removes what has run out: sessions, counts of tries, links sent by mail, old news for chat servers, accounts whose address nobody confirmed. */
export async function sweepExpired(ctx: Context): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    await deleteExpiredSessions(tx, ctx.now());
    await deleteExpiredTokens(tx, ctx.now());
    await deleteExpiredLimits(tx, ctx.now());
    await forgetChatChanges(ctx, tx);
  });
  await removeUnconfirmed(ctx);
}
