import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AuthClient } from '../../../ejabberd-auth/client.js';
import { createAuthServer } from '../../../src/auth/endpoint.js';
import { createAccount } from '../../../src/services/accounts.js';
import { createAppPassword } from '../../../src/services/app-passwords.js';
import { goFirst } from '../../../src/services/precedence.js';
import { type TestContext, testContext } from '../../support/context.js';

const SECRET = 'the-auth-secret-of-this-test';
let ctx: TestContext;
let password: string;
let folder: string;

beforeAll(async () => {
  ctx = await testContext({ DX_AUTH_SECRET: SECRET });
  const { account } = await createAccount(ctx, { username: 'alice', email: 'alice@mail.test' });
  password = (await createAppPassword(ctx, account, 'Phone')).password;
  folder = mkdtempSync(path.join(tmpdir(), 'dx-own-form-'));
  writeFileSync(path.join(folder, 'secret'), SECRET);
});
afterAll(async () => {
  await ctx.close();
  rmSync(folder, { recursive: true, force: true });
});

let server: Server;
/** What node:http was asked. */
let byHttp: string[];
let answered: string[];
let stopping: AbortController;
const open = async () => {
  byHttp = [];
  answered = [];
  stopping = new AbortController();
  server = createAuthServer(ctx, { answered: (operation, { status, text }) => answered.push(`${operation} ${status} ${text.trim()}`), stopping: stopping.signal });
  server.on('request', (request) => byHttp.push(`${request.method} ${request.url}`));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
};
let socket: Socket | undefined;
afterEach(() => {
  stopping.abort();
  socket?.destroy();
  server.close();
  server.closeAllConnections();
});

const form = (fields: Record<string, string> = {}) => new URLSearchParams({ user: 'alice', server: 'chat.test', pass: password, ...fields }).toString();
const question = ({ path: at = '/auth/check_password', secret = SECRET, body = form(), more = '' } = {}) =>
  `POST ${at} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Basic ${Buffer.from(`dx:${secret}`).toString('base64')}\r\n${more}content-type: application/x-www-form-urlencoded\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

const turn = () => new Promise((resolve) => setImmediate(resolve));
/** Resolves in the turn of the event loop in which it is so. */
async function until(isSo: () => boolean): Promise<void> {
  for (const by = performance.now() + 4_000; !isSo(); ) {
    if (performance.now() > by) throw new Error('it never was so');
    await turn();
  }
}

/**
 * Sends pieces on one connection, each when the one before was read, and waits for so many answers.
 * @param then done when one was read
 * @returns status and body of each
 */
async function exchange(port: number, pieces: string[], answers: number, then: () => Promise<unknown> = turn): Promise<string[]> {
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const to = (socket = connect({ port, host: '127.0.0.1', noDelay: true }));
  to.setEncoding('latin1');
  await once(to, 'connect');
  const all = new Promise<string[]>((resolve, reject) => {
    let heard = '';
    const found: string[] = [];
    to.on('data', (chunk: string) => {
      heard += chunk;
      for (;;) {
        const begin = heard.indexOf('\r\n\r\n') + 4;
        const [, status, length] = /^HTTP\/1\.1 (\d+) .*\r\ncontent-length: (\d+)\r\n/is.exec(heard.slice(0, begin)) ?? [];
        const end = begin + Number(length);
        if (length === undefined || heard.length < end) break;
        found.push(`${status} ${heard.slice(begin, end).trim()}`);
        heard = heard.slice(end);
      }
      if (found.length >= answers) resolve(found);
    });
    to.once('close', () => reject(new Error(`closed after ${JSON.stringify(found)}`)));
  });
  const [from] = await accepted;
  for (const piece of pieces) {
    const before = from.bytesRead;
    to.write(piece, 'latin1');
    await until(() => from.bytesRead >= before + piece.length);
    await then();
  }
  return all;
}

test('what our program for ejabberd asks is answered without node:http, on one kept connection', async () => {
  const port = await open();
  let connections = 0;
  server.on('connection', () => (connections += 1));
  const problems: string[] = [];
  const client = new AuthClient({ url: `http://127.0.0.1:${port}`, secretFile: path.join(folder, 'secret'), deadlineMs: 1_800, restartMs: 0, report: (problem) => problems.push(problem) });
  const auth = (user: string, text: string, domain = 'chat.test') => client.ask({ operation: 'auth', user, server: domain, password: text });
  expect(await auth('alice', password)).toBe(true);
  expect(await auth('alice', 'päss:wörd\n😀 &=%')).toBe(false);
  expect(await auth('alice', password, 'elsewhere.test')).toBe(false);
  expect(await auth('älice', password)).toBe(false);
  expect(await client.ask({ operation: 'isuser', user: 'alice', server: 'chat.test' })).toBe(true);
  expect(await client.ask({ operation: 'isuser', user: 'nobody', server: 'chat.test' })).toBe(false);
  expect(problems).toEqual([]);
  expect(byHttp).toEqual([]);
  expect(connections).toBe(1);
  expect(answered).toEqual(['check_password 200 true', ...Array(3).fill('check_password 200 false'), 'user_exists 200 true', 'user_exists 200 false']);
});

