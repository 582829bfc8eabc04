// Stores for tests: a suite in describeStores runs on SQLite and on PostgreSQL.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { openStore, type Store } from '../../src/store/database.js';
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
 * Runs the suite on each database. Stores that it makes are closed after each test, and in beforeAll after the suite.
 * @param only narrows it to some kinds, e.g. `/file|Postgre/` where the store is opened twice
 */
export function describeStores(suite: (makeStore: MakeStore) => void, only = /file|PostgreSQL/): void {
  for (const [name, url] of Object.entries(URLS).filter(([name]) => only.test(name))) {
    describe(`on ${name}`, () => {
      let stores: Store[] = [];
      let ofSuite: Store[] | null = null;
      const open = async (url: string) => {
        const store = await openStore(url, silentLog, { poolSize: 8 });
        (ofSuite ? stores : (kept ??= [])).push(store);
        return store;
      };
      let kept: Store[] | undefined;
      beforeEach(() => {
        ofSuite = kept ?? [];
      });
      afterEach(async () => {
        await Promise.all(stores.splice(0).map((store) => store.close()));
      });
      afterAll(async () => {
        await Promise.all((kept ?? []).map((store) => store.close()));
        await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
      });
      const makeStore = async () => {
        const store = await open(await url());
        await store.migrate();
        return store;
      };
      suite(Object.assign(makeStore, { url, open, dialect: name === 'PostgreSQL' ? ('postgres' as const) : ('sqlite' as const) }));
    });
  }
}
