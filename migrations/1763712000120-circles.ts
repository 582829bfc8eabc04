import { type MigrationInterface, type QueryRunner, TableIndex } from 'typeorm';
import { index, where } from './columns.js';

/**
 * Others can make someone's followers and requests many: lists and counts of either, and of the few that one chose oneself, each have an index.
 */
export class Circles1763712000120 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const indices = [
      index('relationships_by_follower', 'actor_id', 'follower', 'other_id'),
      where(index('relationships_contacts', 'actor_id', 'other_id'), 'added_at is not null'),
      where(index('relationships_followed', 'actor_id', 'other_id', 'muted_at'), "following = 'on'"),
      where(index('relationships_muted', 'actor_id', 'other_id'), 'muted_at is not null'),
    ];
    for (const one of indices) await runner.createIndex('relationships', new TableIndex(one));
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of ['relationships_muted', 'relationships_followed', 'relationships_contacts', 'relationships_by_follower']) await runner.dropIndex('relationships', name);
  }
}
