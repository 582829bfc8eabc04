import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { mainHandlers } from '../../../src/cli/job-handlers.js';
import { startWorker } from '../../../src/jobs/worker.js';
import { checkMail, queueMail, renderMail, sendMail } from '../../../src/services/mail.js';
import { type Facts, MAIL_TEXTS } from '../../../src/services/mail-texts.js';
import { listJobs } from '../../../src/store/jobs.js';
import { type TestContext, testContext } from '../../support/context.js';
import { readMails } from '../../support/mails.js';

const FACTS: Facts = { site: 'social.test', username: 'alice', handle: 'alice@social.test', url: 'https://social.test/confirm/Jx3vT0q9', until: 'Sunday, 22 November, 10:40 UTC', email: 'new@mail.test' };
const templates = Object.keys(MAIL_TEXTS);

describe('the words of a mail', () => {
  test.each(templates)('%s: text and HTML say the same, and nothing is left open', async (template) => {
    const { subject, text, html } = await renderMail(template, FACTS);
    expect(subject.length).toBeLessThan(78);
    for (const words of [text, html]) {
      expect(words).toContain('social.test');
      expect(words).not.toMatch(/undefined|\[object|null/);
    }
    expect(text).not.toMatch(/<[a-z/]/);
    if (/href/.test(html)) {
      expect(html).toContain(`href="${FACTS.url}"`);
      expect(text).toContain(`\n${FACTS.url}\n`);
    }
    // Nothing is fetched when it is opened, and nothing runs.
    expect(html).not.toMatch(/<script|<img|<link|url\(|@import/i);
    expect(html).toMatch(/^<!doctype html>/);
  });

  test('what people wrote stays text', async () => {
    const evil = '<img src=x onerror=alert(1)>"&\'';
    const { subject, html } = await renderMail('confirm', { ...FACTS, username: evil, handle: `${evil}\r\nBcc: eve@mail.test`, until: evil });
    expect(html).not.toContain('<img');
    expect(html).toContain('&lt;img');
    expect(subject).not.toMatch(/[\r\n]/);
  });

  test.each(['', 'nonsense', '__proto__', 'constructor'])('there is no template %j', async (template) => {
    await expect(renderMail(template, FACTS)).rejects.toThrow('no mail template');
  });
});

describe('mails as files', () => {
  let ctx: TestContext;
  let folder: string;
  beforeEach(async () => {
    ctx = await testContext();
    folder = ctx.config.mailUrl.slice('file:'.length);
  });
  afterEach(() => ctx.close());

  const queued = async (template: 'confirm' | 'password-changed' = 'password-changed', to = 'alice@mail.test') => {
    const token = template === 'confirm' ? { token: { seed: 'seed', expiresAt: ctx.now() + 1_000 } } : {};
    await ctx.store.transaction((tx) => queueMail(ctx, tx, to, template, { username: 'alice', ...token }));
    return (await ctx.takeMails())[0]!;
  };

  test('each is one whole .eml file that only its owner may read; its path is logged, its link is not', async () => {
    await sendMail(ctx, await queued('confirm'));
    const files = readdirSync(folder);
    expect(files).toEqual([expect.stringMatching(/^20251121T120000000Z-confirm-alice-[0-9a-f]{6}\.eml$/)]);
    const file = path.join(folder, files[0]!);
    expect([statSync(folder).mode & 0o777, statSync(file).mode & 0o777]).toEqual([0o700, 0o600]);
    const [mail] = await readMails(folder);
    expect(mail).toMatchObject({
      from: { name: 'diaspora-x', address: 'no-reply@social.test' },
      to: [{ address: 'alice@mail.test' }],
      subject: 'Confirm your address - alice@social.test',
      messageId: expect.stringMatching(/^<[0-9a-f]{32}@social\.test>$/),
      date: '2025-11-21T12:00:00.000Z',
    });
    expect(mail!.headers).toContainEqual(expect.objectContaining({ key: 'auto-submitted', value: 'auto-generated' }));
    const link = /https:\/\/social\.test\/confirm\/[\w-]{43}/.exec(mail!.text!)![0];
    expect(mail!.html).toContain(link);
    expect(ctx.logged()).toContain(file);
    expect(ctx.logged()).not.toContain(link);
    // Who opens the file in an editor can copy the link.
    expect(readFileSync(file, 'utf8')).toContain(`\r\n${link}\r\n`);
  });

  test('a mail whose link has run out while it waited is not sent', async () => {
    const mail = await queued('confirm');
    ctx.pass(1_000);
    await sendMail(ctx, mail);
    expect(() => readdirSync(folder)).toThrow('ENOENT');
    expect(ctx.logged()).toContain('had run out');
  });

  test.each(['a@b.test\r\nBcc: eve@mail.test', 'a@b.test, eve@mail.test', 'Eve <eve@mail.test>', '', 'a@b.test\n\nbody', 'file:///etc/passwd'])('%j is no receiver', async (to) => {
    await expect(sendMail(ctx, { ...(await queued()), to })).rejects.toMatchObject({ code: 'invalid' });
    expect(() => readdirSync(folder)).toThrow('ENOENT');
  });

  test('no value can add a header or leave the folder', async () => {
    const mail = await queued();
    await sendMail(ctx, { ...mail, values: { ...mail.values, username: '../../alice\r\nBcc: eve@mail.test\r\n\r\n<b>' } });
    expect(readdirSync(folder)).toHaveLength(1);
    const [read] = await readMails(folder);
    expect(read!.bcc ?? []).toEqual([]);
    expect(read!.headers.map((header) => header.key)).not.toContain('bcc');
    expect(read!.to).toEqual([expect.objectContaining({ address: 'alice@mail.test' })]);
  });

  test('doctor finds a folder that cannot be written', async () => {
    await expect(checkMail(ctx.config)).resolves.toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(path.join(ctx.config.stateDir, 'a-file'), '');
    await expect(checkMail({ ...ctx.config, mailUrl: `file:${path.join(ctx.config.stateDir, 'a-file', 'mail')}` })).rejects.toThrow('ENOTDIR');
  });
});

describe('mails by SMTP', () => {
  let ctx: TestContext;
  let received: string;
  let answers: Record<string, string>;
  const server = createServer((socket) => {
    let inBody = false;
    socket.write('220 mail.test\r\n');
    socket.on('data', (chunk) => {
      received += chunk;
      if (inBody) {
        if (received.endsWith('\r\n.\r\n')) {
          inBody = false;
          socket.write('250 taken\r\n');
        }
        return;
      }
      const verb = chunk.toString().slice(0, 4).toUpperCase();
      inBody = verb === 'DATA';
      socket.write(`${answers[verb] ?? (verb === 'DATA' ? '354 go on' : verb === 'QUIT' ? '221 bye' : '250 good')}\r\n`);
    });
    socket.on('error', () => {});
  });
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  beforeEach(async () => {
    received = '';
    answers = {};
    ctx = await testContext({ DX_MAIL_URL: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}` });
  });
  afterEach(() => ctx.close());
  const send = () => sendMail(ctx, { to: 'alice@mail.test', template: 'password-changed', values: { username: 'alice', at: '1' } });

  test('the server gets it, for this one receiver', async () => {
    await send();
    expect(received).toMatch(/MAIL FROM:<no-reply@social\.test>/);
    expect(received.match(/RCPT TO/g)).toHaveLength(1);
    expect(received).toMatch(/Subject: The password of alice@social\.test was changed/);
    await expect(checkMail(ctx.config)).resolves.toBeUndefined();
  });

  test.each([
    ['RCPT', '550 no such person', true],
    ['RCPT', '450 busy', false],
    ['MAIL', '451 greylisted', false],
  ])('%s answered with %s: permanent = %s', async (verb, answer, permanent) => {
    answers[verb] = answer;
    await expect(send()).rejects.toMatchObject({ name: 'DeliveryError', permanent });
  });

  test('what the server says of the receiver stays out of the log and the queue: codes alone are kept', async () => {
    answers['RCPT'] = '550 5.1.1 <alice@mail.test>: bob, see https://mail.test/canary';
    await ctx.store.transaction((tx) => queueMail(ctx, tx, 'alice@mail.test', 'password-changed', { username: 'alice' }));
    const worker = startWorker({ ...ctx, queue: 'main', handlers: mainHandlers(ctx), concurrency: 1 });
    await worker.idle();
    await worker.stop();
    const [job] = await listJobs(ctx.store, { failed: true, limit: 1 });
    expect(job!.lastError).toBe('the mail server did not take it: EENVELOPE RCPT TO 550 5.1.1');
    expect(ctx.logged()).toContain('EENVELOPE RCPT TO 550 5.1.1');
    expect(ctx.logged()).not.toMatch(/alice@|canary/);
  });

  test('a server that is away is tried again later', async () => {
    const away = await testContext({ DX_MAIL_URL: 'smtp://127.0.0.1:1' });
    await expect(sendMail(away, { to: 'alice@mail.test', template: 'password-changed', values: { username: 'alice', at: '1' } })).rejects.toMatchObject({ permanent: false });
    await expect(checkMail(away.config)).rejects.toThrow('ECONNREFUSED');
    await away.close();
  });
});
