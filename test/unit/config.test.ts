import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, describeConfig, KEYS, loadConfig } from '../../src/config.js';
import { renderConfigDocs } from '../support/config-docs.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'dx-config-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const faultsOf = (env: NodeJS.ProcessEnv): string[] => {
  try {
    loadConfig(env, directory);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
};

test('an empty environment gives what the documentation promises', () => {
  expect(loadConfig({}, directory)).toMatchObject({
    domain: 'social.localhost',
    chatDomain: 'localhost',
    publicUrl: 'http://localhost:3000',
    listen: { host: '127.0.0.1', port: 3000 },
    databaseUrl: `sqlite:${join(directory, 'var/diaspora-x.sqlite')}`,
    mailUrl: `file:${join(directory, 'var/mail')}`,
    mailFrom: 'no-reply@social.localhost',
    component: null,
    rateLimits: true,
  });
});

test('secrets are made once, kept, and readable by their owner alone', () => {
  const first = loadConfig({}, directory);
  expect(first.secret).toMatch(/^[0-9a-f]{64}$/);
  expect(first.authSecret).not.toBe(first.secret);
  expect(loadConfig({}, directory).secret).toBe(first.secret);
  expect(statSync(join(directory, 'var/secret')).mode & 0o777).toBe(0o600);
});

test('.env is read, and the environment wins over it', () => {
  writeFileSync(join(directory, '.env'), 'DX_DOMAIN=social.example.org\nDX_LOG_LEVEL=debug\n');
  expect(loadConfig({ DX_LOG_LEVEL: 'warn' }, directory)).toMatchObject({ domain: 'social.example.org', logLevel: 'warn' });
});

test('a secret may stand in a file', () => {
  writeFileSync(join(directory, 'secret'), 'from-a-file-of-mine\n');
  expect(loadConfig({ DX_SECRET_FILE: 'secret' }, directory).secret).toBe('from-a-file-of-mine');
});

test("the private Prosody's listener is found in the state dir", () => {
  loadConfig({}, directory);
  rmSync(join(directory, 'var'), { recursive: true });
  const fromUrl = loadConfig({ DX_COMPONENT_URL: 'xmpp://[::1]:5347', DX_COMPONENT_SECRET: 's' }, directory);
  expect(fromUrl.component).toEqual({ host: '::1', port: 5347, secret: 's' });
});

test('every fault is listed at once, each with what to write instead', () => {
  const faults = faultsOf({
    DX_DOMAIN: 'https://social.example.org',
    DX_LISTEN: '3000',
    DX_DATABASE_URL: 'mysql://localhost/x',
    DX_COMPONENT_URL: 'xmpp://localhost:5347',
    DX_SECRET: 'short',
    DX_DOMIAN: 'x',
    DX_LOG_LEVEL: 'loud',
    DX_AUTH_SECRET_FILE: 'nowhere',
  });
  expect(faults).toHaveLength(8);
  expect(faults.join('\n')).toMatch(/DX_DOMIAN is not a key that we know; did you mean DX_DOMAIN\?/);
  expect(faults.join('\n')).toMatch(/DX_LISTEN is "3000": write HOST:PORT/);
  expect(faults.join('\n')).toMatch(/DX_COMPONENT_SECRET is missing/);
  expect(faults.join('\n')).not.toContain('short');
});

test('a wrong configuration leaves no files behind', () => {
  faultsOf({ DX_LISTEN: 'nonsense' });
  expect(existsSync(join(directory, 'var'))).toBe(false);
});

test.each([
  ['the same domain twice', { DX_DOMAIN: 'example.org', DX_CHAT_DOMAIN: 'example.org' }, 'needs a domain of its own'],
  ['no limits on a public address', { DX_RATE_LIMITS: 'off', DX_LISTEN: '0.0.0.0:3000' }, 'allowed only while DX_LISTEN is a loopback'],
  ['a key and its file', { DX_SECRET: 'x'.repeat(20), DX_SECRET_FILE: 'f' }, 'both set'],
  ['a file for what is no secret', { DX_DOMAIN_FILE: 'f' }, 'not a key'],
  ['a component without a port', { DX_COMPONENT_URL: 'xmpp://localhost', DX_COMPONENT_SECRET: 's' }, 'write the port too'],
])('refused: %s', (_what, env, text) => expect(faultsOf(env).join('\n')).toContain(text));

test('no chat domain is a choice', () => expect(loadConfig({ DX_CHAT_DOMAIN: '' }, directory).chatDomain).toBe(''));

test('what is shown of the configuration has every key and no secret', () => {
  const config = loadConfig({ DX_DATABASE_URL: 'postgres://dx:canary@localhost/dx', DX_SECRET: 'canary-canary-canary', DX_EJABBERD_API_URL: 'http://127.0.0.1:5285/canary/api' }, directory);
  const shown = describeConfig(config);
  expect(Object.keys(shown).sort()).toEqual(Object.keys(KEYS).sort());
  expect(JSON.stringify(shown)).not.toContain('canary');
  expect(describeConfig(loadConfig({ DX_EJABBERD_API_URL: 'http://127.0.0.1:5280/api' }, directory)).DX_EJABBERD_API_URL).toBe('http://127.0.0.1:5280/api');
});

test('docs/config.md says what the code does (npm run docs writes it)', () => {
  expect(readFileSync(join(import.meta.dirname, '../../docs/config.md'), 'utf8')).toBe(renderConfigDocs());
});
