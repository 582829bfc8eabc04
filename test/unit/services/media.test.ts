import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { createAccount } from '../../../src/services/accounts.js';
import { learnPicture, preparePicture, readPicture, removePicture, setPicture } from '../../../src/services/media.js';
import { findActor, upsertRemoteActor } from '../../../src/store/actors.js';
import { type TestContext, testContext } from '../../support/context.js';

let ctx: TestContext;
beforeEach(async () => {
  ctx = await testContext();
});
afterEach(() => ctx.close());

const plain = (width: number, height: number, background = '#c33') => sharp({ create: { width, height, channels: 3, background } });
/** A photo as a phone makes it: turned by a flag, with the place where it was taken. */
const photo = () =>
  plain(600, 300)
    .withExif({ IFD0: { Make: 'Canary', Orientation: '6' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' } })
    .jpeg()
    .toBuffer();
const member = async () => (await createAccount(ctx, { username: 'alice', email: 'alice@mail.test' })).account;
const files = () => (existsSync(path.join(ctx.config.stateDir, 'media')) ? readdirSync(path.join(ctx.config.stateDir, 'media')) : []);

test('a picture is cropped to a square PNG that passes every stanza limit, and nothing of the photo but its pixels stays', async () => {
  const bytes = await photo();
  expect(bytes.includes('Canary')).toBe(true);
  const picture = await preparePicture(bytes, 'avatar');
  expect(picture).toMatchObject({ mime: 'image/png', width: 256, height: 256 });
  expect(picture.bytes.length).toBeLessThanOrEqual(96 * 1024);
  expect((await sharp(picture.bytes).metadata()).exif).toBeUndefined();
  expect(picture.bytes.includes('Canary')).toBe(false);
});

test('noise, which no palette makes small, still fits', async () => {
  const noise = await sharp({ create: { width: 800, height: 800, channels: 3, background: '#888', noise: { type: 'gaussian', mean: 128, sigma: 60 } } }).png().toBuffer();
  expect((await preparePicture(noise, 'avatar')).bytes.length).toBeLessThanOrEqual(96 * 1024);
});

test('a banner is wide', async () => {
  expect(await preparePicture(await photo(), 'banner')).toMatchObject({ mime: 'image/webp', width: 1280, height: 320 });
});

const BAD: [what: string, bytes: () => Promise<Uint8Array> | Uint8Array, code: string][] = [
  ['SVG', () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'), 'invalid'],
  ['text', () => Buffer.from('hello'), 'invalid'],
  ['nothing', () => Buffer.alloc(0), 'invalid'],
  ['half a picture', async () => (await plain(900, 900).png().toBuffer()).subarray(0, 200), 'invalid'],
  ['a JPEG in name only', () => Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(500, 7)]), 'invalid'],
  ['more than ten megabytes', () => Buffer.alloc(10 * 1024 * 1024 + 1, 0xff), 'too-large'],
  ['a small file of a hundred million pixels', () => plain(10_000, 10_000).png().toBuffer(), 'too-large'],
];
test.each(BAD)('%s is refused with a sentence', async (_what, bytes, code) => {
  await expect(preparePicture(await bytes(), 'avatar')).rejects.toMatchObject({ code, field: 'picture', message: expect.stringMatching(/\.$/) });
});

test('a new picture takes the place of the old one, followers are told, and its file goes when nobody has it any more', async () => {
  const alice = await member();
  await setPicture(ctx, alice, 'avatar', await plain(300, 300, '#123').png().toBuffer());
  const first = (await findActor(ctx.store, alice.actorId))!.profile.avatar!;
  expect((await readPicture(ctx, first))!.media).toMatchObject({ kind: 'avatar', mime: 'image/png', width: 256 });
  await setPicture(ctx, alice, 'avatar', await plain(300, 300, '#456').png().toBuffer());
  const second = (await findActor(ctx.store, alice.actorId))!.profile.avatar!;
  expect(second).not.toBe(first);
  expect(files()).toEqual([second]);
  expect(await readPicture(ctx, first)).toBeNull();
  const jobs = await ctx.store.query("select kind from jobs where kind = 'profile-changed'");
  expect(jobs.length).toBeGreaterThanOrEqual(1);
  await removePicture(ctx, alice, 'avatar');
  expect((await findActor(ctx.store, alice.actorId))!.profile.avatar).toBeNull();
  expect(files()).toEqual([]);
});

test('two people may have the same picture; it stays while one of them shows it', async () => {
  const alice = await member();
  const bob = await ctx.store.transaction((tx) => upsertRemoteActor(tx, { username: 'bob', domain: 'far.test', address: { protocol: 'xmpp', value: 'bob@far.test' } }));
  const bytes = await plain(300, 300, '#789').png().toBuffer();
  await setPicture(ctx, alice, 'avatar', bytes);
  const id = await learnPicture(ctx, bob.id, bytes);
  await removePicture(ctx, alice, 'avatar');
  expect((await readPicture(ctx, id!))!.bytes.length).toBeGreaterThan(0);
  await learnPicture(ctx, bob.id, null);
  expect(await readPicture(ctx, id!)).toBeNull();
});

test('ids that are no ids open no files', async () => {
  for (const id of ['../keys', '', 'a'.repeat(39), `${'a'.repeat(40)}/..`]) expect(await readPicture(ctx, id)).toBeNull();
});
