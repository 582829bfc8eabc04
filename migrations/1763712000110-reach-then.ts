import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whom a post could reach when it was made; of older ones nobody knows. */
export class ReachThen1763712000110 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Not by addColumn, which on SQLite would write the whole table anew.
    await runner.query('alter table posts add column reach text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table posts drop column reach');
  }
}
