// The service in a process of its own, as an operator runs it: for what only another process shows (kill -9, signals, arguments, logs).
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ReadyReport } from '../../src/cli/serve.js';
import type { ComponentAddress } from './installation.js';
import { freePort } from './servers/index.js';
import { Browser, PASSWORD, type Site } from './web.js';

const MAIN = path.join(import.meta.dirname, 'dx.mjs');

export interface Service {
  url: string;
  stateDir: string;
  /** The SQLite file. */
  database: string;
  /** The process that runs now, or ran last. */
  process: ChildProcess;
  /** All that it has written to standard output and standard error, over all its runs. */
  output(): string;
  /** Runs `dx` with the same configuration. @returns its standard output */
  dx(args: string[], input?: string): string;
  /** A new, confirmed account, logged in. */
  author(username: string): Promise<Author>;
  readyz(): Promise<ReadyReport>;
  start(): Promise<void>;
  /** SIGTERM. @returns how it ended */
  stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null; tookMs: number }>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
  destroy(): Promise<void>;
}

export interface Author {
  /** Bare JID. */
  jid: string;
  browser: Browser;
  /** Posts through the form. @returns the guid once the post is accepted @throws Error for any answer but 303 */
  post(text: string, once?: string): Promise<string>;
}

export interface ServiceOptions {
  chatDomain?: string;
  env?: Record<string, string>;
  /** Roles of one installation have one database (`env`) and one state dir. */
  command?: 'serve' | 'web' | 'worker' | 'connector';
  /** Another one's; it is not removed then. */
  stateDir?: string;
}

/** Starts `dx serve` on SQLite, or what the options say, and waits for "is ready". @throws Error with its output when it ends before */
export async function startService(component: ComponentAddress, { chatDomain = '', env = {}, command = 'serve', stateDir: given }: ServiceOptions = {}): Promise<Service> {
  const stateDir = given ?? mkdtempSync(path.join(tmpdir(), 'dx-service-'));
  const port = await freePort();
  const metricsPort = await freePort();
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DX_')));
  const whole: NodeJS.ProcessEnv = {
    ...inherited,
    DX_STATE_DIR: stateDir,
    DX_DOMAIN: component.domain,
    DX_CHAT_DOMAIN: chatDomain,
    DX_LISTEN: `127.0.0.1:${port}`,
    DX_PUBLIC_URL: `http://localhost:${port}`,
    DX_AUTH_LISTEN: `127.0.0.1:${await freePort()}`,
    DX_METRICS_LISTEN: `127.0.0.1:${metricsPort}`,
    DX_DATABASE_URL: `sqlite:${path.join(stateDir, 'test.sqlite')}`,
    DX_RATE_LIMITS: 'off',
    DX_LOG_LEVEL: 'warn',
    DX_COMPONENT_URL: `xmpp://${component.host}:${component.port}`,
    DX_COMPONENT_SECRET: component.secret,
    ...env,
  };
  let written = '';
  let exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  const url = `http://127.0.0.1:${port}`;
  const service: Service = {
    url,
    stateDir,
    database: path.join(stateDir, 'test.sqlite'),
    process: undefined as never,
    output: () => written,
    dx: (args, input = '') => execFileSync(process.execPath, [MAIN, ...args], { env: whole, input, cwd: stateDir, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] }),
    async author(username) {
      service.dx(['account', 'create', username, '--email', `${username}@mail.test`, '--password-file', '-'], PASSWORD);
      const browser = new Browser(url as unknown as Site['app']);
      const login = await browser.logIn(username);
      if (login.status !== 303) throw new Error(`the login was answered ${login.status}`);
      return {
        jid: `${username}@${component.domain}`,
        browser,
        async post(text, once) {
          const answer = await browser.post('/posts', { text, audience: 'public', ...(once ? { once } : {}) });
          if (answer.status !== 303) throw new Error(`the post was answered ${answer.status}: ${answer.text.slice(0, 500)}`);
          return answer.headers.location!.split('/').pop()!;
        },
      };
    },
    readyz: async () => (await (await fetch(`${command === 'serve' || command === 'web' ? url : `http://127.0.0.1:${metricsPort}`}/readyz`)).json()) as ReadyReport,
    async start() {
      const child = spawn(process.execPath, [MAIN, command], { env: whole, cwd: stateDir, stdio: ['ignore', 'pipe', 'pipe'] });
      service.process = child;
      exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
      await new Promise<void>((resolve, reject) => {
        for (const stream of [child.stdout!, child.stderr!]) {
          stream.setEncoding('utf8').on('data', (text: string) => {
            written += text;
            if (text.includes('is ready')) resolve();
          });
        }
        void exited.then(({ code, signal }) => reject(new Error(`the service ended with ${signal ?? code}:\n${written.slice(-4_000)}`)));
      });
    },
    async stop() {
      const from = performance.now();
      service.process.kill('SIGTERM');
      return { ...(await exited), tookMs: performance.now() - from };
    },
    async kill() {
      service.process.kill('SIGKILL');
      await exited;
    },
    async destroy() {
      await service.kill();
      if (given === undefined) rmSync(stateDir, { recursive: true, force: true });
    },
  };
  await service.start();
  return service;
}
