import express, { type Response } from 'express';
import { DomainError } from '../../domain/errors.js';
import type { Context } from '../../services/context.js';
import { listNotifications, unreadCount } from '../../services/notifications.js';
import { type PostView, readPost } from '../../services/stream.js';
import { aspectsOfMembers } from '../../store/aspects.js';
import type { LiveEvent } from '../../store/notify.js';
import { findVisiblePosts, listHomePosts, withoutMutedRoots } from '../../store/posts.js';
import { findRelationship, findRelationships } from '../../store/relationships.js';
import { readSession } from '../../store/sessions.js';
import { rowId } from '../forms.js';
import { sessionHash } from '../sessions.js';
import { type Member, memberOf, queryText } from '../visit.js';

/** A sign of life, so that proxies keep the connection, and the moment to look whether the session still stands. */
const BEAT_MS = 25_000;
/** Hints that wait for one page; more are dropped. */
const MOST_WAITING = 5_000;
/** Open pages of one account; the oldest gives way. */
const MOST_STREAMS = 8;

/** Server-Sent Events: what is new for someone who is logged in, as hints; the pages hold the content. */
export function eventRoutes(ctx: Context): express.Router {
  const router = express.Router();
  const open = new Map<number, Set<Response>>();
  /** One page after another: after a restart of the database all of them ask at once. */
  let asking: Promise<void> = Promise.resolve();
  const tellMissed = (member: Member, page: OpenPage, sinceMs: number, tell: (event: LiveEvent) => Promise<void>): void => {
    asking = asking
      .then(async () => {
        for (const event of await missedEvents(ctx, member, page, sinceMs)) await tell(event);
      })
      .catch((error) => ctx.log.warn({ err: error }, 'missed events not sent'));
  };

  router.get('/events', (req, res) => {
    const member = memberOf(res);
    const mine = open.get(member.account.id) ?? new Set();
    open.set(member.account.id, mine.add(res));
    if (mine.size > MOST_STREAMS) mine.values().next().value!.end();

    res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
    res.flushHeaders();
    res.write(`retry: 5000\n${timeMark(ctx)}\n\n`);

    const session = sessionHash(req.sessionID);
    const beat = setInterval(() => {
      readSession(ctx.store, session, ctx.now()).then(
        (row) => (row === null ? res.end() : res.write(`:\n${timeMark(ctx)}\n\n`)),
        (error) => ctx.log.warn({ err: error }, 'session of an event stream not read'),
      );
    }, BEAT_MS);
    beat.unref();
    const page: OpenPage = { post: queryText(req, 'post'), person: rowId(queryText(req, 'person') ?? '') };
    const write = (all: Said[]): void => {
      if (all.length > 0 && !res.writableEnded) res.write(all.map(({ name, data }) => `${timeMark(ctx)}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join(''));
    };
    /** What came while the last was looked at, each once: people who write at the same time cost one look together. */
    const waiting = new Map<string, LiveEvent>();
    let isLooking = false;
    const hear = async (event: LiveEvent): Promise<void> => {
      if (waiting.size < MOST_WAITING) waiting.set(JSON.stringify(event), event);
      if (isLooking) return;
      isLooking = true;
      while (waiting.size > 0) {
        const events = [...waiting.values()];
        waiting.clear();
        await sayings(ctx, member, page, events).then(write).catch((error) => ctx.log.warn({ err: error }, 'live events not sent'));
      }
      isLooking = false;
    };
    const tell = (event: LiveEvent): Promise<void> => sayings(ctx, member, page, [event]).then(write, (error) => ctx.log.warn({ err: error }, 'live event not sent'));
    const off = [
      ctx.store.notify.onEvent((event) => void hear(event)),
      ctx.store.notify.onGap((sinceMs) => tellMissed(member, page, sinceMs, tell)),
    ];
    const last = readTimeMark(req.get('Last-Event-ID'));
    if (last !== null) tellMissed(member, page, last, tell); // the connection was cut, or its process is no more
    res.on('close', () => {
      for (const forget of off) forget();
      clearInterval(beat);
      mine.delete(res);
      if (mine.size === 0) open.delete(member.account.id);
    });
  });

  return router;
}

/** What the browser sends as Last-Event-ID when it connects again. */
const timeMark = (ctx: Context): string => `id: ${ctx.now()}`;
const readTimeMark = (text: string | undefined): number | null => (text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null);

/** Clocks of processes and databases differ, and what was written a moment before may be told a moment after. Pages drop what they have by its id. */
const SLACK_MS = 5_000;
/** More is not told one by one. */
const MOST_MISSED = 50;

/** What would have been told since then; of what may have changed without a row of its own, that it may have. */
async function missedEvents(ctx: Context, { account }: Member, page: OpenPage, sinceMs: number): Promise<LiveEvent[]> {
  const posts = (await listHomePosts(ctx.store, account.actorId, { limit: MOST_MISSED })).filter((post) => post.createdAt >= sinceMs - SLACK_MS);
  return [
    ...posts.reverse().map((post): LiveEvent => ({ kind: 'post', actorId: post.authorId, guid: post.guid })),
    ...((await unreadCount(ctx, account)) > 0 ? [{ kind: 'notification', accountId: account.id } as const] : []),
    ...(page.post === undefined ? [] : [{ kind: 'comment', guid: page.post } as const]),
    ...(page.person === null ? [] : [{ kind: 'account', actorId: page.person } as const]),
  ];
}

/** Of a person's own posts, and of those whom they follow, each hint is asked for: does it concern them, and may they see it? */
async function concerns(ctx: Context, { account }: Member, actorId: number): Promise<boolean> {
  return actorId === account.actorId || (await findRelationship(ctx.store, account.actorId, actorId)).following === 'on';
}

/** The post, if this person may see it. */
async function seen(ctx: Context, { account }: Member, guid: string): Promise<PostView | null> {
  try {
    return await readPost(ctx, { actorId: account.actorId }, guid);
  } catch (error) {
    if (error instanceof DomainError) return null; // deleted, or not for them to see
    throw error;
  }
}

/** What is open: the post (guid) under which they hear of all that comes, whoever its author is; the person (actor id) of whom they wait to hear. */
interface OpenPage {
  post: string | undefined;
  person: number | null;
}

interface Said {
  name: 'post' | 'comment' | 'like' | 'notification' | 'request' | 'person';
  data: object;
}

/** What the events say to this person, new posts last. */
async function sayings(ctx: Context, member: Member, page: OpenPage, events: readonly LiveEvent[]): Promise<Said[]> {
  const said: (Said | null)[] = [];
  for (const event of events) said.push(await saying(ctx, member, page, event));
  const posts = events.filter(({ kind, actorId }) => kind === 'post' && (actorId === undefined || actorId !== page.person));
  return [...said.filter((one) => one !== null), ...(await newPosts(ctx, member, posts))];
}

/** Those that are for her stream: by people whom she follows and does not hide, for her to see, and not edited. */
async function newPosts(ctx: Context, { account }: Member, events: readonly LiveEvent[]): Promise<Said[]> {
  const me = account.actorId;
  const told = events.filter((event): event is LiveEvent & { guid: string; actorId: number } => event.guid !== undefined && event.actorId !== undefined);
  if (told.length === 0) return [];
  const authors = [...new Set(told.map(({ actorId }) => actorId))];
  const between = await findRelationships(ctx.store, me, authors);
  const isHers = (id: number) => id === me || (between.get(id)?.following === 'on' && between.get(id)?.mutedAt === null);
  const guids = told.filter(({ actorId }) => isHers(actorId)).map(({ guid }) => guid);
  const [visible, aspects] = await Promise.all([findVisiblePosts(ctx.store, { actorId: me }, guids), aspectsOfMembers(ctx.store, me, authors.filter(isHers))]);
  const posts = new Map((await withoutMutedRoots(ctx.store, me, [...visible.values()])).map((post) => [post.guid, post]));
  return guids.flatMap((guid): Said[] => {
    const post = posts.get(guid);
    if (!post || post.editedAt !== null) return [];
    // So that a page of one aspect counts only what belongs there.
    const of = aspects.get(post.authorId) ?? [];
    return [{ name: 'post', data: { guid, ...(of.length > 0 && { aspects: of }) } }];
  });
}

/** What the event says to this person; null: nothing, it is not for them. */
async function saying(ctx: Context, member: Member, page: OpenPage, { kind, guid, actorId, accountId }: LiveEvent): Promise<Said | null> {
  const { account } = member;
  switch (kind) {
    case 'request':
      return actorId === account.actorId ? { name: kind, data: {} } : null;
    case 'notification': {
      if (accountId !== account.id) return null;
      const [unread, [latest]] = await Promise.all([unreadCount(ctx, account), listNotifications(ctx, account, { unread: true, limit: 1 })]);
      return { name: kind, data: { unread, ...(latest && { id: latest.notification.id }) } };
    }
    case 'comment':
    case 'like': {
      if (guid === undefined) return null;
      const view = await seen(ctx, member, guid);
      return view && (guid === page.post || (await concerns(ctx, member, view.author.id))) ? { name: kind, data: { post: guid } } : null;
    }
    case 'post':
      return actorId !== undefined && actorId === page.person ? { name: 'person', data: { id: actorId } } : null; // else newPosts
    case 'account':
      return actorId !== undefined && actorId === page.person ? { name: 'person', data: { id: actorId } } : null;
    case 'delivery':
      return null;
  }
}
