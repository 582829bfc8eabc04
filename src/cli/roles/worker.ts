import { sweepExpired } from '../../jobs/sweep.js';
import { startWorker } from '../../jobs/worker.js';
import type { Context } from '../../services/context.js';
import { mainHandlers, workerOptions } from '../job-handlers.js';
import type { Role } from './role.js';

const SWEEP_MS = 3_600_000;

/** Runs what needs no connection to the XMPP server, and removes once an hour what has run out: twice does no harm. */
export function startWorkerRole(ctx: Context): Role {
  const worker = startWorker({ ...workerOptions(ctx), queue: 'main', concurrency: 8, handlers: mainHandlers(ctx) });
  const sweeping = setInterval(() => void sweepExpired(ctx).catch((error) => ctx.log.error({ err: error }, 'sweep failed')), SWEEP_MS);
  return {
    ready: () => ({}),
    drain: () => worker.stop(),
    idle: () => worker.idle(),
    stop: async () => clearInterval(sweeping),
  };
}
