// A real ejabberd (Debian 12: 23.01), run by hand without node name, epmd or ejabberdctl; up in about a second.
import { readdirSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Daemon, freePort, isRoot, removeFolder, temporaryFolder } from './daemon.js';
import { componentHost, type RunningServer, type ServerOptions } from './plan.js';

/** The folder with ejabberd's code; its name holds the version. */
function codeFolder(): string {
  for (const lib of ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib']) {
    try {
      const found = readdirSync(lib).find((name) => /^ejabberd-\d.*-\d+$/.test(name));
      if (found) return path.join(lib, found, 'ebin');
    } catch {
      // Not every machine has all of these folders.
    }
  }
  throw new Error('ejabberd is not installed: run npm test once, or apt-get install ejabberd.');
}

/** Mnesia keeps what it has to write for up to two seconds; a crash would take the accounts of a test with it. */
const FLUSH_EVERY_MS = 50;

// JSON is YAML: no quoting of our own.
const yaml = (value: unknown): string => JSON.stringify(value);

function configuration(
  ports: { c2s: number; component: number; api: number },
  componentSecret: string,
  options: ServerOptions,
): string {
  const { network } = options;
  const listeners: unknown[] = [
    // The default backlog of 5 drops connections when many log in at once.
    { module: 'ejabberd_c2s', ip: '127.0.0.1', port: ports.c2s, backlog: 128, max_stanza_size: 65536, shaper: 'none', access: 'all' },
    { module: 'ejabberd_http', tag: 'tests', ip: '127.0.0.1', port: ports.api, backlog: 128, request_handlers: { '/api': 'mod_http_api' } },
  ];
  for (const [index, domain] of (options.componentDomains ?? []).entries()) {
    const at = { ip: componentHost('ejabberd', index), port: ports.component };
    listeners.push({ module: 'ejabberd_service', ...at, backlog: 128, shaper: 'none', access: 'all', hosts: { [domain]: { password: componentSecret } } });
  }
  if (network) {
    listeners.push({ module: 'ejabberd_s2s_in', ip: network.addresses.ejabberd, port: 5269, backlog: 128, shaper: 'none' });
  }
  const pubsub = {
    plugins: ['flat', 'pep'],
    access_createnode: 'all',
    ignore_pep_from_offline: false,
    last_item_cache: false,
  };
  const modules: Record<string, unknown> = {
    mod_admin_extra: {},
    mod_http_api: {},
    mod_roster: {},
    mod_disco: {},
    mod_caps: {},
    mod_pubsub: pubsub,
    mod_private: {},
    mod_ping: {},
    mod_version: {},
    mod_vcard: { search: false },
    mod_privacy: {},
    mod_blocking: {},
    mod_carboncopy: {},
    mod_offline: {},
    ...(network ? { mod_s2s_dialback: {} } : {}),
  };
  const config = {
    hosts: options.chatDomains,
    loglevel: 'info',
    listen: listeners,
    modules,
    auth_method: 'internal',
    auth_password_format: 'plain',
    disable_sasl_mechanisms: ['X-OAUTH2', 'DIGEST-MD5'],
    s2s_use_starttls: false,
    outgoing_s2s_families: ['ipv4'],
    s2s_dns_timeout: '1 second',
    s2s_dns_retries: 1,
    shaper: {},
    // For this listener alone: what another may do is what the test's own configuration says.
    api_permissions: { tests: { from: [{ tag: 'tests' }], who: { ip: '127.0.0.1/32' }, what: '*' } },
  };
  return `${Object.entries(config)
    .map(([key, value]) => `${key}: ${yaml(value)}`)
    .join('\n')}\n${options.extraConfig ?? ''}\n`;
}

export interface EjabberdOptions extends ServerOptions {
  /** Run as this user where we are root: as Debian's unit does, and so that programs it starts (extauth_program) have no rights of root. */
  user?: string;
}

/**
 * Starts an ejabberd of its own.
 * @throws Error with its log when it does not start
 */
