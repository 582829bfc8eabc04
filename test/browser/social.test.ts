import type { Account } from '../../src/domain/account.js';
import { commentOn } from '../../src/services/comments.js';
import { unsubscribeToken } from '../../src/services/notification-mail.js';
import { publishPost } from '../../src/services/publish.js';
import { likePost } from '../../src/services/reactions.js';
import { changeProfile } from '../../src/services/profiles.js';
import { addContact, setAskFirst } from '../../src/services/relationships.js';
import { resharePost } from '../../src/services/reshares.js';
import { actorOf } from '../../src/services/stream.js';
import { addDeliveries } from '../../src/store/ledger.js';
import { findFetch, saveFetch } from '../../src/store/received.js';
import { LOOKS, look, nameOf } from '../support/browser.js';
import { type BrowserSite, DESK, startBrowserSite } from '../support/browser-site.js';
import { remotePerson, remotePost } from '../support/remote.js';
import type { Site } from '../support/web.js';

let visited: BrowserSite;
let site: Site;
let origin: string;
let logIn: BrowserSite['logIn'];
beforeAll(async () => {
  visited = await startBrowserSite();
  ({ site, origin, logIn } = visited);
});
afterAll(() => visited?.stop());

/** An account with a name to show. */
async function person(username: string, displayName: string): Promise<Account> {
  const account = await site.account(username);
  await changeProfile(site.ctx, account, { displayName, summary: '' });
  return account;
}

