import type { MigrationInterface, QueryRunner } from 'typeorm';
import { bigint, createTable, dropTables, integer, nullable, primary, references, text, varchar } from './columns.js';

/** What was asked of other servers, and when. */
export class Remote1763712000060 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await createTable(runner, 'node_access', [primary(varchar('service')), primary(varchar('node')), varchar('model'), bigint('asked_at')]);
    await createTable(runner, 'remote_pictures', [primary(references(integer('actor_id'), 'actors', 'id', 'CASCADE')), varchar('picture')]);
    await createTable(runner, 'person_fetches', [primary(references(integer('actor_id'), 'actors', 'id', 'CASCADE')), bigint('asked_at'), nullable(bigint('ended_at')), nullable(text('error'))]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, 'person_fetches', 'remote_pictures', 'node_access');
  }
}
