// Where a post of one's own has arrived, and where it has not: for its author alone.
import type { Account } from '../domain/account.js';
import type { Activity, Verb } from '../domain/activity.js';
import { DomainError } from '../domain/errors.js';
import type { Guid } from '../domain/guid.js';
import type { ProtocolName } from '../domain/actor.js';
import type { Db } from '../store/database.js';
import { holdLane, removeDeadDelivery } from '../store/delivery-jobs.js';
import { addJobs } from '../store/jobs.js';
import { type DeliveryLine, type DeliverySummary, latestActivity, latestDeliverySummary, listDeliveryLines, lockDelivery, setDelivery } from '../store/ledger.js';
import { findPostForDelivery } from '../store/posts.js';
import { endPauses } from '../store/xmpp.js';
import type { Context } from './context.js';
import { deliverJob } from './deliveries.js';

export type { DeliveryLine };

/** How the latest version of a post, or its end, goes out. */
export interface OwnDeliveries {
  verb: Extract<Verb, 'post' | 'update' | 'delete'>;
  summary: DeliverySummary;
  /** Those that have not arrived, and whether there are more of them. */
  late: DeliveryLine[];
  moreLate: boolean;
  /** Those that have: some of them. */
  arrived: DeliveryLine[];
  /** The host after which the next ones come; null: these are the last. */
  next: string | null;
}

/** Lines on one page. */
const PAGE_SIZE = 100;
const MOST_LATE = 500;

/** The newest that was done with a post of one's own; null: there is no such post of theirs, or it was never told to anybody. */
async function latestOwn(db: Db, account: Account, guid: Guid): Promise<Activity | null> {
  const post = await findPostForDelivery(db, guid);
  return post?.authorId === account.actorId ? latestActivity(db, guid) : null;
}

/**
 * The servers of a post of one's own, also of one that was deleted: how far its end has come.
 * @param after show those that have arrived from the host after this one
 * @returns null: there is no such post of theirs, or it went nowhere
 */
export async function readOwnDeliveries(ctx: Context, account: Account, guid: Guid, after = ''): Promise<OwnDeliveries | null> {
  const { store } = ctx;
  const activity = await latestOwn(store, account, guid);
  const summary = activity && (await latestDeliverySummary(store, [guid])).get(guid);
  if (!activity || !summary) return null;
  const [late, arrived] = await Promise.all([
    listDeliveryLines(store, activity.id, { arrived: false, limit: MOST_LATE + 1 }),
    listDeliveryLines(store, activity.id, { arrived: true, after, limit: PAGE_SIZE + 1 }),
  ]);
  return {
    verb: activity.verb as OwnDeliveries['verb'],
    summary,
    late: late.slice(0, MOST_LATE),
    moreLate: late.length > MOST_LATE,
    arrived: arrived.slice(0, PAGE_SIZE),
    next: arrived.length > PAGE_SIZE ? arrived[PAGE_SIZE - 1]!.host : null,
  };
}

/** The first of those that have not arrived, for the page of the post. */
export async function listLate(ctx: Context, account: Account, guid: Guid, limit: number): Promise<DeliveryLine[]> {
  const activity = await latestOwn(ctx.store, account, guid);
  return activity ? listDeliveryLines(ctx.store, activity.id, { arrived: false, limit }) : [];
}

/**
 * Tries again what was given up, from now on for another 14 days. What waits already is left as it is.
 * @throws DomainError not-found: no such post of theirs, or it does not go there
 */
export async function retryDelivery(ctx: Context, account: Account, guid: Guid, to: { protocol: ProtocolName; host: string }): Promise<void> {
  const now = ctx.now();
  await ctx.store.transaction(async (tx) => {
    const activity = await latestOwn(tx, account, guid);
    const job = activity && deliverJob(activity, to);
    if (job) await holdLane(tx, job.queue, job.lane);
    const delivery = job && (await lockDelivery(tx, job.payload));
    if (!job || !delivery) throw new DomainError('not-found', 'This post does not go there.');
    if (delivery.state !== 'given-up') return;
    if (delivery.jobId !== null) await removeDeadDelivery(tx, delivery.jobId, job.payload);
    await endPauses(tx, account.actorId, to.host); // else there would be nobody to send it to
    await addJobs(tx, [job], now);
    await setDelivery(tx, { ...job.payload, state: 'waiting', at: now, since: now, tries: 0, refused: 0, jobId: null });
  });
  ctx.log.info({ accountId: account.id, guid, ...to }, 'an author has a delivery tried again');
}
