// The built service in a process of its own (`dx serve`, or one role of it), and an author who posts through the form.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../test/support/servers/index.js';

const MAIN = path.resolve(import.meta.dirname, '../../dist/src/cli/main.js');

export interface Author {
  /** Bare JID. */
  jid: string;
  cookie: string;
  /** Posts through the form. @param once the form's token: sent again, it is the same post @returns how long the POST took, when its answer is there */
  post(text: string, once?: string): Promise<{ sentAt: number; tookMs: number; guid: string }>;
}

export interface Service {
  url: string;
  env: NodeJS.ProcessEnv;
  process: ChildProcess;
  /** From the spawn to "is ready". */
  startedInMs: number;
  residentBytes(): number;
  /** Processor time of its process so far, with all its threads. */
  cpuMs(): number;
  /** A new account, logged in. */
  author(username: string): Promise<Author>;
  /** Someone who has an account, logged in to the pages. */
  member(username: string, password: string): Promise<Author & { makeAppPassword(label: string): Promise<string>; open(path: string): Promise<number> }>;
  stop(): Promise<void>;
  start(): Promise<void>;
  destroy(): Promise<void>;
}

/** @param role of `dx`; processes of one installation share a state dir */
export async function startService(
  component: { domain: string; host: string; port: number; secret: string },
  chatDomain: string,
  more: Record<string, string> = {},
  role: { command: 'serve' | 'web' | 'worker' | 'connector'; stateDir?: string } = { command: 'serve' },
): Promise<Service> {
  const stateDir = role.stateDir ?? mkdtempSync(path.join(tmpdir(), 'dx-bench-'));
  const port = await freePort();
  const env = {
    ...process.env,
    DX_STATE_DIR: stateDir,
    DX_DOMAIN: component.domain,
    DX_CHAT_DOMAIN: chatDomain,
    DX_LISTEN: `127.0.0.1:${port}`,
    DX_PUBLIC_URL: `http://localhost:${port}`,
    DX_AUTH_LISTEN: `127.0.0.1:${await freePort()}`,
    DX_METRICS_LISTEN: '127.0.0.1:0',
    DX_RATE_LIMITS: 'off',
    DX_LOG_LEVEL: 'warn',
    DX_COMPONENT_URL: `xmpp://${component.host}:${component.port}`,
    DX_COMPONENT_SECRET: component.secret,
    ...more,
  };
  const url = `http://127.0.0.1:${port}`;
  const service: Service = {
    url,
    env,
    process: undefined as never,
    startedInMs: 0,
    residentBytes: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${service.process.pid}/status`, 'utf8'))?.[1]) * 1024,
    cpuMs() {
      const fields = readFileSync(`/proc/${service.process.pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
      return (Number(fields[11]) + Number(fields[12])) * 10; // in hundredths of a second
    },
    author: (username) => author([url], env, username),
    async member(username, password) {
      const session = await logIn([url], env, username, password);
      const { get, post } = session;
      return {
        ...authorOf(`${username}@${env.DX_DOMAIN}`, session),
        async open(path_) {
          const { status, sentAt } = await get(path_);
          if (status !== 200) throw new Error(`${path_} was answered ${status}`);
          return performance.now() - sentAt;
        },
        async makeAppPassword(label) {
          const { status, body } = await post('/settings/app-passwords', { label });
          const made = /<code id="app-password">([^<]+)/.exec(body)?.[1];
          if (!made) throw new Error(`no app password was made: ${status} ${body.slice(0, 500)}`);
          return made;
        },
      };
    },
    async start() {
      const from = performance.now();
      service.process = spawn(process.execPath, [MAIN, role.command], { env, cwd: stateDir, stdio: ['ignore', 'pipe', 'inherit'] });
      await new Promise<void>((resolve, reject) => {
        service.process.stdout!.on('data', (chunk: Buffer) => chunk.toString().includes('is ready') && resolve());
        service.process.once('exit', (code) => reject(new Error(`the service ended with ${code}`)));
      });
      service.startedInMs = performance.now() - from;
    },
    async stop() {
      const ended = new Promise((resolve) => service.process.once('exit', resolve));
      service.process.kill('SIGTERM');
      await ended;
    },
    async destroy() {
      await service.stop();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
  await service.start();
  return service;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  /** When its first byte left, by performance.now(). */
  sentAt: number;
}

function ask(method: string, url: string, headers: Record<string, string> = {}, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, agent, headers: { ...headers, ...(body ? { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(Buffer.byteLength(body)) } : {}) } }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      incoming.on('end', () => resolve({ status: incoming.statusCode!, headers: incoming.headers, body: text, sentAt }));
    });
    let sentAt = performance.now();
    // In the moment before it writes: on a kept connection what comes before is work of this client alone.
    outgoing.once('socket', () => {
      sentAt = performance.now();
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

/** A browser that is logged in, as far as posting forms goes: requests go to these web processes in turn. */
async function logIn(urls: string[], env: NodeJS.ProcessEnv, username: string, password: string) {
  let turn = 0;
  const cookies = new Map<string, string>();
  const call = async (method: string, path_: string, form?: Record<string, string>): Promise<Answer> => {
    const answer = await ask(method, urls[turn++ % urls.length]! + path_, { cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; '), host: new URL(env.DX_PUBLIC_URL!).host, origin: env.DX_PUBLIC_URL! }, form ? new URLSearchParams(form).toString() : '');
    for (const cookie of [answer.headers['set-cookie'] ?? []].flat()) {
      const [, key, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      cookies.set(key!, value!);
    }
    return answer;
  };
  const csrfOf = (page: string) => /name="csrf" value="([^"]+)"/.exec(page)![1]!;
  const login = await call('POST', '/login', { csrf: csrfOf((await call('GET', '/login')).body), login: username, password });
  if (login.status !== 303) throw new Error(`login failed with ${login.status}: ${login.body.slice(0, 500)}`);
  const csrf = csrfOf((await call('GET', '/settings/app-passwords')).body);
  return { get: (path_: string) => call('GET', path_), post: (path_: string, form: Record<string, string>) => call('POST', path_, { csrf, ...form }), cookie: [...cookies].map((pair) => pair.join('=')).join('; ') };
}

/** Logs in at these web processes; posts go to all of them in turn. */
export async function author(urls: string[], env: NodeJS.ProcessEnv, username: string): Promise<Author> {
  const password = 'correct horse battery';
  execFileSync(process.execPath, [MAIN, 'account', 'create', username, '--email', `${username}@mail.test`, '--password-file', '-'], { env, input: password, cwd: env.DX_STATE_DIR, stdio: ['pipe', 'ignore', 'pipe'] });
  return authorOf(`${username}@${env.DX_DOMAIN}`, await logIn(urls, env, username, password));
}

function authorOf(jid: string, { cookie, post }: Awaited<ReturnType<typeof logIn>>): Author {
  return {
    jid,
    cookie,
    async post(text, once) {
      const answer = await post('/posts', { text, audience: 'public', ...(once ? { once } : {}) });
      if (answer.status !== 303) throw new Error(`the post was answered ${answer.status}: ${answer.body.slice(0, 500)}`);
      return { sentAt: answer.sentAt, tookMs: performance.now() - answer.sentAt, guid: String(answer.headers.location).split('/').pop()! };
    },
  };
}
