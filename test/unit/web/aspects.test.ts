import { type Browser, type Site, startSite } from '../../support/web.js';

type Member = Awaited<ReturnType<Site['member']>>;

let site: Site;
let alice: Member;
let bob: Member;
let carol: Member;
beforeEach(async () => {
  site = await startSite();
  [alice, bob, carol] = (await Promise.all(['alice', 'bob', 'carol'].map((name) => site.member(name)))) as [Member, Member, Member];
});
afterEach(() => site.stop());

const handleOf = (name: string) => `${name}@social.localhost`;
/** Makes an aspect of alice's and returns its ID. */
async function make(name: string, browser: Browser = alice): Promise<string> {
  await browser.get('/aspects');
  const answer = await browser.post('/aspects', { name });
  expect(answer.status).toBe(303);
  return /\/aspects\/(\d+)/.exec(answer.headers.location!)![1]!;
}
async function post(fields: Record<string, string | string[]>): Promise<string> {
  await alice.get('/');
  const answer = await alice.post('/posts', fields);
  expect([answer.status, answer.text.match(/role="alert"[\s\S]{0,300}/)?.[0]]).toEqual([303, undefined]);
  return answer.headers.location!;
}
const statusFor = async (browser: Browser, path: string) => (await browser.get(path)).status;

test('an aspect is made, filled, renamed and removed', async () => {
  const family = await make('Family');
  expect((await alice.get(`/aspects/${family}?done=made`)).text).toContain('role="status"');
  await alice.get('/contacts');
  expect((await alice.post('/contacts', { address: handleOf('bob'), aspect: family })).status).toBe(303);
  await alice.get('/contacts');
  await alice.post('/contacts', { address: handleOf('carol'), aspect: '' });

  const page = await alice.get(`/aspects/${family}`);
  expect(page.text).toContain(`action="/aspects/${family}/members/${bob.account.actorId}/remove"`);
  expect(page.text).toContain(`<option value="${handleOf('carol')}">`);
  expect((await alice.post(`/aspects/${family}/members`, { address: handleOf('carol') })).headers.location).toBe(`/aspects/${family}?done=put`);
  expect((await alice.get('/aspects')).text).toContain('2 people');
  expect((await alice.get(`/contacts?aspect=${family}`)).text).toMatch(/aria-current="page">Family <small>2<\/small>/);
  await alice.post(`/aspects/${family}/members/${carol.account.actorId}/remove`);
  expect((await alice.get(`/contacts?aspect=${family}`)).text).not.toContain('carol@');

  expect((await alice.post(`/aspects/${family}/rename`, { name: 'Kin' })).status).toBe(303);
  expect((await alice.get('/contacts')).text).toMatch(/class="tag"><svg[^>]*><use[^>]*><\/use><\/svg>Kin<\/span>/);

  const only = await post({ text: 'For kin', audience: ['', `aspect:${family}`] });
  const confirm = await alice.get(`/aspects/${family}/remove`);
  expect(confirm.text).toContain('1 post was for no other aspect');
  expect((await alice.post(`/aspects/${family}/remove`)).headers.location).toBe('/aspects?done=removed');
  expect([await statusFor(bob, only), await statusFor(alice, only), await statusFor(alice, `/aspects/${family}`)]).toEqual([404, 200, 404]);
  expect((await alice.get(only)).text).toContain('Only you. The aspects that it was for were removed.');
});

test('names that cannot be are refused beside the field, and what was typed stays', async () => {
  await make('Family');
  for (const [name, status] of [['', 400], ['x'.repeat(41), 400], ['Contacts', 400], ['fAMILY', 409]] as const) {
    await alice.get('/aspects');
    const answer = await alice.post('/aspects', { name });
    expect([name, answer.status]).toEqual([name, status]);
    expect(answer.text).toContain('id="name-error"');
    if (name !== '') expect(answer.text).toContain(`value="${name}"`);
  }
  const hostile = await make('<script>alert(1)</script>');
  for (const path of ['/', '/aspects', `/aspects/${hostile}`, `/aspects/${hostile}/remove`, '/contacts', '/u/bob', '/settings/account']) expect((await alice.get(path)).text).not.toContain('<script>alert');
});

