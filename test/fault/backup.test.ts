// A backup is taken while people post, and restored on an empty machine (threats.md 22): what was accepted before it began is there, and what had not
// gone out yet goes out from there.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { openContext } from '../../src/cli/context.js';
import { type Io, main } from '../../src/cli/program.js';
import { loadConfig } from '../../src/config.js';
import { authenticate } from '../../src/services/accounts.js';
import { checkAppPassword } from '../../src/services/app-passwords.js';
import type { Context } from '../../src/services/context.js';
import { type PictureKind, setPicture } from '../../src/services/media.js';
import { findAccountByUsername } from '../../src/store/accounts.js';
import { findActor } from '../../src/store/actors.js';
import { untilInvariantsHold } from '../support/invariants.js';
import { type Accepted, startLoad } from '../support/load.js';
import { componentHost, type RunningServer, startEjabberd, startProsody } from '../support/servers/index.js';
import { createDatabase } from '../support/servers/postgres.js';
import { type Service, startService } from '../support/service-process.js';
import { openSink, type Sink } from '../support/sink.js';
import { silentLog } from '../support/store.js';
import { Browser, PASSWORD, type Site } from '../support/web.js';
import { until } from './own-server.js';

const DOMAIN = 'social.backup.test';
const CHAT = 'backup.test';
const HOSTS = ['one.backup.test', 'two.backup.test'];
const READERS = 3;

/** Runs `dx` in this process. */
async function dx(folder: string, env: Record<string, string>, ...args: string[]): Promise<{ code: number; err: string }> {
  let err = '';
  const io: Io = {
    out: () => {},
    err: (text) => void (err += text),
    env: { DX_STATE_DIR: folder, DX_DOMAIN: DOMAIN, DX_CHAT_DOMAIN: CHAT, DX_LOG_LEVEL: 'silent', ...env },
    directory: folder,
    readStdin: async () => '',
    stopped: async () => {},
  };
  return { code: await main(args, io), err };
}