describe.each(LOOKS.map((at) => [nameOf(at), at] as const))('at %s', (suffix, at) => {
  test('find, follow, like, reshare, comment, be told, hide, block', async () => {
    const name = (who: string) => `${who}-${suffix}`;
    await person(name('alice'), 'Alice Morgenroth');
    const jonas = await person(name('jonas'), 'Jonas Brandt');
    const post = await publishPost(site.ctx, jonas, { text: `Last light before the storm. We tied up ten minutes before the rain. #harbour-${suffix}` });
    const { context, page, faults } = await logIn(name('alice'), at);
    const press = (words: string | RegExp) => page.getByRole('button', { name: words, exact: typeof words === 'string' }).click();
    try {
      // One field, a look at the person, then the decision.
      await page.getByLabel('Address or link of a person').fill(`${name('jonas')}@social.localhost`);
      await page.getByLabel('Address or link of a person').press('Enter');
      await page.waitForURL(`**/u/${name('jonas')}`);
      expect(await page.getByText('Last light before the storm').isVisible()).toBe(true);
      await press('Follow Jonas Brandt');
      await page.getByRole('status').filter({ hasText: 'is now your contact' }).waitFor();
      expect(await page.getByText('You follow', { exact: true }).isVisible()).toBe(true);

      // What is done in the stream leaves one in the stream.
      await page.goto(origin);
      const card = page.locator(`#post-${post.guid}`);
      await card.getByTitle('Like', { exact: true }).click();
      await card.getByTitle('Take your like back').waitFor();
      expect(await card.getByTitle('Take your like back').textContent()).toBe('You like this. Likes: 1');
      await card.getByTitle('Share with your own followers').click();
      await card.getByTitle('Take your reshare back').waitFor();
      expect(new URL(page.url()).pathname).toBe('/');
      await page.goto(origin);
      expect(await page.getByText('Alice Morgenroth reshared').count()).toBe(1);
      await look(page, at, 'stream-social');

      // The page of a post.
      await card.getByTitle('Read and write comments').click();
      await page.waitForURL(`**/posts/${post.guid}*`);
      await page.getByLabel('Your comment').fill('♥');
      await press('Comment');
      await page.getByRole('alert').waitFor();
      expect(await page.getByLabel('Your comment').inputValue()).toBe('♥');
      await look(page, at, 'post-comment-error');
      await page.getByLabel('Your comment').fill('You and your *ten minutes*.');
      await press('Comment');
      await page.locator('.comment em').waitFor();
      expect(new URL(page.url()).hash).toMatch(/^#comment-/);
      await commentOn(site.ctx, await actorOf(site.ctx, jonas), post.guid, { text: 'They were twelve.\n\nBut nobody counted.' });
      await page.goto(`${origin}/posts/${post.guid}`);
      await look(page, at, 'post-comments');
      await page.locator('.comment summary').first().click();
      await look(page, at, 'post-comment-menu');
      await page.getByRole('link', { name: 'Change', exact: true }).click();
      await page.getByLabel('Your comment').fill('You and your twelve minutes.');
      await look(page, at, 'comment-edit');
      await press('Save');
      await page.getByText('twelve minutes').waitFor();
      await page.locator('.comment summary').first().click();
      await page.getByRole('link', { name: 'Delete this comment' }).click();
      await look(page, at, 'comment-delete');
      await page.getByRole('link', { name: 'Keep it' }).click();
      await page.waitForURL(`**/posts/${post.guid}*`);

      await page.goto(`${origin}/tags/harbour-${suffix}`);
      expect(await page.locator('article.post').count()).toBe(1);
      await look(page, at, 'tag');
      await page.goto(`${origin}/tags/nothing`);
      await look(page, at, 'tag-empty');
      await page.goto(`${origin}/activity`);
      await look(page, at, 'activity');
      await page.goto(`${origin}/help/keys`);
      await look(page, at, 'keys');

      // The other one is told.
      const other = await logIn(name('jonas'), at);
      expect(await other.page.locator('.tabs .badge').textContent()).toBe('new: 3');
      await other.page.getByRole('link', { name: /^Notifications/ }).click();
      await look(other.page, at, 'notifications');
      await other.page.getByRole('navigation', { name: 'Show' }).getByRole('link', { name: 'Mentions' }).click();
      await look(other.page, at, 'notifications-empty');
      await other.page.goto(`${origin}/notifications`);
      await other.page.getByRole('link', { name: 'your post' }).first().click();
      await other.page.waitForURL(`**/posts/${post.guid}*`);
      await other.page.locator('.comment').first().waitFor();
      expect(await other.page.locator('.tabs .badge').isVisible()).toBe(false);
      await other.page.goto(`${origin}/settings/notifications`);
      await other.page.getByLabel('Someone mentions you').selectOption('At once');
      await other.page.getByRole('button', { name: 'Save' }).click();
      await other.page.getByRole('status').waitFor();
      expect(await other.page.getByLabel('Someone mentions you').inputValue()).toBe('now');
      await look(other.page, at, 'settings-notifications');
      await other.page.goto(`${origin}/unsubscribe/${unsubscribeToken(site.ctx, jonas, 'all')}`);
      await look(other.page, at, 'unsubscribe');
      await other.page.getByRole('button', { name: 'Stop these mails' }).click();
      await other.page.getByRole('status').waitFor();
      await look(other.page, at, 'unsubscribed');
      expect(other.faults).toEqual([]);
      await other.context.close();

      // Hidden, shown again, blocked: from the card, from the contacts, from the page of the person.
      await page.goto(origin);
      await page.locator(`#post-${post.guid} summary[title=More]`).click();
      await press('Hide posts by Jonas Brandt');
      await page.getByRole('status').filter({ hasText: 'are hidden' }).waitFor();
      expect(await page.locator(`#post-${post.guid}`).count()).toBe(0);
      await page.goto(`${origin}/contacts?only=muted`);
      await page.locator('.people summary').click();
      await look(page, at, 'contacts-muted');
      await press('Show their posts again');
      await page.getByRole('status').waitFor();
      await page.goto(`${origin}/u/${name('jonas')}`);
      await page.getByTitle('More').first().click();
      await look(page, at, 'person-menu');
      await page.getByRole('link', { name: 'Block' }).first().click();
      await look(page, at, 'person-block');
      await press('Block');
      await page.getByRole('status').filter({ hasText: 'is blocked' }).waitFor();
      expect(await page.locator('article.post').count()).toBe(0);
      await look(page, at, 'person-blocked');

      // Someone elsewhere, of whom we have asked their server.
      const ruth = await remotePerson(site.ctx, `ruth-${suffix}@garden.example`);
      const theirs = await remotePost(site.ctx, ruth, 'A year of compost in a flat on the fourth floor.');
      await page.goto(`${origin}/people/ruth-${suffix}@garden.example`);
      await page.getByText('We are asking garden.example').waitFor();
      await look(page, at, 'person-remote');
      await page.goto(`${origin}/posts/${theirs.guid}`);
      await look(page, at, 'post-remote');
      await page.goto(`${origin}/people?address=${encodeURIComponent('not an address')}`);
      await page.getByRole('alert').waitFor();
      await look(page, at, 'look-up-error');
      await context.clearCookies();
      await page.goto(`${origin}/posts/${post.guid}`);
      await look(page, at, 'post-visitor');
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  }, 240_000);
});

describe('while a page stands open', () => {
  test('comments come below the others, likes are counted, the bell rings, and nothing that is read moves', async () => {
    const nora = await person('nora', 'Nora');
    const omar = await person('omar', 'Omar');
    const post = await publishPost(site.ctx, nora, { text: 'Talk to me.' });
    await commentOn(site.ctx, await actorOf(site.ctx, omar), post.guid, { text: 'The first.' });
    const { context, page, faults } = await logIn('nora', DESK);
    try {
      const connected = page.waitForResponse('**/events?post=*');
      await page.goto(`${origin}/posts/${post.guid}`);
      await connected;
      await page.getByLabel('Your comment').fill('While I write');
      const top = async () => (await page.locator('.comment').first().boundingBox())!.y;
      const before = await top();
      await commentOn(site.ctx, await actorOf(site.ctx, omar), post.guid, { text: 'The second.' });
      await page.getByText('The second.').waitFor();
      await page.getByRole('heading', { name: '2 comments' }).waitFor();
      await likePost(site.ctx, await actorOf(site.ctx, omar), post.guid);
      await page.locator('.acts__counts').getByText('Like. Likes: ').locator('..').filter({ hasText: 'Likes: 1' }).waitFor();
      // What came into view was read; the like was not.
      await page.locator('.tabs .badge').filter({ hasText: 'new: 1' }).waitFor();
      expect(await top()).toBe(before);
      expect(await page.getByLabel('Your comment').inputValue()).toBe('While I write');
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('comment');
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  });

  test('a like changes its bar alone, and the focus stays on it', async () => {
    const pia = await person('pia', 'Pia');
    await person('quinn', 'Quinn');
    const post = await publishPost(site.ctx, pia, { text: 'Likeable.' });
    const { context, page, faults } = await logIn('quinn', DESK);
    try {
      await page.goto(`${origin}/u/pia`);
      await page.evaluate(() => Object.assign(globalThis, { stays: true }));
      await page.getByTitle('Like', { exact: true }).focus();
      await page.keyboard.press('Enter');
      await page.getByTitle('Take your like back').waitFor();
      expect(await page.evaluate(() => (globalThis as { stays?: boolean }).stays)).toBe(true);
      expect(await page.evaluate(() => document.activeElement?.getAttribute('title'))).toBe('Take your like back');
      await page.keyboard.press('Enter');
      await page.getByTitle('Like', { exact: true }).waitFor();
      // Without its script, the form that came this way leads back to the page itself.
      expect(await page.locator(`[data-acts="${post.guid}"] [name=next]`).first().inputValue()).toBe('/u/pia');
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  });

  test('the page of someone elsewhere fills itself when their server has answered', async () => {
    await person('rosa', 'Rosa');
    const ruth = await remotePerson(site.ctx, 'ruth@garden.example');
    const { context, page, faults } = await logIn('rosa', DESK);
    try {
      const connected = page.waitForResponse('**/events?person=*');
      await page.goto(`${origin}/people/ruth@garden.example`);
      await page.getByText('We are asking garden.example').waitFor();
      await connected;
      const older = page.getByLabel(/Let them see older posts/);
      await older.check();
      await remotePost(site.ctx, ruth, 'Worms, mostly.');
      await page.getByText('Worms, mostly.').waitFor();
      const fetch = (await findFetch(site.ctx.store, ruth.id))!;
      await site.ctx.store.transaction(async (tx) => {
        await saveFetch(tx, { ...fetch, endedAt: site.ctx.now() });
        tx.publish({ kind: 'account', actorId: ruth.id });
      });
      await page.getByText('We are asking garden.example').waitFor({ state: 'detached' });
      expect(await older.isChecked()).toBe(true);
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  });
});

describe('keys', () => {
  test('go from post to post, like, write; are letters in fields; and can be switched off', async () => {
    const sven = await person('sven', 'Sven');
    const tilda = await person('tilda', 'Tilda');
    await addContact(site.ctx, tilda, 'sven@social.localhost');
    for (const text of ['One.', 'Two.', 'Three.']) await publishPost(site.ctx, sven, { text });
    const { context, page, faults } = await logIn('tilda', DESK);
    try {
      await page.goto(origin);
      const here = () => page.evaluate(() => document.activeElement?.querySelector('.prose')?.textContent?.trim());
      await page.keyboard.press('j');
      expect(await here()).toBe('Three.');
      await page.keyboard.press('j');
      expect(await here()).toBe('Two.');
      await page.keyboard.press('k');
      expect(await here()).toBe('Three.');
      await page.keyboard.press('l');
      await page.locator('article').first().getByTitle('Take your like back').waitFor();
      await page.keyboard.press('n');
      await page.keyboard.type('jkl?');
      expect(await page.getByLabel('Your post').inputValue()).toBe('jkl?');
      await page.keyboard.press('Escape');
      await page.getByLabel('Your post').fill('');
      await page.keyboard.press('Escape');
      await page.keyboard.press('j');
      await page.keyboard.press('o');
      await page.waitForURL('**/posts/*');
      await page.keyboard.press('c');
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('comment');
      await page.keyboard.press('Escape');
      await page.keyboard.press('?');
      await page.waitForURL('**/help/keys');
      await page.getByRole('button', { name: 'Turn them off' }).click();
      await page.getByText('Keys are off').waitFor();
      await page.goto(origin);
      await page.keyboard.press('j');
      expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('BODY');
      await page.keyboard.press('?');
      expect(page.url()).toBe(`${origin}/`);
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  });
});

describe.each([
  [360, false],
  [1280, true],
] as const)('at %i px', (width, script) => {
  const at = { width, scheme: 'light', script } as const;
  test('who likes and who reshares stands together, a request is answered there, a like that was refused is told', async () => {
    const owner = await person(`greta-${width}`, 'Greta Holm');
    await setAskFirst(site.ctx, owner, true);
    const post = await publishPost(site.ctx, owner, { text: 'The repair café is open again today, in the old tram depot.' });
    const fans = await Promise.all(['Jonas Brandt', 'Ines Okafor', 'Lena Vogel'].map((name) => person(`${name.slice(0, 4).toLowerCase()}-${width}`, name)));
    for (const fan of fans) await likePost(site.ctx, await actorOf(site.ctx, fan), post.guid);
    for (const fan of fans.slice(1)) await resharePost(site.ctx, fan, post.guid);
    await addContact(site.ctx, fans[0]!, `greta-${width}@social.localhost`);
    const far = await remotePost(site.ctx, await remotePerson(site.ctx, `far-${width}@garden.example`), 'Far away');
    await likePost(site.ctx, await actorOf(site.ctx, owner), far.guid);
    await site.ctx.store.transaction(async (tx) => {
      const [activity] = await tx.query<{ id: string }>("select id from activities where verb = 'like' and post_guid = ?", [far.guid]);
      await addDeliveries(tx, activity!.id, 'xmpp', ['garden.example'], site.ctx.now());
      await tx.query("update deliveries set state = 'given-up', error = 'The other server does not let you write there.' where activity_id = ?", [activity!.id]);
    });
    const { context, page, faults } = await logIn(`greta-${width}`, at);
    try {
      await page.goto(`${origin}/posts/${far.guid}`);
      await page.getByText('Others do not see your like').waitFor();
      await look(page, at, 'post-like-refused');
      await page.goto(`${origin}/notifications`);
      expect(await page.locator('.news > li').count()).toBe(3);
      expect(await page.locator('.tabs .badge').textContent()).toBe('new: 3');
      await page.getByText('and 2 others like').waitFor();
      await look(page, at, 'notifications-together');
      await page.getByRole('button', { name: 'Accept', exact: true }).click();
      await page.getByRole('status').filter({ hasText: 'Jonas Brandt follows you now.' }).waitFor();
      expect(new URL(page.url()).pathname).toBe('/notifications');
      expect(await page.getByRole('button', { name: 'Refuse' }).count()).toBe(0);
      await page.locator('.news > li').filter({ hasText: 'others like' }).getByRole('link').last().click();
      await page.waitForURL(`**/posts/${post.guid}*`);
      await page.getByRole('heading', { name: 'Reshared by' }).waitFor();
      expect(await page.locator('.tabs .badge').isVisible()).toBe(false);
      await look(page, at, 'post-reshared-by');
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  });
});
