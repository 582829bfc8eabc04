// Many accounts with an app password each, and a chat server that asks the service, in a process of its own, about their logins: ejabberd with the
// printed configuration, Prosody with our module.
import path from 'node:path';
// @ts-expect-error plain JavaScript
import { buildEjabberdAuth } from '../../scripts/build.mjs';
import { type Login, makeAccounts } from './bulk-accounts.js';
import { startChatEjabberd } from './servers/chat-ejabberd.js';
import { freePort, type RunningServer, type ServerName, startProsody } from './servers/index.js';
import { type Service, startService } from './service-process.js';

export interface LoginScene {
  server: RunningServer;
  service: Service;
  logins: Login[];
  /** Where they log in. */
  at: { host: string; port: number; domain: string };
  /** Where the service answers the chat server. */
  authPort: number;
  destroy(): Promise<void>;
}

const startServer: Record<ServerName, (domains: { chat: string; social: string }, env: Record<'DX_AUTH_LISTEN' | 'DX_AUTH_SECRET', string>) => Promise<RunningServer>> = {
  prosody: ({ chat, social }, env) => startProsody({ chatDomains: [], componentDomains: [social], authChats: [{ domain: chat, listen: env.DX_AUTH_LISTEN, secret: env.DX_AUTH_SECRET }] }),
  ejabberd: async ({ chat, social }, env) => startChatEjabberd({ ...env, DX_CHAT_DOMAIN: chat }, (await buildEjabberdAuth()) as string, { componentDomains: [social] }),
};

/** @param domain the chat host is `chat.DOMAIN`, the component `social.DOMAIN` */
export async function startLoginScene(name: ServerName, domain: string, accounts: number): Promise<LoginScene> {
  const [chat, social] = [`chat.${domain}`, `social.${domain}`];
  const authPort = await freePort();
  const env = { DX_AUTH_LISTEN: `127.0.0.1:${authPort}`, DX_AUTH_SECRET: 'auth-secret-of-this-test' };
  const server = await startServer[name]({ chat, social }, env);
  try {
    const service = await startService({ domain: social, host: server.host, port: server.componentPort, secret: server.componentSecret }, { chatDomain: chat, env });
    const [logins] = (await makeAccounts(`sqlite:${path.resolve(service.database)}`, social, accounts, 1)) as [Login[]];
    const destroy = async () => {
      await service.destroy();
      await server.destroy();
    };
    return { server, service, logins, at: { host: server.host, port: server.c2sPort, domain: chat }, authPort, destroy };
  } catch (error) {
    await server.destroy();
    throw error;
  }
}
