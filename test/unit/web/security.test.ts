import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAppPassword, listAppPasswords } from '../../../src/services/app-passwords.js';
import { suspendAccount } from '../../../src/services/accounts.js';
import { linkIn, PASSWORD, type Site, startSite } from '../../support/web.js';

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site.stop());

const rows = async (of: Site) => (await of.ctx.store.query<{ n: number }>('select count(*) as n from sessions'))[0]!.n;
const setCookies = (answer: { headers: Record<string, unknown> }) => (answer.headers['set-cookie'] as string[] | undefined) ?? [];

describe('changes need a form of ours', () => {
  const CHANGES = ['/signup', '/login', '/logout', '/posts', '/contacts', '/contacts/1/block', '/settings/theme', '/settings/password', '/settings/app-passwords', '/password/forgot', '/confirm/x', '/no/such/page'];

  test.each(CHANGES)('POST %s without the hidden field is refused', async (path) => {
    const member = site.browser();
    await member.get('/login');
    expect((await member.post(path, { csrf: '' })).status).toBe(403);
    expect((await member.post(path, { csrf: 'a.b' })).status).toBe(403);
  });

  test("another visitor's token is refused, and so is one from before the log-in", async () => {
    const alice = await site.member('csrf-alice');
    const mallory = site.browser();
    await mallory.get('/login');
    const before = mallory.csrf();
    expect((await alice.post('/posts', { text: 'forged', csrf: before })).status).toBe(403);
    await site.account('csrf-mallory');
    await mallory.logIn('csrf-mallory');
    expect(mallory.csrf()).not.toBe(before);
    expect((await mallory.post('/posts', { text: 'old form', csrf: before })).status).toBe(403);
  });

  test('a form from another site is refused even with the right token', async () => {
    const alice = await site.member('csrf-origin');
    for (const headers of [{ Origin: 'https://evil.example' }, { Origin: 'null' }, { 'Sec-Fetch-Site': 'cross-site' }, { 'Sec-Fetch-Site': 'same-site' }]) {
      const answer = await alice.post('/posts', { text: 'Visit evil.example' }, headers as unknown as Record<string, string>);
      expect(answer.status).toBe(403);
      expect(answer.text).not.toContain('Visit evil.example'); // and nothing of it is shown as if the visitor had typed it
      await alice.get('/');
    }
    expect((await alice.post('/posts', { text: 'mine' }, { Origin: 'http://social.localhost:3000', 'Sec-Fetch-Site': 'same-origin' })).status).toBe(303);
  });

  test('JSON and plain text are no forms', async () => {
    const alice = await site.member('csrf-json');
    for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x']) {
      expect((await alice.post('/posts', { text: 'x' }, { 'Content-Type': type })).status).toBe(403);
      await alice.get('/');
    }
  });

  test('a text is not lost with a form that became too old', async () => {
    const alice = await site.member('csrf-kept');
    const answer = await alice.post('/posts', { csrf: 'old.token', text: 'Long thoughts & <b>others</b>' });
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('Long thoughts &amp; &lt;b>others&lt;/b>');
  });
});

