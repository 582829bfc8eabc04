// The Prosody that `npm start` runs when no XMPP server is configured: for this machine only, all of its files under
// the state dir. It serves the chat domain (logins checked by the service) and takes the social domain's component.
import { execFile, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { chmod, chown, lchown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MODULES = fileURLToPath(new URL('../prosody', import.meta.url));
const isRoot = process.getuid?.() === 0;

/** Whether nobody listens there. */
export const isFree = (port, host = '127.0.0.1') =>
  new Promise((resolve) => {
    const probe = net.createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });

/** Any free port of 127.0.0.1. */
const anyFreePort = () =>
  new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

const accepts = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** Where the private Prosody's files are. */
export const filesOf = (stateDir) => {
  const folder = path.join(stateDir, 'prosody');
  return {
    folder,
    componentUrl: path.join(folder, 'component-url'),
    config: path.join(folder, 'prosody.cfg.lua'),
    more: path.join(folder, 'conf.d'),
    data: path.join(folder, 'data'),
    certificate: path.join(folder, 'certificate.pem'),
    key: path.join(folder, 'key.pem'),
    log: path.join(folder, 'prosody.log'),
  };
};

/** The same port as the last time if it is still free: then a service that runs apart finds it again. */
export async function chooseComponentPort(stateDir) {
  const { folder, componentUrl } = filesOf(stateDir);
  const kept = existsSync(componentUrl) ? Number(new URL(readFileSync(componentUrl, 'utf8').trim()).port) : 0;
  const port = kept > 0 && (await isFree(kept)) ? kept : await anyFreePort();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // The service reads it there (src/config.ts).
  await writeFile(componentUrl, `xmpp://127.0.0.1:${port}\n`);
  return port;
}

/** Makes a certificate for both domains, once. @throws Error with openssl's output */
async function ensureCertificate({ certificate, key }, domains) {
  const names = domains.map((domain) => `DNS:${domain}`).join(',');
  const stamp = `${certificate}.names`;
  if (existsSync(certificate) && (await readFile(stamp, 'utf8').catch(() => '')) === names) return;
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650'],
    ...['-subj', `/CN=${domains[0]}`.slice(0, 64), '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', certificate],
  ]);
  await chmod(key, 0o600);
  await writeFile(stamp, names);
}

/** A Lua string: what is not plain ASCII, byte for byte, as \ddd. */
const lua = (text) => {
  const written = (byte) => {
    const character = String.fromCharCode(byte);
    return byte >= 32 && byte < 127 && !'"\\'.includes(character) ? character : `\\${String(byte).padStart(3, '0')}`;
  };
  return `"${Array.from(Buffer.from(String(text)), written).join('')}"`;
};

/** An address that we can connect to, where a listener may have all addresses. */
const reachable = (host) => (host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host);

/**
 * Prosody's configuration.
 * @param {{ domain: string, chatDomain: string, xmppPort: number, authListen: { host: string, port: number },
 *   authSecret: string, component: { port: number, secret: string } }} config of the service
 */
export function configuration(config, files, asRoot = false) {
  return `-- Written by npm start each time. Settings of your own go into ${files.more}/*.cfg.lua.
${asRoot ? 'run_as_root = true\n' : ''}pidfile = ${lua(path.join(files.folder, 'prosody.pid'))}
data_path = ${lua(files.data)}
certificates = ${lua(files.folder)}
plugin_paths = { ${lua(MODULES)} }
log = { info = ${lua(files.log)} }
gc = { mode = "incremental", threshold = 200, speed = 500 }

modules_enabled = {
	"roster", "saslauth", "tls", "disco", "pep", "ping", "version", "time", "private", "blocklist",
	"carbons", "smacks", "bookmarks", "vcard4", "vcard_legacy", "mam", "csi_simple"
}
-- This server talks to nobody outside.
modules_disabled = { "s2s" }

-- Clients of this machine only. STARTTLS is offered, but not asked for: the certificate is signed by nobody.
interfaces = { "127.0.0.1", "::1" }
c2s_ports = { ${config.xmppPort} }
c2s_direct_tls_ports = {}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
component_interfaces = { "127.0.0.1" }
component_ports = { ${config.component.port} }
network_settings = { tcp_backlog = 128 }
ssl = { key = ${lua(files.key)}, certificate = ${lua(files.certificate)} }

Include(${lua(path.join(files.more, '*.cfg.lua'))})

${
  config.chatDomain === ''
    ? '-- No chat logins: DX_CHAT_DOMAIN is empty.'
    : `VirtualHost ${lua(config.chatDomain)}
	authentication = "diaspora_x"
	diaspora_x_auth_url = ${lua(`http://${reachable(config.authListen.host)}:${config.authListen.port}`)}
	diaspora_x_auth_secret = ${lua(config.authSecret)}
	modules_enabled = { "diaspora_x_fanout" }
	diaspora_x_fanout_senders = { ${lua(config.domain)} }`
}

Component ${lua(config.domain)}
	component_secret = ${lua(config.component.secret)}
`;
}

