import type { MigrationInterface, QueryRunner } from 'typeorm';
import { bigint, createTable, dropTables, index, integer, nullable, primary, varchar } from './columns.js';

/** What processes of one installation must know of each other: how often something was tried, and who has the XMPP connection. */
export class Processes1763712000050 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Columns as rate-limiter-flexible has them.
    await createTable(runner, 'limits', [primary(varchar('key')), integer('points'), nullable(bigint('expire'))], [index('limits_by_end', 'expire')]);
    // They are written with every try and not worth a wait for the disk: a crash of the database may forget them.
    if (runner.dataSource.options.type === 'postgres') await runner.query('alter table limits set unlogged');
    await createTable(runner, 'leases', [primary(varchar('name')), varchar('holder'), bigint('since')]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, 'leases', 'limits');
  }
}
