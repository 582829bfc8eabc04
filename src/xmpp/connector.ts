// The one connection of a component domain: transport, dispatcher and what follows a reconnect, put together (house.md §3 "Connector").
import type { Context } from '../services/context.js';
import { Dispatcher, type Handlers } from './dispatch.js';
import { type Timing, Transport, type TransportStatus } from './transport.js';

export type ConnectorStatus = TransportStatus;
type StanzaKind = 'message' | 'presence' | 'iq';

/** What the rest of the program sees of the connection. */
export interface Connector {
  /** Connects, and again after every loss. @param mayWrite asked before each write: false ends the stream at once */
  start(mayWrite?: () => boolean): void;
  /** Ends the stream without another byte, because another process may have one now. `start` begins anew. */
  abandon(): void;
  /** Sends what is queued, says good-bye, stays away. */
  stop(): Promise<void>;
  /** Resolves with true once connected, with false when that takes longer. */
  online(withinMs: number): Promise<boolean>;
  status(): ConnectorStatus;
  /** Shut while there is no connection: XMPP jobs wait. */
  gate: { isOpen(): boolean; onOpen(listener: () => void): () => void };
  /** Since the start; for metrics. */
  counts(): { dropped: number; shed: number; failed: number; strayReplies: number; received: Record<StanzaKind, number>; sent: Record<StanzaKind, number> };
}

export interface ConnectorOptions {
  timing?: Partial<Timing>;
}

/**
 * Builds the connection; `handlers` come afterwards, because they need the transport.
 * @throws TypeError when the configuration names no component
 */
export function createConnector(
  ctx: Context,
  { timing }: ConnectorOptions,
): { connector: Connector; transport: Transport; attach(handlers: Handlers, on: { online(): void; offline(): void }): Dispatcher } {
  const { component, domain } = ctx.config;
  if (!component) throw new TypeError('the configuration names no component');
  const openers = new Set<() => void>();
  let dispatcher: Dispatcher | undefined;
  let hooks = { online: () => {}, offline: () => {} };
  const transport = new Transport({
    ...component,
    domain,
    log: ctx.log,
    ...(timing ? { timing } : {}),
    onStanza: (stanza) => dispatcher?.take(stanza),
    onOnline: () => {
      hooks.online();
      for (const open of [...openers]) open();
    },
    onOffline: () => hooks.offline(),
  });
  const gate: Connector['gate'] = {
    isOpen: () => transport.online,
    onOpen: (listener) => {
      openers.add(listener);
      return () => openers.delete(listener);
    },
  };
  const connector: Connector = {
    start: (mayWrite) => transport.start(mayWrite),
    abandon: () => transport.abandon(),
    stop: () => transport.stop(),
    status: () => transport.status(),
    gate,
    counts: () => ({ ...(dispatcher?.counts ?? { dropped: 0, shed: 0, failed: 0 }), strayReplies: transport.strayReplies, received: transport.received, sent: transport.sent }),
    online: (withinMs) => {
      if (transport.online) return Promise.resolve(true);
      return new Promise((resolve) => {
        const done = (answer: boolean) => {
          clearTimeout(overdue);
          off();
          resolve(answer);
        };
        const overdue = setTimeout(() => done(false), withinMs);
        const off = gate.onOpen(() => done(true));
      });
    },
  };
  return {
    connector,
    transport,
    attach: (handlers, on) => {
      hooks = on;
      dispatcher = new Dispatcher(domain, handlers, (stanza) => transport.send(stanza), ctx.log);
      return dispatcher;
    },
  };
}
