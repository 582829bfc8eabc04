// The HTTP API of interface.md §6, request by request.
import request from 'supertest';
import type { Account } from '../../../src/domain/account.js';
import { createAppPassword, revokeAppPassword } from '../../../src/services/app-passwords.js';
import { publishPost } from '../../../src/services/publish.js';
import { startSite, type Site } from '../../support/web.js';

const AS2 = 'application/activity+json';
const PUBLIC = 'https://www.w3.org/ns/activitystreams#Public';
const BASE = 'http://social.localhost:3000';

let site: Site;
let alice: Account;
let bert: Account;
let password: string;
let bertsPassword: string;
beforeAll(async () => {
  site = await startSite();
  alice = await site.account('alice');
  bert = await site.account('bert');
  password = (await createAppPassword(site.ctx, alice, 'script')).password;
  bertsPassword = (await createAppPassword(site.ctx, bert, 'script')).password;
});
afterAll(() => site.stop());

const outbox = (name = 'alice') => request(site.app).post(`/u/${name}/outbox`).type(AS2);
const send = (body: unknown, { name = 'alice', pass = password, key }: { name?: string; pass?: string; key?: string } = {}) => {
  const sending = outbox(name).auth(name, pass);
  if (key) sending.set('Idempotency-Key', key);
  return sending.send(typeof body === 'string' ? body : JSON.stringify(body));
};
const pathOf = (location: string) => location.slice(BASE.length);
const read = async (location: string) => (await request(site.app).get(pathOf(location)).set('accept', AS2)).body;
const json = (answer: request.Response) => JSON.parse(answer.text) as Record<string, unknown>;

