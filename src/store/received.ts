import type { Guid } from '../domain/guid.js';
import type { JobKind } from '../domain/job.js';
import type { Db, Tx } from './database.js';
import { marks, table } from './rows.js';
import {
  type FollowedFeed,
  FollowedFeedSchema,
  type PostOrigin,
  PostOriginSchema,
  type RetractedItem,
  RetractedItemSchema,
} from './schema/social.js';
import { type NodeAccess, NodeAccessSchema, type PersonFetch, PersonFetchSchema, type RemotePicture, RemotePictureSchema } from './schema/remote.js';

export type { FollowedFeed, NodeAccess, PersonFetch, PostOrigin };

/** What identifies something on another server: an item of a node of a service (for PEP: a bare JID). */
export interface ItemAddress {
  service: string;
  node: string;
  itemId: string;
}
export type NodeAddress = Omit<ItemAddress, 'itemId'>;

const origins = table<PostOrigin>(PostOriginSchema);
const retracted = table<RetractedItem>(RetractedItemSchema);
const feeds = table<FollowedFeed>(FollowedFeedSchema);
const accesses = table<NodeAccess>(NodeAccessSchema);
const fetches = table<PersonFetch>(PersonFetchSchema);
const pictures = table<RemotePicture>(RemotePictureSchema);

// ── posts from elsewhere ──

export const findOrigin = (db: Db, { service, node, itemId }: ItemAddress): Promise<PostOrigin | null> => origins.find(db, { service, node, itemId });
export const originOf = (db: Db, postGuid: Guid): Promise<PostOrigin | null> => origins.find(db, { postGuid });

/** Of many posts at once, by guid. */
export async function originsOf(db: Db, guids: readonly Guid[]): Promise<Map<Guid, PostOrigin>> {
  if (guids.length === 0) return new Map();
  const rows = await db.query(`select ${origins.columns()} from post_origins where post_guid in (${marks(guids.length)})`, [...guids]);
  return new Map(rows.map((row) => origins.read(row)).map((origin) => [origin.postGuid, origin]));
}

/** The posts whose comments stand in this node. */
export const originsWithComments = (db: Db, commentsService: string, commentsNode: string): Promise<PostOrigin[]> => origins.select(db, { commentsService, commentsNode });

/** @throws DomainError conflict when one of the items is there already */
export const insertOrigins = (tx: Tx, added: readonly PostOrigin[]): Promise<void> => origins.insertAll(tx, added);

/** Those of the items of which nothing is here, and nothing was retracted. */
export function listUnknown(db: Db, items: readonly ItemAddress[]): Promise<ItemAddress[]> {
  const [wanted, params] =
    db.dialect === 'postgres'
      ? ['unnest(?::varchar[], ?::varchar[], ?::varchar[]) as w(service, node, item_id)', [items.map(({ service }) => service), items.map(({ node }) => node), items.map(({ itemId }) => itemId)]]
      : ["(select value ->> 0 as service, value ->> 1 as node, value ->> 2 as item_id from json_each(?)) w", [JSON.stringify(items.map(({ service, node, itemId }) => [service, node, itemId]))]];
  const absent = (name: string) => `not exists (select 1 from ${name} x where x.service = w.service and x.node = w.node and x.item_id = w.item_id)`;
  return db.query<ItemAddress>(`select w.service, w.node, w.item_id as "itemId" from ${wanted} where ${absent('post_origins')} and ${absent('retracted_items')}`, params);
}

export async function updateOrigin(tx: Tx, postGuid: Guid, change: Partial<PostOrigin>): Promise<void> {
  await origins.update(tx, { postGuid }, change);
}

/** Live items of the node, newest first. */
export const liveItems = async (db: Db, { service, node }: NodeAddress, limit: number): Promise<string[]> =>
  (
    await db.query<{ item_id: string }>(
      'select o.item_id from post_origins o join posts p on p.guid = o.post_guid where o.service = ? and o.node = ? and p.deleted_at is null order by o.post_guid desc limit ?',
      [service, node, limit],
    )
  ).map((row) => row.item_id);

/** A post here beside what its service still has. */
export interface ComparedOrigin {
  itemId: string;
  createdAt: number;
  updatedAt: number;
  /** Would its service show it to her, and if not, is that nobody else's matter? */
  isHers: boolean;
}

/** The newest live posts of the node, to be compared with what the service answers to one of ours. */
export async function compareOrigins(db: Db, { service, node }: NodeAddress, actorId: number, limit: number): Promise<ComparedOrigin[]> {
  const rows = await db.query<{ item_id: string; updated_at: number; created_at: number; others: number; hers: number; audience: string }>(
    `select o.item_id, o.updated_at, p.created_at, p.audience,
       (select count(*) from post_recipients r where r.post_guid = p.guid and r.actor_id = ?) as hers,
       (select count(*) from post_recipients r where r.post_guid = p.guid and r.actor_id <> ?) as others
     from post_origins o join posts p on p.guid = o.post_guid
     where o.service = ? and o.node = ? and p.deleted_at is null order by o.post_guid desc limit ?`,
    [actorId, actorId, service, node, limit],
  );
  return rows.map(({ item_id, created_at, updated_at, audience, hers, others }) => ({
    itemId: item_id,
    createdAt: created_at,
    updatedAt: updated_at,
    isHers: audience === 'public' || (Number(hers) > 0 && Number(others) === 0),
  }));
}

/** Audience `people`: one more of ours to whom it was brought. */
export async function addRecipients(tx: Tx, postGuid: Guid, actorIds: readonly number[]): Promise<void> {
  for (const actorId of actorIds) {
    await tx.query('insert into post_recipients (post_guid, actor_id) values (?, ?) on conflict (post_guid, actor_id) do nothing', [postGuid, actorId]);
  }
}

