import express from 'express';
import { isGuid } from '../../domain/guid.js';
import type { Context } from '../../services/context.js';
import { takeLimits } from '../../services/limits.js';
import { readOwnDeliveries, retryDelivery } from '../../services/own-deliveries.js';
import { retryDeliveryForm } from '../forms.js';
import { DeliveriesPage } from '../pages/deliveries.js';
import { sendPage } from '../render.js';
import { deliveriesPath } from '../views/Delivery.js';
import { queryText, visitOf } from '../visit.js';

/** Where one's own posts have arrived. To everybody else these are pages that do not exist. */
export function deliveryRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/posts/:guid/deliveries', async (req, res, next) => {
    const { account, t } = visitOf(res);
    const { guid } = req.params;
    const deliveries = account && isGuid(guid) ? await readOwnDeliveries(ctx, account, guid, queryText(req, 'after')) : null;
    if (!deliveries) return next();
    sendPage(res, <DeliveriesPage guid={guid} deliveries={deliveries} notice={queryText(req, 'done') === 'retried' ? t.deliveries.retried : undefined} />);
  });

  router.post('/posts/:guid/deliveries/retry', async (req, res, next) => {
    const { account } = visitOf(res);
    const { guid } = req.params;
    const form = retryDeliveryForm.safeParse(req.body ?? {});
    if (!account || !isGuid(guid) || !form.success || !(await readOwnDeliveries(ctx, account, guid))) return next();
    await takeLimits(ctx, { 'post-account': String(account.id) });
    await retryDelivery(ctx, account, guid, { protocol: form.data.network, host: form.data.server });
    res.redirect(303, `${deliveriesPath(guid)}?done=retried`);
  });

  return router;
}
