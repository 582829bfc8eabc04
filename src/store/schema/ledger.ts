import { EntitySchema } from 'typeorm';
import type { Activity } from '../../domain/activity.js';
import type { Guid } from '../../domain/guid.js';
import type { ProtocolName } from '../../domain/actor.js';
import { type Columns, integer, key, nullable, text, time, varchar } from './columns.js';

export const ActivitySchema = new EntitySchema<Activity>({
  name: 'Activity',
  tableName: 'activities',
  columns: {
    id: key,
    actorId: { ...integer, foreignKey: { target: 'Actor' } },
    verb: varchar,
    postGuid: { ...varchar, foreignKey: { target: 'Post' } },
    publishedAt: time,
    commentGuid: nullable(varchar),
  } satisfies Columns<Activity>,
  indices: [
    { name: 'activities_by_post', columns: ['postGuid', 'id'] },
    { name: 'activities_by_actor', columns: ['actorId', 'id'] },
  ],
});

/** failed: will be tried again; given-up: will not. */
export type DeliveryState = 'waiting' | 'arrived' | 'failed' | 'given-up';

/** One line of the ledger: an activity on its way to one server. `at`: when `state` was set. */
export interface Delivery {
  activityId: Guid;
  protocol: ProtocolName;
  host: string;
  state: DeliveryState;
  recipients: number | null;
  error: string | null;
  at: number;
}

export const DeliverySchema = new EntitySchema<Delivery>({
  name: 'Delivery',
  tableName: 'deliveries',
  columns: {
    activityId: { ...key, foreignKey: { target: 'Activity', onDelete: 'CASCADE' } },
    protocol: key,
    host: key,
    state: varchar,
    recipients: nullable(integer),
    error: nullable(text),
    at: time,
  } satisfies Columns<Delivery>,
});
