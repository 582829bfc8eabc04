import express, { type Response } from 'express';
import { DomainError } from '../../domain/errors.js';
import type { Context } from '../../services/context.js';
import { readPost } from '../../services/stream.js';
import { aspectsOfMember } from '../../store/aspects.js';
import type { LiveEvent } from '../../store/notify.js';
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

  router.get('/events', (req, res) => {
    const member = memberOf(res);
    const mine = open.get(member.account.id) ?? new Set();
    open.set(member.account.id, mine.add(res));
    if (mine.size > MOST_STREAMS) mine.values().next().value!.end();

    res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
    res.flushHeaders();
    res.write('retry: 5000\n\n');

    const session = sessionHash(req.sessionID);
    const beat = setInterval(() => {
      readSession(ctx.store, session, ctx.now()).then(
        (row) => (row === null ? res.end() : res.write(':\n\n')),
        (error) => ctx.log.warn({ err: error }, 'session of an event stream not read'),
      );
    }, BEAT_MS);
    beat.unref();
    const off = ctx.store.notify.onEvent((event) => {
      dataFor(ctx, member, event).then(
        (data) => data && !res.writableEnded && res.write(`event: ${event.kind}\ndata: ${JSON.stringify(data)}\n\n`),
        (error) => ctx.log.warn({ err: error }, 'live event not sent'),
      );
    });
    res.on('close', () => {
      off();
      clearInterval(beat);
      mine.delete(res);
      if (mine.size === 0) open.delete(member.account.id);
    });
  });

  return router;
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
