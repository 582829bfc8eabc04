// What most protocol tests begin with: an installation on a server, accounts, and clients that are logged out afterwards.
//
//   describe.each(SERVERS)('on %s', (name) => {
//     const scene = openScene(name);
//     test('…', async () => { const { account: alice, owner } = await scene.author(); const romeo = await scene.reader(); … });
import type { Account } from '../../src/domain/account.js';
import { type Installation, startInstallation } from './installation.js';
import { type ServerName, server, type TestServer } from './servers/index.js';
import { connect, type TestClient } from './xmpp-client.js';

export interface Scene {
  readonly app: Installation;
  readonly here: TestServer;
  /** An account and its own chat client, an owner by mapping. */
  author(features?: string[]): Promise<{ account: Account & { jid: string }; owner: TestClient }>;
  /** A client of some account of the chat server; of the other server when `where` says so. */
  reader(features?: string[], where?: TestServer): Promise<TestClient>;
  /** After this, all that was caused before has arrived at the client. */
  quiet(client: TestClient, jid: string): Promise<void>;
}

/** Starts one for the suite around it. */
export function openScene(name: ServerName): Scene {
  const clients: TestClient[] = [];
  const login = async (options: Parameters<typeof connect>[0]) => {
    const client = await connect(options);
    clients.push(client);
    return client;
  };
  const scene = {
    author: async (features = []) => {
      const chat = await scene.here.newAccount('alice');
      return { account: await scene.app.account(chat.username), owner: await login({ ...chat, features }) };
    },
    reader: async (features = [], where = scene.here) => login({ ...(await where.newAccount('romeo')), features }),
    quiet: async (client, jid) => {
      await scene.app.idle();
      await client.barrier(jid);
    },
  } as Scene & { app: Installation; here: TestServer };
  beforeAll(async () => {
    scene.here = await server(name);
    scene.app = await startInstallation({ server: scene.here });
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.disconnect()));
  });
  afterAll(() => scene.app.stop());
  return scene;
}
