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
import { isMarked, mark, markedUntil } from './marks.js';

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

/** Notes that a chat server is about to be told "true" for this name: for the length of a negotiation. Needed only where ejabberd is told of changes. */
export const noteLetIn = (ctx: Context, username: string): Promise<void> => mark(ctx, 'let-in', username, ctx.now() + NEGOTIATION_MS);

const letInShortlyBefore = async (ctx: Context, username: string, at: number): Promise<boolean> => (await markedUntil(ctx, 'let-in', username)) > at;

/** What ejabberd's API said last, and when. Each process asks for itself. */
const apiOf = new WeakMap<Store, { ok: boolean; at: number }>();

/** A module is away for some seconds when Prosody or we restart. */
const LATELY_MS = 30_000;
/** A question is open no longer, however it ends; auth/events.ts ends it before. */
const QUESTION_MS = 30_000;
const ASK_API_AGAIN_MS = 30_000;

/** Would a chat server hear now whose sessions end? Otherwise open sessions stay until they reconnect. */
export async function endsChatSessions(ctx: Context): Promise<boolean> {
  if (await isMarked(ctx, 'chat-module', '')) return true;
  if (!ctx.config.ejabberdApi) return false;
  const last = apiOf.get(ctx.store);
  if (!last || last.at + ASK_API_AGAIN_MS <= ctx.now()) await kickAtEjabberd(ctx, '').catch(() => {}); // its answer is noted
  return apiOf.get(ctx.store)?.ok ?? false;
}

/** A module is there, and will be for so long. */
const noteModule = (ctx: Context, forMs: number): Promise<void> => mark(ctx, 'chat-module', '', ctx.now() + forMs);

/** What ejabberd's API said instead of doing it: the status of HTTP, or null when it could not be reached. */
export class EjabberdRefusal extends DeliveryError {
  constructor(
    message: string,
    readonly status: number | null,
  ) {
    super(message, status !== null && status < 500);
  }
}

/**
 * Ends a chat account's sessions at ejabberd, whose API must be set.
 * @returns how many there were
 * @throws EjabberdRefusal permanent when the API refuses
 */
export async function kickAtEjabberd(ctx: Context, username: string): Promise<number> {
  const api = ctx.config.ejabberdApi!;
  const note = (ok: boolean) => apiOf.set(ctx.store, { ok, at: ctx.now() });
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
    throw new EjabberdRefusal(`ejabberd's API is not reachable (${cause?.code ?? message})`, null);
  }
  note(response.ok);
  if (!response.ok) throw new EjabberdRefusal(`ejabberd's API refused kick_user (status ${response.status}): look at DX_EJABBERD_API_URL, DX_EJABBERD_API_TOKEN and api_permissions`, response.status);
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
    const ended = await kickAtEjabberd(ctx, username);
    ctx.log.info({ username, ended }, 'chat sessions ended at ejabberd');
    if (again || !(await letInShortlyBefore(ctx, username, at))) return;
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
  await noteModule(ctx, QUESTION_MS + LATELY_MS);
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
    for (const forget of deaf) forget();
    clearTimeout(later);
    signal.removeEventListener('abort', hear);
    await noteModule(ctx, LATELY_MS);
  }
}

/** For the sweep: forgets what every module has read long ago. */
export const forgetChatChanges = (ctx: Context, tx: Tx): Promise<void> => deleteChatChanges(tx, ctx.now() - KEEP_MS);
