import express from 'express';
import { z } from 'zod';
import type { Account } from '../../domain/account.js';
import type { Context } from '../../services/context.js';
import { askToLink, ownerAddressesOf, unlinkAddress } from '../../services/owner-addresses.js';
import { setSource, sourceStatesOf } from '../../services/sources.js';
import { submit } from '../forms.js';
import { AddressesPage } from '../pages/addresses.js';
import { sendPage } from '../render.js';
import { memberOf, queryText } from '../visit.js';

const form = z.object({ address: z.string().trim().min(1) });
const sourceForm = form.extend({ on: z.enum(['yes', 'no']) });

/** Chat addresses of other servers that speak for one's account. */
export function addressRoutes(ctx: Context): express.Router {
  const router = express.Router();
  const addressesOf = async (account: Account) => ({ addresses: await ownerAddressesOf(ctx, account), sources: await sourceStatesOf(ctx, account) });

  router.get('/settings/addresses', async (req, res) => {
    const { t, account } = memberOf(res);
    const notice = { asked: t.addresses.asked, removed: t.addresses.removed, sourceOn: t.addresses.sourceIsOn, sourceOff: t.addresses.sourceIsOff }[queryText(req, 'done') ?? ''];
    sendPage(res, <AddressesPage {...await addressesOf(account)} notice={notice} />);
  });

  router.post('/settings/addresses', async (req, res) => {
    const { account } = memberOf(res);
    const faults = await submit(req, form, async ({ address }) => void (await askToLink(ctx, account, address)));
    if (faults) return sendPage(res, <AddressesPage {...await addressesOf(account)} faults={faults} />, { status: faults.status });
    res.redirect(303, '/settings/addresses?done=asked');
  });

  /** What one button asks for; nothing in it is typed, so that a fault is a program's. */
  const pressed = async <S extends z.ZodType>(req: express.Request, res: express.Response, schema: S, work: (account: Account, form: z.output<S>) => Promise<string>) => {
    const { account } = memberOf(res);
    let done = '';
    const faults = await submit(req, schema, async (fields) => {
      done = await work(account, fields);
    });
    if (faults) return sendPage(res, <AddressesPage {...await addressesOf(account)} faults={faults} />, { status: faults.status });
    res.redirect(303, `/settings/addresses?done=${done}`);
  };

  router.post('/settings/addresses/remove', (req, res) =>
    pressed(req, res, form, async (account, { address }) => {
      await unlinkAddress(ctx, account, address);
      return 'removed';
    }),
  );

  router.post('/settings/addresses/source', (req, res) =>
    pressed(req, res, sourceForm, async (account, { address, on }) => {
      await setSource(ctx, account, address, on === 'yes');
      return on === 'yes' ? 'sourceOn' : 'sourceOff';
    }),
  );

  return router;
}
