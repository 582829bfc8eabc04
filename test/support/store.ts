// Stores for tests: a suite in describeStores runs on SQLite and on PostgreSQL.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import type { Store } from '../../src/store/database.js';
import { openStore } from '../../src/store/open.js';
import { createDatabase } from './servers/postgres.js';

export const silentLog = pino({ level: 'silent' });

/** A fresh database of its own for each call. */
const URLS: Record<string, () => Promise<string>> = {
  'SQLite (file)': async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'dx-test-store-'));
    folders.push(folder);
    return `sqlite:${path.join(folder, 'test.sqlite')}`;
  },
  'SQLite (memory)': async () => 'sqlite::memory:',
  PostgreSQL: createDatabase,
};
const folders: string[] = [];

export interface MakeStore {
  /** A store on a new database, migrated. */
  (): Promise<Store>;
  /** The URL of a new, empty database. */
  url(): Promise<string>;
  /** A store on the database of that URL, as it is: another process' view of it. */
  open(url: string): Promise<Store>;
  dialect: 'sqlite' | 'postgres';
}

/**
 * Runs the suite on each database. Stores that it makes are closed when it is over.
 * @param only the kinds to run on, by name
 */
export function describeStores(suite: (makeStore: MakeStore) => void, only = /file|PostgreSQL/): void {
  for (const [name, url] of Object.entries(URLS).filter(([name]) => only.test(name))) {
    describe(`on ${name}`, () => {
      const stores: Store[] = [];
      const open = async (url: string) => {
        const store = await openStore(url, silentLog, { poolSize: 8 });
        stores.push(store);
        return store;
      };
      const makeStore = async () => {
        const store = await open(await url());
        await store.migrate();
        return store;
      };
      afterAll(async () => {
        await Promise.all(stores.map((store) => store.close()));
        await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
      });
      suite(Object.assign(makeStore, { url, open, dialect: name === 'PostgreSQL' ? ('postgres' as const) : ('sqlite' as const) }));
    });
  }
}
