// An orderly end (threats.md 21): not ready first, then the work, then the pages.
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { ReadyReport } from '../../src/cli/serve.js';
import { requestPasswordReset } from '../../src/services/accounts.js';
import { startInstallation } from '../support/installation.js';
import { freePort } from '../support/servers/index.js';
import { startService } from '../support/service-process.js';

test('while the last jobs run, the service says that it is not ready, and pages are still answered', async () => {
  // A mail server that takes the connection and says nothing: the job that mails runs as long as the test wants.
  const mails = createServer().listen(0, '127.0.0.1');
  await once(mails, 'listening');
  const { port } = mails.address() as { port: number };
  const app = await startInstallation({ env: { DX_MAIL_URL: `smtp://127.0.0.1:${port}` } });
  const readyz = async () => (await (await fetch(`${app.url}/readyz`)).json()) as ReadyReport;
  await app.account('alice');
  const connected = once(mails, 'connection') as Promise<[Socket]>;
  await requestPasswordReset(app.ctx, 'alice');
  const [socket] = await connected;
  expect((await readyz()).parts.service).toBeUndefined();

  const stopped = app.stop();
  expect(await readyz()).toMatchObject({ ready: false, parts: { service: { ok: false, text: 'is being stopped' }, database: { ok: true } } });
  expect((await fetch(`${app.url}/login`)).status).toBe(200);
  socket.destroy();
  await stopped;
  await expect(fetch(`${app.url}/healthz`)).rejects.toThrow();
  mails.close();
});

test('SIGTERM while a job hangs and a page listens for events: it ends within 10 s all the same, as if all were well', async () => {
  const mails = createServer().listen(0, '127.0.0.1');
  await once(mails, 'listening');
  const { port } = mails.address() as { port: number };
  const service = await startService({ domain: 'social.stop.test', host: '127.0.0.1', port: await freePort(), secret: 'secret of the component' }, { env: { DX_MAIL_URL: `smtp://127.0.0.1:${port}` } });
  const alice = await service.author('alice');
  const cookie = [...alice.browser.cookies].map((pair) => pair.join('=')).join('; ');
  const events = await fetch(`${service.url}/events`, { headers: { cookie } });
  expect(events.headers.get('content-type')).toContain('text/event-stream');
  const connected = once(mails, 'connection') as Promise<[Socket]>;
  await alice.browser.get('/password/forgot');
  await alice.browser.post('/password/forgot', { login: 'alice' });
  const [socket] = await connected;
  const { code, signal, tookMs } = await service.stop();
  expect({ code, signal }).toEqual({ code: 0, signal: null });
  expect(tookMs).toBeLessThan(10_000);
  await events.body?.cancel().catch(() => {}); // it was cut off
  socket.destroy();
  await service.destroy();
  mails.close();
});
