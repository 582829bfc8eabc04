import type { Guid } from '../domain/guid.js';
import { AUTHOR, personVisibleSql, visibleSql, WITH_AUTHOR } from './access.js';
import type { Db, Tx } from './database.js';
import { chunks, marks, table } from './rows.js';
import { type LegRow, LegSchema, type PresenceLeg, type PubsubSubscription, type SubscriptionRow, SubscriptionSchema } from './schema/relationships.js';

export type { PresenceLeg, PubsubSubscription };

const legs = table<LegRow>(LegSchema);
const subscriptions = table<SubscriptionRow>(SubscriptionSchema);

/** The domain part of a bare JID. */
const hostOf = (jid: string): string => jid.slice(jid.indexOf('@') + 1);

const toLeg = ({ host, ...leg }: LegRow): PresenceLeg => leg;
const toSubscription = ({ host, ...subscription }: SubscriptionRow): PubsubSubscription => subscription;

/** @param jid bare */
export async function findLeg(db: Db, actorId: number, jid: string): Promise<PresenceLeg | null> {
  const leg = await legs.find(db, { actorId, jid });
  return leg && toLeg(leg);
}

export async function saveLeg(tx: Tx, leg: PresenceLeg): Promise<void> {
  await legs.upsert(tx, { ...leg, host: hostOf(leg.jid) }, ['actorId', 'jid']);
}

/** The legs to one person, who may have several JIDs. */
export const legsOf = async (db: Db, actorId: number, personId: number): Promise<PresenceLeg[]> =>
  (await legs.select(db, { actorId, personId }, 'order by jid')).map(toLeg);

export const legsOfActor = async (db: Db, actorId: number): Promise<PresenceLeg[]> => (await legs.select(db, { actorId }, 'order by jid')).map(toLeg);

/** All legs of all actors, page by page. @param after the last one of the page before, or null */
export async function listLegs(db: Db, after: Pick<PresenceLeg, 'actorId' | 'jid'> | null, limit: number): Promise<PresenceLeg[]> {
  const rows = await db.query(`select ${legs.columns()} from presence_legs where (actor_id, jid) > (?, ?) order by actor_id, jid limit ?`, [
    after?.actorId ?? 0,
    after?.jid ?? '',
    limit,
  ]);
  return rows.map((row) => toLeg(legs.read(row)));
}

/** Notes the newest activity (or moment, as a guid) that was sent to these bare JIDs. It never goes back. */
export async function markSent(tx: Tx, actorId: number, jids: readonly string[], guid: Guid): Promise<void> {
  for (const chunk of chunks(jids)) {
    await tx.query(`update presence_legs set last_guid = ? where actor_id = ? and (last_guid is null or last_guid < ?) and jid in (${marks(chunk.length)})`, [
      guid,
      actorId,
      guid,
      ...chunk,
    ]);
  }
}

export async function upsertSubscription(tx: Tx, subscription: PubsubSubscription): Promise<void> {
  await subscriptions.upsert(tx, { ...subscription, host: hostOf(subscription.jid) }, ['actorId', 'node', 'jid']);
}

/** @returns false when there was none */
export const deleteSubscription = async (tx: Tx, actorId: number, node: string, jid: string): Promise<boolean> =>
  (await subscriptions.remove(tx, { actorId, node, jid })) > 0;

/** @param most only the first so many: those of a node can be any number */
export const findSubscriptions = async (db: Db, of: { actorId: number; jid?: string; node?: string; personId?: number }, most?: number): Promise<PubsubSubscription[]> =>
  (await subscriptions.select(db, of, `order by node, jid ${most === undefined ? '' : `limit ${most}`}`)).map(toSubscription);

export async function countSubscribers(db: Db, actorId: number, node: string): Promise<number> {
  return (await db.query<{ n: number }>("select count(*) as n from subscriptions where actor_id = ? and node = ? and state = 'subscribed'", [actorId, node]))[0]!.n;
}