export async function startEjabberd(options: EjabberdOptions): Promise<RunningServer> {
  const folder = await temporaryFolder('ejabberd');
  const componentSecret = options.componentSecret ?? 'secret';
  const ports = { c2s: await freePort(), component: await freePort(), api: await freePort() };
  const data = path.join(folder, 'data');
  await mkdir(data);
  const configFile = path.join(folder, 'ejabberd.yml');
  await writeFile(configFile, configuration(ports, componentSecret, options));
  // No DNS: the question for SRV records (inet_res) has no name server to go to and fails at once …
  const inetrc = path.join(folder, 'inetrc');
  await writeFile(inetrc, '{resolv_conf, ""}.\n');
  // … and the one for addresses (getaddrinfo of the C library) reads our hosts file in place of /etc/hosts (libnss-wrapper).
  const names = options.network
    ? { LD_PRELOAD: 'libnss_wrapper.so', NSS_WRAPPER_HOSTS: options.network.hostsFile }
    : {};

  if (options.user && isRoot) {
    const [uid, gid] = await Promise.all(['-u', '-g'].map(async (flag) => Number((await promisify(execFile)('id', [flag, options.user!])).stdout)));
    for (const owned of [folder, data, configFile, inetrc]) await chown(owned, uid!, gid!);
  }

  const logFile = path.join(folder, 'output.log');
  const ejabberdLog = path.join(folder, 'ejabberd.log');
  const daemon = new Daemon({
    name: 'ejabberd',
    command: [
      ...(['erl', '+K', 'true', '-noinput'] as const),
      ...['-mnesia', 'dir', `"${data}"`, '-pa', codeFolder()],
      ...['-ejabberd', 'quiet', 'false', '-s', 'ejabberd'],
      ...['-eval', `spawn(fun Flush() -> timer:sleep(${FLUSH_EVERY_MS}), mnesia:sync_log(), Flush() end).`],
    ],
    env: { EJABBERD_CONFIG_PATH: configFile, EJABBERD_LOG_PATH: ejabberdLog, ERL_INETRC: inetrc, HOME: folder, ...names },
    cwd: folder,
    ...(options.user ? { user: options.user } : {}),
    logFile,
    otherLogs: [ejabberdLog],
    ports: [
      { host: '127.0.0.1', port: ports.api },
      { host: '127.0.0.1', port: ports.c2s },
      ...(options.componentDomains ?? []).map((_, index) => ({ host: componentHost('ejabberd', index), port: ports.component })),
      ...(options.network ? [{ host: options.network.addresses.ejabberd, port: 5269 }] : []),
    ],
  });
  await daemon.start();
  const apiUrl = `http://127.0.0.1:${ports.api}/api`;
  return {
    name: 'ejabberd',
    folder,
    host: '127.0.0.1',
    c2sPort: ports.c2s,
    componentPort: ports.component,
    componentSecret,
    apiUrl,
    register: (domain, username, password) => registerWithEjabberd(apiUrl, domain, username, password),
    stop: () => daemon.stop(),
    async kill() {
      await pause(2 * FLUSH_EVERY_MS);
      await daemon.kill();
    },
    start: () => daemon.start(),
    log: () => readFile(ejabberdLog, 'utf8'),
    async destroy() {
      await daemon.kill();
      await removeFolder(folder);
    },
  };
}

/**
 * Calls a command of ejabberd's mod_http_api (`register`, `kick_user`, `send_stanza` …).
 * @throws Error with ejabberd's answer when it refuses
 */
export async function callEjabberd(apiUrl: string, command: string, args: object): Promise<unknown> {
  const response = await fetch(`${apiUrl}/${command}`, { method: 'POST', body: JSON.stringify(args) });
  const answer = await response.text();
  if (!response.ok) throw new Error(`ejabberd ${command}: ${response.status} ${answer}`);
  return JSON.parse(answer);
}

/** Makes an account; one that exists already keeps its password. */
export async function registerWithEjabberd(
  apiUrl: string,
  domain: string,
  username: string,
  password: string,
): Promise<void> {
  await callEjabberd(apiUrl, 'register', { user: username, host: domain, password });
}
