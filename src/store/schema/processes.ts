import { EntitySchema } from 'typeorm';
import { type Columns, integer, key, nullable, time, varchar } from './columns.js';

/** How often something was tried until `expire`, or (services/marks.ts) that it was so of late. Used on PostgreSQL; on SQLite the one process has it in memory. */
export interface LimitRow {
  key: string;
  points: number;
  expire: number | null;
}

export const LimitSchema = new EntitySchema<LimitRow>({
  name: 'Limit',
  tableName: 'limits',
  columns: { key, points: integer, expire: nullable(time) } satisfies Columns<LimitRow>,
  indices: [{ name: 'limits_by_end', columns: ['expire'] }],
});

/** Who does what only one process may do (store/lease.ts). No row: nobody does, and the last one has ended in good order. */
export interface LeaseRow {
  name: string;
  holder: string;
  since: number;
}

export const LeaseSchema = new EntitySchema<LeaseRow>({
  name: 'Lease',
  tableName: 'leases',
  columns: { name: key, holder: varchar, since: time } satisfies Columns<LeaseRow>,
});
