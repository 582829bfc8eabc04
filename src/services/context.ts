import type { Config } from '../config.js';
import type { Protocol } from '../domain/protocol.js';
import type { Logger } from '../log.js';
import type { Store } from '../store/database.js';

/** What every service gets as its first argument. `now` is the clock: milliseconds UTC. */
export interface Context {
  config: Config;
  store: Store;
  protocols: Protocol[];
  log: Logger;
  now: () => number;
}
