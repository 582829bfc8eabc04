// What dx doctor's probes and the printed configuration meet on real servers.
import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { promisify } from 'node:util';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createAuthServer } from '../../src/auth/endpoint.js';
import { examine } from '../../src/cli/doctor.js';
import { SNIPPETS } from '../../src/cli/snippets.js';
import { probeComponent, probeLogin } from '../../src/cli/xmpp-probe.js';
import { createAccount } from '../../src/services/accounts.js';
import { createAppPassword, revokeAllAppPasswords } from '../../src/services/app-passwords.js';
import { BCRYPT_COST } from '../../src/services/passwords.js';
import { listAccounts } from '../../src/store/accounts.js';
import { type TestContext, testContext } from '../support/context.js';
import { freePort, SERVERS, server, startProsody } from '../support/servers/index.js';

beforeAll(() => {
  BCRYPT_COST.web = 4;
});

describe.each(SERVERS)('the component listener of %s', (name) => {
  test('lets us in with the secret, and says what is wrong otherwise', async () => {
    const { component } = await server(name);
    expect(await probeComponent(component, component.domain, component.secret)).toBe('accepted');
    expect(await probeComponent(component, component.domain, 'wrong')).toBe('not-authorized');
    expect(await probeComponent(component, 'stranger.test', component.secret)).toBe(name === 'prosody' ? 'host-unknown' : 'not-authorized');
  });

  test('a port where nothing listens is named', async () => {
    await expect(probeComponent({ host: '127.0.0.1', port: await freePort() }, 'social.test', 'x')).rejects.toThrow('ECONNREFUSED');
  });
});

describe('chat logins through Prosody', () => {
  let ctx: TestContext;
  let endpoint: Server;
  let chat: { host: string; port: number };
  let domain: string;
  beforeAll(async () => {
    const prosody = await server('prosody');
    const { domain: chatDomain, listen, secret } = prosody.authChat!;
    const { component } = prosody;
    domain = chatDomain;
    chat = { host: prosody.host, port: prosody.c2sPort };
    ctx = await testContext({
      DX_DOMAIN: component.domain,
      DX_CHAT_DOMAIN: domain,
      DX_AUTH_LISTEN: listen,
      DX_AUTH_SECRET: secret,
      DX_COMPONENT_URL: component.url,
      DX_COMPONENT_SECRET: component.secret,
      DX_LISTEN: `127.0.0.1:${await freePort()}`,
    });
    ctx.config.publicUrl = `http://127.0.0.1:${ctx.config.listen.port}`;
    ctx.config.databaseUrl = `sqlite:${path.join(ctx.config.stateDir, 'test.sqlite')}`;
    endpoint = createAuthServer(ctx);
    await new Promise<void>((resolve) => endpoint.listen(ctx.config.authListen.port, ctx.config.authListen.host, resolve));
  });
  afterAll(async () => {
    endpoint.close();
    endpoint.closeAllConnections();
    await ctx.close();
  });

  test('an app password logs in, a wrong and a revoked one do not', async () => {
    const { account } = await createAccount(ctx, { username: 'alice', email: 'alice@mail.test', password: 'correct horse battery' });
    const { password } = await createAppPassword(ctx, account, 'Phone');
    expect(await probeLogin(chat, domain, 'alice', password)).toMatchObject({ outcome: 'in', mechanisms: ['PLAIN'], plainWithoutTls: true, encrypted: false });
    expect(await probeLogin(chat, domain, 'alice', 'correct horse battery')).toMatchObject({ outcome: 'refused', detail: 'not-authorized' });
    await revokeAllAppPasswords(ctx, account);
    expect(await probeLogin(chat, domain, 'alice', password)).toMatchObject({ outcome: 'refused' });
  });

  test('doctor logs in with a throw-away app password and leaves nothing behind', async () => {
    // The service's own pages, as far as doctor asks them.
    const web = createServer((request, response) => void response.end(request.url === '/readyz' ? JSON.stringify({ ready: true, parts: { component: { ok: true, text: 'connected' } } }) : 'ok'));
    await new Promise<void>((resolve) => web.listen(ctx.config.listen.port, ctx.config.listen.host, resolve));
    // Doctor opens the database by itself; here the endpoint must see the same one.
    const { openStore } = await import('../../src/store/open.js');
    const shared = await openStore(ctx.config.databaseUrl, ctx.log);
    await shared.migrate();
    const before = ctx.store;
    ctx.store = shared;
    const checks = await examine(ctx.config, { chatServer: chat });
    // This Prosody takes PLAIN without TLS; from loopback the doctor cannot see that it does so here only.
    expect(checks.filter((check) => check.state !== 'ok').map(({ name, state }) => `${state} ${name}`)).toEqual(['warn chat encryption', 'warn chat fan-out']);
    expect(checks.find((check) => check.name === 'chat cache')?.text).toMatch(/a revoked app password fails at once/);
    expect(checks.some((check) => check.name.startsWith('ejabberd'))).toBe(false);
    expect(checks.find((check) => check.name === 'chat fan-out')).toMatchObject({ state: 'warn', remedy: expect.stringContaining('mod_diaspora_x_fanout') });
    expect(checks.find((check) => check.name === 'chat login')?.text).toMatch(/a fresh app password logs in \(\d+ ms\), a wrong one does not/);
    expect(await listAccounts(shared)).toEqual([]);
    // The endpoint asks another database than doctor does: the login fails, and the line says so.
    ctx.store = before;
    const broken = await examine(ctx.config, { chatServer: chat });
    expect(broken.filter((check) => check.state === 'fail')).toEqual([expect.objectContaining({ name: 'chat login', text: expect.stringContaining('refused a fresh app password') })]);
    await shared.close();
    web.close();
    web.closeAllConnections();
  });
});

