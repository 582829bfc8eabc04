import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { closeAccount, confirmAccount, createAccount, logOutEverywhere, reactivateAccount, signUp, suspendAccount } from '../../../src/services/accounts.js';
import { checkAppPassword, createAppPassword, forgetVerified, revokeAllAppPasswords, revokeAppPassword } from '../../../src/services/app-passwords.js';
import { awaitChatNews, endChatSessions, endsChatSessions, noteLetIn, readChatNews } from '../../../src/services/chat-sessions.js';
import { BCRYPT_COST } from '../../../src/services/passwords.js';
import { type TestContext, testContext } from '../../support/context.js';

beforeAll(() => {
  BCRYPT_COST.web = 4;
});

const jobsOf = (ctx: TestContext) => ctx.store.query<{ payload: string; run_at: number }>("select payload, run_at from jobs where kind = 'end-chat-sessions' order by id");

describe('what chat servers hear', () => {
  let ctx: TestContext;
  beforeEach(async () => {
    ctx = await testContext();
  });
  afterEach(() => ctx.close());
  const make = async (username: string) => (await createAccount(ctx, { username, email: `${username}@mail.test` })).account;

  test('each change of an account: whether it exists, and whether its sessions end', async () => {
    const { cursor } = await readChatNews(ctx, null, false);
    let at = cursor;
    const news = async () => {
      const { ends, exists, cursor: next } = await readChatNews(ctx, at, false);
      at = next;
      return { ends, exists: Object.fromEntries(exists) };
    };
    const alice = await make('alice');
    expect(await news()).toEqual({ ends: [], exists: { alice: true } });
    const [phone] = [await createAppPassword(ctx, alice, 'Phone'), await createAppPassword(ctx, alice, 'Laptop')];
    expect(await news()).toEqual({ ends: [], exists: {} });
    await revokeAppPassword(ctx, alice, phone.row.id);
    expect(await news()).toEqual({ ends: ['alice'], exists: { alice: true } });
    await revokeAppPassword(ctx, alice, phone.row.id);
    expect(await news()).toEqual({ ends: [], exists: {} });
    await revokeAllAppPasswords(ctx, alice);
    expect(await news()).toEqual({ ends: ['alice'], exists: { alice: true } });
    await logOutEverywhere(ctx, alice);
    expect(await news()).toEqual({ ends: ['alice'], exists: { alice: true } });
    await suspendAccount(ctx, alice);
    expect(await news()).toEqual({ ends: ['alice'], exists: { alice: false } });
    await reactivateAccount(ctx, { ...alice, state: 'suspended' });
    expect(await news()).toEqual({ ends: [], exists: { alice: true } });
    await closeAccount(ctx, alice);
    expect(await news()).toEqual({ ends: ['alice'], exists: { alice: false } });
    await signUp(ctx, { username: 'penny', email: 'penny@mail.test', password: 'correct horse battery' });
    expect(await news()).toEqual({ ends: [], exists: {} });
    await confirmAccount(ctx, /[^/]+$/.exec(await ctx.linkIn((await ctx.takeMails())[0]!))![0]);
    expect(await news()).toEqual({ ends: [], exists: { penny: true } });
    expect((await readChatNews(ctx, null, true)).names).toEqual(['penny']);
    // Whoever was away the whole time hears it all at once.
    const all = await readChatNews(ctx, cursor, false);
    expect([all.missed, all.ends, Object.fromEntries(all.exists)]).toEqual([false, ['alice'], { alice: false, penny: true }]);
  });

  test.each(['', '0.0', '1', '1.0', '99.1', '-1.-1', 'x', '1.1; drop table', '99999999999999999999.1'])('to a cursor that is not known (%j) everything is told, and that something may be missing', async (cursor) => {
    await make('alice');
    expect(await readChatNews(ctx, cursor, false)).toMatchObject({ missed: true, names: ['alice'], ends: [] });
  });

  test('who waits hears of it at once, and nothing when the wait is ended', async () => {
    const { cursor } = await readChatNews(ctx, null, false);
    const stop = new AbortController();
    const waiting = awaitChatNews(ctx, cursor, false, stop.signal);
    await make('alice');
    expect([...(await waiting).exists]).toEqual([['alice', true]]);
    const again = awaitChatNews(ctx, (await readChatNews(ctx, null, false)).cursor, false, stop.signal);
    stop.abort();
    expect(await again).toMatchObject({ ends: [], names: null, missed: false });
  });

  test('sessions end while a module waits, and for half a minute after it was heard last', async () => {
    expect(await endsChatSessions(ctx)).toBe(false);
    const stop = new AbortController();
    const waiting = awaitChatNews(ctx, (await readChatNews(ctx, null, false)).cursor, false, stop.signal);
    expect(await endsChatSessions(ctx)).toBe(true);
    stop.abort();
    await waiting;
    ctx.pass(29_000);
    expect(await endsChatSessions(ctx)).toBe(true);
    ctx.pass(2_000);
    expect(await endsChatSessions(ctx)).toBe(false);
  });

  test('without an API of ejabberd there is no job for it', async () => {
    await suspendAccount(ctx, await make('alice'));
    expect(await jobsOf(ctx)).toEqual([]);
  });
});

