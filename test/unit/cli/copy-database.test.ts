// `dx copy-database`: every table, there and back, and nothing half done.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { main } from '../../../src/cli/program.js';
import { createAccount } from '../../../src/services/accounts.js';
import { publishPost } from '../../../src/services/publish.js';
import { openStore } from '../../../src/store/open.js';
import { testContext } from '../../support/context.js';
import { FILLED_ROWS, fillTables } from '../../support/fill.js';
import { createDatabase } from '../../support/servers/postgres.js';
import { silentLog } from '../../support/store.js';

let folder: string;
let file: string;
let url: string;
const clients: pg.Client[] = [];

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'dx-copy-'));
  file = path.join(folder, 'from.sqlite');
  url = await createDatabase();
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end();
  rmSync(folder, { recursive: true, force: true });
});

async function dx(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const result = { code: -1, out: '', err: '' };
  result.code = await main(args, {
    out: (text) => void (result.out += text),
    err: (text) => void (result.err += text),
    // A configuration that is wrong from end to end: the command must not ask for it.
    env: { DX_DATABASE_URL: 'nonsense', DX_NO_SUCH_KEY: '1' },
    directory: folder,
    readStdin: async () => '',
    stopped: async () => {},
  });
  return result;
}
const copy = (from: string, to: string) => dx('copy-database', from, to);

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  clients.push(client);
  return client;
}
const tablesOf = async (): Promise<string[]> =>
  (await (await connected()).query<{ name: string }>("select table_name as name from information_schema.tables where table_schema = 'public'")).rows.map(({ name }) => name);

async function fill(): Promise<string[]> {
  const store = await openStore(`sqlite:${file}`, silentLog);
  await store.migrate();
  return fillTables(store).finally(() => store.close());
}

const contentOf = (database: string, table: string): string[] => {
  const db = new Database(database, { readonly: true });
  try {
    return db.prepare(`select * from "${table}"`).all().map((row) => JSON.stringify(row)).sort();
  } finally {
    db.close();
  }
};

test('every table goes to PostgreSQL and back, each row as it was, and ids go on where they were', async () => {
  const names = await fill();
  const filled = names.filter((name) => contentOf(file, name).length > 0);
  expect(filled).toEqual(names);
  const there = await copy(file, url);
  expect([there.code, there.out]).toEqual([0, '']);
  expect(there.err).toMatch(/posts: \d+\n/);
  expect(there.err).toContain(`copied and compared: ${names.length} tables`);

  const client = await connected();
  const next = await client.query<{ id: number }>("insert into actors (is_local, username, domain, display_name, summary) values (false, 'x', 'y', '', '') returning id");
  expect(next.rows[0]!.id).toBe(FILLED_ROWS + 1);
  await client.query("delete from actors where username = 'x'");
  expect((await client.query("select 1 from information_schema.table_constraints where constraint_type = 'FOREIGN KEY'")).rows.length).toBeGreaterThan(10);
  await client.end();
  clients.length = 0;

  const back = path.join(folder, 'back.sqlite');
  expect(await copy(url, 'back.sqlite')).toMatchObject({ code: 0, err: expect.stringContaining('copied and compared') });
  for (const name of names) expect({ name, rows: contentOf(back, name) }).toEqual({ name, rows: contentOf(file, name) });
  const db = new Database(back);
  expect(db.pragma('foreign_key_check')).toEqual([]);
  expect(db.prepare("select seq from sqlite_sequence where name = 'actors'").get()).toEqual({ seq: FILLED_ROWS + 1 });
  db.close();
  expect(readdirSync(folder).filter((name) => name.includes('part'))).toEqual([]);
});

test('more rows than one piece holds', async () => {
  const store = await openStore(`sqlite:${file}`, silentLog);
  await store.migrate();
  await store.close();
  const db = new Database(file);
  db.exec("with recursive n(i) as (select 1 union all select i + 1 from n where i < 1234) insert into actors (id, is_local, username, domain, display_name, summary) select i, 0, 'name ' || i, 'domain', '', '' from n");
  db.close();
  expect(await copy(`sqlite:${file}`, url)).toMatchObject({ code: 0 });
  const { rows } = await (await connected()).query('select count(*)::int as n, max(id) as last, count(distinct username)::int as names from actors');
  expect(rows).toEqual([{ n: 1234, last: 1234, names: 1234 }]);
});

