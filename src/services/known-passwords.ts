// What is known to be right, so that bcrypt can be spared: HMACs under a key that never leaves this process' memory, and the stored form that
// each was right for. Whoever asks reads that form from the database each time all the same, so a revocation, in whatever process it happened,
// needs nothing forgotten here.
import { createHmac, randomBytes } from 'node:crypto';

const LIFE_MS = 3_600_000;

/** So many fingerprints, in order of use. */
class Prints {
  private readonly known = new Map<string, { hash: string; end: number }>();

  constructor(private readonly most: number) {}

  add(print: string, hash: string, now: number): void {
    this.known.delete(print);
    this.known.set(print, { hash, end: now + LIFE_MS });
    if (this.known.size > this.most) this.known.delete(this.known.keys().next().value!);
  }

  find(print: string, now: number): string | null {
    const entry = this.known.get(print);
    if (!entry) return null;
    this.known.delete(print);
    if (entry.end <= now) return null;
    this.known.set(print, entry); // used last; it lives no longer for it
    return entry.hash;
  }

  clear(): void {
    this.known.clear();
  }
}

export class KnownPasswords {
  private readonly key = randomBytes(32);
  private readonly inUse: Prints;
  /** Apart, so that no heap of new ones can push out what is in use. */
  private readonly fresh: Prints;

  /** @param most how many are kept of either kind; beyond that the one that was not used for longest is forgotten */
  constructor(most: { inUse: number; fresh: number }) {
    this.inUse = new Prints(most.inUse);
    this.fresh = new Prints(most.fresh);
  }

  /** What stands for a password here. */
  fingerprint(password: string): string {
    return createHmac('sha256', this.key).update(password).digest('base64');
  }

  /** It was made a moment ago and waits to be typed into an app. @param hash its stored form */
  addFresh(print: string, hash: string, now: number): void {
    this.fresh.add(print, hash, now);
  }

  /** It was right for that stored form just now. For an hour from the first time, however often it is. */
  addInUse(print: string, hash: string, now: number): void {
    if (this.inUse.find(print, now) !== hash) this.inUse.add(print, hash, now);
  }

  /** The stored form that it is right for, or null. */
  hashOf(print: string, now: number): string | null {
    return this.inUse.find(print, now) ?? this.fresh.find(print, now);
  }

  clear(): void {
    this.inUse.clear();
    this.fresh.clear();
  }
}
