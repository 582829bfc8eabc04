/** Runs what belongs together one after another, and everything else at the same time. */
export class Lanes {
  readonly #tails = new Map<string, Promise<unknown>>();
  #running = 0;

  /** How many wait or run. */
  get size(): number {
    return this.#running;
  }

  /** Resolves (or rejects) as `work` does, which begins when all earlier work of the key has ended, whichever way. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    this.#running += 1;
    const result = before ? before.then(work, work) : work();
    const tail = result
      .catch(() => {}) // the caller has `result`
      .finally(() => {
        this.#running -= 1;
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    this.#tails.set(key, tail);
    return result;
  }

  /** Resolves when nothing of what runs now runs any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}
