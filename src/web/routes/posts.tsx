import express from 'express';
import { DomainError } from '../../domain/errors.js';
import { isGuid } from '../../domain/guid.js';
import type { Context } from '../../services/context.js';
import { takeLimits } from '../../services/limits.js';
import { deletePost, editPost } from '../../services/publish.js';
import { type PostView, readPost } from '../../services/stream.js';
import { ACTIVITY_TYPES, postAsAtom, postAsNote, sendActivityJson, sendAtom } from '../documents.js';
import { editForm, submit } from '../forms.js';
import { DeletePage, EditPage, PostPage } from '../pages/post.js';
import { sendPage } from '../render.js';
import { type Member, memberOf, viewerOf, visitOf } from '../visit.js';

/** One post: read in each of its forms, changed, deleted. */
export function postRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/posts/:guid', async (req, res) => {
    const visit = visitOf(res);
    res.vary('Accept');
    const view = await readPost(ctx, viewerOf(visit), guidOf(req.params.guid));
    const form = req.accepts(['text/html', ...ACTIVITY_TYPES, 'application/atom+xml', 'application/xml']);
    if (form === 'application/atom+xml' || form === 'application/xml') return sendAtom(res, postAsAtom(ctx, view));
    if (form !== false && form !== 'text/html') return sendActivityJson(res, await postAsNote(ctx, view));
    sendPage(res, <PostPage view={view} />);
  });

  /** @throws DomainError not-found, gone, forbidden: what is not one's own cannot be changed */
  const own = async (member: Member, guid: string | undefined): Promise<PostView> => {
    const view = await readPost(ctx, viewerOf(member), guidOf(guid));
    if (view.author.id !== member.actor.id) throw new DomainError('forbidden', 'Only its author can change a post.');
    return view;
  };

  router.get('/posts/:guid/edit', async (req, res) => {
    sendPage(res, <EditPage view={await own(memberOf(res), req.params.guid)} />);
  });

  router.post('/posts/:guid/edit', async (req, res) => {
    const member = memberOf(res);
    const view = await own(member, req.params.guid);
    const { post } = view;
    const faults = await submit(req, editForm, async ({ text }) => {
      await takeLimits(ctx, { 'post-account': String(member.account.id) });
      await editPost(ctx, member.account, post.guid, text);
    });
    if (faults) return sendPage(res, <EditPage view={view} faults={faults} />, { status: faults.status });
    res.redirect(303, `/posts/${post.guid}`);
  });

  router.get('/posts/:guid/delete', async (req, res) => sendPage(res, <DeletePage view={await own(memberOf(res), req.params.guid)} />));

  router.post('/posts/:guid/delete', async (req, res) => {
    const member = memberOf(res);
    await deletePost(ctx, member.account, guidOf(req.params.guid));
    res.redirect(303, '/?done=deleted');
  });

  return router;
}

/** @throws DomainError not-found */
function guidOf(text: string | undefined): string {
  if (text === undefined || !isGuid(text)) throw new DomainError('not-found', 'There is no such post, or it is not for you to see.');
  return text;
}