describe.each(['SQLite', 'PostgreSQL'])('on %s', (kind) => {
  let folder: string;
  let xmpp: RunningServer;
  let sink: Sink;
  let service: Service;
  let appPassword: string;
  let file: string;
  let saved: { code: number; err: string };
  /** Posts that were accepted before the backup began, and in all. */
  let before: Accepted[];
  const accepted: Accepted[] = [];
  /** Of alice, in their order: the file of the second was gone when the backup was made. */
  const pictures: string[] = [];

  const emptyPlace = async (): Promise<{ state: string; env: Record<string, string> }> => {
    const state = mkdtempSync(path.join(folder, 'state-'));
    return { state, env: kind === 'SQLite' ? {} : { DX_DATABASE_URL: await createDatabase() } };
  };
  const withRestored = async <T>({ state, env }: { state: string; env: Record<string, string> }, work: (ctx: Context) => Promise<T>): Promise<T> => {
    const config = loadConfig({ DX_STATE_DIR: state, DX_DOMAIN: DOMAIN, DX_CHAT_DOMAIN: CHAT, DX_RATE_LIMITS: 'off', ...env }, state);
    const { ctx, close } = await openContext(config, { log: silentLog });
    return work(ctx).finally(close);
  };
  const guids = (posts: readonly Accepted[]): string[] => posts.map(({ guid }) => guid);
  /** The file again, with what `change` does to its members. */
  const altered = (change: (members: string) => void): string => {
    const members = mkdtempSync(path.join(folder, 'members-'));
    execFileSync('tar', ['-xf', file, '-C', members]);
    change(members);
    const other = `${members}.tar`;
    execFileSync('tar', ['-cf', other, '-C', members, ...readdirSync(members)]);
    return other;
  };

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'dx-backup-'));
    const [name, start] = kind === 'SQLite' ? (['prosody', startProsody] as const) : (['ejabberd', startEjabberd] as const);
    xmpp = await start({ chatDomains: [CHAT], componentDomains: [DOMAIN, ...HOSTS], componentSecret: 'secret of the component' });
    const at = (index: number) => ({ host: componentHost(name, index), port: xmpp.componentPort, secret: xmpp.componentSecret });
    const database: Record<string, string> = kind === 'SQLite' ? {} : { DX_DATABASE_URL: await createDatabase() };
    service = await startService({ domain: DOMAIN, ...at(0) }, { chatDomain: CHAT, env: database });
    sink = await openSink(HOSTS.map((domain, index) => ({ domain, ...at(index + 1) })), READERS);
    const authors = await Promise.all(['alice', 'bob', 'carol'].map(async (username) => ({ username, ...(await service.author(username)) })));
    for (const { jid } of authors) await sink.subscribe(jid);
    const [alice, bob, carol] = authors as [(typeof authors)[0], (typeof authors)[0], (typeof authors)[0]];
    appPassword = service.dx(['app-password', 'create', 'alice', '--label', 'Phone']).trim();
    const env = { DX_DATABASE_URL: kind === 'SQLite' ? `sqlite:${service.database}` : database.DX_DATABASE_URL! };
    await withRestored({ state: service.stateDir, env }, async (ctx) => {
      const account = (await findAccountByUsername(ctx.store, 'alice'))!;
      for (const [kind, background] of [['avatar', '#c33'], ['banner', '#36c']] as [PictureKind, string][]) {
        await setPicture(ctx, account, kind, await sharp({ create: { width: 300, height: 300, channels: 3, background } }).png().toBuffer());
        pictures.push((await findActor(ctx.store, account.actorId))!.profile[kind]!);
      }
    });
    rmSync(path.join(service.stateDir, 'media', pictures[1]!));

    // Some of it is with all readers, the rest waits for the XMPP server.
    for (let number = 0; number < 5; number++) accepted.push({ username: 'bob', number, guid: await bob.post(`# bob ${number}`, `bob-${number}`) });
    await until(() => [...sink.received.values()].every((ids) => ids.length >= 5), 'bob’s posts are with all readers');
    await xmpp.stop();
    const load = startLoad([alice, carol], { mayFail: () => false });
    await until(() => load.accepted.length >= 20, 'some posts are accepted');
    before = [...accepted, ...load.accepted];
    file = path.join(folder, 'saved.tar');
    saved = await dx(service.stateDir, env, 'backup', file);
    const duringIt = accepted.length + load.accepted.length;
    await until(() => accepted.length + load.accepted.length > duringIt, 'posts are accepted after it');
    await load.stop();
    accepted.push(...load.accepted);
    expect(duringIt).toBeGreaterThan(before.length);
    await service.kill(); // its machine is gone
  }, 120_000);
  afterAll(async () => {
    sink?.close();
    await service?.destroy();
    await xmpp?.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a backup is one file for its owner alone, made while people post', () => {
    expect(saved).toMatchObject({ code: 0, err: expect.stringContaining(`saved: ${file}`) });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).filter((name) => name.includes('.part-'))).toEqual([]);
    expect(saved.err).not.toContain(readFileSync(path.join(service.stateDir, 'secret'), 'utf8').trim());
  });

  test('restored on an empty machine it holds every post that was accepted before, whole, and all log in', async () => {
    const place = await emptyPlace();
    const { code, err } = await dx(place.state, place.env, 'restore', file);
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('restored') });
    for (const key of ['secret', 'auth-secret']) expect(readFileSync(path.join(place.state, key), 'utf8')).toBe(readFileSync(path.join(service.stateDir, key), 'utf8'));
    await withRestored(place, async (ctx) => {
      const posts = (await ctx.store.query<{ guid: string }>('select guid from posts order by guid')).map(({ guid }) => guid);
      const activities = (await ctx.store.query<{ post_guid: string }>('select post_guid from activities order by post_guid')).map((row) => row.post_guid);
      expect(posts).toEqual(expect.arrayContaining(guids(before)));
      expect(guids(accepted)).toEqual(expect.arrayContaining(posts));
      expect(activities).toEqual(posts);
      if (kind === 'SQLite') expect(await ctx.store.query('pragma integrity_check')).toEqual([{ integrity_check: 'ok' }]);
      expect(await ctx.store.pendingMigrations()).toEqual([]);
      expect(await authenticate(ctx, 'alice', PASSWORD)).toMatchObject({ username: 'alice' });
      expect(await checkAppPassword(ctx, 'alice', appPassword, 'chat')).toMatchObject({ username: 'alice' });
      expect(await authenticate(ctx, 'alice', 'wrong password')).toBeNull();
    });
    if (kind === 'SQLite') expect(statSync(path.join(place.state, 'diaspora-x.sqlite')).mode & 0o077).toBe(0);
    expect(readdirSync(place.state).filter((name) => name.startsWith('restore-'))).toEqual([]);

    const again = await dx(place.state, place.env, 'restore', file);
    expect(again).toEqual({ code: 1, err: expect.stringContaining('empty installation only') });
  }, 60_000);

  test('restored and started where nothing was, it goes on: every post of the backup reaches every reader, in order, and so do new ones', async () => {
    const place = await emptyPlace();
    expect(await dx(place.state, place.env, 'restore', file)).toMatchObject({ code: 0 });
    await xmpp.start();
    await sink.reconnect();
    const env = { DX_DATABASE_URL: place.env.DX_DATABASE_URL ?? `sqlite:${path.join(place.state, 'diaspora-x.sqlite')}` };
    const restored = await startService({ domain: DOMAIN, host: componentHost(xmpp.name, 0), port: xmpp.componentPort, secret: xmpp.componentSecret }, { chatDomain: CHAT, env, stateDir: place.state });
    try {
      const browser = new Browser(restored.url as unknown as Site['app']);
      expect((await browser.logIn('alice')).status).toBe(303);
      const answer = await browser.post('/posts', { text: '# after', audience: 'public', once: 'alice-1000000' });
      expect(answer.status).toBe(303);
      const after = { username: 'alice', number: 1_000_000, guid: answer.headers.location!.split('/').pop()! };
      await withRestored({ state: place.state, env }, async ({ store }) => {
        const there = new Set((await store.query<{ guid: string }>('select guid from posts')).map(({ guid }) => guid));
        const expected = [...accepted.filter(({ guid }) => there.has(guid)), after];
        // A job that ran at the moment of the backup waits there until its lease ends.
        const { faults } = await untilInvariantsHold(store, () => ({ accepted: expected, hosts: HOSTS, received: sink.received }), 120_000);
        expect(faults).toEqual([]);
      });
      const [avatar] = pictures;
      expect((await fetch(`${restored.url}/media/${avatar}`)).status).toBe(200);
    } finally {
      await restored.destroy();
      await xmpp.stop();
    }
  }, 240_000);

  test('pictures are in it and are restored; one whose file was gone is named, and fails nothing', async () => {
    const [avatar, banner] = pictures as [string, string];
    expect(saved.code).toBe(0);
    expect(saved.err).toContain(`missing or damaged: ${path.join(service.stateDir, 'media', banner)}\n`);
    expect(saved.err).not.toContain(avatar);
    const place = await emptyPlace();
    const { code, err } = await dx(place.state, place.env, 'restore', file);
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('1 pictures are not in the backup') });
    expect(readdirSync(path.join(place.state, 'media'))).toEqual([avatar]);
    expect(readFileSync(path.join(place.state, 'media', avatar))).toEqual(readFileSync(path.join(service.stateDir, 'media', avatar)));
  });

  test('a backup of the first form, which had no pictures, is restored', async () => {
    const place = await emptyPlace();
    const old = altered((members) => {
      const { pictures: _, missing: __, ...manifest } = JSON.parse(readFileSync(path.join(members, 'manifest.json'), 'utf8'));
      writeFileSync(path.join(members, 'manifest.json'), JSON.stringify({ ...manifest, format: 1 }));
      rmSync(path.join(members, 'media'), { recursive: true });
    });
    expect(await dx(place.state, place.env, 'restore', old)).toEqual({ code: 0, err: expect.stringContaining('restored') });
    expect(existsSync(path.join(place.state, 'media'))).toBe(false);
  });

  test('a backup writes over nothing', async () => {
    const taken = path.join(folder, 'taken');
    writeFileSync(taken, 'mine');
    expect(await dx(service.stateDir, {}, 'backup', taken)).toEqual({ code: 1, err: expect.stringContaining('exists') });
    expect(readFileSync(taken, 'utf8')).toBe('mine');
    expect((await dx(service.stateDir, {}, 'backup', path.join(folder, 'nowhere', 'file'))).err).toContain('Nothing can be written');
  });

  test.each([
    ['a byte of the database is another', (members: string) => {
      const [dump] = readdirSync(members).filter((name) => name.startsWith('database.'));
      const bytes = readFileSync(path.join(members, dump!));
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(path.join(members, dump!), bytes);
    }, /damaged: database\./],
    ['a key is missing', (members: string) => rmSync(path.join(members, 'keys', 'secret')), /no whole backup/],
    ['a picture is another', (members: string) => writeFileSync(path.join(members, 'media', readdirSync(path.join(members, 'media'))[0]!), 'another'), /damaged: media\//],
    ['its pictures are missing', (members: string) => rmSync(path.join(members, 'media'), { recursive: true }), /no whole backup/],
    ['a picture has a strange name', (members: string) => {
      const manifest = JSON.parse(readFileSync(path.join(members, 'manifest.json'), 'utf8'));
      manifest.pictures.push('../../evil');
      writeFileSync(path.join(members, 'manifest.json'), JSON.stringify(manifest));
    }, /no whole backup/],
    ['it has the form of a later version', (members: string) => {
      const manifest = JSON.parse(readFileSync(path.join(members, 'manifest.json'), 'utf8'));
      writeFileSync(path.join(members, 'manifest.json'), JSON.stringify({ ...manifest, format: 3 }));
    }, /newer version/],
    ['its manifest is nonsense', (members: string) => writeFileSync(path.join(members, 'manifest.json'), '{"format": 1}'), /no whole backup/],
    ['it has a member of a strange name', (members: string) => {
      const manifest = JSON.parse(readFileSync(path.join(members, 'manifest.json'), 'utf8'));
      manifest.files['../../evil'] = { bytes: 1, sha256: '' };
      writeFileSync(path.join(members, 'manifest.json'), JSON.stringify(manifest));
    }, /no whole backup/],
    ['its schema is newer', (members: string) => {
      const manifest = JSON.parse(readFileSync(path.join(members, 'manifest.json'), 'utf8'));
      manifest.schema.push('OfTheFuture1999999999999');
      writeFileSync(path.join(members, 'manifest.json'), JSON.stringify(manifest));
    }, /newer version/],
    ['it is of another domain', (members: string) => {
      const manifest = readFileSync(path.join(members, 'manifest.json'), 'utf8').replace(DOMAIN, 'other.test');
      writeFileSync(path.join(members, 'manifest.json'), manifest);
    }, /set DX_DOMAIN=other\.test/],
  ] as [string, (members: string) => void, RegExp][])('a backup is refused, and changes nothing, when %s', async (_what, change, reason) => {
    const place = await emptyPlace();
    await dx(place.state, place.env, 'config'); // makes the keys
    const keys = readFileSync(path.join(place.state, 'secret'), 'utf8');
    const { code, err } = await dx(place.state, place.env, 'restore', altered(change));
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(reason) });
    expect(readFileSync(path.join(place.state, 'secret'), 'utf8')).toBe(keys);
    expect(readdirSync(place.state).filter((name) => /sqlite|restore-|media/.test(name))).toEqual([]);
    if (kind === 'PostgreSQL') await withRestored(place, async (ctx) => expect(await ctx.store.pendingMigrations()).not.toEqual([]));
  });

  test('a file that is no backup is refused with a sentence', async () => {
    const place = await emptyPlace();
    const nonsense = path.join(folder, 'nonsense');
    writeFileSync(nonsense, 'no tar at all');
    expect(await dx(place.state, place.env, 'restore', nonsense)).toEqual({ code: 1, err: expect.stringContaining('no whole backup') });
    expect((await dx(place.state, place.env, 'restore', path.join(folder, 'absent'))).err).toContain('There is no file');
  });
});

