import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';

export interface HostPort {
  host: string;
  port: number;
}

/** The effective configuration, read once at start. `chatDomain` is '' for an installation without chat logins. */
export interface Config {
  domain: string;
  chatDomain: string;
  /** Without a slash at the end. */
  publicUrl: string;
  listen: HostPort;
  /** Absolute path. */
  stateDir: string;
  /** `sqlite:/absolute/path` or `postgres://…`. */
  databaseUrl: string;
  /** null: no XMPP server is set and no private one was started; web and mail work, posts wait. */
  component: (HostPort & { secret: string }) | null;
  authListen: HostPort;
  authSecret: string;
  metricsListen: HostPort;
  /** `file:/absolute/folder` or `smtp://…`. */
  mailUrl: string;
  mailFrom: string;
  secret: string;
  registration: 'open' | 'approval' | 'invite' | 'closed';
  trustProxy: string;
  rateLimits: boolean;
  ejabberdApi: { url: string; token: string | null } | null;
  logLevel: LogLevel;
  xmppPort: number;
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const domain = (text: string) => /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(text);
const isLoopback = (host: string) => host === 'localhost' || host === '::1' || host.startsWith('127.');

const domainName = z.string().toLowerCase().refine(domain, 'write a domain name like social.example.org (no https://, no @)');
const port = z.coerce.number('write a port number, 1 to 65535').int().min(0).max(65535);
const hostPort = z.string().transform((text, context): HostPort => {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (match && Number(match[3]) <= 65535) return { host: (match[1] ?? match[2])!, port: Number(match[3]) };
  context.addIssue({ code: 'custom', message: 'write HOST:PORT, for example 127.0.0.1:3000' });
  return z.NEVER;
});
const url = (schemes: string[], example: string) =>
  z.string().refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol), `write a URL like ${example}`);
const secretText = z.string().min(16, 'write at least 16 characters; openssl rand -hex 32 makes a good one');

interface Key {
  schema: z.ZodType;
  /** What stands in the documentation as the default; the value itself when it is a plain text. */
  default: string;
  /** One sentence for docs/config.md. */
  meaning: string;
  /** May be given as KEY_FILE, and is hidden by `dx config`. */
  secret?: true;
  /** The default is computed, not the text above. */
  computed?: true;
}

