import { addContact, setAskFirst } from '../../src/services/relationships.js';
import { publishPost } from '../../src/services/publish.js';
import { findAccountByUsername } from '../../src/store/accounts.js';
import { LOOKS, look, nameOf } from '../support/browser.js';
import { type BrowserSite, startBrowserSite } from '../support/browser-site.js';
import { linkIn, PASSWORD, type Site } from '../support/web.js';

let visited: BrowserSite;
let site: Site;
let origin: string;
let open: BrowserSite['open'];
beforeAll(async () => {
  visited = await startBrowserSite();
  ({ site, origin, open } = visited);
});
afterAll(() => visited?.stop());

describe.each(LOOKS.map((at) => [nameOf(at), at] as const))('at %s', (suffix, at) => {
  const name = `alice-${suffix}`;

  test('sign up, confirm, chat password, post, read, change, delete, contacts, settings, log out', async () => {
    const { context, page, faults } = await open(at);
    try {
      const submitted = (words: string | RegExp) => page.getByRole('button', { name: words, exact: typeof words === 'string' }).click();

      await page.goto(origin);
      await look(page, at, 'front');
      await page.goto(`${origin}/signup`);
      await page.getByLabel('Your name in the address').fill('Not A Name!');
      await page.getByLabel('E-mail').fill('nonsense');
      await page.getByLabel('Password', { exact: true }).fill('short');
      await submitted('Sign up');
      await page.getByRole('alert').waitFor();
      expect(await page.getByLabel('E-mail').inputValue()).toBe('nonsense');
      expect(await page.getByLabel('Password', { exact: true }).inputValue()).toBe('');
      await look(page, at, 'signup-errors');

      await page.goto(origin);
      await page.getByLabel('Your name in the address').fill(name);
      await page.getByLabel('E-mail').fill(`${name}@mail.test`);
      await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
      await submitted('Sign up');
      await page.getByText('Look into your mail').first().waitFor();
      expect(await page.getByRole('status').first().textContent()).toContain(`${name}@mail.test`);
      await look(page, at, 'signup-sent');

      const mail = (await site.mails()).reverse().find((text) => text.includes(`${name}@mail.test`))!;
      await page.goto(origin + linkIn(mail, '/confirm/'));
      await look(page, at, 'confirm');
      await submitted('Yes, this is me');
      await page.waitForURL('**/welcome');
      await look(page, at, 'welcome');
      await submitted('Make my chat password');
      const password = await page.locator('code#app-password').textContent();
      expect(password).toMatch(/^[a-z0-9]{4}(-[a-z0-9]{4})+$/);
      await look(page, at, 'welcome-password');

      await page.getByRole('link', { name: 'Later' }).click();
      await page.getByRole('heading', { name: 'This is where your people will be' }).waitFor();
      await look(page, at, 'stream-empty');

      // Write, look, post.
      await page.getByLabel('Your post').fill('The repair café is **open** again today.\n\n- lamps\n- trousers\n\n`code`, > and #repaircafe');
      await page.getByText('Who can see this:').first().click();
      await page.getByRole('radio', { name: /My contacts/ }).check();
      expect(await page.getByText('my contacts', { exact: true }).first().isVisible()).toBe(true);
      await look(page, at, 'composer-audience');
      await submitted('Preview');
      await page.getByRole('heading', { name: 'This is how it will look' }).waitFor();
      await look(page, at, 'preview');
      await page.getByText('Who can see this:').first().click();
      await page.getByRole('radio', { name: /Everyone/ }).check();
      await page.getByText('Who can see this:').first().click();
      await submitted('Post');
      await page.waitForURL(/\/posts\/[0-9a-f]{32}$/);
      const posted = page.url();
      expect(await page.locator('article.post .prose strong').textContent()).toBe('open');
      await look(page, at, 'post');

      await page.locator('article summary[title=More]').click();
      await look(page, at, 'post-menu');
      await page.getByRole('link', { name: 'Edit' }).click();
      await page.getByLabel('Your post').fill('The repair café is open again.');
      await look(page, at, 'edit');
      await submitted('Save');
      await page.getByText('edited').waitFor();
      expect(page.url()).toBe(posted);

      // Someone with much to say, someone who asks.
      const friend = await site.account(`jonas-${suffix}`);
      await publishPost(site.ctx, friend, { text: 'Last light before the storm.' });
      await publishPost(site.ctx, friend, { text: `# A long one\n\n${'People ask about the smell first. There is none. '.repeat(30)}\n\n${'I started with a wooden box. '.repeat(90)}` });
      await page.goto(`${origin}/u/jonas-${suffix}`);
      await look(page, at, 'person');
      await submitted(/Follow jonas/);
      await page.getByText('You follow', { exact: true }).waitFor();
      await page.goto(origin);
      expect(await page.locator('article.post').count()).toBe(3);
      await look(page, at, 'stream');

      const account = (await findAccountByUsername(site.ctx.store, name))!;
      await setAskFirst(site.ctx, account, true);
      const asker = await site.account(`omar-${suffix}`);
      await addContact(site.ctx, asker, `${name}@social.localhost`);
      await addContact(site.ctx, account, 'ruth@garden.example');
      await page.goto(`${origin}/contacts`);
      await look(page, at, 'contacts-request');
      await submitted('Accept and follow');
      await page.getByRole('status').filter({ hasText: 'follows you now' }).waitFor();
      await page.locator('.people summary').first().click();
      await look(page, at, 'contacts');
      await page.goto(`${origin}/contacts?only=blocked`);
      await look(page, at, 'contacts-blocked');
      await page.getByLabel('Their address').fill('not an address');
      await submitted('Look up');
      await page.getByRole('alert').waitFor();
      expect(await page.getByLabel('Their address').inputValue()).toBe('not an address');
      await look(page, at, 'contacts-error');

      // Groups of contacts: made, filled, posted for, read by.
      await page.goto(`${origin}/contacts`);
      await page.getByRole('link', { name: 'Aspects' }).click();
      await look(page, at, 'aspects-empty');
      await page.getByLabel('Name', { exact: true }).fill('Contacts');
      await submitted('Make it');
      await page.getByRole('alert').waitFor();
      await look(page, at, 'aspects-error');
      for (const aspect of ['Choir of the old tram depot', 'Family']) {
        await page.goto(`${origin}/aspects`);
        await page.getByLabel('Name', { exact: true }).fill(aspect);
        await submitted('Make it');
        await page.getByRole('status').filter({ hasText: 'made' }).waitFor();
      }
      await look(page, at, 'aspect-empty');
      await page.getByLabel('The address of a contact').fill('ruth@garden.example');
      await page.getByLabel(/Let them see its older posts/).check();
      await submitted('Put in');
      await page.getByRole('status').filter({ hasText: 'in it now' }).waitFor();
      await look(page, at, 'aspect');
      await page.getByRole('link', { name: 'Add someone new' }).click();
      expect(await page.getByLabel('Aspect', { exact: true }).locator('option:checked').textContent()).toBe('Family');
      await look(page, at, 'contacts-aspects');
      await page.goto(`${origin}/u/jonas-${suffix}`);
      await page.getByLabel('Family').check();
      await look(page, at, 'person-aspects');
      await submitted('Save the aspects');
      await page.waitForLoadState();
      expect(await page.getByLabel('Family').isChecked()).toBe(true);
      await page.goto(`${origin}/contacts/${friend.actorId}`);
      await look(page, at, 'contact');
      await page.goto(`${origin}/aspects`);
      await look(page, at, 'aspects');

      await page.goto(origin);
      await page.getByLabel('Your post').fill('Soup at seven.');
      await page.getByText('Who can see this:').first().click();
      expect(await page.getByLabel(/Family \(2\)/).isVisible()).toBe(false);
      await page.getByRole('radio', { name: /Some aspects/ }).check();
      expect(await page.getByText('some aspects', { exact: true }).first().isVisible()).toBe(true);
      expect(await page.getByText('Goes only to the aspects you pick.').isVisible()).toBe(true);
      await look(page, at, 'composer-aspects');
      if (at.width < 600) await submitted('Post');
      else await page.locator('.composer').evaluate((form) => (form as HTMLFormElement).requestSubmit(form.querySelector<HTMLButtonElement>('.btn--main')));
      await page.getByRole('alert').waitFor();
      await look(page, at, 'composer-aspects-error');
      await page.getByLabel(/Family \(2\)/).check();
      if (at.script) {
        // A tick that is out of sight is not sent.
        await page.getByRole('radio', { name: /Everyone/ }).check();
        expect(await page.locator('input[value^="aspect:"]:enabled').count()).toBe(0);
        await page.getByRole('radio', { name: /Some aspects/ }).check();
      }
      await page.getByText('Who can see this:').first().click();
      await submitted('Post');
      await page.waitForURL(/\/posts\/[0-9a-f]{32}$/);
      expect(await page.locator('article.post .aud').textContent()).toBe('Family');
      await look(page, at, 'post-aspect');
      await page.goto(origin);
      await page.getByRole('navigation', { name: 'Show' }).getByRole('link', { name: 'Family' }).click();
      expect(await page.locator('article.post').count()).toBe(2);
      await look(page, at, 'stream-aspect');
      await page.getByRole('navigation', { name: 'Show' }).getByRole('link', { name: /Choir/ }).click();
      await look(page, at, 'stream-aspect-empty');
      await page.goto(`${origin}/aspects`);
      await page.getByRole('link', { name: 'Family', exact: true }).click();
      await page.getByRole('link', { name: 'Remove this aspect' }).click();
      await page.getByText('then only you can see it').waitFor();
      await look(page, at, 'aspect-remove');
      await submitted('Remove it');
      await page.getByRole('status').filter({ hasText: 'removed' }).waitFor();

      await page.goto(`${origin}/settings/profile`);
      await page.getByLabel('Your name').fill('Alice Morgenroth');
      await page.getByLabel('About yourself').fill('Lamps and trousers.\nNo toasters.');
      await submitted('Save');
      await page.getByRole('status').filter({ hasText: 'Saved' }).waitFor();
      await look(page, at, 'settings-profile');
      await page.goto(`${origin}/u/${name}`);
      await look(page, at, 'me');
      await page.goto(`${origin}/settings/account`);
      await look(page, at, 'settings-account');
      await page.getByLabel('Your password now').last().fill('wrong words here');
      await page.getByLabel('New e-mail address').fill('next@mail.test');
      await submitted('Change the e-mail address');
      await page.getByRole('alert').waitFor();
      await look(page, at, 'settings-account-error');
      await page.goto(`${origin}/settings/app-passwords`);
      await page.getByLabel('What is it for?').fill('Tablet');
      await submitted('Make password');
      await page.locator('code#app-password').waitFor();
      await look(page, at, 'app-passwords');
      await page.getByRole('button', { name: 'Revoke Tablet' }).click();
      await page.getByRole('status').filter({ hasText: 'revoked' }).waitFor();

      await page.goto(`${posted}/delete`);
      await look(page, at, 'delete');
      await submitted('Delete it everywhere');
      await page.getByRole('status').filter({ hasText: 'deleted' }).waitFor();
      await page.goto(posted);
      await look(page, at, 'gone');
      await page.goto(`${origin}/posts/nothing`);
      await look(page, at, 'not-found');

      for (const [path, title] of [['/about', 'about'], ['/about/privacy', 'privacy'], ['/help', 'help']]) {
        await page.goto(origin + path);
        await look(page, at, title!);
      }

      await page.goto(`${origin}/settings/account`);
      await submitted('Log out');
      await page.getByRole('status').waitFor();
      await look(page, at, 'login');
      await page.getByLabel('Your name, address or e-mail').fill(`${name}@social.localhost`);
      await page.getByLabel('Password', { exact: true }).fill('not this one');
      await submitted('Log in');
      await page.getByRole('alert').waitFor();
      await look(page, at, 'login-error');
      await page.getByLabel('Your name, address or e-mail').fill(`${name}@social.localhost`);
      await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
      await submitted('Log in');
      await page.getByRole('heading', { name: 'Stream' }).waitFor();
      await context.clearCookies();
      await page.goto(`${origin}/password/forgot?done=sent`);
      await look(page, at, 'forgot');
      await page.goto(`${origin}/u/jonas-${suffix}`);
      await look(page, at, 'person-visitor');
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  }, 180_000);

  test('pressing the theme switch changes light and dark, and it stays', async () => {
    const { context, page, faults } = await open(at);
    try {
      await page.goto(`${origin}/about`);
      const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const before = await ground();
      await page.getByRole('button', { name: 'Light or dark' }).click();
      if (!at.script && at.scheme === 'dark') await page.getByRole('button', { name: 'Light or dark' }).click(); // the server does not know what the system prefers
      await expectSoon(async () => (await ground()) !== before);
      expect(page.url()).toBe(`${origin}/about`);
      const after = await ground();
      await page.goto(`${origin}/help`);
      expect(await ground()).toBe(after);
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  });
});

/** Asks again until it is so; the test's own time limit ends it. */
async function expectSoon(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo()));
}
