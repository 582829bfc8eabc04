// The pages in this process, over an SQLite store in memory: for tests of single requests.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import request, { type Response, type Test } from 'supertest';
import { type Config, loadConfig } from '../../src/config.js';
import type { Account } from '../../src/domain/account.js';
import { createAccount } from '../../src/services/accounts.js';
import type { Context } from '../../src/services/context.js';
import { sendMail } from '../../src/services/mail.js';
import type { Store } from '../../src/store/database.js';
import { openStore } from '../../src/store/open.js';
import { createApp } from '../../src/web/app.js';

export const PASSWORD = 'correct horse battery';

export interface Site {
  ctx: Context;
  app: ReturnType<typeof createApp>;
  /** A browser without cookies. */
  browser(): Browser;
  /** A confirmed account with PASSWORD. */
  account(username: string): Promise<Account>;
  /** A browser in which this new account is logged in. */
  member(username: string): Promise<Browser & { account: Account }>;
  /** Sends the mails that wait and returns them all, oldest first, as they are written to files. */
  mails(): Promise<string[]>;
  stop(): Promise<void>;
}

/** @param now the clock; ready what /readyz says */
export async function startSite(options: { config?: Partial<Config>; now?: () => number; ready?: Parameters<typeof createApp>[1]['ready']; logTo?: string[] } = {}): Promise<Site> {
  const folder = await mkdtemp(path.join(tmpdir(), 'dx-test-web-'));
  const config: Config = {
    ...loadConfig({ DX_STATE_DIR: folder, DX_SECRET: 'a secret for tests only', DX_DATABASE_URL: 'sqlite::memory:', DX_PUBLIC_URL: 'http://social.localhost:3000', DX_RATE_LIMITS: 'off' }, folder),
    ...options.config,
  };
  const lines = options.logTo;
  const log = lines ? pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }) : pino({ level: 'silent' });
  const store: Store = await openStore(config.databaseUrl, log);
  await store.migrate();
  const ctx: Context = { config, store, protocols: [], log, now: options.now ?? Date.now };
  const app = createApp(ctx, { ready: options.ready ?? (async () => ({ ready: true, parts: { database: { ok: true, text: 'answers' } } })) });
  const account = async (username: string) => (await createAccount(ctx, { username, email: `${username}@mail.test`, password: PASSWORD })).account;
  return {
    ctx,
    app,
    account,
    browser: () => new Browser(app),
    member: async (username) => {
      const made = await account(username);
      const browser = new Browser(app);
      await browser.logIn(username);
      return Object.assign(browser, { account: made });
    },
    mails: async () => {
      const rows = await store.query<{ id: number; payload: string }>("select id, payload from jobs where kind = 'mail' order by id");
      for (const row of rows) await sendMail(ctx, typeof row.payload === 'string' ? JSON.parse(row.payload) : row.payload);
      const mails = path.join(folder, 'mail');
      const names = (await readdir(mails).catch(() => [])).filter((name) => name.endsWith('.eml')).sort();
      return Promise.all(names.map((name) => readFile(path.join(mails, name), 'utf8')));
    },
    stop: async () => {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a browser does, without one: keeps cookies, fills in forms that it has got. */
export class Browser {
  readonly cookies = new Map<string, string>();
  /** The page that was read last. */
  page = '';

  constructor(readonly app: Site['app']) {}

  async get(url: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.#done(this.#with(request(this.app).get(url), { Accept: 'text/html', ...headers }));
  }

  /** Sends a form with the csrf field of the last page. `fields` may hold lists. */
  async post(url: string, fields: Record<string, string | string[]> = {}, headers: Record<string, string> = {}): Promise<Response> {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries({ csrf: this.csrf(), ...fields })) for (const one of [value].flat()) body.append(name, one);
    return this.#done(this.#with(request(this.app).post(url), { Accept: 'text/html', 'Content-Type': 'application/x-www-form-urlencoded', ...headers }).send(body.toString()));
  }

  /** Sends a form with a file in it; its csrf field is one of `fields`. */
  async upload(url: string, fields: Record<string, string>, file: { field: string; bytes: Buffer; name: string; type: string } | null): Promise<Response> {
    const test = this.#with(request(this.app).post(url), { Accept: 'text/html' });
    for (const [name, value] of Object.entries(fields)) test.field(name, value);
    if (file) test.attach(file.field, file.bytes, { filename: file.name, contentType: file.type });
    return this.#done(test);
  }

  csrf(): string {
    return /name="csrf" value="([^"]+)"/.exec(this.page)?.[1] ?? '';
  }

  async logIn(login: string, password = PASSWORD): Promise<Response> {
    await this.get('/login');
    const answer = await this.post('/login', { login, password });
    if (answer.status === 303) await this.get('/');
    return answer;
  }

  #with(test: Test, headers: Record<string, string>): Test {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    return test.set(cookie === '' ? headers : { ...headers, Cookie: cookie }).ok(() => true).redirects(0);
  }

  async #done(test: Test): Promise<Response> {
    const answer = await test;
    for (const line of (answer.headers['set-cookie'] as unknown as string[] | undefined) ?? []) {
      const [pair = ''] = line.split(';');
      const at = pair.indexOf('=');
      if (/expires=Thu, 01 Jan 1970/i.test(line)) this.cookies.delete(pair.slice(0, at));
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    if (answer.type === 'text/html' && !answer.redirect) this.page = answer.text;
    return answer;
  }
}

/** The first link of this kind in a mail, as a path. */
export const linkIn = (mail: string, kind: string): string => {
  const text = mail.replace(/=\r?\n/g, '').replace(/=3D/g, '=');
  const match = new RegExp(`${kind}([\\w-]+)`).exec(text);
  if (!match) throw new Error(`no ${kind} in the mail`);
  return `${kind}${match[1]}`;
};