test('with STARTTLS the login is encrypted, and the probe tells of a certificate that nobody trusts', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-certificate-'));
  const [key, certificate] = [path.join(folder, 'key.pem'), path.join(folder, 'certificate.pem')];
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=tls.test', '-addext', 'subjectAltName=DNS:tls.test', '-keyout', key, '-out', certificate]);
  const prosody = await startProsody({
    chatDomains: ['tls.test'],
    extraConfig: `modules_enabled = { "saslauth", "tls", "disco" }
c2s_require_encryption = true
allow_unencrypted_plain_auth = false
ssl = { key = "${key}", certificate = "${certificate}" }`,
  });
  await prosody.register('tls.test', 'romeo', 'secret');
  const chat = { host: prosody.host, port: prosody.c2sPort };
  expect(await probeLogin(chat, 'tls.test', 'romeo', 'secret')).toMatchObject({
    outcome: 'in',
    encrypted: true,
    plainWithoutTls: false,
    certificateFault: expect.stringMatching(/SELF_SIGNED/),
    mechanisms: expect.arrayContaining(['PLAIN']),
  });
  expect(await probeLogin(chat, 'tls.test', 'romeo', 'wrong')).toMatchObject({ outcome: 'refused', encrypted: true });
  await expect(probeLogin(chat, 'elsewhere.test', 'romeo', 'secret')).rejects.toThrow('host-unknown');
  await prosody.destroy();
  rmSync(folder, { recursive: true });
});

test('Prosody reads the printed configuration, and has nothing to complain about', async () => {
  const ctx = await testContext();
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-snippet-'));
  const file = path.join(folder, 'prosody.cfg.lua');
  writeFileSync(file, SNIPPETS.prosody(ctx.config));
  const { stdout, stderr } = await promisify(execFile)('prosodyctl', ['--config', file, '--root', 'check', 'config']).catch((error) => error);
  expect(`${stdout}${stderr}`).toContain('All checks passed');
  expect(`${stdout}${stderr}`).not.toContain('unreferenced');
  rmSync(folder, { recursive: true });
  await ctx.close();
});