/** Every key that there is, with its sentence: docs/config.md is generated from this table. */
export const KEYS = {
  DX_DOMAIN: { schema: domainName, default: 'social.localhost', meaning: 'The social domain: the domain of all handles, of the XMPP component and of the web site.' },
  DX_CHAT_DOMAIN: {
    schema: z.union([z.literal(''), domainName]),
    default: 'localhost',
    meaning: 'The chat domain: the XMPP host whose logins are checked here, so that alice@CHAT may act for alice@SOCIAL. Empty when there is none.',
  },
  DX_PUBLIC_URL: {
    schema: url(['http:', 'https:'], 'https://social.example.org').transform((text) => text.replace(/\/+$/, '')),
    default: 'http://localhost:3000',
    meaning: 'The address of the web site as links and federation write it; https outside development.',
  },
  DX_LISTEN: { schema: hostPort, default: '127.0.0.1:3000', meaning: 'Where the web pages are served; a proxy with TLS stands before it.' },
  DX_STATE_DIR: { schema: z.string().min(1), default: 'var', meaning: 'The folder for everything that is written: SQLite file, keys, mail files, the private Prosody.' },
  DX_DATABASE_URL: {
    schema: z.string().regex(/^(sqlite:.+|postgres(ql)?:\/\/.+)$/, 'write sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE'),
    default: '`sqlite:` file in the state dir',
    computed: true,
    secret: true,
    meaning: 'The database: an SQLite file or PostgreSQL.',
  },
  DX_COMPONENT_URL: {
    schema: url(['xmpp:'], 'xmpp://127.0.0.1:5347').refine((text) => !URL.canParse(text) || new URL(text).port !== '', 'write the port too, like xmpp://127.0.0.1:5347'),
    default: 'the private Prosody that `npm start` runs',
    computed: true,
    meaning: "The XMPP server's component listener (XEP-0114).",
  },
  DX_COMPONENT_SECRET: { schema: z.string().min(1), default: 'generated for the private Prosody', computed: true, secret: true, meaning: 'The secret shared with that listener.' },
  DX_AUTH_LISTEN: { schema: hostPort, default: '127.0.0.1:3001', meaning: 'The endpoint where chat servers check logins; never open it to others.' },
  DX_AUTH_SECRET: { schema: secretText, default: 'generated, kept in the state dir', computed: true, secret: true, meaning: 'The secret that chat servers show to that endpoint.' },
  DX_METRICS_LISTEN: { schema: hostPort, default: '127.0.0.1:3002', meaning: 'Where /metrics (OpenMetrics) is served; it holds no names, but never open it to strangers.' },
  DX_MAIL_URL: {
    schema: z.string().regex(/^(file:|smtps?:\/\/).+/, 'write file:FOLDER, smtp://USER:PASSWORD@HOST or smtps://…'),
    default: '`file:` folder `mail` in the state dir',
    computed: true,
    secret: true,
    meaning: 'How mail is sent; with `file:` each mail becomes one .eml file and its path is logged.',
  },
  DX_MAIL_FROM: { schema: z.email('write an e-mail address').or(z.string().regex(/^[^\s@]+@[^\s@]+$/)), default: '`no-reply@` social domain', computed: true, meaning: 'The sender of mails.' },
  DX_SECRET: { schema: secretText, default: 'generated, kept in the state dir', computed: true, secret: true, meaning: 'Signs cookies and form tokens; changing it logs everyone out.' },
  DX_REGISTRATION: { schema: z.enum(['open', 'approval', 'invite', 'closed'], 'write open or closed'), default: 'open', meaning: 'Who may sign up. `approval` and `invite` come with a later version and are treated as closed until then.' },
  DX_TRUST_PROXY: { schema: z.string().min(1), default: 'loopback', meaning: "Whose X-Forwarded-* headers are believed, in express' notation." },
  DX_RATE_LIMITS: { schema: z.enum(['on', 'off'], 'write on or off'), default: 'on', meaning: '`off` only together with a loopback DX_LISTEN, for tests and benchmarks.' },
  DX_EJABBERD_API_URL: {
    schema: url(['http:', 'https:'], 'http://127.0.0.1:5280/api'),
    default: '(none)',
    computed: true,
    secret: true,
    meaning: "ejabberd's mod_http_api, to end chat sessions on revocation; dx snippet ejabberd sets it up, with a path that is its key.",
  },
  DX_EJABBERD_API_TOKEN: { schema: z.string().min(1), default: '(none)', computed: true, secret: true, meaning: 'A token of ejabberd for it (Bearer), where it wants one.' },
  DX_LOG_LEVEL: { schema: z.enum(LOG_LEVELS, `write one of ${LOG_LEVELS.join(', ')}`), default: 'info', meaning: 'How much is logged.' },
  DX_XMPP_PORT: { schema: port, default: '5222', meaning: 'The client port of the private Prosody.' },
} satisfies Record<string, Key>;

type KeyName = keyof typeof KEYS;
const keyTable: Record<string, Key> = KEYS;

/** The configuration is wrong: `faults` lists all of it, each with what to write instead. Exit code 78 (EX_CONFIG). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly faults: string[]) {
    super(`The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
}

/** How many letters differ, roughly: enough to find a mistyped key. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}

function unknownKey(key: string): string {
  const base = key.replace(/_FILE$/, '');
  const near = Object.keys(KEYS).map((known) => ({ known, apart: distance(base, known) })).sort((a, b) => a.apart - b.apart)[0]!;
  return `${key} is not a key that we know${near.apart <= 4 ? `; did you mean ${near.known}?` : '; docs/config.md lists them all.'}`;
}

/** A text file's only line. */
const readLine = (path: string) => readFileSync(path, 'utf8').trim();

