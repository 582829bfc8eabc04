// Builds dist/: `tsc` for the code, a copy for everything else under src (style sheets, scripts, sprites, locales).
// `node scripts/build.mjs` always builds; `npm start` and `npm test` build when a source is newer than the last build.
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const STAMP = path.join(root, 'dist', '.built');
/** Of ejabberd-auth/, in the order in which they are joined. */
const JOINED = ['framing', 'connection', 'client', 'main'].map((name) => path.join('ejabberd-auth', `${name}.ts`));
const JOINED_INTO = path.join(root, 'ejabberd-auth', 'dist', 'main.mjs');
const SOURCES = ['src', 'migrations', 'tsconfig.json', 'package-lock.json', 'ejabberd-auth/tsconfig.json', ...JOINED];

/** Modification time in milliseconds; 0 when there is no such file. */
export const modifiedAt = async (file) => (await stat(file).catch(() => undefined))?.mtimeMs ?? 0;

/** The newest modification under a file or folder. Folders count too: a deleted file changes its folder. */
async function newest(file) {
  const info = await stat(file).catch(() => undefined);
  if (!info) return 0;
  if (!info.isDirectory()) return info.mtimeMs;
  const inside = await Promise.all((await readdir(file)).map((name) => newest(path.join(file, name))));
  return Math.max(info.mtimeMs, ...inside);
}

/** Whether dist/ holds what the sources say now. */
export async function isBuilt() {
  const built = await modifiedAt(STAMP);
  const changes = await Promise.all(SOURCES.map((source) => newest(path.join(root, source))));
  return built > Math.max(...changes) && (await modifiedAt(JOINED_INTO)) > 0;
}

/**
 * Runs the TypeScript compiler, its output on ours.
 * @param {string[]} args
 * @returns {Promise<boolean>} whether there were no errors
 */
export const compile = (args) =>
  new Promise((resolve, reject) => {
    const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const child = spawn(process.execPath, [tsc, ...args], { cwd: root, stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code === 0));
  });

/**
 * Builds ejabberd-auth/dist/main.mjs: one file without imports but Node's own, so that it can be copied alone. Its modules export only by
 * `export` before a declaration and import from each other by name: without those words, one after the other, they are one module.
 * @returns {Promise<string>} its path
 * @throws Error when the types are wrong; the compiler has printed where
 */
export async function buildEjabberdAuth() {
  const dist = path.dirname(JOINED_INTO);
  await mkdir(dist, { recursive: true });
  // Beside its place, then moved: two builds at once do no harm.
  const folder = await mkdtemp(path.join(dist, 'build-'));
  try {
    if (!(await compile(['-p', 'ejabberd-auth/tsconfig.json', '--outDir', folder]))) throw new Error('The build stopped: TypeScript found the errors above.');
    const modules = await Promise.all(JOINED.map((file) => readFile(path.join(folder, `${path.basename(file, '.ts')}.js`), 'utf8')));
    const joined = modules.map((text) => text.replace(/^import .* from '\.\/.*';\n/gm, '').replace(/^export /gm, ''));
    const file = path.join(folder, 'main.mjs');
    await writeFile(file, `// Part of diaspora-x, AGPL-3.0-or-later; built from ejabberd-auth/*.ts.\n${joined.join('')}`);
    await rename(file, JOINED_INTO);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return JOINED_INTO;
}

/**
 * Builds dist/ from nothing, and ejabberd-auth/dist/main.mjs.
 * @throws Error when the types are wrong; the compiler has printed where
 */
export async function build() {
  const startedAt = new Date();
  await rm(path.join(root, 'dist'), { recursive: true, force: true });
  if (!(await compile(['-p', 'tsconfig.json']))) throw new Error('The build stopped: TypeScript found the errors above.');
  await cp(path.join(root, 'src'), path.join(root, 'dist', 'src'), {
    recursive: true,
    filter: (file) => !/\.tsx?$/.test(file),
  });
  await buildEjabberdAuth();
  // Written with the time of the start: what changed in between is built the next time.
  await writeFile(STAMP, `${startedAt.toISOString()}\n`);
  await utimes(STAMP, startedAt, startedAt);
}

/** Builds dist/ when it is missing or older than its sources. */
export async function ensureBuilt(say = (line) => console.log(line)) {
  if (await isBuilt()) return;
  say('Building.');
  await build();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
