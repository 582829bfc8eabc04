import type { ReadyReport } from '../../web/app.js';

/** What a process can do. `dx serve` does all; on PostgreSQL each may have processes of its own. */
export const ROLES = ['web', 'worker', 'connector'] as const;
export type RoleName = (typeof ROLES)[number];

/** A role that runs in this process. */
export interface Role {
  /** Its parts of /readyz, besides the database. */
  ready(): ReadyReport['parts'];
  /** The first step of a stop, while everything else still works: takes no new jobs, waits for those that run. */
  drain(): Promise<void>;
  /** The second one. */
  stop(): Promise<void>;
  /** Resolves when it has nothing to do now. For tests and benchmarks. */
  idle(): Promise<void>;
}

export const nothing = async (): Promise<void> => {};
