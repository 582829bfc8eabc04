import type { Page } from 'playwright-core';
import type { Account } from '../../src/domain/account.js';
import { publishPost } from '../../src/services/publish.js';
import { changeProfile } from '../../src/services/profiles.js';
import { addContact } from '../../src/services/relationships.js';
import { type BrowserSite, DESK, listen, startBrowserSite } from '../support/browser-site.js';
import type { Site } from '../support/web.js';

let visited: BrowserSite;
let site: Site;
let origin: string;
beforeAll(async () => {
  visited = await startBrowserSite();
  ({ site, origin } = visited);
});
afterAll(() => visited?.stop());

/** A window in which a new account is logged in; closed after the work. */
async function withMember(username: string, work: (page: Page, account: Account, faults: string[]) => Promise<void>, look = DESK): Promise<void> {
  const account = await site.account(username);
  const { context, page, faults } = await visited.logIn(username, look);
  try {
    await work(page, account, faults);
    expect(faults).toEqual([]);
  } finally {
    await context.close();
  }
}

test('an open stream says that there is more, and nothing jumps', async () => {
  const jonas = await site.account('jonas');
  await withMember('reader', async (page, account) => {
    await addContact(site.ctx, account, 'jonas@social.localhost');
    await publishPost(site.ctx, jonas, { text: 'Before.' });
    const connected = page.waitForResponse('**/events');
    await page.goto(origin);
    await connected;
    const top = async () => (await page.locator('article.post').first().boundingBox())!.y;
    const before = await top();
    await publishPost(site.ctx, jonas, { text: 'One more.' });
    await page.getByRole('link', { name: '1 new post' }).waitFor();
    await publishPost(site.ctx, jonas, { text: 'And another.' });
    await page.getByRole('link', { name: '2 new posts' }).waitFor();
    expect(await page.locator('article.post').count()).toBe(1);
    expect(await top()).toBe(before);
    await page.getByRole('link', { name: '2 new posts' }).click();
    await page.getByText('And another.').waitFor();
    expect(await page.locator('article.post').count()).toBe(3);
  });
});

test('a draft outlives a reload, and is gone when it was posted', async () => {
  await withMember('drafter', async (page) => {
    await page.getByLabel('Your post').fill('Half a thought');
    await page.reload();
    expect(await page.getByLabel('Your post').inputValue()).toBe('Half a thought');
    await page.getByRole('button', { name: 'Post', exact: true }).click();
    await page.waitForURL(/\/posts\//);
    await page.goto(origin);
    expect(await page.getByLabel('Your post').inputValue()).toBe('');
    await page.getByLabel('Your post').fill('Nobody shall read this');
    await page.goto(`${origin}/settings/account`);
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await page.getByRole('status').waitFor();
    expect(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('draft:')))).toEqual([]);
  });
});

test.each([
  ['with scripts', true],
  ['without scripts', false],
])('a double click posts once, %s', async (_, script) => {
  await withMember(
    `clicker-${script}`,
    async (page) => {
      await page.getByLabel('Your post').fill('Only once.');
      await page.getByRole('button', { name: 'Post', exact: true }).dblclick();
      await page.waitForURL(/\/posts\//);
      await page.goto(origin);
      expect(await page.locator('article.post').count()).toBe(1);
    },
    { ...DESK, script },
  );
});

test('the keyboard reaches everything: skip link, menus, Escape', async () => {
  await withMember('keys', async (page, account) => {
    await publishPost(site.ctx, account, { text: 'Mine.' });
    await page.goto(origin);
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(new URL(page.url()).hash).toBe('#main');
    await page.locator('article summary[title=More]').focus();
    await page.keyboard.press('Enter');
    expect(await page.getByRole('link', { name: 'Edit' }).isVisible()).toBe(true);
    await page.keyboard.press('Escape');
    expect(await page.getByRole('link', { name: 'Edit' }).isVisible()).toBe(false);
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('SUMMARY');
  });
});

test('a copy button copies, a show button shows', async () => {
  await withMember('copier', async (page) => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy the address' }).click();
    await page.getByText('Copied').waitFor({ state: 'attached' });
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('copier@social.localhost');
    await page.goto(`${origin}/settings/account`);
    await page.getByLabel('New password', { exact: true }).fill('four good words here');
    await page.getByRole('button', { name: 'Show New password' }).click();
    expect(await page.getByLabel('New password', { exact: true }).getAttribute('type')).toBe('text');
  });
});

