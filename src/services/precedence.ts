// When everybody logs in to chat at once, or much comes from other servers, what people write goes first: checks of logins, and posts from
// elsewhere, wait while a post is taken or on its way. ejabberd and its clients wait with them, so the machine is free for the post, and not this
// process alone. Nobody waits long: posts may never end.
import type { Store } from '../store/database.js';
import type { Context } from './context.js';

/** The longest wait. ejabberd asks four questions at a time: in an endless stream of posts it still logs in 200 a second. */
export const LONGEST_WAIT_MS = 20;

interface Precedence {
  /** How much goes first at this moment. */
  ahead: number;
  waiting: (() => void)[];
  timer: NodeJS.Timeout | undefined;
}
const precedences = new WeakMap<Store, Precedence>();

function precedenceOf(ctx: Context): Precedence {
  let of = precedences.get(ctx.store);
  if (!of) precedences.set(ctx.store, (of = { ahead: 0, waiting: [], timer: undefined }));
  return of;
}

function letGo(of: Precedence): void {
  clearTimeout(of.timer);
  of.timer = undefined;
  for (const go of of.waiting.splice(0)) go();
}

/** From here on something goes first. @returns ends that; to be called once */
export function goFirst(ctx: Context): () => void {
  const of = precedenceOf(ctx);
  of.ahead += 1;
  return () => {
    of.ahead -= 1;
    if (of.ahead === 0) letGo(of);
  };
}

/** Goes first for as long as the work takes. */
export async function first<T>(ctx: Context, work: () => Promise<T>): Promise<T> {
  const end = goFirst(ctx);
  try {
    return await work();
  } finally {
    end();
  }
}

/** Waits until nothing goes first, or long enough. null: there is nothing to wait for. */
export function giveWay(ctx: Context): Promise<void> | null {
  const of = precedenceOf(ctx);
  if (of.ahead === 0) return null;
  of.timer ??= setTimeout(() => letGo(of), LONGEST_WAIT_MS);
  return new Promise((resolve) => of.waiting.push(resolve));
}
