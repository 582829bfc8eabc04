// Lives in jest's main process and starts each shared server when the first test of any worker asks for it.
// Workers reach it at process.env.DX_TEST_BROKER; everything is thrown away by stop().
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SharedServer } from './broker-client.js';
import { startPostgres } from './postgres.js';

interface Started {
  /** What workers get to know, as JSON. */
  description: unknown;
  destroy(): Promise<void>;
}

const STARTERS: Partial<Record<SharedServer, () => Promise<Started>>> = {
  async postgres() {
    const server = await startPostgres();
    return { description: { url: server.url }, destroy: () => server.destroy() };
  },
};

/** Starts the broker; it runs until stop(). */
export async function startBroker(): Promise<{ url: string; stop(): Promise<void> }> {
  const started = new Map<SharedServer, Promise<Started>>();
  const listener = http.createServer(async (request, response) => {
    const what = (request.url ?? '').slice(1) as SharedServer;
    if (!(what in STARTERS)) return void response.writeHead(404).end(`There is no shared test server ${what}.`);
    try {
      if (!started.has(what)) started.set(what, (STARTERS[what] as () => Promise<Started>)());
      const server = (await started.get(what)) as Started;
      response.setHeader('content-type', 'application/json').end(JSON.stringify(server.description));
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.message : String(error));
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));

  const stop = async () => {
    listener.closeAllConnections();
    listener.close();
    // One that failed to start has cleaned up by itself and has told its test.
    const running = await Promise.allSettled(started.values());
    await Promise.all(running.map((server) => (server.status === 'fulfilled' ? server.value.destroy() : undefined)));
  };
  return { url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`, stop };
}
