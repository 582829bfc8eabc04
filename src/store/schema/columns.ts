import { DefaultNamingStrategy, type EntitySchemaColumnOptions } from 'typeorm';

// The portable column types (house.md §4 "Migrations"). Times are milliseconds UTC in a bigint.
export const id = { type: 'integer', primary: true, generated: 'increment' } as const;
export const key = { type: 'varchar', primary: true } as const;
export const varchar = { type: 'varchar' } as const;
export const text = { type: 'text' } as const;
export const integer = { type: 'integer' } as const;
export const time = { type: 'bigint' } as const;
export const flag = { type: 'boolean' } as const;
/** A small value as JSON in a text column. */
export const json = { type: 'simple-json' } as const;

export const nullable = <C extends EntitySchemaColumnOptions>(column: C) => ({ ...column, nullable: true }) as const;

/** Every property of T has a column: what the compiler does not ask of an EntitySchema, it asks of this. */
export type Columns<T> = Record<keyof T, EntitySchemaColumnOptions>;

/** `createdAt` → `created_at`. */
export const snakeCase = (property: string): string => property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Columns are in snake_case, so that SQL needs no quotes on PostgreSQL. */
export class SnakeNaming extends DefaultNamingStrategy {
  override columnName(property: string, given: string, prefixes: string[]): string {
    return given || snakeCase(super.columnName(property, given, prefixes));
  }
}
