import { LEASE_MS, startWorker } from '../../jobs/worker.js';
import type { Context } from '../../services/context.js';
import { sweep } from '../../store/jobs.js';
import { CONNECTOR_LEASE, holdLease, type Lease } from '../../store/lease.js';
import type { Xmpp } from '../../xmpp/index.js';
import { workerOptions, xmppHandlers } from '../job-handlers.js';
import type { Role } from './role.js';

/** When we look again for what the last connector had claimed: its last statement may have been on its way to the database when it died. */
const LOOK_AGAIN_MS = 5_000;

/**
 * The one connection to the XMPP server: answers stanzas, and runs the jobs that need it. On PostgreSQL other processes may have the role
 * too: they stand by until the lease is theirs, and whoever loses it stops writing to the stream before another begins.
 */
export function startConnector(ctx: Context, { connector, ...xmpp }: Xmpp): Role & { connect(withinMs: number): Promise<void> } {
  const worker = startWorker({ ...workerOptions(ctx), queue: 'xmpp', concurrency: 64, slow: { afterMs: 1_000, more: 192 }, gate: connector.gate, handlers: xmppHandlers(ctx, xmpp) });
  let lease: Lease | null = null;
  let stopping = false;

  /** @param until leases that end before are of another process, which is at work no more */
  const freeClaims = async (until: number): Promise<void> => {
    if (stopping || !lease?.mayAct()) return;
    await sweep(ctx.store, ctx.now(), { queue: 'xmpp', until }).catch((err) => ctx.log.warn({ err }, 'what the last connector left could not be taken over: it waits for its lease to end'));
  };

  /** @param first another process may have been at work: what it had claimed is free now, and not only when its leases end */
  async function takeOver(first: boolean): Promise<void> {
    if (first) {
      const until = ctx.now() + LEASE_MS - 1; // ours end later
      await freeClaims(until);
      setTimeout(() => void freeClaims(until), LOOK_AGAIN_MS).unref();
    }
    if (!stopping && lease?.mayAct()) connector.start(lease.mayAct);
  }

  return {
    /** Resolves when the XMPP server has let us in, or another process has the connection, or time is up. */
    async connect(withinMs) {
      if (ctx.store.dialect === 'sqlite') connector.start();
      else {
        lease = holdLease(ctx.config.databaseUrl, {
          name: CONNECTOR_LEASE,
          log: ctx.log,
          onHeld: (first) => void takeOver(first),
          onLost: () => connector.abandon(),
        });
        await lease.known;
        if (lease.state() === 'waiting') return;
      }
      if (!(await connector.online(withinMs))) ctx.log.warn({ ...connector.status() }, 'the XMPP server is not there yet: posts wait in the queue until it is');
    },
    ready() {
      if (lease?.state() === 'waiting') return { component: { ok: true, text: `stands by: ${lease.holder()} has, or just had, the connection` } };
      if (lease?.state() === 'asking') return { component: { ok: false, text: 'cannot ask the database who has the connection' } };
      const { state, reason, remedy } = connector.status();
      return { component: { ok: state === 'online', text: state === 'online' ? 'connected' : [reason, remedy].filter(Boolean).join(' ') } };
    },
    drain: () => worker.stop(),
    idle: () => worker.idle(),
    async stop() {
      stopping = true;
      await connector.stop();
      await lease?.release();
    },
  };
}