test.each<[string, () => string[], string[]]>([
  ['a head in two pieces', () => [question().slice(0, 50), question().slice(50)], ['200 true']],
  ['a body in two pieces', () => [question().slice(0, -5), question().slice(-5)], ['200 true']],
  ['one more header', () => [question({ more: 'x: y\r\n' })], ['200 true']],
  ['bare bytes in the body', () => [question({ body: form().replace('alice', 'älice') })], ['200 false']],
  ['a plus for a blank', () => [question({ body: form({ pass: password.replaceAll('-', ' ') }) })], ['200 true']],
  ['what is no UTF-8', () => [question({ body: form().replace('alice', 'alice%ff') })], ['200 false']],
  ['fields in another order', () => [question({ body: `server=chat.test&user=alice&pass=${password}` })], ['200 true']],
  ['another path', () => [question({ path: '/auth/register' })], ['405 Accounts and passwords are made and changed on the web pages alone.']],
  ['a wrong secret', () => [question({ secret: 'wrong' })], ['401 Wrong secret: HTTP Basic with user dx and DX_AUTH_SECRET is needed.']],
  ['two questions in one piece', () => [question() + question({ body: form({ pass: 'wrong' }) })], ['200 true', '200 false']],
])('%s is left to node:http', async (_, pieces, answers) => {
  const port = await open();
  expect(await exchange(port, pieces(), answers.length)).toEqual(answers);
  expect(byHttp).toHaveLength(answers.length);
});

test('a connection may change its form, once', async () => {
  const port = await open();
  const get = `GET /auth/user_exists?user=alice&server=chat.test HTTP/1.1\r\nhost: x\r\nauthorization: Basic ${Buffer.from(`dx:${SECRET}`).toString('base64')}\r\n\r\n`;
  let sent = 0;
  const untilAnswered = async () => {
    sent += 1;
    await until(() => answered.length >= sent);
  };
  expect(await exchange(port, [question(), get, question()], 3, untilAnswered)).toEqual(['200 true', '200 true', '200 true']);
  expect(byHttp).toEqual(['GET /auth/user_exists?user=alice&server=chat.test', 'POST /auth/check_password']);
});

test('who asks before the answer is there gets both, in their order', async () => {
  const port = await open();
  const end = goFirst(ctx); // the first waits
  expect(await exchange(port, [question(), question({ path: '/auth/user_exists', body: form({ user: 'nobody' }) })], 2)).toEqual(['200 true', '200 false']);
  expect(byHttp).toEqual(['POST /auth/user_exists']);
  end();
});

test('a form without a password is told so', async () => {
  expect(await exchange(await open(), [question({ body: 'user=alice&server=chat.test' })], 1)).toEqual(['400 Missing: pass.']);
  expect(byHttp).toEqual([]);
});

test('when the service ends, kept connections close, after the answer that they wait for', async () => {
  const port = await open();
  const idle = connect(port, '127.0.0.1');
  await once(idle, 'connect');
  const closed = once(idle.resume(), 'close');
  const end = goFirst(ctx);
  const asking = exchange(port, [question()], 1, async () => {
    stopping.abort();
    end();
  });
  expect(await asking).toEqual(['200 true']);
  if (!socket!.closed) await once(socket!, 'close');
  await closed;
  await new Promise((resolve) => server.close(resolve));
});

test('nothing that was asked for is logged', async () => {
  await exchange(await open(), [question({ body: form({ pass: 'canary-password-6' }) })], 1);
  await exchange((server.address() as AddressInfo).port, [question({ body: form({ pass: 'canary-password-7', server: 'elsewhere.test' }) })], 1);
  expect(ctx.logged()).not.toMatch(/canary/);
  expect(ctx.logged()).not.toContain(password);
});
