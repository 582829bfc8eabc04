// XMPP servers that a fault test may stop and kill, with what hangs on them.
import { type RunningServer, type ServerName, startEjabberd, startProsody, type TestAccount } from '../support/servers/index.js';
import type { ComponentAddress } from '../support/installation.js';

const START = { prosody: startProsody, ejabberd: startEjabberd };
export const CHAT = 'own.test';
export const SOCIAL = 'social.own.test';
/** Another component of the same server. */
export const FOREIGN = 'foreign.own.test';

export interface OwnServer extends RunningServer {
  component: ComponentAddress;
  chatDomain: string;
  account(username: string): Promise<TestAccount>;
}

export async function ownServer(name: ServerName, { componentSecret = 'the component secret' } = {}): Promise<OwnServer> {
  const server = await START[name]({ chatDomains: [CHAT], componentDomains: [SOCIAL, FOREIGN], componentSecret });
  return {
    ...server,
    chatDomain: CHAT,
    component: { domain: SOCIAL, host: server.host, port: server.componentPort, secret: componentSecret },
    account: async (username) => {
      await server.register(CHAT, username, 'secret');
      return { server: { host: server.host, c2sPort: server.c2sPort, chatDomain: CHAT }, username, domain: CHAT, password: 'secret', jid: `${username}@${CHAT}` };
    },
  };
}

/** Asks again and again until it is so; for what tells nobody when it changes. @throws Error after the time */
export async function until(isSo: () => boolean | Promise<boolean>, what: string, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
