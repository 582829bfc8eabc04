// dx doctor at a real ejabberd: one as the printed configuration makes it, and one that has every fault which the doctor looks for.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
// @ts-expect-error plain JavaScript
import { buildEjabberdAuth } from '../../scripts/build.mjs';
import type { Check } from '../../src/cli/checks.js';
import { examine } from '../../src/cli/doctor.js';
import type { Config } from '../../src/config.js';
import { BCRYPT_COST } from '../../src/services/passwords.js';
import { listAccounts } from '../../src/store/accounts.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { type ChatEjabberd, startChatEjabberd } from '../support/servers/chat-ejabberd.js';
import { isRoot } from '../support/servers/daemon.js';
import { freePort } from '../support/servers/index.js';

const CHAT = 'chat.doctor.test';

let stateDir: string;
let env: Record<string, string>;
let program: string;
let app: Installation;
let good: ChatEjabberd;

beforeAll(async () => {
  BCRYPT_COST.web = 4;
  stateDir = mkdtempSync(path.join(tmpdir(), 'dx-doctor-ejabberd-'));
  env = { DX_DOMAIN: 'social.doctor.test', DX_CHAT_DOMAIN: CHAT, DX_AUTH_LISTEN: `127.0.0.1:${await freePort()}`, DX_AUTH_SECRET: 'auth-secret-of-this-test', DX_EJABBERD_API_URL: `http://127.0.0.1:${await freePort()}/path-that-is-a-key/api` };
  program = (await buildEjabberdAuth()) as string;
  good = await startChatEjabberd(env, program);
  app = await startInstallation({ component: { domain: 'social.doctor.test', host: '127.0.0.1', port: 0, secret: '' }, chatDomain: CHAT, stateDir, env });
});
afterAll(async () => {
  await app?.stop();
  await good?.destroy();
  rmSync(stateDir, { recursive: true, force: true });
});

/** What the doctor says of chat logins, by name of check. */
async function chatChecks(
  server: ChatEjabberd,
  port: number,
  doors: { httpPorts: number[]; mqttPorts: number[] } = { httpPorts: [], mqttPorts: [] },
  config: Partial<Config> = {},
): Promise<Record<string, Check[]>> {
  const checks = await examine({ ...app.config, ...config }, { chatServer: { host: '127.0.0.1', port }, ejabberd: { ...server.files, addresses: ['127.0.0.1'], ...doors } });
  expect(checks.filter((check) => (check.remedy ?? '') === '' && check.state !== 'ok')).toEqual([]);
  const byName: Record<string, Check[]> = {};
  for (const check of checks) (byName[check.name] ??= []).push(check);
  return byName;
}
const states = (checks: Check[] | undefined) => checks?.map(({ state }) => state);

test('with the printed configuration all is well', async () => {
  const checks = await chatChecks(good, good.tlsPort, { httpPorts: [await freePort()], mqttPorts: [await freePort()] });
  expect(checks['chat encryption']).toEqual([expect.objectContaining({ state: 'ok', text: expect.stringContaining('by TLS only') })]);
  expect(checks['chat mechanisms']).toEqual([expect.objectContaining({ state: 'ok', text: expect.stringMatching(/offers PLAIN; X-OAUTH2 is off/) })]);
  expect(checks['chat login']).toEqual([expect.objectContaining({ state: 'ok', text: expect.stringMatching(/logs in \(\d+ ms\), a wrong one does not/) })]);
  expect(checks['chat cache']).toEqual([expect.objectContaining({ state: 'ok', text: expect.stringContaining('a revoked app password fails at once') })]);
  expect(checks['chat fan-out']).toEqual([expect.objectContaining({ state: 'ok', text: expect.stringContaining('multiplies a post') })]);
  expect(checks['ejabberd program']?.map(({ text }) => text)).toContainEqual(expect.stringContaining('lets a fresh app password in'));
  expect(states(checks['ejabberd program'])).not.toContain('fail');
  expect(checks['ejabberd doors']).toEqual([expect.objectContaining({ state: 'ok' })]);
  expect(checks['ejabberd sessions']).toEqual([expect.objectContaining({ state: 'ok', text: expect.stringContaining('ends open sessions: tried with one') })]);
  expect(await listAccounts(app.ctx.store)).toEqual([]);
});

describe('ending sessions', () => {
  const sessions = async (url: string | null, server = good) =>
    (await chatChecks(server, server.tlsPort, undefined, { ejabberdApi: url === null ? null : { url, token: null } }))['ejabberd sessions'];
  const fault = (text: RegExp, remedy: RegExp, state = 'fail') => [expect.objectContaining({ state, text: expect.stringMatching(text), remedy: expect.stringMatching(remedy) })];

  test('without an address of the API, open sessions stay, which is told', async () => {
    expect(await sessions(null)).toEqual(fault(/DX_EJABBERD_API_URL is not set.*open sessions stay/, /dx snippet ejabberd/, 'warn'));
  });

  test('an API that is away or at another path is told, and its path never', async () => {
    const found = [
      await sessions(`http://127.0.0.1:${await freePort()}/path-that-is-a-key/api`),
      await sessions(env.DX_EJABBERD_API_URL!.replace('path-that-is-a-key', 'another-path-that-is-a-key')),
    ];
    expect(found[0]).toEqual(fault(/not reachable \(ECONNREFUSED\)\. Open sessions stay/, /listener at that address/));
    expect(found[1]).toEqual(fault(/status 404/, /The path is not the one/));
    expect(JSON.stringify(found)).not.toContain('path-that-is-a-key');
  });

  test('an API whose permissions refuse us is told', async () => {
    const api = `http://127.0.0.1:${await freePort()}/path-that-is-a-key/api`;
    const strict = await startChatEjabberd({ ...env, DX_EJABBERD_API_URL: api }, program, { change: (snippet) => snippet.replace('what: [kick_user]', 'what: [status]') });
    const refused = await sessions(api, strict).finally(() => strict.destroy());
    expect(refused).toEqual(fault(/\(status 403\)\. Open sessions stay/, /api_permissions do not allow kick_user/));
    expect(JSON.stringify(refused)).not.toContain('path-that-is-a-key');
  });

  test('the API of another ejabberd is told', async () => {
    const other = await startChatEjabberd({ ...env, DX_EJABBERD_API_URL: `http://127.0.0.1:${await freePort()}/of-the-other/api` }, program);
    const url = /DX_EJABBERD_API_URL=(\S+)/.exec(readFileSync(other.files.snippet, 'utf8'))![1]!;
    expect(await sessions(url)).toEqual(fault(/did not end an open session/, /Is it the ejabberd of chat\.doctor\.test/));
    await other.destroy();
  });
});

