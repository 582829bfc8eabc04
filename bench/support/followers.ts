// Someone of ours who follows many people elsewhere: an installation whose account has them as contacts, caught up with each.
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { loadConfig } from '../../src/config.js';
import { openContext } from '../../src/cli/context.js';
import { createLog } from '../../src/log.js';
import { addContact } from '../../src/services/relationships.js';
import { findAccountByUsername } from '../../src/store/accounts.js';
import { openStore } from '../../src/store/open.js';
import type { Store } from '../../src/store/database.js';
import { componentHost, startPostgres, type RunningServer } from '../../test/support/servers/index.js';
import { type Publishers, startPublishers } from '../../test/support/publishers.js';
import { type Service, startService } from './service.js';

export const COMPONENTS = { chatDomains: ['chat.test'], componentDomains: ['social.test', 'pub.test', 'sink.test'], componentSecret: 'secret' };
export const LOOK_EVERY_MS = 100;

export interface Scene {
  service: Service;
  publishers: Publishers;
  /** Bare JIDs of those whom alice follows. */
  feeds: string[];
  alice: Awaited<ReturnType<Service['author']>>;
  /** The service's database, to look at. */
  store: Store;
  countPosts(): Promise<number>;
  component(index: 0 | 1 | 2): { host: string; port: number; secret: string; domain: string };
  end(): Promise<void>;
}

/**
 * @param more keys of the service's environment
 * @param proxy stands between the service and the server when it is given: what connects to `server`, and says where it listens itself
 */
export async function openScene(
  server: RunningServer,
  database: string,
  feedCount: number,
  more: Record<string, string> = {},
  proxy: (to: { host: string; port: number }) => Promise<{ host: string; port: number }> = async (to) => to,
): Promise<Scene> {
  const component: Scene['component'] = (index) => ({ host: componentHost(server.name, index), port: server.componentPort, secret: 'secret', domain: COMPONENTS.componentDomains[index]! });
  const postgres = database === 'postgres' ? await startPostgres() : null;
  const publishers = await startPublishers(component(1));
  // Five hundred who have accepted at once are more than is told one by one, which is a warning each.
  const { host, port } = await proxy(component(0));
  const service = await startService({ ...component(0), host, port }, '', { DX_LOG_LEVEL: 'error', ...(postgres ? { DX_DATABASE_URL: postgres.url } : {}), ...more });
  const alice = await service.author('alice');
  const feeds = Array.from({ length: feedCount }, (_, index) => `p${index}@pub.test`);
  await service.stop();
  const url = await addContacts(service.env, 'alice', feeds);
  await service.start();
  const store = await openStore(url, createLog('silent'));
  await until(async () => (await count(store, 'select count(*) as n from followed_feeds where caught_up_at is not null')) === feedCount, 160_000);
  return {
    service,
    publishers,
    feeds,
    alice,
    store,
    countPosts: () => count(store, 'select count(*) as n from post_origins'),
    component,
    end: async () => {
      await store.close();
      await publishers.stop();
      await service.destroy();
      await postgres?.destroy();
    },
  };
}

/** Into the database of a service that is stopped. @returns its URL */
async function addContacts(env: NodeJS.ProcessEnv, username: string, jids: readonly string[]): Promise<string> {
  const own = Object.fromEntries(Object.entries(env).filter(([key, value]) => key.startsWith('DX_') && value !== undefined)) as Record<string, string>;
  const config = loadConfig(own, own.DX_STATE_DIR!);
  const { ctx, close } = await openContext(config, { log: createLog('silent') });
  const account = (await findAccountByUsername(ctx.store, username))!;
  for (const jid of jids) await addContact(ctx, account, jid);
  await close();
  return config.databaseUrl;
}

const count = async (store: Store, sql: string): Promise<number> => Number((await store.query<{ n: number }>(sql))[0]!.n);

export async function until(holds: () => Promise<boolean> | boolean, timeoutMs = 120_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; !(await holds()); ) {
    if (Date.now() > end) throw new Error('it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** An open page: calls `heard` with the guids of new posts, as the browser hears of them. @returns what closes it */
export async function openPage({ url, env }: Service, cookie: string, heard: (guid: string) => void): Promise<() => void> {
  const request = get(`${url}/events`, { headers: { cookie, host: new URL(env.DX_PUBLIC_URL!).host } });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  let rest = '';
  answer.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) for (const [, guid] of line.startsWith('data: ') ? line.matchAll(/"guid":"([0-9a-f]{32})"/g) : []) heard(guid!);
  });
  return () => request.destroy();
}
