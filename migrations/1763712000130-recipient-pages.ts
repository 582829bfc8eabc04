import { type MigrationInterface, type QueryRunner, TableIndex } from 'typeorm';
import { index } from './columns.js';

/** Those who follow from one host are read page by page, in the order of their addresses. */
export class RecipientPages1763712000130 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await replace(runner, 'subscriptions', 'subscriptions_by_host', 'actor_id', 'host', 'jid', 'node');
    await replace(runner, 'presence_legs', 'presence_legs_by_host', 'actor_id', 'host', 'jid');
  }

  async down(runner: QueryRunner): Promise<void> {
    await replace(runner, 'presence_legs', 'presence_legs_by_host', 'actor_id', 'host');
    await replace(runner, 'subscriptions', 'subscriptions_by_host', 'actor_id', 'host');
  }
}

async function replace(runner: QueryRunner, table: string, name: string, ...columns: string[]): Promise<void> {
  await runner.dropIndex(table, name);
  await runner.createIndex(table, new TableIndex(index(name, ...columns)));
}
