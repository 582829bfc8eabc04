import type { MigrationInterface, QueryRunner } from 'typeorm';
import { bigint, createTable, dropTables, generated, index, integer, nullable, primary, references, text, unique, varchar, where } from './columns.js';

const ofActor = (name = 'actor_id') => references(integer(name), 'actors', 'id', 'CASCADE');
const ofPost = () => references(varchar('post_guid'), 'posts', 'guid', 'CASCADE');

/** New columns of tables that are there: all may be null, so that both databases add them without touching a row. */
const COLUMNS: [table: string, column: string, type: string][] = [
  ['posts', 'reshare_of', 'varchar'],
  ['relationships', 'muted_at', 'bigint'],
  ['activities', 'comment_guid', 'varchar'],
  ['actors', 'avatar', 'varchar'],
  ['actors', 'banner', 'varchar'],
  ['accounts', 'notification_mail', 'text'],
];

/** Comments, likes, reshares, tags, notifications, pictures, and what comes from people on other servers. */
export class Social1763712000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const [table, column, type] of COLUMNS) await runner.query(`alter table ${table} add column ${column} ${type}`);
    await runner.query('create index posts_by_root on posts (reshare_of, author_id) where reshare_of is not null');
    await runner.query("create index accounts_inactive on accounts (actor_id) where state <> 'active'");
    await createTable(
      runner,
      'comments',
      [
        ...[primary(varchar('guid')), ofPost(), references(integer('author_id'), 'actors', 'id'), varchar('item_id')],
        ...[text('markdown'), text('html'), bigint('created_at'), nullable(bigint('edited_at')), nullable(bigint('deleted_at')), nullable(varchar('once'))],
      ],
      [
        ...[index('comments_by_post', 'post_guid', 'guid', 'deleted_at', 'author_id'), unique('comments_item', 'post_guid', 'item_id'), index('comments_by_author', 'author_id', 'guid')],
        where(unique('comments_once', 'author_id', 'once'), 'once is not null'),
      ],
    );
    await createTable(runner, 'likes', [primary(ofPost()), primary(ofActor()), nullable(varchar('item_id')), bigint('created_at')], [index('likes_by_actor', 'actor_id', 'created_at')]);
    await createTable(runner, 'post_attachments', [primary(ofPost()), primary(ofActor()), nullable(text('known')), nullable(text('others')), bigint('updated_at')]);
    await createTable(runner, 'post_tags', [primary(varchar('tag')), primary(ofPost())], [index('post_tags_by_post', 'post_guid')]);
    await createTable(
      runner,
      'post_origins',
      [
        ...[primary(ofPost()), varchar('protocol'), varchar('service'), varchar('node'), varchar('item_id'), bigint('updated_at')],
        ...[nullable(varchar('comments_service')), nullable(varchar('comments_node'))],
      ],
      [unique('post_origins_item', 'service', 'node', 'item_id'), where(index('post_origins_comments', 'comments_service', 'comments_node'), 'comments_node is not null')],
    );
    await createTable(runner, 'post_recipients', [primary(ofPost()), primary(ofActor())], [index('post_recipients_by_actor', 'actor_id')]);
    await createTable(runner, 'retracted_items', [primary(varchar('service')), primary(varchar('node')), primary(varchar('item_id')), bigint('at')]);
    await createTable(
      runner,
      'followed_feeds',
      [primary(ofActor()), primary(varchar('service')), primary(varchar('node')), ofActor('person_id'), varchar('state'), nullable(varchar('subid')), nullable(bigint('caught_up_at'))],
      [index('followed_feeds_by_service', 'service', 'node'), index('followed_feeds_by_person', 'person_id')],
    );
    await createTable(
      runner,
      'notifications',
      [
        ...[generated(integer('id')), ofActor('owner_id'), varchar('kind'), ofActor('by_id'), nullable(ofPost()), nullable(varchar('comment_guid'))],
        ...[bigint('created_at'), nullable(bigint('read_at')), nullable(bigint('mailed_at')), varchar('key')],
      ],
      [
        ...[index('notifications_of', 'owner_id', 'id'), unique('notifications_key', 'owner_id', 'key'), index('notifications_by_post', 'post_guid')],
        where(index('notifications_unmailed', 'owner_id', 'created_at'), 'mailed_at is null'),
      ],
    );
    await createTable(
      runner,
      'owner_addresses',
      [primary(ofActor()), primary(varchar('jid')), varchar('state'), integer('attempts'), nullable(varchar('error')), nullable(bigint('expires_at')), bigint('created_at')],
      [where(unique('owner_addresses_linked', 'jid'), "state = 'linked'")],
    );
    await createTable(runner, 'sources', [primary(varchar('jid')), ofActor(), bigint('since')], [index('sources_by_actor', 'actor_id')]);
    await createTable(
      runner,
      'media',
      [primary(varchar('id')), primary(ofActor()), varchar('kind'), varchar('mime'), integer('width'), integer('height'), integer('bytes'), bigint('created_at')],
      [index('media_by_actor', 'actor_id')],
    );
    await tagPosts(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, 'media', 'sources', 'owner_addresses', 'notifications', 'followed_feeds', 'retracted_items', 'post_recipients', 'post_origins', 'post_tags', 'post_attachments', 'likes', 'comments');
    await runner.query('drop index accounts_inactive');
    await runner.query('drop index posts_by_root');
    for (const [table, column] of COLUMNS) await runner.query(`alter table ${table} drop column ${column}`);
  }
}

/** The tags of the posts that are there, page by page. */
async function tagPosts(runner: QueryRunner): Promise<void> {
  const isPostgres = runner.connection.options.type === 'postgres';
  const mark = (n: number) => (isPostgres ? `$${n}` : '?');
  for (let after = ''; ; ) {
    const rows: { guid: string; tags: string }[] = await runner.query(`select guid, tags from posts where guid > ${mark(1)} and tags <> '[]' order by guid limit 500`, [after]);
    for (const { guid, tags } of rows) {
      for (const tag of new Set(JSON.parse(tags) as string[])) await runner.query(`insert into post_tags (tag, post_guid) values (${mark(1)}, ${mark(2)})`, [tag, guid]);
    }
    if (rows.length < 500) return;
    after = rows.at(-1)!.guid;
  }
}
