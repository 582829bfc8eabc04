// A TCP proxy that can spoil a connection: the network between us and the XMPP server, without iptables.
import net from 'node:net';
import type { AddressInfo } from 'node:net';

/** Who connected to us, or to whom we connected for it. */
export type Side = 'near' | 'far';

export interface TcpProxy {
  host: '127.0.0.1';
  port: number;
  /** Connections made so far. */
  connections: number;
  /** Bytes taken from whoever connects, and not handed on. */
  swallowed: number;
  /** As a wire (the beginning). */
  pass(): void;
  /** Takes what comes from the side that connected, and drops it: its kernel believes that all is well. */
  swallow(): void;
  /** Reads nothing any more from either side, and says nothing: a half-open connection, a peer that hangs. */
  stall(): void;
  /** Reads this slowly from the side that connected, or from the other one. */
  trickle(bytesPerSecond: number, from?: Side): void;
  /** Hands everything on so much later, in both directions. */
  delay(ms: number): void;
  /** Ends all connections with RST. */
  reset(): void;
  close(): Promise<void>;
}

const TICK_MS = 100;

type Mode = 'pass' | 'swallow' | 'stall' | 'trickle' | 'delay';

/** Listens on a free port and connects on to the target; the mode holds for all connections, now and later. */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  let mode: Mode = 'pass';
  let slow: { side: Side; bytesPerTick: number } = { side: 'near', bytesPerTick: 0 };
  let delayMs = 0;
  /** `due`: how many bytes may be read now, in trickle; at 1 byte/s a tick brings a tenth of one. */
  const pairs = new Set<Record<Side, net.Socket> & { due: number }>();
  const apply = (pair: Record<Side, net.Socket>) => {
    for (const side of ['near', 'far'] as const) pair[side][mode === 'stall' || (mode === 'trickle' && side === slow.side) ? 'pause' : 'resume']();
  };
  const turn = (next: Mode) => {
    mode = next;
    for (const pair of pairs) pair.due = 0;
    for (const pair of pairs) apply(pair);
  };
  // Timers of one length fire in their order. A shorter one, after the mode has changed, must not overtake what is still underway.
  const underway = new Map<net.Socket, number>();
  const hand = (chunk: Buffer, to: net.Socket) => {
    if (mode !== 'delay' && !underway.get(to)) return void to.write(chunk);
    underway.set(to, (underway.get(to) ?? 0) + 1);
    setTimeout(() => {
      underway.set(to, underway.get(to)! - 1);
      to.write(chunk);
    }, delayMs);
  };
  const dripping = setInterval(() => {
    if (mode !== 'trickle') return;
    const { side, bytesPerTick } = slow;
    for (const pair of pairs) {
      pair.due = Math.min(pair.due, Math.max(1, bytesPerTick)) + bytesPerTick; // what was not used is not saved up
      const count = Math.min(Math.floor(pair.due), pair[side].readableLength);
      pair.due -= count;
      // A paused socket's own buffer fills and then the kernel's: what is read here is all that makes room. It comes as 'data', too, and is handed on there.
      pair[side].read(count);
    }
  }, TICK_MS);

  const listener = net.createServer((near) => {
    const far = net.connect(target.port, target.host);
    const pair = { near, far, due: 0 };
    pairs.add(pair);
    proxy.connections += 1;
    const over = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    near.on('data', (chunk: Buffer) => {
      if (mode === 'swallow') proxy.swallowed += chunk.length;
      else hand(chunk, far);
    });
    far.on('data', (chunk: Buffer) => hand(chunk, near));
    for (const socket of [near, far]) socket.on('close', over).on('error', over);
    apply(pair);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));

  const proxy: TcpProxy = {
    host: '127.0.0.1',
    port: (listener.address() as AddressInfo).port,
    connections: 0,
    swallowed: 0,
    pass: () => turn('pass'),
    swallow: () => turn('swallow'),
    stall: () => turn('stall'),
    trickle: (bytesPerSecond, from = 'near') => {
      slow = { side: from, bytesPerTick: (bytesPerSecond * TICK_MS) / 1000 };
      turn('trickle');
    },
    delay: (ms) => {
      delayMs = ms;
      turn('delay');
    },
    reset: () => {
      for (const { near, far } of [...pairs]) {
        near.resetAndDestroy();
        far.destroy();
      }
    },
    close: async () => {
      clearInterval(dripping);
      proxy.reset();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return proxy;
}
