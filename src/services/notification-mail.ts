// Notifications by mail: each kind off, in a digest once a day at most, or at once. Every such mail can be ended by one press (RFC 8058).
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Account } from '../domain/account.js';
import { nameOf } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import type { JobPayloads } from '../domain/job.js';
import { NOTIFICATION_KINDS, type NotificationKind } from '../domain/notification.js';
import { findAccount, findAccountByActor } from '../store/accounts.js';
import { addJobs } from '../store/jobs.js';
import { findUnread, ownersToMail, putBackForDigest, takeUnmailed } from '../store/notifications.js';
import type { Context } from './context.js';
import { tryLimits } from './limits.js';
import { postMail, renderWords } from './mail.js';
import { notificationMailText, SENTENCES } from './mail-texts.js';
import { mailOf, type NotificationView, setNotificationMail, viewsOf } from './notifications.js';

const DAY_MS = 24 * 3_600_000;
/** Digests go out after this hour (UTC): where the receivers live is not known. */
const DIGEST_HOUR = 6;
/** So many owners in one sweep; the next one goes on. */
const OWNERS_AT_ONCE = 500;
/** A digest says so many in words, and of the rest how many. */
const LINES = 20;

/** The moment before which what waits is due: this morning's, or yesterday's while it is early. So a digest goes out once a day at most. */
export function digestDue(now: number): number {
  const today = Math.floor(now / DAY_MS) * DAY_MS + DIGEST_HOUR * 3_600_000;
  return today <= now ? today : today - DAY_MS;
}

/** Leaves the digests that are due in the queue: part of the sweep. Two at once make one. */
export async function queueDigests(ctx: Context): Promise<void> {
  const now = ctx.now();
  for (const ownerId of await ownersToMail(ctx.store, digestDue(now), OWNERS_AT_ONCE)) {
    await ctx.store.transaction(async (tx) => {
      const taken = await takeUnmailed(tx, ownerId, now);
      const account = await findAccountByActor(tx, ownerId);
      const ids = taken.filter(({ kind, readAt }) => readAt === null && account !== null && mailOf(account, kind) !== 'off').map(({ id }) => id);
      if (account?.state === 'active' && ids.length > 0) await addJobs(tx, [{ kind: 'notification-mail', payload: { accountId: account.id, ids, isDigest: true }, queue: 'main' }], now);
    });
  }
}

/**
 * Sends them, as far as they are still unread and for their owner to see: the handler of `notification-mail` jobs. One at once that would be too
 * many in an hour waits for the digest.
 * @throws DeliveryError permanent when the receiver's server refuses it for good
 */
export async function sendNotificationMail(ctx: Context, job: JobPayloads['notification-mail']): Promise<void> {
  const account = await findAccount(ctx.store, job.accountId);
  if (account?.state !== 'active' || account.email === '') return;
  const unread = (await findUnread(ctx.store, account.actorId, job.ids)).filter(({ kind }) => mailOf(account, kind) !== 'off');
  if (unread.length === 0) return;
  if (!job.isDigest && !(await tryLimits(ctx, { 'notification-mail': String(account.id) }))) return ctx.store.transaction((tx) => putBackForDigest(tx, job.ids));
  const views = await viewsOf(ctx, account.actorId, unread);
  const scope = job.isDigest ? 'all' : unread[0]!.kind;
  const { domain: site, publicUrl } = ctx.config;
  const link = `${publicUrl}/unsubscribe/${unsubscribeToken(ctx, account, scope)}`;
  const lines = views.slice(0, LINES).map(sentenceOf);
  const words = notificationMailText({ site, handle: `${account.username}@${site}`, lines, more: views.length - lines.length, isDigest: job.isDigest ?? false, unsubscribeUrl: link });
  await postMail(ctx, {
    to: account.email,
    words: await renderWords(words, { url: `${publicUrl}/notifications`, site }),
    template: job.isDigest ? 'digest' : 'notification',
    username: account.username,
    job,
    // RFC 8058 §3.1: a POST to this link, without a cookie or a further question, ends these mails.
    headers: { 'List-Unsubscribe': `<${link}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' },
  });
}

/** A line of a mail: a stranger's words in it are one line, and no link. */
const sentenceOf = ({ notification, by, post, comment }: NotificationView): string => SENTENCES[notification.kind](oneLine(nameOf(by), 60), oneLine(post?.title ?? '', 80), oneLine(comment?.markdown ?? '', 140));

function oneLine(text: string, max: number): string {
  const line = text.replace(/[\p{Cc}\p{Z}\u202a-\u202e\u2066-\u2069]+/gu, ' ').trim();
  return [...line].length <= max ? line : `${[...line].slice(0, max - 1).join('')}…`;
}

type Scope = NotificationKind | 'all';
const isScope = (text: string): text is Scope => text === 'all' || (NOTIFICATION_KINDS as readonly string[]).includes(text);

const macOf = (ctx: Context, text: string): string => createHmac('sha256', ctx.config.secret).update(`unsubscribe\0${text}`).digest('base64url');

/** What the links of mails carry: it needs no row, and works as long as the account is there. */
export function unsubscribeToken(ctx: Context, account: Pick<Account, 'id'>, scope: Scope): string {
  const text = `${account.id}.${scope}`;
  return `${text}.${macOf(ctx, text)}`;
}

/** @throws DomainError not-found when the token is not ours, or its account is gone */
async function readToken(ctx: Context, token: string): Promise<{ account: Account; scope: Scope }> {
  const [id = '', scope = '', mac = ''] = token.length > 200 ? [] : token.split('.');
  const expected = Buffer.from(macOf(ctx, `${id}.${scope}`));
  const given = Buffer.from(mac);
  if (/^\d{1,15}$/.test(id) && isScope(scope) && given.length === expected.length && timingSafeEqual(given, expected)) {
    const account = await findAccount(ctx.store, Number(id));
    if (account?.state === 'active') return { account, scope };
  }
  throw new DomainError('not-found', 'This link does not work. You can say in the settings which mails you get.');
}

/** What the link of a mail would end: for the page that asks. Changes nothing. @throws DomainError not-found */
export async function peekUnsubscribe(ctx: Context, token: string): Promise<{ handle: string; kinds: readonly NotificationKind[] }> {
  const { account, scope } = await readToken(ctx, token);
  return { handle: `${account.username}@${ctx.config.domain}`, kinds: scope === 'all' ? NOTIFICATION_KINDS : [scope] };
}

/**
 * Ends the mails that the link came with: of one kind, or all of a digest. The token is all that is needed; again changes nothing.
 * @throws DomainError not-found
 */
export async function unsubscribe(ctx: Context, token: string): Promise<{ handle: string; kinds: readonly NotificationKind[] }> {
  const { account } = await readToken(ctx, token);
  const ended = await peekUnsubscribe(ctx, token);
  await setNotificationMail(ctx, account, Object.fromEntries(ended.kinds.map((kind) => [kind, 'off' as const])));
  return ended;
}
