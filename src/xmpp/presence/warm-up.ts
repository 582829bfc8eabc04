// After a reconnect nothing is known of who is online. Deliveries to a host wait until its probes are answered, or 10 s (relations.md
// "Delivery"): otherwise those who follow by presence would miss them.
import { hostOf } from '../addresses.js';

/** How long anyone waits. */
export const WARM_UP_MS = 10_000;

/** Which probes are still open, by host. */
export class WarmUp {
  /** host → pairs of account and contact. */
  readonly #open = new Map<string, Set<string>>();
  readonly #waiting = new Set<{ host: string; resolve: () => void }>();
  #sending = false;
  #timer: NodeJS.Timeout | undefined;

  /** Connected: probes follow. */
  begin(): void {
    this.end();
    this.#sending = true;
    this.#timer = setTimeout(() => this.end(), WARM_UP_MS);
    this.#timer.unref();
  }

  /** Time is up, or the connection lost again: nobody waits any longer. */
  end(): void {
    clearTimeout(this.#timer);
    this.#sending = false;
    this.#open.clear();
    this.#release(() => true);
  }

  /** Has this contact been probed and not answered yet? */
  isOpen(local: string, bareJid: string): boolean {
    return this.#open.get(hostOf(bareJid))?.has(`${local}/${bareJid}`) ?? false;
  }

  /** A probe goes out. */
  probed(local: string, bareJid: string): void {
    if (!this.#sending) return; // the time is up while probes are still going out
    const host = hostOf(bareJid);
    let open = this.#open.get(host);
    if (!open) this.#open.set(host, (open = new Set()));
    open.add(`${local}/${bareJid}`);
  }

  /** It is known now how things stand with this contact. */
  answered(local: string, bareJid: string): void {
    const host = hostOf(bareJid);
    const open = this.#open.get(host);
    if (!open?.delete(`${local}/${bareJid}`) || open.size > 0) return;
    this.#open.delete(host);
    if (!this.#sending) this.#release((waiting) => waiting.host === host);
  }

  /** The hosts of which somebody has not answered yet. */
  openHosts(): string[] {
    return [...this.#open.keys()];
  }

  /** Whoever on this host has not answered by now is not there. */
  hostAnswered(host: string): void {
    this.#open.delete(host);
    if (!this.#sending) this.#release((waiting) => waiting.host === host);
  }

  /** No more probes will go out. */
  allProbed(): void {
    if (!this.#sending) return;
    this.#sending = false;
    this.#release(({ host }) => !this.#open.has(host));
  }

  /** Resolves when deliveries to the host need not wait (any more). */
  hostReady(host: string): Promise<void> {
    if (!this.#sending && !this.#open.has(host)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ host, resolve }));
  }

  #release(which: (waiting: { host: string }) => boolean): void {
    for (const waiting of this.#waiting) {
      if (!which(waiting)) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }
}
