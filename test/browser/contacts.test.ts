import { jest } from '@jest/globals';
import { look, nameOf, type Look } from '../support/browser.js';
import { type BrowserSite, DESK, startBrowserSite } from '../support/browser-site.js';
import { makeRoster } from '../support/roster.js';

/** Thousands of rows, and two browsers. */
jest.setTimeout(120_000);

let visited: BrowserSite;
beforeAll(async () => {
  visited = await startBrowserSite();
});
afterAll(() => visited?.stop());

const PHONE: Look = { width: 360, scheme: 'light', script: false };

describe.each([PHONE, DESK].map((at) => [nameOf(at), at] as const))('at %s', (suffix, at) => {
  test('one pages through thousands of followers and requests, and puts a contact into an aspect by its address', async () => {
    const { site, origin } = visited;
    const alice = await site.account(`alice-${suffix}`);
    const roster = (prefix: string, count: number, stands: Parameters<typeof makeRoster>[4]) => makeRoster(site.ctx.store, alice.actorId, `${prefix}${suffix}`, count, stands);
    await roster('f', 2_500, () => ({ follower: 'on' }));
    await roster('r', 100, () => ({ follower: 'asked' }));
    await roster('c', 120, () => ({ addedAt: 1, following: 'on' }));
    const { context, page, faults } = await visited.logIn(alice.username, at);
    const shown = () => page.locator('ul.people > li');
    try {
      await page.goto(`${origin}/contacts`);
      await look(page, at, 'contacts-many');
      await page.getByRole('link', { name: 'And 80 more' }).click();
      await page.waitForURL('**/contacts?only=requests');
      expect(await shown().count()).toBe(50);
      await look(page, at, 'requests-many');
      await page.getByRole('link', { name: 'More people' }).click();
      await page.waitForURL('**/contacts?only=requests&after=*');
      const last = await page.getByRole('button', { name: 'Refuse' }).count();
      expect(last).toBe(50);
      expect(await page.getByRole('link', { name: 'More people' }).count()).toBe(0);

      await page.getByRole('link', { name: 'Follow me 2500' }).click();
      for (const _ of [2, 3]) {
        const before = await shown().first().textContent();
        await page.getByRole('link', { name: 'More people' }).click();
        await shown().filter({ hasText: before! }).first().waitFor({ state: 'detached' });
        expect(await shown().count()).toBe(50);
      }
      await look(page, at, 'followers-many');
      await page.getByRole('link', { name: 'To the first ones' }).click();
      await page.waitForURL('**/contacts?only=followers');

      await page.goto(`${origin}/aspects`);
      await page.getByLabel('Name').fill('Choir');
      await page.getByRole('button', { name: 'Make it' }).click();
      await page.getByRole('status').waitFor();
      await page.getByLabel('The address of a contact').fill(`c${suffix}119@many.example`);
      await page.getByRole('button', { name: 'Put in' }).click();
      await page.getByRole('status').filter({ hasText: 'They are in it now' }).waitFor();
      expect(await shown().count()).toBe(1);
      await look(page, at, 'aspect-by-address');
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  });
});
