import { randomBytes } from 'node:crypto';
import compression from 'compression';
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import { DomainError } from '../domain/errors.js';
import type { Context } from '../services/context.js';
import { unreadCount } from '../services/notifications.js';
import { actorOf } from '../services/stream.js';
import { findAccount } from '../store/accounts.js';
import { assetsRouter } from './assets.js';
import { ErrorPage } from './pages/texts.js';
import { fromHttpError, problemOf, retryAfter, statusOf, wantsJson } from './problem.js';
import { sendPage } from './render.js';
import { addressRoutes } from './routes/addresses.js';
import { adminRoutes } from './routes/admin.js';
import { apiRoutes } from './routes/api.js';
import { aspectRoutes } from './routes/aspects.js';
import { commentRoutes } from './routes/comments.js';
import { contactsRoutes } from './routes/contacts.js';
import { deliveryRoutes } from './routes/deliveries.js';
import { eventRoutes } from './routes/events.js';
import { notificationRoutes } from './routes/notifications.js';
import { feedRoutes, peopleRoutes } from './routes/people.js';
import { pictureBody, pictureFiles, pictureRoutes } from './routes/pictures.js';
import { postRoutes } from './routes/posts.js';
import { sessionRoutes } from './routes/session.js';
import { settingsRoutes } from './routes/settings.js';
import { signUpRoutes } from './routes/signup.js';
import { streamRoutes } from './routes/stream.js';
import { textRoutes } from './routes/texts.js';
import { unsubscribeRoutes } from './routes/unsubscribe.js';
import { wellKnownRoutes } from './routes/well-known.js';
import { cookies, csrf, ForgedRequest, isOwnOrigin, securityHeaders } from './security.js';
import { cookieName, isHttps, prolong, sessions } from './sessions.js';
import { stringsFor } from './strings.js';
import { LoginRequired, type Visit, visitOf } from './visit.js';

/** What /readyz says: each part of the service. */
export interface ReadyReport {
  ready: boolean;
  parts: Record<string, { ok: boolean; text: string }>;
}

export interface AppOptions {
  ready: () => Promise<ReadyReport>;
  /** The HTTP sides of protocols: they come before cookies and forms, and answer for themselves. */
  routers?: express.Router[];
}

/** A post of the greatest length, each byte written as %XX, and some more: what is longer is refused before it is read. */
const POST_BODY_BYTES = 1_500_000;
const FORM_BODY_BYTES = 64_000;

/** All pages and documents. Listens to nothing. */
export function createApp(ctx: Context, { ready, routers = [] }: AppOptions): express.Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.set('trust proxy', trustProxy(ctx.config.trustProxy));

  app.get('/healthz', (_req, res) => void res.set('Cache-Control', 'no-store').type('text').send('ok\n'));
  app.get('/readyz', async (_req, res) => {
    const report = await ready();
    res.status(report.ready ? 200 : 503).set('Cache-Control', 'no-store').json(report);
  });

  app.use(securityHeaders(ctx));
  app.use(compression({ filter: (req, res) => !String(res.getHeader('Content-Type')).startsWith('text/event-stream') && compression.filter(req, res) }));
  app.use(assetsRouter());
  app.get('/favicon.ico', (_req, res) => res.redirect(301, '/assets/img/mark.svg'));
  app.get('/robots.txt', (_req, res) => void res.type('text').send('User-agent: *\nDisallow: /settings\nDisallow: /unsubscribe\nDisallow: /login\nDisallow: /confirm\nDisallow: /password\n'));

  app.use(pictureFiles(ctx));

  const forgery = csrf(ctx);
  app.use(cookies, visitWithoutSession(ctx));
  for (const router of routers) app.use(router);
  app.use(wellKnownRoutes(ctx), apiRoutes(ctx), feedRoutes(ctx), unsubscribeRoutes(ctx));

  if (isHttps(ctx)) app.use(asSecure);
  const body = (limit: number) => express.urlencoded({ extended: false, limit, parameterLimit: 100, inflate: false });
  // Before the session is looked up: when the database is away, what was typed comes back with the answer.
  app.use('/posts', body(POST_BODY_BYTES));
  app.use(sessions(ctx), visitOfSession(ctx, forgery.token));
  app.post('/settings/pictures', ...pictureBody());
  app.use(body(FORM_BODY_BYTES));
  app.use(forgery.protect);
  app.use(signUpRoutes(ctx), sessionRoutes(ctx), streamRoutes(ctx), postRoutes(ctx), deliveryRoutes(ctx), commentRoutes(ctx), notificationRoutes(ctx), peopleRoutes(ctx), contactsRoutes(ctx), aspectRoutes(ctx), settingsRoutes(ctx), pictureRoutes(ctx), addressRoutes(ctx), eventRoutes(ctx), adminRoutes(ctx), textRoutes());

  app.use(() => {
    throw new DomainError('not-found', stringsFor().errors['not-found'][1]!);
  });
  app.use(answerError(ctx));
  return app;
}