describe('posts for aspects', () => {
  let family: string;
  let choir: string;
  beforeEach(async () => {
    family = await make('Family');
    choir = await make('Choir');
    for (const [name, aspect] of [['bob', family], ['carol', choir]] as const) {
      await alice.get('/contacts');
      await alice.post('/contacts', { address: handleOf(name), aspect });
    }
  });

  test('are seen by the people in them; only their author reads the names', async () => {
    const path = await post({ text: 'Soup at seven', audience: ['', `aspect:${family}`] });
    expect([await statusFor(bob, path), await statusFor(carol, path), await statusFor(site.browser(), path)]).toEqual([200, 404, 404]);
    expect((await alice.get(path)).text).toContain('The people who were in Family when you posted it');
    for (const accept of ['text/html', 'application/activity+json', 'application/atom+xml']) {
      const { text } = await bob.get(path, { Accept: accept });
      expect(text).toContain('Soup at seven');
      expect(text).not.toContain('Family');
    }
    expect((await bob.get(path)).text).toContain('<span>Limited</span>');
    await alice.get(`${path}/edit`);
    await alice.post(`${path}/edit`, { text: 'Soup at eight', audience: 'public' });
    expect(await statusFor(carol, path)).toBe(404);
    const both = await post({ text: 'For both', audience: [`aspect:${family}`, `aspect:${choir}`] });
    expect([await statusFor(bob, both), await statusFor(carol, both)]).toEqual([200, 200]);
  });

  test('need an aspect of one’s own, and just one kind of choice; the text and the choice are kept', async () => {
    const foreign = await make('Work', bob);
    for (const audience of ['', `aspect:${foreign}`, 'aspect:999999999999', 'aspect:', ['', `aspect:${family}`, `aspect:${foreign}`], ['public', `aspect:${family}`], ['public', 'contacts']]) {
      for (const path of ['/posts', '/posts/preview']) {
        await alice.get('/');
        const answer = await alice.post(path, { text: 'Kept words', audience });
        expect([audience, answer.status]).toEqual([audience, 400]);
        expect(answer.text).toContain('Kept words</textarea>');
        expect(answer.text).toMatch(/<details class="audience" open>[\s\S]*id="audience-error"/);
        expect(answer.text).toContain('href="#audience"');
      }
    }
    const none = await alice.post('/posts', { text: 'Kept words', audience: '' });
    expect(none.text).toMatch(/name="audience" value(="")? checked/);
    const json = await alice.post('/posts', { text: 'x', audience: '' }, { Accept: 'application/json' });
    expect(json.body).toMatchObject({ status: 400, field: 'audience' });
    expect((await alice.get('/u/alice')).text).not.toContain('Kept words');
  });

  test('are previewed with their choice', async () => {
    await alice.get('/');
    const { text, status } = await alice.post('/posts/preview', { text: 'Look first', audience: ['', `aspect:${choir}`], once: 'token-2' });
    expect(status).toBe(200);
    expect(text).toContain('Only the people in Choir can see this');
    expect(text).toMatch(new RegExp(`value="aspect:${choir}" checked`));
    expect(text).not.toMatch(new RegExp(`value="aspect:${family}" checked`));
    expect(text).toMatch(/<span data-for="aspects" data-chosen(="")?>some aspects/);
  });

  test('older ones are opened on purpose only', async () => {
    const path = await post({ text: 'Before', audience: `aspect:${family}` });
    await alice.get(`/aspects/${family}`);
    await alice.post(`/aspects/${family}/members`, { address: handleOf('carol') });
    expect(await statusFor(carol, path)).toBe(404);
    await alice.get(`/contacts/${carol.account.actorId}`);
    await alice.post(`/contacts/${carol.account.actorId}/aspects`, { aspect: choir });
    await alice.post(`/contacts/${carol.account.actorId}/aspects`, { aspect: [choir, family], older: 'yes' });
    expect(await statusFor(carol, path)).toBe(200);
  });

  test('older ones are opened to a contact afterwards, those for contacts and those for their aspects', async () => {
    const [all, some] = [await post({ text: 'Before, for all', audience: 'contacts' }), await post({ text: 'Before, for Family', audience: `aspect:${family}` })];
    const dora = await site.member('dora');
    const { actorId } = dora.account;
    await alice.get('/contacts');
    await alice.post('/contacts', { address: handleOf('dora') });
    expect([await statusFor(dora, all), await statusFor(dora, some)]).toEqual([404, 404]);
    for (const page of [`/contacts/${actorId}`, '/u/dora']) expect((await alice.get(page)).text).toContain(`action="/contacts/${actorId}/older"`);
    await alice.post(`/contacts/${actorId}/aspects`, { aspect: family });
    const done = (await alice.post(`/contacts/${actorId}/older`, { next: `/contacts/${actorId}` })).headers.location!;
    expect([await statusFor(dora, all), await statusFor(dora, some)]).toEqual([200, 200]);
    const page = (await alice.get(done)).text;
    expect(page).toContain('dora may see your older posts for contacts, too.');
    expect(page).not.toContain(`action="/contacts/${actorId}/older"`);
    // Nobody but a contact, and not by asking for it oneself.
    await dora.get('/');
    expect((await dora.post(`/contacts/${alice.account.actorId}/older`)).status).toBe(404);
  });

  test('the stream shows one aspect at a time, page by page', async () => {
    for (const browser of [bob, carol]) {
      for (let at = 1; at <= 21; at++) await browser.post('/posts', { text: `${browser.account.username} ${at}` });
    }
    const { text } = await alice.get(`/?aspect=${family}`);
    expect(text).toMatch(/aria-current="page">Family</);
    expect(text).toContain('<p>bob 21</p>');
    expect(text).not.toContain('<p>carol');
    const older = /href="([^"]*)" rel="next"/.exec(text)![1]!.replaceAll('&amp;', '&');
    expect((await alice.get(older)).text).toContain('<p>bob 1</p>');
    const foreign = await make('Work', bob);
    for (const none of [foreign, '99999999999', 'x']) expect(await statusFor(alice, `/?aspect=${none}`)).toBe(404);
  });

  test('a profile puts people into aspects, before and after they are added', async () => {
    const dora = await site.member('dora');
    const page = await alice.get('/u/dora');
    expect(page.text).toMatch(new RegExp(`name="aspect" value="${family}"`));
    expect((await alice.post('/contacts', { address: handleOf('dora'), from: 'person', aspect: [family, choir] })).headers.location).toBe(`/u/dora?done=added&who=${dora.account.actorId}`);
    expect((await alice.get('/u/dora')).text).toMatch(new RegExp(`name="aspect" value="${choir}" checked`));
    expect((await alice.post(`/contacts/${dora.account.actorId}/aspects`, { from: 'person', aspect: choir })).headers.location).toBe('/u/dora');
    expect((await alice.get('/u/dora')).text).not.toMatch(new RegExp(`name="aspect" value="${family}" checked`));
    // Her own visitors see nothing of it, nor does she.
    for (const browser of [bob, dora]) for (const path of ['/u/alice', '/contacts', '/']) expect((await browser.get(path)).text).not.toContain('Choir');
  });

  test('can be what one usually posts for; removing them says so before, and never widens it', async () => {
    await alice.get('/settings/account');
    for (const audience of ['', ['public', `aspect:${family}`], 'aspect:999']) {
      const answer = await alice.post('/settings/audience', { audience });
      expect([audience, answer.status]).toEqual([audience, 400]);
      expect(answer.text).toContain('id="audience-error"');
    }
    expect((await alice.post('/settings/audience', { audience: ['', `aspect:${family}`] })).status).toBe(303);
    expect((await alice.get('/settings/account')).text).toMatch(new RegExp(`value="aspect:${family}" checked`));
    expect((await alice.get('/')).text).toMatch(new RegExp(`value="aspect:${family}" checked`));
    const path = await post({ text: 'As usual' });
    expect([await statusFor(bob, path), await statusFor(carol, path)]).toEqual([200, 404]);
    expect((await alice.get(`/aspects/${family}/remove`)).text).toContain('You post for it when you do not choose');
    await alice.post(`/aspects/${family}/remove`);
    await alice.get('/');
    expect((await alice.post('/posts', { text: 'For whom?' })).status).toBe(400);
    await alice.get(`/aspects/${choir}/remove`);
    await alice.post(`/aspects/${choir}/remove`);
    await alice.get('/');
    expect((await alice.post('/posts', { text: 'For whom?' })).status).toBe(400);
    await post({ text: 'For all', audience: 'public' });
  });

  test('someone else’s aspects and people are not there', async () => {
    const foreign = await make('Work', bob);
    for (const id of [foreign, '2147483648', '0']) {
      for (const path of [`/aspects/${id}`, `/aspects/${id}/remove`, `/contacts?aspect=${id}`]) expect([path, await statusFor(alice, path)]).toEqual([path, 404]);
      await alice.get('/aspects');
      for (const [path, fields] of [['rename', { name: 'Mine' }], ['members', { address: handleOf('bob') }], [`members/${carol.account.actorId}/remove`, {}], ['remove', {}]] as const) {
        expect([path, (await alice.post(`/aspects/${id}/${path}`, fields)).status]).toEqual([path, 404]);
      }
      expect((await alice.post('/contacts', { address: handleOf('bob'), aspect: id })).status).toBe(400);
    }
    expect(await statusFor(alice, `/contacts/${alice.account.actorId}`)).toBe(404);
    await carol.get('/');
    expect((await carol.post(`/contacts/${bob.account.actorId}/aspects`, { aspect: '' })).status).toBe(404);
    for (const path of ['/aspects', `/aspects/${family}`, `/aspects/${family}/remove`]) expect((await site.browser().get(path)).status).toBe(303);
  });
});