test('the installation goes on with the copy', async () => {
  const sqlite = await openStore(`sqlite:${file}`, silentLog);
  await sqlite.migrate();
  const before = await testContext({}, sqlite);
  const { account } = await createAccount(before, { username: 'alice', email: 'alice@mail.test', password: 'correct horse battery' });
  await publishPost(before, account, { text: 'before' });
  await before.close();
  await sqlite.close();
  expect(await copy(file, url)).toMatchObject({ code: 0 });
  const store = await openStore(url, silentLog);
  expect([await store.pendingMigrations(), await store.isNewer()]).toEqual([[], false]);
  const after = await testContext({}, store);
  await publishPost(after, account, { text: 'after' });
  expect((await store.query<{ markdown: string }>('select markdown from posts order by guid')).map(({ markdown }) => markdown)).toEqual(['before', 'after']);
  await after.close();
  await store.close();
});

describe('refused, with a sentence that says what to do, and the target as it was', () => {
  const migrated = async () => {
    const store = await openStore(`sqlite:${file}`, silentLog);
    await store.migrate();
    await store.close();
  };
  const refused = async (from: string, to: string, words: string) => {
    const { code, err } = await copy(from, to);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(words) });
  };

  test('a target that is not empty', async () => {
    await migrated();
    await (await connected()).query('create table of_someone_else (a int)');
    await refused(file, url, 'is not empty: it has 1 tables');
    expect(await tablesOf()).toEqual(['of_someone_else']);
    const other = path.join(folder, 'other.sqlite');
    new Database(other).close();
    expect(existsSync(other)).toBe(true);
  });

  test('a file that is there already', async () => {
    const store = await openStore(url, silentLog);
    await store.migrate();
    await store.close();
    await migrated();
    await refused(url, file, 'exists: a copy goes into a new file only');
  });

  test('an installation that runs, on either side', async () => {
    const running = await openStore(`sqlite:${file}`, silentLog);
    await running.migrate();
    await refused(file, url, 'is in use: stop dx serve');
    expect(await tablesOf()).toEqual([]);
    await running.close();
    const other = await openStore(url, silentLog);
    await other.migrate();
    await refused(url, 'new.sqlite', 'is in use: stop dx serve');
    expect(existsSync(path.join(folder, 'new.sqlite'))).toBe(false);
    await other.close();
  });

  test('a source that is not there, holds nothing, or is of another version', async () => {
    await refused('none.sqlite', url, 'There is no file');
    new Database(file).close();
    await refused(file, url, 'holds no installation');
    await migrated();
    const db = new Database(file);
    db.exec("delete from migrations where id = (select max(id) from migrations)");
    await refused(file, url, 'is in use'); // by this test
    db.close();
    await refused(file, url, 'is of an older version: run dx migrate');
    const again = new Database(file);
    again.exec("insert into migrations (timestamp, name) values (9999999999999, 'Future9999999999999')");
    again.close();
    await refused(file, url, 'newer version');
    expect(await tablesOf()).toEqual([]);
  });

  test('two databases of one kind', async () => {
    await refused(file, 'other.sqlite', 'dx backup and dx restore');
    await refused(url, url, 'dx backup and dx restore');
  });

  test('a server that is not there', async () => {
    await migrated();
    await refused(file, 'postgres://dx@127.0.0.1:1/none', 'cannot be opened');
  });

  test('rows that refer to nothing', async () => {
    await migrated();
    const db = new Database(file);
    db.pragma('foreign_keys = OFF');
    db.exec("insert into addresses (protocol, value, actor_id) values ('xmpp', 'a@b', 99)");
    db.close();
    await refused(file, url, 'foreign key');
    expect(await tablesOf()).toEqual([]);
  });

  test('what is no database at all is wrong usage', async () => {
    for (const args of [['mysql://x', url], [file, 'postgres://'], ['sqlite::memory:', url], [file]]) expect((await dx('copy-database', ...args)).code).toBe(2);
  });
});

test('cut off in the middle, nothing is there, and the next try works', async () => {
  await fill();
  const admin = await connected();
  // The copy waits at this lock, after the schema was made and before its end.
  await admin.query("select pg_advisory_lock(1)");
  await admin.query(`create function wait_here() returns event_trigger language plpgsql as $$ begin if tg_tag = 'ALTER TABLE' then perform pg_advisory_xact_lock(1); end if; end $$`);
  await admin.query('create event trigger wait_here on ddl_command_end execute function wait_here()');
  const copying = copy(file, url);
  for (;;) {
    const { rows } = await admin.query("select pid from pg_stat_activity where application_name = 'diaspora-x copy' and wait_event_type = 'Lock' and datname = current_database()");
    if (rows.length === 0) continue;
    await admin.query('select pg_terminate_backend($1)', [(rows[0] as { pid: number }).pid]);
    break;
  }
  expect((await copying).code).toBe(1);
  expect(await tablesOf()).toEqual([]);
  await admin.query('drop event trigger wait_here');
  await admin.query('drop function wait_here');
  expect(await copy(file, url)).toMatchObject({ code: 0 });
});
