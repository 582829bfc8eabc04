import type { Actor, Address, Profile } from '../domain/actor.js';
import type { ProtocolName } from '../domain/actor.js';
import type { Db, Tx } from './database.js';
import { marks, table } from './rows.js';
import { type ActorRow, ActorSchema, type AddressRow, AddressSchema } from './schema/actors.js';

const actors = table<ActorRow>(ActorSchema);
const addresses = table<AddressRow>(AddressSchema);

/** The columns of `alias` that toActor reads. */
export const actorColumns = (alias: string): string => actors.columns(alias);

export function toActor(row: Record<string, unknown>): Actor {
  const { id, isLocal, username, domain, displayName, summary, avatar, banner } = actors.read(row);
  return { id, isLocal, username, domain, profile: { displayName, summary, avatar, banner } };
}

async function selectActors(db: Db, rest: string, params: unknown[]): Promise<Actor[]> {
  return (await db.query(`select ${actorColumns('a')} from actors a ${rest}`, params)).map(toActor);
}

export const findActor = async (db: Db, id: number): Promise<Actor | null> => (await selectActors(db, 'where a.id = ?', [id]))[0] ?? null;

export async function findActors(db: Db, ids: readonly number[]): Promise<Map<number, Actor>> {
  if (ids.length === 0) return new Map();
  const found = await selectActors(db, `where a.id in (${marks(ids.length)})`, [...ids]);
  return new Map(found.map((actor) => [actor.id, actor]));
}

/**
 * Whoever bears the address, in whatever state their account is.
 * @param value xmpp: a bare JID, normalised
 */
export async function findActorByAddress(db: Db, protocol: ProtocolName, value: string): Promise<Actor | null> {
  const found = await selectActors(db, 'join addresses d on d.actor_id = a.id where d.protocol = ? and d.value = ?', [protocol, value]);
  return found[0] ?? null;
}

/** Whoever bear these addresses, by them. */
export async function findActorsByAddress(db: Db, protocol: ProtocolName, values: readonly string[]): Promise<Map<string, Actor>> {
  const [isOne, list] = db.dialect === 'postgres' ? ['= any(?)', values] : ['in (select value from json_each(?))', JSON.stringify(values)];
  const rows = await db.query<{ address: string }>(`select ${actorColumns('a')}, d.value as address from actors a join addresses d on d.actor_id = a.id where d.protocol = ? and d.value ${isOne}`, [protocol, list]);
  return new Map(rows.map((row) => [row.address, toActor(row)]));
}

/** The person of an active account. */
export async function findLocalActor(db: Db, username: string): Promise<Actor | null> {
  const found = await selectActors(db, "join accounts c on c.actor_id = a.id where c.username = ? and c.state = 'active'", [username]);
  return found[0] ?? null;
}

async function insertActor(tx: Tx, actor: Pick<Actor, 'isLocal' | 'username' | 'domain'>): Promise<Actor> {
  const row = await actors.insert(tx, { ...actor, displayName: '', summary: '' });
  return { ...actor, id: row!.id, profile: { displayName: '', summary: '', avatar: null, banner: null } };
}

/**
 * A new person of ours, with the XMPP address `username@domain`.
 * @throws DomainError conflict when the address is taken
 */
export async function insertLocalActor(tx: Tx, { username, domain }: { username: string; domain: string }): Promise<Actor> {
  const actor = await insertActor(tx, { isLocal: true, username, domain });
  await addresses.insert(tx, { actorId: actor.id, protocol: 'xmpp', value: `${username}@${domain}` });
  return actor;
}

/** The person with this address, made when not yet known. May be one of ours. */
export async function upsertRemoteActor(tx: Tx, { username, domain, address }: { username: string; domain: string; address: Address }): Promise<Actor> {
  const known = await findActorByAddress(tx, address.protocol, address.value);
  if (known) return known;
  const actor = await insertActor(tx, { isLocal: false, username, domain });
  const taken = await addresses.insert(tx, { ...address, actorId: actor.id }, 'on conflict (protocol, value) do nothing');
  if (taken) return actor;
  // Another transaction was quicker (PostgreSQL): its row can be seen now.
  await actors.remove(tx, { id: actor.id });
  return (await findActorByAddress(tx, address.protocol, address.value))!;
}

export const addressesOf = async (db: Db, actorId: number): Promise<Address[]> =>
  (await addresses.select(db, { actorId }, 'order by protocol, value')).map(({ protocol, value }) => ({ protocol, value }));

export async function updateProfile(tx: Tx, actorId: number, profile: Partial<Profile>): Promise<void> {
  await actors.update(tx, { id: actorId }, profile);
}

/** For people who never were there for others: an account that was not confirmed. */
export async function deleteActor(tx: Tx, id: number): Promise<void> {
  await actors.remove(tx, { id });
}
