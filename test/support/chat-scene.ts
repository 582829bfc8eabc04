// A real chat server with the configuration that `dx snippet` prints (only its installation folders are others) and an installation behind it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
// @ts-expect-error plain JavaScript
import { buildEjabberdAuth } from '../../scripts/build.mjs';
import { PROSODY_FILES, SNIPPETS } from '../../src/cli/snippets.js';
import { loadConfig } from '../../src/config.js';
import { startChatEjabberd } from './servers/chat-ejabberd.js';
import { Daemon } from './servers/daemon.js';
import { freePort, type ServerName } from './servers/index.js';

export const CHAT = 'chat.scene.test';
export const SOCIAL = 'social.chat.scene.test';

export interface ChatScene {
  /** The DX_ keys of the installation behind it, its state dir among them. */
  env: Record<string, string>;
  /** Where clients connect; STARTTLS is required. */
  c2sPort: number;
  /** Everything that the server has: configuration, data, logs. */
  folder: string;
  stop(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
  log(): Promise<string>;
  destroy(): Promise<void>;
}

/** Starts a chat server of its own. @param more DX_ keys of the installation */
export async function startChatScene(name: ServerName, more: Record<string, string> = {}): Promise<ChatScene> {
  const folder = mkdtempSync(path.join(tmpdir(), `dx-chat-${name}-`));
  const env: Record<string, string> = {
    DX_STATE_DIR: path.join(folder, 'state'),
    DX_DOMAIN: SOCIAL,
    DX_CHAT_DOMAIN: CHAT,
    DX_COMPONENT_URL: `xmpp://127.0.0.1:${await freePort()}`,
    DX_COMPONENT_SECRET: 'component-secret',
    DX_AUTH_LISTEN: `127.0.0.1:${await freePort()}`,
    DX_AUTH_SECRET: 'auth-secret-of-the-chat-scene',
    ...(name === 'ejabberd' ? { DX_EJABBERD_API_URL: `http://127.0.0.1:${await freePort()}/api-path-of-the-chat-scene/api` } : {}),
    ...more,
  };
  mkdirSync(env.DX_STATE_DIR!);
  const server = name === 'prosody' ? await prosody(folder, env) : await ejabberd(env);
  return {
    env,
    ...server,
    destroy: async () => {
      await server.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ejabberd(env: Record<string, string>) {
  const server = await startChatEjabberd(env, (await buildEjabberdAuth()) as string);
  // What the programs say, ejabberd passes on.
  const log = async () => (await server.log()) + (await readFile(path.join(server.folder, 'output.log'), 'utf8'));
  return { ...server, c2sPort: server.tlsPort, log };
}

/** The main file as Debian has it: a host of its own, and the folder of files to include at the end. */
async function prosody(folder: string, env: Record<string, string>) {
  const file = (part: string) => path.join(folder, part);
  const c2sPort = await freePort();
  const snippet = SNIPPETS.prosody(loadConfig(env, folder));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${CHAT}`, '-keyout', file('key.pem'), '-out', file('cert.pem')], { stdio: 'ignore' });
  mkdirSync(file('data'));
  mkdirSync(file('conf.d'));
  writeFileSync(file('conf.d/diaspora-x.cfg.lua'), snippet.replaceAll(PROSODY_FILES.modules, path.resolve(import.meta.dirname, '../../prosody')));
  writeFileSync(
    file('prosody.cfg.lua'),
    `run_as_root = true
pidfile = "${file('prosody.pid')}"
data_path = "${file('data')}"
log = { debug = "*console" }
modules_enabled = { "roster", "saslauth", "tls", "disco", "pep", "ping", "smacks", "private", "blocklist", "carbons", "vcard4", "vcard_legacy" }
modules_disabled = { "s2s" }
interfaces = { "127.0.0.1" }
c2s_ports = { ${c2sPort} }
c2s_direct_tls_ports = {}
ssl = { key = "${file('key.pem')}", certificate = "${file('cert.pem')}" }
VirtualHost "localhost"
Include "${file('conf.d')}/*.cfg.lua"
`,
  );
  const componentPort = Number(new URL(env.DX_COMPONENT_URL!).port);
  const daemon = new Daemon({
    name: 'Prosody',
    command: ['prosody', '--config', file('prosody.cfg.lua'), '-F'],
    cwd: folder,
    logFile: file('prosody.log'),
    ports: [c2sPort, componentPort].map((port) => ({ host: '127.0.0.1', port })),
  });
  await daemon.start();
  return { folder, c2sPort, start: () => daemon.start(), stop: () => daemon.stop(), kill: () => daemon.kill(), log: () => readFile(file('prosody.log'), 'utf8'), destroy: () => daemon.kill() };
}
