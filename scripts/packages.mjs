// npm packages: installed from package-lock.json when node_modules is missing or older.
import { execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { modifiedAt } from './build.mjs';
import { ensureDebianPackages } from './debian.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Whether a program is on the PATH. */
export function hasProgram(name) {
  try {
    execFileSync('/bin/sh', ['-c', `command -v ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** npm writes this file at the end of each installation. */
const arePackagesCurrent = async () =>
  (await modifiedAt(path.join(root, 'node_modules', '.package-lock.json'))) >=
  (await modifiedAt(path.join(root, 'package-lock.json')));

/**
 * Runs `npm ci` when it has to.
 * @throws Error when it fails, with its output and what may help
 */
export async function ensurePackages(say = (line) => console.log(line)) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Error(`Node.js 20.19 or newer is needed; this is ${process.versions.node}.`);
  }
  if (await arePackagesCurrent()) return;
  // better-sqlite3 is compiled where there is no ready-made binary for this machine.
  // (Debian's packages have the names of the programs.)
  const missing = ['g++', 'make', 'python3'].filter((program) => !hasProgram(program));
  const debian = missing.length > 0 ? await ensureDebianPackages(missing, say) : {};

  say('Installing npm packages (a minute or two).');
  // tsc and jest are needed too, whatever NODE_ENV says.
  const options = ['--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  let { code, output } = await npm(['ci', ...options]);
  // `npm ci` refuses a lock file without the builds for other platforms of optional packages, as a registry that does
  // not have them leaves it. `npm install` takes the same versions from it.
  if (code !== 0 && /EUSAGE/.test(output)) ({ code, output } = await npm(['install', '--no-save', ...options]));
  if (code === 0) return;
  const hint = debian.command ? `\nA compiler may be missing; this installs it: ${debian.command}` : '';
  const lines = output.trim().split('\n');
  throw new Error(`The npm packages could not be installed:\n${lines.slice(0, 40).join('\n')}${hint}`);
}

/** Runs npm in the project's root. */
function npm(args) {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}
