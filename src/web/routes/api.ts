// The HTTP API (interface.md §6): ActivityPub's client-to-server part (W3C Recommendation 2018-01-23, §5–6) with HTTP Basic and an app password.
// No cookies, so no forgery: a browser sends neither these media types nor a stored password to another site by itself.
import { STATUS_CODES } from 'node:http';
import express, { type ErrorRequestHandler, type Request } from 'express';
import type { Account } from '../../domain/account.js';
import type { Actor } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import { decodeActivity } from '../../formats/as2-activity.js';
import { checkAppPassword } from '../../services/app-passwords.js';
import type { Context } from '../../services/context.js';
import { actorOf, countPostsBy, findPerson, homeStream, listPostsBy } from '../../services/stream.js';
import { ACTIVITY_TYPES, personUrl, postsAsCollection, sendActivityJson } from '../documents.js';
import { showsNothing } from '../fold-reshares.js';
import { fromHttpError, problemOf, retryAfter, statusOf } from '../problem.js';
import { fulfil } from '../wishes.js';
import { olderOf, pageOfPosts } from './stream.js';

const BODY_BYTES = 1_000_000;
const REALM = 'Basic realm="diaspora-x: username and app password", charset="UTF-8"';
/** The header of draft-ietf-httpapi-idempotency-key: a Create that is sent again with it is the same one. */
const ONCE = /^"?([\w.:-]{1,100})"?$/;

/** Who asks without saying who they are, where that is needed. */
class Unauthorized extends DomainError {
  constructor() {
    super('forbidden', 'Log in with HTTP Basic: your username and an app password from your settings.');
  }
}

export function apiRoutes(ctx: Context): express.Router {
  const router = express.Router();

  /** The account of the request's app password; null: it has none. @throws Unauthorized, too-many */
  const login = async (req: Request): Promise<{ account: Account; actor: Actor } | null> => {
    const header = req.get('authorization');
    if (header === undefined) return null;
    const [, encoded] = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header) ?? [];
    const text = Buffer.from(encoded ?? '', 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon < 1) throw new Unauthorized();
    const account = await checkAppPassword(ctx, text.slice(0, colon).replace(`@${ctx.config.domain}`, ''), text.slice(colon + 1), 'api');
    if (!account) throw new Unauthorized();
    return { account, actor: await actorOf(ctx, account) };
  };

  /** The owner of this in- or outbox. @throws Unauthorized, forbidden, not-found */
  const ownerOf = async (req: Request<{ name: string }>): Promise<{ account: Account; actor: Actor }> => {
    const found = await login(req);
    if (!found) throw new Unauthorized();
    if (found.account.username !== req.params.name.toLowerCase()) throw new DomainError('forbidden', 'This is somebody else’s: you can read and post at your own address only.');
    return found;
  };

  router.get('/u/:name/outbox', async (req, res) => {
    const [{ actor }, who] = [await findPerson(ctx, req.params.name.toLowerCase()), await login(req)];
    const viewer = who ? { actorId: who.actor.id } : 'anonymous';
    const older = olderOf(req);
    const [page, total] = await Promise.all([pageOfPosts((limit) => listPostsBy(ctx, viewer, actor, { older, limit })), countPostsBy(ctx, viewer, actor)]);
    sendActivityJson(res.vary('Authorization'), await postsAsCollection(ctx, `${personUrl(ctx, actor)}/outbox`, page, { total, older }), { shared: who === null });
  });

  router.get('/u/:name/inbox', async (req, res) => {
    const { account, actor } = await ownerOf(req);
    const older = olderOf(req);
    const { posts, olderThan } = await pageOfPosts((limit) => homeStream(ctx, account, { older, limit }));
    const page = { posts: posts.filter((view) => !showsNothing(view)), olderThan };
    sendActivityJson(res.vary('Authorization'), await postsAsCollection(ctx, `${personUrl(ctx, actor)}/inbox`, page, { total: null, older }));
  });

  // Express' own parser says 413 and 400; what is no JSON at all is told by us.
  router.post('/u/:name/outbox', express.json({ type: [...ACTIVITY_TYPES.map((type) => type.split(';')[0]!), 'application/*+json'], limit: BODY_BYTES, strict: true }), async (req, res) => {
    const owner = await ownerOf(req);
    if (req.body === undefined) throw Object.assign(new DomainError('invalid', 'Send JSON, as application/activity+json.'), { status: 415 });
    const key = req.get('idempotency-key');
    const once = key === undefined ? undefined : ONCE.exec(key)?.[1];
    if (key !== undefined && once === undefined) throw new DomainError('invalid', 'An Idempotency-Key has 1 to 100 letters, digits and - _ . :', 'Idempotency-Key');
    const location = await fulfil(ctx, owner, decodeActivity(req.body), once);
    res.status(201).location(location).set('Cache-Control', 'no-store').end();
  });

  router.use('/u/:name', answerProblem(ctx));
  return router;
}

/** Programs get RFC 9457, whatever they accept: a member at fault is 422, what cannot be read at all 400. What people open goes on to the error page. */
function answerProblem(ctx: Context): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    const known = error instanceof DomainError ? error : fromHttpError(error);
    const isProgram = req.method !== 'GET' || req.get('authorization') !== undefined || known instanceof Unauthorized;
    if (res.headersSent || !known || !isProgram) return next(error);
    const given = (error as { status?: unknown }).status;
    const status = known instanceof Unauthorized ? 401 : typeof given === 'number' ? given : known.code === 'invalid' && known.field !== undefined ? 422 : statusOf(known);
    if (status === 401) res.set('WWW-Authenticate', REALM);
    if (known.code === 'too-many' || known.code === 'unavailable') res.set('Retry-After', retryAfter(known));
    ctx.log.debug({ code: known.code }, 'a request to the API was refused');
    const problem = { ...problemOf(known), status, title: STATUS_CODES[status] };
    res.set('Cache-Control', 'no-store').status(status).type('application/problem+json').send(JSON.stringify(problem));
  };
}
