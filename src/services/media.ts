// Pictures of people. Whatever comes in is decoded, cropped and encoded anew, so that nothing of a file but its pixels goes on: no place, no camera,
// no second picture, no script. Kept as files `media/ID` in the state directory; ID is the SHA-1 of the bytes (XEP-0084 §4.2).
import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { OutputInfo } from 'sharp';
import type { Account } from '../domain/account.js';
import { DomainError, NoRoom } from '../domain/errors.js';
import { updateProfile } from '../store/actors.js';
import type { Tx } from '../store/database.js';
import { addJobs } from '../store/jobs.js';
import { deleteUnused, findMedia, listMediaIds, type Media, saveMedia } from '../store/media.js';
import type { Context } from './context.js';

export type { Media } from '../store/media.js';
export type PictureKind = Media['kind'];

/** The largest file that is taken. */
export const PICTURE_MAX_BYTES = 10 * 1024 * 1024;
/** A file of few bytes may claim any number of pixels. */
const MAX_PIXELS = 60_000_000;

/** XEP-0084 §4.2.1 wants image/png; in base64 it has to pass every server's stanza limit. */
const AVATAR_PX = 256;
const AVATAR_MAX_BYTES = 96 * 1024;
const BANNER = { width: 1280, height: 320 };

/** By their first bytes, whatever a name or header says: sharp would read SVG and more, which have no business here. */
const MAGIC: ((bytes: Uint8Array) => boolean)[] = [
  (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff, // JPEG
  (bytes) => Buffer.from(bytes.subarray(0, 8)).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])),
  (bytes) => /^GIF8[79]a/.test(Buffer.from(bytes.subarray(0, 6)).toString('latin1')),
  (bytes) => Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'RIFF' && Buffer.from(bytes.subarray(8, 12)).toString('latin1') === 'WEBP',
];

/** Loaded with the first picture: it costs the start of every process a tenth of a second, and memory. */
async function load() {
  const { default: sharp } = await import('sharp');
  // One at a time, in one thread: a picture of the greatest size takes 240 MB while it is decoded.
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}
let last: Promise<unknown> = Promise.resolve();
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = last.then(work, work);
  last = turn.catch(() => {});
  return turn;
}

interface Picture {
  bytes: Buffer;
  mime: string;
  width: number;
  height: number;
}

/**
 * The picture as we keep it: turned as its file says, cropped around what stands out, without anything but pixels.
 * @throws DomainError invalid | too-large (field picture)
 */
export async function preparePicture(bytes: Uint8Array, kind: PictureKind): Promise<Picture> {
  if (bytes.length > PICTURE_MAX_BYTES) throw new DomainError('too-large', `This file is too large: at most ${PICTURE_MAX_BYTES / 1024 / 1024} MB.`, 'picture');
  if (!MAGIC.some((matches) => matches(bytes))) throw new DomainError('invalid', 'Choose a picture: a JPEG, PNG, WebP or GIF file.', 'picture');
  return inTurn(async () => {
    const sharp = await load();
    try {
      const image = sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: 'error', animated: false }).rotate();
      if (kind === 'banner') return pack(await image.resize({ ...BANNER, fit: 'cover', position: 'attention' }).flatten({ background: '#fff' }).webp({ quality: 80 }).toBuffer({ resolveWithObject: true }));
      const square = await image.resize(AVATAR_PX, AVATAR_PX, { fit: 'cover', position: 'attention' }).png().toBuffer();
      for (const colours of [256, 64, 16]) {
        const found = await sharp(square).png({ palette: true, colours, effort: 7 }).toBuffer({ resolveWithObject: true });
        if (found.data.length <= AVATAR_MAX_BYTES) return pack(found);
      }
      throw new Error('a picture of 16 colours does not fit');
    } catch (error) {
      throw /pixel limit/i.test(String(error))
        ? new DomainError('too-large', 'This picture has too many pixels. Make it smaller first.', 'picture')
        : new DomainError('invalid', 'This picture cannot be read: the file seems to be damaged.', 'picture');
    }
  });
}

const pack = ({ data, info }: { data: Buffer; info: OutputInfo }): Picture => ({ bytes: data, mime: `image/${info.format}`, width: info.width, height: info.height });

const fileOf = (stateDir: string, id: string): string => path.join(stateDir, 'media', id);
const idOf = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

/** Writes the file of a picture into a state directory, or a folder like one, whole or not at all. @returns its id */
export async function writePictureFile(stateDir: string, bytes: Uint8Array): Promise<string> {
  const id = idOf(bytes);
  const file = fileOf(stateDir, id);
  await mkdir(path.dirname(file), { recursive: true });
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(draft, bytes, { flush: true });
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
  return id;
}

