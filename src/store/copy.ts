// A whole database into an empty one of the other kind: SQLite into PostgreSQL, or back. The schema is made by the migrations, as everywhere. All of
// it is one transaction of the target, which commits when every table was counted and compared, so that nothing is ever there by half.
import { createHash } from 'node:crypto';
import type { DataSource, QueryRunner, Table, TableColumn } from 'typeorm';
import type { Dialect } from './database.js';
import { migrateWith } from './migrate.js';

/** Tells people how far it is. */
type Say = (line: string) => void;

/** One side of a copy, inside a transaction that shows one moment, or will be one. */
export interface CopySide {
  dialect: Dialect;
  dataSource: DataSource;
  runner: QueryRunner;
  /** The rows of a table, in pieces of bounded size, as SQL has them. */
  read(table: string, columns: string[]): AsyncIterable<Record<string, unknown>[]>;
}

/** What was copied. */
export interface CopiedTable {
  name: string;
  rows: number;
  /** Of the content, whatever the order of the rows; the same on both sides. */
  digest: string;
}

/** Made by the migrations themselves. */
const NOT_COPIED = new Set(['migrations']);
/** So many rows at once: a post has 64 KiB at the most, so the greatest piece is some 20 MB. */
export const PIECE_ROWS = 300;
const TELL_EVERY_MS = 2_000;

/**
 * Copies everything. The caller begins and ends the transactions of both sides.
 * @throws Error with a sentence for the operator when the two sides differ in the end, or a value does not fit
 */
export async function copyAll(from: CopySide, to: CopySide, say: Say): Promise<CopiedTable[]> {
  await migrateWith(to.dataSource, to.runner);
  const tables = await tablesOf(to);
  const theirs = new Set((await tablesOf(from)).map(({ name }) => name));
  const odd = [...tables.map(({ name }) => name).filter((name) => !theirs.delete(name)), ...theirs];
  if (odd.length > 0) throw new Error(`The tables of the two databases are not the same (${odd.join(', ')}): was one of them changed by hand?`);

  // Without them the order of the tables and rows does not matter; they are checked for all rows when they come back.
  const keys = to.dialect === 'postgres' ? tables.map((table) => ({ table, foreignKeys: [...table.foreignKeys] })) : [];
  for (const { table, foreignKeys } of keys) await to.runner.dropForeignKeys(table, foreignKeys);
  const copied: CopiedTable[] = [];
  for (const table of tables) copied.push(await copyTable(from, to, table, say));
  for (const { table, foreignKeys } of keys) await to.runner.createForeignKeys(table, foreignKeys);
  if (to.dialect === 'sqlite') await checkForeignKeys(to.runner);
  for (const table of tables) await continueCounting(from, to, table);

  say('checking what was written');
  for (const { name, rows, digest } of copied) {
    const found = await digestOf(to, tables.find((table) => table.name === name)!);
    if (found.rows !== rows || found.digest !== digest) throw new Error(`The table ${name} is not as it was read: ${rows} rows were read and ${found.rows} are there${found.rows === rows ? ', with other content' : ''}.`);
  }
  return copied;
}

