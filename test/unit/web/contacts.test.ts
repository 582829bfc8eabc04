import { pageOfPeople } from '../../../src/services/relationships.js';
import { relate } from '../../support/people.js';
import { makeRoster } from '../../support/roster.js';
import { type Browser, type Site, startSite } from '../../support/web.js';

const MANY = 2_500;

let site: Site;
let alice: Awaited<ReturnType<Site['member']>>;
beforeEach(async () => {
  site = await startSite();
  alice = await site.member('alice');
});
afterEach(() => site.stop());

const addresses = (page: string) => [...page.matchAll(/<span>([a-z0-9]+)@many\.example<\/span>/g)].map(([, name]) => name!);
/** The addresses on this page and on those after it, page by page. */
async function walk(browser: Browser, path: string): Promise<string[][]> {
  const pages: string[][] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const { text } = await browser.get(next);
    pages.push(addresses(text));
    next = /href="([^"]*)" rel="next"/.exec(text)?.[1]?.replaceAll('&amp;', '&');
  }
  return pages;
}

test('a server that brings thousands of followers does not make the page longer, and each of them is on one of its pages', async () => {
  await makeRoster(site.ctx.store, alice.account.actorId, 'f', MANY, () => ({ follower: 'on' }));
  const { text } = await alice.get('/contacts');
  expect(text).toContain(`<small>${MANY}</small>`);
  expect(text.length).toBeLessThan(50_000);
  const pages = await walk(alice, '/contacts?only=followers');
  expect(pages.every((page) => page.length <= 50)).toBe(true);
  expect(pages.flat()).toHaveLength(MANY);
  expect(new Set(pages.flat()).size).toBe(MANY);
});

test('of thousands who ask, a few stand beside the stream, some above the contacts, and all have their own pages', async () => {
  await alice.post('/settings/ask-first', { on: 'yes', next: '/contacts' });
  const people = await makeRoster(site.ctx.store, alice.account.actorId, 'r', MANY, () => ({ follower: 'asked' }));
  const stream = (await alice.get('/')).text;
  expect(addresses(stream)).toHaveLength(3);
  expect(stream).toContain(`<a href="/contacts?only=requests">See all ${MANY}</a>`);
  const contacts = (await alice.get('/contacts')).text;
  expect(addresses(contacts)).toHaveLength(20);
  expect(contacts).toContain(`<a href="/contacts?only=requests">And ${MANY - 20} more</a>`);
  const pages = await walk(alice, '/contacts?only=requests');
  expect([pages.length, new Set(pages.flat()).size]).toEqual([MANY / 50, MANY]);

  // Whoever is answered there leaves the list, and one stays in it.
  const last = people.at(-1)!;
  await alice.get('/contacts?only=requests');
  const answer = await alice.post(`/contacts/${last.id}/reject`, { next: /name="next" value="([^"]*)"/.exec(alice.page)![1]! });
  expect(answer.headers.location).toBe(`/contacts?only=requests&done=reject&who=${last.id}`);
  expect(addresses((await alice.get('/contacts?only=requests')).text)[0]).toBe(people.at(-2)!.username);

  // Everyone is let in when one is asked no longer.
  await alice.post('/settings/ask-first', { on: 'no', next: '/contacts' });
  expect((await pageOfPeople(site.ctx, alice.account, 'requests')).people).toEqual([]);
  expect((await alice.get('/contacts')).text).toContain(`Follow me <small>${MANY - 1}</small>`);
}, 60_000);

test('the page of an aspect offers some contacts, takes any of them by address, and has pages of its members', async () => {
  await makeRoster(site.ctx.store, alice.account.actorId, 'c', 400, () => ({ addedAt: 1, following: 'on' }));
  await alice.get('/aspects');
  const id = Number(/\/aspects\/(\d+)/.exec((await alice.post('/aspects', { name: 'Choir' })).headers.location!)![1]);
  const empty = (await alice.get(`/aspects/${id}`)).text;
  expect(empty).toMatch(/<input id="address"[^>]*list="others"/);
  expect(empty.match(/<option /g)).toHaveLength(100);
  expect((await alice.post(`/aspects/${id}/members`, { address: 'c399@many.example' })).headers.location).toBe(`/aspects/${id}?done=put`);

  for (const address of ['c400@many.example', 'nobody', 'alice@social.localhost']) {
    const refused = await alice.post(`/aspects/${id}/members`, { address });
    expect(refused.status).toBe(400);
    expect(refused.text).toMatch(new RegExp(`id="address-error"[\\s\\S]*value="${address}"`));
  }
  expect(await site.ctx.store.query("select 1 from actors where username = 'c400'")).toEqual([]);

  await site.ctx.store.transaction((tx) => tx.query("insert into aspect_members (aspect_id, actor_id, since) select ?, id, 0 from actors where username like 'c%' on conflict do nothing", [id]));
  const all = await alice.get(`/aspects/${id}`);
  expect(all.text).toContain('400 people');
  expect(all.text).toContain('All of your contacts are in it.');
  for (const path of [`/aspects/${id}`, `/contacts?aspect=${id}`]) {
    const pages = await walk(alice, path);
    expect([pages.length, new Set(pages.flat()).size]).toEqual([8, 400]);
  }
  expect((await alice.get(`/aspects/${id}/remove`)).text).toContain('400 people');
});

test('a page after the last one says so, and leads back', async () => {
  const [one] = await makeRoster(site.ctx.store, alice.account.actorId, 'f', 1, () => ({ follower: 'on' }));
  const { text } = await alice.get(`/contacts?only=followers&after=${one!.id}`);
  expect(text).toContain('That is all there is.');
  expect(text).toMatch(/<a class="btn" href="\/contacts\?only=followers"/);
  await relate(site.ctx.store, alice.account.actorId, one!.id, {});
  for (const after of ['x', '-1', '99999999999', '']) expect((await alice.get(`/contacts?only=followers&after=${after}`)).text).toContain('Nobody follows you yet');
});
