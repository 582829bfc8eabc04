import express, { type Response } from 'express';
import { DomainError } from '../../domain/errors.js';
import type { Context } from '../../services/context.js';
import { readPost } from '../../services/stream.js';
import { aspectsOfMember } from '../../store/aspects.js';
import type { LiveEvent } from '../../store/notify.js';
import { listHomePosts } from '../../store/posts.js';
import { findRelationship } from '../../store/relationships.js';
import { readSession } from '../../store/sessions.js';
import { sessionHash } from '../sessions.js';
import { type Member, memberOf } from '../visit.js';

/** A sign of life, so that proxies keep the connection, and the moment to look whether the session still stands. */
const BEAT_MS = 25_000;
/** Open pages of one account; the oldest gives way. */
const MOST_STREAMS = 8;

/** Server-Sent Events: what is new for someone who is logged in, as hints; the pages hold the content. */
export function eventRoutes(ctx: Context): express.Router {
  const router = express.Router();
  const open = new Map<number, Set<Response>>();
  /** One page after another: after a restart of the database all of them ask at once. */
  let asking: Promise<void> = Promise.resolve();
  const tellMissed = (member: Member, sinceMs: number, tell: (event: LiveEvent) => Promise<void>): void => {
    asking = asking
      .then(async () => {
        for (const event of await missedEvents(ctx, member, sinceMs)) await tell(event);
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
    const tell = (event: LiveEvent): Promise<void> =>
      dataFor(ctx, member, event).then(
        (data) => void (data && !res.writableEnded && res.write(`${timeMark(ctx)}\nevent: ${event.kind}\ndata: ${JSON.stringify(data)}\n\n`)),
        (error) => ctx.log.warn({ err: error }, 'live event not sent'),
      );
    const off = [
      ctx.store.notify.onEvent((event) => void tell(event)),
      ctx.store.notify.onGap((sinceMs) => tellMissed(member, sinceMs, tell)),
    ];
    const last = readTimeMark(req.get('Last-Event-ID'));
    if (last !== null) tellMissed(member, last, tell); // the connection was cut, or its process is no more
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

/** What would have been told since then. */
async function missedEvents(ctx: Context, { account }: Member, sinceMs: number): Promise<LiveEvent[]> {
  const posts = (await listHomePosts(ctx.store, account.actorId, { limit: MOST_MISSED })).filter((post) => post.createdAt >= sinceMs - SLACK_MS);
  return posts.reverse().map((post): LiveEvent => ({ kind: 'post', actorId: post.authorId, guid: post.guid }));
}

/** What the event says to this person; null: nothing, it is not for them. */
async function dataFor(ctx: Context, { account }: Member, event: LiveEvent): Promise<object | null> {
  if (event.kind === 'request') return event.actorId === account.actorId ? {} : null;
  if (event.kind !== 'post' || event.guid === undefined || event.actorId === undefined) return null;
  if (event.actorId !== account.actorId && (await findRelationship(ctx.store, account.actorId, event.actorId)).following !== 'on') return null;
  try {
    const { post } = await readPost(ctx, { actorId: account.actorId }, event.guid);
    // So that a page of one aspect counts only what belongs there.
    const aspects = await aspectsOfMember(ctx.store, account.actorId, post.authorId);
    return post.editedAt === null ? { guid: post.guid, ...(aspects.length > 0 && { aspects }) } : null;
  } catch (error) {
    if (error instanceof DomainError) return null; // deleted, or not for them to see
    throw error;
  }
}