describe('sessions', () => {
  test('visitors have no session row; a log-in makes one under a new id, hashed', async () => {
    const own = await startSite();
    await own.account('alice');
    const browser = own.browser();
    for (const page of ['/', '/login', '/signup', '/about', '/u/alice']) await browser.get(page);
    expect(await rows(own)).toBe(0);
    browser.cookies.set('session', 's%3Aplanted.by-an-attacker');
    const answer = await browser.logIn('alice');
    const cookie = setCookies(answer).find((line) => line.startsWith('session='))!;
    expect(cookie).toMatch(/; Path=\/; .*HttpOnly; SameSite=Lax/);
    expect(cookie).not.toContain('planted');
    expect(cookie).not.toContain('Secure');
    expect(await rows(own)).toBe(1);
    const id = decodeURIComponent(browser.cookies.get('session')!).slice(2).split('.')[0]!;
    const [row] = await own.ctx.store.query<{ id_hash: string; data: string }>('select id_hash, data from sessions');
    expect(JSON.stringify(row)).not.toContain(id);
    await own.stop();
  });

  test('on https the cookies are bound to the host and secure, whatever the proxy says, and HSTS is on', async () => {
    const own = await startSite({ config: { publicUrl: 'https://social.example.org' } });
    await own.account('alice');
    const browser = own.browser();
    const front = await browser.get('/');
    expect(front.headers['strict-transport-security']).toBe('max-age=31536000');
    expect(front.headers['content-security-policy']).toContain('upgrade-insecure-requests');
    const lines = [...setCookies(front), ...setCookies(await browser.logIn('alice'))];
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line).toMatch(/^__Host-[a-z]+=.*Path=\/;.*Secure/);
    expect(browser.page).toContain('csrf');
    await own.stop();
  });

  test('after logging out the old cookie is worth nothing', async () => {
    const alice = await site.member('session-out');
    const old = alice.cookies.get('session')!;
    expect((await alice.post('/logout')).headers.location).toBe('/login?done=out');
    expect(alice.cookies.has('session')).toBe(false);
    alice.cookies.set('session', old);
    expect((await alice.get('/contacts')).headers.location).toBe('/login?next=%2Fcontacts');
  });

  test('log out everywhere ends the other browsers, too', async () => {
    const alice = await site.member('session-all');
    const phone = site.browser();
    await phone.logIn('session-all');
    expect((await alice.post('/settings/log-out-everywhere')).headers.location).toBe('/login?done=everywhere');
    expect((await phone.get('/contacts')).status).toBe(303);
  });

  test('a new password logs out the others and keeps this browser', async () => {
    const alice = await site.member('session-password');
    const phone = site.browser();
    await phone.logIn('session-password');
    await alice.get('/settings/account');
    const answer = await alice.post('/settings/password', { current: PASSWORD, password: 'another four words here' });
    expect(answer.headers.location).toBe('/settings/account?done=password');
    expect((await alice.get('/contacts')).status).toBe(200);
    expect((await phone.get('/contacts')).status).toBe(303);
    expect((await site.browser().logIn('session-password')).status).toBe(400);
  });

  test('app passwords survive a new password, and logging out everywhere, unless the box is ticked', async () => {
    const alice = await site.member('session-revoke');
    const mine = () => listAppPasswords(site.ctx, alice.account);
    await createAppPassword(site.ctx, alice.account, 'Phone');
    await createAppPassword(site.ctx, alice.account, 'Laptop');
    const page = (await alice.get('/settings/account')).text;
    expect(page.match(/<input type="checkbox" name="revoke" value="yes"\/?>/g)).toHaveLength(2);
    await alice.post('/settings/password', { current: PASSWORD, password: 'another four words here' });
    expect(await mine()).toHaveLength(2);
    const refused = await alice.post('/settings/password', { current: 'wrong', password: 'and four words once more', revoke: 'yes' });
    expect([refused.status, (await mine()).length]).toEqual([403, 2]);
    const answer = await alice.post('/settings/password', { current: 'another four words here', password: 'and four words once more', revoke: 'yes' });
    expect(answer.headers.location).toBe('/settings/account?done=passwordAll');
    expect(await mine()).toEqual([]);
    expect((await alice.get(answer.headers.location!)).text).toContain('all app passwords are revoked');

    await createAppPassword(site.ctx, alice.account, 'Phone');
    await alice.post('/settings/log-out-everywhere');
    await alice.logIn('session-revoke', 'and four words once more');
    expect(await mine()).toHaveLength(1);
    await alice.get('/settings/account');
    await alice.post('/settings/log-out-everywhere', { revoke: 'yes' });
    expect(await mine()).toEqual([]);
  });

  test('all app passwords go by one button, and the page says what becomes of open chats', async () => {
    const alice = await site.member('session-all-apps');
    await createAppPassword(site.ctx, alice.account, 'Phone');
    expect((await alice.get('/settings/app-passwords')).text).not.toContain('Revoke all');
    await createAppPassword(site.ctx, alice.account, 'Laptop');
    expect((await alice.get('/settings/app-passwords')).text).toContain('Revoke all');
    const answer = await alice.post('/settings/app-passwords/revoke-all');
    expect(answer.headers.location).toBe('/settings/app-passwords?done=revokedAll');
    const page = (await alice.get(answer.headers.location!)).text;
    expect(/role="status"[^>]*>(?:<[^>]*>)*([^<]*)/.exec(page)?.[1]).toMatch(/^All app passwords are revoked\. The chat server cannot be told just now: .* until they connect anew\.$/);
    expect(await listAppPasswords(site.ctx, alice.account)).toEqual([]);
  });

  test('closing the account asks for the password, and then it is closed', async () => {
    const alice = await site.member('session-close');
    await alice.get('/settings/account');
    const wrong = await alice.post('/settings/account/close', { password: 'wrong' });
    expect([wrong.status, wrong.text.includes('id="close-password-error"')]).toEqual([403, true]);
    expect((await site.browser().get('/u/session-close')).status).toBe(200);
    expect((await alice.post('/settings/account/close', { password: PASSWORD })).headers.location).toBe('/login?done=closed');
    expect((await alice.get('/login?done=closed')).text).toContain('Your account is closed.');
    expect((await site.browser().get('/u/session-close')).status).toBe(404);
    expect((await site.browser().logIn('session-close')).status).toBe(400);
  });

  test('a suspended account is out at once', async () => {
    const alice = await site.member('session-suspended');
    await suspendAccount(site.ctx, alice.account);
    expect((await alice.get('/contacts')).status).toBe(303);
  });

  test('a session in use lives on, one out of use ends after 30 days', async () => {
    let now = Date.UTC(2026, 0, 1);
    const own = await startSite({ now: () => now });
    const used = await own.member('alice');
    const unused = await own.member('bob');
    for (let day = 0; day < 40; day += 8) {
      now += 8 * 86_400_000;
      expect((await used.get('/contacts')).status).toBe(200);
    }
    expect((await unused.get('/contacts')).status).toBe(303);
    await own.stop();
  });
});

