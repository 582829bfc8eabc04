import type { MigrationInterface, QueryRunner } from 'typeorm';
import { TableColumn } from 'typeorm';
import { bigint, createTable, dropTables, integer, nullable, primary, varchar } from './columns.js';

/** What is needed to try a delivery again that came back, and to tell its author of it; the servers that the operator has paused. */
export class Ledger1763712000080 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const counted = (column: ReturnType<typeof integer>) => new TableColumn({ ...column, default: 0 });
    await runner.addColumns('deliveries', [counted(bigint('since')), counted(integer('tries')), counted(integer('refused')), new TableColumn(nullable(bigint('job_id')))]);
    await runner.query("update deliveries set since = at, state = case when state = 'failed' then 'given-up' else state end");
    await createTable(runner, 'paused_hosts', [primary(varchar('host')), bigint('since')]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, 'paused_hosts');
    await runner.dropColumns('deliveries', ['since', 'tries', 'refused', 'job_id']);
  }
}
