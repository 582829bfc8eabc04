// Lives in jest's main process and starts each shared server when the first test of any worker asks for it.
// Workers reach it at process.env.DX_TEST_BROKER; everything is thrown away by stop().
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SharedServer } from './broker-client.js';
import { freePort, removeFolder } from './daemon.js';
import { startEjabberd } from './ejabberd.js';
import type { SharedDescription } from './index.js';
import {
  AUTH_SECRET,
  authChatDomains,
  chatDomain,
  COMPONENT_SECRET,
  type Network,
  planNetwork,
  type RunningServer,
  type ServerName,
  socialDomains,
} from './plan.js';
import { startPostgres } from './postgres.js';
import { startProsody } from './prosody.js';

interface Started {
  /** What workers get to know, as JSON. */
  description: unknown;
  destroy(): Promise<void>;
}

const domainsOf = (name: ServerName): string[] => [chatDomain(name), ...authChatDomains(name), ...socialDomains(name)];

/** One Prosody and one ejabberd know each other from the start, whichever is started first. */
let network: Promise<Network> | undefined;
const sharedNetwork = (): Promise<Network> =>
  (network ??= planNetwork({ prosody: domainsOf('prosody'), ejabberd: domainsOf('ejabberd') }));

function describe(server: RunningServer, authListen: string[]): Started {
  const { folder, c2sPort, componentPort, apiUrl } = server;
  const description: SharedDescription = { folder, c2sPort, componentPort, authListen, ...(apiUrl ? { apiUrl } : {}) };
  return { description, destroy: () => server.destroy() };
}

const STARTERS: Record<SharedServer, () => Promise<Started>> = {
  async postgres() {
    const server = await startPostgres();
    return { description: { url: server.url }, destroy: () => server.destroy() };
  },
  async prosody() {
    const authChats = await Promise.all(
      authChatDomains('prosody').map(async (domain) => ({
        domain,
        listen: `127.0.0.1:${await freePort()}`,
        secret: AUTH_SECRET,
      })),
    );
    const server = await startProsody({
      chatDomains: [chatDomain('prosody')],
      componentDomains: socialDomains('prosody'),
      componentSecret: COMPONENT_SECRET,
      authChats,
      network: await sharedNetwork(),
    });
    return describe(
      server,
      authChats.map((chat) => chat.listen),
    );
  },
  async ejabberd() {
    const server = await startEjabberd({
      chatDomains: [chatDomain('ejabberd')],
      componentDomains: socialDomains('ejabberd'),
      componentSecret: COMPONENT_SECRET,
      network: await sharedNetwork(),
    });
    return describe(server, []);
  },
};

/** Starts the broker; it runs until stop(). */
export async function startBroker(): Promise<{ url: string; stop(): Promise<void> }> {
  const started = new Map<SharedServer, Promise<Started>>();
  const listener = http.createServer(async (request, response) => {
    const what = (request.url ?? '').slice(1) as SharedServer;
    if (!(what in STARTERS)) return void response.writeHead(404).end(`There is no shared test server ${what}.`);
    try {
      if (!started.has(what)) started.set(what, STARTERS[what]());
      const server = (await started.get(what)) as Started;
      response.setHeader('content-type', 'application/json').end(JSON.stringify(server.description));
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.message : String(error));
    }
  });
  listener.keepAliveTimeout = 0; // else a worker asks on a connection that is just being closed
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));

  const stop = async () => {
    listener.closeAllConnections();
    listener.close();
    // One that failed to start has told its test.
    const running = await Promise.allSettled(started.values());
    await Promise.all(running.map((server) => (server.status === 'fulfilled' ? server.value.destroy() : undefined)));
    if (network) await removeFolder((await network).folder);
  };
  return { url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`, stop };
}