describe('headers', () => {
  test('pages come with a strict policy, in nobody’s frame', async () => {
    const { headers } = await site.browser().get('/');
    const policy = headers['content-security-policy']!;
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]) expect(policy.split(';')).toContain(part);
    expect(policy).not.toMatch(/unsafe|data:|\*/);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin', 'x-frame-options': 'DENY', 'cross-origin-opener-policy': 'same-origin' });
    expect(headers['permissions-policy']).toContain('camera=()');
    expect(headers['x-powered-by']).toBeUndefined();
    expect(headers['strict-transport-security']).toBeUndefined();
  });

  test('no page has a style attribute, an inline script, or anything from elsewhere', async () => {
    const alice = await site.member('headers-inline');
    await alice.post('/posts', { text: 'x' });
    for (const path of ['/', '/welcome', '/contacts', '/settings/account', '/settings/profile', '/settings/app-passwords', '/u/headers-inline', '/about', '/help', '/nowhere']) {
      const { text } = await alice.get(path);
      expect(text).not.toMatch(/ style=|<style| on[a-z]+=|<script(?![^>]* src="\/assets\/)/);
      expect(text).not.toMatch(/(src|<link[^>]* href)="(https?:)?\/\//);
    }
  });

  test('assets are kept for ever under their version, and an old version is not taken for the new one', async () => {
    const browser = site.browser();
    const { text } = await browser.get('/');
    const url = /href="(\/assets\/[^"]+style\.css)"/.exec(text)![1]!;
    expect((await browser.get(url)).headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect((await browser.get('/assets/sprite.svg')).headers['cache-control']).toBe('public, max-age=300');
    expect((await browser.get('/assets/AAAAAAAAAAAA/style.css')).status).toBe(404);
    expect((await browser.get('/assets/..%2fapp.tsx')).status).toBe(404);
  });
});

