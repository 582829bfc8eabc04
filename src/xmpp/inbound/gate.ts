// How much is asked of other servers at once: by all together, and of one host.

export interface GateLimits {
  atOnce: number;
  perHost: number;
  /** Milliseconds that a place stays empty before the next one that waits for it has it. */
  restMs?: number;
}

/** Lets work through, the hosts in turn, so that a slow one holds up nobody else's. */
export class Gate {
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #runningOf = new Map<string, number>();
  #running = 0;

  constructor(private readonly limits: GateLimits) {}

  /** How much runs, and waits. */
  get size(): number {
    let waiting = 0;
    for (const queue of this.#waiting.values()) waiting += queue.length;
    return this.#running + waiting;
  }

  /** Resolves (or rejects) as `work` does, which begins when there is room for it. */
  async run<T>(host: string, work: () => Promise<T>): Promise<T> {
    if (!this.#hasRoom(host)) {
      await new Promise<void>((resolve) => {
        const queue = this.#waiting.get(host);
        if (queue) queue.push(resolve);
        else this.#waiting.set(host, [resolve]);
      });
    } else this.#enter(host);
    try {
      return await work();
    } finally {
      const { restMs } = this.limits;
      if (restMs && this.#waiting.size > 0) setTimeout(() => this.#leave(host), restMs).unref();
      else this.#leave(host);
    }
  }

  #hasRoom(host: string): boolean {
    return this.#running < this.limits.atOnce && (this.#runningOf.get(host) ?? 0) < this.limits.perHost;
  }

  #enter(host: string): void {
    this.#running += 1;
    this.#runningOf.set(host, (this.#runningOf.get(host) ?? 0) + 1);
  }

  #leave(host: string): void {
    this.#running -= 1;
    const left = this.#runningOf.get(host)! - 1;
    if (left > 0) this.#runningOf.set(host, left);
    else this.#runningOf.delete(host);
    for (const [next, queue] of this.#waiting) {
      if (!this.#hasRoom(next)) continue;
      this.#waiting.delete(next);
      const enter = queue.shift()!;
      if (queue.length > 0) this.#waiting.set(next, queue); // behind the others now
      this.#enter(next);
      return enter();
    }
  }
}