/** Express' notation: a number of proxies, true/false, or addresses and names of ranges. */
const trustProxy = (text: string): boolean | number | string => (/^\d+$/.test(text) ? Number(text) : text === 'true' ? true : text === 'false' ? false : text);

/** The public address is https: cookies are always marked for it, even when the proxy forgets X-Forwarded-Proto. */
const asSecure: RequestHandler = (req, _res, next) => {
  Object.defineProperty(req, 'secure', { value: true });
  next();
};

/** The frame of every answer, error pages of early steps included. */
function visitWithoutSession(ctx: Context): RequestHandler {
  const { domain, chatDomain, publicUrl, registration, mailFrom } = ctx.config;
  const site = { domain, chatDomain, publicUrl, registration, mailFrom };
  return (req, res, next) => {
    const theme = req.cookies[cookieName(ctx, 'theme')];
    const visit: Visit = {
      account: null,
      actor: null,
      unread: 0,
      path: req.method === 'GET' ? req.originalUrl : '/',
      theme: theme === 'light' || theme === 'dark' ? theme : null,
      t: stringsFor(),
      now: ctx.now(),
      site,
      csrf: () => '',
    };
    res.locals['visit'] = visit;
    next();
  };
}

function visitOfSession(ctx: Context, token: (req: express.Request, res: express.Response) => string): RequestHandler {
  return async (req, res, next) => {
    const visit = visitOf(res);
    let csrfToken: string | undefined;
    visit.csrf = () => (csrfToken ??= token(req, res));
    if (req.session.accountId !== undefined) {
      const account = await findAccount(ctx.store, req.session.accountId);
      if (account?.state === 'active') {
        visit.account = account;
        [visit.actor, visit.unread] = await Promise.all([actorOf(ctx, account), unreadCount(ctx, account)]);
        prolong(ctx, req);
      } else {
        // Suspended or closed since: the session ends, and a new, empty one stands in for it during this request.
        await new Promise<void>((resolve, reject) => req.session.regenerate((error?: unknown) => (error ? reject(error) : resolve())));
      }
    }
    next();
  };
}

/** The one place where errors become answers. */
function answerError(ctx: Context): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    if (res.headersSent) return next(error); // express closes the connection: what was sent cannot be taken back
    const known = error instanceof DomainError ? error : fromHttpError(error);
    const incident = known ? undefined : randomBytes(4).toString('hex');
    if (!known) ctx.log.error({ err: error, incident, method: req.method, path: req.route?.path ?? '' }, 'request failed');
    // Not the error itself: it may hold what people wrote.
    else if (known.cause instanceof Error) ctx.log.warn({ reason: known.cause.message, path: req.route?.path ?? '' }, 'the database could not do what was asked');
    res.set('Cache-Control', 'no-store');
    if (known?.code === 'too-many' || known?.code === 'unavailable') res.set('Retry-After', retryAfter(known));

    if (wantsJson(req)) {
      const problem = known ? problemOf(known) : { type: 'about:blank', title: 'Internal Server Error', status: 500, code: 'internal', incident };
      res.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
      return;
    }
    const visit = visitOf(res);
    if (known instanceof LoginRequired && req.method === 'GET') return res.redirect(303, `/login?next=${encodeURIComponent(req.originalUrl)}`);
    const typed = (req.body as { text?: unknown } | undefined)?.text;
    // What another site made a browser send is not shown as if the visitor had typed it.
    const kept = typeof typed === 'string' && typed !== '' && isOwnOrigin(ctx, req) ? typed : undefined;
    const stale = (known instanceof ForgedRequest || known instanceof LoginRequired) && req.method === 'POST';
    const text = stale && known instanceof ForgedRequest && known.ownOrigin && visit.account === null && kept !== undefined ? visit.t.errors.loggedOut : known instanceof LoginRequired ? visit.t.errors.loggedOut : known?.message;
    sendPage(res, <ErrorPage code={known?.code ?? 'internal'} status={known ? statusOf(known) : 500} text={text} incident={incident} kept={kept} />, { status: known ? statusOf(known) : 500, secret: true });
  };
}
