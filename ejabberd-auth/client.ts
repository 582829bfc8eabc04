// Asks the running service (interface.md §7) whether a password is right. Whatever goes wrong is "no", in time; why goes to `report`, which
// never hears what was asked: neither a password nor an answer's text.
import { readFileSync } from 'node:fs';
import { Connection, type Outcome } from './connection.js';
import type { Question } from './framing.js';

export interface AuthClientOptions {
  /** Where the service listens for chat servers (DX_AUTH_LISTEN): `http://127.0.0.1:3001`. */
  url: string;
  /** The file that holds DX_AUTH_SECRET. */
  secretFile: string;
  /** How long a question may take, all tries together. */
  deadlineMs: number;
  /** For so long after its last answer, a service that nobody finds is taken to be restarting: questions wait for it, up to their deadline. */
  restartMs: number;
  /** Told what an operator has to know: a sentence that is the same each time. */
  report: (problem: string) => void;
}

/** ejabberd asks one question at a time; more are for who pipelines. */
const MAX_CONNECTIONS = 8;
const KNOCK_EVERY_MS = 25;

export class AuthClient {
  private readonly at: { host: string; port: number };
  /** The path's beginning, with a slash at both ends. */
  private readonly base: string;
  private readonly hostHeader: string;
  private secret: string | null = null;
  private heads = { auth: '', isuser: '' };
  private headsFor: string | null = null;
  private idle: Connection[] = [];
  private readonly connections = new Set<Connection>();
  private readonly waiting: ((connection: Connection) => void)[] = [];
  private answeredAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: AuthClientOptions) {
    const url = new URL(options.url);
    this.at = { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
    this.base = `${url.pathname.replace(/\/+$/, '')}/`;
    this.hostHeader = url.host;
  }

  /** Never throws, never takes longer than the deadline. */
  async ask(question: Question): Promise<boolean> {
    try {
      return await this.answer(question, performance.now() + this.options.deadlineMs);
    } catch (error) {
      this.options.report(`internal error: ${(error as Error).name}`);
      return false;
    }
  }

  private async answer(question: Question, deadline: number): Promise<boolean> {
    const { url, report } = this.options;
    const secret = (this.secret ??= this.readSecret());
    if (secret === null) return false;
    let outcome = await this.postUntil(question, secret, deadline);
    if ('status' in outcome && outcome.status === 401) {
      // The secret may have been changed on both sides since we read it.
      this.secret = this.readSecret();
      if (this.secret !== null && this.secret !== secret) outcome = await this.postUntil(question, this.secret, deadline);
    }
    if ('failed' in outcome) {
      report(`no answer from ${url}: ${outcome.failed}; nobody can log in until this is mended`);
      return false;
    }
    const { status, text } = outcome;
    if (status === 200 && (text === 'true' || text === 'false')) {
      this.answeredAt = performance.now();
      return text === 'true';
    }
    if (status === 401) report(`${url} refused our secret: is ${this.options.secretFile} the same as DX_AUTH_SECRET?`);
    // 413: longer than any password; the service has not even looked.
    else if (status !== 413) report(`unexpected answer from ${url}, status ${status}: is it DX_AUTH_LISTEN of diaspora-x?`);
    return false;
  }

  private readSecret(): string | null {
    const { secretFile, report } = this.options;
    try {
      const secret = readFileSync(secretFile, 'utf8').trim();
      if (secret !== '') return secret;
      report(`${secretFile} is empty: it must hold DX_AUTH_SECRET`);
    } catch (error) {
      report(`cannot read ${secretFile}: ${(error as NodeJS.ErrnoException).code}`);
    }
    return null;
  }

  /** Posts it, by another connection when the first turns out to be closed, and again while the service restarts. */
  private async postUntil(question: Question, secret: string, deadline: number): Promise<Outcome> {
    // Percent-encoding leaves ASCII only. (URLSearchParams does the same at ten times the cost; no surrogate is alone in what was UTF-8.)
    const encode = encodeURIComponent;
    const pass = question.operation === 'auth' ? `&pass=${encode(question.password)}` : '';
    const body = `user=${encode(question.user)}&server=${encode(question.server)}${pass}`;
    const request = `${this.head(question.operation, secret)}${body.length}\r\n\r\n${body}`;
    const left = () => deadline - performance.now();
    let outcome = await this.post(request, left);
    if ('failed' in outcome && outcome.stale) {
      // Other kept connections are as stale: the second try has a new one.
      for (const connection of this.idle.splice(0)) connection.end();
      outcome = await this.post(request, left);
    }
    while ('failed' in outcome && outcome.refused && performance.now() - this.answeredAt < this.options.restartMs && left() > KNOCK_EVERY_MS) {
      await new Promise((resolve) => setTimeout(resolve, KNOCK_EVERY_MS));
      outcome = await this.post(request, left);
    }
    return outcome;
  }

  /** Everything before the length of the body. */
  private head(operation: Question['operation'], secret: string): string {
    if (this.headsFor !== secret) {
      const head = (path: string) =>
        [
          `POST ${this.base}${path} HTTP/1.1`,
          `host: ${this.hostHeader}`,
          `authorization: Basic ${Buffer.from(`dx:${secret}`).toString('base64')}`,
          'content-type: application/x-www-form-urlencoded',
          'content-length: ',
        ].join('\r\n');
      this.heads = { auth: head('auth/check_password'), isuser: head('auth/user_exists') };
      this.headsFor = secret;
    }
    return this.heads[operation];
  }

  /** By a kept connection, a new one, or the next that is free. */
  private post(request: string, left: () => number): Promise<Outcome> {
    return new Promise((resolve) => {
      const ask = (connection: Connection) =>
        connection.ask(request, left(), (outcome) => {
          if (this.connections.has(connection)) {
            const next = this.waiting.shift();
            if (next) next(connection);
            else this.idle.push(connection);
          }
          resolve(outcome);
        });
      const kept = this.idle.pop();
      if (kept) return ask(kept);
      if (this.connections.size < MAX_CONNECTIONS) return ask(this.connect());
      const take = (connection: Connection) => {
        clearTimeout(late);
        ask(connection);
      };
      const late = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(take), 1);
        resolve({ failed: 'out of time', stale: false, refused: false });
      }, left());
      this.waiting.push(take);
    });
  }

  private connect(): Connection {
    const connection = new Connection(this.at, (ended) => {
      this.idle = this.idle.filter((other) => other !== ended);
      // Called again by its last events.
      if (this.connections.delete(ended)) this.waiting.shift()?.(this.connect());
    });
    this.connections.add(connection);
    return connection;
  }
}
