import { EntitySchema } from 'typeorm';
import type { JobKind, Queue } from '../../domain/job.js';
import type { Dialect } from '../database.js';
import { type Columns, integer, nullable, text, time, varchar } from './columns.js';

export interface JobRow {
  id: number;
  queue: Queue;
  kind: JobKind;
  payload: string;
  orderingKey: string | null;
  runAt: number;
  attempts: number;
  leaseUntil: number | null;
  lastError: string | null;
  createdAt: number;
}

export interface LaneRow {
  queue: Queue;
  key: string;
  runAt: number | null;
  leaseUntil: number | null;
  epoch: number;
}

/** A job that was given up. `id` is the one it had. */
export interface DeadJobRow {
  id: number;
  queue: Queue;
  kind: JobKind;
  payload: string;
  orderingKey: string | null;
  attempts: number;
  lastError: string | null;
  createdAt: number;
  diedAt: number;
}

/** The tables of store.md "Ordering key", each with the queue. A lane's `runAt` is null while it is empty. */
export function jobSchemas(dialect: Dialect): EntitySchema[] {
  // 2³¹ jobs are a year's work of a busy server. SQLite knows its 64-bit ids by the name of integer alone.
  const jobId = dialect === 'postgres' ? 'bigint' : 'integer';
  return [
    new EntitySchema<JobRow>({
      name: 'Job',
      tableName: 'jobs',
      columns: {
        id: { type: jobId, primary: true, generated: 'increment' },
        queue: varchar,
        kind: varchar,
        payload: text,
        orderingKey: nullable(varchar),
        runAt: time,
        attempts: integer,
        leaseUntil: nullable(time),
        lastError: nullable(text),
        createdAt: time,
      } satisfies Columns<JobRow>,
      indices: [
        // None says anything of leases, so that a claim changes no index. Of the few jobs that run, a claim looks past them.
        { name: 'jobs_without_lane', columns: ['queue', 'runAt', 'id'], where: 'ordering_key is null' },
        { name: 'jobs_of_lane', columns: ['queue', 'orderingKey', 'id'], where: 'ordering_key is not null' },
      ],
    }),
    new EntitySchema<LaneRow>({
      name: 'Lane',
      tableName: 'lanes',
      columns: {
        queue: { ...varchar, primary: true },
        key: { ...varchar, primary: true },
        runAt: nullable(time),
        leaseUntil: nullable(time),
        epoch: time, // a number that only rises; bigint like the times
      } satisfies Columns<LaneRow>,
      indices: [
        { name: 'lanes_ready', columns: ['queue', 'runAt'], where: 'lease_until is null' },
        { name: 'lanes_leased', columns: ['leaseUntil'], where: 'lease_until is not null' },
      ],
    }),
    new EntitySchema<DeadJobRow>({
      name: 'DeadJob',
      tableName: 'dead_jobs',
      columns: {
        id: { type: jobId, primary: true },
        queue: varchar,
        kind: varchar,
        payload: text,
        orderingKey: nullable(varchar),
        attempts: integer,
        lastError: nullable(text),
        createdAt: time,
        diedAt: time,
      } satisfies Columns<DeadJobRow>,
    }),
  ];
}
