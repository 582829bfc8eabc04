// The database can be read but not written, or the disk is full (threats.md 12, 13); the clock jumps (14). A locked one has a file of its own.
// Full in two ways: SQLite's own limit of pages everywhere, and a real file system of a few MiB where we may mount one.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import sharp from 'sharp';
import { openStore } from '../../src/store/open.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { checkInvariants } from '../support/invariants.js';
import type { Accepted } from '../support/load.js';
import { createDatabase, freePort, server } from '../support/servers/index.js';
import { isRoot } from '../support/servers/daemon.js';
import { startService } from '../support/service-process.js';
import { silentLog } from '../support/store.js';
import { heard, subscribeTo } from '../support/follow.js';
import { Browser, type Site } from '../support/web.js';
import { connect } from '../support/xmpp-client.js';
import { until } from './own-server.js';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** Alice's form, and what was accepted of it. */
class Form {
  readonly accepted: Accepted[] = [];
  constructor(readonly browser: Browser) {}
  /** Sends the next form; after a failure it is the same one again. @returns the status and the text of the answer */
  async send(length = 100) {
    const number = this.accepted.length;
    const answer = await this.browser.post('/posts', { text: `# alice ${number}\n\n${'x'.repeat(length)}`, audience: 'public', once: `alice-${number}` });
    if (answer.status === 303) this.accepted.push({ username: 'alice', number, guid: answer.headers.location!.split('/').pop()! });
    return answer;
  }
}

async function alice(app: Installation): Promise<Form> {
  await app.account('alice');
  const browser = new Browser(app.url as unknown as Site['app']);
  await browser.logIn('alice');
  return new Form(browser);
}

const sound = async (app: Installation, { accepted }: Form) => expect((await checkInvariants(app.ctx.store, { accepted, hosts: [], received: new Map() })).faults).toEqual([]);

describe('a database that can only be read', () => {
  /** What makes it so, and what mends it. */
  type Switch = (app: Installation) => (readOnly: boolean) => Promise<unknown>;
  const WAYS: [string, () => Promise<string | undefined>, Switch][] = [
    ['SQLite', async () => undefined, (app) => (readOnly) => app.ctx.store.dataSource.query(`pragma query_only = ${readOnly ? 'on' : 'off'}`)],
    [
      'PostgreSQL, as after a fail-over to a standby',
      createDatabase,
      (app) => async (readOnly) => {
        const client = new pg.Client({ connectionString: app.config.databaseUrl });
        await client.connect();
        await client.query('set default_transaction_read_only = off');
        await client.query(`alter database "${new URL(app.config.databaseUrl).pathname.slice(1)}" set default_transaction_read_only = ${readOnly ? 'on' : 'off'}`);
        await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()');
        await client.end();
      },
    ],
  ];

  test.each(WAYS)('%s: pages are read, a post is refused in words, and once it can be written the same form is one post', async (_name, url, makeSwitch) => {
    const databaseUrl = await url();
    const app = await startInstallation(databaseUrl ? { databaseUrl } : {});
    stops.push(() => app.stop());
    const form = await alice(app);
    expect((await form.send()).status).toBe(303);
    const turn = makeSwitch(app);
    await turn(true);
    const refused = await form.send();
    expect(refused.status).toBe(503);
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    expect(refused.text).toContain('can only be read');
    expect(refused.text).not.toMatch(/SQLITE|attempt to write|read-only transaction|at \w+ \(/);
    expect((await form.browser.get('/')).text).toContain('alice 0');
    await turn(false);
    await until(async () => (await form.send()).status === 303, 'posts are accepted again');
    await app.idle();
    await sound(app, form);
  });
});

// Only root may mount; elsewhere the limit of pages stands for it.
const mountable = isRoot ? ['a file system of its own'] : [];

describe('a full disk', () => {
  test('as SQLite’s limit of pages: 507 in words, pages are read, and with room again the same form is one post', async () => {
    const app = await startInstallation();
    stops.push(() => app.stop());
    const form = await alice(app);
    expect((await form.send()).status).toBe(303);
    const { dataSource } = app.ctx.store;
    const [{ page_count: pages }] = (await dataSource.query('pragma page_count')) as [{ page_count: number }];
    await dataSource.query(`pragma max_page_count = ${pages + 2}`);
    let refused = await form.send(20_000);
    for (let tries = 0; refused.status === 303 && tries < 100; tries++) refused = await form.send(20_000);
    expect(refused.status).toBe(507);
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    expect(refused.text).toContain('disk is full');
    expect((await form.browser.get('/')).text).toContain('alice 0');
    await dataSource.query('pragma max_page_count = 1000000');
    expect((await form.send(20_000)).status).toBe(303);
    await app.idle();
    await sound(app, form);
  });

  for (const what of mountable) {
    test(`as ${what}, of 12 MiB: the service lives, answers 507, reads, and goes on when there is room, without a restart`, async () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'dx-full-'));
      stops.push(() => rmSync(folder, { recursive: true }));
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'none', folder]);
      stops.push(() => execFileSync('umount', [folder]));
      const service = await startService({ domain: 'social.full.test', host: '127.0.0.1', port: await freePort(), secret: 'secret' }, { stateDir: folder });
      stops.push(() => service.destroy());
      const form = new Form((await service.author('alice')).browser);
      expect((await form.send()).status).toBe(303);
      const filler = path.join(folder, 'filler');
      for (const bytes of [1 << 20, 1 << 16, 1 << 12]) {
        try {
          for (;;) writeFileSync(filler, Buffer.alloc(bytes, 1), { flag: 'a' });
        } catch (error) {
          expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
        }
      }
      let refused = await form.send(20_000);
      for (let tries = 0; refused.status === 303 && tries < 300; tries++) refused = await form.send(20_000);
      expect(refused.status).toBe(507);
      expect(refused.text).toContain('disk is full');
      expect((await form.browser.get(`/posts/${form.accepted[0]!.guid}`)).text).toContain('alice 0');
      expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
      rmSync(filler);
      expect((await form.send(20_000)).status).toBe(303);
      expect(service.process.exitCode).toBeNull();
      const store = await openStore(`sqlite:${service.database}`, silentLog);
      stops.push(() => store.close());
      expect((await checkInvariants(store, { accepted: form.accepted, hosts: [], received: new Map() })).faults).toEqual([]);
    });
  }
});

