import { randomBytes } from 'node:crypto';
import express from 'express';
import type { Audience } from '../../domain/activity.js';
import { isGuid } from '../../domain/guid.js';
import { parsePostText } from '../../domain/post.js';
import { listAppPasswords } from '../../services/app-passwords.js';
import { checkAudience, listAspectViews } from '../../services/aspects.js';
import type { Context } from '../../services/context.js';
import { takeLimits } from '../../services/limits.js';
import { publishPost } from '../../services/publish.js';
import { firstRequests } from '../../services/relationships.js';
import { activityStream, describeAudience, homeStream, previewOf, tagStream } from '../../services/stream.js';
import { writeText } from '../../services/text.js';
import { audienceTyped, postForm, submit } from '../forms.js';
import { FrontPage } from '../pages/account.js';
import { ActivityPage, ComposePage, StreamPage, TagPage } from '../pages/stream.js';
import { WelcomePage } from '../pages/welcome.js';
import { sendPage } from '../render.js';
import type { ComposerProps } from '../views/Composer.js';
import { type Member, memberOf, queryText, viewerOf, visitOf } from '../visit.js';
import { aspectNamed, relationNotice } from './contacts.js';

/** Posts on one page. */
export const PAGE_SIZE = 20;

/** Those who ask to follow stand beside the stream: so many of them. */
const REQUESTS_MOST = 3;

/** A page of what `list` gives, and where the next begins: one more than shown is asked for, to know whether there is one. */
export async function pageOfPosts<T extends { post: { guid: string } }>(list: (limit: number) => Promise<T[]>): Promise<{ posts: T[]; olderThan: string | null }> {
  const found = await list(PAGE_SIZE + 1);
  const posts = found.slice(0, PAGE_SIZE);
  return { posts, olderThan: found.length > PAGE_SIZE ? posts.at(-1)!.post.guid : null };
}

/** `?older=GUID`; anything else is the first page. */
export const olderOf = (req: express.Request): string | undefined => {
  const older = queryText(req, 'older');
  return older !== undefined && isGuid(older) ? older : undefined;
};

/** What the welcome page, and the reminder beside an empty stream, need to know. */
export async function startOf(ctx: Context, member: Member): Promise<{ hasAppPassword: boolean; hasContacts: boolean }> {
  const [passwords, contacts] = await Promise.all([listAppPasswords(ctx, member.account), describeAudience(ctx, member.account, { to: 'contacts' })]);
  return { hasAppPassword: passwords.length > 0, hasContacts: contacts.people > 0 };
}

