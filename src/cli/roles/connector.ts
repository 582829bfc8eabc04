import { startWorker } from '../../jobs/worker.js';
import type { Context } from '../../services/context.js';
import type { Xmpp } from '../../xmpp/index.js';
import { workerOptions, xmppHandlers } from '../job-handlers.js';
import type { Role } from './role.js';

/** The one connection to the XMPP server: answers stanzas, and runs the jobs that need it. Connects when `connect` is called. */
export function startConnector(ctx: Context, xmpp: Xmpp): Role & { connect(): void } {
  const { connector } = xmpp;
  const worker = startWorker({ ...workerOptions(ctx), queue: 'xmpp', concurrency: 64, gate: connector.gate, handlers: xmppHandlers(ctx, xmpp) });
  return {
    connect: () => connector.start(),
    ready() {
      const { state, reason, remedy } = connector.status();
      return { component: { ok: state === 'online', text: state === 'online' ? 'connected' : [reason, remedy].filter(Boolean).join(' ') } };
    },
    drain: () => worker.stop(),
    idle: () => worker.idle(),
    stop: () => connector.stop(),
  };
}
