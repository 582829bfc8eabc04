// A site before a real Chromium, for tests of whole pages.
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium, type Look, openWindow } from './browser.js';
import { PASSWORD, type Site, startSite } from './web.js';

export const DESK: Look = { width: 1280, scheme: 'light', script: true };

/** Answers on a port of its own. `stop` cuts what is open. */
export async function listen(handler: RequestListener): Promise<{ port: number; stop(): Promise<void> }> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A window, and what its pages complain about. */
export interface Opened {
  context: BrowserContext;
  page: Page;
  faults: string[];
}

export interface BrowserSite {
  site: Site;
  browser: Browser;
  origin: string;
  open(look: Look): Promise<Opened>;
  /** A window in which this account with PASSWORD is logged in. */
  logIn(username: string, look: Look): Promise<Opened>;
  stop(): Promise<void>;
}

export async function startBrowserSite(): Promise<BrowserSite> {
  const browser = await launchChromium();
  const site = await startSite();
  const server = await listen(site.app);
  const origin = `http://localhost:${server.port}`;
  const open = (look: Look) => openWindow(browser, look, origin);
  return {
    site,
    browser,
    origin,
    open,
    logIn: async (username, look) => {
      const opened = await open(look);
      const { page } = opened;
      await page.goto(`${origin}/login`);
      await page.getByLabel('Your name, address or e-mail').fill(username);
      await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('heading', { name: 'Stream' }).waitFor({ state: 'attached' });
      return opened;
    },
    stop: async () => {
      await browser.close();
      await server.stop();
      await site.stop();
    },
  };
}
