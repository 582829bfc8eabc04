import type { MigrationInterface, QueryRunner } from 'typeorm';
import { bigint, boolean, createTable, dropTables, index, integer, nullable, primary, references, varchar } from './columns.js';

/** Who follows whom, and what of it stands on the XMPP wire. */
export class Relationships1763712000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const actor = (name: string) => references(integer(name), 'actors', 'id', 'CASCADE');
    await createTable(
      runner,
      'relationships',
      [
        ...[primary(actor('actor_id')), primary(actor('other_id')), varchar('follower'), varchar('following')],
        ...[nullable(bigint('added_at')), nullable(bigint('blocked_at'))],
      ],
      [index('relationships_by_other', 'other_id')],
    );
    await createTable(
      runner,
      'presence_legs',
      [
        ...[primary(actor('actor_id')), primary(varchar('jid')), actor('person_id'), varchar('host'), varchar('inbound'), varchar('outbound')],
        ...[boolean('caps_only'), nullable(varchar('last_guid'))],
      ],
      [index('presence_legs_by_host', 'actor_id', 'host'), index('presence_legs_by_person', 'person_id')],
    );
    await createTable(
      runner,
      'subscriptions',
      [
        ...[primary(actor('actor_id')), primary(varchar('node')), primary(varchar('jid')), nullable(actor('person_id')), varchar('host')],
        ...[varchar('subid'), varchar('state'), nullable(bigint('paused_until')), bigint('created_at')],
      ],
      [
        index('subscriptions_by_host', 'actor_id', 'host'),
        index('subscriptions_by_jid', 'jid'),
        index('subscriptions_by_person', 'person_id'),
      ],
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, 'subscriptions', 'presence_legs', 'relationships');
  }
}
