import express from 'express';
import type { Context } from '../../services/context.js';
import { listAspectViews } from '../../services/aspects.js';
import { countPostsBy, findPerson, listPostsBy } from '../../services/stream.js';
import { aspectsOfMember } from '../../store/aspects.js';
import { findRelationship } from '../../store/relationships.js';
import { ACTIVITY_TYPES, feedAsAtom, feedAsCollection, personAsActor, sendActivityJson, sendAtom } from '../documents.js';
import { PersonPage } from '../pages/person.js';
import { sendPage } from '../render.js';
import { viewerOf, visitOf } from '../visit.js';
import { olderOf, PAGE_SIZE, pageOfPosts } from './stream.js';

/** The public feeds of a person: the same for everyone, so that they need neither cookie nor session. */
export function feedRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/u/:name/feed.atom', async (req, res) => {
    const { actor, account } = await findPerson(ctx, req.params.name.toLowerCase());
    const views = await listPostsBy(ctx, 'anonymous', actor, { limit: PAGE_SIZE });
    sendAtom(res, feedAsAtom(ctx, actor, account, views), { shared: true });
  });

  const publicCollection: express.RequestHandler<{ name: string }> = async (req, res) => {
    const { actor } = await findPerson(ctx, req.params.name.toLowerCase());
    const older = olderOf(req);
    const [{ posts, olderThan }, total] = await Promise.all([
      pageOfPosts((limit) => listPostsBy(ctx, 'anonymous', actor, { ...(older ? { older } : {}), limit })),
      countPostsBy(ctx, 'anonymous', actor),
    ]);
    sendActivityJson(res, await feedAsCollection(ctx, actor, posts, { total, older, olderThan }), { shared: true });
  };
  router.get('/u/:name/feed.json', publicCollection);
  router.get('/u/:name/outbox', publicCollection);

  return router;
}

/** A person's own page. */
export function peopleRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/u/:name', async (req, res) => {
    const visit = visitOf(res);
    res.vary('Accept');
    const { actor, account } = await findPerson(ctx, req.params.name.toLowerCase());
    const form = req.accepts(['text/html', ...ACTIVITY_TYPES]);
    if (form !== false && form !== 'text/html') return sendActivityJson(res, await personAsActor(ctx, actor));
    const viewer = viewerOf(visit);
    const older = olderOf(req);
    const [{ posts, olderThan }, count] = await Promise.all([
      pageOfPosts((limit) => listPostsBy(ctx, viewer, actor, { ...(older ? { older } : {}), limit })),
      countPostsBy(ctx, viewer, actor),
    ]);
    const relationship = visit.actor && visit.actor.id !== actor.id ? await findRelationship(ctx.store, visit.actor.id, actor.id) : null;
    const [aspects, aspectIds] = visit.account && relationship ? await Promise.all([listAspectViews(ctx, visit.account), aspectsOfMember(ctx.store, visit.account.actorId, actor.id)]) : [[], []];
    sendPage(res, <PersonPage {...{ actor, account, posts, count, olderThan, relationship, aspects, aspectIds }} />);
  });

  return router;
}
