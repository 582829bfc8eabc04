// `dx backup` and `dx restore`: one file (tar) with the database, the keys, the pictures, and a manifest with checksums.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { link, lstat, mkdir, mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Config } from '../config.js';
import { createLog } from '../log.js';
import { readPictureFile, writePictureFile } from '../services/media.js';
import { checkEmpty, dumpDatabase, dumpKind, loadDump, progress, runTool, type Say, syncFile } from '../store/backup.js';
import { areNewer } from '../store/migrate.js';
import { programFolder } from './snippets.js';

/** The file's form. A program reads those that it knows: 1 had no pictures. */
const FORMAT = 2;
/** Of each kind of database, under which name it is in the file. */
const DATABASE_FILE = { sqlite: 'database.sqlite', postgres: 'database.dump' } as const;
/** As they are kept in the state dir (config.ts). */
const KEY_FILES = ['secret', 'auth-secret', 'component-secret'] as const;
const MEMBERS = [...Object.values(DATABASE_FILE), ...KEY_FILES.map((name) => `keys/${name}`)];

const manifestSchema = z.object({
  format: z.number(),
  /** Of the program that made it. */
  version: z.string(),
  createdAt: z.iso.datetime(),
  /** The social domain: handles and addresses in the database have it. */
  domain: z.string(),
  database: z.enum(['sqlite', 'postgres']),
  /** The migrations that the database has seen, oldest first. */
  schema: z.array(z.string()),
  files: z.partialRecord(z.enum(MEMBERS), z.object({ bytes: z.number(), sha256: z.string() })),
  /** In `media/`, each under the SHA-1 of its bytes. */
  pictures: z.array(z.string().regex(/^[0-9a-f]{40}$/)).default([]),
  /** Those that the database names, but whose files were not there. */
  missing: z.array(z.string()).default([]),
});
type Manifest = z.output<typeof manifestSchema>;

const keysOf = (config: Config): Partial<Record<(typeof KEY_FILES)[number], string>> => ({
  secret: config.secret,
  'auth-secret': config.authSecret,
  ...(config.component ? { 'component-secret': config.component.secret } : {}),
});

const version = (): string => (JSON.parse(readFileSync(path.join(programFolder(), 'package.json'), 'utf8')) as { version: string }).version;

async function checksum(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return { bytes: (await stat(file)).size, sha256: hash.digest('hex') };
}

/**
 * Saves the installation while it runs. Beside the file there must be room for all of it twice.
 * @param file absolute path; it must not exist, and is for its owner only
 * @throws Error with a sentence for the operator
 */
