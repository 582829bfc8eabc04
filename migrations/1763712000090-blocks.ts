import { type MigrationInterface, type QueryRunner, TableIndex } from 'typeorm';
import { index, where } from './columns.js';

/** Whom somebody has blocked, and who has blocked them, are few among many relationships, and every page asks for both. */
export class Blocks1763712000090 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.createIndex('relationships', new TableIndex(where(index('relationships_blocked', 'actor_id', 'other_id'), 'blocked_at is not null')));
    await runner.createIndex('relationships', new TableIndex(where(index('relationships_blocked_by', 'other_id', 'actor_id'), 'blocked_at is not null')));
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of ['relationships_blocked', 'relationships_blocked_by']) await runner.dropIndex('relationships', name);
  }
}
