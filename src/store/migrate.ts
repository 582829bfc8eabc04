import { type DataSource, MigrationExecutor, type QueryRunner } from 'typeorm';
import { migrations } from '../../migrations/index.js';

const TABLE = 'migrations';

/** The names of the migrations that this database has seen, oldest first. */
async function executed(dataSource: DataSource): Promise<string[]> {
  const runner = dataSource.createQueryRunner();
  try {
    if (!(await runner.hasTable(TABLE))) return [];
    const rows: { name: string }[] = await runner.query(`select name from ${TABLE} order by id`);
    return rows.map((row) => row.name);
  } finally {
    await runner.release();
  }
}

const known = migrations.map((migration) => migration.name);

export const pendingMigrations = async (dataSource: DataSource): Promise<string[]> => {
  const seen = new Set(await executed(dataSource));
  return known.filter((name) => !seen.has(name));
};

/** Has a database that has seen these migrations been written by a newer version? */
export const areNewer = (seen: readonly string[]): boolean => seen.some((name) => !known.includes(name));

export const isNewer = async (dataSource: DataSource): Promise<boolean> => areNewer(await executed(dataSource));

/**
 * Runs what is pending. With `all` in one transaction, so that a process that dies in the middle leaves the schema as it was;
 * with `none` the caller holds one open.
 */
export const migrate = async (dataSource: DataSource, transaction: 'all' | 'none'): Promise<string[]> =>
  (await dataSource.runMigrations({ transaction })).map((migration) => migration.name);

/** Runs all of them on this connection, in the transaction that it is in. */
export async function migrateWith(dataSource: DataSource, runner: QueryRunner): Promise<void> {
  const executor = new MigrationExecutor(dataSource, runner);
  executor.transaction = 'none';
  await executor.executePendingMigrations();
}

export async function revert(dataSource: DataSource, transaction: 'all' | 'none'): Promise<string | null> {
  const last = (await executed(dataSource)).at(-1);
  if (last === undefined) return null;
  await dataSource.undoLastMigration({ transaction });
  return last;
}
