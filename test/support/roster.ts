import type { Actor } from '../../src/domain/actor.js';
import { noRelationship, type Relationship } from '../../src/domain/relationship.js';
import { actorColumns, toActor } from '../../src/store/actors.js';
import type { Store } from '../../src/store/database.js';
import { table } from '../../src/store/rows.js';
import { ActorSchema, AddressSchema } from '../../src/store/schema/actors.js';
import { RelationshipSchema } from '../../src/store/schema/relationships.js';

const SERVER = 'many.example';

/** Many people of one server, `PREFIX0@many.example` and so on, and what stands between someone and each of them. In few statements. */
export const makeRoster = (store: Store, actorId: number, prefix: string, count: number, stands: (at: number) => Partial<Relationship>): Promise<Actor[]> =>
  store.transaction(async (tx) => {
    const names = Array.from({ length: count }, (_, at) => `${prefix}${at}`);
    await table(ActorSchema).insertAll(tx, names.map((username) => ({ username, domain: SERVER, isLocal: false, displayName: '', summary: '' })));
    const rows = await tx.query(`select ${actorColumns('a')} from actors a where a.domain = ? order by a.id desc limit ?`, [SERVER, count]);
    const people = rows.map(toActor).reverse();
    await table(AddressSchema).insertAll(tx, people.map(({ id, username }) => ({ actorId: id, protocol: 'xmpp', value: `${username}@${SERVER}` })));
    await table(RelationshipSchema).insertAll(tx, people.map(({ id }, at) => ({ ...noRelationship(actorId, id), ...stands(at) })));
    return people;
  });