/** Gives a folder and all in it to a user. */
async function give(file, uid, gid) {
  await lchown(file, uid, gid);
  const entries = await readdir(file, { withFileTypes: true }).catch(() => []);
  await Promise.all(
    entries.map((entry) =>
      entry.isDirectory() ? give(path.join(file, entry.name), uid, gid) : lchown(path.join(file, entry.name), uid, gid),
    ),
  );
}

/**
 * As root: lets Debian's user prosody own Prosody's folder and pass through the state dir.
 * @returns {Promise<string[]>} arguments of setpriv, or none where that user cannot reach the files (they are below /root …)
 */
async function ordinaryUser(stateDir, files) {
  const user = 'prosody';
  const ids = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, user]))).catch(() => undefined);
  if (!ids) return [];
  const [uid, gid] = ids.map(({ stdout }) => Number(stdout));
  // Passing through is all the group may do there; what the service writes is closed to it by the umask.
  await chown(stateDir, 0, gid);
  await chmod(stateDir, 0o710);
  await give(files.folder, uid, gid);
  const credentials = ['--reuid', user, '--regid', user, '--init-groups'];
  const reaches = await run('setpriv', [...credentials, 'test', '-r', files.config, '-a', '-r', path.join(MODULES, 'mod_auth_diaspora_x.lua')])
    .then(() => true)
    .catch(() => false);
  if (reaches) return credentials;
  await give(files.folder, 0, 0);
  return [];
}

/**
 * Starts the private Prosody and keeps it running: when it ends by itself it is started again, with growing pauses.
 * @param config the service's configuration (src/config.ts), `component` set
 * @param {(line: string) => void} say
 * @returns {Promise<{ stop(): Promise<void> }>}
 * @throws Error that says what to do, when it cannot be started
 */
export async function startPrivateProsody(config, say) {
  if (!(await isFree(config.xmppPort))) {
    throw new Error(
      `Port ${config.xmppPort} (XMPP clients) is taken by another program. Set DX_XMPP_PORT to a free port, or, if that is ` +
        'your XMPP server, connect it: set DX_COMPONENT_URL and DX_COMPONENT_SECRET (bin/dx snippet prints its side).',
    );
  }
  const files = filesOf(config.stateDir);
  for (const folder of [files.folder, files.data, files.more]) await mkdir(folder, { recursive: true, mode: 0o700 });
  await ensureCertificate(files, [config.domain, config.chatDomain].filter(Boolean));
  await rm(files.config, { force: true });
  await writeFile(files.config, configuration(config, files), { mode: 0o600 });
  // Made here, so that it becomes that user's.
  await writeFile(files.log, '', { flag: 'a', mode: 0o600 });
  const credentials = isRoot ? await ordinaryUser(config.stateDir, files) : [];
  if (isRoot && credentials.length === 0) await writeFile(files.config, configuration(config, files, true));

  // If we are killed, Prosody ends too (where there is setpriv, that is, on Linux).
  const leash = existsSync('/usr/bin/setpriv') ? ['setpriv', '--pdeathsig', 'TERM', ...credentials] : [];
  const [program, ...args] = [...leash, 'prosody', '--config', files.config, '-F'];

  let stopping = false;
  let child;
  let exited;
  const spawnOnce = () => {
    const output = openSync(files.log, 'a');
    // A session of its own: Ctrl-C reaches us alone, and we stop the service first.
    child = spawn(program, args, { cwd: files.folder, stdio: ['ignore', output, output], detached: true });
    exited = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
  };
  const isUp = async () => {
    for (let waited = 0; waited < 10_000; waited += 20) {
      if ((await accepts(config.xmppPort)) && (await accepts(config.component.port))) return true;
      const ended = await Promise.race([exited, pause(20)]);
      if (ended !== undefined) return false;
    }
    return false;
  };
  const keepRunning = async () => {
    for (let delayMs = 500; ; delayMs = Math.min(delayMs * 2, 60_000)) {
      const startedAt = Date.now();
      const how = await exited;
      if (stopping) return;
      // It ran well for some time: begin with a short pause again.
      if (Date.now() - startedAt > 60_000) delayMs = 500;
      say(`Prosody ended (${how}); starting it again in ${delayMs / 1000} s. Its log: ${files.log}`);
      await pause(delayMs);
      if (stopping) return;
      spawnOnce();
    }
  };

  spawnOnce();
  if (!(await isUp())) {
    child.kill('SIGKILL');
    const log = await readFile(files.log, 'utf8').catch(() => '');
    throw new Error(`Prosody did not start. The end of ${files.log}:\n${log.trim().split('\n').slice(-15).join('\n')}`);
  }
  const kept = keepRunning();
  return {
    async stop() {
      stopping = true;
      child.kill('SIGTERM');
      const overdue = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(overdue);
      void kept;
    },
  };
}
