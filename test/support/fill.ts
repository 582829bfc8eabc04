// Rows of every kind in every table that a database has, whatever its schema is: a table that comes later is tried too.
import type { QueryRunner, Table } from 'typeorm';
import type { Store } from '../../src/store/database.js';

const ODD = ['', "it's", 'a "b" \\ {c,d} NULL', 'ünï 🙂 \u{10ffff}', 'tab\tand\nline'];

/** So many rows each table gets; where they would refer to nothing, one or two fewer. */
export const FILLED_ROWS = ODD.length;

/** Makes its rows anew. The last actor is deleted again, so that its id was given and is gone. @returns the names of the tables */
export async function fillTables(store: Store): Promise<string[]> {
  const runner = store.dataSource.createQueryRunner();
  const isSqlite = store.dialect === 'sqlite';
  try {
    const names = await tableNames(store);
    const tables = await runner.getTables(names);
    const json = new Set(store.dataSource.entityMetadatas.flatMap(({ tableName, columns }) => columns.filter(({ type }) => type === 'simple-json').map(({ databaseName }) => `${tableName}.${databaseName}`)));
    await runner.query(isSqlite ? 'pragma foreign_keys = OFF' : 'set session_replication_role = replica');
    for (const table of tables) {
      await runner.query(`delete from "${table.name}"`);
      for (let row = 0; row < FILLED_ROWS; row++) await insertRow(runner, table, valuesOf(table, row, json), isSqlite);
      const counted = isSqlite ? undefined : table.columns.find((column) => column.isGenerated);
      if (counted) await runner.query(`select setval(pg_get_serial_sequence('"${table.name}"', '${counted.name}'), ${FILLED_ROWS})`);
    }
    await runner.query('delete from actors where id = (select max(id) from actors)');
    while ((await removeStrays(runner, tables)) > 0);
    await runner.query(isSqlite ? 'pragma foreign_keys = ON' : 'set session_replication_role = origin');
    return names;
  } finally {
    await runner.release();
  }
}

/** All but TypeORM's own. */
export async function tableNames(store: Store): Promise<string[]> {
  const rows = await store.query<{ name: string }>(
    store.dialect === 'sqlite'
      ? "select name from sqlite_master where type = 'table' and name not like 'sqlite%' and name <> 'migrations' order by name"
      : "select table_name as name from information_schema.tables where table_schema = 'public' and table_name <> 'migrations' order by table_name",
  );
  return rows.map(({ name }) => name);
}

/** @param json `table.column` of those that hold JSON */
const valuesOf = (table: Table, row: number, json: ReadonlySet<string>): unknown[] =>
  table.columns.map((column) => {
    if (table.foreignKeys.some((key) => key.columnNames.includes(column.name)) || column.isGenerated) return column.type === 'integer' || column.type === 'bigint' ? row + 1 : `key ${row}`;
    if (column.isNullable && row % 2 === 1) return null;
    if (column.type === 'boolean') return row % 2;
    if (column.type === 'integer') return row + 1;
    if (column.type === 'bigint') return 1_763_712_000_000 + row;
    if (column.isPrimary || table.indices.some((index) => index.isUnique && index.columnNames.includes(column.name))) return `key ${row}`;
    return json.has(`${table.name}.${column.name}`) ? JSON.stringify([ODD[row]]) : ODD[row];
  });

async function insertRow(runner: QueryRunner, table: Table, values: unknown[], isSqlite: boolean): Promise<void> {
  const columns = table.columns.map(({ name }) => `"${name}"`).join(', ');
  await runner.query(`insert into "${table.name}" (${columns}) values (${values.map((_, index) => (isSqlite ? '?' : `$${index + 1}`)).join(', ')}) on conflict do nothing`, values);
}

/** Rows that refer to none. @returns how many there were */
async function removeStrays(runner: QueryRunner, tables: Table[]): Promise<number> {
  let removed = 0;
  for (const table of tables) {
    for (const { columnNames: [column], referencedColumnNames: [referenced], referencedTableName } of table.foreignKeys) {
      const strays = `from "${table.name}" where "${column}" not in (select "${referenced}" from "${referencedTableName}")`;
      removed += ((await runner.query(`select 1 ${strays}`)) as unknown[]).length;
      await runner.query(`delete ${strays}`);
    }
  }
  return removed;
}
