// Secrets are used everywhere, and then looked for everywhere (threats.md 54): logs at trace, database, arguments, mails.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import PostalMime from 'postal-mime';
import { server } from '../support/servers/index.js';
import { type Service, startService } from '../support/service-process.js';
import { Browser, linkIn, type Site } from '../support/web.js';
import { until } from './own-server.js';

const CANARY = {
  'password at sign-up': 'canary password at sign-up',
  'changed password': 'canary password that was changed',
  'reset password': 'canary password after the reset',
  'wrong password': 'canary password that is wrong',
  'authentication secret': 'canary-secret-of-the-endpoint',
  'cookie secret': 'canary-secret-that-signs-cookies-0123456789',
};
/** What came up in between: app password, links of mails, cookies. */
const found: Record<string, string> = {};

let service: Service;
let secret: string;
/** All of the database, with what is no longer in any row, and the write-ahead log. */
const database = (): string => ['', '-wal'].map((end) => readFileSync(service.database + end, 'latin1')).join('');
const mailFolder = () => path.join(service.stateDir, 'mail');
const mails = (): string[] => (existsSync(mailFolder()) ? readdirSync(mailFolder()) : []).filter((name) => name.endsWith('.eml')).sort().map((name) => readFileSync(path.join(mailFolder(), name), 'utf8'));

beforeAll(async () => {
  const { component } = await server('prosody');
  secret = component.secret;
  const chatDomain = 'chat.of-nobody.test';
  service = await startService(component, { chatDomain, env: { DX_LOG_LEVEL: 'trace', DX_AUTH_SECRET: CANARY['authentication secret'], DX_SECRET: CANARY['cookie secret'] } });
  const browser = new Browser(service.url as unknown as Site['app']);
  const see = async (url: string, fields?: Record<string, string>, status = 303) => {
    const answer = fields ? await browser.post(url, fields) : await browser.get(url);
    expect({ url, status: answer.status }).toEqual({ url, status: fields ? status : 200 });
    return answer;
  };
  const mailed = async (kind: string, count: number): Promise<string> => {
    await until(() => mails().length >= count, `mail ${count}`);
    return linkIn(mails()[count - 1]!, kind);
  };
  // Sign up, confirm, an app password.
  await see('/signup');
  await see('/signup', { username: 'alice', email: 'alice@mail.test', password: CANARY['password at sign-up'] });
  const confirm = await mailed('/confirm/', 1);
  found['confirmation link'] = confirm.split('/').pop()!;
  await see(confirm);
  await see(confirm, {});
  await see('/settings/app-passwords');
  const page = await see('/settings/app-passwords', { label: 'Phone' }, 200);
  found['app password'] = /id="app-password"[^>]*>([^<]+)</.exec(page.text)![1]!;
  // The chat server asks, rightly and wrongly.
  const settings = JSON.parse(service.dx(['config', '--json'])) as unknown;
  expect(JSON.stringify(settings)).not.toContain(CANARY['authentication secret']);
  const { port } = /"?(?:DX_AUTH_LISTEN|authListen)"?\D*127\.0\.0\.1\D+(?<port>\d+)/.exec(JSON.stringify(settings))!.groups!;
  for (const [pass, answer] of [[found['app password']!, 'true'], [CANARY['wrong password'], 'false']] as const) {
    const asked = await fetch(`http://127.0.0.1:${port}/auth/check_password`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`dx:${CANARY['authentication secret']}`).toString('base64')}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ user: 'alice', server: chatDomain, pass }).toString(),
    });
    expect([asked.status, await asked.text()]).toEqual([200, answer]);
  }
  // Change the password, log in wrongly, forget it, set it anew.
  await see('/settings/account');
  await see('/settings/password', { current: CANARY['password at sign-up'], password: CANARY['changed password'] });
  for (const [name, value] of browser.cookies) found[`cookie ${name}`] = decodeURIComponent(value);
  const other = new Browser(service.url as unknown as Site['app']);
  await other.logIn('alice', CANARY['wrong password']);
  await other.get('/password/forgot');
  const before = mails().length;
  await other.post('/password/forgot', { login: 'alice' });
  const reset = await mailed('/password/reset/', before + 1);
  found['reset link'] = reset.split('/').pop()!;
  await other.get(reset);
  expect((await other.post(reset, { password: CANARY['reset password'] })).status).toBe(303);
  // Something goes wrong, with all of it in the request.
  await fetch(`${service.url}/login?password=${encodeURIComponent(CANARY['wrong password'])}`, { method: 'POST', headers: { cookie: [...browser.cookies].map((pair) => pair.join('=')).join('; ') }, body: CANARY['wrong password'] });
  await until(async () => (await service.readyz()).ready, 'it is ready');
});
afterAll(() => service.destroy());

/** Each secret as itself, and as it travels. */
const all = (): [string, string][] =>
  Object.entries({ ...CANARY, ...found, 'component secret': secret }).flatMap(([name, value]) => [
    [name, value],
    [`${name}, encoded`, encodeURIComponent(value)],
    [`${name}, in base64`, Buffer.from(value).toString('base64').replace(/=+$/, '').slice(0, -1)],
  ]);
const leaks = (text: string, but: RegExp = /^$/): string[] => all().filter(([name, value]) => !but.test(name) && text.includes(value)).map(([name]) => name);

test('the search finds what is there', () => {
  expect(Object.keys(found)).toEqual(expect.arrayContaining(['app password', 'confirmation link', 'reset link']));
  expect(Object.keys(found).some((name) => name.startsWith('cookie '))).toBe(true);
  expect(leaks(`… ${CANARY['changed password']} …`)).toContain('changed password');
  expect(database()).toContain('alice@mail.test');
  expect(service.output()).toContain('"level":');
});

test('no log, even at trace, holds a secret', () => {
  expect(leaks(service.output())).toEqual([]);
});

test('the arguments of the process hold none', () => {
  expect(leaks(readFileSync(`/proc/${service.process.pid}/cmdline`, 'utf8'))).toEqual([]);
});

test('the database holds none, but hashes', async () => {
  expect(leaks(database())).toEqual([]); // with what SQLite has not written over yet
  const { openStore } = await import('../../src/store/open.js');
  const { silentLog } = await import('../support/store.js');
  const store = await openStore(`sqlite:${service.database}`, silentLog);
  const tables = await store.query<{ name: string }>("select name from sqlite_master where type = 'table'");
  const rows = await Promise.all(tables.map(({ name }) => store.query(`select * from "${name}"`)));
  await store.close();
  expect(leaks(JSON.stringify(rows))).toEqual([]);
});

test('mails hold the links for their reader and nothing else', async () => {
  for (const mail of mails()) {
    const { subject, text, html } = await PostalMime.parse(mail);
    expect(leaks(`${mail}\n${subject}\n${text}\n${html}`, /link/)).toEqual([]);
  }
});

test('nor does any other file that it writes, but those in which its own secrets are kept', () => {
  const files = readdirSync(service.stateDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !/\.sqlite|\.eml$/.test(entry.name));
  for (const file of files) expect([file.name, leaks(readFileSync(path.join(file.parentPath, file.name), 'latin1'))]).toEqual([file.name, []]);
});
