import type { EntitySchema } from 'typeorm';
import type { Dialect } from '../database.js';
import { AccountSchema, AppPasswordSchema, ChatChangeSchema, SessionSchema, TokenSchema } from './accounts.js';
import { ActorSchema, AddressSchema } from './actors.js';
import { jobSchemas } from './jobs.js';
import { ActivitySchema, DeliverySchema, PausedHostSchema } from './ledger.js';
import { AspectMemberSchema, AspectSchema, PostAspectSchema, PostSchema } from './posts.js';
import { socialSchemas } from './social.js';
import { LeaseSchema, LimitSchema } from './processes.js';
import { remoteSchemas } from './remote.js';
import { LegSchema, RelationshipSchema, SubscriptionSchema } from './relationships.js';

/** All tables. */
export const schemas = (dialect: Dialect): EntitySchema[] =>
  [
    ...[ActorSchema, AddressSchema, AccountSchema, AppPasswordSchema, TokenSchema, SessionSchema, ChatChangeSchema],
    ...[PostSchema, AspectSchema, AspectMemberSchema, PostAspectSchema, RelationshipSchema, LegSchema, SubscriptionSchema],
    ...[ActivitySchema, DeliverySchema, PausedHostSchema, ...jobSchemas(dialect)],
    ...socialSchemas,
    ...[LimitSchema, LeaseSchema],
    ...remoteSchemas,
  ] as EntitySchema[];
