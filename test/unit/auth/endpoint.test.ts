import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { createAuthEndpoint } from '../../../src/auth/endpoint.js';
import type { Account } from '../../../src/domain/account.js';
import { createAccount, signUp, suspendAccount } from '../../../src/services/accounts.js';
import { createAppPassword, forgetVerified, revokeAppPassword } from '../../../src/services/app-passwords.js';
import { BCRYPT_COST, bcryptRuns } from '../../../src/services/passwords.js';
import { type TestContext, testContext } from '../../support/context.js';

const SECRET = 'the-auth-secret-of-this-test';

describe('the endpoint for chat servers', () => {
  let ctx: TestContext;
  let server: Server;
  let url: string;
  let alice: Account;
  let password: string;
  const open = async (context: TestContext): Promise<[Server, string]> => {
    const started = createServer(createAuthEndpoint(context));
    await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
    return [started, `http://127.0.0.1:${(started.address() as AddressInfo).port}`];
  };
  beforeAll(async () => {
    BCRYPT_COST.web = 4;
    ctx = await testContext({ DX_AUTH_SECRET: SECRET });
    [server, url] = await open(ctx);
    alice = (await createAccount(ctx, { username: 'alice', email: 'alice@mail.test', password: 'correct horse battery' })).account;
    password = (await createAppPassword(ctx, alice, 'Phone')).password;
    await suspendAccount(ctx, (await createAccount(ctx, { username: 'sue', email: 'sue@mail.test' })).account);
    await signUp(ctx, { username: 'penny', email: 'penny@mail.test', password: 'correct horse battery' });
  });
  afterAll(async () => {
    server.close();
    server.closeAllConnections();
    await ctx.close();
  });

  const authorization = (user = 'dx', secret = SECRET) => `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;
  type Fields = Record<string, string>;
  const get = (operation: string, fields: Fields, init: RequestInit = {}) =>
    fetch(`${url}/auth/${operation}?${new URLSearchParams(fields)}`, { headers: { authorization: authorization() }, ...init });
  const post = (operation: string, fields: Fields) => get(operation, {}, { method: 'POST', body: new URLSearchParams(fields) });
  const text = async (response: Promise<Response>) => {
    const { status } = await response;
    return `${status} ${await (await response).text()}`;
  };
  const asked = (pass: string, more: Fields = {}) => ({ user: 'alice', server: 'chat.test', pass, ...more });

  test('the right app password is true, by GET and by POST, whatever the case of names', async () => {
    expect(await text(get('check_password', asked(password)))).toBe('200 true');
    expect(await text(post('check_password', asked(password)))).toBe('200 true');
    expect(await text(post('check_password', asked(password, { user: 'Alice', server: 'CHAT.test' })))).toBe('200 true');
  });

  test.each<[string, Fields]>([
    ['a wrong password', asked('wrong')],
    ['an empty password', asked('')],
    ['the web password', asked('correct horse battery')],
    ['64 KiB', asked('x'.repeat(65_536))],
    ['colons, NUL and a line end', asked('a:b\0c\r\nd')],
    ['an unknown name', asked('wrong', { user: 'nobody' })],
    ['an empty name', asked('wrong', { user: '' })],
    ['a JID for a name', asked('wrong', { user: 'alice@chat.test' })],
    ['a name with control characters', asked('wrong', { user: 'ali\0ce\n' })],
  ])('%s is false', async (_, fields) => {
    expect(await text(post('check_password', fields))).toBe('200 false');
  });

  test.each(['social.test', 'example.org', '', 'chat.test.', 'chat.test/x'])('for the domain %j everything is false, and nothing is looked up', async (domain) => {
    const before = bcryptRuns.app;
    expect(await text(post('check_password', asked(password, { server: domain })))).toBe('200 false');
    expect(await text(post('user_exists', { user: 'alice', server: domain }))).toBe('200 false');
    expect((await post('events', { server: domain })).status).toBe(403);
    expect(bcryptRuns.app).toBe(before);
  });

  test('only active accounts exist', async () => {
    const exists = (user: string) => text(get('user_exists', { user, server: 'chat.test' }));
    expect(await Promise.all(['alice', 'ALICE', 'sue', 'penny', 'nobody', '', 'a.b', 'x'.repeat(5_000)].map(exists))).toEqual([
      '200 true',
      '200 true',
      ...Array(6).fill('200 false'),
    ]);
    expect((await text(get('events', { server: 'chat.test', all: '1' }))).split('\n').slice(1)).toEqual(['names', 'user alice', '']);
  });

  test('a revoked password is false at the next question', async () => {
    const phone = await createAppPassword(ctx, alice, 'Lost');
    expect(await text(post('check_password', asked(phone.password)))).toBe('200 true');
    await revokeAppPassword(ctx, alice, phone.row.id);
    expect(await text(post('check_password', asked(phone.password)))).toBe('200 false');
  });

  test.each([
    ['no secret', undefined],
    ['a wrong secret', authorization('dx', 'wrong')],
    ['another user', authorization('root')],
    ['the secret without a user', `Basic ${Buffer.from(SECRET).toString('base64')}`],
    ['another scheme', `Bearer ${SECRET}`],
  ])('with %s nothing is answered', async (_, header) => {
    const response = await get('check_password', asked(password), { headers: header ? { authorization: header } : {} });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic/);
    expect(await response.text()).not.toMatch(/true|false/);
  });

  test.each(['set_password', 'register', 'remove_user'])('%s is refused', async (operation) => {
    expect((await post(operation, asked(password))).status).toBe(405);
    expect((await get(operation, asked(password))).status).toBe(405);
  });

  test('wrong methods, paths and fields get a clear answer', async () => {
    expect((await get('check_password', asked(password), { method: 'PUT', headers: { authorization: authorization() } })).status).toBe(405);
    for (const path of ['nonsense', '__proto__', 'constructor', '']) expect((await get(path, {})).status).toBe(404);
    expect(await text(post('check_password', { user: 'alice' }))).toBe('400 Missing: server, pass.\n');
    expect(await text(get('user_exists', {}))).toBe('400 Missing: user, server.\n');
  });

  test('128 KiB are read and no more', async () => {
    expect((await post('check_password', asked('x'.repeat(131_000)))).status).toBe(200);
    expect((await post('check_password', asked('x'.repeat(131_072)))).status).toBe(413);
    // Of unknown length.
    const status = await new Promise((resolve) => {
      const asking = request(`${url}/auth/check_password`, { method: 'POST', headers: { authorization: authorization(), 'transfer-encoding': 'chunked' } }, (response) => resolve(response.statusCode));
      asking.on('error', () => {});
      for (let i = 0; i < 20; i++) asking.write('x'.repeat(10_000));
    });
    expect(status).toBe(413);
  });

  test('a database that fails or hangs is a no, in time', async () => {
    const broken = await testContext({ DX_AUTH_SECRET: SECRET });
    const hangs = { ...broken, store: { ...broken.store, query: () => new Promise<never>(() => {}) } };
    const fails = { ...broken, store: { ...broken.store, query: () => Promise.reject(new Error('canary-of-the-database')) } };
    for (const context of [hangs, fails]) {
      const [other, otherUrl] = await open(context);
      const started = performance.now();
      const response = await fetch(`${otherUrl}/auth/check_password`, { method: 'POST', headers: { authorization: authorization() }, body: new URLSearchParams(asked(password)) });
      expect(await response.text()).toBe('false');
      expect(performance.now() - started).toBeLessThan(2_000);
      other.close();
      other.closeAllConnections();
    }
    await broken.close();
  });

  test('a question that never ends is answered in time, and its connection closed', async () => {
    const started = performance.now();
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      let heard = '';
      socket.setEncoding('utf8');
      socket.on('data', (chunk) => {
        heard += chunk;
      });
      socket.on('close', () => resolve(heard));
      socket.write(`POST /auth/check_password HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization()}\r\nContent-Length: 1000\r\n\r\nuser=alice&`);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\n(?:5\r\n)?false/s);
    expect(performance.now() - started).toBeLessThan(2_500);
  });

  test('many at once are all answered, from a cold cache', async () => {
    forgetVerified();
    const answers = await Promise.all(Array.from({ length: 100 }, () => text(post('check_password', asked(password)))));
    expect(new Set(answers)).toEqual(new Set(['200 true']));
  });

  test('nothing that was asked for is logged', async () => {
    await get('check_password', asked('canary-password-1'));
    await post('check_password', asked('canary-password-2'));
    await post('check_password', asked('canary-password-3', { server: 'elsewhere.test' }));
    await post('set_password', asked('canary-password-4'));
    await get('check_password', asked('canary-password-5'), { headers: { authorization: authorization('dx', 'canary-secret') } });
    expect(ctx.logged()).not.toMatch(/canary/);
    expect(ctx.logged()).not.toContain(password);
    expect(ctx.logged()).not.toContain(SECRET);
  });
});
