// npm start: sets up all that is missing (npm packages, Debian's Prosody, the build), starts a private Prosody unless
// DX_COMPONENT_URL names another XMPP server, then the whole service. Ctrl-C stops all of it.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseEnv } from 'node:util';
import { ensureBuilt } from './build.mjs';
import { ensureDebianPackages } from './debian.mjs';
import { ensurePackages, hasProgram } from './packages.mjs';
import { chooseComponentPort, filesOf, startPrivateProsody } from './private-prosody.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const say = (line) => console.log(line);

/** Whether the environment or `.env` names an XMPP server. */
function namesXmppServer() {
  const file = path.join(process.cwd(), '.env');
  const kept = existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {};
  return Boolean(process.env.DX_COMPONENT_URL ?? kept.DX_COMPONENT_URL);
}

/** Installs Prosody where it is missing and we may; says what to do otherwise. */
async function hasProsody() {
  const wanted = ['prosody', 'openssl'].filter((program) => !hasProgram(program));
  if (wanted.length === 0) return true;
  try {
    const { missing, command } = await ensureDebianPackages(wanted, say);
    if (missing.length === 0) return true;
    say(`No chat for now: ${missing.join(' and ')} not installed. To have it, run this and start again:\n  ${command}`);
  } catch (error) {
    say(`No chat for now: ${error.message}`);
  }
  return false;
}

/** The service's own reading of its configuration; ends with 78 (EX_CONFIG) when that finds faults. */
async function readConfig() {
  const { ConfigError, loadConfig } = await import(pathToFileURL(path.join(root, 'dist', 'src', 'config.js')).href);
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exit(78);
  }
}

/** Starts the private Prosody, or says why there is none. */
async function startChat() {
  const { stateDir } = await readConfig();
  if (!(await hasProsody())) {
    // What an earlier start has left would make the service wait for a server that is not there.
    await rm(filesOf(stateDir).componentUrl, { force: true });
    return undefined;
  }
  await chooseComponentPort(stateDir);
  // Read again: now with the component's port, and its secret made.
  const config = await readConfig();
  const prosody = await startPrivateProsody(config, say);
  if (config.chatDomain !== '') say(`Chat: log in at 127.0.0.1:${config.xmppPort} as NAME@${config.chatDomain} with an app password.`);
  return prosody;
}

/** Runs the service until it ends. @returns its exit code */
function runService(stopRequested) {
  const leash = existsSync('/usr/bin/setpriv') ? ['setpriv', '--pdeathsig', 'TERM'] : [];
  const [program, ...args] = [...leash, process.execPath, path.join(root, 'dist', 'src', 'cli', 'main.js'), 'serve'];
  // A process group of its own: it hears of Ctrl-C once, from us.
  const child = spawn(program, args, { stdio: 'inherit', detached: true });
  stopRequested.then(() => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + os.constants.signals[signal]));
  });
}

async function main() {
  // What we and the service write (database, mails, keys) is for this user alone.
  process.umask(0o077);
  let stop;
  const stopRequested = new Promise((resolve) => (stop = resolve));
  let isRunning = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => (isRunning ? stop() : process.exit(128 + os.constants.signals[signal])));
  }

  await ensurePackages(say);
  await ensureBuilt(say);
  isRunning = true;
  const prosody = namesXmppServer() ? undefined : await startChat();
  const config = await readConfig();
  try {
    if (config.mailUrl.startsWith('file:')) say(`Mails are not sent but written to ${config.mailUrl.slice('file:'.length)}.`);
    say('Ctrl-C stops everything.');
    return await runService(stopRequested);
  } finally {
    await prosody?.stop();
  }
}

process.exitCode = await main().catch((error) => {
  console.error(error.message);
  return 1;
});
// Sockets and timers of what was stopped need not keep us.
process.exit();