/** null: there is none, or it is not what its name says. */
export async function readPictureFile(stateDir: string, id: string): Promise<Buffer | null> {
  const bytes = await readFile(fileOf(stateDir, id)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return bytes && idOf(bytes) === id ? bytes : null;
}

/** @throws DomainError unavailable where those who run the server can mend it */
const notSaved =
  (ctx: Context) =>
  (error: NodeJS.ErrnoException): never => {
    const isFull = /^(ENOSPC|EDQUOT)$/.test(error.code ?? '');
    if (!isFull && !/^(EROFS|EACCES|EPERM)$/.test(error.code ?? '')) throw error;
    ctx.log.error({ reason: error.message }, 'a picture could not be saved');
    throw isFull ? new NoRoom() : new DomainError('unavailable', 'The server cannot save pictures at the moment. Please tell those who run it, and try again later.');
  };

/** Shows the picture on a person of ours or of elsewhere, and forgets the one before. */
async function show(ctx: Context, actorId: number, kind: PictureKind, picture: Picture | null, also: (tx: Tx) => Promise<void> = async () => {}): Promise<string | null> {
  // The file is there before any row speaks of it. A file without a row harms nobody.
  const id = picture && (await writePictureFile(ctx.config.stateDir, picture.bytes).catch(notSaved(ctx)));
  const orphans = await ctx.store.transaction(async (tx) => {
    if (picture && id) {
      const { mime, width, height } = picture;
      await saveMedia(tx, { id, actorId, kind, mime, width, height, bytes: picture.bytes.length, createdAt: ctx.now() });
    }
    await updateProfile(tx, actorId, { [kind]: id });
    await also(tx);
    return deleteUnused(tx, actorId);
  });
  for (const orphan of orphans) await rm(fileOf(ctx.config.stateDir, orphan), { force: true });
  return id;
}

const tellFollowers = ({ actorId }: Account, kind: PictureKind) => (tx: Tx) => addJobs(tx, [{ kind: 'profile-changed', payload: { actorId, picture: kind === 'avatar' }, queue: 'xmpp', lane: `profile:${actorId}` }]);

/**
 * A new picture of someone of ours; those who follow hear of it.
 * @throws DomainError invalid | too-large (field picture), unavailable
 */
export async function setPicture(ctx: Context, account: Account, kind: PictureKind, bytes: Uint8Array): Promise<void> {
  await show(ctx, account.actorId, kind, await preparePicture(bytes, kind), tellFollowers(account, kind));
}

export const removePicture = async (ctx: Context, account: Account, kind: PictureKind): Promise<void> => {
  await show(ctx, account.actorId, kind, null, tellFollowers(account, kind));
};

/**
 * The picture of someone elsewhere, as their server sent it: kept like our own.
 * @param bytes null: they have none any more
 * @throws DomainError invalid | too-large | unavailable
 */
export async function learnPicture(ctx: Context, actorId: number, bytes: Uint8Array | null): Promise<string | null> {
  return show(ctx, actorId, 'avatar', bytes && (await preparePicture(bytes, 'avatar')));
}

/** A picture to be sent. null: there is none of that id. @param id SHA-1, small hex */
export async function readPicture(ctx: Context, id: string): Promise<{ media: Media; bytes: Buffer } | null> {
  if (!/^[0-9a-f]{40}$/.test(id)) return null;
  const media = await findMedia(ctx.store, id);
  if (!media) return null;
  const bytes = await readPictureFile(ctx.config.stateDir, id);
  if (!bytes) ctx.log.error({ id }, 'the file of a picture is missing: all processes must share the folder media of DX_STATE_DIR; when it is lost, people choose their pictures anew');
  return bytes && { media, bytes };
}

/** So many files are looked for at once. */
const AT_ONCE = 500;

/**
 * The pictures that the database names, and those of them whose files are not where this process looks.
 * @returns `missing`: paths
 */
export async function countPictures({ store, config }: Pick<Context, 'store' | 'config'>): Promise<{ total: number; missing: string[] }> {
  const missing: string[] = [];
  let total = 0;
  for (let ids = await listMediaIds(store, '', AT_ONCE); ids.length > 0; ids = await listMediaIds(store, ids.at(-1)!, AT_ONCE)) {
    total += ids.length;
    const files = ids.map((id) => fileOf(config.stateDir, id));
    const isThere = await Promise.all(files.map((file) => access(file).then(() => true, () => false)));
    missing.push(...files.filter((_, index) => !isThere[index]));
  }
  return { total, missing };
}