test('without a chat domain nothing is noted', async () => {
  const ctx = await testContext({ DX_CHAT_DOMAIN: '' });
  const { cursor } = await readChatNews(ctx, null, false);
  await suspendAccount(ctx, (await createAccount(ctx, { username: 'alice', email: 'alice@mail.test' })).account);
  expect((await readChatNews(ctx, null, false)).cursor).toBe(cursor);
  await ctx.close();
});

describe("ejabberd's API", () => {
  let ctx: TestContext;
  let api: Server;
  let asked: { path: string; body: unknown; authorization: string | undefined }[];
  let status: number;
  beforeEach(async () => {
    asked = [];
    status = 200;
    api = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      asked.push({ path: request.url!, body: JSON.parse(body), authorization: request.headers.authorization });
      response.writeHead(status).end(JSON.stringify({ num_resources: 2 }));
    });
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
    ctx = await testContext({ DX_EJABBERD_API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}/a-secret-path/api/`, DX_EJABBERD_API_TOKEN: 'token-of-the-test' });
  });
  afterEach(async () => {
    api.close();
    api.closeAllConnections();
    await ctx.close();
  });
  const make = async (username: string) => (await createAccount(ctx, { username, email: `${username}@mail.test` })).account;

  test('a job ends the sessions, and ejabberd is asked with the token', async () => {
    await suspendAccount(ctx, await make('alice'));
    const jobs = await jobsOf(ctx);
    expect(jobs.map(({ payload, run_at }) => [JSON.parse(payload), run_at])).toEqual([[{ username: 'alice', at: ctx.now() }, 0]]);
    await endChatSessions(ctx, JSON.parse(jobs[0]!.payload));
    expect(asked).toEqual([{ path: '/a-secret-path/api/kick_user', body: { user: 'alice', host: 'chat.test' }, authorization: 'Bearer token-of-the-test' }]);
    expect(ctx.logged()).toContain('"ended":2');
    expect(ctx.logged()).not.toMatch(/token-of-the-test|a-secret-path/);
  });

  test('whoever was let in a moment before is ended once more, after the time that a client has to open its session', async () => {
    const alice = await make('alice');
    await noteLetIn(ctx, 'alice');
    ctx.pass(100_000);
    const at = ctx.now();
    await logOutEverywhere(ctx, alice);
    await endChatSessions(ctx, { username: 'alice', at });
    const jobs = await jobsOf(ctx);
    expect(jobs.map(({ payload, run_at }) => [JSON.parse(payload), run_at])).toEqual([
      [{ username: 'alice', at }, 0],
      [{ username: 'alice', at, again: true }, at + 130_000],
    ]);
    await endChatSessions(ctx, { username: 'alice', at, again: true });
    ctx.pass(100_000);
    await endChatSessions(ctx, { username: 'alice', at: ctx.now() });
    expect(await jobsOf(ctx)).toEqual(jobs);
    expect(asked).toHaveLength(3);
  });

  test.each(['known', 'cold'])('whoever is let in while it is revoked is noted before the answer, the password being %s', async (state) => {
    const alice = await make('alice');
    const { row, password } = await createAppPassword(ctx, alice, 'Phone');
    if (state === 'cold') forgetVerified();
    // The job runs as early as it can: right after the last look at the rows.
    let looks = state === 'cold' ? 2 : 1;
    const { query } = ctx.store;
    ctx.store.query = async <T>(sql: string, params?: readonly unknown[]) => {
      const rows = await query<T>(sql, params);
      if (sql.includes('left join app_passwords') && --looks === 0) {
        await revokeAppPassword(ctx, alice, row.id);
        await endChatSessions(ctx, { username: 'alice', at: ctx.now() });
      }
      return rows;
    };
    expect(await checkAppPassword(ctx, 'alice', password, 'chat')).not.toBeNull();
    expect((await jobsOf(ctx)).map(({ payload }) => JSON.parse(payload))).toContainEqual({ username: 'alice', at: ctx.now(), again: true });
  });

  test('while it is away the job is tried again, for a day; a refusal is for good', async () => {
    const payload = { username: 'alice', at: ctx.now() };
    status = 403;
    await expect(endChatSessions(ctx, payload)).rejects.toMatchObject({ permanent: true, message: expect.stringMatching(/status 403.*DX_EJABBERD_API_URL/) });
    status = 500;
    await expect(endChatSessions(ctx, payload)).rejects.toMatchObject({ permanent: false });
    api.close();
    api.closeAllConnections();
    await expect(endChatSessions(ctx, payload)).rejects.toMatchObject({ permanent: false, message: expect.stringContaining('not reachable') });
    ctx.pass(86_400_000);
    await expect(endChatSessions(ctx, payload)).rejects.toMatchObject({ permanent: true });
  });

  test('whether sessions end is what it answers, asked at most each half minute', async () => {
    expect(await endsChatSessions(ctx)).toBe(true);
    expect(await endsChatSessions(ctx)).toBe(true);
    expect(asked.map(({ body }) => body)).toEqual([{ user: '', host: 'chat.test' }]);
    status = 401;
    ctx.pass(30_000);
    expect(await endsChatSessions(ctx)).toBe(false);
  });
});
