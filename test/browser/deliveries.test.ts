// Where a post has arrived, as its author and the operator see it, with scripts and without.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { setAdmin } from '../../src/services/accounts.js';
import { giveUpDelivery } from '../../src/services/deliveries.js';
import { publishPost } from '../../src/services/publish.js';
import { addJobs } from '../../src/store/jobs.js';
import { addDeliveries, latestActivity, setArrived, setDelivery } from '../../src/store/ledger.js';
import { launchChromium, LOOKS, type Look, look, nameOf, openWindow } from '../support/browser.js';
import { PASSWORD, type Site, startSite } from '../support/web.js';

let browser: Browser;
let site: Site;
let server: Server;
let origin: string;
beforeAll(async () => {
  browser = await launchChromium();
  site = await startSite();
  server = createServer(site.app).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  origin = `http://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await browser?.close();
  await new Promise<void>((resolve) => {
    server?.close(() => resolve());
    server?.closeAllConnections();
  });
  await site?.stop();
});

async function logIn(username: string, at: Look): Promise<{ page: Page; faults: string[]; close(): Promise<void> }> {
  const { context, page, faults } = await openWindow(browser, at, origin);
  await page.goto(`${origin}/login`);
  await page.getByLabel('Your name, address or e-mail').fill(username);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: 'Stream' }).waitFor({ state: 'attached' });
  return { page, faults, close: () => context.close() };
}

describe.each(LOOKS.map((at) => [nameOf(at), at] as const))('at %s', (suffix, at) => {
  test('an author looks where her post has arrived and has it tried again; the operator holds a server back and drops what is for another', async () => {
    const { ctx } = site;
    const account = await site.account(`alice-${suffix}`);
    const { guid } = await publishPost(ctx, account, { text: 'Last light before the storm.', audience: { to: 'public' } });
    const { id, actorId } = (await latestActivity(ctx.store, guid))!;
    const of = (host: string) => ({ activityId: id, protocol: 'xmpp', host }) as const;
    const [busy, dead] = [`busy-${suffix}.example`, `dead-${suffix}.example`];
    const now = ctx.now();
    await ctx.store.transaction(async (tx) => {
      const fine = Array.from({ length: 5 }, (_, n) => `fine-${n}.example`);
      await addDeliveries(tx, id, 'xmpp', [...fine, busy, dead, 'a-server-with-a-name-that-is-longer-than-the-screen-of-any-phone.example'], now);
      await setArrived(tx, fine.map((host, n) => ({ ...of(host), recipients: n, at: now, jobId: null, tries: 0 })));
      const jobs = [busy, dead].map((host) => ({ kind: 'deliver', payload: of(host), queue: 'xmpp', lane: `xmpp:${actorId}:${host}`, runAt: now + 20 * 60_000 }) as const);
      await addJobs(tx, jobs, now);
      const [job] = await tx.query<{ id: number }>('select id from jobs where ordering_key = ?', [jobs[0]!.lane]);
      await setDelivery(tx, { ...of(busy), state: 'waiting', at: now, tries: 3, error: 'remote-server-timeout', jobId: job!.id });
      await giveUpDelivery(ctx, tx, { ...of(dead), error: 'remote-server-not-found' });
    });

    const { page, faults, close } = await logIn(`alice-${suffix}`, at);
    try {
      await page.goto(`${origin}/posts/${guid}`);
      expect(await page.getByText('Delivered to 5 of 8 servers').isVisible()).toBe(true);
      await look(page, at, 'post-delivery');
      await page.getByRole('link', { name: 'Each server' }).click();
      await page.waitForURL('**/deliveries');
      expect(await page.getByText('This server does not answer.').isVisible()).toBe(true);
      await look(page, at, 'deliveries');
      await page.getByRole('button', { name: `Try again for ${dead}` }).click();
      await page.getByRole('status').filter({ hasText: 'It is tried again.' }).waitFor();
      expect(await page.getByRole('button', { name: /^Try again/ }).count()).toBe(0);
      await page.goto(`${origin}/notifications`);
      await look(page, at, 'notifications-undelivered');
      await page.getByRole('main').getByRole('link', { name: 'Last light before the storm.' }).click();
      await page.waitForURL(`**/posts/${guid}/deliveries`);
      expect(faults).toEqual([]);
    } finally {
      await close();
    }

    const root = await site.account(`operates-${suffix}`);
    await setAdmin(ctx, root, true);
    const operator = await logIn(`operates-${suffix}`, at);
    try {
      await operator.page.getByRole('link', { name: 'Queue' }).click();
      await operator.page.waitForURL('**/admin/queue');
      await operator.page.getByRole('button', { name: `Pause for ${busy}` }).click();
      await operator.page.getByRole('status').filter({ hasText: `${busy} is paused.` }).waitFor();
      await look(operator.page, at, 'admin-queue');
      await operator.page.getByRole('button', { name: `Resume for ${busy}` }).click();
      await operator.page.getByRole('status').filter({ hasText: 'no longer paused' }).waitFor();
      await operator.page.getByRole('link', { name: `Drop all … for ${dead}` }).click();
      await operator.page.getByRole('heading', { name: `Drop all for ${dead}?` }).waitFor();
      await look(operator.page, at, 'admin-queue-drop');
      await operator.page.getByRole('button', { name: 'Drop them' }).click();
      await operator.page.getByRole('status').filter({ hasText: 'was dropped' }).waitFor();
      await operator.page.getByLabel('Server', { exact: true }).fill('not a server');
      await operator.page.getByRole('button', { name: 'Pause', exact: true }).click();
      await operator.page.getByRole('alert').waitFor();
      await look(operator.page, at, 'admin-queue-fault');
      expect(operator.faults).toEqual([]);
    } finally {
      await operator.close();
    }
  });
});
