import express, { type Response } from 'express';
import { countPostsOf, createAspect, findAspectView, listAspectViews, removeAspect, renameAspect, takeOutOfAspect } from '../../services/aspects.js';
import type { Context } from '../../services/context.js';
import { pageOfPeople, putIntoAspect } from '../../services/relationships.js';
import { aspectForm, memberForm, submit } from '../forms.js';
import { AspectPage, AspectsPage, RemoveAspectPage } from '../pages/aspects.js';
import { sendPage } from '../render.js';
import { memberOf, queryText } from '../visit.js';
import { afterOf, idOf } from './contacts.js';

/** So many contacts are offered as one types an address. */
const OFFERED = 100;

/** The named groups of one's contacts. */
export function aspectRoutes(ctx: Context): express.Router {
  const router = express.Router();

  const notice = (req: express.Request, res: Response): string | undefined => {
    const { done } = memberOf(res).t.aspects;
    const name = queryText(req, 'done') ?? '';
    return Object.hasOwn(done, name) ? done[name] : undefined;
  };

  router.get('/aspects', async (req, res) => {
    const { account } = memberOf(res);
    sendPage(res, <AspectsPage aspects={await listAspectViews(ctx, account)} notice={notice(req, res)} />);
  });

  router.post('/aspects', async (req, res) => {
    const { account } = memberOf(res);
    let path = '/aspects';
    const faults = await submit(req, aspectForm, async ({ name }) => {
      path = `/aspects/${(await createAspect(ctx, account, name)).id}?done=made`;
    });
    if (faults) return sendPage(res, <AspectsPage aspects={await listAspectViews(ctx, account)} faults={faults} />, { status: faults.status });
    res.redirect(303, path);
  });

  const propsOf = async (res: Response, id: number, after?: number) => {
    const { account } = memberOf(res);
    const aspect = await findAspectView(ctx, account, id);
    const [members, others] = await Promise.all([pageOfPeople(ctx, account, id, { after }), pageOfPeople(ctx, account, 'contacts', { outside: id, limit: OFFERED })]);
    return { aspect, members: members.people, next: members.next, after, others: others.people };
  };

  router.get('/aspects/:id', async (req, res) => {
    sendPage(res, <AspectPage {...await propsOf(res, idOf(req.params.id), afterOf(req))} notice={notice(req, res)} />);
  });

  router.post('/aspects/:id/rename', async (req, res) => {
    const { account } = memberOf(res);
    const id = idOf(req.params.id);
    const faults = await submit(req, aspectForm, ({ name }) => renameAspect(ctx, account, id, name));
    if (faults) return sendPage(res, <AspectPage {...await propsOf(res, id)} faults={faults} />, { status: faults.status });
    res.redirect(303, `/aspects/${id}?done=renamed`);
  });

  router.post('/aspects/:id/members', async (req, res) => {
    const { account } = memberOf(res);
    const id = idOf(req.params.id);
    const faults = await submit(req, memberForm, async ({ address, older }) => void (await putIntoAspect(ctx, account, id, address, { older, onlyContacts: true })));
    if (faults) return sendPage(res, <AspectPage {...await propsOf(res, id)} faults={faults} />, { status: faults.status });
    res.redirect(303, `/aspects/${id}?done=put`);
  });

  router.post('/aspects/:id/members/:person/remove', async (req, res) => {
    const id = idOf(req.params.id);
    await takeOutOfAspect(ctx, memberOf(res).account, id, idOf(req.params.person));
    res.redirect(303, `/aspects/${id}?done=takenOut`);
  });

  router.get('/aspects/:id/remove', async (req, res) => {
    const { account } = memberOf(res);
    const id = idOf(req.params.id);
    const aspect = await findAspectView(ctx, account, id);
    const usual = account.defaultAudience;
    sendPage(res, <RemoveAspectPage aspect={aspect} posts={await countPostsOf(ctx, account, id)} isDefault={usual.to === 'aspects' && usual.aspectIds.includes(id)} />);
  });

  router.post('/aspects/:id/remove', async (req, res) => {
    await removeAspect(ctx, memberOf(res).account, idOf(req.params.id));
    res.redirect(303, '/aspects?done=removed');
  });

  return router;
}