/** How many subscriptions a bare JID has here, to all actors together. */
export async function countSubscriptionsOf(db: Db, jid: string): Promise<number> {
  return (await db.query<{ n: number }>('select count(*) as n from subscriptions where jid = ?', [jid]))[0]!.n;
}

type SubscriptionTarget = Pick<PubsubSubscription, 'node' | 'jid' | 'personId' | 'pausedUntil'>;
type LegTarget = Pick<PresenceLeg, 'actorId' | 'jid' | 'personId' | 'lastGuid'>;

/** Whom an activity goes to on one host, no more of each than sending needs. JIDs are bare. */
export interface DeliveryTargets {
  subscriptions: SubscriptionTarget[];
  legs: LegTarget[];
  /** Only the first of each may be here: `targetPages` has the others. */
  isBeginning: boolean;
}

/** The post (or its end) that somebody is to hear of, and the nodes whose subscribers are meant. */
export interface Told {
  post: { guid: Guid; authorId: number; reshareOf?: Guid | null };
  nodes: readonly string[];
}

/** Of one host so many at once: nothing else runs while they are read, and what is for them made. */
export const TARGETS = { page: 1_000 };

const KINDS = {
  subscriptions: { table: 'subscriptions', columns: ['node', 'jid', 'person_id', 'paused_until'], order: ['jid', 'node'], which: "state = 'subscribed'" },
  legs: { table: 'presence_legs', columns: ['actor_id', 'jid', 'person_id', 'last_guid'], order: ['jid'], which: "inbound = 'on'" },
} as const;
type Kind = keyof typeof KINDS;
type SubscriptionValues = [node: string, jid: string, personId: number | null, pausedUntil: number | null];
type LegValues = [actorId: number, jid: string, personId: number, lastGuid: Guid | null];

const READ: { [K in Kind]: (values: never) => DeliveryTargets[K][number] } = {
  subscriptions: ([node, jid, personId, pausedUntil]: SubscriptionValues) => ({ node, jid, personId, pausedUntil }),
  legs: ([actorId, jid, personId, lastGuid]: LegValues) => ({ actorId, jid, personId, lastGuid }),
};

/**
 * Who on these hosts is to hear of it now, each only if the access check admits the person behind it. The database brings them over as one text, for row by
 * row that costs more than the check.
 * @param page of one host: the first so many after this row; missing: all
 */
async function findTargets<K extends Kind>(db: Db, kind: K, { post, nodes }: Told, hosts: readonly string[], page?: { after: readonly string[]; most: number }): Promise<DeliveryTargets[K]> {
  const { table, columns, order, which } = KINDS[kind];
  const [host, isThere] =
    hosts.length === 1 ? [hosts[0], 't.host = ?'] : db.dialect === 'postgres' ? [hosts, 't.host = any(?)'] : [JSON.stringify(hosts), 't.host in (select value from json_each(?))'];
  // A reshare shows its root: nobody gets it to whom the root's author shows nothing.
  const root = post.reshareOf ? `and not exists (select 1 from posts r where r.guid = p.reshare_of and not ${visibleSql('r', 't.person_id')})` : '';
  const [all, item] = db.dialect === 'postgres' ? ['json_agg', 'json_build_array'] : ['json_group_array', 'json_array'];
  const list = columns.map((column) => `t.${column}`).join(', ');
  const ofNodes = kind === 'subscriptions' ? `and t.node in (${marks(nodes.length)})` : '';
  const by = order.map((column) => `t.${column}`).join(', ');
  const [beyond, most] = page ? [`and (${by}) > (${marks(order.length)})`, 'limit ?'] : ['', ''];
  // SQLite reads in the order of a cross join: what is asked of the post is asked once, not for each row. By its key alone (+) it is one post, whose rows
  // come out of the index in their order; and in that order both databases make the list.
  const [found] = await db.query<{ all: string | unknown[] | null }>(
    `${WITH_AUTHOR} select ${all}(${item}(${list})) as "all" from (
       select ${list} from posts p cross join ${table} t
       where p.guid = ? and +p.author_id = ${AUTHOR} and t.actor_id = ${AUTHOR} and ${isThere} and t.${which} ${ofNodes} ${beyond} and ${visibleSql('p', 't.person_id', AUTHOR)} ${root}
       order by ${by} ${most}) t`,
    [post.authorId, post.guid, host, ...(kind === 'subscriptions' ? nodes : []), ...(page ? [...page.after, page.most] : [])],
  );
  const rows = (typeof found!.all === 'string' ? JSON.parse(found!.all) : found!.all) ?? [];
  return rows.map(READ[kind]);
}

