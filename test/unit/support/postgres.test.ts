import pg from 'pg';
import { createDatabase } from '../../support/servers/postgres.js';

test('each caller gets an empty database of its own', async () => {
  const [one, two] = await Promise.all([createDatabase(), createDatabase()]);
  expect(one).not.toBe(two);
  const client = new pg.Client({ connectionString: one });
  await client.connect();
  const { rows } = await client.query("SELECT count(*)::int AS tables FROM pg_tables WHERE schemaname = 'public'");
  await client.end();
  expect(rows).toEqual([{ tables: 0 }]);
});
