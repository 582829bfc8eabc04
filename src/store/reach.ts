import type { Guid } from '../domain/guid.js';
import { VIEWER, viewerParam, visibleSql, WITH_VIEWER } from './access.js';
import type { Db } from './database.js';

/**
 * The people whom the author has added and who can see the post now, in the order of their adding. By the one access check, asked here for
 * the person of each row. Empty when the post is somebody else's.
 */
export async function listWhoSee(db: Db, authorId: number, guid: Guid): Promise<number[]> {
  const rows = await db.query<{ id: number }>(
    `${WITH_VIEWER} select r.other_id as id from posts p join relationships r on r.actor_id = p.author_id
     where p.guid = ? and p.author_id = ${VIEWER} and r.added_at is not null and ${visibleSql('p', 'r.other_id')} order by r.added_at, r.other_id`,
    [viewerParam({ actorId: authorId }), guid],
  );
  return rows.map(({ id }) => id);
}
