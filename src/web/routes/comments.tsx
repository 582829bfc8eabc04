import express from 'express';
import { DomainError } from '../../domain/errors.js';
import { type CommentView, commentOn, countComments, deleteComment, editComment, findComment, listComments } from '../../services/comments.js';
import type { Context } from '../../services/context.js';
import { readPost } from '../../services/stream.js';
import { commentForm, editForm, submit } from '../forms.js';
import { DeleteCommentPage, EditCommentPage } from '../pages/comment.js';
import { sendPage } from '../render.js';
import { type Member, memberOf, viewerOf, visitOf } from '../visit.js';
import { COMMENTS_SIZE, guidOf, sendPost } from './posts.js';

/** So many comments stand above the one that someone looks for. */
const ABOVE = 10;

/** Comments: written, found again, changed, deleted. */
export function commentRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.post('/posts/:guid/comments', async (req, res) => {
    const member = memberOf(res);
    const view = await readPost(ctx, viewerOf(member), guidOf(req.params.guid));
    const { guid } = view.post;
    let path = `/posts/${guid}`;
    const faults = await submit(req, commentForm, async ({ text, once }) => {
      const comment = await commentOn(ctx, member.actor, guid, { text, ...(once ? { once } : {}) });
      path = `/posts/${guid}#comment-${comment.guid}`;
    });
    if (faults) return sendPost(ctx, res, view, { faults });
    res.redirect(303, path);
  });

  // A comment has no page of its own: its address leads to the page of the post on which it stands.
  router.get('/comments/:guid', async (req, res) => {
    const viewer = viewerOf(visitOf(res));
    const { comment } = await findComment(ctx, viewer, guidOf(req.params.guid));
    const mark = `#comment-${comment.guid}`;
    const path = `/posts/${comment.postGuid}`;
    const later = await countComments(ctx, viewer, comment.postGuid, { newer: comment.guid });
    if (later < COMMENTS_SIZE) return res.redirect(303, path + mark);
    const above = await listComments(ctx, viewer, comment.postGuid, { older: comment.guid, limit: ABOVE, direction: 'newest-first' });
    res.redirect(303, `${path}?newer=${above.length < ABOVE ? '0'.repeat(32) : above.at(-1)!.comment.guid}${mark}`);
  });

  /** @throws DomainError not-found, gone, forbidden */
  const allowed = async (member: Member, guid: string | undefined, what: keyof CommentView['may']): Promise<CommentView> => {
    const view = await findComment(ctx, viewerOf(member), guidOf(guid));
    if (!view.may[what]) throw new DomainError('forbidden', what === 'edit' ? 'Only its author can change a comment.' : 'Only its author, and the author of the post, can delete a comment.');
    return view;
  };

  router.get('/comments/:guid/edit', async (req, res) => {
    sendPage(res, <EditCommentPage view={await allowed(memberOf(res), req.params.guid, 'edit')} />);
  });

  router.post('/comments/:guid/edit', async (req, res) => {
    const member = memberOf(res);
    const view = await allowed(member, req.params.guid, 'edit');
    const faults = await submit(req, editForm, async ({ text }) => void (await editComment(ctx, member.actor, view.comment.guid, text)));
    if (faults) return sendPage(res, <EditCommentPage view={view} faults={faults} />, { status: faults.status });
    res.redirect(303, `/comments/${view.comment.guid}`);
  });

  router.get('/comments/:guid/delete', async (req, res) => {
    sendPage(res, <DeleteCommentPage view={await allowed(memberOf(res), req.params.guid, 'delete')} />);
  });

  router.post('/comments/:guid/delete', async (req, res) => {
    const member = memberOf(res);
    const { comment } = await allowed(member, req.params.guid, 'delete');
    await deleteComment(ctx, member.actor, comment.guid);
    res.redirect(303, `/posts/${comment.postGuid}?done=comment-deleted#comments`);
  });

  return router;
}
