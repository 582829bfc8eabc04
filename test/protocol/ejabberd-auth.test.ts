// Chat logins at a real ejabberd with the configuration that `dx snippet ejabberd` prints (only its two installation folders are others), the built
// program copied alone, and a real installation behind it. ejabberd runs as the user of Debian's package.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
// @ts-expect-error plain JavaScript
import { buildEjabberdAuth } from '../../scripts/build.mjs';
import { suspendAccount } from '../../src/services/accounts.js';
import { createAppPassword, forgetVerified, revokeAppPassword } from '../../src/services/app-passwords.js';
import { BCRYPT_COST } from '../../src/services/passwords.js';
import { type Installation, PASSWORD, startInstallation } from '../support/installation.js';
import { isRoot } from '../support/servers/daemon.js';
import { type ChatEjabberd, startChatEjabberd } from '../support/servers/chat-ejabberd.js';
import { callEjabberd, freePort } from '../support/servers/index.js';
import { connect } from '../support/xmpp-client.js';

const CHAT = 'chat.ejabberd-auth.test';
const SOCIAL = 'social.ejabberd-auth.test';

let stateDir: string;
let env: Record<string, string>;
let app: Installation;
let ejabberd: ChatEjabberd;

beforeAll(async () => {
  BCRYPT_COST.web = 4;
  stateDir = mkdtempSync(path.join(tmpdir(), 'dx-ejabberd-auth-'));
  env = { DX_DOMAIN: SOCIAL, DX_CHAT_DOMAIN: CHAT, DX_AUTH_LISTEN: `127.0.0.1:${await freePort()}`, DX_AUTH_SECRET: 'auth-secret-of-this-test' };
  ejabberd = await startChatEjabberd(env, (await buildEjabberdAuth()) as string);
  app = await install();
});
afterAll(async () => {
  await app?.stop();
  await ejabberd?.destroy();
  rmSync(stateDir, { recursive: true, force: true });
});

const install = () => startInstallation({ component: { domain: SOCIAL, host: '127.0.0.1', port: 0, secret: '' }, chatDomain: CHAT, stateDir, env });

/** What a client does, byte for byte: STARTTLS, SASL PLAIN. Gives the names of the answer's elements: `success`, `failure not-authorized`, `error policy-violation` … */
async function login(username: string, password: string): Promise<string> {
  let socket: net.Socket = net.connect(ejabberd.tlsPort, '127.0.0.1');
  const open = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='${CHAT}' version='1.0'>`;
  /** Sends, and waits for one of these elements, or the end of the stream. */
  const exchange = (text: string, wanted: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      let got = '';
      const finish = (error?: Error) => {
        socket.removeAllListeners();
        socket.on('error', () => {}); // it is over: what the server thinks of what we still sent does not matter
        if (error) reject(error);
        else resolve(got);
      };
      socket.setEncoding('utf8');
      socket.on('data', (chunk) => {
        got += chunk;
        if (wanted.test(got)) finish();
      });
      socket.on('close', () => finish());
      socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : error));
      socket.write(text);
    });
  try {
    const first = await exchange(open, /<\/stream:features>/);
    if (/<mechanism>/.test(first) || !/<required\/>/.test(first)) throw new Error(`passwords are taken without TLS: ${first}`);
    await exchange("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", /<proceed/);
    socket = tls.connect({ socket, rejectUnauthorized: false });
    const features = await exchange(open, /<\/stream:features>/);
    const mechanisms = [...features.matchAll(/<mechanism>([^<]*)/g)].map((match) => match[1]);
    if (mechanisms.join() !== 'PLAIN') throw new Error(`offered: ${mechanisms.join()}`);
    const auth = Buffer.from(`\0${username}\0${password}`).toString('base64');
    const answer = await exchange(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${auth}</auth>`, /<success|<\/failure>|<\/stream:stream>/);
    return answer.includes('<success') ? 'success' : (/<(?:stream:)?(failure|error)[^>]*><([a-z-]+)/.exec(answer)?.slice(1, 3).join(' ') ?? answer);
  } finally {
    socket.destroy();
  }
}

const REFUSED = 'failure not-authorized';

/** Process ids of the running copies of the program, and who they run as. */
function workers(): { pid: number; uid: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [interpreter, script] = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
        return interpreter === process.execPath && script === ejabberd.files.program ? [{ pid: Number(name), uid: statSync(`/proc/${name}`).uid }] : [];
      } catch {
        return []; // it has ended in between
      }
    })
    .sort((a, b) => a.pid - b.pid);
}

test('ejabberd starts as many programs as the snippet says, with the rights of its own user', () => {
  const user = isRoot ? Number(execFileSync('id', ['-u', 'ejabberd'], { encoding: 'utf8' })) : process.getuid!();
  expect(workers().map(({ uid }) => uid)).toEqual([user, user, user, user]);
  if (isRoot) expect(user).not.toBe(0);
});

test('two app passwords of one account log in by turns, and one that is revoked fails at the next login', async () => {
  const alice = await app.account('alice');
  const [phone, laptop] = [await createAppPassword(app.ctx, alice, 'Phone'), await createAppPassword(app.ctx, alice, 'Laptop')];
  for (let turn = 0; turn < 6; turn++) {
    expect(await login('alice', phone.password)).toBe('success');
    expect(await login('alice', laptop.password)).toBe('success');
  }
  await revokeAppPassword(app.ctx, alice, phone.row.id);
  // Each worker is asked: none may have kept the answer.
  for (let turn = 0; turn < 5; turn++) {
    expect(await login('alice', phone.password)).toBe(REFUSED);
    expect(await login('alice', laptop.password)).toBe('success');
  }
});

