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

/** The actor's relationships, by the handle of the other. @param of.asked only with those who wait for an answer */
export async function listRelationships(db: Db, actorId: number, of: { asked?: true } = {}): Promise<{ relationship: Relationship; other: Actor }[]> {
  const rows = await db.query(
    `select ${actorColumns('a')}, ${relationships.columns('r')} from relationships r join actors a on a.id = r.other_id
     where r.actor_id = ? ${of.asked ? "and r.follower = 'asked'" : ''} order by a.username, a.domain`,
    [actorId],
  );
  return rows.map((row) => ({ relationship: relationships.read(row), other: toActor(row) }));
}

async function count(db: Db, actorId: number, condition: string): Promise<number> {
  const rows = await db.query<{ n: number }>(`select count(*) as n from relationships where actor_id = ? and ${condition}`, [actorId]);
  return rows[0]!.n;
}

export const countContacts = (db: Db, actorId: number): Promise<number> => count(db, actorId, 'added_at is not null');
export const countFollowers = (db: Db, actorId: number): Promise<number> => count(db, actorId, "follower = 'on'");
