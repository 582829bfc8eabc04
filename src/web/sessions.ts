import { createHash } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import session, { type SessionData } from 'express-session';
import type { Account } from '../domain/account.js';
import { rememberAddress } from '../services/limits.js';
import type { Context } from '../services/context.js';
import { deleteExpired, deleteSession, readSession, writeSession } from '../store/sessions.js';

declare module 'express-session' {
  interface SessionData {
    accountId: number;
    /** The day (since 1970) when its life was last prolonged. */
    day: number;
  }
}

const DAY_MS = 86_400_000;
const LIFE_MS = 30 * DAY_MS;
const HOUR_MS = 3_600_000;

/** Under this the row is found: who reads the database cannot take over a session. */
export const sessionHash = (id: string): string => createHash('sha256').update(`session ${id}`).digest('hex');

/** express-session over the table `sessions`. */
class TableStore extends session.Store {
  #sweptAt = 0;

  constructor(readonly ctx: Context) {
    super();
  }

  override get(id: string, callback: (error: unknown, data?: SessionData | null) => void): void {
    readSession(this.ctx.store, sessionHash(id), this.ctx.now()).then(
      (row) => callback(null, row === null ? null : (JSON.parse(row.data) as SessionData)),
      (error) => callback(error),
    );
  }

  override set(id: string, data: SessionData, callback: (error?: unknown) => void = () => {}): void {
    const now = this.ctx.now();
    this.ctx.store
      .transaction(async (tx) => {
        await writeSession(tx, { idHash: sessionHash(id), accountId: data.accountId ?? null, data: JSON.stringify(data), expiresAt: now + LIFE_MS });
        if (now - this.#sweptAt > HOUR_MS) {
          this.#sweptAt = now;
          await deleteExpired(tx, now);
        }
      })
      .then(() => callback(), callback);
  }

  override destroy(id: string, callback: (error?: unknown) => void = () => {}): void {
    this.ctx.store.transaction((tx) => deleteSession(tx, sessionHash(id))).then(() => callback(), callback);
  }
}

/** `__Host-` binds a cookie to exactly this host over https; browsers refuse that name without https. */
export const cookieName = (ctx: Context, name: string): string => (isHttps(ctx) ? `__Host-${name}` : name);
export const isHttps = (ctx: Context): boolean => ctx.config.publicUrl.startsWith('https:');

/** Sessions: one cookie, a row only for those who are logged in. */
export function sessions(ctx: Context): RequestHandler {
  return session({
    name: cookieName(ctx, 'session'),
    secret: ctx.config.secret,
    store: new TableStore(ctx),
    resave: false,
    saveUninitialized: false,
    cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: isHttps(ctx), maxAge: LIFE_MS },
  });
}

const done = (work: (callback: (error?: unknown) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => work((error) => (error ? reject(error) : resolve())));

/** Logs in: under a new id, so that one planted before is worth nothing. */
export async function logIn(ctx: Context, req: Request, account: Account): Promise<void> {
  await done((callback) => req.session.regenerate(callback));
  req.session.accountId = account.id;
  req.session.day = Math.floor(ctx.now() / DAY_MS);
  await done((callback) => req.session.save(callback)); // before the redirect: the browser may be faster than the database
  await rememberAddress(ctx, account.id, req.ip);
}

/** Ends this session, in the database and in the browser. */
export async function logOut(ctx: Context, req: Request, res: Response): Promise<void> {
  await done((callback) => req.session.destroy(callback));
  res.clearCookie(cookieName(ctx, 'session'), { path: '/', httpOnly: true, sameSite: 'lax', secure: isHttps(ctx) });
  res.set('Clear-Site-Data', '"cache"'); // so that "back" shows nothing on a shared machine
}

/** Prolongs a session in use, once a day: most requests write nothing. */
export function prolong(ctx: Context, req: Request): void {
  const today = Math.floor(ctx.now() / DAY_MS);
  if (req.session.day !== today) req.session.day = today;
}