export async function backup(config: Config, file: string, say: Say): Promise<void> {
  const taken = new Error(`${file} exists, and a backup writes over nothing: name another file.`);
  if (existsSync(file)) throw taken;
  const folder = await mkdtemp(`${file}.part-`).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`Nothing can be written in ${path.dirname(file)} (${error.code}): name a file in a folder that this user may write to.`);
  });
  try {
    const kind = dumpKind(config.databaseUrl);
    const dump = path.join(folder, DATABASE_FILE[kind]);
    say(`database: saving ${kind === 'sqlite' ? config.databaseUrl : 'PostgreSQL'}`);
    const { schema, pictures: named } = await dumpDatabase(config.databaseUrl, dump, createLog('silent'), say);
    await mkdir(path.join(folder, 'keys'), { mode: 0o700 });
    for (const [name, value] of Object.entries(keysOf(config))) await writeFile(path.join(folder, 'keys', name), `${value}\n`, { mode: 0o600 });
    const { pictures, missing } = await savePictures(config.stateDir, folder, named, say);

    const members = MEMBERS.filter((name) => existsSync(path.join(folder, name)));
    const files = Object.fromEntries(await Promise.all(members.map(async (name) => [name, await checksum(path.join(folder, name))] as const)));
    const manifest = { format: FORMAT, version: version(), createdAt: new Date().toISOString(), domain: config.domain, database: kind, schema, files, pictures, missing } as Manifest;
    await writeFile(path.join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });

    say('writing the file');
    const whole = path.join(folder, 'whole.tar');
    const handle = await open(whole, 'wx', 0o600);
    try {
      await runTool('tar', ['--create', '--file=-', '--owner=0', '--group=0', '--numeric-owner', `--directory=${folder}`, 'manifest.json', ...members, ...mediaOf(pictures)], { stdout: handle.fd });
      await handle.sync();
    } finally {
      await handle.close();
    }
    // Unlike a rename it writes over nothing, whoever has made the file in between.
    await link(whole, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') throw taken;
      if (existsSync(file)) throw error;
      return rename(whole, file); // a file system without links
    });
    await syncFile(path.dirname(file));
    say(`saved: ${file} (${Math.ceil((await stat(file)).size / 1024)} KiB), with the keys: keep it as safe as the installation itself`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** So many missing pictures are named on the screen. */
const SHOWN = 10;

/** The member that holds the pictures. */
const mediaOf = (pictures: readonly string[]): string[] => (pictures.length > 0 ? ['media'] : []);

/** Those that cannot be saved are told of, and no reason to be without a backup. */
async function savePictures(stateDir: string, folder: string, named: string[], say: Say): Promise<{ pictures: string[]; missing: string[] }> {
  say(`pictures: ${named.length}`);
  const tell = progress('pictures', say);
  const pictures: string[] = [];
  const missing: string[] = [];
  for (const [at, id] of named.entries()) {
    const bytes = await readPictureFile(stateDir, id);
    if (bytes) pictures.push(await writePictureFile(folder, bytes));
    else missing.push(id);
    tell(at + 1, named.length);
  }
  for (const id of missing.slice(0, SHOWN)) say(`note: the backup is without a picture, whose file is missing or damaged: ${path.join(stateDir, 'media', id)}`);
  if (missing.length > SHOWN) say(`note: … and without ${missing.length - SHOWN} more; the manifest names them all`);
  return { pictures, missing };
}

/**
 * Restores an installation into an empty one: no database, or one without tables. When anything is wrong with the file, nothing is changed.
 * @param file absolute path
 * @param reload the configuration, read anew
 * @throws Error with a sentence for the operator
 */
export async function restore(config: Config, file: string, say: Say, reload: () => Promise<Config>): Promise<void> {
  if (!existsSync(file)) throw new Error(`There is no file ${file}.`);
  const log = createLog('silent');
  await checkEmpty(config.databaseUrl, log);
  const kind = dumpKind(config.databaseUrl);
  // On the file system where the database will be, so that it can be put in its place in one step.
  const near = kind === 'sqlite' ? path.dirname(config.databaseUrl.slice('sqlite:'.length)) : config.stateDir;
  await mkdir(near, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(path.join(near, 'restore-'));
  try {
    const manifest = await unpack(file, folder);
    say(`the backup: ${manifest.domain}, ${manifest.createdAt}, diaspora-x ${manifest.version}, ${manifest.database}`);
    if (manifest.domain !== config.domain) {
      throw new Error(`The backup is of ${manifest.domain}, but DX_DOMAIN is ${config.domain}. Handles and addresses have the domain in them: set DX_DOMAIN=${manifest.domain}.`);
    }
    if (manifest.database !== kind) {
      throw new Error(`The backup has a database of the kind ${manifest.database}, but DX_DATABASE_URL names one of the kind ${kind}. Restore it where it came from.`);
    }
    if (areNewer(manifest.schema)) throw new Error(`The backup was made by a newer version of diaspora-x (${manifest.version}): restore it with that version.`);
    await verify(folder, manifest);
    say('checksums are good');
    if (manifest.missing.length > 0) say(`note: ${manifest.missing.length} pictures are not in the backup, because their files were missing when it was made`);

    // The database comes last: whoever is cut off before it can begin again.
    say(`pictures: ${manifest.pictures.length}`);
    const tell = progress('pictures', say);
    for (const [at, id] of manifest.pictures.entries()) {
      await writePictureFile(config.stateDir, (await readPictureFile(folder, id))!);
      tell(at + 1, manifest.pictures.length);
    }
    for (const name of KEY_FILES) if (manifest.files[`keys/${name}`]) await putKey(path.join(folder, 'keys', name), path.join(config.stateDir, name));
    const done = await loadDump(config.databaseUrl, path.join(folder, DATABASE_FILE[kind]), log, say);
    for (const name of done) say(`migrated: ${name}`);
    await tellOfOtherKeys(config.stateDir, await reload(), say);
    say('restored: dx doctor, then dx serve');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws Error when it is no backup of ours */
async function unpack(file: string, folder: string): Promise<Manifest> {
  const extract = (names: string[]) => runTool('tar', ['--extract', `--file=${file}`, '--no-same-owner', '--no-same-permissions', `--directory=${folder}`, ...names]);
  const refuse = (error: Error) => {
    throw new Error(`${file} is no whole backup of diaspora-x: ${error.message}`);
  };
  await extract(['manifest.json']).catch(refuse);
  const text = (await isPlainFile(path.join(folder, 'manifest.json'))) ? await readFile(path.join(folder, 'manifest.json'), 'utf8') : '';
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    return refuse(error as Error);
  }
  const { format } = z.object({ format: z.number().optional() }).catch({}).parse(read);
  if (format !== undefined && format > FORMAT) throw new Error(`${file} was written by a newer version of diaspora-x: restore it with that version.`);
  const manifest = manifestSchema.safeParse(read);
  if (!manifest.success) return refuse(manifest.error);
  await extract([...Object.keys(manifest.data.files), ...mediaOf(manifest.data.pictures)]).catch(refuse);
  return manifest.data;
}

const isPlainFile = async (file: string): Promise<boolean> => (await lstat(file).catch(() => null))?.isFile() ?? false;

async function verify(folder: string, { files, database, pictures }: Manifest): Promise<void> {
  for (const name of [DATABASE_FILE[database], 'keys/secret', 'keys/auth-secret'] as const) {
    if (!files[name]) throw new Error(`The backup does not hold ${name}: use another one.`);
  }
  for (const [name, noted] of Object.entries(files)) {
    const member = path.join(folder, name);
    const found = (await isPlainFile(member)) ? await checksum(member) : null;
    if (found?.sha256 !== noted!.sha256 || found.bytes !== noted!.bytes) throw new Error(`The backup is damaged: ${name} is not as it was written. Use another one.`);
  }
  for (const id of pictures) {
    const member = `media/${id}`;
    if (!(await isPlainFile(path.join(folder, member))) || !(await readPictureFile(folder, id))) throw new Error(`The backup is damaged: ${member} is not as it was written. Use another one.`);
  }
}

/** Whole or not at all. What was there was made for a database that was empty. */
async function putKey(from: string, to: string): Promise<void> {
  const beside = `${to}.restored`;
  await writeFile(beside, await readFile(from), { mode: 0o600 });
  await syncFile(beside);
  await rename(beside, to);
}

/** Keys that are set in the environment are stronger than those in the state dir: whoever forgot that wonders why all are logged out. */
async function tellOfOtherKeys(stateDir: string, now: Config, say: Say): Promise<void> {
  const keys = { DX_SECRET: ['secret', now.secret], DX_AUTH_SECRET: ['auth-secret', now.authSecret] } as const;
  for (const [key, [name, value]] of Object.entries(keys)) {
    if ((await readFile(path.join(stateDir, name), 'utf8')).trim() !== value) say(`note: ${key} is set and is not the one of the backup, which is now in ${path.join(stateDir, name)}`);
  }
}