/** The secret kept in the state dir under this name, made at the first call. */
function keptSecret(stateDir: string, name: string): string {
  const path = join(stateDir, name);
  if (!existsSync(path)) {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    try {
      writeFileSync(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process made it in between: read that one
    }
  }
  return readLine(path);
}

/** The values as given: environment over `.env`, KEY_FILE read, unknown and doubled keys noted as faults. */
function readValues(env: NodeJS.ProcessEnv, directory: string, faults: string[]): Map<string, string> {
  const dotenv = join(directory, '.env');
  const given: Record<string, string | undefined> = { ...(existsSync(dotenv) ? parseEnv(readFileSync(dotenv, 'utf8')) : {}), ...env };
  const values = new Map<string, string>();
  for (const [key, value] of Object.entries(given)) {
    if (!key.startsWith('DX_') || value === undefined) continue;
    const base = key.endsWith('_FILE') ? key.slice(0, -'_FILE'.length) : key;
    const known = keyTable[base];
    if (!known || (base !== key && !known.secret)) {
      faults.push(unknownKey(key));
    } else if (base === key) {
      values.set(key, value);
    } else if (given[base] !== undefined) {
      faults.push(`${base} and ${key} are both set: keep one of them.`);
    } else {
      try {
        values.set(base, readLine(resolve(directory, value)));
      } catch (error) {
        faults.push(`${key}: cannot read ${value} (${(error as NodeJS.ErrnoException).code}). Write the path of a file that this user may read.`);
      }
    }
  }
  return values;
}

/**
 * The configuration from the environment and from `.env` in `directory`. Secrets that are not set are made and kept in the state dir.
 * @throws ConfigError with every fault
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, directory = process.cwd()): Config {
  const faults: string[] = [];
  const values = readValues(env, directory, faults);
  /** The parsed value of a key, its plain default, or undefined when its default is computed. */
  const get = <K extends KeyName>(key: K): z.output<(typeof KEYS)[K]['schema']> | undefined => {
    const { schema, default: fallback, computed } = keyTable[key]!;
    const text = values.get(key) ?? (computed ? undefined : fallback);
    if (text === undefined || (text === '' && computed)) return undefined;
    const result = schema.safeParse(text);
    if (result.success) return result.data as z.output<(typeof KEYS)[K]['schema']>;
    const shown = keyTable[key]!.secret ? '' : ` is "${text}"`;
    faults.push(`${key}${shown}: ${result.error.issues.map((issue) => issue.message).join('; ')}.`);
    return undefined;
  };

  const stateDir = resolve(directory, get('DX_STATE_DIR') ?? 'var');
  const listen = get('DX_LISTEN') ?? { host: '127.0.0.1', port: 3000 };
  const rateLimits = get('DX_RATE_LIMITS') !== 'off';
  if (!rateLimits && !isLoopback(listen.host)) faults.push('DX_RATE_LIMITS is "off": this is allowed only while DX_LISTEN is a loopback address such as 127.0.0.1:3000.');
  const socialDomain = get('DX_DOMAIN') ?? '';
  const chatDomain = get('DX_CHAT_DOMAIN') ?? '';
  if (socialDomain !== '' && socialDomain === chatDomain) faults.push('DX_CHAT_DOMAIN is the same as DX_DOMAIN: the component needs a domain of its own, such as social.example.org beside example.org.');

  const componentUrl = get('DX_COMPONENT_URL');
  const componentSecret = get('DX_COMPONENT_SECRET');
  if (componentUrl !== undefined && componentSecret === undefined && !values.has('DX_COMPONENT_SECRET')) {
    faults.push('DX_COMPONENT_SECRET is missing: write the secret that the XMPP server has for this component (dx snippet prints both sides).');
  }
  const database = get('DX_DATABASE_URL');
  const mail = get('DX_MAIL_URL');
  const apiUrl = get('DX_EJABBERD_API_URL');
  const rest = {
    publicUrl: get('DX_PUBLIC_URL') ?? '',
    authListen: get('DX_AUTH_LISTEN') ?? { host: '', port: 0 },
    metricsListen: get('DX_METRICS_LISTEN') ?? { host: '', port: 0 },
    mailFrom: get('DX_MAIL_FROM') ?? `no-reply@${socialDomain}`,
    registration: get('DX_REGISTRATION') ?? 'closed',
    trustProxy: get('DX_TRUST_PROXY') ?? 'loopback',
    ejabberdApi: apiUrl === undefined ? null : { url: apiUrl, token: get('DX_EJABBERD_API_TOKEN') ?? null },
    logLevel: get('DX_LOG_LEVEL') ?? 'info',
    xmppPort: get('DX_XMPP_PORT') ?? 5222,
  };
  const authSecret = get('DX_AUTH_SECRET');
  const secret = get('DX_SECRET');
  if (faults.length > 0) throw new ConfigError(faults);

  return {
    domain: socialDomain,
    chatDomain,
    listen,
    stateDir,
    databaseUrl: database === undefined ? `sqlite:${join(stateDir, 'diaspora-x.sqlite')}` : absolutePath(database, 'sqlite:', directory),
    component: readComponent(stateDir, componentUrl, componentSecret),
    authSecret: authSecret ?? keptSecret(stateDir, 'auth-secret'),
    mailUrl: mail === undefined ? `file:${join(stateDir, 'mail')}` : absolutePath(mail, 'file:', directory),
    secret: secret ?? keptSecret(stateDir, 'secret'),
    rateLimits,
    ...rest,
  };
}

