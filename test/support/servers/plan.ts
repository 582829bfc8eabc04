// What a test server is asked to be, and the domains that all tests of a run share.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freeLoopbackAddresses, temporaryFolder } from './daemon.js';

export type ServerName = 'prosody' | 'ejabberd';

/** Server-to-server without DNS: each server has a loopback address of its own, and a hosts file says who is where. */
export interface Network {
  hostsFile: string;
  addresses: Record<ServerName, string>;
  folder: string;
}

/** A chat host whose passwords are checked by an endpoint such as ours (interface.md §7). */
export interface AuthChat {
  domain: string;
  /** host:port where the test makes its endpoint listen. */
  listen: string;
  secret: string;
}

export interface ServerOptions {
  /** Chat hosts with ordinary accounts. */
  chatDomains: string[];
  /** Domains of components, all on one listener. */
  componentDomains?: string[];
  componentSecret?: string;
  /** Chat hosts that ask an authentication endpoint (Prosody only). */
  authChats?: AuthChat[];
  /** To reach other servers; without it the server is alone. */
  network?: Network;
  /** More lines of configuration: Lua at the end of Prosody's global section, YAML at the end of ejabberd's. */
  extraConfig?: string;
}

/** A server that runs, as the process that started it sees it. */
export interface RunningServer {
  name: ServerName;
  /** Everything it has: configuration, data, log. */
  folder: string;
  host: '127.0.0.1';
  c2sPort: number;
  componentPort: number;
  componentSecret: string;
  /** ejabberd's mod_http_api. */
  apiUrl?: string;
  /** Makes an account on one of the chat domains. */
  register(domain: string, username: string, password: string): Promise<void>;
  /** Orderly end (SIGTERM). */
  stop(): Promise<void>;
  /** A crash (SIGKILL). */
  kill(): Promise<void>;
  /** Starts it again after stop() or kill(): same ports, same data. */
  start(): Promise<void>;
  log(): Promise<string>;
  /** Kills it and removes its folder. */
  destroy(): Promise<void>;
}

/** Gives each server an address on which others find all these domains. */
export async function planNetwork(domains: Record<ServerName, string[]>): Promise<Network> {
  const folder = await temporaryFolder('network');
  const [prosody, ejabberd] = await freeLoopbackAddresses();
  const hostsFile = path.join(folder, 'hosts');
  const lines = [[prosody, ...domains.prosody].join(' '), [ejabberd, ...domains.ejabberd].join(' ')];
  await writeFile(hostsFile, `${lines.join('\n')}\n`);
  return { hostsFile, addresses: { prosody, ejabberd }, folder };
}

/** jest.config.js allows no more workers than this. */
export const WORKERS = 8;
const workers = Array.from({ length: WORKERS }, (_, index) => index + 1);

/** The secret of every component on the shared servers. */
export const COMPONENT_SECRET = 'component-secret-of-the-tests';
/** The secret of every authentication endpoint that tests start. */
export const AUTH_SECRET = 'auth-secret-of-the-tests';

/**
 * Where the listener of the n-th component domain is. COMPAT ejabberd 23.01: whoever logs in to a listener gets the stanzas of all its
 * hosts, and may write as each of them; so each domain has a listener of its own, all on one port.
 */
export const componentHost = (name: ServerName, index: number): string => (name === 'prosody' || index === 0 ? '127.0.0.1' : `127.0.1.${index + 1}`);

export const chatDomain = (name: ServerName): string => `${name}.test`;
export const socialDomain = (name: ServerName, worker: number): string => `social-${worker}.${name}.test`;
export const authChatDomain = (name: ServerName, worker: number): string => `chat-${worker}.${name}.test`;

export const socialDomains = (name: ServerName): string[] => workers.map((worker) => socialDomain(name, worker));
export const authChatDomains = (name: ServerName): string[] => workers.map((worker) => authChatDomain(name, worker));
