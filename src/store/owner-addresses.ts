import type { Db, Tx } from './database.js';
import { actorColumns, toActor } from './actors.js';
import type { Actor } from '../domain/actor.js';
import { table } from './rows.js';
import { type OwnerAddress, OwnerAddressSchema } from './schema/social.js';

export type { OwnerAddress };

const rows = table<OwnerAddress>(OwnerAddressSchema);

const LINKED = `owner_addresses o join actors a on a.id = o.actor_id join accounts c on c.actor_id = a.id
     where o.jid = ? and o.state = 'linked' and c.state = 'active'`;

/** Does this bare JID speak for an active account by a link? */
export const isLinked = async (db: Db, jid: string): Promise<boolean> => (await db.query(`select 1 from ${LINKED}`, [jid])).length > 0;

/** Who speaks by this bare JID: the person of the active account with which it is linked, else whoever bears it; null: nobody known. */
export async function findSpeaker(db: Db, jid: string): Promise<Actor | null> {
  const found = await db.query(
    `select ${actorColumns('a')}, 0 as place from ${LINKED}
     union all select ${actorColumns('a')}, 1 from addresses d join actors a on a.id = d.actor_id where d.protocol = 'xmpp' and d.value = ?
     order by place limit 1`,
    [jid, jid],
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
