// ejabberd and Prosody with logins checked by the service, each with a second chat domain whose every login is answered true without looking.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startChatEjabberd } from '../../test/support/servers/chat-ejabberd.js';
import { freePort, type RunningServer, startProsody } from '../../test/support/servers/index.js';

const AUTH_PROGRAM = path.resolve(import.meta.dirname, '../../ejabberd-auth/dist/main.mjs');

/** The domain whose logins diaspora-x checks, and the one where nobody looks. */
export const CHAT = 'chat.test';
export const YES = 'yes.test';

// As docs/ejabberd.md advises: Erlang's threads else spin for work while bcrypt could use the core.
const ERL_FLAGS = '+sbwt none +sbwtdcpu none +sbwtdio none';

/** ejabberd-auth itself, which reads and answers frames as ever, but with a client that says true without asking anybody. */
function yesProgram(): string {
  const program = readFileSync(AUTH_PROGRAM, 'utf8');
  const [before, after, ...more] = program.split('class AuthClient {');
  if (after === undefined || more.length > 0) throw new Error('ejabberd-auth is built in another way: there is no class AuthClient in it');
  return `class AuthClient {\n  async ask() {\n    return true;\n  }\n}\n${before}class AskingClient {${after}`;
}

/** ejabberd with the printed configuration; clients use the harness' listener, without TLS. */
export async function chatEjabberd(env: Record<string, string>, componentDomains: string[]): Promise<RunningServer> {
  process.env.ERL_FLAGS ??= ERL_FLAGS;
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-bench-yes-'));
  const yes = path.join(folder, 'yes.mjs');
  writeFileSync(yes, yesProgram());
  chmodSync(folder, 0o755); // it runs as the user ejabberd
  const server = await startChatEjabberd(env, AUTH_PROGRAM, {
    chatDomains: [CHAT, YES],
    componentDomains,
    // The same settings for the other domain, but for the program.
    change(snippet) {
      const [, own] = /^host_config:\n((?: {2}.*\n)+)/m.exec(snippet)!;
      return snippet.replace(own!, own! + own!.replace(CHAT, YES).replace(/extauth_program: .*/, `extauth_program: "${process.execPath} ${yes} --url http://127.0.0.1:1 --secret-file none"`));
    },
  });
  return {
    ...server,
    async destroy() {
      await server.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Prosody with our module on both domains; the other one asks an endpoint that answers true. */
export async function chatProsody(env: Record<string, string>): Promise<RunningServer> {
  const port = await freePort();
  const yes: ChildProcess = spawn(process.execPath, [path.join(import.meta.dirname, 'yes-endpoint.mjs'), String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => yes.stdout!.once('data', resolve));
  const server = await startProsody({
    chatDomains: [],
    authChats: [
      { domain: CHAT, listen: env.DX_AUTH_LISTEN!, secret: env.DX_AUTH_SECRET! },
      { domain: YES, listen: `127.0.0.1:${port}`, secret: 'none' },
    ],
    // The printed configuration has these too.
    extraConfig: 'c2s_stanza_size_limit = 65536',
  });
  return {
    ...server,
    async destroy() {
      await server.destroy();
      yes.kill();
    },
  };
}
