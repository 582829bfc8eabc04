import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { type Aspect, type AspectMember, AspectMemberSchema, AspectSchema } from './schema/posts.js';

export type { Aspect, AspectMember };

const aspects = table<Aspect>(AspectSchema);
const members = table<AspectMember>(AspectMemberSchema);

/** @throws DomainError conflict when the owner has one of this name */
export const insertAspect = async (tx: Tx, aspect: Omit<Aspect, 'id'>): Promise<Aspect> => (await aspects.insert(tx, aspect))!;

/** @param ownerId an actor */
export const listAspects = (db: Db, ownerId: number): Promise<Aspect[]> => aspects.select(db, { ownerId }, 'order by name');

/** `since`: from when on its posts are seen. A member keeps the time he has; set back on purpose by removing and adding. */
export async function addAspectMember(tx: Tx, member: AspectMember): Promise<void> {
  await members.insert(tx, member, 'on conflict (aspect_id, actor_id) do nothing');
}

export async function removeAspectMember(tx: Tx, aspectId: number, actorId: number): Promise<void> {
  await members.remove(tx, { aspectId, actorId });
}

/** Takes a person out of all aspects of the owner. */
export async function leaveAspects(tx: Tx, ownerId: number, actorId: number): Promise<void> {
  await tx.query('delete from aspect_members where actor_id = ? and aspect_id in (select id from aspects where owner_id = ?)', [actorId, ownerId]);
}
