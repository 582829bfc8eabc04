import type { Request, Response } from 'express';
import type { Account } from '../domain/account.js';
import type { Actor } from '../domain/actor.js';
import type { Config } from '../config.js';
import { DomainError } from '../domain/errors.js';
import type { Viewer } from '../services/stream.js';
import type { Strings } from './strings.js';

export type Theme = 'light' | 'dark';

/** What every page needs to know of the request: who looks, in which language, and where they are. */
export interface Visit {
  account: Account | null;
  /** The account's own person; null exactly when `account` is. */
  actor: Actor | null;
  /** Path and query of the page, for coming back to it. */
  path: string;
  /** How many notifications the account has not read. */
  unread: number;
  theme: Theme | null;
  t: Strings;
  now: number;
  site: Pick<Config, 'domain' | 'chatDomain' | 'publicUrl' | 'registration' | 'mailFrom'>;
  /** The value for the hidden field `csrf`. */
  csrf: () => string;
}

/** Someone who is logged in. */
export interface Member extends Visit {
  account: Account;
  actor: Actor;
}

let rendered: Visit | null = null;

/**
 * Renders a page of this visit. Not by a context of preact: that subscribes every component to changes which a server never makes, and what it
 * leaves behind holds the whole page until the next full collection, so that every small one takes ten times as long.
 * @param render without an await: there is one page at a time
 */
export function renderIn(visit: Visit, render: () => string): string {
  rendered = visit;
  try {
    return render();
  } finally {
    rendered = null;
  }
}

/** The visit, inside of a page's components. */
export function useVisit(): Visit {
  if (!rendered) throw new Error('this component stands in no page');
  return rendered;
}

export const visitOf = (res: Response): Visit => res.locals['visit'] as Visit;

export const viewerOf = (visit: Visit): Viewer => (visit.actor ? { actorId: visit.actor.id } : 'anonymous');

/** Thrown where someone must log in first; the error handler leads to the log-in page and back (GET), or keeps their text (POST). */
export class LoginRequired extends DomainError {
  constructor(text: string) {
    super('forbidden', text);
  }
}

/** @throws LoginRequired */
export function memberOf(res: Response): Member {
  const visit = visitOf(res);
  if (!visit.account || !visit.actor) throw new LoginRequired(visit.t.login.first);
  return visit as Member;
}

/**
 * Where to go after a form: a path of this site, never another site. Anything else becomes `fallback`.
 * A browser reads `//host`, `/\host` and `/<tab>/host` as another site, so exactly what the URL parser makes of it counts.
 */
export function localPath(text: unknown, fallback = '/'): string {
  if (typeof text !== 'string' || text.length > 2_000 || !text.startsWith('/')) return fallback;
  const base = 'http://here.invalid';
  if (!URL.canParse(text, base)) return fallback;
  const url = new URL(text, base);
  const path = url.pathname + url.search;
  return url.origin === base && !path.startsWith('//') ? path : fallback;
}

/** The first value of a query parameter, or undefined. */
export const queryText = (req: Request, name: string): string | undefined => {
  const value = req.query[name];
  return typeof value === 'string' ? value : undefined;
};
