// /metrics: gathers what this process knows of itself, and measures the requests that it answers.
import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener } from 'node:http';
import path from 'node:path';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Answered } from '../auth/questions.js';
import { type AnyFamily, CONTENT_TYPE, bounces, Counter, deliveries, eventSeconds, Gauge, Histogram, renderMetrics } from '../metrics.js';
import type { Context } from '../services/context.js';
import { type QueueCount, queueCounts } from '../store/jobs.js';
import type { ReadyReport } from '../web/app.js';
import type { Connector } from '../xmpp/connector.js';
import { programFolder } from './snippets.js';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const METHODS = ['GET', 'HEAD', 'POST'];
/** Node measures how late a timer of this interval is, the interval included. */
const LOOP_RESOLUTION_MS = 10;
/** Counting a long queue takes the event loop: at most a hundredth of the time goes into it. */
const REST_AFTER_COUNT = 100;

const requests = new Counter('dx_http_requests', 'Requests for pages and documents, by route pattern.', ['method', 'route', 'status']);
const requestSeconds = new Histogram('dx_http_request_seconds', 'How long answers took, event streams apart.', ['route'], SECONDS);
const logins = new Counter('dx_logins', 'Checks of a password, by who asked and the answer.', ['by', 'result']);
const authSeconds = new Histogram('dx_auth_seconds', 'How long chat servers waited for an answer.', ['operation'], SECONDS);

/** The pattern of the route that answered, as `/posts/:guid`; `none` when none did. Never the path, which strangers write. */
function routeOf(request: IncomingMessage): string {
  const pattern = (request as IncomingMessage & { route?: { path?: unknown } }).route?.path;
  return pattern === undefined ? 'none' : typeof pattern === 'string' ? pattern : 'other';
}

const webLogin = (status: number): string => (status === 303 ? 'right' : status === 429 ? 'limited' : status >= 500 ? 'failed' : 'wrong');

/** The pages, measured. */
export function measurePages(app: RequestListener): RequestListener {
  return (request, response) => {
    const from = performance.now();
    response.once('close', () => {
      const route = routeOf(request);
      const method = METHODS.includes(request.method ?? '') ? request.method! : 'other';
      const status = response.writableFinished ? String(response.statusCode) : 'aborted';
      requests.add({ method, route, status });
      if (!String(response.getHeader('content-type')).startsWith('text/event-stream')) requestSeconds.observe({ route }, (performance.now() - from) / 1000);
      if (route === '/login' && method === 'POST' && status !== 'aborted') logins.add({ by: 'web', result: webLogin(response.statusCode) });
    });
    app(request, response);
  };
}

/** An answer to a chat server, measured. */
export const countAnswer: Answered = (operation, { status, text }, tookMs) => {
  authSeconds.observe({ operation }, tookMs / 1000);
  const result = status !== 200 ? 'refused' : text === 'true' ? 'right' : 'wrong';
  if (operation === 'check_password') logins.add({ by: 'chat', result });
};

function queueFamilies(counts: QueueCount[]): AnyFamily[] {
  const jobs = new Gauge('dx_queue_jobs', 'Jobs by state; failed ones are those given up.', ['queue', 'kind', 'state']);
  const oldest = new Gauge('dx_queue_oldest_seconds', 'Age of the oldest job that is not given up.', ['queue', 'kind']);
  for (const { queue, kind, waiting, running, failed, oldestAgeMs } of counts) {
    for (const [state, n] of Object.entries({ waiting, running, failed })) jobs.set({ queue, kind, state }, n);
    oldest.set({ queue, kind }, oldestAgeMs / 1000);
  }
  return [jobs, oldest];
}

function componentFamilies(connector: Connector): AnyFamily[] {
  const state = new Gauge('dx_component_state', 'The connection to the XMPP server: 1 for the state that it is in.', ['state']);
  for (const each of ['online', 'offline', 'refused']) state.set({ state: each }, Number(connector.status().state === each));
  const { received, sent, ...odd } = connector.counts();
  const stanzas = new Counter('dx_stanzas', 'Stanzas to and from the XMPP server.', ['direction', 'kind']);
  for (const [kind, n] of Object.entries(received)) stanzas.add({ direction: 'in', kind }, n);
  for (const [kind, n] of Object.entries(sent)) stanzas.add({ direction: 'out', kind }, n);
  const events = new Counter('dx_connector_events', 'What the connector dropped, refused above its limits (shed), failed at, or got as a reply to nothing.', ['event']);
  for (const [event, n] of Object.entries(odd)) events.add({ event: event.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) }, n);
  return [state, stanzas, events];
}

