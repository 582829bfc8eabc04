import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAuthEndpoint } from '../auth/endpoint.js';
import type { Config, HostPort } from '../config.js';
import { deliver, giveUp } from '../jobs/deliver.js';
import { distribute } from '../jobs/distribute.js';
import { sweepExpired } from '../jobs/sweep.js';
import { startWorker, type Worker } from '../jobs/worker.js';
import { createLog, type Logger } from '../log.js';
import { writeUses } from '../services/app-passwords.js';
import { endChatSessions } from '../services/chat-sessions.js';
import type { Context } from '../services/context.js';
import { sendMail } from '../services/mail.js';
import { createApp } from '../web/app.js';
import type { Connector } from '../xmpp/connector.js';
import { createXmpp } from '../xmpp/index.js';
import { openContext } from './context.js';
import { createMetrics, measureChatLogins, measurePages } from './metrics.js';

/** How long jobs that run get to end; what still runs then is given back. With the open requests (1 s) and the stream (2 s) it stays within 10 s. */
const STOP_MS = 4_000;
/** How long the start waits for the XMPP server before it says "ready" without it. */
const XMPP_WAIT_MS = 3_000;
const SWEEP_MS = 3_600_000;

/** An installation that runs: all roles in one process. */
export interface Running {
  ctx: Context;
  /** Where the web pages answer. */
  url: string;
  /** Where /metrics answers; null when another program has taken that port. */
  metricsUrl: string | null;
  connector: Connector | null;
  /** Resolves when no job can run now. For tests and benchmarks. */
  idle(): Promise<void>;
  /** Stops in order: not ready, no new jobs and running ones to their end, no new requests, the stream closed. At most about 10 s. */
  stop(): Promise<void>;
}

/** Each part of /readyz. */
export interface ReadyReport {
  ready: boolean;
  parts: Record<string, { ok: boolean; text: string }>;
}

/**
 * Starts all roles: migrations, web, workers, authentication endpoint, connector. Resolves when the pages answer and the
 * XMPP server has let us in, or has not within 3 s: the web goes on without it.
 * @throws Error with a sentence for the operator when a port is taken, the database cannot be opened or is newer than this program
 */
export async function serve(config: Config, options: { log?: Logger; now?: () => number } = {}): Promise<Running> {
  const log = options.log ?? createLog(config.logLevel);
  const { ctx, close } = await openContext(config, { log, ...(options.now ? { now: options.now } : {}) });
  const stops: (() => Promise<unknown>)[] = [close, () => writeUses(ctx)];
  const workers: Worker[] = [];
  let draining = false;
  const stop = async () => {
    draining = true;
    // The pages answer meanwhile, and say on /readyz that they will not for long; what people post now waits for the next start.
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    if (await ctx.store.isNewer()) throw new Error('The database was written by a newer version of diaspora-x. Start that version, or restore a backup from before the upgrade.');
    for (const name of await ctx.store.migrate()) log.info({ migration: name }, 'migrated');

    const xmpp = config.component ? createXmpp(ctx) : null;
    if (xmpp) ctx.protocols.push(xmpp.protocol);
    const main = startWorker({
      store: ctx.store,
      queue: 'main',
      log,
      now: ctx.now,
      concurrency: 8,
      stopMs: STOP_MS,
      onDead: (tx, job, error) => giveUp(ctx, tx, job, error),
      handlers: { distribute: (job) => distribute(ctx, job.payload), mail: (job) => sendMail(ctx, job.payload), 'end-chat-sessions': (job) => endChatSessions(ctx, job.payload), deliver: (job, signal) => deliver(ctx, job.payload, signal) },
    });
    workers.push(main);
    const chat =
      xmpp &&
      startWorker({
        store: ctx.store,
        queue: 'xmpp',
        log,
        now: ctx.now,
        concurrency: 64,
        gate: xmpp.connector.gate,
        stopMs: STOP_MS,
        onDead: (tx, job, error) => giveUp(ctx, tx, job, error),
        handlers: { ...xmpp.handlers, deliver: (job, signal) => deliver(ctx, job.payload, signal) },
      });
    if (xmpp && chat) {
      stops.push(() => xmpp.connector.stop());
      workers.push(chat);
    }
    const sweeping = setInterval(() => void sweepExpired(ctx).catch((error) => log.error({ err: error }, 'sweep failed')), SWEEP_MS);
    stops.push(async () => clearInterval(sweeping));

    if (config.chatDomain !== '') {
      const stopping = new AbortController();
      stops.push((await listen(measureChatLogins(createAuthEndpoint(ctx, stopping.signal)), config.authListen, 'DX_AUTH_LISTEN')).stop, async () => stopping.abort());
    }
    const ready = async () => {
      const { parts } = await readyReport(ctx, xmpp?.connector ?? null);
      if (draining) parts.service = { ok: false, text: 'is being stopped' };
      return { ready: Object.values(parts).every((part) => part.ok), parts };
    };
    const metrics = createMetrics(ctx, xmpp?.connector ?? null);
    stops.push(async () => metrics.stop());
    // Nobody shall be without the service because its figures cannot be read.
    const figures = await listen(metrics.listener, config.metricsListen, 'DX_METRICS_LISTEN').catch((error: Error) => {
      log.error({ reason: error.message }, 'there is no /metrics');
      return null;
    });
    if (figures) stops.push(figures.stop);
    const web = await listen(measurePages(createApp(ctx, { ready })), config.listen, 'DX_LISTEN');
    stops.push(web.stop);

    if (xmpp) {
      xmpp.connector.start();
      if (!(await xmpp.connector.online(XMPP_WAIT_MS))) log.warn({ ...xmpp.connector.status() }, 'the XMPP server is not there yet: posts wait in the queue until it is');
    } else {
      log.warn('no XMPP server is set (DX_COMPONENT_URL): the web pages work, posts stay here');
    }
    const idle = async () => {
      await main.idle();
      await chat?.idle(); // last: what main did may have left it something
    };
    return { ctx, url: web.url, metricsUrl: figures?.url ?? null, connector: xmpp?.connector ?? null, idle, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function listen(app: RequestListener, at: HostPort, key: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = createServer(app);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there already' : error.code === 'EACCES' ? 'this user may not use that port' : error.message;
      reject(new Error(`Cannot listen on ${at.host}:${at.port}: ${why}. Stop it, or set ${key} to another HOST:PORT.`));
    });
    server.listen(at.port, at.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://${at.host.includes(':') ? `[${at.host}]` : at.host}:${port}`, stop: () => closeServer(server) };
}

/** Lets running answers end, but not for ever: event streams never end by themselves. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 1_000).unref();
  });
}

async function readyReport(ctx: Context, connector: Connector | null): Promise<ReadyReport> {
  const parts: ReadyReport['parts'] = {};
  try {
    await ctx.store.ping();
    const pending = await ctx.store.pendingMigrations();
    parts.database = { ok: true, text: 'answers' };
    parts.migrations = { ok: pending.length === 0, text: pending.length === 0 ? 'none is waiting' : `${pending.length} waiting: run dx migrate` };
  } catch {
    parts.database = { ok: false, text: 'does not answer' };
  }
  const status = connector?.status();
  parts.component = { ok: status?.state === 'online', text: status ? (status.state === 'online' ? 'connected' : [status.reason, status.remedy].filter(Boolean).join(' ')) : 'no XMPP server is set' };
  return { ready: Object.values(parts).every((part) => part.ok), parts };
}