describe('what a program posts', () => {
  test('a bare Note is a post, 201 with its address', async () => {
    const answer = await send({ type: 'Note', content: '<p>Hello <b>you</b></p>', to: PUBLIC });
    expect(answer.status).toBe(201);
    expect(answer.headers.location).toMatch(new RegExp(`^${BASE}/posts/[0-9a-f]{32}$`));
    expect(await read(answer.headers.location!)).toMatchObject({ type: 'Note', content: expect.stringContaining('<strong>you</strong>'), to: expect.arrayContaining([PUBLIC]) });
  });

  test('its tags, those whom its links mention, and the name of an Article are in the post', async () => {
    const tag = [
      { type: 'Hashtag', name: '#Garden', href: 'https://client.example/t/garden' },
      { type: 'Hashtag', name: '#apart' },
      { type: 'Mention', name: '@bert', href: `${BASE}/u/bert` },
    ];
    const content = `<p>A <a href="https://client.example/t/garden" rel="tag">#<span>Garden</span></a> for <a href="${BASE}/u/bert" class="mention">@<span>bert</span></a></p>`;
    const { location } = (await send({ type: 'Create', object: { type: 'Article', name: 'Spring', content, tag, to: PUBLIC } })).headers;
    const shown = await read(location!);
    expect(shown.tag.map(({ name }: { name: string }) => name).sort()).toEqual(['#apart', '#garden']);
    expect(shown.content).toMatch(/<h2>Spring<\/h2>.*>#Garden<\/a> for <a href="[^"]*\/u\/bert"/s);
    const mentions = () => site.ctx.store.query("select post_guid as guid from notifications where owner_id = ? and kind = 'mention'", [bert.actorId]);
    expect(await mentions()).toEqual([{ guid: location!.slice(-32) }]);
    // Sent back as it was read, it says the same.
    expect((await send({ type: 'Update', object: shown })).status).toBe(201);
    expect((await read(location!)).source).toEqual(shown.source);
    const reply = await send({ type: 'Note', inReplyTo: location, content: 'nice', tag: [{ type: 'Hashtag', name: '#tulip' }] });
    const under = await site.ctx.store.query('select markdown from comments where guid = ?', [reply.headers.location!.slice(-32)]);
    expect(under).toEqual([{ markdown: 'nice\n\n#tulip' }]);
  });

  test('for the followers collection it is for contacts, and nobody else can read it', async () => {
    const answer = await send({ type: 'Create', object: { type: 'Note', source: { content: '*mine*', mediaType: 'text/markdown' }, to: [`${BASE}/u/alice/followers`] } });
    expect((await request(site.app).get(pathOf(answer.headers.location!))).status).toBe(404);
    const stored = await site.ctx.store.query<{ audience: string }>('select audience from posts where atom_id = ?', [answer.headers.location]);
    expect(stored).toEqual([{ audience: 'contacts' }]);
  });

  test('the same Idempotency-Key is the same post', async () => {
    const [first, second] = [await send({ type: 'Note', content: 'once' }, { key: 'k-1' }), await send({ type: 'Note', content: 'once' }, { key: 'k-1' })];
    expect(second.headers.location).toBe(first.headers.location);
  });

  test('Update changes, Delete removes, and both only what is one’s own', async () => {
    const location = (await send({ type: 'Note', content: 'first', to: PUBLIC })).headers.location!;
    const update = { type: 'Update', object: { id: location, type: 'Note', content: 'second' } };
    expect((await send(update, { name: 'bert', pass: bertsPassword })).status).toBe(403);
    expect((await send(update)).status).toBe(201);
    expect((await read(location)).content).toContain('second');
    expect((await send({ type: 'Delete', object: location }, { name: 'bert', pass: bertsPassword })).status).toBe(403);
    expect((await send({ type: 'Delete', object: location })).status).toBe(201);
    expect((await request(site.app).get(pathOf(location))).status).toBe(410);
  });

  test('Like, Announce, a reply, and the Undo of the first two', async () => {
    const post = await publishPost(site.ctx, bert, { text: 'Look', audience: { to: 'public' } });
    const count = async (table: string, where: string) => (await site.ctx.store.query<{ n: number }>(`select count(*) as n from ${table} where ${where}`, [post.guid]))[0]!.n;
    for (const type of ['Like', 'Announce']) expect((await send({ type, object: post.atomId })).status).toBe(201);
    const reply = await send({ type: 'Note', inReplyTo: post.atomId, content: 'I see' });
    expect(reply.headers.location).toMatch(/\/comments\/[0-9a-f]{32}$/);
    expect([await count('likes', 'post_guid = ?'), await count('posts', 'deleted_at is null and reshare_of = ?'), await count('comments', 'post_guid = ?')]).toEqual([1, 1, 1]);
    for (const type of ['Like', 'Announce']) expect((await send({ type: 'Undo', object: { type, object: post.atomId } })).status).toBe(201);
    expect([await count('likes', 'post_guid = ?'), await count('posts', 'deleted_at is null and reshare_of = ?')]).toEqual([0, 0]);
    expect((await send({ type: 'Delete', object: reply.headers.location }, { name: 'bert', pass: bertsPassword })).status).toBe(201); // under his own post
  });

  test('Follow and its Undo', async () => {
    const following = async () => (await site.ctx.store.query<{ following: string }>('select following from relationships where actor_id = ? and other_id = ?', [alice.actorId, bert.actorId]))[0]?.following;
    expect((await send({ type: 'Follow', object: `${BASE}/u/bert` })).status).toBe(201);
    expect(await following()).toBe('on');
    expect((await send({ type: 'Undo', object: { type: 'Follow', object: 'acct:bert@social.localhost' } })).status).toBe(201);
    expect((await following()) ?? 'none').toBe('none');
  });
});

describe('what cannot be done is a problem that says why', () => {
  const cases: [what: string, body: unknown, status: number, field: string | undefined][] = [
    ['no JSON', '{"type":', 400, undefined],
    ['a JSON string', '"Note"', 400, undefined],
    ['a list', [{ type: 'Note' }], 400, undefined],
    ['no type', { content: 'x' }, 422, 'type'],
    ['an unknown type', { type: 'Question' }, 422, 'type'],
    ['a Note without content', { type: 'Note' }, 422, 'content'],
    ['a Note for a single person', { type: 'Note', content: 'x', to: `${BASE}/u/bert` }, 422, 'to'],
    ['a Like of nothing', { type: 'Like' }, 422, 'object'],
    ['a Like of somewhere else', { type: 'Like', object: 'https://elsewhere.example/posts/1' }, 422, 'object'],
    ['a Like of what is not there', { type: 'Like', object: `${BASE}/posts/${'0'.repeat(32)}` }, 404, undefined],
    ['an Undo of an id', { type: 'Undo', object: `${BASE}/likes/1` }, 422, 'object'],
    ['a Follow of nonsense', { type: 'Follow', object: 'https://elsewhere.example/' }, 422, 'object'],
    ['a Follow of nobody', { type: 'Follow', object: `${BASE}/u/nobody` }, 404, 'object'],
    ['text that is too long', { type: 'Note', content: 'x'.repeat(70_000) }, 413, 'text'],
    ['a body that is too long', { type: 'Note', content: 'x'.repeat(1_100_000) }, 413, undefined],
  ];
  test.each(cases)('%s', async (_what, body, status, field) => {
    const answer = await send(body);
    expect([answer.status, answer.headers['content-type']]).toEqual([status, expect.stringMatching(/^application\/problem\+json/)]);
    expect(json(answer)).toMatchObject({ status, detail: expect.stringMatching(/\.$/), ...(field === undefined ? {} : { field }) });
  });

  test('another media type is 415', async () => {
    const answer = await request(site.app).post('/u/alice/outbox').auth('alice', password).type('text/plain').send('hello');
    expect([answer.status, json(answer)['status']]).toEqual([415, 415]);
  });

  test('without a password, with a wrong one, with the web password, with a revoked one: 401, and how to log in', async () => {
    const revoked = await createAppPassword(site.ctx, alice, 'gone');
    await revokeAppPassword(site.ctx, alice, revoked.row.id);
    const tries = [outbox(), outbox().auth('alice', 'wrong'), outbox().auth('alice', 'correct horse battery'), outbox().auth('alice', revoked.password), outbox().set('authorization', 'Bearer x')];
    for (const each of tries) {
      const answer = await each.send('{"type":"Note","content":"x"}');
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, expect.stringMatching(/^Basic realm=/)]);
    }
  });

  test('at somebody else’s address: 403', async () => {
    expect((await outbox('bert').auth('alice', password).send('{"type":"Note","content":"x"}')).status).toBe(403);
    expect((await request(site.app).get('/u/bert/inbox').auth('alice', password)).status).toBe(403);
  });

  test('a session’s cookie opens nothing here', async () => {
    const browser = await site.member('carol');
    expect((await browser.get('/u/carol/inbox')).status).toBe(401);
  });
});