/** The first page, the composer, and what it sends. */
export function streamRoutes(ctx: Context): express.Router {
  const router = express.Router();

  const composerOf = async ({ account }: Member, more: Partial<ComposerProps> = {}): Promise<ComposerProps> => {
    const [followers, contacts, aspects] = await Promise.all([describeAudience(ctx, account, { to: 'public' }), describeAudience(ctx, account, { to: 'contacts' }), more.aspects ?? listAspectViews(ctx, account)]);
    return { once: randomBytes(12).toString('base64url'), followers: followers.people, contacts: contacts.people, aspects, ...more };
  };
  /** The composer with what was typed into it, and the same token: what it sends again is the same post. */
  const refilled = (member: Member, values: Record<string, string>, audience: Audience | undefined, more: Partial<ComposerProps> = {}) =>
    composerOf(member, {
      text: values['text'] ?? '',
      ...(audience ? { audience } : {}),
      ...(/^[\w-]{1,64}$/.test(values['once'] ?? '') ? { once: values['once']! } : {}),
      ...more,
    });

  /**
   * "Some aspects", none of them ticked, is an error where there are some to tick. Where there are none, no form of ours has that choice: the
   * field is just empty, and empty is the account's default (relations.md).
   */
  const meant = async (member: Member, audience: Audience | undefined): Promise<Audience | undefined> => {
    const isEmpty = audience?.to === 'aspects' && audience.aspectIds.length === 0;
    return isEmpty && (await listAspectViews(ctx, member.account)).length === 0 ? undefined : audience;
  };

  router.get('/', async (req, res) => {
    if (!visitOf(res).account) return sendPage(res, <FrontPage />);
    const member = memberOf(res);
    const older = olderOf(req);
    const aspects = await listAspectViews(ctx, member.account);
    const aspect = aspectNamed(queryText(req, 'aspect'), aspects);
    const page = { older, aspectId: aspect?.id };
    const typed = queryText(req, 'done') === 'deleted' ? member.t.post.deleted : null;
    const [{ posts, olderThan }, requests, passwords, rest, notice] = await Promise.all([
      pageOfPosts((limit) => homeStream(ctx, member.account, { ...page, limit })),
      firstRequests(ctx, member.account, REQUESTS_MOST),
      listAppPasswords(ctx, member.account),
      composerOf(member, { aspects }),
      typed ?? relationNotice(ctx, req, res),
    ]);
    const chat = passwords.length > 0;
    const composer = { ...rest, first: posts.length === 0 && !aspect };
    const starting = composer.contacts === 0 ? { chat, people: false } : null;
    sendPage(res, <StreamPage {...{ composer, posts, olderThan, requests, starting, aspects, aspect, notice }} paged={older !== undefined} />);
  });

  router.get('/activity', async (req, res) => {
    const { account } = memberOf(res);
    const older = olderOf(req);
    const { posts, olderThan } = await pageOfPosts((limit) => activityStream(ctx, account, { older, limit }));
    sendPage(res, <ActivityPage {...{ posts, olderThan }} aspects={await listAspectViews(ctx, account)} />);
  });

  router.get('/tags/:tag', async (req, res) => {
    const tag = req.params.tag.replace(/^#/, '').normalize('NFC').toLowerCase();
    const older = olderOf(req);
    const { posts, olderThan } = await pageOfPosts((limit) => tagStream(ctx, viewerOf(visitOf(res)), tag, { older, limit }));
    sendPage(res, <TagPage {...{ posts, olderThan, tag }} />);
  });

  router.get('/welcome', async (_req, res) => sendPage(res, <WelcomePage {...await startOf(ctx, memberOf(res))} />));

  router.post('/posts', async (req, res) => {
    const member = memberOf(res);
    let path = '/';
    const faults = await submit(req, postForm, async ({ text, audience, once }) => {
      parsePostText(text); // what is no post at all does not count against the limit
      await takeLimits(ctx, { 'post-account': String(member.account.id) });
      const chosen = await meant(member, audience);
      const post = await publishPost(ctx, member.account, { text, ...(chosen ? { audience: chosen } : {}), ...(once ? { once } : {}) });
      path = `/posts/${post.guid}`;
    });
    if (faults) return sendPage(res, <ComposePage composer={await refilled(member, faults.values, audienceTyped(req.body), { faults })} />, { status: faults.status });
    res.redirect(303, path);
  });

  router.post('/posts/preview', async (req, res) => {
    const member = memberOf(res);
    const { account, actor, now } = member;
    const faults = await submit(req, postForm, async ({ text, audience, once }) => {
      const markdown = parsePostText(text);
      const chosen = await checkAudience(ctx.store, account, (await meant(member, audience)) ?? account.defaultAudience);
      const { html, title, tags } = await writeText(ctx, ctx.store, markdown, actor);
      const post = {
        ...{ guid: 'preview', authorId: actor.id, kind: 'note' as const, reshareOf: null, atomId: '', language: '', editedAt: null, deletedAt: null },
        ...{ markdown, html, title, tags, createdAt: now, audience: chosen },
      };
      const composer = await refilled(member, { text, once: once ?? '' }, chosen);
      const aspectNames = chosen.to === 'aspects' ? composer.aspects.filter(({ id }) => chosen.aspectIds.includes(id)).map(({ name }) => name) : undefined;
      sendPage(res, <ComposePage composer={composer} preview={{ ...previewOf(post, actor), ...(aspectNames && { aspectNames }) }} />, { secret: true });
    });
    if (faults) sendPage(res, <ComposePage composer={await refilled(member, faults.values, audienceTyped(req.body), { faults })} />, { status: faults.status });
  });

  return router;
}
