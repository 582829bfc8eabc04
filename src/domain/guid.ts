// RFC 9562 §5.7 UUIDv7, written as 32 lower-case hex digits: sorts by time, the same on every network and in the URL (interface.md §8).

/** 32 lower-case hex digits. */
export type Guid = string;

const GUID = /^[0-9a-f]{32}$/;

/** Does the text have the form of a guid? Says nothing about whether anything bears it. */
export const isGuid = (text: string): boolean => GUID.test(text);

let lastMs = 0;
let counter = 0;

/**
 * A new guid. Guids of one process rise strictly, even when the clock stands still or jumps back:
 * the 12 bits after the time count within a millisecond (RFC 9562 §6.2, method 1).
 */
export function newGuid(nowMs: number): Guid {
  if (nowMs > lastMs) {
    lastMs = nowMs;
    counter = Number.parseInt(crypto.randomUUID().slice(0, 3), 16) & 0x7ff; // the top bit stays free, so that 2,048 more fit
  } else if (++counter > 0xfff) {
    lastMs += 1;
    counter = 0;
  }
  return write(lastMs, counter);
}

let earlier = 0;

/**
 * A guid for something that was made elsewhere at this time (milliseconds UTC), so that it stands where it belongs among ours. Of several of one
 * millisecond, who was named later comes later.
 */
export function guidAt(atMs: number): Guid {
  earlier = (earlier + 1) & 0xfff;
  return write(Math.min(Math.max(Math.trunc(atMs), 0), 0xffff_ffff_ffff), earlier);
}

function write(timeMs: number, count: number): Guid {
  // The second half of a random UUID, for the platform keeps chance in store for those: its variant bits and 62 random ones.
  const random = crypto.randomUUID();
  return timeMs.toString(16).padStart(12, '0') + (0x7000 | count).toString(16) + random.slice(19, 23) + random.slice(24);
}
