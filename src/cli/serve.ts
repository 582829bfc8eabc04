import { type Config, ConfigError } from '../config.js';
import { createLog, type Logger } from '../log.js';
import type { Context } from '../services/context.js';
import type { ReadyReport } from '../web/app.js';
import type { Connector } from '../xmpp/connector.js';
import { openContext } from './context.js';
import { listen } from './listen.js';
import { createMetrics } from './metrics.js';
import { startAuth } from './roles/auth.js';
import { ROLES, type Role, type RoleName } from './roles/role.js';

export type { ReadyReport } from '../web/app.js';

/** How long the start waits for the XMPP server before it says "ready" without it. */
const XMPP_WAIT_MS = 3_000;

/** Roles that run in this process. */
export interface Running {
  ctx: Context;
  /** Where the web pages answer; '' without the role `web`. */
  url: string;
  /** Where /metrics answers; null when another program has taken that port. */
  metricsUrl: string | null;
  /** null without the role `connector`, or when no XMPP server is set. */
  connector: Connector | null;
  /** Resolves when no job can run now. For tests and benchmarks. */
  idle(): Promise<void>;
  /** Stops in order: not ready, no new jobs and running ones to their end, no new requests, the stream closed. At most about 10 s. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  /** All of them, unless said otherwise. */
  roles?: readonly RoleName[];
  log?: Logger;
  now?: () => number;
}

/**
 * Starts the roles: migrations, then each of them. Resolves when they work and the XMPP server has let us in, or has not within 3 s:
 * the rest goes on without it.
 * @throws Error with a sentence for the operator when a port is taken, the database cannot be opened or is newer than this program
 * @throws ConfigError when these roles cannot run alone with this configuration
 */
export async function serve(config: Config, { roles = ROLES, log = createLog(config.logLevel), now }: ServeOptions = {}): Promise<Running> {
  checkRoles(config, roles);
  const { ctx, close } = await openContext(config, { log, ...(now ? { now } : {}) });
  const running: Role[] = [];
  const stops: (() => Promise<unknown>)[] = [close];
  let draining = false;
  const stop = async () => {
    draining = true;
    // The pages answer meanwhile, and say on /readyz that they will not for long; what people post now waits for the next start.
    await Promise.all(running.map((role) => role.drain()));
    for (const each of stops.splice(0).reverse()) await each();
  };
  const add = <R extends Role>(role: R): R => {
    running.push(role);
    stops.push(() => role.stop());
    return role;
  };
  const ready = async (): Promise<ReadyReport> => {
    const parts = await databaseParts(ctx);
    for (const role of running) Object.assign(parts, role.ready());
    if (roles.includes('connector') && !ctx.config.component) parts.component = { ok: false, text: 'no XMPP server is set' };
    if (draining) parts.service = { ok: false, text: 'is being stopped' };
    return { ready: Object.values(parts).every((part) => part.ok), parts };
  };
  try {
    if (await ctx.store.isNewer()) throw new Error('The database was written by a newer version of diaspora-x. Start that version, or restore a backup from before the upgrade.');
    for (const name of await ctx.store.migrate()) log.info({ migration: name }, 'migrated');

    if (roles.includes('web')) add(await startAuth(ctx));
    // The others are loaded only now: chat servers have their answers half a second sooner, and no process holds what another's role needs.
    // Every role asks XMPP where activities must go; only the connector connects.
    const xmpp = config.component ? (await import('../xmpp/index.js')).createXmpp(ctx) : null;
    if (xmpp) ctx.protocols.push(xmpp.protocol);
    else log.warn('no XMPP server is set (DX_COMPONENT_URL): the web pages work, posts stay here');

    if (roles.includes('worker')) add((await import('./roles/worker.js')).startWorkerRole(ctx));
    const connecting = xmpp && roles.includes('connector') ? add((await import('./roles/connector.js')).startConnector(ctx, xmpp)) : null;
    const connector = connecting && xmpp ? xmpp.connector : null;

    const metrics = createMetrics(ctx, { ready, connector, queues: roles.includes('worker') });
    stops.push(async () => metrics.stop());
    // Nobody shall be without the service because its figures cannot be read.
    const figures = await listen(metrics.listener, config.metricsListen, 'DX_METRICS_LISTEN').catch((error: Error) => {
      log.error({ reason: error.message }, 'there is no /metrics');
      return null;
    });
    if (figures) stops.push(figures.stop);
    const web = roles.includes('web') ? add(await (await import('./roles/web.js')).startWeb(ctx, ready)) : null;

    await connecting?.connect(XMPP_WAIT_MS);
    const idle = async () => {
      for (const role of running) await role.idle(); // the connector after the worker, who may have left it something
    };
    return { ctx, url: web?.url ?? '', metricsUrl: figures?.url ?? null, connector, idle, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function checkRoles(config: Config, roles: readonly RoleName[]): void {
  if (roles.length === ROLES.length) return;
  const name = roles.join(' and ');
  const faults = [
    config.databaseUrl.startsWith('sqlite:')
      ? `DX_DATABASE_URL is an SQLite file, which only one process can serve: dx ${name} needs PostgreSQL (dx copy-database moves an installation there), or run dx serve, which is everything in one process.`
      : null,
    roles.includes('connector') && !config.component ? 'DX_COMPONENT_URL is missing: dx connector has no XMPP server to connect to (dx snippet prints both sides).' : null,
  ].filter((fault) => fault !== null);
  if (faults.length > 0) throw new ConfigError(faults);
}

async function databaseParts(ctx: Context): Promise<ReadyReport['parts']> {
  try {
    await ctx.store.ping();
    const pending = await ctx.store.pendingMigrations();
    return {
      database: { ok: true, text: 'answers' },
      migrations: { ok: pending.length === 0, text: pending.length === 0 ? 'none is waiting' : `${pending.length} waiting: run dx migrate` },
    };
  } catch {
    return { database: { ok: false, text: 'does not answer' } };
  }
}
