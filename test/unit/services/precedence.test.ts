import { jest } from '@jest/globals';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAuthServer } from '../../../src/auth/endpoint.js';
import { createAccount } from '../../../src/services/accounts.js';
import { createAppPassword } from '../../../src/services/app-passwords.js';
import { giveWay, goFirst, LONGEST_WAIT_MS } from '../../../src/services/precedence.js';
import { type TestContext, testContext } from '../../support/context.js';

const SECRET = 'the-auth-secret-of-this-test';

let ctx: TestContext;
beforeEach(async () => {
  ctx = await testContext({ DX_AUTH_SECRET: SECRET });
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'performance', 'Date'] });
});
afterEach(async () => {
  jest.useRealTimers();
  await ctx.close();
});

test('with nothing ahead there is nothing to wait for', () => {
  expect(giveWay(ctx)).toBeNull();
  goFirst(ctx)();
  expect(giveWay(ctx)).toBeNull();
});

test('who gives way goes on when the last one that goes first has ended', async () => {
  const ends = [goFirst(ctx), goFirst(ctx)];
  const gone: number[] = [];
  const waits = [1, 2].map((n) => giveWay(ctx)!.then(() => gone.push(n)));
  ends[0]!();
  await Promise.resolve();
  expect(gone).toEqual([]);
  ends[1]!();
  await Promise.all(waits);
  expect(gone).toEqual([1, 2]);
  expect(jest.getTimerCount()).toBe(0);
});

test('nobody waits longer than it may, even if there is always something ahead', async () => {
  goFirst(ctx);
  let gone = false;
  const wait = giveWay(ctx)!.then(() => (gone = true));
  jest.advanceTimersByTime(LONGEST_WAIT_MS - 1);
  await Promise.resolve();
  expect(gone).toBe(false);
  goFirst(ctx); // the next one: no longer wait for it
  jest.advanceTimersByTime(1);
  await wait;
  const again = giveWay(ctx);
  expect(again).not.toBeNull();
  jest.advanceTimersByTime(LONGEST_WAIT_MS);
  await again;
});

test('what goes first at one installation holds up no other in the same process', async () => {
  const other = await testContext();
  const end = goFirst(other);
  expect(giveWay(ctx)).toBeNull();
  end();
  await other.close();
});

test('a login at the endpoint waits for what goes first, and whether an account exists is said at once', async () => {
  const { account } = await createAccount(ctx, { username: 'alice', email: 'alice@mail.test' });
  const { password } = await createAppPassword(ctx, account, 'Phone');
  const server = createAuthServer(ctx);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const asks: string[] = [];
  const ask = (operation: string) =>
    new Promise<string>((resolve, reject) => {
      const query = new URLSearchParams({ user: 'alice', server: 'chat.test', pass: password });
      const asking = httpRequest({ port: (server.address() as AddressInfo).port, path: `/auth/${operation}?${query}`, agent: false, auth: `dx:${SECRET}` }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        response.on('end', () => {
          asks.push(operation);
          resolve(text);
        });
      });
      asking.on('error', reject).end();
    });
  const end = goFirst(ctx);
  const arrived = new Promise((resolve) => server.once('request', resolve));
  const login = ask('check_password');
  await arrived;
  expect(await ask('user_exists')).toBe('true');
  expect(asks).toEqual(['user_exists']);
  end();
  expect(await login).toBe('true');
  server.close();
  server.closeAllConnections();
});
