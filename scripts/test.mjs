// npm test: sets up what is missing, checks the types, runs every test. `npm test -- PATH…` passes arguments to jest.
// The last line is `N passed, N failed`; exit 0 only when at least one test ran and none failed.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { compile, ensureBuilt } from './build.mjs';
import { ensureDebianPackages } from './debian.mjs';
import { runJest } from './jest.mjs';
import { ensurePackages } from './packages.mjs';

const DEBIAN_PACKAGES = [
  'prosody',
  'prosody-modules',
  'lua-unbound',
  'ejabberd',
  // Gives ejabberd the names of the other test server, which are in no DNS.
  'libnss-wrapper',
  'postgresql',
  'chromium',
  'python3-slixmpp',
  // Libervia, the session bus it is spoken to over, and what it needs to know Markdown (only recommended by it).
  'libervia-backend',
  'libervia-cli',
  'dbus-daemon',
  'python3-markdown',
  'python3-html2text',
  'openssl',
];

async function setUp() {
  const { missing, command } = await ensureDebianPackages(DEBIAN_PACKAGES);
  if (missing.length > 0) throw new Error(`Some tests need packages that are missing. Run this, then npm test again:\n  ${command}`);
  await ensurePackages();
  await ensureBuilt();
  if (!(await compile(['--noEmit', '-p', 'tsconfig.test.json']))) throw new Error('TypeScript found the errors above.');
}

/** Runs jest and counts; a file that cannot be run is a failure. */
async function runTests(args) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'dx-test-'));
  try {
    const outputFile = path.join(folder, 'result.json');
    const code = await runJest([...args, '--json', `--outputFile=${outputFile}`]);
    const result = JSON.parse(await readFile(outputFile, 'utf8').catch(() => '{}'));
    const passed = result.numPassedTests ?? 0;
    const failed = (result.numFailedTests ?? 0) + (result.numRuntimeErrorTestSuites ?? 0);
    const good = code === 0 && result.success === true && passed > 0 && failed === 0;
    return { passed, failed: good ? 0 : Math.max(failed, 1) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

let outcome;
try {
  await setUp();
  outcome = await runTests(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  outcome = { passed: 0, failed: 1 };
}
console.log(`${outcome.passed} passed, ${outcome.failed} failed`);
process.exitCode = outcome.failed === 0 ? 0 : 1;
