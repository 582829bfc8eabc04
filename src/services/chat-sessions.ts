// What chat servers must hear of accounts: who exists, and whose sessions end. Prosody's module reads the log `chat_changes` through the auth
// endpoint; ejabberd is told over its HTTP API by a job. Both are written in the transaction of the change itself.
import type { Account } from '../domain/account.js';
import { DeliveryError } from '../domain/errors.js';
import type { JobPayloads } from '../domain/job.js';
import { listUsernames } from '../store/accounts.js';
import { type ChatCursor, deleteChatChanges, insertChatChange, knowsChatChange, lastChatChange, listChatChanges } from '../store/chat-changes.js';
import type { Store, Tx } from '../store/database.js';
import { addJobs } from '../store/jobs.js';
import type { Context } from './context.js';

const DAY_MS = 86_400_000;
/** A module that was away for longer reads everything anew, and ends every session to be safe. */
const KEEP_MS = 30 * DAY_MS;
const API_TIMEOUT_MS = 3_000;
/** Whoever logs in to ejabberd has two minutes to open the session: those who were let in a moment before the change are ended after that. */
const NEGOTIATION_MS = 130_000;
/** An API that is away for so long took the sessions of its ejabberd with it. */
const GIVE_UP_AFTER_MS = DAY_MS;

/**
 * Notes that something about an account changed for chat servers.
 * @param endSessions its open sessions end, whatever password opened them: clients that still have a good one come back by themselves
 */
export async function noteChatChange(ctx: Context, tx: Tx, account: Pick<Account, 'id' | 'actorId' | 'username'>, { endSessions }: { endSessions: boolean }): Promise<void> {
  tx.publish({ kind: 'account', accountId: account.id, actorId: account.actorId });
  if (ctx.config.chatDomain === '') return;
  await insertChatChange(tx, { username: account.username, endsSessions: endSessions, createdAt: ctx.now() });
  if (!endSessions || !ctx.config.ejabberdApi) return;
  await addJobs(tx, [{ kind: 'end-chat-sessions', queue: 'main', payload: { username: account.username, at: ctx.now() } }], ctx.now());
}

// Who was let in to chat, for the length of a negotiation. In the memory of the process with the auth endpoint: a restart gives a patient thief two minutes.
const entries = new WeakMap<Store, Map<string, number>>();

/** Notes that a chat server was told "true" for this name. */
export function noteLetIn(ctx: Context, username: string): void {
  let of = entries.get(ctx.store);
  if (!of) entries.set(ctx.store, (of = new Map()));
  const now = ctx.now();
  of.delete(username);
  of.set(username, now);
  // In the order of their times: the first ones are the oldest.
  for (const [name, at] of of) {
    if (at + NEGOTIATION_MS > now) break;
    of.delete(name);
  }
}

const letInShortlyBefore = (ctx: Context, username: string, at: number): boolean => (entries.get(ctx.store)?.get(username) ?? -Infinity) + NEGOTIATION_MS > at;

/** What is known of the chat servers, in the memory of the process that serves the auth endpoint. */
interface Known {
  /** Modules that wait for news at this moment. */
  waiting: number;
  /** When one last did. */
  heardAt: number;
  /** What ejabberd's API said last, and when. */
  api: { ok: boolean; at: number } | null;
}
const known = new WeakMap<Store, Known>();

function knownOf(ctx: Context): Known {
  let of = known.get(ctx.store);
  if (!of) known.set(ctx.store, (of = { waiting: 0, heardAt: -Infinity, api: null }));
  return of;
}

/** A module is away for some seconds when Prosody or we restart. */
const LATELY_MS = 30_000;
const ASK_API_AGAIN_MS = 30_000;

/**
 * Would a chat server hear now whose sessions end? Otherwise open sessions stay until they reconnect.
 * TODO: the module's part is known only in the process that serves the auth endpoint; with roles apart, keep it in the database.
 */
export async function endsChatSessions(ctx: Context): Promise<boolean> {
  const of = knownOf(ctx);
  if (of.waiting > 0 || of.heardAt + LATELY_MS > ctx.now()) return true;
  if (!ctx.config.ejabberdApi) return false;
  if (!of.api || of.api.at + ASK_API_AGAIN_MS <= ctx.now()) await kick(ctx, '').catch(() => {}); // its answer is noted
  return of.api?.ok ?? false;
}

/**
 * Ends a chat account's sessions at ejabberd.
 * @throws DeliveryError permanent when the API refuses
 */
