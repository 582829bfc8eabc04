import type { Db, Tx } from './database.js';
import { actorColumns, toActor } from './actors.js';
import type { Actor } from '../domain/actor.js';
import { table } from './rows.js';
import { type OwnerAddress, OwnerAddressSchema } from './schema/social.js';

export type { OwnerAddress };

const rows = table<OwnerAddress>(OwnerAddressSchema);

/** The person of the active account for which this bare JID speaks by a link, or null. */
export async function findLinkedOwner(db: Db, jid: string): Promise<Actor | null> {
  const found = await db.query(
    `select ${actorColumns('a')} from owner_addresses o join actors a on a.id = o.actor_id join accounts c on c.actor_id = a.id
     where o.jid = ? and o.state = 'linked' and c.state = 'active'`,
    [jid],
  );
  return found[0] ? toActor(found[0]) : null;
}

export const findOwnerAddress = (db: Db, actorId: number, jid: string): Promise<OwnerAddress | null> => rows.find(db, { actorId, jid });
export const listOwnerAddresses = (db: Db, actorId: number): Promise<OwnerAddress[]> => rows.select(db, { actorId }, 'order by jid');

/** @throws DomainError conflict when it is linked with another account */
export async function saveOwnerAddress(tx: Tx, address: OwnerAddress): Promise<void> {
  await rows.upsert(tx, address, ['actorId', 'jid']);
}

/** Takes the address away, with all that it has as an owner: what it subscribed to, it may not see as a stranger. */
export async function deleteOwnerAddress(tx: Tx, actorId: number, jid: string): Promise<boolean> {
  await tx.query('delete from subscriptions where jid = ? and person_id = ?', [jid, actorId]);
  await tx.query('delete from presence_legs where jid = ? and person_id = ?', [jid, actorId]);
  await tx.query('delete from sources where jid = ? and actor_id = ?', [jid, actorId]);
  return (await rows.remove(tx, { actorId, jid })) > 0;
}

/** Addresses that never answered in time. */
export async function deleteUnanswered(tx: Tx, before: number): Promise<void> {
  await tx.query("delete from owner_addresses where state = 'asked' and expires_at < ?", [before]);
}