/**
 * Whom it goes to on each of these hosts: explicit subscriptions and followers by presence, in the order of their JIDs. `pausedUntil` and caps are the
 * caller's.
 * @param hosts different ones; of a single one it is the first page, from which `targetPages` goes on
 */
export async function deliveryTargets(db: Db, told: Told, hosts: readonly string[]): Promise<Map<string, DeliveryTargets>> {
  const isBeginning = hosts.length === 1;
  const find = <K extends Kind>(kind: K) => findTargets(db, kind, told, hosts, isBeginning ? { after: KINDS[kind].order.map(() => ''), most: TARGETS.page } : undefined);
  const subscriptions = await find('subscriptions');
  const legs = await find('legs');
  if (isBeginning) return new Map([[hosts[0]!, { subscriptions, legs, isBeginning }]]);
  const targets = new Map<string, DeliveryTargets>(hosts.map((each) => [each, { subscriptions: [], legs: [], isBeginning }]));
  for (const one of subscriptions) targets.get(hostOf(one.jid))!.subscriptions.push(one);
  for (const one of legs) targets.get(hostOf(one.jid))!.legs.push(one);
  return targets;
}

/**
 * All of one kind on a host, page by page, each as it stands when it is asked for.
 * @param found what `deliveryTargets` has found there: the first page
 */
export async function* targetPages<K extends Kind>(db: Db, kind: K, told: Told, host: string, found: DeliveryTargets): AsyncGenerator<DeliveryTargets[K]> {
  let page = found[kind];
  yield page;
  while (found.isBeginning && page.length >= TARGETS.page) {
    await new Promise((resolve) => setImmediate(resolve)); // this one leaves first, and others have waited
    const last = page.at(-1)!;
    page = await findTargets(db, kind, told, [host], { after: KINDS[kind].order.map((column) => last[column as keyof typeof last] as string), most: TARGETS.page });
    yield page;
  }
}

/** Who is to hear that the actor's profile has changed: subscribers of its nodes and followers by presence, nobody with whom there is a block. */
export async function profileTargets(db: Db, actorId: number, nodes: readonly string[]): Promise<{ subscriptions: Pick<PubsubSubscription, 'node' | 'jid'>[]; legs: Pick<PresenceLeg, 'jid'>[] }> {
  const mayHear = personVisibleSql(AUTHOR, 't.person_id');
  const subscribed = `${WITH_AUTHOR} select t.node, t.jid from subscriptions t where t.actor_id = ${AUTHOR} and t.node in (${marks(nodes.length)}) and t.state = 'subscribed' and ${mayHear} order by t.jid`;
  return {
    subscriptions: await db.query<{ node: string; jid: string }>(subscribed, [actorId, ...nodes]),
    legs: await db.query<{ jid: string }>(`${WITH_AUTHOR} select t.jid from presence_legs t where t.actor_id = ${AUTHOR} and t.inbound = 'on' and ${mayHear} order by t.jid`, [actorId]),
  };
}

/** The first host of an actor's rows in a table, and from each the next one: thousands of rows of one host are passed over, not read. */
const hostsIn = (table: string): string =>
  `select min(host) from ${table} where actor_id = ?
   union all select (select min(t.host) from ${table} t where t.actor_id = ? and t.host > h.host) from h where h.host is not null`;

