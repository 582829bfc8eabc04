import { EntitySchema } from 'typeorm';
import { type Columns, integer, key, nullable, text, time, varchar } from './columns.js';

/** What disco#info said of a node elsewhere. `model`: pubsub#access_model, '' when it says none. */
export interface NodeAccess {
  service: string;
  node: string;
  model: string;
  askedAt: number;
}

export const NodeAccessSchema = new EntitySchema<NodeAccess>({
  name: 'NodeAccess',
  tableName: 'node_access',
  columns: { service: key, node: key, model: varchar, askedAt: time } satisfies Columns<NodeAccess>,
});

/** When a person of another server was last asked about themselves, and what came of it. `endedAt` null or before `askedAt`: it is still going on. */
export interface PersonFetch {
  actorId: number;
  askedAt: number;
  endedAt: number | null;
  /** A sentence for people; null: it went well. */
  error: string | null;
}

export const PersonFetchSchema = new EntitySchema<PersonFetch>({
  name: 'PersonFetch',
  tableName: 'person_fetches',
  columns: { actorId: { ...integer, primary: true, foreignKey: { target: 'Actor', onDelete: 'CASCADE' } }, askedAt: time, endedAt: nullable(time), error: nullable(text) } satisfies Columns<PersonFetch>,
});

/** Which picture of someone elsewhere is here: SHA-1 of its bytes as their server has them, small hex; '' for none. Ours are smaller, and have another. */
export interface RemotePicture {
  actorId: number;
  picture: string;
}

export const RemotePictureSchema = new EntitySchema<RemotePicture>({
  name: 'RemotePicture',
  tableName: 'remote_pictures',
  columns: { actorId: { ...integer, primary: true, foreignKey: { target: 'Actor', onDelete: 'CASCADE' } }, picture: varchar } satisfies Columns<RemotePicture>,
});

export const remoteSchemas = [NodeAccessSchema, PersonFetchSchema, RemotePictureSchema];
