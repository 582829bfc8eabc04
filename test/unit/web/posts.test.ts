import { createServer, get as httpGet, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Nodes } from 'hast';
import { fromHtml } from 'hast-util-from-html';
import { type Browser, PASSWORD, type Site, startSite } from '../../support/web.js';

let site: Site;
let alice: Awaited<ReturnType<Site['member']>>;
let bob: Awaited<ReturnType<Site['member']>>;
let stranger: Browser;
beforeAll(async () => {
  site = await startSite();
  alice = await site.member('alice');
  bob = await site.member('bob');
  stranger = site.browser();
});
afterAll(() => site.stop());

/** Posts and returns the path. */
async function post(browser: Browser, fields: Record<string, string | string[]>): Promise<string> {
  await browser.get('/');
  const answer = await browser.post('/posts', fields);
  expect(answer.status).toBe(303);
  return answer.headers.location!;
}
const guidOf = (path: string) => path.split('/').pop()!;

describe('a post', () => {
  test('stands in its author’s stream at once, and has a page of its own', async () => {
    const path = await post(alice, { text: 'Hello **world**' });
    expect(path).toMatch(/^\/posts\/[0-9a-f]{32}$/);
    for (const page of ['/', path, '/u/alice']) {
      const { text } = await alice.get(page);
      expect(text).toContain(`<article class="post" id="post-${guidOf(path)}"`);
      expect(text).toContain('<strong>world</strong>');
      expect(text).toContain('No other server needs it.'); // where it has arrived
    }
    expect((await stranger.get(path)).text).not.toContain('class="delivery"'); // which is nobody else's business
  });

  test('sent twice by one form is one post', async () => {
    const { text } = await alice.get('/');
    const once = /name="once" value="([^"]+)"/.exec(text)![1]!;
    const [first, second] = await Promise.all([alice.post('/posts', { text: 'Only once', once }), alice.post('/posts', { text: 'Only once', once })]);
    expect(first.headers.location).toBe(second.headers.location);
    expect((await alice.get('/')).text.match(/<p>Only once<\/p>/g)).toHaveLength(1);
  });

  test('for contacts is seen by those who were added, and by nobody else in any form', async () => {
    await alice.get('/contacts');
    await alice.post('/contacts', { address: 'bob@social.localhost' });
    const path = await post(alice, { text: 'Only for contacts', audience: 'contacts' });
    expect((await bob.get(path)).text).toContain('aud--closed');
    const carol = await site.member('carol');
    for (const accept of ['text/html', 'application/activity+json', 'application/atom+xml']) {
      for (const viewer of [stranger, carol]) {
        const hidden = await viewer.get(path, { Accept: accept });
        expect(hidden.status).toBe(404);
        const absent = await viewer.get(`/posts/${'0'.repeat(32)}`, { Accept: accept });
        const plain = (text: string) => text.replaceAll(guidOf(path), 'GUID').replaceAll('0'.repeat(32), 'GUID');
        expect(plain(hidden.text)).toBe(plain(absent.text));
      }
    }
    for (const page of ['/u/alice', '/u/alice/feed.atom', '/u/alice/feed.json']) expect((await stranger.get(page)).text).not.toContain('Only for contacts');
    expect((await bob.get('/u/alice')).text).toContain('Only for contacts');
    // Who is logged in gets no more than others from a feed.
    for (const page of ['/u/alice/feed.atom', '/u/alice/feed.json']) expect((await bob.get(page)).text).not.toContain('Only for contacts');
  });

  test('takes the default audience when the form names none, and refuses what it does not know', async () => {
    await alice.get('/settings/account');
    expect((await alice.post('/settings/audience', { audience: 'contacts' })).status).toBe(303);
    const path = await post(alice, { text: 'By default', audience: '' });
    expect((await stranger.get(path)).status).toBe(404);
    for (const audience of ['everyone', 'aspect:1', ['public', 'contacts'], ['public', 'aspect:7']]) {
      await alice.get('/');
      const answer = await alice.post('/posts', { text: 'Kept words', audience });
      expect(answer.status).toBe(400);
      expect(answer.text).toContain('Kept words</textarea>');
    }
    await alice.get('/settings/account');
    await alice.post('/settings/audience', { audience: 'public' });
  });

  test('that is empty, too long, or comes twice is not made; the text is not lost', async () => {
    await alice.get('/');
    expect((await alice.post('/posts', { text: '  \n ' })).status).toBe(400);
    const long = await alice.post('/posts', { text: `begin ${'é'.repeat(200_000)} end` });
    expect(long.status).toBe(413);
    expect(long.text).toContain('role="alert"');
    expect(long.text).toContain('é end</textarea>');
    expect((await alice.post('/posts', { text: ['one', 'two'] })).status).toBe(400);
    expect((await alice.post('/posts', {})).status).toBe(400);
  });

  test('can be previewed, and what is posted then is what was seen', async () => {
    await alice.get('/');
    const preview = await alice.post('/posts/preview', { text: '\n\n- a\n- list', audience: 'contacts', once: 'token-1' });
    expect(preview.status).toBe(200);
    expect(preview.text).toContain('<li>a</li>');
    expect(preview.text).toContain('value="token-1"');
    expect(preview.text).toMatch(/value="contacts" checked/);
    expect((await alice.get('/')).text).not.toContain('<li>a</li>');
  });

  test('is edited and deleted by its author alone', async () => {
    const path = await post(alice, { text: 'First words' });
    const edit = await alice.get(`${path}/edit`);
    expect(edit.text).toContain('First words</textarea>');
    expect((await alice.post(`${path}/edit`, { text: 'Better words' })).headers.location).toBe(path);
    expect((await stranger.get(path)).text).toContain('Better words');
    expect((await alice.get(path)).text).toContain('edited <time');
    expect((await alice.post(`${path}/edit`, { text: ' ' })).status).toBe(400);

    await bob.get('/');
    for (const [action, fields] of [['edit', { text: 'Defaced' }], ['delete', {}]] as const) expect((await bob.post(`${path}/${action}`, fields)).status).toBe(403);
    expect((await bob.get(`${path}/edit`)).status).toBe(403);

    expect((await alice.get(`${path}/delete`)).text).toContain('Delete it everywhere');
    expect((await alice.post(`${path}/delete`)).headers.location).toBe('/?done=deleted');
    for (const accept of ['text/html', 'application/activity+json', 'application/atom+xml']) {
      const gone = await stranger.get(path, { Accept: accept });
      expect(gone.status).toBe(410);
      expect(gone.text).not.toContain('words');
    }
    await alice.get('/');
    expect((await alice.post(`${path}/delete`)).status).toBe(410);
  });

  test.each(['not-a-guid', '%00', 'A'.repeat(32), `${'0'.repeat(32)}/edit`])('that does not exist is not found: %s', async (guid) => {
    expect((await alice.get(`/posts/${guid}`)).status).toBe(404);
  });
});

