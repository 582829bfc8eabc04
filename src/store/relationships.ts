import type { Actor } from '../domain/actor.js';
import { isEmpty, noRelationship, type Relationship } from '../domain/relationship.js';
import { actorColumns, toActor } from './actors.js';
import { leaveAspects } from './aspects.js';
import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { RelationshipSchema } from './schema/relationships.js';

const relationships = table<Relationship>(RelationshipSchema);

/** What stands between the two; `noRelationship` when there is nothing. */
export const findRelationship = async (db: Db, actorId: number, otherId: number): Promise<Relationship> =>
  (await relationships.find(db, { actorId, otherId })) ?? noRelationship(actorId, otherId);

/** What stands between someone and each of the others, by their ids; missing: nothing. */
export async function findRelationships(db: Db, actorId: number, otherIds: readonly number[]): Promise<Map<number, Relationship>> {
  const [isOne, list] = db.dialect === 'postgres' ? ['= any(?)', otherIds] : ['in (select value from json_each(?))', JSON.stringify(otherIds)];
  const rows = await db.query(`select ${relationships.columns()} from relationships where actor_id = ? and other_id ${isOne}`, [actorId, list]);
  return new Map(rows.map((row) => relationships.read(row)).map((relationship) => [relationship.otherId, relationship]));
}

/** Stores it, or removes the row when it says nothing any more. Who is no longer a contact is in no aspect either. */
export async function saveRelationship(tx: Tx, relationship: Relationship): Promise<void> {
  const { actorId, otherId } = relationship;
  if (relationship.addedAt === null) await leaveAspects(tx, actorId, otherId);
  if (isEmpty(relationship)) await relationships.remove(tx, { actorId, otherId });
  else await relationships.upsert(tx, relationship, ['actorId', 'otherId']);
}

/** Each has its index. */
const IS = {
  contacts: 'r.added_at is not null',
  requests: "r.follower = 'asked'",
  followers: "r.follower = 'on'",
  refused: "r.follower = 'refused'",
  blocked: 'r.blocked_at is not null',
  muted: 'r.muted_at is not null',
};
/** Which of the people with whom something stands. A number: those contacts who are in this aspect. */
export type Circle = keyof typeof IS | number;
export const CIRCLES = Object.keys(IS) as (keyof typeof IS)[];
const IN_ASPECT = 'exists (select 1 from aspect_members m where m.aspect_id = ? and m.actor_id = r.other_id)';

/**
 * A page of the actor's relationships. Whom the actor chose is listed by handle. Those who chose the actor can be any number, so they come in the
 * order of an index: who became known here last is first.
 * @param page.outside none of those who are in this aspect
 * @param page.after the other of the last one of the page before
 */
export async function listRelationships(
  db: Db,
  actorId: number,
  circle: Circle,
  { outside, after, limit }: { outside?: number | undefined; after?: number | undefined; limit: number },
): Promise<{ relationship: Relationship; other: Actor }[]> {
  const isNewestFirst = circle === 'requests' || circle === 'followers' || circle === 'refused';
  const order = isNewestFirst ? 'r.other_id desc' : 'a.username, a.domain, a.id';
  const beyond = isNewestFirst ? 'r.other_id < ?' : '(a.username, a.domain, a.id) > (select l.username, l.domain, l.id from actors l where l.id = ?)';
  const conditions: [string, number | undefined][] = [
    ['r.actor_id = ?', actorId],
    [IN_ASPECT, typeof circle === 'number' ? circle : undefined],
    [`not ${IN_ASPECT}`, outside],
    [beyond, after],
  ];
  const given = conditions.filter(([, value]) => value !== undefined);
  const rows = await db.query(
    `select ${actorColumns('a')}, ${relationships.columns('r')} from relationships r join actors a on a.id = r.other_id
     where ${given.map(([sql]) => sql).join(' and ')} and ${IS[typeof circle === 'number' ? 'contacts' : circle]} order by ${order} limit ?`,
    [...given.map(([, value]) => value), limit],
  );
  return rows.map((row) => ({ relationship: relationships.read(row), other: toActor(row) }));
}

/** How many there are in a circle that is no aspect. */
export async function countRelationships(db: Db, actorId: number, circle: keyof typeof IS): Promise<number> {
  const rows = await db.query<{ n: number }>(`select count(*) as n from relationships r where r.actor_id = ? and ${IS[circle]}`, [actorId]);
  return rows[0]!.n;
}

export const countContacts = (db: Db, actorId: number): Promise<number> => countRelationships(db, actorId, 'contacts');
export const countFollowers = (db: Db, actorId: number): Promise<number> => countRelationships(db, actorId, 'followers');
