import { EntitySchema } from 'typeorm';
import type { Guid } from '../../domain/guid.js';
import type { Relationship } from '../../domain/relationship.js';
import { type Columns, flag, integer, key, nullable, time, varchar } from './columns.js';

const ofActor = { ...integer, foreignKey: { target: 'Actor', onDelete: 'CASCADE' } } as const;

export const RelationshipSchema = new EntitySchema<Relationship>({
  name: 'Relationship',
  tableName: 'relationships',
  columns: {
    actorId: { ...ofActor, primary: true },
    otherId: { ...ofActor, primary: true },
    follower: varchar,
    following: varchar,
    addedAt: nullable(time),
    blockedAt: nullable(time),
    mutedAt: nullable(time),
  } satisfies Columns<Relationship>,
  indices: [
    { name: 'relationships_by_other', columns: ['otherId'] },
    // Others can make someone's followers and requests many: neither may be read to find the few that one chose oneself. Both,
    // and contacts, are counted in these: with each post that is made, too.
    { name: 'relationships_by_follower', columns: ['actorId', 'follower', 'otherId'] },
    { name: 'relationships_contacts', columns: ['actorId', 'otherId'], where: 'added_at is not null' },
    { name: 'relationships_followed', columns: ['actorId', 'otherId', 'mutedAt'], where: "following = 'on'" },
    { name: 'relationships_muted', columns: ['actorId', 'otherId'], where: 'muted_at is not null' },
    // Few: the access check asks for all of them that the viewer has to do with.
    { name: 'relationships_blocked', columns: ['actorId', 'otherId'], where: 'blocked_at is not null' },
    { name: 'relationships_blocked_by', columns: ['otherId', 'actorId'], where: 'blocked_at is not null' },
  ],
});

/**
 * What stands on the wire between a local actor and one bare JID of a person: RFC 6121 §3 in both directions.
 * inbound: they to us; outbound: we to them. `capsOnly`: our subscription serves only to learn their caps.
 * `lastGuid`: the newest activity that was sent to it, or that it is known to have.
 */
export interface PresenceLeg {
  actorId: number;
  jid: string;
  personId: number;
  inbound: 'none' | 'asked' | 'on';
  outbound: 'none' | 'asked' | 'on' | 'refused';
  capsOnly: boolean;
  lastGuid: Guid | null;
}

/** `host`: the domain part of `jid`, because deliveries go by host. */
export interface LegRow extends PresenceLeg {
  host: string;
}

export const LegSchema = new EntitySchema<LegRow>({
  name: 'PresenceLeg',
  tableName: 'presence_legs',
  columns: {
    actorId: { ...ofActor, primary: true },
    jid: key,
    personId: ofActor,
    host: varchar,
    inbound: varchar,
    outbound: varchar,
    capsOnly: flag,
    lastGuid: nullable(varchar),
  } satisfies Columns<LegRow>,
  indices: [
    { name: 'presence_legs_by_host', columns: ['actorId', 'host', 'jid'] },
    { name: 'presence_legs_by_person', columns: ['personId'] },
  ],
});

/** An explicit pubsub subscription of a bare JID to a node of a local actor. `personId` is null while nobody is known behind the JID. */
export interface PubsubSubscription {
  actorId: number;
  node: string;
  jid: string;
  personId: number | null;
  subid: string;
  state: 'subscribed' | 'pending';
  pausedUntil: number | null;
  createdAt: number;
}

export interface SubscriptionRow extends PubsubSubscription {
  host: string;
}

export const SubscriptionSchema = new EntitySchema<SubscriptionRow>({
  name: 'Subscription',
  tableName: 'subscriptions',
  columns: {
    actorId: { ...ofActor, primary: true },
    node: key,
    jid: key,
    personId: nullable(ofActor),
    host: varchar,
    subid: varchar,
    state: varchar,
    pausedUntil: nullable(time),
    createdAt: time,
  } satisfies Columns<SubscriptionRow>,
  indices: [
    { name: 'subscriptions_by_host', columns: ['actorId', 'host', 'jid', 'node'] },
    { name: 'subscriptions_by_jid', columns: ['jid'] },
    { name: 'subscriptions_by_person', columns: ['personId'] },
  ],
});
