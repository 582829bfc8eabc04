import { EntitySchema } from 'typeorm';
import type { Address } from '../../domain/actor.js';
import { type Columns, flag, id, integer, key, text, varchar } from './columns.js';

export interface ActorRow {
  id: number;
  isLocal: boolean;
  username: string;
  domain: string;
  displayName: string;
  summary: string;
}

export const ActorSchema = new EntitySchema<ActorRow>({
  name: 'Actor',
  tableName: 'actors',
  columns: { id, isLocal: flag, username: varchar, domain: varchar, displayName: varchar, summary: text } satisfies Columns<ActorRow>,
  indices: [{ name: 'actors_by_handle', columns: ['username', 'domain'] }],
});

export interface AddressRow extends Address {
  actorId: number;
}

export const AddressSchema = new EntitySchema<AddressRow>({
  name: 'Address',
  tableName: 'addresses',
  columns: {
    protocol: key,
    value: key,
    actorId: { ...integer, foreignKey: { target: 'Actor', onDelete: 'CASCADE' } },
  } satisfies Columns<AddressRow>,
  indices: [{ name: 'addresses_by_actor', columns: ['actorId'] }],
});
