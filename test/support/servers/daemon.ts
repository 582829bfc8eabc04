// What every real server of the tests needs: a folder, free ports, a process that never outlives us, and its log.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** True when this process is root: some servers then have to run as another user, or must be told that root is meant. */
export const isRoot = process.getuid?.() === 0;

/** Makes a new folder under the system's temporary folder. */
export const temporaryFolder = (name: string): Promise<string> => mkdtemp(path.join(os.tmpdir(), `dx-${name}-`));

/** Removes what a server wrote; DX_TEST_KEEP=1 keeps the folders to look into afterwards. */
export async function removeFolder(folder: string): Promise<void> {
  if (process.env.DX_TEST_KEEP) console.log(`kept: ${folder}`);
  else await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

const mayListen = (port: number, host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = net.createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });

/** Finds a port nobody listens on. It lies below the range from which the kernel takes ports for outgoing connections. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    if (await mayListen(port, host)) return port;
  }
  throw new Error(`No free port found on ${host}.`);
}

/** Finds two loopback addresses on which port 5269 (server-to-server, XEP-0220 without DNS SRV) is free. */
export async function freeLoopbackAddresses(): Promise<[string, string]> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const network = `127.${1 + Math.floor(Math.random() * 254)}.${Math.floor(Math.random() * 255)}`;
    const pair: [string, string] = [`${network}.2`, `${network}.3`];
    if ((await mayListen(5269, pair[0])) && (await mayListen(5269, pair[1]))) return pair;
  }
  throw new Error('No free loopback addresses found for server-to-server connections.');
}

/** Where a server listens. */
type Listener = { host: string; port: number } | { path: string };

const answers = (listener: Listener): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(listener);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

interface DaemonOptions {
  name: string;
  /** Program and arguments. */
  command: [string, ...string[]];
  env?: NodeJS.ProcessEnv;
  cwd: string;
  /** Run as this user (only where we are root). */
  user?: string;
  /** Where standard output and error go; shown when the start fails. */
  logFile: string;
  /** More logs to show when the start fails. */
  otherLogs?: string[];
  /** The server is up when all of these accept connections. */
  ports: Listener[];
  /** How long it may take until then. */
  startWithinMs?: number;
}

/** One server process, started and stopped by hand. */
export class Daemon {
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();

  constructor(private readonly options: DaemonOptions) {}

  /**
   * Starts the process and resolves when its ports accept connections.
   * @throws Error with the server's log when it ends before that or takes too long
   */
  async start(): Promise<void> {
    const { name, command, env, cwd, user, logFile, ports, startWithinMs = 15_000 } = this.options;
    const log = openSync(logFile, 'a');
    // When the test run is killed, the kernel kills its servers too: no orphan keeps a port.
    const credentials = user && isRoot ? ['--reuid', user, '--regid', user, '--init-groups'] : [];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...credentials, ...command], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
      // A group of its own, so that Ctrl-C reaches only the test run, which stops it in order.
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    let failure: string | undefined;
    this.#exited = new Promise((resolve) => {
      const ended = (why: string) => {
        failure ??= why;
        resolve();
      };
      child.once('error', (error) => ended(String(error)));
      child.once('exit', (code, signal) => ended(`it ended with ${signal ?? `code ${code}`}`));
    });

    const deadline = Date.now() + startWithinMs;
    for (const listener of ports) {
      while (!(await answers(listener))) {
        if (failure === undefined && Date.now() > deadline) failure = `nothing listens on ${Object.values(listener).join(':')}`;
        if (failure !== undefined) {
          await this.kill();
          throw new Error(`${name} did not start: ${failure}\n${await this.log()}`);
        }
        await pause(10);
      }
    }
  }

  /** Asks the process to end and resolves when it has; kills it when it takes too long. */
  async stop(withinMs = 10_000, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#child?.kill(signal);
    const overdue = setTimeout(() => this.#child?.kill('SIGKILL'), withinMs);
    await this.#exited;
    clearTimeout(overdue);
  }

  /** Ends the process at once, as a crash would (SIGKILL). */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  /** The last part of the server's logs. */
  async log(): Promise<string> {
    const files = [this.options.logFile, ...(this.options.otherLogs ?? [])];
    const parts = await Promise.all(
      files.map(async (file) => `── ${file}\n${(await readFile(file, 'utf8').catch(() => '')).slice(-8_000)}`),
    );
    return parts.join('\n');
  }
}
