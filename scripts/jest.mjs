// Runs jest as this project needs it: `node scripts/jest.mjs PATH…`, or a level: `--selectProjects unit -- [PATH…]`.
// Jest loads ES modules only with --experimental-vm-modules.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Runs jest with the given arguments in the project's root, output inherited.
 * @param {string[]} args
 * @returns {Promise<number>} jest's exit code
 */
export function runJest(args) {
  const child = spawn(
    process.execPath,
    ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', 'node_modules/jest/bin/jest.js', ...args],
    { cwd: root, stdio: 'inherit' },
  );
  // Ctrl-C reaches jest by itself (same process group); it stops its servers and we report how it ended.
  const ignore = () => {};
  const forward = () => child.kill('SIGTERM');
  process.on('SIGINT', ignore);
  process.on('SIGTERM', forward);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.off('SIGINT', ignore);
      process.off('SIGTERM', forward);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(await runJest(process.argv.slice(2)));
