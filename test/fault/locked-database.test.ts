// Another process holds SQLite's write lock: a backup, an operator's shell (threats.md 12).
import { spawn } from 'node:child_process';
import path from 'node:path';
import { type Installation, startInstallation } from '../support/installation.js';
import { Browser, type Site } from '../support/web.js';

const LOCK = `
  const Database = require('better-sqlite3');
  const database = new Database(process.argv[1]);
  database.exec('begin immediate');
  console.log('locked');
  process.stdin.once('data', () => { database.exec('rollback'); process.exit(); });`;

/** Locks, from another process. @returns what unlocks */
async function lock(file: string): Promise<() => Promise<void>> {
  const holder = spawn(process.execPath, ['-e', LOCK, file], { cwd: path.resolve(import.meta.dirname, '../..'), stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  return async () => {
    const ended = new Promise((resolve) => holder.once('exit', resolve));
    holder.stdin.write('enough\n');
    await ended;
  };
}

let app: Installation;
let browser: Browser;
let file: string;
beforeAll(async () => {
  app = await startInstallation();
  file = app.config.databaseUrl.slice('sqlite:'.length);
  await app.account('alice');
  browser = new Browser(app.url as unknown as Site['app']);
  await browser.logIn('alice');
  await browser.post('/posts', { text: 'Earlier', audience: 'public' });
  await app.idle();
});
afterAll(() => app.stop());

const rows = async (table: string): Promise<number> => (await app.ctx.store.query<{ n: number }>(`select count(*) as n from ${table}`))[0]!.n;

test('for a moment: the post waits and is accepted, and pages are read meanwhile', async () => {
  const unlock = await lock(file);
  const posted = browser.post('/posts', { text: 'Waits', audience: 'public' });
  const page = await fetch(`${app.url}/u/alice`);
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('Earlier');
  await unlock();
  expect((await posted).status).toBe(303);
  await app.idle();
  expect(await rows('posts')).toBe(2);
  expect(await rows('activities')).toBe(2);
});

test('for longer: the answer is 503, in words, nothing is half done, and the same form sent again is one post', async () => {
  const unlock = await lock(file);
  const fields = { text: 'Twice sent', audience: 'public', once: 'the-same-form' };
  const refused = await browser.post('/posts', fields);
  expect(refused.status).toBe(503);
  expect(refused.headers['retry-after']).toMatch(/^\d+$/);
  expect(refused.text).not.toMatch(/SQLITE|database is locked|at \w+ \(/);
  expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
  await unlock();
  const before = await rows('posts');
  expect(before).toBe(2);
  const [first, second] = [await browser.post('/posts', fields), await browser.post('/posts', fields)];
  expect([first.status, second.status]).toEqual([303, 303]);
  expect(second.headers.location).toBe(first.headers.location);
  await app.idle();
  expect(await rows('posts')).toBe(3);
  expect(await rows('activities')).toBe(3);
  expect(await rows("jobs where kind <> 'distribute'")).toBe(0); // `distribute` looks again a little later
});