async function kick(ctx: Context, username: string): Promise<number> {
  const api = ctx.config.ejabberdApi!;
  const note = (ok: boolean) => {
    knownOf(ctx).api = { ok, at: ctx.now() };
  };
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${api.url.replace(/\/+$/, '')}/kick_user`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(api.token ? { authorization: `Bearer ${api.token}` } : {}) },
      body: JSON.stringify({ user: username, host: ctx.config.chatDomain }),
      redirect: 'error',
      signal: AbortSignal.timeout(API_TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    note(false);
    const { message, cause } = error as Error & { cause?: { code?: string } };
    throw new DeliveryError(`ejabberd's API is not reachable (${cause?.code ?? message})`, false);
  }
  note(response.ok);
  if (!response.ok) throw new DeliveryError(`ejabberd's API refused kick_user (status ${response.status}): look at DX_EJABBERD_API_URL, DX_EJABBERD_API_TOKEN and api_permissions`, response.status < 500);
  const ended: unknown = /\d+/.exec(text)?.[0]; // {"num_resources":1}, or 1, by version
  return Number(ended ?? 0);
}

/**
 * The handler of `end-chat-sessions`.
 * @throws DeliveryError
 */
export async function endChatSessions(ctx: Context, { username, at, again }: JobPayloads['end-chat-sessions']): Promise<void> {
  if (!ctx.config.ejabberdApi) return; // it was taken out of the configuration since
  try {
    const ended = await kick(ctx, username);
    ctx.log.info({ username, ended }, 'chat sessions ended at ejabberd');
    if (again || !letInShortlyBefore(ctx, username, at)) return;
    const later = { kind: 'end-chat-sessions', queue: 'main', payload: { username, at, again: true }, runAt: at + NEGOTIATION_MS } as const;
    await ctx.store.transaction((tx) => addJobs(tx, [later], ctx.now()));
  } catch (error) {
    if (!(error instanceof DeliveryError) || error.permanent || at + GIVE_UP_AFTER_MS > ctx.now()) throw error;
    throw new DeliveryError(error.message, true);
  }
}

/** What a module is told. `cursor` says where it is then; `missed`: it must fear to have missed something. */
export interface ChatNews {
  cursor: string;
  missed: boolean;
  /** Accounts whose sessions end. */
  ends: string[];
  /** Accounts of which it changed whether they exist, and how it is now. */
  exists: Map<string, boolean>;
  /** All accounts that exist, when they were asked for. */
  names: string[] | null;
}

const writeCursor = ({ id, createdAt }: ChatCursor): string => `${id}.${createdAt}`;

function readCursor(text: string): ChatCursor {
  const match = /^(\d{1,10})\.(\d{1,15})$/.exec(text);
  return { id: Number(match?.[1] ?? 0), createdAt: Number(match?.[2] ?? 0) };
}

/**
 * What is new for a chat server since `cursor`.
 * @param cursor as ChatNews had it the last time; null for a server that begins and has no sessions yet
 * @param whole all names, too
 */
export async function readChatNews(ctx: Context, cursor: string | null, whole: boolean): Promise<ChatNews> {
  const { store } = ctx;
  // First, so that what changes while we read is told twice and not never.
  const last = await lastChatChange(store);
  let from = cursor === null ? last : readCursor(cursor);
  const missed = cursor !== null && !(await knowsChatChange(store, from));
  if (missed) from = last;
  const changes = await listChatChanges(store, from);
  return {
    cursor: writeCursor(changes.at(-1) ?? from),
    missed,
    ends: [...new Set(changes.filter((change) => change.endsSessions).map((change) => change.username))],
    exists: new Map(changes.map((change) => [change.username, change.exists])),
    names: whole || missed ? await listUsernames(store) : null,
  };
}

const LOOK_AFTER_MS = 500;

const isEmpty = (news: ChatNews): boolean => !news.missed && news.exists.size === 0 && news.names === null;

/**
 * The same, once there is something, or when the signal ends the wait.
 * @param signal aborted when it shall be answered as it is
 */
export async function awaitChatNews(ctx: Context, cursor: string | null, whole: boolean, signal: AbortSignal): Promise<ChatNews> {
  const of = knownOf(ctx);
  of.waiting += 1;
  let look = () => {};
  let heard = false;
  const hear = () => {
    heard = true;
    look();
  };
  // For what another process wrote into SQLite, where its events do not arrive. Most wake-ups are about other things.
  let later: NodeJS.Timeout | undefined;
  const hearLater = () => {
    later ??= setTimeout(() => {
      later = undefined;
      hear();
    }, LOOK_AFTER_MS);
  };
  const deaf = [ctx.store.notify.onEvent(({ kind }) => kind === 'account' && hear()), ctx.store.notify.onWake('main', hearLater)];
  signal.addEventListener('abort', hear);
  try {
    for (;;) {
      heard = false;
      const news = await readChatNews(ctx, cursor, whole);
      if (!isEmpty(news) || signal.aborted) return news;
      if (!heard) await new Promise<void>((resolve) => (look = resolve));
    }
  } finally {
    of.waiting -= 1;
    of.heardAt = ctx.now();
    for (const forget of deaf) forget();
    clearTimeout(later);
    signal.removeEventListener('abort', hear);
  }
}

/** For the sweep: forgets what every module has read long ago. */
export const forgetChatChanges = (ctx: Context, tx: Tx): Promise<void> => deleteChatChanges(tx, ctx.now() - KEEP_MS);
