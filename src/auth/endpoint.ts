// The check that chat servers ask for (interface.md §7): the protocol of Prosody's mod_auth_http, MongooseIM's `http` and ejabberd_auth_http.
// What is asked, and so each password, is never logged: neither the URL nor the body.
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, RequestListener, ServerResponse } from 'node:http';
import { isUsername } from '../domain/account.js';
import { checkAppPassword } from '../services/app-passwords.js';
import type { Context } from '../services/context.js';
import { giveWay } from '../services/precedence.js';
import { findAccountByUsername } from '../store/accounts.js';
import { answerEvents } from './events.js';

/** Chat servers give up at 2 s; whoever has waited longer than this hears "false". */
const DEADLINE_MS = 1_800;
/** A form with a password of 64 KiB, as ejabberd passes it on, in percent-encoding does not fit: it is wrong anyway. */
const MAX_BODY_BYTES = 128 * 1024;

interface Question {
  ctx: Context;
  /** As the server sent it: prepared, without a domain. */
  user: string;
  password: string;
  /** Aborted when nobody waits for the answer any more. Made when it is asked for: a login that waits for nothing needs none. */
  signal: () => AbortSignal;
}

interface Operation {
  needs: ('user' | 'server' | 'pass')[];
  /** The answer for another server's domain, and when time has run out. */
  no: string;
  answer(question: Question): Promise<string>;
}

const OPERATIONS: Record<string, Operation> = {
  check_password: {
    needs: ['user', 'server', 'pass'],
    no: 'false',
    async answer({ ctx, user, password, signal }) {
      const way = giveWay(ctx);
      if (way) await way;
      return String((await checkAppPassword(ctx, user, password, 'chat', signal)) !== null);
    },
  },
  user_exists: {
    needs: ['user', 'server'],
    no: 'false',
    // One look into the database for every name, so that the time tells nothing either.
    answer: async ({ ctx, user }) => String((await findAccountByUsername(ctx.store, isUsername(user) ? user : '-'))?.state === 'active'),
  },
};
/** Known to the protocol, but accounts are made and changed on the web alone. */
const REFUSED = ['set_password', 'register', 'remove_user'];

/** Not of that protocol: who asks waits until there is news. */
const EVENTS = 'events';

/**
 * Answers chat servers; to be served on DX_AUTH_LISTEN. No answer takes longer than 2 s, apart from those to `/auth/events`.
 * @param stopping aborted when the service ends, so that nobody waits for news any more
 */
export function createAuthEndpoint(ctx: Context, stopping: AbortSignal = new AbortController().signal): RequestListener {
  const expected = Buffer.from(Buffer.from(`dx:${ctx.config.authSecret}`).toString('base64'));
  // RFC 9110 §11.1: the scheme's name has no case, and more than one blank may follow. How long the secret is, is no secret.
  const mayAsk = (header: string | undefined) => {
    const given = Buffer.from(/^basic +(.*?) *$/i.exec(header ?? '')?.[1] ?? '');
    return given.length === expected.length && timingSafeEqual(given, expected);
  };
  return (request, response) => void answer(ctx, mayAsk, request, response, stopping);
}

