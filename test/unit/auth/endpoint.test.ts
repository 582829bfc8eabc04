import { request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { createAuthServer } from '../../../src/auth/endpoint.js';
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
    const started = createAuthServer(context);
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

  describe('the requests of other servers, byte for byte', () => {
    /** Sends them one after another on one connection, as their pools do. @returns status and body of each */
    async function exchange(...requests: string[]): Promise<string[]> {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      const answers: string[] = [];
      for (const each of requests) {
        answers.push(
          await new Promise<string>((resolve, reject) => {
            let heard = '';
            socket.removeAllListeners('data').on('data', (chunk) => {
              heard += chunk;
              const [, status, length, body] = /^HTTP\/1\.1 (\d+) .*?content-length: (\d+).*?\r\n\r\n(.*)$/is.exec(heard) ?? [];
              if (body !== undefined && body.length >= Number(length)) resolve(`${status} ${body.trim()}`);
            });
            socket.once('error', reject).once('close', () => reject(new Error('closed')));
            socket.write(Buffer.from(each, 'utf8'));
          }),
        );
      }
      socket.destroy();
      return answers;
    }
    const basic = `Authorization: Basic ${Buffer.from(`dx:${SECRET}`).toString('base64')}`;

    // ejabberd_auth_http of ejabberd-contrib and MongooseIM: GET with the fields in this order, the password empty where none is asked; writing by POST.
    // The http_uri:encode of older ones leaves bytes above 127 as they are.
    const erlang = (operation: string, pass = '') => `GET /auth/${operation}?user=alice&server=chat.test&pass=${pass} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n${basic}\r\n\r\n`;
    const erlangPost = (operation: string, body: string) =>
      `POST /auth/${operation} HTTP/1.1\r\nContent-Length: ${body.length}\r\nHost: 127.0.0.1\r\ncontent-type: application/x-www-form-urlencoded\r\n${basic}\r\n\r\n${body}`;
    test('ejabberd_auth_http', async () => {
      const answers = await exchange(
        erlang('user_exists'),
        erlang('check_password', password),
        erlang('check_password', encodeURIComponent('a:b&c=d e')),
        erlang('check_password', encodeURIComponent(password.replaceAll('-', '–'))),
      );
      expect(answers).toEqual(['200 true', '200 true', '200 false', '200 true']);
      // A byte above 127 is no URL: refused, which they take for a no.
      await expect(exchange(erlang('check_password', 'päßwort'))).rejects.toThrow('closed');
      expect(await exchange(erlang('check_password', password))).toEqual(['200 true']);
      expect((await exchange(erlang('get_password')))[0]).toMatch(/^404 /);
      for (const operation of ['register', 'remove_user', 'set_password']) expect((await exchange(erlangPost(operation, 'user=alice&server=chat.test&pass=new')))[0]).toMatch(/^405 /);
    });

    // Prosody's mod_auth_http: fields in any order, form-encoded (blank as +), Host without a port, an answer with or without a line end.
    test("Prosody's mod_auth_http", async () => {
      const get = (operation: string, query: string) => `GET /auth/${operation}?${query} HTTP/1.1\r\nAuthorization: Basic ${basic.slice('Authorization: Basic '.length)}\r\nUser-Agent: Prosody XMPP Server\r\nHost: 127.0.0.1\r\n\r\n`;
      const answers = await exchange(
        get('user_exists', 'server=chat.test&user=alice'),
        get('check_password', `pass=${password.replaceAll('-', '+')}&server=chat.test&user=alice`),
        get('check_password', 'server=chat.test&pass=a%3ab%2bc&user=alice'),
      );
      expect(answers).toEqual(['200 true', '200 true', '200 false']);
    });
  });

  test('one look into the database for whoever is asked about', async () => {
    const queries: string[] = [];
    const counted = { ...ctx, store: Object.assign(Object.create(ctx.store), ctx.store, { query: (sql: string, params: unknown[]) => (queries.push(sql), ctx.store.query(sql, params)) }) } as TestContext;
    const [other, otherUrl] = await open(counted);
    const asks = async (user: string) => {
      queries.length = 0;
      await (await fetch(`${otherUrl}/auth/user_exists?${new URLSearchParams({ user, server: 'chat.test' })}`, { headers: { authorization: authorization() } })).text();
      return queries.length;
    };
    for (const user of ['alice', 'nobody', 'sue', 'penny', '', 'no such name', 'x'.repeat(5_000)]) expect([user, await asks(user)]).toEqual([user, 1]);
    other.close();
    other.closeAllConnections();
  });

  describe('news', () => {
    const news = async (fields: Fields = {}) => (await (await post('events', { server: 'chat.test', ...fields })).text()).split('\n').slice(0, -1);
    const cursorNow = async () => (await news({ all: '1' }))[0]!.replace('cursor ', '');

    test('a server that waits hears at once who came, who went and whose sessions end', async () => {
      let since = await cursorNow();
      const next = async () => {
        const [cursor, ...lines] = await news({ since });
        since = cursor!.replace('cursor ', '');
        return lines;
      };
      const coming = next();
      const { account } = await createAccount(ctx, { username: 'newcomer', email: 'newcomer@mail.test' });
      expect(await coming).toEqual(['user newcomer']);
      const going = next();
      await suspendAccount(ctx, account);
      expect(await going).toEqual(['end newcomer', 'gone newcomer']);
    });

    test('whoever stands on a line that is not there is told that something may be missing', async () => {
      const [cursor, ...lines] = await news({ since: '12345.678' });
      expect(cursor).toMatch(/^cursor \d+\.\d+$/);
      expect(lines).toEqual(['missed', 'names', 'user alice']);
    });

    test('when the service ends, those who wait are answered', async () => {
      const stopping = new AbortController();
      const ending = createAuthServer(ctx, { stopping: stopping.signal });
      await new Promise<void>((resolve) => ending.listen(0, '127.0.0.1', resolve));
      const arrived = new Promise((resolve) => ending.once('request', resolve));
      const since = await cursorNow();
      const waiting = fetch(`http://127.0.0.1:${(ending.address() as AddressInfo).port}/auth/events`, { method: 'POST', headers: { authorization: authorization() }, body: new URLSearchParams({ server: 'chat.test', since }) });
      await arrived;
      stopping.abort();
      expect(await (await waiting).text()).toBe(`cursor ${since}\n`);
      ending.close();
      ending.closeAllConnections();
    });

    test('it needs the secret, and says 503 when it cannot know', async () => {
      expect((await get('events', { server: 'chat.test' }, { headers: {} })).status).toBe(401);
      const broken = await testContext({ DX_AUTH_SECRET: SECRET });
      const [other, otherUrl] = await open({ ...broken, store: { ...broken.store, query: () => Promise.reject(new Error('the database is away')) } });
      expect((await fetch(`${otherUrl}/auth/events?server=chat.test&all=1`, { headers: { authorization: authorization() } })).status).toBe(503);
      other.close();
      other.closeAllConnections();
      await broken.close();
    });
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