export const isRetracted = async (db: Db, { service, node, itemId }: ItemAddress): Promise<boolean> =>
  (await db.query('select 1 from retracted_items where service = ? and node = ? and item_id = ?', [service, node, itemId])).length > 0;

export async function noteRetracted(tx: Tx, { service, node, itemId }: ItemAddress, at: number): Promise<void> {
  await retracted.insert(tx, { service, node, itemId, at }, 'on conflict (service, node, item_id) do nothing');
}

/** @returns how many were older */
export const forgetRetracted = async (tx: Tx, before: number): Promise<number> => (await tx.query('delete from retracted_items where at < ? returning 1', [before])).length;

// ── what is followed ──

export const findFeed = (db: Db, actorId: number, { service, node }: NodeAddress): Promise<FollowedFeed | null> => feeds.find(db, { actorId, service, node });

/** The subscriptions of one of ours to nodes of one person. */
export const feedsOf = (db: Db, actorId: number, personId: number): Promise<FollowedFeed[]> => feeds.select(db, { actorId, personId }, 'order by service, node');

export async function saveFeed(tx: Tx, feed: FollowedFeed): Promise<void> {
  await feeds.upsert(tx, feed, ['actorId', 'service', 'node']);
}

export async function removeFeed(tx: Tx, actorId: number, { service, node }: NodeAddress): Promise<void> {
  await feeds.remove(tx, { actorId, service, node });
}

/** All subscriptions of ours to one node. */
export const subscribersOf = (db: Db, { service, node }: NodeAddress): Promise<FollowedFeed[]> => feeds.select(db, { service, node }, 'order by actor_id');

/** Has one of ours been given somebody's posts, since she follows them? */
export const isCaughtUp = async (db: Db, actorId: number, personId: number): Promise<boolean> =>
  (await feeds.select(db, { actorId, personId, node: 'urn:xmpp:microblog:0' })).some(({ caughtUpAt }) => caughtUpAt !== null);

const OF_POSTS = "actor_id = ? and node like 'urn:xmpp:microblog:0:comments/%'";
/** How many nodes of posts one of ours is subscribed to. */
export const countNodes = async (db: Db, actorId: number): Promise<number> => Number((await db.query<{ n: number }>(`select count(*) as n from followed_feeds where ${OF_POSTS}`, [actorId]))[0]!.n);
/** The one of them that was looked at longest ago. */
export async function oldestNode(db: Db, actorId: number): Promise<FollowedFeed | null> {
  const row = (await db.query(`select ${feeds.columns()} from followed_feeds where ${OF_POSTS} order by caught_up_at limit 1`, [actorId]))[0];
  return row ? feeds.read(row) : null;
}

/** All of them, page by page, a service's together. @param after the last one of the page before, or null */
export async function listFeeds(db: Db, after: FollowedFeed | null, limit: number): Promise<FollowedFeed[]> {
  const rows = await db.query(`select ${feeds.columns()} from followed_feeds where (service, node, actor_id) > (?, ?, ?) order by service, node, actor_id limit ?`, [
    after?.service ?? '',
    after?.node ?? '',
    after?.actorId ?? 0,
    limit,
  ]);
  return rows.map((row) => feeds.read(row));
}

/** Whom ours follow elsewhere without a row of `followed_feeds`, and without a job that will make one. */
export async function listUnfed(db: Db, limit: number): Promise<{ actorId: number; otherId: number }[]> {
  const rows = await db.query<{ actor_id: number; other_id: number }>(
    `select r.actor_id, r.other_id from relationships r join actors o on o.id = r.other_id
     where r.following <> 'none' and r.blocked_at is null and o.is_local = false
       and not exists (select 1 from followed_feeds f where f.actor_id = r.actor_id and f.person_id = r.other_id)
       and not exists (select 1 from jobs j where j.queue = 'xmpp' and j.ordering_key = 'feed:' || r.actor_id || ':' || r.other_id)
     order by r.actor_id, r.other_id limit ?`,
    [limit],
  );
  return rows.map((row) => ({ actorId: row.actor_id, otherId: row.other_id }));
}

/** Does a job (of this kind) of this lane of the queue `xmpp` wait already? */
export const isInLane = async (db: Db, lane: string, kind: JobKind | '' = ''): Promise<boolean> =>
  (await db.query("select 1 from jobs where queue = 'xmpp' and ordering_key = ? and (kind = ? or ? = '') limit 1", [lane, kind, kind])).length > 0;

// ── what was asked of other servers ──

export const findAccess = (db: Db, { service, node }: NodeAddress): Promise<NodeAccess | null> => accesses.find(db, { service, node });

export async function saveAccess(tx: Tx, access: NodeAccess): Promise<void> {
  await accesses.upsert(tx, access, ['service', 'node']);
}

export async function removeAccess(tx: Tx, { service, node }: NodeAddress): Promise<void> {
  await accesses.remove(tx, { service, node });
}

export const findFetch = (db: Db, actorId: number): Promise<PersonFetch | null> => fetches.find(db, { actorId });

export async function saveFetch(tx: Tx, fetch: PersonFetch): Promise<void> {
  await fetches.upsert(tx, fetch, ['actorId']);
}

/** Of someone elsewhere: the hash of the picture that is here, '' when they have none, null when nobody has asked. */
export const knownPicture = async (db: Db, actorId: number): Promise<string | null> => (await pictures.find(db, { actorId }))?.picture ?? null;

export async function notePicture(tx: Tx, actorId: number, picture: string): Promise<void> {
  await pictures.upsert(tx, { actorId, picture }, ['actorId']);
}
