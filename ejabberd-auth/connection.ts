// One kept connection that carries one request after another: as much of HTTP/1.1 (RFC 9112) as asking the service takes. Node's own client
// costs four times as much CPU, on the machine and in the moment in which everyone logs in.
import net from 'node:net';

/**
 * `stale`: the other side had closed a kept connection before it answered, as a restarted service does. `refused`: nobody listens, or not any
 * more: who waited in the queue of a listener that closes is reset.
 */
export type Outcome = { status: number; text: string } | { failed: string; stale: boolean; refused: boolean };

interface Answer {
  status: number;
  text: string;
  /** May the connection carry another request? */
  keep: boolean;
}

/** No answer is longer than "false" and a line end. */
const MAX_TEXT_BYTES = 64;
const MAX_HEAD_BYTES = 16_384;
const READ_BYTES = 4_096;

/**
 * Reads an answer from what has come so far, bytes as latin1.
 * @param ended nothing more will come
 * @returns null when it is not whole yet
 * @throws Error when it is no answer, or too long a one
 */
export function readAnswer(received: string, ended: boolean): Answer | null {
  const start = 'HTTP/1.';
  for (let from = 0; ; ) {
    if (!received.startsWith(start, from) && !start.startsWith(received.slice(from))) throw new Error('not HTTP');
    const end = received.indexOf('\r\n\r\n', from);
    if ((end < 0 ? received.length : end) > MAX_HEAD_BYTES) throw new Error('header too long');
    if (end < 0) return null;
    const head = received.slice(from, end + 2);
    const status = Number(/^HTTP\/1\.[01] (\d{3})[ \r]/.exec(head)?.[1]);
    if (!status || status === 101) throw new Error('not HTTP');
    from = end + 4;
    if (status < 200) continue; // an interim answer: another follows

    const keep = !/\r\nconnection:[^\r\n]*\bclose\b/i.test(head);
    if (status === 204 || status === 304) return { status, text: '', keep };
    const rest = received.slice(from);
    const text = /\r\ntransfer-encoding:/i.test(head) ? readChunks(rest) : readPlain(rest, /\r\ncontent-length:[ \t]*(\d+)[ \t]*\r/i.exec(head)?.[1], ended);
    if (text === null) return null;
    if (text !== 'too long') return { status, text: text.text, keep: keep && text.whole };
    if (status === 200) throw new Error('answer too long');
    return { status, text: '', keep: false }; // an error's page: its status says enough
  }
}

type Body = { text: string; whole: boolean } | 'too long' | null;

function readPlain(rest: string, length: string | undefined, ended: boolean): Body {
  const bytes = length === undefined ? rest.length : Number(length);
  if (bytes > MAX_TEXT_BYTES) return 'too long';
  if (length === undefined ? !ended : rest.length < bytes) return null;
  return { text: rest.slice(0, bytes), whole: rest.length === bytes && length !== undefined };
}

/** RFC 9112 §7.1, without trailers. */
function readChunks(rest: string): Body {
  let text = '';
  for (let from = 0; ; ) {
    const end = rest.indexOf('\r\n', from);
    if (end < 0) return rest.length - from > MAX_TEXT_BYTES ? 'too long' : null;
    const size = /^([0-9a-f]{1,6})[ \t]*(?:;|$)/i.exec(rest.slice(from, end))?.[1];
    if (size === undefined) throw new Error('not HTTP');
    const bytes = Number.parseInt(size, 16);
    if (text.length + bytes > MAX_TEXT_BYTES) return 'too long';
    from = end + 2;
    if (rest.length < from + bytes + 2) return null;
    text += rest.slice(from, from + bytes);
    if (rest.slice(from + bytes, from + bytes + 2) !== '\r\n') throw new Error('not HTTP');
    from += bytes + 2;
    if (bytes === 0) return { text, whole: rest.length === from };
  }
}

export class Connection {
  private readonly socket: net.Socket;
  private received = '';
  private wasUsed = false;
  private settle: ((outcome: Outcome) => void) | null = null;
  private why = 'connection closed';
  private dueAt = 0;
  private watch: { at: number; timer: NodeJS.Timeout } | null = null;

  /** @param onEnd it can carry nothing any more */
  constructor(
    at: { host: string; port: number },
    private readonly onEnd: (self: Connection) => void,
  ) {
    // One buffer for all answers: else each brings 64 KiB of its own, and the stream's work with it.
    const take = (bytes: number, buffer: Uint8Array): boolean => {
      this.received += (buffer as Buffer).toString('latin1', 0, bytes);
      this.look(false);
      return true;
    };
    this.socket = net.connect({ ...at, noDelay: true, onread: { buffer: Buffer.alloc(READ_BYTES), callback: take } });
    this.socket.on('end', () => this.look(true));
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.why = error.code ?? error.name;
    });
    this.socket.on('close', () => this.fail(this.why));
  }

  /**
   * Sends a request. One at a time.
   * @param request ASCII
   * @param withinMs 0 or less: out of time
   * @param settle called once, with its answer
   */
  ask(request: string, withinMs: number, settle: (outcome: Outcome) => void): void {
    this.settle = settle;
    this.dueAt = performance.now() + withinMs;
    if (!this.watch || this.watch.at > this.dueAt) this.setWatch();
    this.socket.write(request, 'latin1');
  }

  /** One timer outlasts many questions: to make and clear one for each was half of our work. */
  private setWatch(): void {
    clearTimeout(this.watch?.timer);
    const look = () => {
      this.watch = null;
      if (!this.settle) return;
      if (performance.now() >= this.dueAt) this.fail('out of time');
      else this.setWatch();
    };
    this.watch = { at: this.dueAt, timer: setTimeout(look, Math.max(1, Math.ceil(this.dueAt - performance.now()))) };
  }

  /** Nothing can be asked any more; what is asked fails. */
  end(): void {
    this.fail('connection closed');
  }

  private look(ended: boolean): void {
    // Nothing was asked: what comes now would be taken for the answer to the next question.
    if (!this.settle) return this.fail('unasked');
    try {
      const answer = readAnswer(this.received, ended);
      if (!answer) return ended ? this.fail('connection closed') : undefined;
      const { settle } = this;
      this.settle = null;
      this.received = '';
      this.wasUsed = true;
      if (!answer.keep) this.fail('no longer needed');
      settle({ status: answer.status, text: answer.text.trim() });
    } catch (error) {
      this.fail((error as Error).message);
    }
  }

  private fail(failed: string): void {
    const { settle } = this;
    this.settle = null;
    clearTimeout(this.watch?.timer);
    this.watch = null;
    this.socket.destroy(); // after an answer that is no answer, it cannot be trusted with the next question
    this.onEnd(this);
    const isUnheard = this.received === '';
    settle?.({ failed, stale: this.wasUsed && isUnheard && failed !== 'out of time', refused: failed === 'ECONNREFUSED' || (failed === 'ECONNRESET' && isUnheard) });
  }
}
