import { type MigrationInterface, type QueryRunner, TableIndex } from 'typeorm';
import { index } from './columns.js';

/** Whom a post could reach when it was made (of older ones nobody knows), and what counts them without reading a row of each. */
export class ReachThen1763712000110 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Not by addColumn, which on SQLite would write the whole table anew.
    await runner.query('alter table posts add column reach text');
    await runner.createIndex('relationships', new TableIndex(index('relationships_by_state', 'actor_id', 'follower', 'added_at')));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropIndex('relationships', 'relationships_by_state');
    await runner.query('alter table posts drop column reach');
  }
}
