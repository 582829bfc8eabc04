import type { MigrationInterface, QueryRunner } from 'typeorm';
import { bigint, createTable, dropTables, generated, index, integer, nullable, primary, references, text, varchar, where } from './columns.js';

/** What must reach other servers: activities, the ledger of deliveries, and the queue. */
export class Delivery1763712000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await createTable(
      runner,
      'activities',
      [
        ...[primary(varchar('id')), references(integer('actor_id'), 'actors', 'id'), varchar('verb')],
        ...[references(varchar('post_guid'), 'posts', 'guid'), bigint('published_at')],
      ],
      [index('activities_by_post', 'post_guid', 'id'), index('activities_by_actor', 'actor_id', 'id')],
    );
    await createTable(runner, 'deliveries', [
      ...[primary(references(varchar('activity_id'), 'activities', 'id', 'CASCADE')), primary(varchar('protocol')), primary(varchar('host'))],
      ...[varchar('state'), nullable(integer('recipients')), nullable(text('error')), bigint('at')],
    ]);
    // SQLite knows its 64-bit ids by the name of integer alone.
    const jobId = runner.dataSource.options.type === 'postgres' ? bigint('id') : integer('id');
    await createTable(
      runner,
      'jobs',
      [
        ...[generated(jobId), varchar('queue'), varchar('kind'), text('payload'), nullable(varchar('ordering_key')), bigint('run_at')],
        ...[integer('attempts'), nullable(bigint('lease_until')), nullable(text('last_error')), bigint('created_at')],
      ],
      [
        where(index('jobs_ready', 'queue', 'run_at', 'id'), 'lease_until is null and ordering_key is null'),
        where(index('jobs_leased', 'lease_until'), 'lease_until is not null'),
        index('jobs_of_lane', 'queue', 'ordering_key', 'id'),
      ],
    );
    await createTable(
      runner,
      'lanes',
      [primary(varchar('queue')), primary(varchar('key')), nullable(bigint('run_at')), nullable(bigint('lease_until')), bigint('epoch')],
      [where(index('lanes_ready', 'queue', 'run_at'), 'lease_until is null'), where(index('lanes_leased', 'lease_until'), 'lease_until is not null')],
    );
    await createTable(runner, 'dead_jobs', [
      ...[primary(jobId), varchar('queue'), varchar('kind'), text('payload'), nullable(varchar('ordering_key'))],
      ...[integer('attempts'), nullable(text('last_error')), bigint('created_at'), bigint('died_at')],
    ]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, 'dead_jobs', 'lanes', 'jobs', 'deliveries', 'activities');
  }
}
