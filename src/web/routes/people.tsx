import express from 'express';
import type { Actor } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import { listAspectViews } from '../../services/aspects.js';
import type { Context } from '../../services/context.js';
import { takeLimits } from '../../services/limits.js';
import { lookUp } from '../../services/people.js';
import { parseAddress } from '../../services/relationships.js';
import { actorByJid, countPostsBy, findPerson, listPostsBy } from '../../services/stream.js';
import { aspectsOfMember } from '../../store/aspects.js';
import { findRelationship } from '../../store/relationships.js';
import { ACTIVITY_TYPES, feedAsAtom, personAsActor, personUrl, postsAsCollection, sendActivityJson, sendAtom } from '../documents.js';
import { lookUpForm, submit } from '../forms.js';
import { type Fetching, PersonPage } from '../pages/person.js';
import { sendPage } from '../render.js';
import { pageOf } from '../views/parts.js';
import { LoginRequired, memberOf, queryText, viewerOf, visitOf } from '../visit.js';
import { relationNotice, sendContacts } from './contacts.js';
import { olderOf, PAGE_SIZE, pageOfPosts } from './stream.js';

/** The public feeds of a person: the same for everyone, so that they need neither cookie nor session. */
export function feedRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/u/:name/feed.atom', async (req, res) => {
    const { actor, account } = await findPerson(ctx, req.params.name.toLowerCase());
    const views = await listPostsBy(ctx, 'anonymous', actor, { limit: PAGE_SIZE });
    sendAtom(res, feedAsAtom(ctx, actor, account, views), { shared: true });
  });

  router.get('/u/:name/feed.json', async (req, res) => {
    const { actor } = await findPerson(ctx, req.params.name.toLowerCase());
    const older = olderOf(req);
    const [page, total] = await Promise.all([pageOfPosts((limit) => listPostsBy(ctx, 'anonymous', actor, { older, limit })), countPostsBy(ctx, 'anonymous', actor)]);
    sendActivityJson(res, await postsAsCollection(ctx, `${personUrl(ctx, actor)}/feed.json`, page, { total, older }), { shared: true });
  });

  return router;
}

/** The pages of people: those of this installation, and those whom we know from others. */
export function peopleRoutes(ctx: Context): express.Router {
  const router = express.Router();

  const sendPerson = async (req: express.Request, res: express.Response, actor: Actor, { since, fetching }: { since: number | null; fetching: Fetching | null }) => {
    const visit = visitOf(res);
    const viewer = viewerOf(visit);
    const older = olderOf(req);
    const [{ posts, olderThan }, count, notice] = await Promise.all([
      pageOfPosts((limit) => listPostsBy(ctx, viewer, actor, { older, limit })),
      countPostsBy(ctx, viewer, actor),
      relationNotice(ctx, req, res, actor),
    ]);
    const relationship = visit.actor && visit.actor.id !== actor.id ? await findRelationship(ctx.store, visit.actor.id, actor.id) : null;
    const [aspects, members] = visit.account && relationship ? await Promise.all([listAspectViews(ctx, visit.account), aspectsOfMember(ctx.store, visit.account.actorId, actor.id)]) : [[], []];
    // Whoever came from an aspect's page finds it ticked.
    const into = relationship?.addedAt === null ? aspects.filter(({ id }) => String(id) === queryText(req, 'into')).map(({ id }) => id) : [];
    const ask = queryText(req, 'ask') === 'block' ? 'block' : undefined;
    sendPage(res, <PersonPage {...{ actor, since, posts, count, olderThan, relationship, aspects, fetching, ask, notice }} aspectIds={[...members, ...into]} />);
  };

  router.get('/u/:name', async (req, res) => {
    res.vary('Accept');
    const { actor, account } = await findPerson(ctx, req.params.name.toLowerCase());
    const form = req.accepts(['text/html', ...ACTIVITY_TYPES]);
    if (form !== false && form !== 'text/html') return sendActivityJson(res, await personAsActor(ctx, actor));
    await sendPerson(req, res, actor, { since: account.confirmedAt ?? account.createdAt, fetching: null });
  });

  // The one field for any address.
  router.get('/people', async (req, res) => {
    const { account } = memberOf(res);
    if (queryText(req, 'address') === undefined) return res.redirect(303, '/contacts');
    let path = '/contacts';
    const faults = await submit(
      req,
      lookUpForm,
      async ({ address, aspect }) => {
        await takeLimits(ctx, { 'look-up-account': String(account.id) });
        const { actor } = await lookUp(ctx, account, address);
        if (actor.isLocal) await findPerson(ctx, actor.username); // whoever has closed their account is not there
        path = aspect ? `${pageOf(actor)}?into=${encodeURIComponent(aspect)}` : pageOf(actor);
      },
      req.query,
    );
    if (faults) return sendContacts(ctx, res, account, faults);
    res.redirect(303, path);
  });

  router.get('/people/:address', async (req, res) => {
    const visit = visitOf(res);
    const { username, domain } = parseAddress(req.params.address, ctx.config.publicUrl, ctx.config.domain);
    const known = await actorByJid(ctx, `${username}@${domain}`);
    if (known?.isLocal) return res.redirect(303, pageOf(known));
    if (!visit.account) {
      if (domain === ctx.config.domain) throw new DomainError('not-found', 'There is nobody of this name here.');
      // Other servers are asked for those alone who have an account here. Whom they have looked up is nobody's business: a page is there for whose
      // posts for everyone are there.
      if (!known || (await countPostsBy(ctx, 'anonymous', known)) === 0) throw new LoginRequired(visit.t.login.first);
      return sendPerson(req, res, known, { since: null, fetching: null });
    }
    await takeLimits(ctx, { 'look-up-account': String(visit.account.id) });
    const { actor, isFetching, fetchError } = await lookUp(ctx, visit.account, `${username}@${domain}`);
    await sendPerson(req, res, actor, { since: null, fetching: { isFetching, error: fetchError } });
  });

  return router;
}
