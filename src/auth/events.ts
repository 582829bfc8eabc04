// News for a chat server that can be told things: prosody/mod_auth_diaspora_x.lua keeps one such question open. Lines of text:
//   cursor TEXT     where it is now; the next question carries it as `since`
//   missed          it may have missed something: sessions of before must end
//   end NAME        sessions of this account end
//   gone NAME, user NAME   an account exists no longer, or (again)
//   names           from here on every account that exists, as `user NAME`; all others do not
import type { IncomingMessage, ServerResponse } from 'node:http';
import { awaitChatNews, type ChatNews } from '../services/chat-sessions.js';
import type { Context } from '../services/context.js';

/** How long a question is held open when there is no news. */
const HOLD_MS = 25_000;

const writeNews = ({ cursor, missed, ends, exists, names }: ChatNews): string =>
  [
    `cursor ${cursor}`,
    ...(missed ? ['missed'] : []),
    ...ends.map((name) => `end ${name}`),
    ...[...exists].map(([name, is]) => `${is ? 'user' : 'gone'} ${name}`),
    ...(names ? ['names', ...names.map((name) => `user ${name}`)] : []),
    '',
  ].join('\n');

/**
 * The answer to `/auth/events`, when there is one.
 * @param fields `since` = the cursor of the last answer, absent from who begins; `all=1` asks for all names, and is answered at once
 * @param stopping aborted when the service ends: what waits is answered
 */
export async function answerEvents(ctx: Context, fields: URLSearchParams, request: IncomingMessage, response: ServerResponse, stopping: AbortSignal): Promise<string> {
  const over = new AbortController();
  const end = () => over.abort();
  const timer = setTimeout(end, HOLD_MS);
  response.once('close', end);
  stopping.addEventListener('abort', end);
  if (stopping.aborted) end();
  try {
    ctx.log.debug({ from: request.socket.remoteAddress, since: fields.get('since')?.slice(0, 32) }, 'a chat server waits for news');
    return writeNews(await awaitChatNews(ctx, fields.get('since'), fields.get('all') === '1', over.signal));
  } finally {
    clearTimeout(timer);
    response.off('close', end);
    stopping.removeEventListener('abort', end);
  }
}