test.each(['SQLite', 'PostgreSQL'])('a backup of an older schema is migrated where it is restored, on %s', async (kind) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-backup-'));
  const place = async (name: string) => [path.join(folder, name), kind === 'SQLite' ? {} : { DX_DATABASE_URL: await createDatabase() }] as [string, Record<string, string>];
  const [old, restored] = [await place('old'), await place('restored')];
  const file = path.join(folder, 'saved.tar');
  expect((await dx(...old, 'migrate')).code).toBe(0);
  expect((await dx(...old, 'account', 'create', 'alice', '--email', 'alice@mail.test')).code).toBe(0);
  expect((await dx(...old, 'migrate', '--revert')).code).toBe(0);
  expect((await dx(...old, 'backup', file)).code).toBe(0);
  expect(await dx(...restored, 'restore', file)).toEqual({ code: 0, err: expect.stringMatching(/migrated: \w+\n/) });
  expect(await dx(...restored, 'migrate')).toEqual({ code: 0, err: expect.stringContaining('up to date') });
  expect((await dx(...restored, 'app-password', 'create', 'alice', '--label', 'Phone')).code).toBe(0);
  rmSync(folder, { recursive: true, force: true });
});

test('the password of PostgreSQL is in no arguments, which every user of the machine sees, nor is any secret in the messages', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-backup-'));
  const before = process.env.PATH!;
  for (const program of ['pg_dump', 'pg_restore', 'tar']) {
    writeFileSync(path.join(folder, program), `#!/bin/sh\necho "${program} $*" >> '${folder}/arguments'\necho "${program} $PGPASSWORD" >> '${folder}/environment'\nPATH='${before}' exec ${program} "$@"\n`, { mode: 0o755 });
  }
  const withPassword = (url: string): string => Object.assign(new URL(url), { password: 'canary of the database' }).href;
  process.env.PATH = `${folder}:${before}`;
  try {
    const url = withPassword(await createDatabase());
    const state = path.join(folder, 'state');
    expect(await dx(state, { DX_DATABASE_URL: url }, 'migrate')).toMatchObject({ code: 0 });
    const saved = await dx(state, { DX_DATABASE_URL: url }, 'backup', path.join(folder, 'saved.tar'));
    const restored = await dx(path.join(folder, 'other'), { DX_DATABASE_URL: withPassword(await createDatabase()) }, 'restore', path.join(folder, 'saved.tar'));
    expect([saved.code, restored.code, restored.err]).toEqual([0, 0, expect.stringContaining('restored')]);
    const given = readFileSync(path.join(folder, 'arguments'), 'utf8');
    expect(given.split('\n').map((line) => line.split(' ')[0])).toEqual(['pg_dump', 'tar', 'tar', 'tar', 'pg_restore', '']);
    expect(readFileSync(path.join(folder, 'environment'), 'utf8')).toContain('pg_dump canary of the database\n');
    for (const text of [given, saved.err, restored.err]) {
      expect(text).not.toContain('canary');
      for (const key of ['secret', 'auth-secret']) expect(text).not.toContain(readFileSync(path.join(state, key), 'utf8').trim());
    }
  } finally {
    process.env.PATH = before;
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a backup of one kind of database is not restored into the other', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-backup-'));
  const file = path.join(folder, 'saved.tar');
  expect((await dx(folder, {}, 'migrate')).code).toBe(0);
  expect(await dx(folder, {}, 'backup', file)).toMatchObject({ code: 0 });
  const other = path.join(folder, 'other');
  mkdirSync(other);
  expect(await dx(other, { DX_DATABASE_URL: await createDatabase() }, 'restore', file)).toEqual({ code: 1, err: expect.stringContaining('of the kind sqlite') });
  rmSync(folder, { recursive: true, force: true });
});
