// A Python script that runs beside a test and is spoken to in lines of JSON: programs of somebody else, driven by a few lines of ours.
//
//   const script = new PythonScript<{ online?: string }>(path.join(import.meta.dirname, 'follower.py'));
//   script.order({ jid: 'bob@example.org', … });
//   const { online } = await script.says((line) => line.online !== undefined, 'that it is online');
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** Debian's own: slixmpp and dbus are packages of its. */
export const PYTHON = '/usr/bin/python3';

/** How long a line may take. */
const WITHIN_MS = 15_000;

export class PythonScript<Line extends object> {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<unknown>;
  /** What it wrote to stderr: shown when it does not say what it should. */
  #complaints = '';
  #isOver = false;
  #changed = () => {};
  /** What it said that nobody has taken, oldest first. */
  readonly unread: Line[] = [];

  constructor(script: string, env: NodeJS.ProcessEnv = process.env) {
    // When the test run is killed, the kernel kills the script too.
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', PYTHON, script], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#ended = once(this.#process, 'close');
    this.#process.stderr.setEncoding('utf8').on('data', (text) => {
      this.#complaints += text;
    });
    // It may have ended by itself.
    this.#process.stdin.on('error', () => {});
    createInterface(this.#process.stdout)
      .on('line', (line) => {
        this.unread.push(JSON.parse(line) as Line);
        this.#changed();
      })
      .once('close', () => {
        this.#isOver = true;
        this.#changed();
      });
  }

  order(what: object): void {
    this.#process.stdin.write(`${JSON.stringify(what)}\n`);
  }

  /**
   * Takes the first line that fits, said already or to come; the others stay.
   * @throws Error when it ends without saying so, or after a while
   */
  async says(fits: (line: Line) => boolean, what: string, withinMs = WITHIN_MS): Promise<Line> {
    const failure = new Error();
    let isLate = false;
    const clock = setTimeout(() => {
      isLate = true;
      this.#changed();
    }, withinMs);
    try {
      for (;;) {
        const at = this.unread.findIndex(fits);
        if (at >= 0) return this.unread.splice(at, 1)[0] as Line;
        if (this.#isOver || isLate) break;
        await new Promise<void>((resolve) => {
          this.#changed = resolve;
        });
      }
    } finally {
      clearTimeout(clock);
    }
    failure.message = `The script ${this.#isOver ? 'ended without saying' : 'did not say'} ${what}. It said ${JSON.stringify(this.unread)}\n${this.#complaints}`;
    throw failure;
  }

  /** Gives it the order to end, and resolves when it has; kills it when it takes too long. */
  async end(order: object): Promise<void> {
    this.order(order);
    const overdue = setTimeout(() => this.#process.kill('SIGKILL'), WITHIN_MS);
    await this.#ended;
    clearTimeout(overdue);
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}
