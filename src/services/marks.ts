// What was so of late, and every process must know: for a while, and then it is forgotten. On SQLite in the memory of the one process that there is;
// on PostgreSQL in the table of the limits, which a crash of the database may empty.
import { createHash } from 'node:crypto';
import type { Store } from '../store/database.js';
import { readMark, writeMark } from '../store/limits.js';
import type { Context } from './context.js';

export type MarkName = 'known-address' | 'let-in' | 'chat-module';

/** In memory, the newest ones of each name. */
const MOST = 20_000;
const marksOf = new WeakMap<Store, Map<MarkName, Map<string, number>>>();

function inMemory(ctx: Context, name: MarkName): Map<string, number> {
  let all = marksOf.get(ctx.store);
  if (!all) marksOf.set(ctx.store, (all = new Map()));
  let marks = all.get(name);
  if (!marks) all.set(name, (marks = new Map()));
  return marks;
}

/** Keys may come from strangers: of any length, so a digest stands for them. */
const digest = (key: string): string => createHash('sha256').update(key).digest('base64url').slice(0, 22);

/** Notes it until then; an earlier note under this name and key is forgotten. @param untilMs milliseconds UTC */
export async function mark(ctx: Context, name: MarkName, key: string, untilMs: number): Promise<void> {
  if (ctx.store.dialect === 'postgres') return writeMark(ctx.store, `${name}:${digest(key)}`, untilMs);
  const marks = inMemory(ctx, name);
  marks.delete(key);
  marks.set(key, untilMs);
  if (marks.size > MOST) marks.delete(marks.keys().next().value!);
}

/** Until when it was noted, milliseconds UTC, which may be over; -Infinity: not that we know. */
export async function markedUntil(ctx: Context, name: MarkName, key: string): Promise<number> {
  const until = ctx.store.dialect === 'postgres' ? await readMark(ctx.store, `${name}:${digest(key)}`) : inMemory(ctx, name).get(key);
  return until ?? -Infinity;
}

export const isMarked = async (ctx: Context, name: MarkName, key: string): Promise<boolean> => (await markedUntil(ctx, name, key)) > ctx.now();
