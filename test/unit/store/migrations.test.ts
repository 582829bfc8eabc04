import { migrations } from '../../../migrations/index.js';
import { describeStores } from '../../support/store.js';

const names = migrations.map((migration) => migration.name);

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

