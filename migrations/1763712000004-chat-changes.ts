import type { MigrationInterface, QueryRunner } from 'typeorm';
import { bigint, boolean, createTable, dropTables, generated, integer, varchar } from './columns.js';

/** What chat servers must hear about accounts: who came, who went, whose sessions end. */
export class ChatChanges1763712000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await createTable(runner, 'chat_changes', [generated(integer('id')), varchar('username'), boolean('ends_sessions'), bigint('created_at')]);
    // Where every reader begins. Its time tells this log from that of another database.
    await runner.query(`insert into chat_changes (username, ends_sessions, created_at) values ('', false, ${Date.now()})`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, 'chat_changes');
  }
}