const absolutePath = (text: string, scheme: string, directory: string): string =>
  text.startsWith(scheme) && text !== `${scheme}:memory:` ? `${scheme}${resolve(directory, text.slice(scheme.length))}` : text;

/** The component listener that is set, or that of the private Prosody, whose start leaves its address and secret in the state dir. */
function readComponent(stateDir: string, url: string | undefined, secret: string | undefined): Config['component'] {
  const kept = join(stateDir, 'prosody', 'component-url');
  const from = url ?? (existsSync(kept) ? readLine(kept) : undefined);
  if (from === undefined) return null;
  const { hostname, port } = new URL(from);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), secret: secret ?? keptSecret(stateDir, 'component-secret') };
}

/** The effective values for `dx config`: one line a key, secrets hidden. */
export function describeConfig(config: Config): Record<string, string> {
  const at = ({ host, port }: HostPort) => `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const withoutPassword = (text: string) => text.replace(/:\/\/([^:@/]*):[^@/]*@/, '://$1:(hidden)@');
  const hidden = '(hidden)';
  return {
    DX_DOMAIN: config.domain,
    DX_CHAT_DOMAIN: config.chatDomain,
    DX_PUBLIC_URL: config.publicUrl,
    DX_LISTEN: at(config.listen),
    DX_STATE_DIR: config.stateDir,
    DX_DATABASE_URL: withoutPassword(config.databaseUrl),
    DX_COMPONENT_URL: config.component ? `xmpp://${at(config.component)}` : '',
    DX_COMPONENT_SECRET: config.component ? hidden : '',
    DX_AUTH_LISTEN: at(config.authListen),
    DX_AUTH_SECRET: hidden,
    DX_METRICS_LISTEN: at(config.metricsListen),
    DX_MAIL_URL: withoutPassword(config.mailUrl),
    DX_MAIL_FROM: config.mailFrom,
    DX_SECRET: hidden,
    DX_REGISTRATION: config.registration,
    DX_TRUST_PROXY: config.trustProxy,
    DX_RATE_LIMITS: config.rateLimits ? 'on' : 'off',
    // Its path is a key (dx snippet ejabberd), unless it is the usual one.
    DX_EJABBERD_API_URL: config.ejabberdApi?.url.replace(/^([a-z]+:\/\/)(?:[^/@]*@)?([^/]*)\/(?!api\/?$).+$/, `$1$2/${hidden}`) ?? '',
    DX_EJABBERD_API_TOKEN: config.ejabberdApi?.token ? hidden : '',
    DX_LOG_LEVEL: config.logLevel,
    DX_XMPP_PORT: String(config.xmppPort),
  } satisfies Record<KeyName, string>;
}