describe('what a program reads', () => {
  test('the outbox is public posts for all, and everything for its owner', async () => {
    await publishPost(site.ctx, bert, { text: 'for all', audience: { to: 'public' } });
    await publishPost(site.ctx, bert, { text: 'for few', audience: { to: 'contacts' } });
    const texts = async (get: request.Test) => ((await get).body.first.orderedItems as { content: string }[]).map(({ content }) => content).join();
    expect(await texts(request(site.app).get('/u/bert/outbox').set('accept', AS2))).not.toContain('for few');
    expect(await texts(request(site.app).get('/u/bert/outbox').auth('bert', bertsPassword))).toContain('for few');
  });

  test('the inbox is the stream, page by page', async () => {
    await send({ type: 'Follow', object: `${BASE}/u/bert` });
    for (let n = 0; n < 25; n++) await publishPost(site.ctx, bert, { text: `number ${n}`, audience: { to: 'public' } });
    const get = (path: string) => request(site.app).get(path).auth('alice', password);
    const first = (await get('/u/alice/inbox')).body;
    expect(first).toMatchObject({ type: 'OrderedCollection', first: { orderedItems: expect.any(Array) } });
    const items = first.first.orderedItems as { content: string; id: string }[];
    expect(items[0]!.content).toContain('number 24');
    const next = (await get(pathOf(first.first.next as string))).body;
    expect(next.type).toBe('OrderedCollectionPage');
    expect(next.orderedItems.some(({ id }: { id: string }) => items.some((one) => one.id === id))).toBe(false);
    expect(JSON.stringify(next)).toContain('number 4<');
    expect((await get('/u/alice/inbox')).headers['cache-control']).toContain('private');
  });
});
