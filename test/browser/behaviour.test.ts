import type { Page } from 'playwright-core';
import type { Account } from '../../src/domain/account.js';
import { commentOn } from '../../src/services/comments.js';
import { publishPost } from '../../src/services/publish.js';
import { changeProfile } from '../../src/services/profiles.js';
import { addContact } from '../../src/services/relationships.js';
import { findActor } from '../../src/store/actors.js';
import { type Element, parseStanza, xml } from '../../src/xml.js';
import { type BrowserSite, DESK, listen, startBrowserSite } from '../support/browser-site.js';
import { relate } from '../support/people.js';
import { remotePerson } from '../support/remote.js';
import type { Site } from '../support/web.js';
import { openStage } from '../support/xmpp-stage.js';

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

describe('nothing that people write runs, even in a browser that ignores our policy', () => {
  const PAYLOADS = [
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
  const SCRIPT = PAYLOADS[0]!;

  /** Opens the pages, of which each must show what it is opened for, and looks for what ran, or would when it is clicked. */
  async function nothingRunsOn(pages: { path: string; shows: string }[], reader?: string): Promise<void> {
    const state = reader === undefined ? null : await visited.logIn(reader, DESK);
    const context = await visited.browser.newContext({ bypassCSP: true, ...(state ? { storageState: await state.context.storageState() } : {}) });
    await state?.context.close();
    try {
      const page = await context.newPage();
      const dialogs: string[] = [];
      page.on('dialog', (dialog) => {
        dialogs.push(dialog.message());
        void dialog.dismiss();
      });
      for (const { path, shows } of pages) {
        await page.goto(origin + path);
        expect({ path, shows: await page.locator(shows).count() }).not.toEqual({ path, shows: 0 });
        const faults = await page.evaluate(() =>
          [...document.querySelectorAll('*')].flatMap((element) =>
            [...element.attributes]
              .filter(({ name, value }) => /^on/i.test(name) || name === 'srcdoc' || (['href', 'src', 'action', 'formaction', 'xlink:href'].includes(name) && !['http:', 'https:', 'xmpp:', 'mailto:'].includes(new URL(value, location.href).protocol)))
              .map(({ name, value }) => `${element.tagName} ${name}=${value}`),
          ),
        );
        expect({ path, faults }).toEqual({ path, faults: [] });
      }
      expect(dialogs).toEqual([]);
      // The trap works: what this page itself says is heard.
      await page.evaluate(() => alert('heard'));
      expect(dialogs).toEqual(['heard']);
    } finally {
      await context.close();
    }
  }

  test('of people here: posts, names, texts about themselves, comments', async () => {
    const mallory = await site.account('mallory');
    await changeProfile(site.ctx, mallory, { displayName: SCRIPT, summary: PAYLOADS.join('\n').slice(0, 500) });
    const posts = [];
    for (const text of PAYLOADS) posts.push(await publishPost(site.ctx, mallory, { text: `${text}\n\n#hostile` }));
    for (const text of PAYLOADS) await commentOn(site.ctx, (await findActor(site.ctx.store, mallory.actorId))!, posts[0]!.guid, { text });
    await nothingRunsOn([
      { path: '/u/mallory', shows: 'article.post' },
      { path: '/tags/hostile', shows: 'article.post' },
      { path: `/tags/${encodeURIComponent(SCRIPT)}`, shows: 'h1' },
      { path: `/posts/${posts[0]!.guid}`, shows: `.comment >> nth=${PAYLOADS.length - 1}` },
      ...posts.map(({ guid }) => ({ path: `/posts/${guid}`, shows: 'article.post' })),
    ]);
  });

  test('of people elsewhere: entries as text, HTML and XHTML, their names and texts, comments and likes', async () => {
    const victim = await site.account('victim-of-entries');
    const own = await publishPost(site.ctx, victim, { text: 'mine' });
    const EVE = 'eve@evil.test';
    const eve = await remotePerson(site.ctx, EVE);
    await relate(site.ctx.store, victim.actorId, eve.id, { following: 'on', addedAt: 1 });
    // The same database, behind stanzas as they come from a server.
    const stage = await openStage({ DX_DOMAIN: site.ctx.config.domain }, site.ctx.store);
    stage.answer(() => parseStanza("<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'/></iq>"));
    const address = `victim-of-entries@${site.ctx.config.domain}`;
    const MICROBLOG = 'urn:xmpp:microblog:0';
    const tell = (node: string, id: string, payload: Element) =>
      stage.receive(
        xml('message', { type: 'headline', from: EVE, to: address }, xml('event', { xmlns: 'http://jabber.org/protocol/pubsub#event' }, xml('items', { node }, xml('item', { id }, payload)))),
      );
    const around = '" onmouseover="alert(1)';
    const entry = (title: string, ...more: Element[]) =>
      xml(
        'entry',
        { xmlns: 'http://www.w3.org/2005/Atom', 'xml:lang': around },
        xml('title', null, title),
        ...more,
        xml('id', null, 'javascript:alert(1)'),
        xml('author', null, xml('name', null, SCRIPT), xml('uri', null, 'javascript:alert(1)')),
        ...['hostile-entry', SCRIPT, around].map((term) => xml('category', { term })),
        ...['alternate', 'related', 'enclosure', 'replies'].map((rel) => xml('link', { rel, type: 'text/html', title: SCRIPT, href: 'javascript:alert(1)' })),
      );
    const content = (type: string, inside: string | Element) => xml('content', { type }, inside);
    const XHTML = [
      "<script>alert(1)</script><p>after</p>",
      "<img src='x' onerror='alert(1)' alt='picture'/>",
      "<p onclick='alert(1)' onmouseover='alert(1)'>hover</p>",
      "<a href='javascript:alert(1)'>here</a>",
      "<a href='java&#9;script:alert(1)'>here</a>",
      "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg><p>after</p>",
      "<iframe srcdoc='&lt;script&gt;alert(1)&lt;/script&gt;'/><p>after</p>",
      "<p>&lt;script&gt;alert(1)&lt;/script&gt; [x](javascript:alert(1))</p>",
      "<math xmlns='http://www.w3.org/1998/Math/MathML'><mtext><img src='x' onerror='alert(1)'/></mtext></math><p>after</p>",
    ];
    const entries = [
      ...PAYLOADS.map((text) => entry(text)),
      ...PAYLOADS.map((text, at) => entry(`HTML ${at}`, content('html', `${text}<p>after</p>`))),
      ...XHTML.map((inside, at) => entry(`XHTML ${at}`, content('xhtml', parseStanza(`<div xmlns='http://www.w3.org/1999/xhtml'>${inside}</div>`)))),
    ];
    for (const [at, one] of entries.entries()) await tell(MICROBLOG, `e${at}`, one);
    await tell('http://jabber.org/protocol/nick', 'current', xml('nick', { xmlns: 'http://jabber.org/protocol/nick' }, PAYLOADS[1]!));
    const text = (name: string, value: string) => xml(name, null, xml('text', null, value));
    await tell('urn:xmpp:vcard4', 'current', xml('vcard', { xmlns: 'urn:ietf:params:xml:ns:vcard-4.0' }, text('fn', SCRIPT), text('note', PAYLOADS.join('\n'))));
    const publish = (id: string, payload: Element) =>
      stage.receive(
        xml('iq', { type: 'set', id, from: `${EVE}/x`, to: address }, xml('pubsub', { xmlns: 'http://jabber.org/protocol/pubsub' }, xml('publish', { node: `${MICROBLOG}:comments/${own.guid}` }, xml('item', { id }, payload)))),
      );
    for (const [at, title] of [...PAYLOADS, '♥'].entries()) await publish(`c${at}`, entry(title));
    const posts = await site.ctx.store.query<{ guid: string }>('select guid from posts where author_id = ?', [eve.id]);
    expect(posts).toHaveLength(entries.length);
    expect((await findActor(site.ctx.store, eve.id))!.profile).toMatchObject({ displayName: PAYLOADS[1], summary: expect.stringContaining(SCRIPT) });
    await stage.close();
    await nothingRunsOn(
      [
        { path: '/', shows: 'article.post' },
        { path: `/people/${EVE}`, shows: 'article.post' },
        { path: `/people/${EVE}?ask=block`, shows: '#ask' },
        { path: '/tags/hostile-entry', shows: 'article.post' },
        { path: '/contacts', shows: `a[href="/people/${EVE}"]` },
        { path: '/notifications', shows: `a[href="/people/${EVE}"]` },
        { path: `/posts/${own.guid}`, shows: `.comment >> nth=${PAYLOADS.length - 1}` },
        ...posts.map(({ guid }) => ({ path: `/posts/${guid}`, shows: 'article.post' })),
      ],
      'victim-of-entries',
    );
  });
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