for (const what of mountable) {
  test(`pictures on ${what}: full it is 507, read-only 503, in words; nothing of the picture stays, and with room again it is taken`, async () => {
    const app = await startInstallation();
    stops.push(() => app.stop());
    const { browser } = await alice(app);
    const folder = path.join(app.config.stateDir, 'media');
    mkdirSync(folder);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', folder]);
    stops.push(() => execFileSync('umount', [folder]));
    const remount = (how: string) => execFileSync('mount', ['-o', `remount,${how}`, folder]);
    const noise = await sharp({ create: { width: 300, height: 300, channels: 3, background: '#888', noise: { type: 'gaussian', mean: 128, sigma: 60 } } }).png().toBuffer();
    const upload = async () => {
      await browser.get('/settings/profile');
      return browser.upload('/settings/pictures', { csrf: browser.csrf(), kind: 'avatar' }, { field: 'picture', bytes: noise, name: 'me.png', type: 'image/png' });
    };

    const refused = await upload();
    expect(refused.status).toBe(507);
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    expect(refused.text).toContain('disk is full');
    expect(refused.text).not.toContain(folder);
    expect(readdirSync(folder)).toEqual([]);
    remount('size=1m,ro');
    const readOnly = await upload();
    expect(readOnly.status).toBe(503);
    expect(readOnly.text).toContain('cannot save pictures at the moment');
    expect(await app.ctx.store.query('select id from media')).toEqual([]);

    remount('rw');
    expect((await upload()).status).toBe(303);
    expect(await app.ctx.store.query('select id from media')).toEqual(readdirSync(folder).map((id) => ({ id })));
  });
}

test('a clock that jumps a day forward, and then back: ids rise, nothing runs twice, and everything arrives in its order', async () => {
  let jumped = 0;
  const here = await server('prosody');
  const app = await startInstallation({ server: here, now: () => Date.now() + jumped });
  stops.push(() => app.stop());
  const author = await app.account('alice');
  const reader = await connect(await here.newAccount('reader'));
  stops.push(() => reader.disconnect());
  await subscribeTo(reader, author.jid);
  const guids: string[] = [];
  for (const ms of [0, 86_400_000, 82_800_000, 3_600_000, -3_600_000, 0]) {
    jumped = ms;
    for (const count of [1, 2, 3]) guids.push((await app.posts(author, `# ${ms} ${count}`)).guid);
    await until(() => heard(reader, author.jid).length >= guids.length, 'they are heard'); // by a clock that does not jump
  }
  expect(heard(reader, author.jid).map((line) => line.slice(1, 33))).toEqual(guids);
  expect(guids.toSorted()).toEqual(guids);
  expect(await app.ctx.store.query("select * from jobs where kind = 'deliver'")).toEqual([]);
});