function processFamilies(delay: IntervalHistogram): AnyFamily[] {
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  const version = (JSON.parse(readFileSync(path.join(programFolder(), 'package.json'), 'utf8')) as { version: string }).version;
  const late = (ns: number) => Math.max(0, ns / 1e6 - LOOP_RESOLUTION_MS) / 1000;
  const loop = new Gauge('nodejs_eventloop_delay_seconds', 'How late timers were since the last look.', ['quantile']);
  // Two looks within the resolution have nothing between them that could be late.
  const [half, most, all] = delay.count > 0 ? [delay.percentile(50), delay.percentile(99), delay.max] : [0, 0, 0];
  for (const [quantile, ns] of [['0.5', half], ['0.99', most], ['1', all]] as const) loop.set({ quantile }, late(ns));
  delay.reset();
  const cpuSeconds = new Counter('process_cpu_seconds', 'CPU time of this process.');
  cpuSeconds.add({}, (cpu.user + cpu.system) / 1e6);
  return [
    new Gauge('dx_build_info', 'The version that runs; always 1.', ['version', 'node']).set({ version, node: process.version }, 1),
    new Gauge('process_resident_memory_bytes', 'Memory of this process.').set({}, memory.rss),
    new Gauge('nodejs_heap_used_bytes', 'Its JavaScript objects.').set({}, memory.heapUsed),
    new Gauge('nodejs_external_memory_bytes', 'Buffers outside of the heap.').set({}, memory.external),
    new Gauge('process_start_time_seconds', 'When it started, UNIX time.').set({}, Date.now() / 1000 - process.uptime()),
    cpuSeconds,
    loop,
  ];
}

/** What the figures are about, besides the process itself. */
export interface Measured {
  /** What /readyz says: a process without pages has it here alone. */
  ready: () => Promise<ReadyReport>;
  connector: Connector | null;
  /** Does this process count the jobs that wait? They are the same for all processes of an installation. */
  queues: boolean;
}

/** Answers GET /metrics, /healthz and /readyz; to be served on DX_METRICS_LISTEN. `stop` ends the measuring of the event loop. */
export function createMetrics(ctx: Context, { ready, connector, queues }: Measured): { listener: RequestListener; stop(): void } {
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  let counting: Promise<QueueCount[] | null> | undefined;
  /** null: the database does not answer. */
  function counted(): Promise<QueueCount[] | null> {
    counting ??= (async () => {
      const from = performance.now();
      const asked: Promise<QueueCount[]> = queues ? queueCounts(ctx.store, ctx.now()) : ctx.store.ping().then(() => []);
      const counts = await asked.catch(() => null);
      setTimeout(() => (counting = undefined), REST_AFTER_COUNT * (performance.now() - from)).unref();
      return counts;
    })();
    return counting;
  }

  async function gather(): Promise<string> {
    const counts = await counted();
    return renderMetrics([
      new Gauge('dx_database_up', 'Does the database answer?').set({}, counts === null ? 0 : 1),
      ...(counts && queues ? queueFamilies(counts) : []),
      ...(connector ? componentFamilies(connector) : []),
      deliveries,
      bounces,
      eventSeconds,
      logins,
      authSeconds,
      requests,
      requestSeconds,
      ...processFamilies(delay),
    ]);
  }

  const listener: RequestListener = (request, response) => {
    const reply = (status: number, type: string, text: string) =>
      void response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(request.method === 'HEAD' ? undefined : text);
    const PLAIN = 'text/plain; charset=utf-8';
    const what = /^\/(metrics|healthz|readyz)(\?|$)/.exec(request.url ?? '')?.[1];
    if (what === undefined) return reply(404, PLAIN, 'There are /metrics, /healthz and /readyz.\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') return reply(405, PLAIN, 'Ask with GET.\n');
    if (what === 'healthz') return reply(200, PLAIN, 'ok\n');
    const answer =
      what === 'readyz'
        ? ready().then((report) => reply(report.ready ? 200 : 503, 'application/json; charset=utf-8', JSON.stringify(report)))
        : gather().then((text) => reply(200, CONTENT_TYPE, text));
    answer.catch((error) => {
      ctx.log.error({ err: error }, 'metrics failed');
      reply(500, PLAIN, 'The metrics could not be gathered: see the log.\n');
    });
  };
  return { listener, stop: () => void delay.disable() };
}
