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

/** given-up: it is not tried any more, unless somebody asks for it. */
export type DeliveryState = 'waiting' | 'arrived' | 'given-up';

/** One line of the ledger: an activity on its way to one server. `at`: when `state` was set. */
export interface Delivery {
  activityId: Guid;
  protocol: ProtocolName;
  host: string;
  state: DeliveryState;
  recipients: number | null;
  /** Why it has not arrived: a condition of RFC 6120 §8.3.3, one of our own words (services/deliveries.ts), or a sentence. */
  error: string | null;
  at: number;
  /** When it was first tried, or tried anew because somebody asked for it: it is given up 14 days later. */
  since: number;
  /** Tries that failed, and those that came back. */
  tries: number;
  /** To how many of the recipients it came back. */
  refused: number;
  /** The job that was last at work on it: it may be gone. */
  jobId: number | null;
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
    since: { ...time, default: 0 },
    tries: { ...integer, default: 0 },
    refused: { ...integer, default: 0 },
    jobId: nullable(time), // as large as the ids of jobs
  } satisfies Columns<Delivery>,
});

/** A server to which nothing is sent at present: the operator has said so. */
export interface PausedHost {
  host: string;
  since: number;
}

export const PausedHostSchema = new EntitySchema<PausedHost>({
  name: 'PausedHost',
  tableName: 'paused_hosts',
  columns: { host: key, since: time } satisfies Columns<PausedHost>,
});
