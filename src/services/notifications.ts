// What someone is told about: on the page, and by mail (notification-mail.ts). Once for each thing, never of those whom they do not want to hear.
import type { Account } from '../domain/account.js';
import { type Actor, handleOf } from '../domain/actor.js';
import type { Comment } from '../domain/comment.js';
import { DomainError } from '../domain/errors.js';
import type { Guid } from '../domain/guid.js';
import { DEFAULT_NOTIFICATION_MAIL, NOTIFICATION_KINDS, type Notification, type NotificationKind, type NotificationMail } from '../domain/notification.js';
import type { Post } from '../domain/post.js';
import { findAccount, findAccountByActor, updateAccount } from '../store/accounts.js';
import { findActors, findLocalActor } from '../store/actors.js';
import { findComment } from '../store/comments.js';
import type { Tx } from '../store/database.js';
import { addJobs } from '../store/jobs.js';
import { countRecent, countUnread, insertNotification, listShown, listShownGroups, markReadBy, type NotificationsPage, pruneNotifications as prune, wantsToHearOf } from '../store/notifications.js';
import { findVisiblePost, findVisiblePosts } from '../store/posts.js';
import { findRelationships } from '../store/relationships.js';
import type { Context } from './context.js';

export interface NotificationView {
  notification: Notification;
  by: Actor;
  post: Post | null;
  comment: Comment | null;
}

