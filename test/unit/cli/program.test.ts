import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Io, main } from '../../../src/cli/program.js';
import { authenticate } from '../../../src/services/accounts.js';
import { checkAppPassword } from '../../../src/services/app-passwords.js';
import { BCRYPT_COST } from '../../../src/services/passwords.js';
import { openContext } from '../../../src/cli/context.js';
import { type Config, loadConfig } from '../../../src/config.js';
import type { Context } from '../../../src/services/context.js';
import { addJobs } from '../../../src/store/jobs.js';
import { silentLog } from '../../support/store.js';

const PASSWORD = 'correct horse battery';

describe('dx', () => {
  let folder: string;
  let config: Config;
  let env: Record<string, string>;
  beforeEach(() => {
    BCRYPT_COST.web = 4;
    folder = mkdtempSync(path.join(tmpdir(), 'dx-cli-'));
    env = { DX_STATE_DIR: folder, DX_DOMAIN: 'social.test', DX_CHAT_DOMAIN: 'chat.test', DX_PUBLIC_URL: 'https://social.test', DX_LOG_LEVEL: 'silent' };
    config = loadConfig(env, folder);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const run = async (args: string[], { stdin = '', more = {} }: { stdin?: string; more?: Record<string, string> } = {}) => {
    const result = { code: -1, out: '', err: '' };
    const io: Io = {
      out: (text) => void (result.out += text),
      err: (text) => void (result.err += text),
      env: { ...env, ...more },
      directory: folder,
      readStdin: async () => stdin,
      stopped: async () => {},
    };
    result.code = await main(args, io);
    return result;
  };
  const migrated = () => run(['migrate']);
  const withContext = async <T>(work: (ctx: Context) => Promise<T>): Promise<T> => {
    const { ctx, close } = await openContext(config, { log: silentLog });
    try {
      return await work(ctx);
    } finally {
      await close();
    }
  };

  describe('usage', () => {
    test.each([['--help'], ['account', '--help'], ['account', 'create', '--help'], ['queue', 'list', '--help'], ['snippet', '--help'], ['help', 'migrate']])('%s %s: help on stdout, exit 0', async (...args) => {
      const { code, out, err } = await run(args.filter(Boolean));
      expect([code, err]).toEqual([0, '']);
      expect(out).toMatch(/^Usage: dx/);
    });

    test.each([
      [[]],
      [['nonsense']],
      [['migrate', '--plan', '--revert']],
      [['migrate', 'extra']],
      [['account']],
      [['account', 'create']],
      [['account', 'create', 'alice']],
      [['account', 'create', 'al ice', '--email', 'a@mail.test']],
      [['account', 'create', 'alice', '--email', 'nonsense']],
      [['app-password', 'revoke', 'alice']],
      [['app-password', 'revoke', 'alice', '1', '--all']],
      [['app-password', 'revoke', 'alice', 'x']],
      [['queue', 'retry']],
      [['queue', 'drop', '-1']],
      [['queue', 'drop']],
      [['queue', 'retry', '1', '--server', 'b.example']],
      [['queue', 'pause']],
      [['queue', 'drop', '1e9']],
      [['doctor', '--chat-server', 'nowhere']],
      [['snippet', 'apache']],
      [['serve', '--port', '3000']],
    ])('%j is wrong usage: exit 2, the reason on stderr', async (args) => {
      await migrated();
      const { code, out, err } = await run(args);
      expect(code).toBe(2);
      expect(out).toBe('');
      expect(err).not.toBe('');
      expect(err).not.toMatch(/\n {4}at /);
    });

    test('a wrong configuration: all faults, exit 78', async () => {
      const { code, err } = await run(['config'], { more: { DX_DOMAIN: 'https://x', DX_LISTEN: 'x', DX_NONSENSE: '1' } });
      expect(code).toBe(78);
      for (const key of ['DX_DOMAIN', 'DX_LISTEN', 'DX_NONSENSE']) expect(err).toContain(key);
    });

    test('a database that cannot be reached: exit 1, a sentence', async () => {
      const { code, err } = await run(['account', 'list'], { more: { DX_DATABASE_URL: 'postgres://dx:secret-canary@127.0.0.1:1/dx' } });
      expect(code).toBe(1);
      expect(err).not.toContain('secret-canary');
      expect(err).not.toMatch(/\n {4}at /);
    });
  });

  test('migrate: plan, do, nothing left, undo', async () => {
    const plan = JSON.parse((await run(['migrate', '--plan', '--json'])).out).pending;
    expect(plan.length).toBeGreaterThan(0);
    expect((await run(['account', 'list'])).err).toContain('dx migrate');
    const done = await run(['migrate']);
    expect(done.code).toBe(0);
    expect(done.out.trim().split('\n')).toHaveLength(plan.length);
    const again = await run(['migrate']);
    expect([again.code, again.out]).toEqual([0, '']);
    expect((await run(['migrate', '--revert'])).out).toBe(`undone: ${plan.at(-1)}\n`);
    for (let i = 1; i < plan.length; i++) await run(['migrate', '--revert']);
    expect((await run(['migrate', '--revert'])).code).toBe(1);
  });

  describe('account', () => {
    beforeEach(migrated);

    test('create prints a link alone on stdout', async () => {
      const { code, out, err } = await run(['account', 'create', 'Alice', '--email', 'alice@mail.test', '--admin']);
      expect(code).toBe(0);
      expect(out).toMatch(/^https:\/\/social\.test\/password\/reset\/[\w-]{43}\n$/);
      expect(err).toContain('alice@social.test');
      expect(JSON.parse((await run(['account', 'list', '--json'])).out)).toMatchObject([{ username: 'alice', email: 'alice@mail.test', state: 'active', isAdmin: true }]);
      expect((await run(['account', 'list'])).out).toMatch(/^alice {2}active {2}admin {2}alice@mail\.test/);
    });

    test.each(['a file', 'standard input'])('create reads the password from %s', async (from) => {
      writeFileSync(path.join(folder, 'password'), `${PASSWORD}\nnot this\n`);
      const made = await run(['account', 'create', 'alice', '--email', 'alice@mail.test', '--password-file', from === 'a file' ? 'password' : '-'], { stdin: `${PASSWORD}\r\n` });
      expect([made.code, made.out]).toEqual([0, '']);
      await withContext(async (ctx) => expect(await authenticate(ctx, 'alice', PASSWORD)).not.toBeNull());
    });

    test('a missing or empty password file, or a weak password, makes no account', async () => {
      expect((await run(['account', 'create', 'alice', '--email', 'a@mail.test', '--password-file', 'nowhere'])).code).toBe(1);
      expect((await run(['account', 'create', 'alice', '--email', 'a@mail.test', '--password-file', '-'])).code).toBe(1);
      expect((await run(['account', 'create', 'alice', '--email', 'a@mail.test', '--password-file', '-'], { stdin: 'short' })).code).toBe(2);
      expect(JSON.parse((await run(['account', 'list', '--json'])).out)).toEqual([]);
    });

    test('taken names and unknown ones: exit 1', async () => {
      await run(['account', 'create', 'alice', '--email', 'alice@mail.test']);
      expect((await run(['account', 'create', 'alice', '--email', 'other@mail.test'])).code).toBe(1);
      for (const command of ['suspend', 'activate', 'delete']) expect(await run(['account', command, 'nobody'])).toMatchObject({ code: 1, err: 'There is no account nobody.\n' });
    });

    test('suspend, activate, delete', async () => {
      await run(['account', 'create', 'alice', '--email', 'alice@mail.test']);
      const state = async () => JSON.parse((await run(['account', 'list', '--json'])).out)[0].state;
      expect((await run(['account', 'suspend', 'alice@social.test'])).code).toBe(0);
      expect(await state()).toBe('suspended');
      await run(['account', 'activate', 'ALICE']);
      expect(await state()).toBe('active');
      await run(['account', 'delete', 'alice']);
      expect(await state()).toBe('closed');
      expect((await run(['account', 'activate', 'alice'])).code).toBe(1);
    });
  });

  test('app-password: create prints it alone, list names it, revoke ends it', async () => {
    await migrated();
    await run(['account', 'create', 'alice', '--email', 'alice@mail.test']);
    const made = await run(['app-password', 'create', 'alice', '--label', 'Phone']);
    expect(made).toMatchObject({ code: 0, out: expect.stringMatching(/^([a-z2-9]{4}-){7}[a-z2-9]{4}\n$/) });
    const password = made.out.trim();
    const works = () => withContext(async (ctx) => (await checkAppPassword(ctx, 'alice', password, 'chat')) !== null);
    expect(await works()).toBe(true);
    const [listed] = JSON.parse((await run(['app-password', 'list', 'alice', '--json'])).out);
    expect(listed).toMatchObject({ label: 'Phone' });
    expect(JSON.stringify(listed)).not.toContain('$2b$');
    expect((await run(['app-password', 'revoke', 'alice', '999'])).code).toBe(1);
    expect((await run(['app-password', 'revoke', 'alice', String(listed.id)])).code).toBe(0);
    expect(await works()).toBe(false);
    await run(['app-password', 'create', 'alice', '--label', 'Tablet']);
    expect((await run(['app-password', 'revoke', 'alice', '--all'])).err).toMatch(/^Revoked: 1\./);
    expect((await run(['app-password', 'list', 'alice'])).out).toBe('');
  });

  test('queue: servers, pause, resume, retry and drop of a server', async () => {
    await migrated();
    const job = { kind: 'deliver', queue: 'xmpp', lane: 'xmpp:1:b.example', payload: { activityId: 'a', protocol: 'xmpp', host: 'b.example' } } as const;
    expect(await run(['queue', 'servers'])).toMatchObject({ code: 0, out: '', err: 'Nothing waits.\n' });
    await withContext(({ store }) => store.transaction((tx) => addJobs(tx, [job, job])));
    expect((await run(['queue', 'servers'])).out).toMatch(/^b\.example {2}xmpp {2}waiting 2 {2}failed 0 {2}/);
    expect((await run(['queue', 'pause', 'B.example'])).err).toBe('Paused: what goes to B.example waits.\n');
    expect((await run(['queue', 'pause', 'b.example'])).err).toBe('b.example is paused already.\n');
    expect((await run(['queue', 'servers'])).out).toContain('paused since');
    expect(JSON.parse((await run(['queue', 'servers', '--json'])).out)).toMatchObject([{ host: 'b.example', waiting: 2, pausedSince: expect.any(Number) }]);
    expect((await run(['queue', 'resume', 'b.example'])).err).toBe('Resumed: b.example.\n');
    expect((await run(['queue', 'resume', 'b.example'])).err).toBe('b.example is not paused.\n');
    expect((await run(['queue', 'retry', '--server', 'b.example'])).err).toBe('To be tried now: all that waits for b.example, and 0 that failed.\n');
    expect((await run(['queue', 'drop', '--server', 'b.example'])).err).toBe('Dropped for b.example: 2.\n');
    expect((await run(['queue', 'servers'])).out).toBe('');
    expect((await run(['queue', 'pause', 'no server'])).code).toBe(2);
  });

  test('account: promote and demote', async () => {
    await migrated();
    await run(['account', 'create', 'alice', '--email', 'alice@mail.test']);
    const isAdmin = async () => JSON.parse((await run(['account', 'list', '--json'])).out)[0].isAdmin;
    expect(await isAdmin()).toBe(false);
    expect((await run(['account', 'promote', 'alice'])).code).toBe(0);
    expect(await isAdmin()).toBe(true);
    expect((await run(['account', 'demote', 'alice'])).code).toBe(0);
    expect(await isAdmin()).toBe(false);
  });

  test('queue: counts, list, drop; an unknown id changes nothing', async () => {
    await migrated();
    expect(await run(['queue'])).toMatchObject({ code: 0, out: '', err: 'Nothing waits.\n' });
    await withContext(({ store }) => store.transaction((tx) => addJobs(tx, [{ kind: 'profile-changed', queue: 'xmpp', payload: { actorId: 1 } }])));
    expect((await run(['queue'])).out).toMatch(/^xmpp {2}profile-changed {2}waiting 1 {2}running 0 {2}failed 0/);
    expect(JSON.parse((await run(['queue', '--json'])).out)).toMatchObject([{ waiting: 1 }]);
    const [job] = JSON.parse((await run(['queue', 'list', '--json'])).out);
    expect(job).toMatchObject({ kind: 'profile-changed', failed: false });
    expect(JSON.parse((await run(['queue', 'list', '--failed', '--json'])).out)).toEqual([]);
    expect((await run(['queue', 'list'])).out).toContain('profile-changed');
    expect((await run(['queue', 'retry', String(job.id)])).code).toBe(1);
    expect((await run(['queue', 'drop', String(job.id), '999'])).code).toBe(1);
    expect(JSON.parse((await run(['queue', 'list', '--json'])).out)).toHaveLength(1);
    expect((await run(['queue', 'drop', String(job.id)])).code).toBe(0);
    expect(JSON.parse((await run(['queue', 'list', '--json'])).out)).toEqual([]);
  });

  test('config hides secrets', async () => {
    const { code, out } = await run(['config'], { more: { DX_DATABASE_URL: 'postgres://dx:secret-canary@db.test/dx', DX_MAIL_URL: 'smtp://u:mail-canary@mail.test' } });
    expect(code).toBe(0);
    expect(out).toContain('DX_DOMAIN=social.test\n');
    expect(out).not.toMatch(/canary/);
    expect(out).not.toContain(config.secret);
    expect(JSON.parse((await run(['config', '--json'])).out)).toMatchObject({ DX_DOMAIN: 'social.test' });
  });

  describe('snippet', () => {
    test('prosody has both sides, and asks for logins', async () => {
      const { code, out } = await run(['snippet', 'prosody'], { more: { DX_COMPONENT_URL: 'xmpp://192.0.2.1:5555', DX_COMPONENT_SECRET: 'component-secret' } });
      expect(code).toBe(0);
      for (const line of ['Component "social.test"', 'component_secret = "component-secret"', 'component_ports = { 5555 }', 'VirtualHost "chat.test"', 'authentication = "diaspora_x"', `diaspora_x_auth_secret = "${config.authSecret}"`, 'c2s_require_encryption = true', 'modules_enabled = { "diaspora_x_fanout" }', 'diaspora_x_fanout_senders = { "social.test" }', 'gc = {', '--   DX_COMPONENT_URL=xmpp://192.0.2.1:5555']) {
        expect(out).toContain(line);
      }
    });

    test('without a chat domain, prosody is asked for no logins', async () => {
      const { out } = await run(['snippet', 'prosody'], { more: { DX_CHAT_DOMAIN: '' } });
      expect(out).not.toContain('diaspora_x_auth_secret');
    });

    test('ejabberd has the component, the limits and the logins', async () => {
      const { code, out } = await run(['snippet', 'ejabberd']);
      expect(code).toBe(0);
      for (const line of ['module: ejabberd_service', '"social.test":', 'auth_use_cache: false', 'X-OAUTH2', 'max_stanza_size: 65536', 'backlog: 128', 'mod_multicast:', 'starttls_required: true', 'DX_CHAT_DOMAIN=chat.test\n', '"chat.test":\n', 'auth_method: [external]', '/usr/local/lib/diaspora-x/ejabberd-auth.mjs --url http://', `DX_AUTH_SECRET=${config.authSecret}`]) expect(out).toContain(line);
      // The secret is in a file, not among the program's arguments, which every user of the machine sees.
      expect(/extauth_program: .*/.exec(out)![0]).not.toContain(config.authSecret);
    });

    test('without a chat domain, ejabberd asks for no logins', async () => {
      const { out } = await run(['snippet', 'ejabberd'], { more: { DX_CHAT_DOMAIN: '' } });
      for (const line of ['extauth', 'host_config:', config.authSecret]) expect(out).not.toContain(line);
    });

    test('systemd runs this program, in this folder, and lets it write into its own state alone', async () => {
      const { code, out } = await run(['snippet', 'systemd']);
      expect(code).toBe(0);
      const keys = Object.fromEntries(out.split('\n').flatMap((line) => (/^[A-Z]\w*=/.test(line) ? [[line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]] : [])));
      expect(keys).toMatchObject({ Type: 'notify', NotifyAccess: 'all', WorkingDirectory: folder, ReadWritePaths: folder, ProtectSystem: 'strict', NoNewPrivileges: 'true', CapabilityBoundingSet: '', RestartPreventExitStatus: '78' });
      expect(keys['ExecStart']).toBe(`${process.execPath} ${path.resolve(import.meta.dirname, '../../../bin/dx')} serve`);
      expect(Number(keys['TimeoutStopSec'])).toBeGreaterThan(10);
      for (const secret of [config.secret, config.authSecret]) expect(out).not.toContain(secret);
    });

    test('systemd: a blank or a percent sign in a path is written as systemd reads it, a low port gets its right', async () => {
      const { out } = await run(['snippet', 'systemd'], { more: { DX_STATE_DIR: '/srv/my 100% state', DX_DATABASE_URL: 'sqlite:/srv/db/x.sqlite', DX_LISTEN: '0.0.0.0:80' } });
      expect(out).toContain('\nReadWritePaths="/srv/my 100%% state" /srv/db\n');
      expect(out).toContain('\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n');
    });

    test('systemd with roles: a unit each, with ports of its own; on SQLite there is none', async () => {
      const { code, out } = await run(['snippet', 'systemd', '--roles'], { more: { DX_DATABASE_URL: 'postgres://dx:pa55word@127.0.0.1/dx' } });
      expect(code).toBe(0);
      const program = `${process.execPath} ${path.resolve(import.meta.dirname, '../../../bin/dx')}`;
      for (const role of ['web', 'worker', 'connector']) expect(out).toContain(`\nExecStart=${program} ${role}\n`);
      expect(out).toContain('# /etc/systemd/system/diaspora-x-web@.service');
      for (const line of ['DX_LISTEN=127.0.0.1:%i', 'DX_AUTH_LISTEN=127.0.0.1:1%i', 'DX_METRICS_LISTEN=127.0.0.1:2400%i']) expect(out).toContain(`\nEnvironment=${line}\n`);
      expect(out).not.toContain('pa55word');
      expect((await run(['snippet', 'systemd', '--roles'])).code).toBe(78);
      // Of its examples none has a port that is another one's, as it is set or by default.
      const { listen, authListen, metricsListen } = config;
      const ports = [...out.matchAll(/diaspora-x-web@(\d+)/g)].flatMap(([, port]) => [Number(port), Number(`1${port}`), Number(`2${port}`)]);
      expect(ports[0]).toBe(listen.port);
      expect(new Set([...ports, 3001, 3002, authListen.port, metricsListen.port, 24001, 24002, 25001, 25002]).size).toBe(ports.length + new Set([3001, 3002, authListen.port, metricsListen.port]).size + 4);
      expect(out).toContain(`DX_AUTH_LISTEN=127.0.0.1:1${listen.port}`);
    });

    test('nginx speaks TLS for the public address, sets whose address it is anew, and holds no event back', async () => {
      const { code, out } = await run(['snippet', 'nginx'], { more: { DX_LISTEN: '[::]:3300' } });
      expect(code).toBe(0);
      for (const line of ['listen 443 ssl http2;', 'server_name social.test;', 'proxy_pass http://[::1]:3300;', 'proxy_set_header X-Forwarded-For $remote_addr;', 'proxy_set_header X-Forwarded-Proto $scheme;', 'location = /events {', 'proxy_buffering off;']) expect(out).toContain(line);
      expect(out.split('{').length).toBe(out.split('}').length);
      expect(out).not.toContain('DX_PUBLIC_URL is');
      expect((await run(['snippet', 'nginx'], { more: { DX_PUBLIC_URL: 'http://localhost:3000' } })).out).toContain('set DX_PUBLIC_URL=https://social.test');
    });

    test('when no secret is set, the same one is proposed each time', async () => {
      const secret = async (name: string) => /DX_COMPONENT_SECRET=([0-9a-f]{64})/.exec((await run(['snippet', name])).out)![1];
      expect(await secret('prosody')).toBe(await secret('ejabberd'));
      expect(await secret('prosody')).not.toBe(config.secret);
    });
  });
});
