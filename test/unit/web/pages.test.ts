import { linkIn, PASSWORD, type Site, startSite } from '../../support/web.js';

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site.stop());

describe('the way in', () => {
  test('a newcomer signs up, confirms by a button, and has an app password that is shown once', async () => {
    const visitor = site.browser();
    const front = await visitor.get('/');
    expect(front.text).toContain('@social.localhost');
    const signedUp = await visitor.post('/signup', { username: 'Newcomer', email: 'newcomer@mail.test', password: PASSWORD });
    expect([signedUp.status, signedUp.headers.location]).toEqual([303, '/signup/sent']);
    expect((await visitor.get('/signup/sent')).text).toContain('newcomer@mail.test');

    const link = linkIn((await site.mails()).at(-1)!, '/confirm/');
    const button = await visitor.get(link);
    expect(button.text).toContain('<button');
    expect((await visitor.get(link)).status).toBe(200); // reading it uses nothing up
    const confirmed = await visitor.post(link);
    expect([confirmed.status, confirmed.headers.location]).toEqual([303, '/welcome']);

    const welcome = await visitor.get('/welcome');
    expect(welcome.text).toContain('Make my chat password');
    const made = await visitor.post('/settings/app-passwords', { label: 'Phone', from: 'welcome' });
    expect(made.status).toBe(200);
    expect(made.headers['cache-control']).toBe('no-store');
    const password = /<code id="app-password">([^<]+)<\/code>/.exec(made.text)![1]!;
    expect(password.replace(/-/g, '').length).toBeGreaterThanOrEqual(26);
    expect(made.text).toContain('href="xmpp:newcomer@localhost"');
    expect(made.text).toMatch(/<svg class="qr"/);
    expect(made.text).not.toMatch(/ style=/);
    for (const page of ['/welcome', '/settings/app-passwords', '/']) expect((await visitor.get(page)).text).not.toContain(password);
  });

  test('a link that was used says so, and leads to a new one', async () => {
    const visitor = site.browser();
    const dead = await visitor.get('/confirm/AAAAAAAAAAAAAAAAAAAAAA');
    expect(dead.status).toBe(410);
    expect(dead.text).toContain('This link no longer works');
    await visitor.get('/login');
    expect((await visitor.post('/confirm/AAAAAAAAAAAAAAAAAAAAAA')).status).toBe(410);
    expect((await visitor.post('/password/reset/AAAA', { password: PASSWORD })).status).toBe(410);
  });
});
