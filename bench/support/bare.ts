// The database alone: the baseline of all that ends in a commit.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';

const COUNT = 1_000;
const MAKE = 'create table bare_inserts (id integer primary key, text varchar)';

/**
 * The text into a table of two columns, one durable transaction each, one after another, with the plain driver.
 * @param url PostgreSQL's; for SQLite, anything else, a new file is made
 * @returns milliseconds of each
 */
export async function bareInserts(url: string, text: string): Promise<number[]> {
  const took: number[] = [];
  const measure = async (insert: (id: number) => unknown) => {
    for (let id = 0; id < COUNT; id++) {
      const from = performance.now();
      await insert(id);
      took.push(performance.now() - from);
    }
  };
  if (url.startsWith('postgres')) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(MAKE);
    await measure((id) => client.query({ name: 'bare', text: 'insert into bare_inserts (id, text) values ($1, $2)', values: [id, text] }));
    await client.query('drop table bare_inserts');
    await client.end();
    return took;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-bare-'));
  const database = new Database(path.join(folder, 'bare.sqlite'));
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec(MAKE);
  const statement = database.prepare('insert into bare_inserts (id, text) values (?, ?)');
  await measure((id) => statement.run(id, text));
  database.close();
  rmSync(folder, { recursive: true });
  return took;
}

/** How many of them a second. */
export const perSecond = (took: number[]): number => (took.length * 1_000) / took.reduce((sum, ms) => sum + ms, 0);
