// Debian packages that are missing are installed here, without starting their daemons.
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const POLICY = '/usr/sbin/policy-rc.d';
/** invoke-rc.d asks this program before it starts a daemon; 101 means "do not" (Debian's invoke-rc.d, README.policy-rc.d). */
const NO_DAEMONS = '#!/bin/sh\nexit 101\n';

/**
 * Which of these Debian packages are not installed.
 * @param {string[]} names
 * @returns {Promise<string[]>} all of them where there is no dpkg
 */
export async function missingDebianPackages(names) {
  const { stdout } = await run('dpkg-query', ['-W', '-f', '${Package}\t${db:Status-Status}\n', ...names]).catch(
    // dpkg-query exits 1 when it does not know a name and still prints the others.
    (error) => ({ stdout: error.stdout ?? '' }),
  );
  const installed = new Set(
    stdout
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([, status]) => status === 'installed')
      .map(([name]) => name),
  );
  return names.filter((name) => !installed.has(name));
}

/** Runs a program quietly; on failure its output is in the error's message. */
function quietly(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${command} ${args.join(' ')} failed (${code}):\n${output}`)),
    );
  });
}

/** Runs `work` while no daemon may be started by a package, then puts back what was there. */
async function withoutDaemons(work) {
  const before = existsSync(POLICY)
    ? { text: await readFile(POLICY), mode: (await stat(POLICY)).mode & 0o7777 }
    : undefined;
  await writeFile(POLICY, NO_DAEMONS);
  await chmod(POLICY, 0o755);
  try {
    return await work();
  } finally {
    if (before) {
      await writeFile(POLICY, before.text);
      await chmod(POLICY, before.mode);
    } else {
      await rm(POLICY, { force: true });
    }
  }
}

/**
 * Installs the packages that are missing, where this process may (root on a Debian system).
 * @param {string[]} names
 * @param {(line: string) => void} [say] gets the one line of progress
 * @returns {Promise<{ installed: string[], missing: string[], command?: string }>} `command` is the one line that a
 *   person has to run when something is missing and we may not install it
 */
export async function ensureDebianPackages(names, say = (line) => console.log(line)) {
  const missing = await missingDebianPackages(names);
  if (missing.length === 0) return { installed: [], missing: [] };
  const command = `sudo apt-get install --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return { installed: [], missing, command };

  say(`Installing from Debian: ${missing.join(' ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await quietly('apt-get', ['update', '-q'], env);
  await withoutDaemons(() => quietly('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...missing], env));
  return { installed: missing, missing: [] };
}
