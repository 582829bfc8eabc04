// What ejabberd's API may answer to the doctor. A fake one: the real one is in test/protocol/doctor-ejabberd.test.ts.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkSessionsEnd } from '../../../src/cli/doctor-sessions.js';
import { type TestContext, testContext } from '../../support/context.js';

let api: Server;
let status: number;
let ctx: TestContext;
beforeAll(async () => {
  api = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(status).end('{"num_resources":0}'));
  });
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  ctx = await testContext({ DX_EJABBERD_API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}/path-that-is-a-key/api`, DX_EJABBERD_API_TOKEN: 'token-of-the-test' });
});
afterAll(async () => {
  api.close();
  api.closeAllConnections();
  await ctx.close();
});

const nowhere = { host: '127.0.0.1', port: 1 };
const check = (config = ctx.config, isEjabberd = true) => checkSessionsEnd(config, ctx, nowhere, 'doctor-1', null, isEjabberd);

test.each([
  [401, /status 401/, /DX_EJABBERD_API_TOKEN is wrong/],
  [403, /status 403/, /api_permissions do not allow kick_user/],
  [404, /status 404/, /The path is not the one/],
  [500, /status 500/, /mod_http_api among its modules/],
])('status %d is a failure with a remedy of its own', async (answer, text, remedy) => {
  status = answer;
  const checks = await check();
  expect(checks).toEqual([expect.objectContaining({ name: 'ejabberd sessions', state: 'fail', text: expect.stringMatching(text), remedy: expect.stringMatching(remedy) })]);
  expect(JSON.stringify(checks)).not.toMatch(/path-that-is-a-key|token-of-the-test/);
});

test('when nobody could log in, an answer alone is a warning', async () => {
  status = 200;
  expect(await check()).toEqual([expect.objectContaining({ state: 'warn', text: expect.stringContaining('was not seen'), remedy: expect.stringContaining('login') })]);
});

test('without an address nothing is asked: a warning at ejabberd, and no line at Prosody, whose module hears of it', async () => {
  const config = { ...ctx.config, ejabberdApi: null };
  expect(await check(config)).toEqual([expect.objectContaining({ state: 'warn', remedy: expect.stringContaining('dx snippet ejabberd') })]);
  expect(await check(config, false)).toEqual([]);
});
