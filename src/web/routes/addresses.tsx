import express from 'express';
import { z } from 'zod';
import type { Context } from '../../services/context.js';
import { askToLink, ownerAddressesOf, unlinkAddress } from '../../services/owner-addresses.js';
import { submit } from '../forms.js';
import { AddressesPage } from '../pages/addresses.js';
import { sendPage } from '../render.js';
import { memberOf, queryText } from '../visit.js';

const form = z.object({ address: z.string().trim().min(1) });

/** Chat addresses of other servers that speak for one's account. */
export function addressRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/settings/addresses', async (req, res) => {
    const { t, account } = memberOf(res);
    const notice = { asked: t.addresses.asked, removed: t.addresses.removed }[queryText(req, 'done') ?? ''];
    sendPage(res, <AddressesPage addresses={await ownerAddressesOf(ctx, account)} notice={notice} />);
  });

  router.post('/settings/addresses', async (req, res) => {
    const { account } = memberOf(res);
    const faults = await submit(req, form, async ({ address }) => void (await askToLink(ctx, account, address)));
    if (faults) return sendPage(res, <AddressesPage addresses={await ownerAddressesOf(ctx, account)} faults={faults} />, { status: faults.status });
    res.redirect(303, '/settings/addresses?done=asked');
  });

  router.post('/settings/addresses/remove', async (req, res) => {
    const { account } = memberOf(res);
    await unlinkAddress(ctx, account, form.parse(req.body).address);
    res.redirect(303, '/settings/addresses?done=removed');
  });

  return router;
}