test('nothing that people write runs, even in a browser that ignores our policy', async () => {
  const mallory = await site.account('mallory');
  const payloads = [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '<svg onload=alert(1)>',
    '[click](javascript:alert(1))',
    '![x](x" onerror="alert(1))',
    '</p><iframe srcdoc="<script>alert(1)</script>">',
    '</textarea><script>alert(1)</script>',
    '<details open ontoggle=alert(1)>',
    '`<script>alert(1)</script>`',
    '<a href="java\tscript:alert(1)">x</a>',
    '[x]: javascript:alert(1)\n\n[x]',
    '"autofocus onfocus=alert(1) x="',
  ];
  await changeProfile(site.ctx, mallory, { displayName: '<script>alert(1)</script>', summary: payloads.join('\n').slice(0, 500) });
  const posts = [];
  for (const text of payloads) posts.push(await publishPost(site.ctx, mallory, { text }));
  const context = await visited.browser.newContext({ bypassCSP: true });
  try {
    const page = await context.newPage();
    const dialogs: string[] = [];
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    for (const path of ['/u/mallory', ...posts.map((post) => `/posts/${post.guid}`)]) {
      await page.goto(origin + path);
      for (const link of await page.locator('.prose a').all()) {
        expect(await link.getAttribute('href')).toMatch(/^https?:/);
      }
    }
    expect(dialogs).toEqual([]);
    // The trap works: what this page itself says is heard.
    await page.evaluate(() => alert('heard'));
    expect(dialogs).toEqual(['heard']);
  } finally {
    await context.close();
  }
});

test("another site's form changes nothing, and our pages stand in nobody's frame", async () => {
  await withMember('victim', async (page, _, faults) => {
    const forms = ['/posts', '/login', '/logout', '/settings/app-passwords']
      .map((path, at) => `<form id="f${at}" method="post" action="${origin}${path}"><input name="text" value="forged"><input name="csrf" value="x"><button>f${at}</button></form>`)
      .join('');
    const evil = await listen((_req, res) => res.setHeader('Content-Type', 'text/html').end(`<!doctype html>${forms}<iframe src="${origin}/settings/account"></iframe>`));
    const context = page.context();
    const attack = await context.newPage();
    try {
      // 127.0.0.1 is another site than localhost.
      for (const at of [0, 1, 2, 3]) {
        await attack.goto(`http://127.0.0.1:${evil.port}/`);
        const [answer] = await Promise.all([attack.waitForNavigation(), attack.click(`#f${at} button`)]);
        expect(answer!.status()).toBe(403);
      }
      await attack.goto(`http://127.0.0.1:${evil.port}/`);
      expect(await attack.frames()[1]!.locator('input').count()).toBe(0);
    } finally {
      await attack.close();
      await evil.stop();
    }
    await page.goto(origin);
    expect(await page.locator('article.post').count()).toBe(0);
    faults.splice(0); // the attack's own requests
  });
});

test('the first page is small', async () => {
  const { context, page } = await visited.open(DESK);
  try {
    let bytes = 0;
    const requests: Promise<void>[] = [];
    page.on('requestfinished', (request) => void requests.push(request.sizes().then((sizes) => void (bytes += sizes.responseBodySize))));
    await page.goto(origin, { waitUntil: 'networkidle' });
    await Promise.all(requests);
    expect(bytes).toBeLessThan(60_000);
  } finally {
    await context.close();
  }
});