describe('hostile words are only words', () => {
  const HOSTILE = [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '[x](javascript:alert(1))',
    '[x](data:text/html,<script>alert(1)</script>)',
    '"><svg/onload=alert(1)>',
    '</textarea><script>alert(1)</script>',
    '<a href="https://x" style="position:fixed">x</a>',
    '![x](https://evil.example/pixel.png)',
    '&lt;script&gt;alert(1)&lt;/script&gt;',
    '<math><mi//xlink:href="data:x,<script>alert(1)</script>">',
    '{{constructor.constructor("alert(1)")()}}',
    '<!--<img src="--><img src=x onerror=alert(1)//">',
  ];
  /** What a browser would find alive in a page: elements and attributes that only an attack could have brought. */
  function alive(page: string): string[] {
    const found: string[] = [];
    const walk = (node: Nodes): void => {
      if (node.type === 'element') {
        if (/^(img|math|style|iframe|object|embed|base|audio|video|frame)$/.test(node.tagName)) found.push(node.tagName);
        if (node.tagName === 'script' && !String(node.properties['src']).startsWith('/assets/')) found.push('script');
        for (const [name, value] of Object.entries(node.properties)) {
          if (/^(on|style$|srcdoc$|xlink)/i.test(name)) found.push(`${node.tagName} ${name}`);
          if (/^(href|src|action|formAction)$/.test(name) && !/^(\/(?!\/)|#|https?:\/\/|xmpp:)/.test(String(value))) found.push(`${name}=${value}`);
        }
      }
      if ('children' in node) node.children.forEach(walk);
    };
    walk(fromHtml(page));
    return found;
  }

  test.each(HOSTILE)('%s', async (text) => {
    const path = await post(alice, { text });
    for (const page of [path, '/', '/u/alice', `${path}/edit`, `${path}/delete`]) expect(alive((await alice.get(page)).text)).toEqual([]);
    await alice.get('/');
    expect(alive((await alice.post('/posts/preview', { text })).text)).toEqual([]);
  });

  test('in a name, in what one says of oneself, in a label, in any field of a form that comes back', async () => {
    const mallory = await site.member('mallory');
    for (const text of HOSTILE) {
      await mallory.get('/settings/profile');
      await mallory.post('/settings/profile', { displayName: text.slice(0, 60), summary: text });
      for (const page of ['/', '/u/mallory', '/settings/profile', '/welcome']) expect(alive((await mallory.get(page)).text)).toEqual([]);
      expect(alive((await mallory.post('/settings/app-passwords', { label: text.slice(0, 60) })).text)).toEqual([]);
      await mallory.get('/settings/app-passwords');
      for (const { id } of await site.ctx.store.query<{ id: number }>('select id from app_passwords where revoked_at is null')) await mallory.post(`/settings/app-passwords/${id}/revoke`);
      for (const [path, field] of [['/contacts', 'address'], ['/signup', 'username'], ['/signup', 'email'], ['/signup/resend', 'email'], ['/login', 'login'], ['/posts', 'once']]) {
        const visitor = path === '/contacts' || path === '/posts' ? mallory : stranger;
        await visitor.get(visitor === mallory ? '/' : '/login');
        const answer = await visitor.post(path!, { [field!]: text, ...(path === '/posts' ? { text } : {}), ...(path === '/login' ? { password: 'x' } : {}) });
        expect(alive(answer.text)).toEqual([]);
      }
      expect(alive((await stranger.get(`/login?next=${encodeURIComponent(`/${text}`)}`)).text)).toEqual([]);
    }
  }, 60_000);
});

describe('other forms of a page', () => {
  test('a post as Activity Streams 2.0 and as Atom, chosen by Accept', async () => {
    const path = await post(alice, { text: 'In three forms' });
    const iri = `http://social.localhost:3000${path}`;
    const note = await stranger.get(path, { Accept: 'application/activity+json' });
    expect(note.headers['content-type']).toBe('application/activity+json; charset=utf-8');
    expect(note.headers.vary).toContain('Accept');
    expect(JSON.parse(note.text)).toMatchObject({ id: iri, type: 'Note', attributedTo: 'http://social.localhost:3000/u/alice' });
    expect((await stranger.get(path, { Accept: 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"' })).type).toBe('application/activity+json');
    const entry = await stranger.get(path, { Accept: 'application/atom+xml' });
    expect(entry.headers['content-type']).toMatch(/^application\/atom\+xml/);
    expect(entry.text).toContain(`<id>${iri}</id>`);
    for (const accept of ['*/*', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'image/png']) expect((await stranger.get(path, { Accept: accept })).type).toBe('text/html');
  });

  test('a person as an actor, and feeds of public posts', async () => {
    const path = await post(alice, { text: 'In the feed' });
    const actor = await stranger.get('/u/alice', { Accept: 'application/activity+json' });
    expect(JSON.parse(actor.text)).toMatchObject({ id: 'http://social.localhost:3000/u/alice', type: 'Person', preferredUsername: 'alice' });
    const feed = await stranger.get('/u/alice/feed.atom');
    expect(feed.type).toBe('application/atom+xml');
    expect(feed.text).toMatch(/^<\?xml version="1.0" encoding="utf-8"\?>\n<feed /);
    expect(feed.text).toContain(`<id>http://social.localhost:3000${path}</id>`);
    expect(feed.headers['set-cookie']).toBeUndefined();
    const json = await stranger.get('/u/alice/feed.json');
    const collection = JSON.parse(json.text);
    expect(collection).toMatchObject({ type: 'OrderedCollection', id: 'http://social.localhost:3000/u/alice/feed.json' });
    expect(collection.first.orderedItems[0].id).toBe(`http://social.localhost:3000${path}`);
    for (const page of ['/u/nobody', '/u/nobody/feed.atom', '/u/nobody/feed.json']) expect((await stranger.get(page)).status).toBe(404);
  });

  test('older posts come page by page, each once', async () => {
    const dora = await site.member('dora');
    for (let at = 1; at <= 45; at++) await dora.post('/posts', { text: `Number ${at}.` });
    const pagesOf = async (first: string, next: (text: string) => string | undefined, numbers: (text: string) => string[]) => {
      const seen: string[] = [];
      for (let url: string | undefined = first, pages = 0; url && pages < 9; pages++) {
        const { text } = await dora.get(url);
        seen.push(...numbers(text));
        url = next(text);
      }
      return seen;
    };
    const expected = Array.from({ length: 45 }, (_, at) => `Number ${45 - at}.`);
    const html = { next: (text: string) => /href="([^"]*older=[^"]*)" rel="next"/.exec(text)?.[1], numbers: (text: string) => [...text.matchAll(/<p>(Number \d+\.)<\/p>/g)].map((match) => match[1]!) };
    expect(await pagesOf('/', html.next, html.numbers)).toEqual(expected);
    expect(await pagesOf('/u/dora', html.next, html.numbers)).toEqual(expected);
    const json = {
      next: (text: string) => { const page = JSON.parse(text); return (page.first ?? page).next?.replace('http://social.localhost:3000', ''); },
      numbers: (text: string) => { const page = JSON.parse(text); return (page.first ?? page).orderedItems.map((item: { content: string }) => item.content.replace(/<[^>]+>/g, '')); },
    };
    expect(await pagesOf('/u/dora/feed.json', json.next, json.numbers)).toEqual(expected);
    expect(JSON.parse((await stranger.get('/u/dora/feed.json')).text).totalItems).toBe(45);
  }, 30_000);

  test('WebFinger, host-meta and nodeinfo tell about people and the server', async () => {
    for (const resource of ['acct:alice@social.localhost', 'acct:Alice@SOCIAL.localhost', 'http://social.localhost:3000/u/alice']) {
      const found = await stranger.get(`/.well-known/webfinger?resource=${encodeURIComponent(resource)}`);
      expect(found.type).toBe('application/jrd+json');
      expect(found.headers['access-control-allow-origin']).toBe('*');
      expect(JSON.parse(found.text).subject).toBe('acct:alice@social.localhost');
    }
    for (const [query, status] of [['?resource=acct:nobody@social.localhost', 404], ['?resource=acct:alice@elsewhere.example', 404], ['', 400], ['?resource=a&resource=b', 400]] as const) {
      expect((await stranger.get(`/.well-known/webfinger${query}`, { Accept: 'application/jrd+json, application/json' })).status).toBe(status);
    }
    expect((await stranger.get('/.well-known/host-meta', { Accept: '*/*' })).type).toBe('application/xrd+xml');
    expect((await stranger.get('/.well-known/host-meta', { Accept: 'application/json' })).type).toBe('application/jrd+json');
    expect((await stranger.get('/.well-known/host-meta.json')).type).toBe('application/jrd+json');
    const { links } = JSON.parse((await stranger.get('/.well-known/nodeinfo')).text);
    const document = JSON.parse((await stranger.get(links[0].href.replace('http://social.localhost:3000', ''))).text);
    expect(document).toMatchObject({ version: '2.1', software: { name: 'diaspora-x' }, protocols: ['xmpp'], openRegistrations: true });
    expect(document.usage.users.total).toBeGreaterThan(2);
    expect((await stranger.get('/nodeinfo/9.9')).status).toBe(404);
  });

  test('programs get problem details', async () => {
    const absent = await stranger.get('/posts/nothing', { Accept: 'application/json' });
    expect(absent.type).toBe('application/problem+json');
    expect(JSON.parse(absent.text)).toMatchObject({ status: 404, code: 'not-found', title: 'Not Found' });
    await alice.get('/');
    const bad = await alice.post('/posts', { text: '' }, { Accept: 'application/json' });
    expect(JSON.parse(bad.text)).toMatchObject({ status: 400, code: 'invalid', field: 'text' });
    expect((await stranger.get('/contacts', { Accept: 'application/json' })).status).toBe(403);
  });

  test('alive and ready', async () => {
    expect((await stranger.get('/healthz')).text).toBe('ok\n');
    expect(JSON.parse((await stranger.get('/readyz')).text)).toEqual({ ready: true, parts: { database: { ok: true, text: 'answers' } } });
    const red = await startSite({ ready: async () => ({ ready: false, parts: { component: { ok: false, text: 'wrong secret' } } }) });
    const answer = await red.browser().get('/readyz');
    expect([answer.status, JSON.parse(answer.text).parts.component.text]).toEqual([503, 'wrong secret']);
    await red.stop();
  });
});

describe('people', () => {
  const act = async (browser: Browser, id: number, action: string, fields = {}) => {
    await browser.get('/contacts');
    return browser.post(`/contacts/${id}/${action}`, fields);
  };

  test('who asks first decides on each who wants to follow', async () => {
    const erin = await site.member('erin');
    const frank = await site.member('frank');
    await erin.get('/contacts');
    expect((await erin.post('/settings/ask-first', { on: 'yes', next: '/contacts' })).headers.location).toBe('/contacts?done=askOn');
    await frank.get('/u/erin');
    expect((await frank.post('/contacts', { address: 'erin@social.localhost', from: 'person' })).headers.location).toBe(`/u/erin?done=asked&who=${erin.account.actorId}`);
    expect((await frank.get('/u/erin')).text).toContain('Asked, no answer yet');

    const asked = await erin.get('/contacts');
    expect(asked.text).toContain('One person wants to follow you');
    expect((await erin.get('/')).text).toContain('Wants to follow you');
    const id = frank.account.actorId;
    expect((await act(erin, id, 'accept', { follow: 'yes' })).headers.location).toBe(`/contacts?done=accept&who=${id}`);
    expect((await erin.get(`/contacts?done=accept&who=${id}`)).text).toContain('frank follows you now.');
    expect((await erin.get('/contacts')).text).toContain('You follow each other');
    expect((await act(erin, id, 'accept')).status).toBe(303); // pressed twice
    expect((await act(erin, id, 'remove')).status).toBe(303);
    expect((await act(erin, id, 'reject')).status).toBe(303);
    expect((await erin.get('/contacts?only=followers')).text).toContain('Nobody follows you yet');
  });

  test('who is blocked sees nothing, and can be let in again', async () => {
    const path = await post(alice, { text: 'Not for the blocked' });
    const gus = await site.member('gus');
    expect((await act(alice, gus.account.actorId, 'block')).status).toBe(303);
    expect((await gus.get(path)).status).toBe(404);
    expect((await gus.get('/u/alice')).text).not.toContain('Not for the blocked');
    expect((await alice.get('/contacts?only=blocked')).text).toContain('gus@social.localhost');
    await alice.post('/contacts', { address: 'gus@social.localhost' });
    expect(alice.page).toContain('You have blocked this person');
    await act(alice, gus.account.actorId, 'unblock');
    expect((await gus.get(path)).status).toBe(200);
  });

  test('an address that leads nowhere is answered beside the field', async () => {
    for (const [address, words] of [['nonsense', 'Write an address'], ['nobody-here@social.localhost', 'nobody of the name'], ['', 'Write something'], ['alice@social.localhost', 'your own address']]) {
      await alice.get('/contacts');
      const answer = await alice.post('/contacts', { address: address! });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.text).toContain('id="address-error"');
      expect(answer.text).toContain(words);
      expect(answer.text).toContain('<a href="#address">');
    }
    for (const id of ['0', '999999', 'x', '1e3', '-1', '99999999999999999999']) expect((await act(alice, id as unknown as number, 'remove')).status).toBe(404);
  });

  test('an e-mail address is changed by a link to the new one; the old one is told', async () => {
    const hana = await site.member('hana');
    await hana.get('/settings/account');
    expect((await hana.post('/settings/email', { email: 'new-hana@mail.test', password: 'not the password' })).text).toContain('id="email-password-error"');
    expect((await hana.post('/settings/email', { email: 'new-hana@mail.test', password: PASSWORD })).headers.location).toBe('/settings/account?done=email');
    const mails = await site.mails();
    const link = /\/settings\/email\/[\w-]+/.exec(mails.at(-1)!.replace(/=\r?\n/g, ''))![0];
    const elsewhere = site.browser();
    await elsewhere.get(link);
    expect((await elsewhere.post(link)).headers.location).toBe('/login');
    expect((await hana.get('/settings/account')).text).toContain('new-hana@mail.test');
    expect((await site.mails()).at(-1)).toMatch(/^To: .*\bhana@mail\.test/m);
  });
});

describe('live events', () => {
  /** The events of an open page, as they come. */
  async function listen(browser: Browser, headers: Record<string, string> = {}): Promise<{ next: () => Promise<string>; close: () => Promise<void> }> {
    const server = createServer(site.app).listen(0);
    const { port } = server.address() as AddressInfo;
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const stream = await new Promise<IncomingMessage>((resolve) => httpGet({ port, path: '/events', headers: { Cookie: cookie, Accept: 'text/event-stream', ...headers } }, resolve));
    expect(stream.headers['content-type']).toMatch(/^text\/event-stream/);
    expect(stream.headers['content-encoding']).toBeUndefined();
    let text = '';
    let wake = () => {};
    stream.on('data', (chunk) => {
      text += chunk;
      wake();
    });
    return {
      next: async () => {
        for (;;) {
          const match = /event: (.*)\ndata: (.*)\n\n/.exec(text);
          if (match) {
            text = text.slice(match.index + match[0].length);
            return `${match[1]} ${match[2]}`;
          }
          await new Promise<void>((resolve) => (wake = resolve));
        }
      },
      close: () => new Promise((resolve) => { stream.destroy(); server.close(() => resolve()); server.closeAllConnections(); }),
    };
  }

  test('a page whose connection was cut hears of what came meanwhile, oldest first, when it connects again', async () => {
    const [lea, max] = [await site.member('lea'), await site.member('max')];
    await lea.get('/contacts');
    await lea.post('/contacts', { address: 'max@social.localhost' });
    const before = await post(max, { text: 'read long ago' });
    await site.ctx.store.transaction((tx) => tx.query('update posts set created_at = created_at - 60000 where guid = ?', [guidOf(before)]));
    const since = Date.now();
    const [first, second] = [await post(max, { text: 'one' }), await post(max, { text: 'two' })];
    const events = await listen(lea, { 'Last-Event-ID': String(since) });
    expect([await events.next(), await events.next()]).toEqual([`post {"guid":"${guidOf(first)}"}`, `post {"guid":"${guidOf(second)}"}`]);
    const third = await post(max, { text: 'three' });
    expect(await events.next()).toBe(`post {"guid":"${guidOf(third)}"}`);
    await events.close();
  });

  test('an open stream hears of new posts of those it follows, and of nothing else', async () => {
    const ivy = await site.member('ivy');
    const jack = await site.member('jack');
    await ivy.get('/contacts');
    await ivy.post('/contacts', { address: 'jack@social.localhost' });
    const events = await listen(ivy);
    await post(alice, { text: 'ivy does not follow alice' });
    await post(jack, { text: 'ivy is not a contact of jack', audience: 'contacts' });
    const first = await post(jack, { text: 'public' });
    expect(await events.next()).toBe(`post {"guid":"${guidOf(first)}"}`);
    await jack.get('/');
    await jack.post(`${first}/edit`, { text: 'edited' });
    await jack.post('/contacts', { address: 'ivy@social.localhost' });
    const second = await post(jack, { text: 'now for contacts', audience: 'contacts' });
    expect(await events.next()).toBe(`post {"guid":"${guidOf(second)}"}`);
    await events.close();
  });

  test('an open stream does not hear of what somebody shares who is followed, by somebody who is hidden', async () => {
    const [nora, otto, pia] = [await site.member('nora'), await site.member('otto'), await site.member('pia')];
    await nora.get('/contacts');
    await nora.post('/contacts', { address: 'otto@social.localhost' });
    await nora.post(`/contacts/${pia.account.actorId}/mute`);
    const hidden = await post(pia, { text: 'hidden' });
    const events = await listen(nora);
    await otto.get(hidden);
    await otto.post(`${hidden}/reshare`);
    const next = await post(otto, { text: 'from otto' });
    expect(await events.next()).toBe(`post {"guid":"${guidOf(next)}"}`);
    await events.close();
  });

  test('who is not logged in hears nothing', async () => {
    expect((await stranger.get('/events', { Accept: 'text/event-stream' })).status).toBe(403);
  });
});
