import { AsyncLocalStorage } from 'node:async_hooks';
import type { Queue } from '../domain/job.js';
import type { Dialect, Hands, Tx } from './database.js';
import type { Claim } from './jobs.js';
import type { LiveEvent, Message } from './notify.js';

/**
 * Is the code that runs inside a transaction? Timers that it started keep the mark; `isOpen` tells whether it still counts. Known where tests run alone:
 * for this Node watches every promise of a process, and a post would take an eighth more of the processor.
 */
const current = process.env.NODE_ENV === 'test' ? new AsyncLocalStorage<OpenTx>() : null;

type Query = (sql: string, params: readonly unknown[]) => Promise<unknown[]>;

/** A transaction while its work runs. Remembers whom to tell after the commit. */
export class OpenTx implements Tx {
  /** The earliest moment for each. */
  readonly #wakes = new Map<Queue, number>();
  readonly #events: LiveEvent[] = [];
  readonly #handedOver: Claim[] = [];
  #open = true;

  constructor(
    readonly dialect: Dialect,
    private readonly run: Query,
    private readonly workers: ReadonlyMap<Queue, Hands>,
  ) {}

  async query<T>(sql: string, params: readonly unknown[] = []): Promise<T[]> {
    // On SQLite it would run in the next one's transaction, or in none.
    if (!this.#open) throw new Error('This transaction is over: an await is missing in its work.');
    return (await this.run(sql, params)) as T[];
  }

  wake(queue: Queue, at = 0): void {
    this.#wakes.set(queue, Math.min(at, this.#wakes.get(queue) ?? at));
  }

  publish(event: LiveEvent): void {
    this.#events.push(event);
  }

  hands(queue: Queue): Hands | undefined {
    return this.workers.get(queue);
  }

  handOver(claim: Claim): void {
    this.#handedOver.push(claim);
  }

  /** After the commit: to the workers of this process. @returns whether there was something for them */
  tellHands(): boolean {
    for (const claim of this.#handedOver) this.workers.get(claim.queue)?.take(claim);
    return this.#handedOver.length > 0;
  }

  /** Runs the work and closes this for further queries. */
  async perform<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await (current ? current.run(this, () => work(this)) : work(this));
    } finally {
      this.#open = false;
    }
  }

  messages(): Message[] {
    return [...[...this.#wakes].map(([wake, at]) => ({ wake, at })), ...this.#events.map((event) => ({ event }))];
  }

  /** One inside the other would wait for itself on SQLite, and be another on PostgreSQL: a mistake of ours, which tests find. */
  static refuseNesting(): void {
    if (current?.getStore()?.isOpen()) throw new Error('A transaction may not be started inside another.');
  }

  isOpen(): boolean {
    return this.#open;
  }
}
