import type { Config } from '../config.js';
import { createLog, type Logger } from '../log.js';
import type { Context } from '../services/context.js';
import { openStore } from '../store/open.js';

/** What an entry point works with: a context, and how to let go of it. */
export interface Opened {
  ctx: Context;
  close(): Promise<void>;
}

/** Opens the database for a command or a process. Speaks no protocol yet: `serve` adds those. Does not migrate. */
export async function openContext(config: Config, { log = createLog(config.logLevel), now = Date.now }: { log?: Logger; now?: () => number } = {}): Promise<Opened> {
  const store = await openStore(config.databaseUrl, log);
  return { ctx: { config, store, protocols: [], log, now }, close: () => store.close() };
}
