import type { MigrationInterface, QueryRunner } from 'typeorm';
import { bigint, createTable, dropTables, generated, index, integer, nullable, primary, references, text, unique, varchar, where } from './columns.js';

/** Posts and the groups of people that may see them. */
export class Posts1763712000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await createTable(
      runner,
      'posts',
      [
        primary(varchar('guid')),
        references(integer('author_id'), 'actors', 'id'),
        ...[varchar('kind'), varchar('atom_id'), varchar('title'), text('markdown'), text('html'), varchar('language'), text('tags')],
        ...[varchar('audience'), bigint('created_at'), nullable(bigint('edited_at')), nullable(bigint('deleted_at')), nullable(varchar('once'))],
      ],
      [
        index('posts_by_author', 'author_id', 'guid', 'audience', 'created_at', 'deleted_at'),
        where(unique('posts_once', 'author_id', 'once'), 'once is not null'),
      ],
    );
    await createTable(
      runner,
      'aspects',
      [generated(integer('id')), references(integer('owner_id'), 'actors', 'id', 'CASCADE'), varchar('name')],
      [unique('aspects_name', 'owner_id', 'name')],
    );
    const ofAspect = primary(references(integer('aspect_id'), 'aspects', 'id', 'CASCADE'));
    await createTable(
      runner,
      'aspect_members',
      [ofAspect, primary(references(integer('actor_id'), 'actors', 'id', 'CASCADE')), bigint('since')],
      [index('aspect_members_by_actor', 'actor_id')],
    );
    await createTable(
      runner,
      'post_aspects',
      [primary(references(varchar('post_guid'), 'posts', 'guid', 'CASCADE')), ofAspect],
      [index('post_aspects_by_aspect', 'aspect_id')],
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, 'post_aspects', 'aspect_members', 'aspects', 'posts');
  }
}
