import type { EntitySchema, EntitySchemaColumnOptions } from 'typeorm';
import type { Db, Tx } from './database.js';
import { snakeCase } from './schema/columns.js';

/** `?, ?, ?` for a list of n values. */
export const marks = (count: number): string => Array(count).fill('?').join(', ');

/** Statements of this many rows: larger ones stop the event loop for milliseconds on SQLite (store.md). */
export const CHUNK = 200;

/** A list in parts of at most CHUNK. */
export const chunks = <T>(list: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(list.length / CHUNK) }, (_, index) => list.slice(index * CHUNK, (index + 1) * CHUNK));

/** What PostgreSQL needs and SQLite does not know: its one writer needs no row locks. */
export const locking = (db: Db, clause: string): string => (db.dialect === 'postgres' ? clause : '');

/** PostgreSQL counts the values of a statement in 16 bits. */
const MAX_PARAMS = 30_000;

/**
 * The plain statements of one table, from its schema: values go in and come out as the domain has them. By `query()`, because
 * TypeORM's `insert()` and `save()` cost two fifths of the speed (store.md), and because its answers differ by database.
 */
export function table<T extends object>(schema: EntitySchema<T>) {
  const { tableName, columns } = schema.options;
  const fields = Object.entries(columns as Record<string, EntitySchemaColumnOptions>).map(([property, { type, generated }]) => ({
    property: property as keyof T & string,
    column: snakeCase(property),
    type,
    generated: generated !== undefined,
  }));
  const byProperty = new Map(fields.map((field) => [field.property, field]));
  const list = fields.map((field) => field.column).join(', ');

  const toColumn = (property: keyof T & string, value: unknown): unknown => (byProperty.get(property)!.type === 'simple-json' && value !== null ? JSON.stringify(value) : value);
  /** Column = value for each that is given, with `is null` for null. */
  function condition(where: Partial<T>): { sql: string; params: unknown[] } {
    const entries = Object.entries(where).filter(([, value]) => value !== undefined);
    return {
      sql: entries.map(([property, value]) => snakeCase(property) + (value === null ? ' is null' : ' = ?')).join(' and ') || '1 = 1',
      params: entries.filter(([, value]) => value !== null).map(([property, value]) => toColumn(property as keyof T & string, value)),
    };
  }

  /**
   * Reads a row of SQL as the domain's value, but for some properties. Not by `({ once, ...rest })`: V8 gives each such rest a hidden class of its own,
   * which lives until the next full collection and made every small one ten times as long.
   */
  function readWithout<K extends keyof T & string = never>(...omitted: K[]): (row: Record<string, unknown>) => Omit<T, K> {
    const wanted = fields.filter(({ property }) => !omitted.includes(property as K));
    return (row) => {
      const value = {} as Record<string, unknown>;
      for (const { property, column, type } of wanted) {
        const raw = row[column];
        value[property] = type === 'boolean' ? Boolean(raw) : type === 'simple-json' ? JSON.parse(raw as string) : raw;
      }
      return value as Omit<T, K>;
    };
  }
  /** A row of SQL as the domain's value. */
  const read = readWithout() as (row: Record<string, unknown>) => T;

  return {
    /** All columns, for a SELECT; with the table's alias before each when it is given. */
    columns: (alias?: string): string => (alias ? fields.map((field) => `${alias}.${field.column}`).join(', ') : list),
    read,
    readWithout,
    async select(db: Db, where: Partial<T>, tail = ''): Promise<T[]> {
      const { sql, params } = condition(where);
      return (await db.query(`select ${list} from ${tableName} where ${sql} ${tail}`, params)).map(read);
    },
    async find(db: Db, where: Partial<T>): Promise<T | null> {
      return (await this.select(db, where, 'limit 1'))[0] ?? null;
    },
    /** @returns the row as it stands now, with what the database counted up */
    async insert(tx: Tx, value: { [P in keyof T]?: T[P] }, tail = ''): Promise<T | null> {
      const given = fields.filter((field) => !field.generated);
      const rows = await tx.query(
        `insert into ${tableName} (${given.map((field) => field.column).join(', ')}) values (${marks(given.length)}) ${tail} returning ${list}`,
        given.map(({ property }) => toColumn(property, value[property] ?? null)),
      );
      return rows[0] ? read(rows[0]) : null;
    },
    /** New rows. On PostgreSQL together, because each statement is a journey there; on SQLite it is not, and one text stays prepared. */
    async insertAll(tx: Tx, values: readonly { [P in keyof T]?: T[P] }[]): Promise<void> {
      const given = fields.filter((field) => !field.generated);
      const most = tx.dialect === 'postgres' ? Math.floor(MAX_PARAMS / given.length) : 1;
      for (let start = 0; start < values.length; start += most) {
        const some = values.slice(start, start + most);
        await tx.query(
          `insert into ${tableName} (${given.map((field) => field.column).join(', ')}) values ${some.map(() => `(${marks(given.length)})`).join(', ')}`,
          some.flatMap((value) => given.map(({ property }) => toColumn(property, value[property] ?? null))),
        );
      }
    },
    /** Inserts, or replaces the row with the same `keys`. */
    upsert(tx: Tx, value: T, keys: (keyof T & string)[]): Promise<T | null> {
      const rest = fields.filter((field) => !keys.includes(field.property)).map(({ column }) => `${column} = excluded.${column}`);
      return this.insert(tx, value, `on conflict (${keys.map(snakeCase).join(', ')}) do update set ${rest.join(', ')}`);
    },
    /** @returns how many rows there were */
    async update(tx: Tx, where: Partial<T>, change: Partial<T>): Promise<number> {
      const entries = Object.entries(change).filter(([property, value]) => value !== undefined && byProperty.has(property as keyof T & string));
      if (entries.length === 0) return 0;
      const { sql, params } = condition(where);
      const rows = await tx.query(
        `update ${tableName} set ${entries.map(([property]) => `${snakeCase(property)} = ?`).join(', ')} where ${sql} returning 1`,
        [...entries.map(([property, value]) => toColumn(property as keyof T & string, value)), ...params],
      );
      return rows.length;
    },
    /** @returns how many rows there were */
    async remove(tx: Tx, where: Partial<T>): Promise<number> {
      const { sql, params } = condition(where);
      return (await tx.query(`delete from ${tableName} where ${sql} returning 1`, params)).length;
    },
  };
}
