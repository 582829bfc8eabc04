// The two real servers that the tests of a run share, federated with each other:
//
//   const prosody = await server('prosody');               // the first test to ask starts it (0.1 s; ejabberd 0.8 s)
//   const romeo = await prosody.newAccount('romeo');       // romeo-x3k9@prosody.test, password and all
//   const client = await connect({ ...romeo, features: ['urn:xmpp:microblog:0+notify'] });
//   prosody.component                                      // domain, host, port, secret: this jest worker's own
//   prosody.authChat                                       // chat host that asks the endpoint this worker starts
//
// A test that stops or kills a server starts one of its own: startProsody(), startEjabberd().
import { randomBytes } from 'node:crypto';
import { ask } from './broker-client.js';
import { registerWithEjabberd } from './ejabberd.js';
import {
  AUTH_SECRET,
  type AuthChat,
  authChatDomain,
  chatDomain,
  COMPONENT_SECRET,
  componentHost,
  type ServerName,
  socialDomain,
} from './plan.js';
import { registerWithProsody } from './prosody.js';

export { createDatabase, postgresIsInstalled, startPostgres } from './postgres.js';
export { callEjabberd, startEjabberd } from './ejabberd.js';
export { freePort } from './daemon.js';
export { componentHost, type Network, planNetwork, type RunningServer, type ServerName, type ServerOptions } from './plan.js';
export { startProsody } from './prosody.js';

/** For `describe.each(SERVERS)`. */
export const SERVERS: ServerName[] = ['prosody', 'ejabberd'];

/** What the broker tells about a shared server. */
export interface SharedDescription {
  folder: string;
  c2sPort: number;
  componentPort: number;
  apiUrl?: string;
  /** host:port of each worker's authentication endpoint. */
  authListen: string[];
}

/** Where a client connects. */
export interface ClientAddress {
  host: string;
  c2sPort: number;
  chatDomain: string;
}

/** Everything `connect()` needs to log in. */
export interface TestAccount {
  server: ClientAddress;
  username: string;
  domain: string;
  password: string;
  /** Bare JID. */
  jid: string;
}

/** A shared server as one jest worker sees it. */
export interface TestServer extends ClientAddress {
  name: ServerName;
  /** The listener for this worker's component; its domain belongs to no other worker. */
  component: { domain: string; host: string; port: number; secret: string; url: string };
  /** A chat host whose logins are asked from `listen`, where the test starts the endpoint (Prosody only). */
  authChat?: AuthChat;
  /** ejabberd's mod_http_api, for callEjabberd(). */
  apiUrl?: string;
  /** Configuration, data and log. */
  folder: string;
  /** Makes exactly this account; other files of the same run see it too. */
  register(username: string, password: string): Promise<TestAccount>;
  /** Makes an account that no other test has: `hint` and some letters. */
  newAccount(hint: string): Promise<TestAccount>;
}

/** The shared server of that name; the first call of a run starts it. */
export async function server(name: ServerName): Promise<TestServer> {
  const shared = await ask<SharedDescription>(name);
  const worker = Number(process.env.JEST_WORKER_ID ?? 1);
  const address: ClientAddress = { host: '127.0.0.1', c2sPort: shared.c2sPort, chatDomain: chatDomain(name) };
  const listen = shared.authListen[worker - 1];

  const register = async (username: string, password: string): Promise<TestAccount> => {
    if (name === 'prosody') await registerWithProsody(shared.folder, address.chatDomain, username, password);
    else await registerWithEjabberd(shared.apiUrl as string, address.chatDomain, username, password);
    const domain = address.chatDomain;
    return { server: address, username, domain, password, jid: `${username}@${domain}` };
  };
  return {
    ...address,
    name,
    component: {
      domain: socialDomain(name, worker),
      host: componentHost(name, worker - 1),
      port: shared.componentPort,
      secret: COMPONENT_SECRET,
      url: `xmpp://${componentHost(name, worker - 1)}:${shared.componentPort}`,
    },
    ...(listen ? { authChat: { domain: authChatDomain(name, worker), listen, secret: AUTH_SECRET } } : {}),
    ...(shared.apiUrl ? { apiUrl: shared.apiUrl } : {}),
    folder: shared.folder,
    register,
    newAccount: (hint) => register(`${hint}-${randomBytes(3).toString('hex')}`, 'secret'),
  };
}
