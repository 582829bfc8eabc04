import express from 'express';
import { DomainError } from '../../domain/errors.js';
import type { Context } from '../../services/context.js';
import { dropServer, pauseServer, readQueue, readServerQueue, resumeServer, retryServer } from '../../services/queue.js';
import { serverForm, submit } from '../forms.js';
import { DropServerPage, QueuePage } from '../pages/admin.js';
import { sendPage } from '../render.js';
import { queryText, visitOf } from '../visit.js';

/** What operators do on the web. To everybody else these are pages that do not exist. */
export function adminRoutes(ctx: Context): express.Router {
  const router = express.Router();
  router.use('/admin', (_req, res, next) => next(visitOf(res).account?.isAdmin ? undefined : 'router'));

  const acts = { retry: retryServer, pause: pauseServer, resume: resumeServer, drop: dropServer };

  router.get('/admin/queue', async (req, res) => {
    const words = visitOf(res).t.admin;
    const server = queryText(req, 'server') ?? '';
    const said = { retry: words.retried, pause: words.isPaused, resume: words.isResumed, drop: words.dropped }[queryText(req, 'done') ?? ''];
    sendPage(res, <QueuePage {...await readQueue(ctx)} notice={said?.(server.slice(0, 255))} />);
  });

  router.get('/admin/queue/drop', async (req, res) => {
    const server = await readServerQueue(ctx, queryText(req, 'server') ?? '');
    if (!server) throw new DomainError('not-found', visitOf(res).t.errors['not-found'][1]!);
    sendPage(res, <DropServerPage server={server} />);
  });

  for (const [name, act] of Object.entries(acts)) {
    router.post(`/admin/queue/${name}`, async (req, res) => {
      let host = '';
      const faults = await submit(req, serverForm, async ({ server }) => {
        host = server;
        await act(ctx, server, visitOf(res).account!.id);
      });
      if (faults) return sendPage(res, <QueuePage {...await readQueue(ctx)} faults={faults} />, { status: faults.status });
      res.redirect(303, `/admin/queue?done=${name}&server=${encodeURIComponent(host.trim().toLowerCase())}`);
    });
  }

  return router;
}
