import express from 'express';
import type { Context } from '../../services/context.js';
import { addressKey, takeLimits } from '../../services/limits.js';
import { peekUnsubscribe, unsubscribe } from '../../services/notification-mail.js';
import { UnsubscribePage } from '../pages/texts.js';
import { sendPage } from '../render.js';

/**
 * The end of notification mails. RFC 8058 §3.2: a mail program posts here without cookie, session or form of ours, so these routes stand before
 * all of that; whoever has the link may do the one thing that it is for.
 */
export function unsubscribeRoutes(ctx: Context): express.Router {
  const router = express.Router();
    router.get('/unsubscribe/:token', async (req, res) => {
    await takeLimits(ctx, { 'link-address': addressKey(req.ip) });
    sendPage(res, <UnsubscribePage token={req.params.token!} {...await peekUnsubscribe(ctx, req.params.token!)} done={false} />, { secret: true });
  });

  // The body says List-Unsubscribe=One-Click, and nothing that is needed: it is not read.
  router.post('/unsubscribe/:token', async (req, res) => {
    await takeLimits(ctx, { 'link-address': addressKey(req.ip) });
    sendPage(res, <UnsubscribePage token={req.params.token!} {...await unsubscribe(ctx, req.params.token!)} done />, { secret: true });
  });

  return router;
}
