// A real Chromium for tests, and what every page is held against: axe, the console, the window's edges, a picture to look at.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

/** Debian's. */
const EXECUTABLE = '/usr/bin/chromium';
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Ignored by git: to be looked at. */
const screens = path.join(import.meta.dirname, '../browser/screenshots');

export function launchChromium(): Promise<Browser> {
  if (!existsSync(EXECUTABLE)) throw new Error(`${EXECUTABLE} is missing: apt-get install chromium`);
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

export interface Look {
  width: number;
  scheme: 'light' | 'dark';
  script: boolean;
}
/** Phone and desk, light and dark, with scripts and without. */
export const LOOKS: Look[] = [
  { width: 390, scheme: 'light', script: true },
  { width: 1280, scheme: 'dark', script: true },
  { width: 390, scheme: 'dark', script: false },
  { width: 1280, scheme: 'light', script: false },
];
export const nameOf = ({ width, scheme, script }: Look): string => `${width}-${scheme}${script ? '' : '-noscript'}`;

/** A fresh profile with this look. `faults` gathers what the pages complain about, requests to other hosts included. */
export async function openWindow(browser: Browser, look: Look, origin: string): Promise<{ context: BrowserContext; page: Page; faults: string[] }> {
  const context = await browser.newContext({
    viewport: { width: look.width, height: look.width < 600 ? 844 : 900 },
    colorScheme: look.scheme,
    javaScriptEnabled: look.script,
    reducedMotion: 'reduce',
    locale: 'en-GB',
  });
  context.setDefaultTimeout(8_000);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // An answer of 4xx is what some tests want to see.
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on('request', (request) => {
    if (!request.url().startsWith(origin)) faults.push(`request to ${request.url()}`);
  });
  return { context, page, faults };
}

/** Takes a picture of the whole page, and says how it breaks the rules: overflow to the side, small targets, doubled ids. */
async function inspect(page: Page, look: Look, name: string): Promise<string[]> {
  mkdirSync(screens, { recursive: true });
  await page.screenshot({ path: path.join(screens, `${name}-${nameOf(look)}.png`), fullPage: true });
  // evaluate() works without the page's own scripts, too.
  return page.evaluate((target) => {
    const found: string[] = [];
    if (document.documentElement.scrollWidth > innerWidth) found.push(`wider than the window: ${document.documentElement.scrollWidth}`);
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) found.push(`id twice: ${id}`);
    for (const element of document.querySelectorAll<HTMLElement>('button, summary, .btn, .tabs a, input:not([type=hidden]), textarea')) {
      const { width, height } = element.getBoundingClientRect();
      if (width === 0 || element.closest('.choice')) continue;
      if (height < target) found.push(`low target: ${Math.round(height)} px, ${element.outerHTML.slice(0, 80)}`);
    }
    return found;
  }, 44);
}

/** What axe finds on the page as it is, at the look of the page's context. */
async function axe(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: { run: (o: object) => Promise<{ violations: { id: string; nodes: { target: unknown[]; failureSummary: string }[] }[] }> } }).axe.run({
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')} – ${node.failureSummary.replace(/\s+/g, ' ')}`));
  });
}

/** Looks at the page that is open: picture, layout, and axe. */
export async function look(page: Page, at: Look, name: string): Promise<void> {
  expect({ page: name, faults: await inspect(page, at, name) }).toEqual({ page: name, faults: [] });
  if (!at.script) return; // axe is a script; without one the same elements stand there
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    expect({ page: name, scheme, axe: await axe(page) }).toEqual({ page: name, scheme, axe: [] });
  }
  await page.emulateMedia({ colorScheme: at.scheme });
}
