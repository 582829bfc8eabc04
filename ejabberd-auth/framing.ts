// ejabberd's external authentication protocol (extauth.erl, 23.01): each packet has its length before it, two bytes, big-endian. A question is
// text with colons, `auth:USER:SERVER:PASSWORD`; the answer is one 16-bit number, 1 or 0.

export type Question = { operation: 'auth'; user: string; server: string; password: string } | { operation: 'isuser'; user: string; server: string };

const LENGTH_BYTES = 2;

/** Cuts what comes on standard input into packets, however it was chunked. */
export class FrameReader {
  private chunks: Buffer[] = [];
  private bytes = 0;
  /** Nothing can be complete before so many bytes are there: spares copying a long packet that comes in drops. */
  private needed = LENGTH_BYTES;

  /** Takes the next bytes; gives the packets that are complete now, without their length. */
  push(chunk: Buffer): Buffer[] {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    if (this.bytes < this.needed) return [];
    const packets: Buffer[] = [];
    let rest = Buffer.concat(this.chunks);
    for (;;) {
      this.needed = LENGTH_BYTES + (rest.length >= LENGTH_BYTES ? rest.readUInt16BE(0) : 0);
      if (rest.length < this.needed) break;
      packets.push(rest.subarray(LENGTH_BYTES, this.needed));
      rest = rest.subarray(this.needed);
    }
    this.chunks = [rest];
    this.bytes = rest.length;
    return packets;
  }

  /** Whether the last packet is still incomplete. */
  get isCutOff(): boolean {
    return this.bytes > 0;
  }
}

/** The bytes of an answer. */
export const answerFrame = (yes: boolean): Buffer => Buffer.from([0, 2, 0, yes ? 1 : 0]);

// A byte order mark is part of a password like any other character.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads a packet. Only the first three colons separate: all others belong to the password.
 * @returns null for whatever can only be answered with false: another operation, an empty field, invalid UTF-8, NUL
 */
export function parseQuestion(packet: Buffer): Question | null {
  let text: string;
  try {
    text = utf8.decode(packet);
  } catch {
    return null; // not UTF-8
  }
  if (text.includes('\0')) return null;
  const [operation, user, server, ...rest] = text.split(':');
  if (!user || !server) return null;
  if (operation === 'isuser') return rest.length === 0 ? { operation, user, server } : null;
  const password = rest.join(':');
  return operation === 'auth' && password !== '' ? { operation, user, server, password } : null;
}
