import type { Audience } from '../domain/activity.js';
import type { Guid } from '../domain/guid.js';
import type { Reach } from '../domain/post.js';
import { AUTHOR, visibleSql, WITH_AUTHOR } from './access.js';
import type { Db } from './database.js';
import { countContacts, countFollowers } from './relationships.js';

/** Whom a post for this audience reaches now: one statement, which reads nothing but an index. */
export async function countReach(db: Db, authorId: number, audience: Audience): Promise<Reach> {
  if (audience.to === 'public') return { people: await countFollowers(db, authorId), aspects: [] };
  if (audience.to !== 'aspects') return { people: await countContacts(db, authorId), aspects: [] };
  const [isOne, ids] = db.dialect === 'postgres' ? ['= any(?)', audience.aspectIds] : ['in (select value from json_each(?))', JSON.stringify(audience.aspectIds)];
  const rows = await db.query<{ name: string; people: number }>(
    `select a.name, (select count(distinct m.actor_id) from aspect_members m where m.aspect_id ${isOne}) as people from aspects a where a.owner_id = ? and a.id ${isOne} order by a.name`,
    [ids, authorId, ids],
  );
  return { people: rows[0]?.people ?? 0, aspects: rows.map(({ name }) => name) };
}

/**
 * The people whom the author has added and who can see the post now, in the order of their adding. By the one access check, asked here for
 * the person of each row. Empty when the post is somebody else's.
 */
export async function listWhoSee(db: Db, authorId: number, guid: Guid): Promise<number[]> {
  const rows = await db.query<{ id: number }>(
    `${WITH_AUTHOR} select r.other_id as id from posts p cross join relationships r
     where p.guid = ? and p.author_id = ${AUTHOR} and r.actor_id = ${AUTHOR} and r.added_at is not null and ${visibleSql('p', 'r.other_id', AUTHOR)} order by r.added_at, r.other_id`,
    [authorId, guid],
  );
  return rows.map(({ id }) => id);
}
