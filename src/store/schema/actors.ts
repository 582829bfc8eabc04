import { EntitySchema } from 'typeorm';
import type { Address } from '../../domain/actor.js';
import { type Columns, flag, id, integer, key, nullable, text, varchar } from './columns.js';

export interface ActorRow {
  id: number;
  isLocal: boolean;
  username: string;
  domain: string;
  displayName: string;
  summary: string;
  avatar: string | null;
  banner: string | null;
}

export const ActorSchema = new EntitySchema<ActorRow>({
  name: 'Actor',
  tableName: 'actors',
  columns: { id, isLocal: flag, username: varchar, domain: varchar, displayName: varchar, summary: text, avatar: nullable(varchar), banner: nullable(varchar) } satisfies Columns<ActorRow>,
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
