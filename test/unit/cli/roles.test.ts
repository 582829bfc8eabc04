// Roles in processes of their own, without an XMPP server: what each tells of itself, and what is refused.
import { createServer, type AddressInfo } from 'node:net';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { examine } from '../../../src/cli/doctor.js';
import { main } from '../../../src/cli/program.js';
import type { RoleName } from '../../../src/cli/roles/role.js';
import { type ReadyReport, type Running, serve } from '../../../src/cli/serve.js';
import { loadConfig } from '../../../src/config.js';
import { CONNECTOR_LEASE, holdLease } from '../../../src/store/lease.js';
import { openStore } from '../../../src/store/open.js';
import { tableNames } from '../../support/fill.js';
import { createDatabase } from '../../support/servers/postgres.js';
import { silentLog } from '../../support/store.js';

const folders: string[] = [];
const running: Running[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function environment(more: Record<string, string> = {}): { env: Record<string, string>; directory: string } {
  const directory = mkdtempSync(path.join(tmpdir(), 'dx-roles-'));
  folders.push(directory);
  const env = { DX_STATE_DIR: directory, DX_CHAT_DOMAIN: '', DX_LISTEN: '127.0.0.1:0', DX_METRICS_LISTEN: '127.0.0.1:0', DX_LOG_LEVEL: 'silent', ...more };
  return { env, directory };
}

async function start(databaseUrl: string, roles: RoleName[], more: Record<string, string> = {}): Promise<Running> {
  const { env, directory } = environment({ DX_DATABASE_URL: databaseUrl, ...more });
  const one = await serve(loadConfig(env, directory), { roles, log: silentLog });
  running.push(one);
  return one;
}

const answer = async (one: Running, what: string) => fetch(`${one.metricsUrl}/${what}`);

async function dx(args: string[], more: Record<string, string> = {}) {
  const { env, directory } = environment(more);
  const result = { code: -1, out: '', err: '' };
  result.code = await main(args, {
    out: (text) => void (result.out += text),
    err: (text) => void (result.err += text),
    env,
    directory,
    readStdin: async () => '',
    stopped: async () => {},
  });
  return result;
}

test.each(['web', 'worker', 'connector'])('dx %s refuses SQLite, which one process alone can serve, and says what to do', async (role) => {
  const { code, out, err } = await dx([role]);
  expect([code, out]).toEqual([78, '']);
  expect(err).toContain(`dx ${role} needs PostgreSQL`);
  expect(err).toContain('dx serve');
  expect(err).toContain('dx copy-database');
});

describe('a database that a newer version has written', () => {
  const COMMANDS = [['serve'], ['migrate'], ['migrate', '--plan'], ['migrate', '--revert'], ['account', 'create', 'alice', '--email', 'alice@mail.test'], ['account', 'list'], ['account', 'suspend', 'alice'], ['app-password', 'create', 'alice', '--label', 'Phone'], ['app-password', 'list', 'alice'], ['queue'], ['queue', 'list'], ['queue', 'retry', '1'], ['queue', 'pause', 'b.example']];
  const ROLE_COMMANDS = [['web'], ['worker'], ['connector']];
  const sqlite = () => `sqlite:${path.join(environment().directory, 'newer.sqlite')}`;

  test.each([
    ['SQLite', sqlite, COMMANDS],
    ['PostgreSQL', createDatabase, [...ROLE_COMMANDS, ...COMMANDS]],
  ] as const)('is refused by every command on %s, with a sentence, and stays as it is', async (kind, makeUrl, commands) => {
    const url = await makeUrl();
    const store = await openStore(url, silentLog, { poolSize: 2 });
    await store.migrate();
    await store.revert(); // there is something that a migration would do
    await store.transaction((tx) => tx.query("insert into migrations (timestamp, name) values (9999999999999, 'Future9999999999999')"));
    const state = async () => [await store.query('select name from migrations order by id'), await tableNames(store), await store.query('select * from accounts'), await store.query('select * from jobs')];
    const before = await state();
    for (const args of commands) {
      const { code, out, err } = await dx([...args], { DX_DATABASE_URL: url, DX_COMPONENT_URL: 'xmpp://127.0.0.1:1', DX_COMPONENT_SECRET: 'secret' });
      expect({ args, code, out, err }).toEqual({ args, code: 1, out: '', err: expect.stringMatching(/^The database was written by a newer version of diaspora-x\b.*\n$/) });
    }
    const file = path.join(environment().directory, `newer-${kind}.tar`);
    const saved = await dx(['backup', file], { DX_DATABASE_URL: url });
    expect(saved).toMatchObject({ code: 1, err: expect.stringMatching(/\nThe database was written by a newer version of diaspora-x: save it with that version\.\n$/) });
    expect(existsSync(file)).toBe(false);
    expect(await state()).toEqual(before);
    await store.close();
  });
});

test('dx connector without an XMPP server has nothing to do, and says so', async () => {
  const { code, err } = await dx(['connector'], { DX_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
  expect(code).toBe(78);
  expect(err).toContain('DX_COMPONENT_URL is missing');
});

test('a process without pages is ready, and tells its health, beside its figures', async () => {
  const worker = await start(await createDatabase(), ['worker']);
  expect(worker.url).toBe('');
  expect([(await answer(worker, 'healthz')).status, (await answer(worker, 'readyz')).status]).toEqual([200, 200]);
  const { parts } = (await (await answer(worker, 'readyz')).json()) as ReadyReport;
  expect(parts).toMatchObject({ database: { ok: true }, migrations: { ok: true } });
  expect(parts).not.toHaveProperty('component');
});

test('the pages are ready without the XMPP server, which is the affair of another process', async () => {
  const web = await start(await createDatabase(), ['web']);
  const report = (await (await fetch(`${web.url}/readyz`)).json()) as ReadyReport;
  expect(report.ready).toBe(true);
  expect(report.parts).not.toHaveProperty('component');
});

test('only workers count the jobs that wait, which are the same for every process', async () => {
  const url = await createDatabase();
  const [web, worker] = [await start(url, ['web']), await start(url, ['worker'])];
  const figures = async (one: Running) => (await answer(one, 'metrics')).text();
  expect(await figures(web)).not.toContain('dx_queue_jobs');
  expect(await figures(web)).toContain('dx_database_up 1');
  expect(await figures(worker)).toContain('# TYPE dx_queue_jobs gauge');
});

test('beside a web process, doctor names the connector of another process and does not connect under its name; when there is none, it tries, and says that posts wait', async () => {
  let connections = 0;
  const xmppServer = createServer((socket) => {
    connections += 1;
    const answers = ["<stream:stream xmlns:stream='http://etherx.jabber.org/streams' id='abc'>", '<handshake/>'];
    socket.on('error', () => {}).on('data', () => void socket.write(answers.shift() ?? ''));
  });
  await new Promise<void>((resolve) => xmppServer.listen(0, '127.0.0.1', resolve));
  const url = await createDatabase();
  const { port } = xmppServer.address() as AddressInfo;
  const web = await start(url, ['web'], { DX_COMPONENT_URL: `xmpp://127.0.0.1:${port}`, DX_COMPONENT_SECRET: 'secret' });
  const listen = { host: '127.0.0.1', port: Number(new URL(web.url).port) };
  const look = async () => (await examine({ ...web.ctx.config, listen })).find(({ name }) => name === 'XMPP component')!;
  const lease = holdLease(url, { name: CONNECTOR_LEASE, log: silentLog, onHeld: () => {}, onLost: () => {} });
  await lease.known;
  expect(await look()).toMatchObject({ state: 'ok', text: expect.stringContaining(`left to process ${process.pid} on `) });
  expect(connections).toBe(0);
  // It ends without a word: its row stays, its lock is gone.
  await web.ctx.store.query("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())");
  await lease.release();
  await web.ctx.store.transaction((tx) => tx.query('insert into leases (name, holder, since) values (?, ?, ?) on conflict (name) do nothing', [CONNECTOR_LEASE, 'gone.test 1 - 0', 0]));
  expect(await look()).toMatchObject({ state: 'warn', text: expect.stringContaining('no connector runs') });
  expect(connections).toBe(1);
  xmppServer.close();
});