describe('who asks learns nothing', () => {
  test('a wrong password, an unknown name and a pending account get the same answer', async () => {
    await site.account('known');
    const visitor = site.browser();
    await visitor.get('/signup');
    await visitor.post('/signup', { username: 'pending-one', email: 'pending@mail.test', password: PASSWORD });
    const answers = [];
    for (const [login, password] of [['known', 'a wrong password'], ['unknown', PASSWORD], ['pending-one', PASSWORD], ['known@mail.test', 'a wrong password'], ['nobody@mail.test', PASSWORD]]) {
      const browser = site.browser();
      await browser.get('/login');
      const answer = await browser.post('/login', { login: login!, password: password! });
      answers.push(`${answer.status} ${answer.text.replaceAll(login!, 'LOGIN').replaceAll(/value="[^"]{60,}"/g, 'TOKEN')}`);
    }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('do not belong together');
  });

  test('an app password does not log in on the web', async () => {
    const account = await site.account('app-password-web');
    const { password } = await createAppPassword(site.ctx, account, 'Phone');
    expect((await site.browser().logIn('app-password-web', password)).status).toBe(400);
  });

  test('sign-up with an address that is known looks like any other; its owner gets a mail', async () => {
    await site.account('holder');
    const answers = [];
    for (const [username, email] of [['fresh-one', 'fresh-one@mail.test'], ['fresh-two', 'holder@mail.test']]) {
      const browser = site.browser();
      await browser.get('/signup');
      const answer = await browser.post('/signup', { username: username!, email: email!, password: PASSWORD });
      answers.push([answer.status, answer.headers.location, (await browser.get('/signup/sent')).text.replaceAll(email!, 'MAIL').replaceAll(/value="[^"]{60,}"/g, '')]);
    }
    expect(answers[0]).toEqual(answers[1]);
  });

  test('"forgot" and "send again" say the same for everyone', async () => {
    for (const [path, field] of [['/password/forgot', 'login'], ['/signup/resend', 'email']]) {
      const answers = [];
      for (const value of ['holder@mail.test', 'nobody-at-all@mail.test']) {
        const browser = site.browser();
        await browser.get('/password/forgot');
        const answer = await browser.post(path!, { [field!]: value });
        answers.push([answer.status, answer.headers.location, answer.text]);
      }
      expect(answers[0]).toEqual(answers[1]);
    }
  });

  test('a link resets the password, once, and logs out everywhere', async () => {
    const alice = await site.member('forgetful');
    const visitor = site.browser();
    await visitor.get('/password/forgot');
    await visitor.post('/password/forgot', { login: 'forgetful' });
    const link = linkIn((await site.mails()).at(-1)!, '/password/reset/');
    await visitor.get(link);
    expect((await visitor.post(link, { password: 'short' })).text).toContain('At least 10 characters');
    expect((await visitor.post(link, { password: 'words that are new' })).headers.location).toBe('/login?done=reset');
    expect((await visitor.post(link, { password: 'words that are newer' })).status).toBe(410);
    expect((await alice.get('/contacts')).status).toBe(303);
    expect((await site.browser().logIn('forgetful', 'words that are new')).status).toBe(303);
  });
});

describe('redirects stay here', () => {
  const ELSEWHERE = ['https://evil.example/', '//evil.example/', '/\\evil.example/', '/\t/evil.example', '\\\\evil.example', 'javascript:alert(1)', '/..//evil.example', '%2f%2fevil.example', 'evil.example', '/%5cevil.example/..//x'];

  test.each(ELSEWHERE)('a form leads nowhere else by next=%s', async (next) => {
    const browser = site.browser();
    expect((await browser.get(`/login?next=${encodeURIComponent(next)}`)).status).toBe(200);
    const themed = await browser.post('/settings/theme', { next });
    expect(themed.status).toBe(303);
    expect(new URL(themed.headers.location!, 'http://social.localhost:3000/a/b').origin).toBe('http://social.localhost:3000');
  });

  test('nor does a log-in', async () => {
    const alice = await site.account('next-elsewhere');
    const browser = site.browser();
    await browser.get('/login');
    expect((await browser.post('/login', { login: alice.username, password: PASSWORD, next: '//evil.example/' })).headers.location).toBe('/');
  });

  test('a page that needs a log-in comes back after it', async () => {
    const alice = await site.account('next-back');
    const browser = site.browser();
    const away = await browser.get('/contacts?only=followers');
    expect(away.headers.location).toBe('/login?next=%2Fcontacts%3Fonly%3Dfollowers');
    await browser.get(away.headers.location!);
    expect((await browser.post('/login', { login: alice.username, password: PASSWORD, next: '/contacts?only=followers' })).headers.location).toBe('/contacts?only=followers');
  });
});

describe('limits', () => {
  test('too many log-ins get a page and Retry-After, from wherever the proxy says they come', async () => {
    const own = await startSite({ config: { rateLimits: true } });
    await own.account('alice');
    const browser = own.browser();
    await browser.get('/login');
    let answer = await browser.post('/login', { login: 'alice', password: 'wrong password' }, { 'X-Forwarded-For': '192.0.2.1' });
    for (let tries = 0; tries < 20 && answer.status !== 429; tries++) answer = await browser.post('/login', { login: 'alice', password: 'wrong password' }, { 'X-Forwarded-For': '192.0.2.1' });
    expect(answer.status).toBe(429);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(60); // what the limiter knows, not a guess
    expect(answer.text).toContain('That was too often');
    expect(answer.text).toMatch(/<input[^>]*name="login"[^>]*value="alice"/); // the form is there, with what was typed
    await browser.get('/login');
    expect((await browser.post('/login', { login: 'alice', password: PASSWORD }, { 'X-Forwarded-For': '192.0.2.2' })).status).toBe(303);
    await own.stop();
  });

  test('posting has a limit, and the text is not lost', async () => {
    const own = await startSite({ config: { rateLimits: true } });
    const alice = await own.member('alice');
    let answer = await alice.post('/posts', { text: 'again' });
    for (let tries = 0; tries < 100 && answer.status === 303; tries++) answer = await alice.post('/posts', { text: `again ${tries}` });
    expect(answer.status).toBe(429);
    expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    expect(answer.text).toMatch(/again \d+<\/textarea>/);
    await own.stop();
  });

  test('a body past reason is refused before it is read, compressed ones altogether', async () => {
    const alice = await site.member('bodies');
    expect((await alice.post('/login', { login: 'x'.repeat(100_000), password: 'x' })).status).toBe(413);
    await alice.get('/');
    expect((await alice.post('/posts', { text: 'x'.repeat(2_000_000) })).status).toBe(413);
    await alice.get('/');
    expect((await alice.post('/posts', { text: 'x' }, { 'Content-Encoding': 'gzip' })).status).toBe(400);
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`field${at}`, 'x']));
    await alice.get('/');
    expect((await alice.post('/login', many)).status).toBe(413);
  });
});

