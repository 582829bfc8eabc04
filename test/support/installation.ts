// A whole installation in this process, on a real XMPP server:
//
//   const app = await startInstallation({ server: await server('prosody') });
//   const alice = await app.account('alice');               // confirmed; alice.jid = alice@social-1.prosody.test
//   await app.posts(alice, 'hello');                        // through the service, as the form does
//   await app.stop();
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Running, serve } from '../../src/cli/serve.js';
import { type Config, loadConfig } from '../../src/config.js';
import type { Account } from '../../src/domain/account.js';
import type { Audience } from '../../src/domain/activity.js';
import type { Post } from '../../src/domain/post.js';
import { createLog } from '../../src/log.js';
import { createAccount } from '../../src/services/accounts.js';
import { deletePost, editPost, publishPost } from '../../src/services/publish.js';
import { freePort } from './servers/index.js';

export const PASSWORD = 'correct horse battery';

/** Where the component connects: a shared TestServer's `component`, or a private server's. */
export interface ComponentAddress {
  domain: string;
  host: string;
  port: number;
  secret: string;
}

export interface InstallationOptions {
  /** A server of the harness: `component` and `chatDomain` are taken from it. */
  server?: { component: ComponentAddress; chatDomain: string };
  component?: ComponentAddress;
  /** Defaults to the server's chat domain: its accounts are owners of the same name here. */
  chatDomain?: string;
  databaseUrl?: string;
  /** More DX_ keys. */
  env?: Record<string, string>;
  /** An earlier installation's state, to start it again. */
  stateDir?: string;
  now?: () => number;
}

export interface Installation extends Running {
  config: Config;
  domain: string;
  stateDir: string;
  /** A confirmed account with PASSWORD. */
  account(username: string): Promise<Account & { jid: string }>;
  posts(account: Account, text: string, audience?: Audience): Promise<Post>;
  edits(account: Account, guid: string, text: string): Promise<Post>;
  deletes(account: Account, guid: string): Promise<void>;
}

/** Starts an installation; its state is removed at stop unless `stateDir` was given. */
export async function startInstallation(options: InstallationOptions = {}): Promise<Installation> {
  const stateDir = options.stateDir ?? mkdtempSync(path.join(tmpdir(), 'dx-state-'));
  const component = options.component ?? options.server?.component;
  const port = await freePort();
  const config = loadConfig(
    {
      DX_STATE_DIR: stateDir,
      DX_DOMAIN: component?.domain ?? 'social.localhost',
      DX_CHAT_DOMAIN: options.chatDomain ?? options.server?.chatDomain ?? 'localhost',
      DX_LISTEN: `127.0.0.1:${port}`,
      DX_PUBLIC_URL: `http://localhost:${port}`,
      DX_AUTH_LISTEN: `127.0.0.1:${await freePort()}`,
      DX_METRICS_LISTEN: '127.0.0.1:0',
      DX_RATE_LIMITS: 'off',
      DX_LOG_LEVEL: process.env.DX_TEST_LOG ?? 'silent',
      ...(component ? { DX_COMPONENT_URL: `xmpp://${component.host}:${component.port}`, DX_COMPONENT_SECRET: component.secret } : {}),
      ...(options.databaseUrl ? { DX_DATABASE_URL: options.databaseUrl } : {}),
      ...options.env,
    },
    stateDir,
  );
  const running = await serve(config, { log: createLog(config.logLevel), ...(options.now ? { now: options.now } : {}) });
  const { ctx } = running;
  return {
    ...running,
    config,
    domain: config.domain,
    stateDir,
    account: async (username) => {
      const { account } = await createAccount(ctx, { username, email: `${username}@mail.test`, password: PASSWORD });
      return { ...account, jid: `${username}@${config.domain}` };
    },
    posts: (account, text, audience) => publishPost(ctx, account, { text, ...(audience ? { audience } : {}) }),
    edits: (account, guid, text) => editPost(ctx, account, guid, text),
    deletes: (account, guid) => deletePost(ctx, account, guid),
    stop: async () => {
      await running.stop();
      if (options.stateDir === undefined) rmSync(stateDir, { recursive: true, force: true });
    },
  };
}
