// Who runs which job: every kind of domain/job.ts stands here, under its queue, and nowhere else.
import { deliver, giveUp } from '../jobs/deliver.js';
import { distribute } from '../jobs/distribute.js';
import type { Handlers, WorkerOptions } from '../jobs/worker.js';
import { noteArrivals } from '../services/bounces.js';
import { endChatSessions } from '../services/chat-sessions.js';
import type { Context } from '../services/context.js';
import { sendMail } from '../services/mail.js';
import { sendNotificationMail } from '../services/notification-mail.js';
import { first } from '../services/precedence.js';
import type { Xmpp } from '../xmpp/index.js';

const deliverTo = (ctx: Context): Handlers => ({ deliver: (job, signal) => deliver(ctx, job, signal) });

/** The queue `main`: any number of processes with the role `worker`. */
export const mainHandlers = (ctx: Context): Handlers => ({
  ...deliverTo(ctx),
  distribute: (job) => first(ctx, () => distribute(ctx, job.payload)),
  mail: (job) => sendMail(ctx, job.payload),
  'notification-mail': (job) => sendNotificationMail(ctx, job.payload),
  'end-chat-sessions': (job) => endChatSessions(ctx, job.payload),
});

/** The queue `xmpp`: the one process that has the connection to the XMPP server. Its deliveries take milliseconds, so checks of logins wait for them. */
export const xmppHandlers = (ctx: Context, xmpp: Pick<Xmpp, 'handlers'>): Handlers => ({
  deliver: (job, signal) => first(ctx, () => deliver(ctx, job, signal)),
  ...xmpp.handlers,
});

/** How long jobs that run get to end; what still runs then is given back. With the open requests (1 s) and the stream (2 s) a stop stays within 10 s. */
const STOP_MS = 4_000;

/** What the workers of both queues have in common. */
export const workerOptions = (ctx: Context): Pick<WorkerOptions, 'store' | 'log' | 'now' | 'stopMs' | 'onArrived' | 'onDead'> => ({
  store: ctx.store,
  log: ctx.log,
  now: ctx.now,
  stopMs: STOP_MS,
  onArrived: (tx, arrivals) => noteArrivals(ctx, tx, arrivals),
  onDead: (tx, job) => giveUp(ctx, tx, job),
});
