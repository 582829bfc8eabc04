import { type MigrationInterface, type QueryRunner, TableIndex } from 'typeorm';
import { index, where } from './columns.js';

/** Most pages of a stream are found among the latest posts of all: this says of them what the stream asks. */
export class LatestPosts1763712000100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.createIndex('posts', new TableIndex(where(index('posts_latest', 'guid', 'author_id', 'audience', 'created_at'), 'deleted_at is null')));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropIndex('posts', 'posts_latest');
  }
}
