// What migrations are written with. Existing migrations rely on it: add to it, but never change what a function makes.
import { type QueryRunner, Table, type TableColumnOptions, type TableForeignKeyOptions, type TableIndexOptions } from 'typeorm';

type Column = TableColumnOptions & { references?: { table: string; column: string; onDelete: string } };

export const varchar = (name: string): Column => ({ name, type: 'varchar' });
export const text = (name: string): Column => ({ name, type: 'text' });
export const integer = (name: string): Column => ({ name, type: 'integer' });
export const bigint = (name: string): Column => ({ name, type: 'bigint' });
export const boolean = (name: string): Column => ({ name, type: 'boolean' });
export const nullable = (column: Column): Column => ({ ...column, isNullable: true });
export const primary = (column: Column): Column => ({ ...column, isPrimary: true });
/** Counted up by the database. */
export const generated = (column: Column): Column => ({ ...column, isPrimary: true, isGenerated: true, generationStrategy: 'increment' });
export const references = (column: Column, table: string, key: string, onDelete = 'NO ACTION'): Column => ({
  ...column,
  references: { table, column: key, onDelete },
});

export const index = (name: string, ...columnNames: string[]): TableIndexOptions => ({ name, columnNames });
export const unique = (name: string, ...columnNames: string[]): TableIndexOptions => ({ name, columnNames, isUnique: true });
/** Only the rows that meet the condition are in the index. */
export const where = (options: TableIndexOptions, condition: string): TableIndexOptions => ({ ...options, where: condition });

export async function createTable(runner: QueryRunner, name: string, columns: Column[], indices: TableIndexOptions[] = []): Promise<void> {
  const foreignKeys = columns.flatMap((column): TableForeignKeyOptions[] =>
    column.references
      ? [
          {
            columnNames: [column.name],
            referencedTableName: column.references.table,
            referencedColumnNames: [column.references.column],
            onDelete: column.references.onDelete,
          },
        ]
      : [],
  );
  await runner.createTable(new Table({ name, columns: columns.map(({ references, ...column }) => column), indices, foreignKeys }));
}

export async function dropTables(runner: QueryRunner, ...names: string[]): Promise<void> {
  for (const name of names) await runner.dropTable(name);
}
