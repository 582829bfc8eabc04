import type { DataSource } from 'typeorm';
import type { Queue } from '../domain/job.js';
import type { Claim } from './jobs.js';
import type { LiveEvent, Notifier } from './notify.js';

export type Dialect = 'sqlite' | 'postgres';

/** Where queries run: the store itself (each query by itself, reading only), or one transaction of it. */
export interface Db {
  dialect: Dialect;
  /**
   * The rows that the statement answers with (none without SELECT or RETURNING). `?` is a placeholder on both databases.
   * Columns have their SQL names; bigint comes as number, boolean as SQLite's 0 and 1 or PostgreSQL's true and false.
   * @param options.keepPlan for a long statement that is asked on many pages: PostgreSQL plans it once a connection. It goes on with that plan until it has gathered
   *   statistics anew, so not for what may be asked of a table that has just grown a thousandfold. SQLite keeps all statements anyway.
   * @throws DomainError unavailable | conflict (a row of that key exists)
   */
  query<T = Record<string, unknown>>(sql: string, params?: readonly unknown[], options?: { keepPlan?: boolean }): Promise<T[]>;
}

export interface Tx extends Db {
  /** After the commit, workers of the queue look for jobs. @param at when there is one: milliseconds UTC; missing: now */
  wake(queue: Queue, at?: number): void;
  /** After the commit, listeners hear of it. */
  publish(event: LiveEvent): void;
  /** The worker of this process for the queue, if it has one. */
  hands(queue: Queue): Hands | undefined;
  /** After the commit, the worker of its queue runs it; nobody else can claim it meanwhile. */
  handOver(claim: Claim): void;
}

/** A worker that takes what a transaction of its own process adds: without looking into the queue, which costs as much as all that is done to run a job. */
export interface Hands {
  /** Of a claim made now: milliseconds UTC. */
  leaseEnd(): number;
  /** For how many more there is room now. */
  free(): number;
  take(claim: Claim): void;
}

export interface Store extends Db {
  /**
   * Runs `work` whole or not at all. On SQLite one at a time. On PostgreSQL it runs again, at most three times, when another
   * transaction or a lost connection undid it, and once when a row of a key was there that it had not seen: so `work` touches nothing but `tx`, and no network. Not to be nested.
   * @param options.mayBeLost a power failure may undo it, as long as nothing durable came after it: for what is then simply done
   *   again. On SQLite this spares the wait for the disk; PostgreSQL takes no notice.
   * @throws DomainError unavailable, or what `work` throws
   */
  transaction<T>(work: (tx: Tx) => Promise<T>, options?: { mayBeLost?: boolean }): Promise<T>;
  /** Runs all pending migrations in one transaction; two processes may try at once. @returns their names */
  migrate(): Promise<string[]>;
  /** Undoes the last migration. @returns its name, or null when none is left */
  revert(): Promise<string | null>;
  pendingMigrations(): Promise<string[]>;
  /** Does the database know migrations that this program does not? Then it must not be used. */
  isNewer(): Promise<boolean>;
  notify: Notifier;
  /** The workers of this process. */
  hands: Map<Queue, Hands>;
  close(): Promise<void>;
  /** @throws DomainError unavailable */
  ping(): Promise<void>;
  /** The one that writes. */
  dataSource: DataSource;
}
