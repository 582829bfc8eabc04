import { randomBytes } from 'node:crypto';
import { doubleCsrf } from 'csrf-csrf';
import type { CookieOptions, Request, RequestHandler, Response } from 'express';
import helmet from 'helmet';
import { DomainError } from '../domain/errors.js';
import type { Context } from '../services/context.js';
import { cookieName, isHttps } from './sessions.js';
import { visitOf } from './visit.js';

/** What browsers may do with our pages: nothing but what they need, nothing from elsewhere, in nobody's frame. */
export function securityHeaders(ctx: Context): RequestHandler[] {
  const self = ["'self'"];
  const https = isHttps(ctx);
  return [
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          scriptSrc: self,
          styleSrc: self,
          imgSrc: self,
          fontSrc: self,
          connectSrc: self,
          formAction: self,
          baseUri: ["'none'"],
          frameAncestors: ["'none'"],
          requireTrustedTypesFor: ["'script'"],
          ...(https ? { upgradeInsecureRequests: [] } : {}),
        },
      },
      strictTransportSecurity: https ? { maxAge: 31_536_000, includeSubDomains: false } : false,
      // Not no-referrer: with it browsers send "Origin: null" with forms, and the check below would be blind.
      referrerPolicy: { policy: 'same-origin' },
      xFrameOptions: { action: 'deny' },
    }),
    (_req, res, next) => {
      res.set(
        'Permissions-Policy',
        'accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=(), browsing-topics=(), interest-cohort=()',
      );
      next();
    },
  ];
}

/** The cookies of a request. Express leaves this to its users; csrf-csrf reads `req.cookies`. */
export const cookies: RequestHandler = (req, _res, next) => {
  const found: Record<string, string> = Object.create(null);
  for (const part of (req.headers.cookie ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at < 1) continue;
    const name = part.slice(0, at).trim();
    const value = part.slice(at + 1).trim();
    try {
      found[name] ??= decodeURIComponent(value);
    } catch {
      found[name] ??= value; // not ours: kept as it came
    }
  }
  req.cookies = found;
  next();
};

export const cookieOptions = (ctx: Context): CookieOptions => ({ path: '/', httpOnly: true, sameSite: 'lax', secure: isHttps(ctx) });

/** Did a page of ours send this? Browsers say so themselves; other programs say nothing, and have no one's cookies to misuse. */
export function isOwnOrigin(ctx: Context, req: Request): boolean {
  const site = req.get('sec-fetch-site');
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const origin = req.get('origin');
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false; // "null": a sandboxed frame, a file
  const { host } = new URL(origin);
  return origin === new URL(ctx.config.publicUrl).origin || host === req.get('host');
}

/** A change that did not come from a form of ours, or from one that has become too old. */
export class ForgedRequest extends DomainError {
  constructor(
    text: string,
    readonly ownOrigin: boolean,
  ) {
    super('forbidden', text);
  }
}

/**
 * Every change needs the hidden field `csrf`, equal to a cookie, both signed and bound to the session
 * (without one: to a cookie of its own, so that log-in and sign-up are protected alike).
 */
export function csrf(ctx: Context): { token: (req: Request, res: Response) => string; protect: RequestHandler } {
  const visitor = cookieName(ctx, 'visitor');
  const utilities = doubleCsrf({
    getSecret: () => ctx.config.secret,
    getSessionIdentifier: (req) => (req.session.accountId !== undefined ? req.sessionID : `visitor ${req.cookies[visitor] ?? ''}`),
    cookieName: cookieName(ctx, 'csrf'),
    cookieOptions: cookieOptions(ctx),
    getCsrfTokenFromRequest: (req) => (req.body as Record<string, unknown> | undefined)?.['csrf'] as string | undefined,
  });
  return {
    token: (req, res) => {
      if (req.session.accountId === undefined && !req.cookies[visitor]) {
        req.cookies[visitor] = randomBytes(16).toString('base64url');
        res.cookie(visitor, req.cookies[visitor], cookieOptions(ctx));
      }
      return utilities.generateCsrfToken(req, res);
    },
    protect: (req, res, next) => {
      if (req.method === 'GET' || req.method === 'HEAD' || req.method === 'OPTIONS') return next();
      const { t } = visitOf(res);
      if (!isOwnOrigin(ctx, req)) throw new ForgedRequest(t.errors.foreign, false);
      if (!utilities.validateRequest(req)) throw new ForgedRequest(t.errors.stale, true);
      next();
    },
  };
}
