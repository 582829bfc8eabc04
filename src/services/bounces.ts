// What was sent, and came back. A server that takes our stanzas says nothing of the other server: an error from there comes whenever it comes,
// also before it is written down that the delivery has arrived.
import type { Activity } from '../domain/activity.js';
import { backOffMs, MAX_AGE_MS } from '../domain/job.js';
import { bounces, deliveries } from '../metrics.js';
import type { Store, Tx } from '../store/database.js';
import { addDeadJob, addJobAgain, holdLane, runLanesNow } from '../store/delivery-jobs.js';
import { type Arrival, BOUNCE_MS, type Delivery, type DeliveryKey, findActivity, lockDelivery, setArrived, setDelivery } from '../store/ledger.js';
import type { Context } from './context.js';
import { deliverJob, giveUpDelivery, REASONS } from './deliveries.js';

/** What came back of one try. Bare JIDs. */
interface CameBack {
  condition: string;
  /** The server says that the other one does not answer: nobody there has got it. */
  isUnreachable: boolean;
  /** For these somebody says so, who may be one of them: it counts when all say it. */
  unreached: Set<string>;
  /** They do not take it. */
  refused: Set<string>;
  at: number;
}

/**
 * What came back of late, oldest first: who runs a delivery, and who hears of its errors, is one process. What it has not yet written down when
 * it ends is done again by the next one.
 */
const backOf = new WeakMap<Store, Map<string, CameBack>>();
const MOST = 50_000;

const keyOf = ({ activityId, protocol, host }: DeliveryKey): string => `${activityId} ${protocol} ${host}`;

function backIn(store: Store): Map<string, CameBack> {
  let back = backOf.get(store);
  if (!back) backOf.set(store, (back = new Map()));
  return back;
}

/** A try begins: what came back of an earlier one is not of this one. */
export const beginTry = (ctx: Context, delivery: DeliveryKey): void => void backIn(ctx.store).delete(keyOf(delivery));

function remember(ctx: Context, delivery: DeliveryKey, { condition, address, isUnreachable, isOfServer }: Bounce): CameBack {
  const all = backIn(ctx.store);
  const key = keyOf(delivery);
  const now = ctx.now();
  const back = all.get(key) ?? { condition, isUnreachable: false, unreached: new Set<string>(), refused: new Set<string>(), at: now };
  back[isUnreachable ? 'unreached' : 'refused'].add(address);
  if (isUnreachable || back.unreached.size === 0) back.condition = condition;
  if (isUnreachable && isOfServer) back.isUnreachable = true;
  all.set(key, back);
  for (const [old, { at }] of all) {
    if (at >= now - BOUNCE_MS && all.size <= MOST) break;
    all.delete(old);
  }
  return back;
}

export interface Bounce {
  /** Of RFC 6120 §8.3.3. */
  condition: string;
  /** Bare JID. */
  address: string;
  /** The server of the address is said to be out of reach. */
  isUnreachable: boolean;
  /** Only a server can have said so: not a client, whose error would hold up all others on its host. */
  isOfServer: boolean;
}

/**
 * An error has come back from one recipient. When it says that the server cannot be reached, the delivery waits and is tried again, for 14 days
 * from its beginning; when all recipients refuse it, it is given up.
 * @returns whether the server cannot be reached
 */
export async function noteBounce(ctx: Context, activity: Activity, to: Pick<DeliveryKey, 'protocol' | 'host'>, bounce: Bounce): Promise<boolean> {
  const delivery = { activityId: activity.id, ...to };
  bounces.add({ protocol: to.protocol, condition: bounce.condition });
  const back = remember(ctx, delivery, bounce); // before the ledger is looked at: whoever writes there at the same time finds it here
  const { queue, lane } = deliverJob(activity, to);
  return ctx.store.transaction(async (tx) => {
    await holdLane(tx, queue, lane);
    return (await apply(ctx, tx, activity, delivery, back)) || back.isUnreachable;
  });
}

/** These deliveries have arrived, as far as nothing of them came back meanwhile. Runs in the transaction that ends their jobs. */
export async function noteArrivals(ctx: Context, tx: Tx, arrivals: readonly Arrival[]): Promise<void> {
  await setArrived(tx, arrivals);
  for (const arrival of arrivals) {
    if (arrival.isResting) await setDelivery(tx, { ...keysOf(arrival), state: 'given-up', error: REASONS.resting, at: arrival.at });
    const back = backOf.get(ctx.store)?.get(keyOf(arrival));
    const activity = back && (await findActivity(tx, arrival.activityId));
    if (activity) await apply(ctx, tx, activity, keysOf(arrival), back);
  }
}

const keysOf = ({ activityId, protocol, host }: DeliveryKey): DeliveryKey => ({ activityId, protocol, host });

/** @returns whether it is tried again */
async function apply(ctx: Context, tx: Tx, activity: Activity, key: DeliveryKey, { condition, isUnreachable, unreached, refused }: CameBack): Promise<boolean> {
  const delivery = await lockDelivery(tx, key);
  const now = ctx.now();
  if (delivery?.state !== 'arrived' || delivery.at < now - BOUNCE_MS) return false;
  const recipients = delivery.recipients ?? 0;
  if (isUnreachable || (unreached.size > 0 && new Set([...unreached, ...refused]).size >= recipients)) {
    await tryAgain(ctx, tx, activity, delivery, condition);
    return true;
  }
  const count = Math.min(refused.size, recipients);
  if (count <= delivery.refused) return false;
  if (count < recipients) await setDelivery(tx, { ...key, state: 'arrived', at: delivery.at, refused: count });
  else await setDelivery(tx, { ...key, state: 'given-up', at: now, refused: count, error: condition });
  return false;
}

async function tryAgain(ctx: Context, tx: Tx, activity: Activity, delivery: Delivery, error: string): Promise<void> {
  const now = ctx.now();
  const { protocol, since } = delivery;
  const key = keysOf(delivery);
  const job = deliverJob(activity, delivery);
  const tries = delivery.tries + 1;
  const past = { id: delivery.jobId, attempts: tries, error, createdAt: since };
  if (now - since >= MAX_AGE_MS) {
    await addDeadJob(tx, job, past, now);
    return giveUpDelivery(ctx, tx, { ...key, error, tries, recipients: null });
  }
  deliveries.add({ protocol, result: 'back' });
  const jobId = await addJobAgain(tx, job, { ...past, runAt: now + backOffMs(delivery.tries) });
  await setDelivery(tx, { ...key, state: 'waiting', at: now, error, tries, jobId, recipients: null, refused: 0 });
}

/** The server can be reached again: what of this author waits for it is due now. */
export async function retryNow(ctx: Context, actorId: number, { protocol, host }: Pick<DeliveryKey, 'protocol' | 'host'>): Promise<void> {
  const { queue, lane } = deliverJob({ id: '', actorId }, { protocol, host });
  await ctx.store.transaction((tx) => runLanesNow(tx, [{ queue, key: lane }], ctx.now()));
}