/** All tables of ours, by name. */
async function tablesOf({ runner, dialect }: CopySide): Promise<Table[]> {
  const names =
    dialect === 'postgres'
      ? (await runner.query("select tablename as name from pg_tables where schemaname = current_schema() order by 1"))
      : (await runner.query("select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by 1"));
  const tables = await runner.getTables((names as { name: string }[]).map(({ name }) => name).filter((name) => !NOT_COPIED.has(name)));
  // PostgreSQL's have their schema before them.
  for (const table of tables) table.name = table.name.replace(/^.*\./, '');
  return tables.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const namesOf = (table: Table): string[] => table.columns.map(({ name }) => name);

async function copyTable(from: CopySide, to: CopySide, table: Table, say: Say): Promise<CopiedTable> {
  await to.runner.query(`delete from ${quote(table.name)}`); // the migrations may have written a first row
  const sum = new RowSum(table.columns);
  let toldAt = performance.now();
  for await (const rows of from.read(table.name, namesOf(table))) {
    const values = rows.map((row) => sum.add(row));
    await insert(to, table, values).catch((error: Error) => {
      throw new Error(`The table ${table.name} cannot be copied: ${error.message}.`);
    });
    if (performance.now() - toldAt > TELL_EVERY_MS) {
      toldAt = performance.now();
      say(`${table.name}: ${sum.rows} rows so far`);
    }
  }
  say(`${table.name}: ${sum.rows}`);
  return { name: table.name, rows: sum.rows, digest: sum.digest() };
}

async function digestOf(side: CopySide, table: Table): Promise<{ rows: number; digest: string }> {
  const sum = new RowSum(table.columns);
  for await (const rows of side.read(table.name, namesOf(table))) for (const row of rows) sum.add(row);
  return { rows: sum.rows, digest: sum.digest() };
}

type Value = string | number | boolean | null;

/** Adds up the hashes of rows: the order does not matter, a row that is there twice does. */
class RowSum {
  rows = 0;
  #sum = 0n;

  constructor(private readonly columns: TableColumn[]) {}

  /** @returns the row's values as both databases take them */
  add(row: Record<string, unknown>): Value[] {
    const values = this.columns.map(({ name, type }): Value => {
      const value = row[name];
      if (value === null || value === undefined) return null;
      if (type === 'boolean') return Boolean(value);
      return typeof value === 'number' || typeof value === 'string' ? value : String(value);
    });
    this.rows += 1;
    this.#sum = BigInt.asUintN(256, this.#sum + BigInt(`0x${createHash('sha256').update(JSON.stringify(values)).digest('hex')}`));
    return values;
  }

  digest(): string {
    return this.#sum.toString(16).padStart(64, '0');
  }
}

const quote = (name: string): string => `"${name}"`;

/** In bulk: a statement a row would take hours. */
async function insert({ runner, dialect }: CopySide, table: Table, rows: Value[][]): Promise<void> {
  const columns = namesOf(table);
  const into = `insert into ${quote(table.name)} (${columns.map(quote).join(', ')})`;
  if (dialect === 'postgres') {
    const lists = table.columns.map(({ type }, index) => `$${index + 1}::${type === 'character varying' ? 'text' : type}[]`);
    await runner.query(`${into} select * from unnest(${lists.join(', ')})`, columns.map((_, index) => rows.map((row) => row[index]!)));
    return;
  }
  const MOST_VALUES = 30_000;
  const most = Math.max(1, Math.floor(MOST_VALUES / columns.length));
  for (let at = 0; at < rows.length; at += most) {
    const some = rows.slice(at, at + most);
    const one = `(${columns.map(() => '?').join(', ')})`;
    await runner.query(`${into} values ${some.map(() => one).join(', ')}`, some.flat().map((value) => (typeof value === 'boolean' ? Number(value) : value)));
  }
}

async function checkForeignKeys(runner: QueryRunner): Promise<void> {
  const faults: { table: string }[] = await runner.query('pragma foreign_key_check');
  if (faults.length > 0) throw new Error(`The table ${faults[0]!.table} has rows that refer to nothing.`);
}

/** Ids go on where they were: also those of rows that are gone are not given again. */
async function continueCounting(from: CopySide, to: CopySide, table: Table): Promise<void> {
  const column = table.columns.find(({ isGenerated }) => isGenerated)?.name;
  if (column === undefined) return;
  const last = await lastCounted(from, table.name, column);
  if (last === 0) return;
  if (to.dialect === 'postgres') await to.runner.query('select setval(pg_get_serial_sequence($1, $2), $3)', [quote(table.name), column, last]);
  else {
    await to.runner.query('delete from sqlite_sequence where name = ?', [table.name]);
    await to.runner.query('insert into sqlite_sequence (name, seq) values (?, ?)', [table.name, last]);
  }
}

/** The greatest id that was given; 0: none was. */
async function lastCounted({ runner, dialect }: CopySide, table: string, column: string): Promise<number> {
  const [{ last }] = (await runner.query(`select max(${quote(column)}) as last from ${quote(table)}`)) as [{ last: number | string | null }];
  if (dialect === 'sqlite') {
    const [row] = (await runner.query('select seq from sqlite_sequence where name = ?', [table])) as [{ seq: number }?];
    return Math.max(Number(last ?? 0), row?.seq ?? 0);
  }
  const [{ sequence }] = (await runner.query('select pg_get_serial_sequence($1, $2) as sequence', [quote(table), column])) as [{ sequence: string }];
  const [{ given }] = (await runner.query(`select case when is_called then last_value else 0 end as given from ${sequence}`)) as [{ given: number | string }];
  return Math.max(Number(last ?? 0), Number(given));
}
