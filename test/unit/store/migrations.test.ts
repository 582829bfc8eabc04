import { migrations } from '../../../migrations/index.js';
import type { Store } from '../../../src/store/database.js';
import { fillTables, tableNames } from '../../support/fill.js';
import { describeStores } from '../../support/store.js';

const names = migrations.map((migration) => migration.name);

/** Brings an empty database to the schema that it had after this migration. */
async function migrateTo(store: Store, name: string): Promise<void> {
  const { migrations: all } = store.dataSource;
  Object.assign(store.dataSource, { migrations: all.slice(0, names.indexOf(name) + 1) });
  await store.migrate();
  Object.assign(store.dataSource, { migrations: all });
}

/** Of each table its columns. */
async function columnsOf(store: Store): Promise<Map<string, string[]>> {
  const runner = store.dataSource.createQueryRunner();
  try {
    return new Map((await runner.getTables(await tableNames(store))).map((table) => [table.name, table.columns.map(({ name }) => name)]));
  } finally {
    await runner.release();
  }
}

const rowsOf = async (store: Store, table: string, columns: readonly string[]): Promise<string[]> =>
  (await store.query(`select ${columns.map((name) => `"${name}"`).join(', ')} from "${table}"`)).map((row) => JSON.stringify(row)).sort();

describeStores((makeStore) => {
  const differences = async (store: Awaited<ReturnType<typeof makeStore>>) =>
    (await store.dataSource.driver.createSchemaBuilder().log()).upQueries.map((step) => step.query);

  test('migrations run forward, back and forward again', async () => {
    const store = await makeStore.open(await makeStore.url());
    expect(await store.pendingMigrations()).toEqual(names);
    expect(await store.migrate()).toEqual(names);
    expect(await store.migrate()).toEqual([]);
    expect(await store.query('select count(*) as n from posts')).toEqual([{ n: 0 }]);
    for (const name of names.toReversed()) expect(await store.revert()).toBe(name);
    expect(await store.revert()).toBeNull();
    await expect(store.query('select * from actors')).rejects.toMatchObject({ message: expect.stringContaining('actors') });
    expect(await store.migrate()).toEqual(names);
    expect(await store.pendingMigrations()).toEqual([]);
  });

  let latest: Promise<Map<string, string[]>> | undefined;
  test.each(names.slice(0, -1))('a database as it was after %s, with rows in every table, is brought up to date, and no row is lost or changed', async (name) => {
    const store = await makeStore.open(await makeStore.url());
    await migrateTo(store, name);
    await fillTables(store);
    const before = await columnsOf(store);
    const everything = async (columns: Map<string, string[]>) => new Map(await Promise.all([...columns].map(async ([table, names]) => [table, await rowsOf(store, table, names)] as const)));
    const empty = [...(await everything(before))].filter(([, rows]) => rows.length === 0);
    expect(empty).toEqual([]);

    const pending = names.slice(names.indexOf(name) + 1);
    expect(await store.pendingMigrations()).toEqual(pending);
    // What the latest schema does not have any more cannot be compared.
    const after = await (latest ??= makeStore().then(columnsOf));
    const stays = new Map([...before].filter(([table]) => after.has(table)).map(([table, columns]) => [table, columns.filter((column) => after.get(table)!.includes(column))]));
    const rows = await everything(stays);
    expect(await store.migrate()).toEqual(pending);
    expect(await everything(stays)).toEqual(rows);
    if (makeStore.dialect === 'sqlite') expect(await store.query('pragma foreign_key_check')).toEqual([]);
  });

  test('deliveries that were given up before there was a ledger are given up in it', async () => {
    const store = await makeStore.open(await makeStore.url());
    await migrateTo(store, 'Remote1763712000060');
    await fillTables(store);
    await store.transaction((tx) => tx.query("update deliveries set state = 'failed'"));
    await store.migrate();
    const lines = await store.query<{ state: string; at: number; since: number }>('select state, at, since from deliveries');
    expect(lines.length).toBeGreaterThan(0);
    for (const { state, at, since } of lines) expect({ state, since }).toEqual({ state: 'given-up', since: at });
  });

  test('posts of before there were pages of tags are found by their tags', async () => {
    const store = await makeStore.open(await makeStore.url());
    await migrateTo(store, 'ChatChanges1763712000004');
    await fillTables(store);
    await store.migrate();
    const posts = await store.query<{ guid: string; tags: string }>('select guid, tags from posts order by guid');
    expect(posts.length).toBeGreaterThan(1);
    expect(await store.query('select post_guid as guid, tag from post_tags order by post_guid')).toEqual(posts.map(({ guid, tags }) => ({ guid, tag: JSON.parse(tags)[0] })));
  });

  test('after the migrations the schema builder has nothing left to change', async () => {
    const store = await makeStore();
    expect(await differences(store)).toEqual([]);
    await store.dataSource.query('drop index posts_by_author');
    expect(await differences(store)).not.toEqual([]);
  });

  test('two processes that migrate at once do it once', async () => {
    const url = await makeStore.url();
    if (url === 'sqlite::memory:') return; // nobody else can open it
    const [one, two] = await Promise.all([makeStore.open(url), makeStore.open(url)]);
    const done = await Promise.all([one.migrate(), two.migrate()]);
    expect(done.flat()).toEqual(names);
  });

  test('a database that was migrated by a newer program is recognised', async () => {
    const store = await makeStore();
    expect(await store.isNewer()).toBe(false);
    await store.transaction((tx) => tx.query("insert into migrations (timestamp, name) values (9999999999999, 'Future9999999999999')"));
    expect(await store.isNewer()).toBe(true);
  });
}, /./);

