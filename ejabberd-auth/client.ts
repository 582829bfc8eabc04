// Asks the running service (interface.md §7) whether a password is right. Whatever goes wrong is "no", in time; why goes to `report`, which
// never hears what was asked: neither a password nor an answer's text.
import http from 'node:http';
import { readFileSync } from 'node:fs';
import type { Question } from './framing.js';

export interface AuthClientOptions {
  /** Where the service listens for chat servers (DX_AUTH_LISTEN): `http://127.0.0.1:3001`. */
  url: string;
  /** The file that holds DX_AUTH_SECRET. */
  secretFile: string;
  /** How long a question may take, all tries together. */
  deadlineMs: number;
  /** Told what an operator has to know: a sentence that is the same each time. */
  report: (problem: string) => void;
}

/** `stale`: a connection kept from earlier was closed by the other side before it answered, as a restarted service does. */
type Outcome = { status: number; text: string } | { failed: string; stale: boolean };

/** No answer is longer than "false" and a line end. */
const MAX_ANSWER_BYTES = 64;

const PATHS = { auth: 'auth/check_password', isuser: 'auth/user_exists' };

export class AuthClient {
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  private secret: string | null = null;

  constructor(private readonly options: AuthClientOptions) {}

  /** Never throws, never takes longer than the deadline. */
  async ask(question: Question): Promise<boolean> {
    const { deadlineMs, report } = this.options;
    const stop = new AbortController();
    const deadline = setTimeout(() => stop.abort(), deadlineMs);
    try {
      return await this.answer(question, stop.signal);
    } catch (error) {
      report(`internal error: ${(error as Error).name}`);
      return false;
    } finally {
      clearTimeout(deadline);
    }
  }

  private async answer(question: Question, signal: AbortSignal): Promise<boolean> {
    const { url, report } = this.options;
    const secret = (this.secret ??= this.readSecret());
    if (secret === null) return false;
    let outcome = await this.post(question, secret, this.agent, signal);
    // Other kept connections are as stale: the second try has one of its own.
    if ('failed' in outcome && outcome.stale) outcome = await this.post(question, secret, false, signal);
    if ('status' in outcome && outcome.status === 401) {
      // The secret may have been changed on both sides since we read it.
      this.secret = this.readSecret();
      if (this.secret !== null && this.secret !== secret) outcome = await this.post(question, this.secret, false, signal);
    }
    if ('failed' in outcome) {
      report(`no answer from ${url}: ${outcome.failed}; nobody can log in until this is mended`);
      return false;
    }
    const { status, text } = outcome;
    if (status === 200 && (text === 'true' || text === 'false')) return text === 'true';
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

  private post(question: Question, secret: string, agent: http.Agent | false, signal: AbortSignal): Promise<Outcome> {
    const { operation, user, server } = question;
    const body = new URLSearchParams({ user, server, ...(question.operation === 'auth' ? { pass: question.password } : {}) }).toString();
    return new Promise((resolve) => {
      const request = http.request(new URL(PATHS[operation], `${this.options.url.replace(/\/+$/, '')}/`), {
        method: 'POST',
        agent,
        headers: {
          authorization: `Basic ${Buffer.from(`dx:${secret}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': Buffer.byteLength(body),
        },
      });
      let answered = false;
      let settled = false;
      const settle = (outcome: Outcome) => {
        settled = true;
        signal.removeEventListener('abort', late);
        resolve(outcome);
      };
      const fail = (failed: string) => {
        if (settled) return;
        settle({ failed, stale: request.reusedSocket && !answered && !signal.aborted });
        request.destroy(); // after an answer that is no answer, the connection cannot be trusted with the next
      };
      const late = () => fail('out of time');
      request.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.name));
      request.on('close', () => fail('connection closed'));
      signal.addEventListener('abort', late);
      if (signal.aborted) return late();
      request.on('response', (response) => {
        answered = true;
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.name));
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk);
          else if (response.statusCode === 200) fail('answer too long');
        });
        response.on('end', () => !settled && settle({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('latin1').trim() }));
      });
      request.end(body);
    });
  }
}
