// The check that chat servers ask for (interface.md §7): the protocol of Prosody's mod_auth_http, MongooseIM's `http` and ejabberd_auth_http.
// What is asked, and so each password, is never logged: neither the URL nor the body.
import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Context } from '../services/context.js';
import { answerEvents } from './events.js';
import { answerOwnForm } from './own-form.js';
import { type Answer, type Answered, answerQuestion, Deadline, isOperation, isOurs, missing } from './questions.js';

/** A form with a password of 64 KiB, as ejabberd passes it on, in percent-encoding does not fit: it is wrong anyway. */
const MAX_BODY_BYTES = 128 * 1024;

/** Known to the protocol, but accounts are made and changed on the web alone. */
const REFUSED = ['set_password', 'register', 'remove_user'];

/** Not of that protocol: who asks waits until there is news. */
const EVENTS = 'events';

export interface EndpointOptions {
  /** Aborted when the service ends: nobody waits for news any more, and kept connections close. */
  stopping?: AbortSignal;
  answered?: Answered;
}

/** Knows whether an Authorization header has the secret. RFC 9110 §11.1: the scheme's name has no case, and more than one blank may follow. How long the secret is, is no secret. */
function gatekeeper(authSecret: string): (header: string | undefined) => boolean {
  const expected = Buffer.from(Buffer.from(`dx:${authSecret}`).toString('base64'));
  return (header) => {
    const given = Buffer.from(/^basic +(.*?) *$/i.exec(header ?? '')?.[1] ?? '');
    return given.length === expected.length && timingSafeEqual(given, expected);
  };
}

/** Answers chat servers; to be served on DX_AUTH_LISTEN. No answer takes longer than 2 s, apart from those to `/auth/events`. */
export function createAuthServer(ctx: Context, { stopping = new AbortController().signal, answered = () => {} }: EndpointOptions = {}): Server {
  const mayAsk = gatekeeper(ctx.config.authSecret);
  const listener: RequestListener = (request, response) => void answer(ctx, mayAsk, request, response, stopping, answered);
  const server = createServer(listener);
  answerOwnForm(server, ctx, mayAsk, stopping, answered);
  return server;
}

async function answer(ctx: Context, mayAsk: (header: string | undefined) => boolean, request: IncomingMessage, response: ServerResponse, stopping: AbortSignal, answered: Answered): Promise<void> {
  const from = performance.now();
  const [path = '', query = ''] = splitOnce(request.url ?? '', '?');
  const name = /^\/auth\/([a-z_]+)\/?$/.exec(path)?.[1] ?? '';
  const reply = (status: number, text: string, headers: OutgoingHttpHeaders = {}) => {
    // What was not read of a body would be taken for the next request.
    if (!request.complete) headers.connection = 'close';
    headers['content-type'] = 'text/plain; charset=utf-8';
    headers['cache-control'] = 'no-store';
    headers['content-length'] = Buffer.byteLength(text); // one piece, not chunks
    response.writeHead(status, headers).end(text);
    if (isOperation(name)) answered(name, { status, text }, performance.now() - from);
    if (!request.complete) request.resume();
  };
  const explain = (status: number, text: string, headers?: OutgoingHttpHeaders) => reply(status, `${text}\n`, headers);
  if (!mayAsk(request.headers.authorization)) {
    ctx.log.warn({ from: request.socket.remoteAddress }, 'auth endpoint: asked with a wrong secret (DX_AUTH_SECRET)');
    return explain(401, 'Wrong secret: HTTP Basic with user dx and DX_AUTH_SECRET is needed.', { 'www-authenticate': 'Basic realm="diaspora-x chat logins"' });
  }
  if (REFUSED.includes(name)) return explain(405, 'Accounts and passwords are made and changed on the web pages alone.', { allow: '' });
  if (!isOperation(name) && name !== EVENTS) return explain(404, 'There are /auth/check_password and /auth/user_exists.');
  if (request.method !== 'GET' && request.method !== 'POST') return explain(405, 'Ask with GET or POST.', { allow: 'GET, POST' });
  const read = (deadline: Deadline) => readFields(request, query, deadline);
  const { status, text } = isOperation(name) ? await answerQuestion(ctx, name, read) : await answerNews(ctx, read, request, response, stopping);
  reply(status, text);
}

/** @param read its fields, or a fault */
async function answerNews(ctx: Context, read: (deadline: Deadline) => Promise<URLSearchParams | Answer>, request: IncomingMessage, response: ServerResponse, stopping: AbortSignal): Promise<Answer> {
  const deadline = new Deadline();
  try {
    const fields = await read(deadline);
    if ('status' in fields) return fields;
    deadline.clear();
    const fault = missing(['server'], fields);
    if (fault) return fault;
    if (!isOurs(ctx, EVENTS, fields)) return { status: 403, text: 'This is not DX_CHAT_DOMAIN.\n' };
    return { status: 200, text: await answerEvents(ctx, fields, request, response, stopping) };
  } catch (error) {
    ctx.log.warn({ err: error }, 'auth endpoint: no news for a chat server');
    return { status: 503, text: 'Not now.\n' };
  } finally {
    deadline.clear();
  }
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** Those of the URL and of the form, which wins. @throws Error when there is no time left */
async function readFields(request: IncomingMessage, query: string, deadline: Deadline): Promise<URLSearchParams | Answer> {
  const body = request.method === 'POST' ? await deadline.within(readBody(request)) : '';
  if (body === null) return { status: 413, text: `At most ${MAX_BODY_BYTES} bytes are read.\n` };
  const fields = new URLSearchParams(query);
  for (const [key, value] of new URLSearchParams(body)) fields.set(key, value);
  return fields;
}

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
