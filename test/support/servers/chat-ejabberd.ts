// A real ejabberd whose logins are checked by diaspora-x, with the configuration that `dx snippet ejabberd` prints (only its installation folders are
// others) and the built program copied alone. It runs as the user of Debian's package where we are root.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EJABBERD_FILES, SNIPPETS } from '../../../src/cli/snippets.js';
import { loadConfig } from '../../../src/config.js';
import { freePort, isRoot } from './daemon.js';
import { startEjabberd } from './ejabberd.js';
import type { RunningServer } from './plan.js';

export interface ChatEjabberd extends RunningServer {
  /** Where its configuration, its secret and the program are. */
  files: typeof EJABBERD_FILES;
  /** The listener of the snippet: STARTTLS required. (`c2sPort` takes clients without TLS.) */
  tlsPort: number;
}

/**
 * @param env the DX_ keys of the installation that it shall ask: DX_CHAT_DOMAIN, DX_AUTH_LISTEN, DX_AUTH_SECRET at least
 * @param program the built ejabberd-auth
 * @param options.change spoils the snippet
 * @param options.extraConfig more of ejabberd.yml
 */
export async function startChatEjabberd(
  env: Record<string, string>,
  program: string,
  options: { change?: (snippet: string) => string; chatDomains?: string[]; componentDomains?: string[]; extraConfig?: string } = {},
): Promise<ChatEjabberd> {
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-chat-ejabberd-'));
  const file = (name: string) => path.join(folder, name);
  const files = { program: file('ejabberd-auth.mjs'), secret: file('secret'), snippet: file('diaspora-x.yml') };
  const tlsPort = await freePort();
  copyFileSync(program, files.program);
  const config = loadConfig(
    {
      DX_DOMAIN: 'social.chat-ejabberd.test',
      DX_COMPONENT_URL: `xmpp://127.0.0.1:${await freePort()}`,
      DX_COMPONENT_SECRET: 'component-secret',
      DX_EJABBERD_API_URL: `http://127.0.0.1:${await freePort()}/a-path-that-is-a-key/api`,
      ...env,
      DX_STATE_DIR: file('state'),
      DX_XMPP_PORT: String(tlsPort),
    },
    folder,
  );
  const snippet = SNIPPETS.ejabberd(config).replaceAll(EJABBERD_FILES.program, files.program).replaceAll(EJABBERD_FILES.secret, files.secret);
  writeFileSync(files.secret, `${/^# *DX_AUTH_SECRET=(.*)$/m.exec(snippet)![1]}\n`, { mode: 0o640 });
  writeFileSync(files.snippet, options.change ? options.change(snippet) : snippet, { mode: 0o640 });
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${config.chatDomain}`, '-keyout', file('key.pem'), '-out', file('cert.pem')], { stdio: 'ignore' });
  writeFileSync(file('all.pem'), readFileSync(file('cert.pem'), 'utf8') + readFileSync(file('key.pem'), 'utf8'), { mode: 0o640 });
  chmodSync(folder, 0o755);
  if (isRoot) execFileSync('chgrp', ['ejabberd', files.secret, files.snippet, file('all.pem')]);
  const server = await startEjabberd({
    chatDomains: options.chatDomains ?? [config.chatDomain],
    ...(options.componentDomains ? { componentDomains: options.componentDomains } : {}),
    user: 'ejabberd',
    // The rest of ejabberd.yml, as Debian's has it.
    extraConfig: `
include_config_file: ${files.snippet}
certfiles: [${file('all.pem')}]
access_rules:
  c2s:
    allow: all
shaper_rules:
  c2s_shaper: none
${options.extraConfig ?? ''}
`,
  });
  return {
    ...server,
    files,
    tlsPort,
    async destroy() {
      await server.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