test('each deliberate fault is named, with what to do about it', async () => {
  const [http, mqtt] = [await freePort(), await freePort()];
  const bad = await startChatEjabberd({ ...env, DX_EJABBERD_API_URL: `http://127.0.0.1:${await freePort()}/of-the-bad-one/api` }, program, {
    change: (snippet) =>
      snippet
        .replace('auth_use_cache: false', 'auth_use_cache: true')
        .replace(/disable_sasl_mechanisms: .*/, 'disable_sasl_mechanisms: []')
        .replace('starttls_required: true', 'starttls: false')
        .replace(
          /^listen:\n/m,
          `listen:\n  -\n    port: ${http}\n    module: ejabberd_http\n    request_handlers:\n      /ws: ejabberd_http_ws\n      /api: mod_http_api\n  -\n    port: ${mqtt}\n    module: mod_mqtt\n`,
        ),
  });
  const checks = await chatChecks(bad, bad.tlsPort, { httpPorts: [http], mqttPorts: [mqtt] });
  expect(checks['chat encryption']).toEqual([expect.objectContaining({ state: 'warn', remedy: expect.stringContaining('starttls_required: true') })]);
  expect(checks['chat mechanisms']).toEqual([expect.objectContaining({ state: 'fail', text: expect.stringContaining('X-OAUTH2'), remedy: expect.stringContaining('disable_sasl_mechanisms') })]);
  expect(checks['chat cache']).toEqual([expect.objectContaining({ state: 'fail', remedy: expect.stringContaining('auth_use_cache: false') })]);
  expect(checks['ejabberd doors']).toEqual([
    expect.objectContaining({ state: 'fail', text: expect.stringContaining(`/ws on 127.0.0.1:${http}, /api on 127.0.0.1:${http}, MQTT on 127.0.0.1:${mqtt}`), remedy: expect.stringContaining('127.0.0.1') }),
  ]);
  await bad.destroy();
  expect(await listAccounts(app.ctx.store)).toEqual([]);
});

/** Changes a file of the installation for as long as the work takes. */
async function whileChanged(change: () => void, back: () => void): Promise<Check[]> {
  change();
  try {
    return (await chatChecks(good, good.tlsPort))['ejabberd program'] ?? [];
  } finally {
    back();
  }
}

test('a program that is missing, cannot start, or asks with a wrong secret is told', async () => {
  const { program: file, secret, snippet } = good.files;
  const aside = `${file}.aside`;
  const missing = await whileChanged(
    () => renameSync(file, aside),
    () => renameSync(aside, file),
  );
  expect(missing).toEqual([expect.objectContaining({ state: 'fail', text: expect.stringContaining('is not there'), remedy: expect.stringContaining('docs/ejabberd.md') })]);

  const wrongSecret = await whileChanged(
    () => writeFileSync(secret, 'another-secret-than-the-one'),
    () => writeFileSync(secret, env.DX_AUTH_SECRET!),
  );
  expect(wrongSecret).toContainEqual(expect.objectContaining({ state: 'fail', text: expect.stringContaining('refused our secret') }));
  expect(JSON.stringify(wrongSecret)).not.toContain('another-secret');

  const noNode = await whileChanged(
    () => execFileSync('sed', ['-i', `s#${process.execPath} ${file}#/proc/nowhere/node ${file}#`, snippet]),
    () => execFileSync('sed', ['-i', `s#/proc/nowhere/node ${file}#${process.execPath} ${file}#`, snippet]),
  );
  expect(noNode).toContainEqual(expect.objectContaining({ state: 'fail', text: expect.stringMatching(/does not start as ejabberd: ENOENT/) }));
});

test('files with the wrong rights are told', async () => {
  const { program: file, secret } = good.files;
  const open = await whileChanged(
    () => chmodSync(secret, 0o644),
    () => chmodSync(secret, 0o640),
  );
  expect(open).toContainEqual(expect.objectContaining({ state: 'fail', text: expect.stringContaining('every user of this machine'), remedy: expect.stringContaining('chmod 640') }));
  const writable = await whileChanged(
    () => chmodSync(file, 0o666),
    () => chmodSync(file, 0o644),
  );
  expect(writable).toContainEqual(expect.objectContaining({ state: 'warn', text: expect.stringContaining('can be changed') }));
  const closed = await whileChanged(
    () => chmodSync(secret, 0o600),
    () => chmodSync(secret, 0o640),
  );
  // Who is not root is the only user there is, and owns the file.
  if (isRoot) expect(closed).toContainEqual(expect.objectContaining({ state: 'fail', text: expect.stringMatching(/cannot read .*EACCES/) }));
});
