import type { Db } from './database.js';

interface Gathered {
  items: unknown[];
  outcome: Promise<unknown>;
}

/** What is being gathered in this turn, by database. */
const gathered = new WeakMap<Db, Map<string, Gathered>>();

/**
 * Runs once for all who ask for it in one turn of the event loop: sixty deliveries of a post begin together, and each of them would read
 * that post, and write down that it has been sent. Nothing is kept beyond the turn, so nobody gets what was read before he asked.
 * @param name what it is: whoever says the same gets the same
 * @param item what the caller adds to it
 * @param run gets the items of all, in the order of their asking
 * @returns what `run` made, for all of them; each takes his own part
 */
export function together<I, O>(db: Db, name: string, item: I, run: (items: I[]) => Promise<O>): Promise<O> {
  let here = gathered.get(db);
  if (!here) gathered.set(db, (here = new Map()));
  const begun = here.get(name);
  if (begun) {
    begun.items.push(item);
    return begun.outcome as Promise<O>;
  }
  const items = [item];
  // A "next tick" comes when everything that can run now has run.
  const outcome = new Promise<void>((resolve) => process.nextTick(resolve)).then(() => {
    here.delete(name);
    return run(items);
  });
  here.set(name, { items, outcome });
  return outcome;
}
