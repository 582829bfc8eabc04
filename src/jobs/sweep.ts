import { removeUnconfirmed } from '../services/accounts.js';
import { forgetChatChanges } from '../services/chat-sessions.js';
import type { Context } from '../services/context.js';
import { queueDigests } from '../services/notification-mail.js';
import { pruneNotifications } from '../services/notifications.js';
import { forgetRetractions } from '../services/receive.js';
import { deleteExpired as deleteExpiredLimits } from '../store/limits.js';
import { deleteExpired as deleteExpiredSessions } from '../store/sessions.js';
import { deleteExpired as deleteExpiredTokens } from '../store/tokens.js';

/**
 * Removes what has run out: sessions, counts of tries, links sent by mail, old news for chat servers, old notifications, what was
 * retracted elsewhere long ago, accounts whose address nobody confirmed. And leaves the notifications that wait to be mailed in the queue, once a day.
 */
export async function sweepExpired(ctx: Context): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    await deleteExpiredSessions(tx, ctx.now());
    await deleteExpiredTokens(tx, ctx.now());
    await deleteExpiredLimits(tx, ctx.now());
    await forgetChatChanges(ctx, tx);
    await pruneNotifications(ctx, tx);
    await forgetRetractions(ctx, tx);
  });
  await removeUnconfirmed(ctx);
  await queueDigests(ctx);
}