/** What stands together on the page, by its newest: those who like one post, those who reshared one. */
export interface NotificationEntry extends NotificationView {
  /** How many people besides. */
  others: number;
  isNew: boolean;
  /** Whoever asks waits for an answer. */
  asks: boolean;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Floods (threats.md): what one person does in an hour, what all of one other server do, and what all do, beyond which nothing more is told. */
const MOST_BY_ONE = 30;
const MOST_BY_HOST = 150;
const MOST_OF_ALL = 300;
/** They go after so long; and of one person's, the oldest beyond so many. */
const KEPT_MS = 90 * DAY_MS;
const KEPT = 1_000;
/** Nobody counts further. */
const UNREAD_MAX = 100;

interface News {
  /** The actor who is told. Anybody: only people of ours are. */
  ownerId: number;
  kind: NotificationKind;
  byId: number;
  postGuid?: Guid;
  commentGuid?: Guid;
}

/** What makes two of them the same. A comment rings once, for whatever reason; a request once a day, however often it is taken back and made again. */
function keyOf({ kind, byId, postGuid, commentGuid }: News, now: number): string {
  if (commentGuid !== undefined) return `comment:${commentGuid}`;
  if (kind === 'mention') return `mention:${postGuid}`;
  if (postGuid !== undefined) return `${kind}:${byId}:${postGuid}`;
  return `${kind}:${byId}:${Math.floor(now / DAY_MS)}`;
}

/** How a kind goes out by mail for this account. */
export const mailOf = (account: Pick<Account, 'notificationMail'>, kind: NotificationKind): NotificationMail => account.notificationMail?.[kind] ?? DEFAULT_NOTIFICATION_MAIL;

/** Tells somebody of something, if they want to hear it, may see it, and have not been told. */
export async function notify(ctx: Context, tx: Tx, news: News): Promise<void> {
  const { ownerId, kind, byId, postGuid, commentGuid } = news;
  if (ownerId === byId && kind !== 'undelivered') return;
  const account = await findAccountByActor(tx, ownerId);
  if (account?.state !== 'active' || !(await wantsToHearOf(tx, ownerId, byId))) return;
  if (postGuid !== undefined && !(await findVisiblePost(tx, { actorId: ownerId }, postGuid))) return;
  const now = ctx.now();
  const recent = await countRecent(tx, ownerId, byId, now - HOUR_MS, MOST_OF_ALL);
  if (recent.all >= MOST_OF_ALL || recent.byHost >= MOST_BY_HOST || recent.byThem >= MOST_BY_ONE) return ctx.log.warn({ ownerId, byId, kind }, 'too many notifications: this one is dropped');
  const mail = mailOf(account, kind);
  const notification = await insertNotification(tx, {
    ...{ ownerId, kind, byId, postGuid: postGuid ?? null, commentGuid: commentGuid ?? null, key: keyOf(news, now) },
    ...{ createdAt: now, readAt: null, mailedAt: mail === 'digest' ? null : now }, // only those for the digest wait
  });
  if (!notification) return;
  if (mail === 'now') await addJobs(tx, [{ kind: 'notification-mail', payload: { accountId: account.id, ids: [notification.id] }, queue: 'main' }], now);
  tx.publish({ kind: 'notification', actorId: ownerId, accountId: account.id });
}

/** Tells those of ours who are mentioned, as far as they may see it. @param handles as `renderMarkdown` gives them */
export async function notifyMentioned(ctx: Context, tx: Tx, { handles, ...about }: { handles: readonly string[]; byId: number; postGuid: Guid; commentGuid?: Guid }): Promise<void> {
  for (const handle of handles) {
    const [username, domain] = handle.split('@') as [string, string];
    if (domain !== ctx.config.domain) continue;
    const actor = await findLocalActor(tx, username);
    if (actor && handleOf(actor) === handle) await notify(ctx, tx, { ownerId: actor.id, kind: 'mention', ...about });
  }
}

/**
 * Newest first. What was taken back, or may not be seen any more, is not among them.
 * @param page.older the id of the last one of the page before
 */
export async function listNotifications(ctx: Context, account: Account, page: Omit<NotificationsPage, 'id'>): Promise<NotificationView[]> {
  return viewsOf(ctx, account.actorId, await listShown(ctx.store, account.actorId, page));
}

/** The same as entries of the page. @param page.older the id of the last one of the page before */
export async function listNotificationEntries(ctx: Context, account: Account, page: Omit<NotificationsPage, 'id'>): Promise<NotificationEntry[]> {
  const entries = await listShownGroups(ctx.store, account.actorId, page);
  const views = await viewsOf(ctx, account.actorId, entries.map(({ notification }) => notification));
  const requests = views.filter(({ notification }) => notification.kind === 'request').map(({ by }) => by.id);
  const between = requests.length > 0 ? await findRelationships(ctx.store, account.actorId, requests) : null;
  return views.map((view, i) => ({
    ...view,
    others: entries[i]!.members - 1,
    isNew: entries[i]!.unread > 0,
    asks: view.notification.kind === 'request' && between?.get(view.by.id)?.follower === 'asked',
  }));
}

/** One of them, as far as it is still shown. @throws DomainError not-found */
export async function findNotification(ctx: Context, account: Account, id: number): Promise<NotificationView> {
  const [view] = await viewsOf(ctx, account.actorId, await listShown(ctx.store, account.actorId, { id, limit: 1 }));
  if (!view) throw new DomainError('not-found', 'What this was about is no longer there.');
  return view;
}

/** With what is needed to show them. */
export async function viewsOf(ctx: Context, ownerId: number, notifications: Notification[]): Promise<NotificationView[]> {
  const some = <T>(values: (T | null)[]): T[] => [...new Set(values.filter((value) => value !== null))];
  const [actors, posts, comments] = await Promise.all([
    findActors(ctx.store, some(notifications.map(({ byId }) => byId))),
    findVisiblePosts(ctx.store, { actorId: ownerId }, some(notifications.map(({ postGuid }) => postGuid))),
    Promise.all(some(notifications.map(({ commentGuid }) => commentGuid)).map((guid) => findComment(ctx.store, guid))),
  ]);
  return notifications.map((notification) => ({
    notification,
    by: actors.get(notification.byId)!,
    post: notification.postGuid === null ? null : (posts.get(notification.postGuid) ?? null),
    comment: comments.find((comment) => comment !== null && comment.guid === notification.commentGuid) ?? null,
  }));
}

/** How many entries are unread; 100 means: or more. */
export const unreadCount = (ctx: Context, account: Account): Promise<number> => countUnread(ctx.store, account.actorId, UNREAD_MAX);

/** Marks as read: all up to an id, one entry, or those about one post. */
export async function markRead(ctx: Context, account: Account, which: number | { id: number } | { postGuid: Guid }): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const changed = await markReadBy(tx, account.actorId, ctx.now(), typeof which === 'number' ? { upTo: which } : which);
    if (changed > 0) tx.publish({ kind: 'notification', actorId: account.actorId, accountId: account.id });
  });
}

/** Says how kinds go out by mail; what is not named stays as it is. */
export async function setNotificationMail(ctx: Context, account: Account, settings: Partial<Record<NotificationKind, NotificationMail>>): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const current = (await findAccount(tx, account.id))?.notificationMail ?? {};
    const known = Object.fromEntries(NOTIFICATION_KINDS.filter((kind) => settings[kind] !== undefined).map((kind) => [kind, settings[kind]]));
    await updateAccount(tx, account.id, { notificationMail: { ...current, ...known } });
  });
}

/** Removes what is too old, and what is too much. */
export const pruneNotifications = (ctx: Context, tx: Tx): Promise<void> => prune(tx, ctx.now() - KEPT_MS, KEPT);
