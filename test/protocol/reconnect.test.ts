// The chat server is restarted while 1,000 accounts are logged in, and all come back at once: ejabberd with the printed configuration, Prosody with our module.
import path from 'node:path';
// @ts-expect-error plain JavaScript
import { buildEjabberdAuth } from '../../scripts/build.mjs';
import { type Login, makeAccounts } from '../support/bulk-accounts.js';
import { type LoginRun, logInAll } from '../support/bulk-logins.js';
import { startChatEjabberd } from '../support/servers/chat-ejabberd.js';
import { freePort, type RunningServer, SERVERS, type ServerName, startProsody } from '../support/servers/index.js';
import { type Service, startService } from '../support/service-process.js';

const CHAT = 'chat.reconnect.test';
const SOCIAL = 'social.reconnect.test';
const ACCOUNTS = 1_000;
/** How long it takes is the business of bench/logins.ts; here the machine may be busy. */
const PATIENCE_MS = 120_000;

const startServer: Record<ServerName, (env: Record<string, string>) => Promise<RunningServer>> = {
  prosody: (env) => startProsody({ chatDomains: [], componentDomains: [SOCIAL], authChats: [{ domain: CHAT, listen: env.DX_AUTH_LISTEN!, secret: env.DX_AUTH_SECRET! }] }),
  ejabberd: async (env) => startChatEjabberd({ ...env, DX_CHAT_DOMAIN: CHAT }, (await buildEjabberdAuth()) as string, { componentDomains: [SOCIAL] }),
};

describe.each(SERVERS)('through %s', (name) => {
  let server: RunningServer;
  let service: Service;
  let logins: Login[];
  beforeAll(async () => {
    const env = { DX_AUTH_LISTEN: `127.0.0.1:${await freePort()}`, DX_AUTH_SECRET: 'auth-secret-of-this-test' };
    server = await startServer[name](env);
    service = await startService({ domain: SOCIAL, host: server.host, port: server.componentPort, secret: server.componentSecret }, { chatDomain: CHAT, env });
    [logins] = (await makeAccounts(`sqlite:${path.resolve(service.database)}`, SOCIAL, ACCOUNTS, 1)) as [Login[]];
  }, 60_000);
  afterAll(async () => {
    await service?.destroy();
    await server?.destroy();
  });

  const logIn = (atOnce: number) => logInAll({ host: server.host, port: server.c2sPort, domain: CHAT }, logins, atOnce, true, PATIENCE_MS);
  const allIn: LoginRun['outcomes'] = { in: ACCOUNTS, refused: 0, closed: 0, 'timed out': 0 };

  test(`${ACCOUNTS} accounts come back at once after a restart of the chat server: none is refused, none waits in vain`, async () => {
    const before = await logIn(8);
    expect(before.outcomes).toEqual(allIn);
    await server.stop();
    await before.close(); // the server has closed them
    await server.start();
    const after = await logIn(ACCOUNTS);
    expect(after.outcomes).toEqual(allIn);
    await after.close();
  }, 2 * PATIENCE_MS);
});
