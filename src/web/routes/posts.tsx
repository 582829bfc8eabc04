import { randomBytes } from 'node:crypto';
import express, { type Response } from 'express';
import { DomainError } from '../../domain/errors.js';
import { type Guid, isGuid } from '../../domain/guid.js';
import { describeReach } from '../../services/audience.js';
import { countComments, listComments } from '../../services/comments.js';
import type { Context } from '../../services/context.js';
import { takeLimits } from '../../services/limits.js';
import { markRead, unreadCount } from '../../services/notifications.js';
import { listLate } from '../../services/own-deliveries.js';
import { deletePost, editPost } from '../../services/publish.js';
import { likePost, likersOf, unlikePost } from '../../services/reactions.js';
import { wantComments } from '../../services/remote-threads.js';
import { resharePost, resharersOf, unresharePost } from '../../services/reshares.js';
import { type PostView, readPost } from '../../services/stream.js';
import { ACTIVITY_TYPES, postAsAtom, postAsNote, sendActivityJson, sendAtom } from '../documents.js';
import { actForm, editForm, type Faults, submit } from '../forms.js';
import { DeletePage, EditPage, PostPage } from '../pages/post.js';
import { sendPage } from '../render.js';
import { Counts } from '../views/Acts.js';
import type { CommentsPart } from '../views/Comments.js';
import { localPath, type Member, memberOf, queryText, viewerOf, visitOf } from '../visit.js';
import { relationNotice } from './contacts.js';

/** Comments on one page. */
export const COMMENTS_SIZE = 50;
/** Servers in the post's own card; its page of deliveries has all. */
const LATE = 3;
/** Faces beside the post. */
const FACES = 12;
/** Who shared it, by name beside the post. */
const NAMED = 5;
const NOBODY = { actors: [], count: 0 };

/** One post: read in each of its forms, changed, deleted, liked, reshared. */
export function postRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/posts/:guid', async (req, res) => {
    const visit = visitOf(res);
    res.vary('Accept');
    const view = await readPost(ctx, viewerOf(visit), guidOf(req.params.guid));
    const form = req.accepts(['text/html', ...ACTIVITY_TYPES, 'application/atom+xml', 'application/xml']);
    if (form === 'application/atom+xml' || form === 'application/xml') return sendAtom(res, postAsAtom(ctx, view));
    if (form !== false && form !== 'text/html') return sendActivityJson(res, await postAsNote(ctx, view));
    if (queryText(req, 'part') === 'acts') {
      return sendPage(
        res,
        <div class="acts__counts" data-acts={view.post.guid}>
          <Counts view={view} />
        </div>,
      );
    }
    if (visit.account && (view.root ?? view).origin) await wantComments(ctx, visit.account.actorId, view.post.guid);
    if (visit.account && visit.unread > 0) {
      await markRead(ctx, visit.account, { postGuid: view.post.guid });
      visit.unread = await unreadCount(ctx, visit.account);
    }
    const notice = queryText(req, 'done') === 'comment-deleted' ? visit.t.comments.deleted : await relationNotice(ctx, req, res);
    await sendPost(ctx, res, view, { bounds: boundsOf(req), notice });
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

  const acts: Record<string, (member: Member, guid: Guid) => Promise<unknown>> = {
    // Done already is done: a second click, or a page that was open for long.
    like: (member, guid) => likePost(ctx, member.actor, guid),
    unlike: (member, guid) => unlikePost(ctx, member.actor, guid),
    reshare: (member, guid) => resharePost(ctx, member.account, guid),
    unreshare: (member, guid) => unresharePost(ctx, member.account, guid),
  };
  for (const [name, act] of Object.entries(acts)) {
    router.post(`/posts/:guid/${name}`, async (req, res) => {
      const member = memberOf(res);
      const guid = guidOf(req.params.guid);
      const { next } = actForm.parse(req.body ?? {});
      await act(member, guid);
      res.redirect(303, `${localPath(next, `/posts/${guid}`)}#post-${guid}`);
    });
  }

  return router;
}

/** The page of a post with some of its comments: the newest, unless bounds are named. */
export async function sendPost(ctx: Context, res: Response, view: PostView, more: { bounds?: { older?: Guid; newer?: Guid }; faults?: Faults; notice?: string | undefined } = {}): Promise<void> {
  const visit = visitOf(res);
  const viewer = viewerOf(visit);
  // What stands under a reshare is what stands under its root.
  const thread = view.post.reshareOf === null ? view : view.root;
  const guid = thread?.post.guid;
  const isLate = view.delivery !== null && view.delivery.arrived < view.delivery.total;
  const [comments, likers, resharers, audience, late] = await Promise.all([
    guid === undefined ? null : commentsPart(ctx, viewer, guid, more.bounds ?? {}, more.faults),
    guid === undefined ? NOBODY : likersOf(ctx, viewer, guid, FACES),
    guid === undefined ? NOBODY : resharersOf(ctx, viewer, guid, NAMED),
    visit.account ? describeReach(ctx, visit.account, view.post, FACES) : null,
    visit.account && isLate ? listLate(ctx, visit.account, view.post.guid, LATE) : [],
  ]);
  sendPage(res, <PostPage view={view} comments={comments} likers={likers} resharers={resharers} audience={audience} late={late} notice={more.notice} />, { status: more.faults?.status ?? 200 });
}

async function commentsPart(ctx: Context, viewer: ReturnType<typeof viewerOf>, guid: Guid, { older, newer }: { older?: Guid; newer?: Guid }, faults?: Faults): Promise<CommentsPart> {
  const fromStart = newer !== undefined && older === undefined;
  const found = await listComments(ctx, viewer, guid, { ...(older && { older }), ...(newer && { newer }), limit: COMMENTS_SIZE + 1, direction: fromStart ? 'oldest-first' : 'newest-first' });
  const shown = found.slice(0, COMMENTS_SIZE);
  if (!fromStart) shown.reverse();
  const isCut = found.length > COMMENTS_SIZE;
  const [first, last] = [shown[0]?.comment.guid, shown.at(-1)?.comment.guid];
  const [total, before, after] = await Promise.all([
    countComments(ctx, viewer, guid),
    fromStart && first ? countComments(ctx, viewer, guid, { older: first }) : Number(!fromStart && isCut),
    !fromStart && older && last ? countComments(ctx, viewer, guid, { newer: last }) : Number(fromStart && isCut),
  ]);
  return {
    comments: shown,
    total,
    olderThan: before > 0 ? (first ?? null) : null,
    newerThan: after > 0 ? (last ?? null) : null,
    once: onceTyped(faults) ?? randomBytes(12).toString('base64url'),
    ...(faults && { faults }),
  };
}

/** A form that comes back keeps its token: what it sends again is the same comment. */
const onceTyped = (faults: Faults | undefined): string | undefined => (/^[\w-]{1,64}$/.test(faults?.values['once'] ?? '') ? faults!.values['once'] : undefined);

/** `?older=GUID` and `?newer=GUID`, of comments; anything else is not there. */
function boundsOf(req: express.Request): { older?: Guid; newer?: Guid } {
  const guid = (name: string) => {
    const text = queryText(req, name);
    return text !== undefined && isGuid(text) ? { [name]: text } : {};
  };
  return { ...guid('older'), ...guid('newer') };
}

/** @throws DomainError not-found */
export function guidOf(text: string | undefined): Guid {
  if (text === undefined || !isGuid(text)) throw new DomainError('not-found', 'There is no such post, or it is not for you to see.');
  return text;
}