test('nothing of a password, token or cookie stands in the log', async () => {
  const logTo: string[] = [];
  const own = await startSite({ logTo });
  const alice = await own.member('alice');
  await alice.get('/settings/app-passwords');
  const made = await alice.post('/settings/app-passwords', { label: 'Phone' });
  const password = /id="app-password">([^<]+)</.exec(made.text)![1]!;
  await alice.post('/posts', { text: 'a secret text', csrf: 'x.y' });
  await alice.get('/confirm/a-token-that-is-secret');
  const log = logTo.join('\n');
  for (const secret of [PASSWORD, password, decodeURIComponent(alice.cookies.get('session')!), 'a-token-that-is-secret', 'a secret text']) expect(log).not.toContain(secret);
  await own.stop();
});

test('a request that no parser likes gets an answer and no stack', async () => {
  const server = createServer(site.app).listen(0);
  const { port } = server.address() as AddressInfo;
  const ask = (path: string, headers: Record<string, string> = {}) =>
    new Promise<[number, string]>((resolve, reject) => {
      httpRequest({ port, path, headers }, (res) => {
        let text = '';
        res.on('data', (chunk) => (text += chunk)).on('end', () => resolve([res.statusCode!, text]));
      })
        .on('error', reject)
        .end();
    });
  for (const path of ['/u/%', '/posts/%E0%A4%A', '/%00', '//evil.example/', '/u/..%2f..%2fetc', '/?older[]=1&older=2', '/u/__proto__', '/contacts?done=__proto__', '/login?done=constructor']) {
    const [status, text] = await ask(path, { Cookie: 'a=%; session=s%3Abad.sig; =; b' });
    expect([path, status < 500]).toEqual([path, true]);
    expect(text).not.toMatch(/\bat .*\.(ts|js):\d/);
  }
  await new Promise((resolve) => server.close(resolve));
});