/**
 * The hosts where somebody follows the actor, by presence or subscription.
 * @param nodes those of the feeds; without: whatever they subscribed to
 */
export async function subscriptionHosts(db: Db, actorId: number, nodes: readonly string[] = []): Promise<string[]> {
  const found = async (table: string, which: string, params: readonly unknown[]) => {
    const rows = await db.query<{ host: string }>(
      `with recursive h(host) as (${hostsIn(table)})
       select host from h where host is not null and exists (select 1 from ${table} t where t.actor_id = ? and t.host = h.host and ${which})`,
      [actorId, actorId, actorId, ...params],
    );
    return rows.map(({ host }) => host);
  };
  const ofNodes = nodes.length > 0 ? `and t.node in (${marks(nodes.length)})` : '';
  const [subscribed, following] = await Promise.all([
    found('subscriptions', `t.state = 'subscribed' ${ofNodes}`, nodes),
    found('presence_legs', "t.inbound = 'on'", []),
  ]);
  return [...new Set([...subscribed, ...following])].sort();
}

/** The hosts where somebody has so many followers at least, with that number, most first. Reads all of them. @param nodes subscribers of these are followers */
export const listHostsOfMany = (db: Db, { nodes, least, limit }: { nodes: readonly string[]; least: number; limit: number }): Promise<{ host: string; followers: number }[]> =>
  db.query(
    `select host, max(n) as followers from (
       select actor_id, host, count(*) as n from (
         select actor_id, host, jid from subscriptions where state = 'subscribed' and node in (${marks(nodes.length)})
         union select actor_id, host, jid from presence_legs where inbound = 'on'
       ) follower group by actor_id, host
     ) author where n >= ? group by host order by followers desc, host limit ?`,
    [...nodes, least, limit],
  );

/** The hosts where somebody subscribed to one of these nodes of the actor. */
export async function nodeHosts(db: Db, actorId: number, nodes: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ host: string }>(`select distinct host from subscriptions where actor_id = ? and node in (${marks(nodes.length)}) and state = 'subscribed' order by host`, [
    actorId,
    ...nodes,
  ]);
  return rows.map((row) => row.host);
}

/**
 * Who on this host is to hear of what somebody did under a post: those who subscribed to one of the nodes, may see the post, and have nothing to
 * do with a block between them and who did it. For the end of the post, too.
 * @param byId whose doing it is
 */
export async function nodeTargets(db: Db, { postGuid, byId, nodes, host }: { postGuid: Guid; byId: number; nodes: readonly string[]; host: string }): Promise<Pick<PubsubSubscription, 'node' | 'jid' | 'pausedUntil'>[]> {
  const rows = await db.query<{ node: string; jid: string; paused_until: number | null }>(
    `select t.node, t.jid, t.paused_until from posts p join subscriptions t on t.actor_id = p.author_id join actors w on w.id = ?
     where p.guid = ? and t.host = ? and t.node in (${marks(nodes.length)}) and t.state = 'subscribed'
     and ${visibleSql('p', 't.person_id')} and ${personVisibleSql('w.id', 't.person_id')} order by t.jid, t.node`,
    [byId, postGuid, host, ...nodes],
  );
  return rows.map(({ node, jid, paused_until }) => ({ node, jid, pausedUntil: paused_until }));
}

/** The subscriptions on a host to nodes that are no longer there. */
export async function endSubscriptions(tx: Tx, actorId: number, nodes: readonly string[], host: string): Promise<void> {
  await tx.query(`delete from subscriptions where actor_id = ? and host = ? and node in (${marks(nodes.length)})`, [actorId, host, ...nodes]);
}

/** Subscriptions on a host that rest, because what was sent to them came back, rest no more. */
export async function endPauses(tx: Tx, actorId: number, host: string): Promise<void> {
  await tx.query('update subscriptions set paused_until = null where actor_id = ? and host = ? and paused_until is not null', [actorId, host]);
}
