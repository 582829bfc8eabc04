import type { Db, Tx } from './database.js';
import { marks, table } from './rows.js';
import { type Aspect, type AspectMember, AspectMemberSchema, AspectSchema } from './schema/posts.js';

export type { Aspect, AspectMember };

const aspects = table<Aspect>(AspectSchema);
const members = table<AspectMember>(AspectMemberSchema);

/**
 * Until the end of the transaction nobody else changes the aspects of this owner: rules on all of them together (their number, their names
 * without case) can be checked. SQLite runs one transaction at a time anyway.
 */
export async function lockAspects(tx: Tx, ownerId: number): Promise<void> {
  if (tx.dialect === 'postgres') await tx.query('select 1 from actors where id = ? for no key update', [ownerId]);
}

/** @throws DomainError conflict when the owner has one of this name */
export const insertAspect = async (tx: Tx, aspect: Omit<Aspect, 'id'>): Promise<Aspect> => (await aspects.insert(tx, aspect))!;

/** @param ownerId an actor */
export const listAspects = (db: Db, ownerId: number): Promise<Aspect[]> => aspects.select(db, { ownerId }, 'order by name');

export const findAspect = (db: Db, ownerId: number, id: number): Promise<Aspect | null> => aspects.find(db, { ownerId, id });

/** @throws DomainError conflict when the owner has one of this name */
export async function renameAspect(tx: Tx, id: number, name: string): Promise<void> {
  await aspects.update(tx, { id }, { name });
}

/** Its members leave it and its posts lose it: they are seen by fewer, never by more. */
export async function removeAspect(tx: Tx, ownerId: number, id: number): Promise<void> {
  await aspects.remove(tx, { ownerId, id });
}

/** `since`: from when on its posts are seen. A member keeps the time he has, unless the new one lies further back. */
export async function addAspectMember(tx: Tx, member: AspectMember): Promise<void> {
  const earlier = 'case when excluded.since < aspect_members.since then excluded.since else aspect_members.since end';
  await members.insert(tx, member, `on conflict (aspect_id, actor_id) do update set since = ${earlier}`);
}

export async function removeAspectMember(tx: Tx, aspectId: number, actorId: number): Promise<void> {
  await members.remove(tx, { aspectId, actorId });
}

/** Takes a person out of all aspects of the owner. */
export async function leaveAspects(tx: Tx, ownerId: number, actorId: number): Promise<void> {
  await tx.query('delete from aspect_members where actor_id = ? and aspect_id in (select id from aspects where owner_id = ?)', [actorId, ownerId]);
}

/** The owner's aspects that this person is in. */
export const aspectsOfMember = async (db: Db, ownerId: number, actorId: number): Promise<number[]> =>
  (
    await db.query<{ aspect_id: number }>('select m.aspect_id from aspect_members m join aspects a on a.id = m.aspect_id where a.owner_id = ? and m.actor_id = ?', [ownerId, actorId])
  ).map((row) => row.aspect_id);

/** Of each of the people that is in some: the owner's aspects. */
export async function aspectsOfMembers(db: Db, ownerId: number, actorIds: readonly number[]): Promise<Map<number, number[]>> {
  const [isOne, list] = db.dialect === 'postgres' ? ['= any(?)', actorIds] : ['in (select value from json_each(?))', JSON.stringify(actorIds)];
  const rows = await db.query<{ aspect_id: number; actor_id: number }>(
    `select m.aspect_id, m.actor_id from aspect_members m join aspects a on a.id = m.aspect_id where a.owner_id = ? and m.actor_id ${isOne}`,
    [ownerId, list],
  );
  const found = new Map<number, number[]>();
  for (const { actor_id, aspect_id } of rows) found.set(actor_id, [...(found.get(actor_id) ?? []), aspect_id]);
  return found;
}

/** How many people are in each of the owner's aspects that has some. */
export async function countMembers(db: Db, ownerId: number): Promise<Map<number, number>> {
  const rows = await db.query<{ id: number; n: number }>(
    'select a.id, count(*) as n from aspects a join aspect_members m on m.aspect_id = a.id where a.owner_id = ? group by a.id',
    [ownerId],
  );
  return new Map(rows.map(({ id, n }) => [id, n]));
}

/** How many posts, tombstones not counted, were for this aspect; and how many of them for no other. */
export async function countAspectPosts(db: Db, id: number): Promise<{ all: number; alone: number }> {
  const rows = await db.query<{ n: number; alone: number }>(
    `select count(*) as n, coalesce(sum(case when exists (select 1 from post_aspects o where o.post_guid = pa.post_guid and o.aspect_id <> pa.aspect_id) then 0 else 1 end), 0) as alone
     from post_aspects pa join posts p on p.guid = pa.post_guid where pa.aspect_id = ? and p.deleted_at is null`,
    [id],
  );
  return { all: Number(rows[0]!.n), alone: Number(rows[0]!.alone) };
}

/** Those of the ids that are aspects of this owner. */
export async function ownAspects(db: Db, ownerId: number, ids: readonly number[]): Promise<Aspect[]> {
  if (ids.length === 0) return [];
  const rows = await db.query(`select ${aspects.columns('a')} from aspects a where a.owner_id = ? and a.id in (${marks(ids.length)}) order by a.name`, [ownerId, ...ids]);
  return rows.map(aspects.read);
}