async function answer(ctx: Context, mayAsk: (header: string | undefined) => boolean, request: IncomingMessage, response: ServerResponse, stopping: AbortSignal): Promise<void> {
  const deadline = new Deadline(DEADLINE_MS);
  const reply = (status: number, text: string, headers: OutgoingHttpHeaders = {}) => {
    if (response.headersSent) return;
    // What was not read of a body would be taken for the next request.
    if (!request.complete) headers.connection = 'close';
    headers['content-type'] = 'text/plain; charset=utf-8';
    headers['cache-control'] = 'no-store';
    headers['content-length'] = Buffer.byteLength(text); // one piece, not chunks
    response.writeHead(status, headers).end(text);
  };
  const explain = (status: number, text: string, headers?: OutgoingHttpHeaders) => reply(status, `${text}\n`, headers);
  const [path = '', query = ''] = splitOnce(request.url ?? '', '?');
  const name = /^\/auth\/([a-z_]+)\/?$/.exec(path)?.[1] ?? '';
  const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name]! : null;
  try {
    if (!mayAsk(request.headers.authorization)) {
      ctx.log.warn({ from: request.socket.remoteAddress }, 'auth endpoint: asked with a wrong secret (DX_AUTH_SECRET)');
      return explain(401, 'Wrong secret: HTTP Basic with user dx and DX_AUTH_SECRET is needed.', { 'www-authenticate': 'Basic realm="diaspora-x chat logins"' });
    }
    const isEvents = name === EVENTS;
    if (!operation && REFUSED.includes(name)) return explain(405, 'Accounts and passwords are made and changed on the web pages alone.', { allow: '' });
    if (!operation && !isEvents) return explain(404, 'There are /auth/check_password and /auth/user_exists.');
    if (request.method !== 'GET' && request.method !== 'POST') return explain(405, 'Ask with GET or POST.', { allow: 'GET, POST' });

    const body = request.method === 'POST' ? await deadline.within(readBody(request)) : '';
    if (body === null) return explain(413, `At most ${MAX_BODY_BYTES} bytes are read.`);
    const fields = new URLSearchParams(query);
    for (const [key, value] of new URLSearchParams(body)) fields.set(key, value);
    const missing = (operation?.needs ?? (['server'] as const)).filter((key) => !fields.has(key));
    if (missing.length > 0) return explain(400, `Missing: ${missing.join(', ')}.`);

    const server = fields.get('server')!.toLowerCase();
    if (ctx.config.chatDomain === '' || server !== ctx.config.chatDomain) {
      ctx.log.warn({ operation: name, server: server.slice(0, 255) }, 'auth endpoint: asked for a domain that is not DX_CHAT_DOMAIN');
      return operation ? reply(200, operation.no) : explain(403, 'This is not DX_CHAT_DOMAIN.');
    }
    if (!operation) {
      deadline.clear();
      return reply(200, await answerEvents(ctx, fields, request, response, stopping));
    }
    const user = (fields.get('user') ?? '').toLowerCase();
    const result = await deadline.within(operation.answer({ ctx, user, password: fields.get('pass') ?? '', signal: () => deadline.signal() }));
    ctx.log.debug({ operation: name, user: user.slice(0, 64), answer: result.slice(0, 8) }, 'auth endpoint answered');
    reply(200, result);
  } catch (error) {
    // To a chat server every failure is a "no": anything else would hold its users up, or let a stranger in.
    if (name === EVENTS) {
      ctx.log.warn({ err: error }, 'auth endpoint: no news for a chat server');
      return explain(503, 'Not now.');
    }
    if (deadline.isOver) ctx.log.warn({ operation: name, afterMs: DEADLINE_MS }, 'auth endpoint: out of time, answered no');
    else ctx.log.error({ operation: name, err: error }, 'auth endpoint failed, answered no');
    reply(200, operation?.no ?? 'false');
  } finally {
    deadline.clear();
    if (!request.complete) request.resume();
  }
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** How long a question may take. */
class Deadline {
  isOver = false;
  private readonly timer: NodeJS.Timeout;
  private controller: AbortController | null = null;
  private late: ((error: Error) => void) | null = null;

  constructor(ms: number) {
    this.timer = setTimeout(() => {
      this.isOver = true;
      this.controller?.abort(outOfTime());
      this.late?.(outOfTime());
    }, ms);
  }

  clear(): void {
    clearTimeout(this.timer);
  }

  signal(): AbortSignal {
    this.controller ??= new AbortController();
    if (this.isOver) this.controller.abort(outOfTime());
    return this.controller.signal;
  }

  /** The work's result, or an error when time runs out before. */
  within<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.late = reject;
      if (this.isOver) reject(outOfTime());
      work.then(resolve, reject);
    });
  }
}

const outOfTime = () => new Error('out of time');

/** The body as text, or null when it is longer than we read. */
function readBody(request: IncomingMessage): Promise<string | null> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return Promise.resolve(null);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
      else resolve(null);
    });
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.on('error', reject);
    request.on('close', () => reject(new Error('the connection was closed')));
  });
}
