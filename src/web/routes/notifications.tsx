import express from 'express';
import { DomainError } from '../../domain/errors.js';
import type { Context } from '../../services/context.js';
import { findNotification, listNotificationEntries, mailOf, markRead, setNotificationMail } from '../../services/notifications.js';
import { notificationMailForm, readForm, rowId, submit } from '../forms.js';
import { isNotificationsFilter, NotificationsPage, targetOf } from '../pages/notifications.js';
import { NotificationMailPage } from '../pages/settings.js';
import { sendPage } from '../render.js';
import { memberOf, queryText } from '../visit.js';
import { idOf, relationNotice } from './contacts.js';

/** Notifications on one page. */
const PAGE_SIZE = 40;

/** What others did that concerns someone, and what of it comes by mail. */
export function notificationRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/notifications', async (req, res) => {
    const { account, t } = memberOf(res);
    const only = queryText(req, 'only');
    const filter = isNotificationsFilter(only) ? only : 'all';
    const older = rowId(queryText(req, 'older') ?? '');
    const found = await listNotificationEntries(ctx, account, {
      ...(older !== null && { older }),
      ...(filter === 'unread' ? { unread: true } : filter === 'all' ? {} : { kind: filter }),
      limit: PAGE_SIZE + 1,
    });
    const news = found.slice(0, PAGE_SIZE);
    const olderThan = found.length > PAGE_SIZE ? news.at(-1)!.notification.id : null;
    const notice = queryText(req, 'done') === 'read' ? t.notifications.read : await relationNotice(ctx, req, res);
    sendPage(res, <NotificationsPage {...{ news, olderThan, filter, notice }} paged={older !== null} />);
  });

  router.post('/notifications/read', async (req, res) => {
    const { account } = memberOf(res);
    const { upTo } = readForm.parse(req.body ?? {});
    if (upTo == null) throw new DomainError('invalid', 'It is not said which of them are read.', 'upTo');
    await markRead(ctx, account, upTo);
    res.redirect(303, '/notifications?done=read');
  });

  // Leads to what it is about. That one is read then: of all that a GET changes, the one thing that reading changes.
  router.get('/notifications/:id', async (req, res) => {
    const { account } = memberOf(res);
    const id = idOf(req.params.id);
    const view = await findNotification(ctx, account, id);
    await markRead(ctx, account, { id });
    res.redirect(303, targetOf(view));
  });

  router.get('/settings/notifications', (req, res) => {
    const { account, t } = memberOf(res);
    sendPage(res, <NotificationMailPage chosen={(kind) => mailOf(account, kind)} notice={queryText(req, 'done') === 'saved' ? t.settings.saved : undefined} />);
  });

  router.post('/settings/notifications', async (req, res) => {
    const { account } = memberOf(res);
    const faults = await submit(req, notificationMailForm, (settings) => setNotificationMail(ctx, account, settings));
    if (faults) return sendPage(res, <NotificationMailPage chosen={(kind) => faults.values[kind] ?? mailOf(account, kind)} faults={faults} />, { status: faults.status });
    res.redirect(303, '/settings/notifications?done=saved');
  });

  return router;
}
