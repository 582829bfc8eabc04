// The connector needs no password, and nobody keeps one: canaries are used on real servers, and then looked for in everything that anyone wrote, and in
// the arguments of every process. (The service alone: test/fault/secrets.test.ts.)
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CHAT, type ChatScene, SOCIAL, startChatScene } from '../support/chat-scene.js';
import { openSession } from '../support/raw-session.js';
import { freePort, SERVERS } from '../support/servers/index.js';
import { type Service, startService } from '../support/service-process.js';

const WEB_PASSWORD = 'canary of the web password';
const WRONG = 'canary-of-a-wrong-app-password';

describe.each(SERVERS)('on %s', (name) => {
  let scene: ChatScene;
  let service: Service;
  let phone: string;
  let revoked: string;
  let backup: string;
  let metrics: string;
  /** Arguments and environment of every process, while logins were going on. */
  const processes = new Map<string, string>();
  function lookAtProcesses(): void {
    for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))) {
      for (const part of ['cmdline', 'environ']) {
        try {
          processes.set(`${pid} ${part}`, readFileSync(`/proc/${pid}/${part}`, 'latin1'));
        } catch {
          // it has ended, or is not ours to look at
        }
      }
    }
  }

  beforeAll(async () => {
    scene = await startChatScene(name);
    const { DX_STATE_DIR: _, DX_COMPONENT_URL, ...env } = scene.env;
    const url = new URL(DX_COMPONENT_URL!);
    const metricsListen = `127.0.0.1:${await freePort()}`;
    service = await startService({ domain: SOCIAL, host: url.hostname, port: Number(url.port), secret: 'component-secret' }, { chatDomain: CHAT, env: { ...env, DX_METRICS_LISTEN: metricsListen, DX_LOG_LEVEL: 'trace' } });
    service.dx(['account', 'create', 'alice', '--email', 'alice@mail.test', '--password-file', '-'], WEB_PASSWORD);
    const make = (label: string) => service.dx(['app-password', 'create', 'alice', '--label', label]).trim();
    [phone, revoked] = [make('Phone'), make('Lost')];
    const login = async (password: string) => {
      const session = openSession(scene.c2sPort, CHAT, 'alice', password).catch((error: Error) => error.message);
      lookAtProcesses();
      return session;
    };
    const [open, lost] = [await login(phone), await login(revoked)];
    if (typeof open === 'string' || typeof lost === 'string') throw new Error(`not let in: ${String(open)} ${String(lost)}`);
    expect(await login(WRONG)).toBe('not-authorized');
    expect(await login(WEB_PASSWORD)).toBe('not-authorized');
    const rows = JSON.parse(service.dx(['app-password', 'list', 'alice', '--json'])) as { id: number; label: string }[];
    service.dx(['app-password', 'revoke', 'alice', String(rows.find((row) => row.label === 'Lost')!.id)]);
    await Promise.all([open.closed, lost.closed]);
    expect(await login(revoked)).toBe('not-authorized');
    backup = path.join(service.stateDir, 'a-backup');
    service.dx(['backup', backup]);
    metrics = await (await fetch(`http://${metricsListen}/metrics`)).text();
  });
  afterAll(async () => {
    await service?.destroy();
    await scene?.destroy();
  });

  /** A secret as it is typed, sent, encoded for SASL at any place, for a form, and without what does not count in it. */
  const forms = (secret: string): string[] => [
    secret,
    encodeURIComponent(secret),
    secret.replaceAll(' ', '+'),
    ...(secret === phone || secret === revoked ? [secret.replaceAll('-', ''), secret.replaceAll('-', '').slice(6)] : []),
    ...[0, 1, 2].map((shift) => Buffer.from('\0'.repeat(shift) + secret).toString('base64').slice(4, -4)),
    Buffer.from(secret).toString('hex'),
  ];
  const leaks = (text: string): string[] =>
    Object.entries({ 'app password': phone, 'revoked app password': revoked, 'web password': WEB_PASSWORD, 'wrong password': WRONG }).flatMap(([what, secret]) => (forms(secret).some((form) => text.includes(form)) ? [what] : []));
  const filesIn = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));

  test('the search finds what is there', () => {
    expect(leaks(`auth: ${Buffer.from(`\0alice\0${phone}`).toString('base64')}`)).toEqual(['app password']);
    expect(leaks(`user=alice&pass=${encodeURIComponent(WEB_PASSWORD)}`)).toEqual(['web password']);
    expect(service.output()).toContain('auth endpoint answered');
    expect([...processes.values()].some((text) => text.includes(scene.folder))).toBe(true);
    if (name === 'ejabberd') expect([...processes.values()].some((text) => text.includes('ejabberd-auth.mjs\0--url'))).toBe(true);
  });

  test('no log, database, mail, key file or backup of the service holds one', () => {
    expect(leaks(service.output())).toEqual([]);
    const files = filesIn(service.stateDir);
    expect(files).toEqual(expect.arrayContaining([service.database, backup]));
    expect(readFileSync(backup, 'latin1')).toContain('alice@mail.test'); // it is not compressed, or the search would find nothing
    for (const file of files) expect([file, leaks(readFileSync(file, 'latin1'))]).toEqual([file, []]);
  });

  test('no process had one among its arguments or in its environment', () => {
    for (const [which, text] of processes) expect([which, leaks(text)]).toEqual([which, []]);
  });

  test('the figures hold none, and no name', () => {
    expect(metrics).toContain('# EOF');
    expect(leaks(metrics)).toEqual([]);
    expect(metrics).not.toContain('alice');
  });

  test('the chat server keeps none: neither log nor data', async () => {
    expect((await scene.log()).length).toBeGreaterThan(0);
    for (const file of filesIn(scene.folder)) expect([file, leaks(readFileSync(file, 'latin1'))]).toEqual([file, []]);
  });
});