test('a real client opens a session', async () => {
  const anna = await app.account('anna');
  const { password } = await createAppPassword(app.ctx, anna, 'Phone');
  const server = { host: ejabberd.host, c2sPort: ejabberd.c2sPort, chatDomain: CHAT };
  const client = await connect({ server, username: 'anna', domain: CHAT, password, jid: `anna@${CHAT}` });
  expect(client.bareJid).toBe(`anna@${CHAT}`);
  await client.disconnect();
});

test('wrong, foreign, empty and web passwords are refused, and unknown or suspended accounts', async () => {
  const [bea, carl] = [await app.account('bea'), await app.account('carl')];
  const { password } = await createAppPassword(app.ctx, bea, 'Phone');
  for (const wrong of [PASSWORD, '', `${password}x`, password.slice(1), `a:${password}`, 'päß:wörd 🔑', 'x'.repeat(40_000)]) expect([wrong, await login('bea', wrong)]).toEqual([wrong, REFUSED]);
  expect(await login('carl', password)).toBe(REFUSED);
  expect(await login('nobody', password)).toBe(REFUSED);
  const carls = await createAppPassword(app.ctx, carl, 'Phone');
  expect(await login('carl', carls.password)).toBe('success');
  await suspendAccount(app.ctx, carl);
  expect(await login('carl', carls.password)).toBe(REFUSED);
  expect(await login('bea', password)).toBe('success');
});

test('UTF-8 in a password reaches the service: dashes of a phone stand for hyphens', async () => {
  const dora = await app.account('dora');
  const { password } = await createAppPassword(app.ctx, dora, 'Phone');
  expect(await login('dora', password.replaceAll('-', '–'))).toBe('success');
  expect(await login('dora', password.replaceAll('-', 'ü'))).toBe(REFUSED);
});

test('ejabberd learns which accounts exist, and can neither make nor change nor remove one', async () => {
  const emil = await app.account('emil');
  const { password } = await createAppPassword(app.ctx, emil, 'Phone');
  const call = (command: string, args: object) => callEjabberd(ejabberd.apiUrl!, command, args).catch((error: Error) => error.message);
  expect(await call('check_account', { user: 'emil', host: CHAT })).toBe(0);
  expect(await call('check_account', { user: 'nobody', host: CHAT })).toBe(1);
  expect(await call('register', { user: 'newcomer', host: CHAT, password: 'pw' })).toMatch(/not_allowed|not allowed/i);
  await call('change_password', { user: 'emil', host: CHAT, newpass: 'pw' });
  await call('unregister', { user: 'emil', host: CHAT });
  expect(await call('check_account', { user: 'newcomer', host: CHAT })).toBe(1);
  expect(await login('emil', 'pw')).toBe(REFUSED);
  expect(await login('emil', password)).toBe('success');
});

test('a hundred passwords of 64 KiB and more cost no worker', async () => {
  const fred = await app.account('fred');
  const { password } = await createAppPassword(app.ctx, fred, 'Phone');
  const before = workers();
  const results: Record<string, number> = {};
  const lengths = Array.from({ length: 100 }, (_, index) => 65_500 + index);
  for (let at = 0; at < lengths.length; at += 10) {
    for (const result of await Promise.all(lengths.slice(at, at + 10).map((length) => login('fred', 'x'.repeat(length))))) results[result] = (results[result] ?? 0) + 1;
  }
  expect(results).toEqual({ 'error policy-violation': 100 });
  expect(workers()).toEqual(before);
  expect(await login('fred', password)).toBe('success');
});

test('while the service is away logins are refused, and when it is back the same programs go on', async () => {
  const gina = await app.account('gina');
  const { password } = await createAppPassword(app.ctx, gina, 'Phone');
  expect(await login('gina', password)).toBe('success');
  const before = workers();
  await app.stop();
  // Just gone, it might be restarting: each program waits, as long as there is time.
  expect(await Promise.all(Array.from({ length: 5 }, () => login('gina', password)))).toEqual(Array.from({ length: 5 }, () => REFUSED));
  expect(readFileSync(path.join(ejabberd.folder, 'output.log'), 'utf8')).toContain(`no answer from http://${env.DX_AUTH_LISTEN}: ECONNREFUSED`);
  forgetVerified(); // as in a new process
  app = await install();
  // At once: each worker's kept connection has gone stale.
  expect(await Promise.all(Array.from({ length: 20 }, () => login('gina', password)))).toEqual(Array.from({ length: 20 }, () => 'success'));
  expect(workers()).toEqual(before);
});

test('no log of ejabberd or of the program holds a password', async () => {
  const hans = await app.account('hans');
  const { password } = await createAppPassword(app.ctx, hans, 'Phone');
  await login('hans', password);
  await login('hans', 'canary-of-hans');
  const logs = (await ejabberd.log()) + readFileSync(path.join(ejabberd.folder, 'output.log'), 'utf8');
  expect(logs).toContain('hans');
  for (const secret of [password, 'canary-of-hans', 'auth-secret-of-this-test']) expect(logs).not.toContain(secret);
});
