// The built program as a child process, spoken to as ejabberd does, and a stand-in for the service's endpoint.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
// @ts-expect-error plain JavaScript
import { buildEjabberdAuth } from '../../../scripts/build.mjs';

export const SECRET = 'secret-of-the-fake-endpoint';

/** A packet as ejabberd sends it. */
export function frame(packet: string | Buffer): Buffer {
  const bytes = Buffer.from(packet as string);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const ANSWER = 4;
const TRUE = Buffer.from([0, 2, 0, 1]);
const FALSE = Buffer.from([0, 2, 0, 0]);

export class Program {
  readonly child: ChildProcessWithoutNullStreams;
  /** Everything on standard error. */
  log = '';
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  #output = Buffer.alloc(0);
  #taken = 0;
  #more: () => void = () => {};

  constructor(file: string, args: string[]) {
    this.child = spawn(process.execPath, [file, ...args]);
    this.child.stderr.on('data', (chunk) => {
      this.log += chunk;
      this.#more();
    });
    this.child.stdout.on('data', (chunk) => {
      this.#output = Buffer.concat([this.#output, chunk]);
      this.#more();
    });
    this.child.stdin.on('error', () => {}); // it may be gone already: `exited` tells
    this.exited = new Promise((resolve) => this.child.on('close', (code, signal) => resolve({ code, signal })));
    void this.exited.then(() => this.#more());
  }

  /** Writes bytes as they stand. */
  write(...parts: Buffer[]): void {
    this.child.stdin.write(Buffer.concat(parts));
  }

  /** The next `count` answers. @throws Error when something else is there, or the program ends */
  async answers(count: number): Promise<boolean[]> {
    const end = this.#taken + count * ANSWER;
    while (this.#output.length < end) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw new Error(`the program has ended: ${this.log}`);
      await new Promise<void>((resolve) => (this.#more = resolve));
    }
    const bytes = this.#output.subarray(this.#taken, end);
    this.#taken = end;
    return Array.from({ length: count }, (_, index) => {
      const answer = bytes.subarray(index * ANSWER, (index + 1) * ANSWER);
      if (!answer.equals(TRUE) && !answer.equals(FALSE)) throw new Error(`no answer: ${answer.toString('hex')}`);
      return answer.equals(TRUE);
    });
  }

  /** Waits for this text in the log: it may come after the answer that it tells about. */
  async hasLogged(text: string): Promise<void> {
    while (!this.log.includes(text)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw new Error(`the program has ended without ${text}: ${this.log}`);
      await new Promise<void>((resolve) => (this.#more = resolve));
    }
  }

  /** Sends one packet and waits for its answer. */
  async asks(packet: string | Buffer): Promise<boolean> {
    this.write(frame(packet));
    return (await this.answers(1))[0]!;
  }

  /** What has come and was not taken. */
  get untaken(): Buffer {
    return this.#output.subarray(this.#taken);
  }

  /** Closes its standard input and waits for its end. */
  async ends(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.child.stdin.end();
    return this.exited;
  }
}

/** What the fake endpoint got: a request with its whole body. */
export interface Asked {
  path: string;
  authorization: string;
  fields: Record<string, string>;
  /** Which connection it came by, from 1. */
  connection: number;
  /** Writes bytes of an answer. */
  send(text: string): void;
  /** A right answer: `true` or `false`. */
  says(yes: boolean): void;
  /** Closes the connection. */
  hangsUp(): void;
}

export const httpAnswer = (body: string, status = '200 OK'): string => `HTTP/1.1 ${status}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

/** NOT the real endpoint: a listener on TCP that reads requests of the one form that the program sends, and answers what the test wants, HTTP or not. */
export class FakeEndpoint {
  readonly asked: Asked[] = [];
  /** Called for each request. */
  answer: (asked: Asked) => void = (asked) => asked.says(true);
  port = 0;
  #connections = 0;
  #waiting: (() => void)[] = [];
  readonly #sockets = new Set<net.Socket>();
  #server: net.Server | undefined;

  async listen(): Promise<void> {
    this.#server = net.createServer((socket) => this.#serve(socket)).listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves when so many requests have come. */
  async hasBeenAsked(count: number): Promise<void> {
    while (this.asked.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server!.close(resolve));
  }

  #serve(socket: net.Socket): void {
    const connection = ++this.#connections;
    let input = Buffer.alloc(0);
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {}); // the program hangs up when it likes
    socket.on('data', (chunk) => {
      input = Buffer.concat([input, chunk]);
      const head = input.indexOf('\r\n\r\n');
      if (head < 0) return;
      const [line = '', ...headers] = input.subarray(0, head).toString('latin1').split('\r\n');
      const header = (name: string) => headers.find((text) => text.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1).trim() ?? '';
      const end = head + 4 + Number(header('content-length'));
      if (input.length < end) return;
      const body = input.subarray(head + 4, end).toString('latin1');
      input = input.subarray(end);
      const asked: Asked = {
        path: line,
        authorization: header('authorization'),
        fields: Object.fromEntries(new URLSearchParams(body)),
        connection,
        send: (text) => void socket.write(text),
        says: (yes) => void socket.write(httpAnswer(String(yes))),
        hangsUp: () => socket.destroy(),
      };
      this.asked.push(asked);
      for (const resolve of this.#waiting.splice(0)) resolve();
      this.answer(asked);
    });
  }
}

/** A folder with a secret file, the built program, and an end to all that was started. */
export async function bench() {
  const file = (await buildEjabberdAuth()) as string;
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-ejabberd-auth-'));
  const secretFile = path.join(folder, 'secret');
  writeFileSync(secretFile, `${SECRET}\n`);
  const programs: Program[] = [];
  return {
    file,
    folder,
    secretFile,
    start(endpoint: { url: string }, ...more: string[]): Program {
      const program = new Program(file, ['--url', endpoint.url, '--secret-file', secretFile, ...more]);
      programs.push(program);
      return program;
    },
    async end(): Promise<void> {
      for (const program of programs) program.child.kill('SIGKILL');
      await Promise.all(programs.map((program) => program.exited));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
