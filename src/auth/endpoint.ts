// The check that chat servers ask for (interface.md §7): the protocol of Prosody's mod_auth_http, MongooseIM's `http` and ejabberd_auth_http.
// What is asked, and so each password, is never logged: neither the URL nor the body.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isUsername } from '../domain/account.js';
import { checkAppPassword } from '../services/app-passwords.js';
import type { Context } from '../services/context.js';
import { findAccountByUsername, listUsernames } from '../store/accounts.js';

/** Chat servers give up at 2 s; whoever has waited longer than this hears "false". */
const DEADLINE_MS = 1_800;
/** A form with a password of 64 KiB, as ejabberd passes it on, in percent-encoding does not fit: it is wrong anyway. */
const MAX_BODY_BYTES = 128 * 1024;

interface Question {
  ctx: Context;
  /** As the server sent it: prepared, without a domain. */
  user: string;
  password: string;
  signal: AbortSignal;
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
    answer: async ({ ctx, user, password, signal }) => String((await checkAppPassword(ctx, user, password, 'chat', signal)) !== null),
  },
  user_exists: {
    needs: ['user', 'server'],
    no: 'false',
    answer: async ({ ctx, user }) => String(isUsername(user) && (await findAccountByUsername(ctx.store, user))?.state === 'active'),
  },
  // Not of that protocol: the names of all active accounts, a line each, so that a chat server need not ask for each one.
  users: {
    needs: ['server'],
    no: '',
    answer: async ({ ctx }) => (await listUsernames(ctx.store)).map((name) => `${name}\n`).join(''),
  },
};
/** Known to the protocol, but accounts are made and changed on the web alone. */
const REFUSED = ['set_password', 'register', 'remove_user'];

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Answers chat servers; to be served on DX_AUTH_LISTEN. No answer takes longer than 2 s. */
export function createAuthEndpoint(ctx: Context): RequestListener {
  const expected = digest(`Basic ${Buffer.from(`dx:${ctx.config.authSecret}`).toString('base64')}`);
  // RFC 9110 §11.1: the scheme's name has no case, and more than one blank may follow.
  const mayAsk = (header: string | undefined) => timingSafeEqual(digest((header ?? '').replace(/^basic +/i, 'Basic ').trimEnd()), expected);
  return (request, response) => void answer(ctx, mayAsk, request, response);
}

async function answer(ctx: Context, mayAsk: (header: string | undefined) => boolean, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const stop = new AbortController();
  const deadline = setTimeout(() => stop.abort(new Error('out of time')), DEADLINE_MS);
  const reply = (status: number, text: string, headers: Record<string, string> = {}) => {
    if (response.headersSent) return;
    // What was not read of a body would be taken for the next request.
    if (!request.complete) headers.connection = 'close';
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', ...headers }).end(text);
  };
  const explain = (status: number, text: string, headers?: Record<string, string>) => reply(status, `${text}\n`, headers);
  const [path = '', query = ''] = splitOnce(request.url ?? '', '?');
  const name = /^\/auth\/([a-z_]+)\/?$/.exec(path)?.[1] ?? '';
  const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name]! : null;
  try {
    if (!mayAsk(request.headers.authorization)) {
      ctx.log.warn({ from: request.socket.remoteAddress }, 'auth endpoint: asked with a wrong secret (DX_AUTH_SECRET)');
      return explain(401, 'Wrong secret: HTTP Basic with user dx and DX_AUTH_SECRET is needed.', { 'www-authenticate': 'Basic realm="diaspora-x chat logins"' });
    }
    if (!operation && REFUSED.includes(name)) return explain(405, 'Accounts and passwords are made and changed on the web pages alone.', { allow: '' });
    if (!operation) return explain(404, 'There are /auth/check_password and /auth/user_exists.');
    if (request.method !== 'GET' && request.method !== 'POST') return explain(405, 'Ask with GET or POST.', { allow: 'GET, POST' });

    const body = request.method === 'POST' ? await within(readBody(request), stop.signal) : '';
    if (body === null) return explain(413, `At most ${MAX_BODY_BYTES} bytes are read.`);
    const fields = new URLSearchParams(query);
    for (const [key, value] of new URLSearchParams(body)) fields.set(key, value);
    const missing = operation.needs.filter((key) => !fields.has(key));
    if (missing.length > 0) return explain(400, `Missing: ${missing.join(', ')}.`);

    const server = fields.get('server')!.toLowerCase();
    if (ctx.config.chatDomain === '' || server !== ctx.config.chatDomain) {
      ctx.log.warn({ operation: name, server: server.slice(0, 255) }, 'auth endpoint: asked for a domain that is not DX_CHAT_DOMAIN');
      return reply(200, operation.no);
    }
    const user = (fields.get('user') ?? '').toLowerCase();
    const result = await within(operation.answer({ ctx, user, password: fields.get('pass') ?? '', signal: stop.signal }), stop.signal);
    ctx.log.debug({ operation: name, user: user.slice(0, 64), answer: result.slice(0, 8) }, 'auth endpoint answered');
    reply(200, result);
  } catch (error) {
    // To a chat server every failure is a "no": anything else would hold its users up, or let a stranger in.
    if (stop.signal.aborted) ctx.log.warn({ operation: name, afterMs: DEADLINE_MS }, 'auth endpoint: out of time, answered no');
    else ctx.log.error({ operation: name, err: error }, 'auth endpoint failed, answered no');
    reply(200, operation?.no ?? 'false');
  } finally {
    clearTimeout(deadline);
    if (!request.complete) request.resume();
  }
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** The work's result, or the signal's reason when that comes first. */
function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return Promise.race([work, new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))]);
}

/** The body as text, or null when it is longer than we read. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return null;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_BODY_BYTES) return null;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
