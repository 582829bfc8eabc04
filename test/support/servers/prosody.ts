// A real Prosody (Debian 12: 0.12), run by hand with its own configuration and data folder; up in about 0.2 s.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Daemon, freePort, removeFolder, temporaryFolder } from './daemon.js';
import type { RunningServer, ServerOptions } from './plan.js';

const MODULES = path.resolve(import.meta.dirname, '../../../prosody');

const quoted = (text: string): string => JSON.stringify(text);

/** Prosody's way to make a file name of a domain or username (util.datamanager): all but letters and digits as %xx. */
const fileName = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
  }).join('');

function configuration(
  folder: string,
  { componentPort, c2sPort }: { componentPort: number; c2sPort: number },
  componentSecret: string,
  options: ServerOptions,
): string {
  const { network } = options;
  return `
run_as_root = true
pidfile = ${quoted(path.join(folder, 'prosody.pid'))}
data_path = ${quoted(path.join(folder, 'data'))}
plugin_paths = { ${quoted(MODULES)} }
log = { info = "*console" }
-- Makes everything 2.5 to 5 times faster.
gc = { mode = "incremental", threshold = 200, speed = 500 }
network_settings = { tcp_backlog = 128 }
use_ipv6 = false

modules_enabled = {
	"roster", "saslauth", "disco", "pep", "ping", "version", "private", "blocklist", "carbons", "vcard4", "vcard_legacy"${network ? ', "dialback"' : ''}
}
${network ? '' : 'modules_disabled = { "s2s" }'}

-- No TLS in tests: everything is on loopback.
c2s_require_encryption = false
s2s_require_encryption = false
s2s_secure_auth = false
allow_unencrypted_plain_auth = true
-- Plain files, so that a test makes an account by writing one.
authentication = "internal_plain"
storage = "internal"

interfaces = { "127.0.0.1" }
c2s_ports = { ${c2sPort} }
component_interfaces = { "127.0.0.1" }
component_ports = { ${componentPort} }
${
  network
    ? `s2s_interfaces = { ${quoted(network.addresses.prosody)} }
s2s_ports = { 5269 }
unbound = { hoststxt = ${quoted(network.hostsFile)}, resolvconf = false }`
    : ''
}
${options.extraConfig ?? ''}

${options.chatDomains.map((domain) => `VirtualHost ${quoted(domain)}`).join('\n')}

${(options.authChats ?? [])
  .map(
    ({ domain, listen, secret }) => `VirtualHost ${quoted(domain)}
	authentication = "diaspora_x"
	diaspora_x_auth_url = ${quoted(`http://${listen}`)}
	diaspora_x_auth_secret = ${quoted(secret)}`,
  )
  .join('\n')}

${(options.componentDomains ?? [])
  .map((domain) => `Component ${quoted(domain)}\n\tcomponent_secret = ${quoted(componentSecret)}`)
  .join('\n')}
`;
}

/**
 * Starts a Prosody of its own.
 * @throws Error with its log when it does not start
 */
export async function startProsody(options: ServerOptions): Promise<RunningServer> {
  const folder = await temporaryFolder('prosody');
  const componentSecret = options.componentSecret ?? 'secret';
  const [c2sPort, componentPort] = [await freePort(), await freePort()];
  await mkdir(path.join(folder, 'data'));
  // Prosody looks for certificates beside its configuration and complains when there is no such folder.
  await mkdir(path.join(folder, 'certs'));
  const configFile = path.join(folder, 'prosody.cfg.lua');
  await writeFile(configFile, configuration(folder, { componentPort, c2sPort }, componentSecret, options));

  const logFile = path.join(folder, 'prosody.log');
  const daemon = new Daemon({
    name: 'Prosody',
    command: ['prosody', '--config', configFile, '-F'],
    cwd: folder,
    logFile,
    ports: [
      { host: '127.0.0.1', port: c2sPort },
      ...(options.componentDomains?.length ? [{ host: '127.0.0.1', port: componentPort }] : []),
      ...(options.network ? [{ host: options.network.addresses.prosody, port: 5269 }] : []),
    ],
  });
  await daemon.start();
  return {
    name: 'prosody',
    folder,
    host: '127.0.0.1',
    c2sPort,
    componentPort,
    componentSecret,
    register: (domain, username, password) => registerWithProsody(folder, domain, username, password),
    stop: () => daemon.stop(),
    kill: () => daemon.kill(),
    start: () => daemon.start(),
    log: () => readFile(logFile, 'utf8'),
    async destroy() {
      await daemon.kill();
      await removeFolder(folder);
    },
  };
}

/** Makes an account by writing its file, which mod_auth_internal_plain reads at each login. */
export async function registerWithProsody(
  folder: string,
  domain: string,
  username: string,
  password: string,
): Promise<void> {
  const accounts = path.join(folder, 'data', fileName(domain), 'accounts');
  await mkdir(accounts, { recursive: true });
  await writeFile(path.join(accounts, `${fileName(username)}.dat`), `return { ["password"] = ${quoted(password)} };\n`);
}
