import type { MigrationInterface, QueryRunner } from 'typeorm';
import { bigint, boolean, createTable, dropTables, generated, index, integer, nullable, primary, references, text, unique, varchar, where } from './columns.js';

/** Who can speak, and who logs in. */
export class Accounts1763712000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await createTable(
      runner,
      'actors',
      [generated(integer('id')), boolean('is_local'), varchar('username'), varchar('domain'), varchar('display_name'), text('summary')],
      [index('actors_by_handle', 'username', 'domain')],
    );
    await createTable(
      runner,
      'addresses',
      [primary(varchar('protocol')), primary(varchar('value')), references(integer('actor_id'), 'actors', 'id', 'CASCADE')],
      [index('addresses_by_actor', 'actor_id')],
    );
    await createTable(
      runner,
      'accounts',
      [
        generated(integer('id')),
        references(integer('actor_id'), 'actors', 'id'),
        ...[varchar('username'), varchar('skeleton'), varchar('email'), varchar('password_hash'), varchar('state'), boolean('is_admin')],
        ...[text('default_audience'), boolean('ask_first'), bigint('created_at'), nullable(bigint('confirmed_at'))],
      ],
      [
        unique('accounts_actor', 'actor_id'),
        unique('accounts_username', 'username'),
        unique('accounts_skeleton', 'skeleton'),
        where(unique('accounts_email', 'email'), "email <> ''"),
      ],
    );
    const ofAccount = references(integer('account_id'), 'accounts', 'id', 'CASCADE');
    await createTable(
      runner,
      'app_passwords',
      [
        ...[generated(integer('id')), ofAccount, varchar('selector'), varchar('label'), varchar('hash'), bigint('created_at')],
        ...[nullable(bigint('last_used_day')), nullable(varchar('last_used_by')), nullable(bigint('revoked_at'))],
      ],
      [unique('app_passwords_selector', 'selector'), index('app_passwords_by_account', 'account_id')],
    );
    await createTable(
      runner,
      'tokens',
      [primary(varchar('hash')), varchar('kind'), ofAccount, text('payload'), bigint('expires_at'), bigint('created_at')],
      [index('tokens_by_account', 'account_id'), index('tokens_by_end', 'expires_at')],
    );
    await createTable(
      runner,
      'sessions',
      [primary(varchar('id_hash')), nullable(ofAccount), text('data'), bigint('expires_at')],
      [index('sessions_by_account', 'account_id'), index('sessions_by_end', 'expires_at')],
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, 'sessions', 'tokens', 'app_passwords', 'accounts', 'addresses', 'actors');
  }
}
