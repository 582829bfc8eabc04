import type { Account } from '../../../src/domain/account.js';
import type { Guid } from '../../../src/domain/guid.js';
import { giveUpDelivery } from '../../../src/services/deliveries.js';
import { deletePost, editPost, publishPost } from '../../../src/services/publish.js';
import { setAdmin } from '../../../src/services/accounts.js';
import { addJobs, listJobs } from '../../../src/store/jobs.js';
import { addDeliveries, latestActivity, listPausedHosts, pauseHost, setArrived, setDelivery } from '../../../src/store/ledger.js';
import { type Browser, type Site, startSite } from '../../support/web.js';

const NOW = Date.UTC(2026, 10, 21, 10, 40);
const DAY_MS = 24 * 3_600_000;

let site: Site;
let alice: Browser & { account: Account };
let bob: Browser & { account: Account };
let stranger: Browser;
beforeAll(async () => {
  site = await startSite({ now: () => NOW });
  alice = await site.member('alice');
  bob = await site.member('bob');
  stranger = site.browser();
});
afterAll(() => site.stop());

/** A post that goes to these servers, of which those named have it. */
async function post(hosts: string[], arrived: string[] = []): Promise<Guid> {
  const { guid } = await publishPost(site.ctx, alice.account, { text: 'Where is it?', audience: { to: 'public' } });
  await goesTo(guid, hosts, arrived);
  return guid;
}
async function goesTo(guid: Guid, hosts: string[], arrived: string[]): Promise<string> {
  const { id } = (await latestActivity(site.ctx.store, guid))!;
  await site.ctx.store.transaction(async (tx) => {
    await addDeliveries(tx, id, 'xmpp', hosts, NOW - DAY_MS);
    await setArrived(tx, arrived.map((host, index) => ({ activityId: id, protocol: 'xmpp', host, recipients: index, at: NOW - DAY_MS, jobId: 1, tries: 0 })));
  });
  return id;
}
const of = (activityId: string, host: string) => ({ activityId, protocol: 'xmpp', host }) as const;
const plain = (html: string) => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
const names = (count: number) => Array.from({ length: count }, (_, n) => `s${String(n).padStart(3, '0')}.example`);

describe('on her post', () => {
  test('the author sees to how many servers it went, and nobody else does', async () => {
    const guid = await post(names(44), names(41));
    for (const page of ['/', `/posts/${guid}`]) {
      const { text } = await alice.get(page);
      expect(plain(text)).toContain('Delivered to 41 of 44 servers details');
      expect(text).toContain(`href="/posts/${guid}/deliveries"`);
    }
    for (const other of [bob, stranger]) expect((await other.get(`/posts/${guid}`)).text).not.toContain('elivered');
    const page = plain((await alice.get(`/posts/${guid}`)).text);
    expect(page).toContain('s041.example On its way.'); // three of them, with what becomes of them
    expect(page).not.toContain('s040.example');
  });

  test.each([
    [1, 1, 'Delivered to the 1 server that follows it'],
    [1, 0, 'Delivered to 0 of 1 server '],
    [2, 2, 'Delivered to all 2 servers that follow it'],
    [0, 0, 'On your page'],
  ])('%d servers, %d have it: %s', async (total, arrived, words) => {
    const guid = await post(names(total), names(arrived));
    expect(plain((await alice.get(`/posts/${guid}`)).text)).toContain(words);
  });

  test('an edit counts anew', async () => {
    const guid = await post(['a.example', 'b.example'], ['a.example', 'b.example']);
    await editPost(site.ctx, alice.account, guid, 'Better');
    await goesTo(guid, ['a.example', 'b.example', 'c.example'], ['a.example']);
    expect(plain((await alice.get(`/posts/${guid}`)).text)).toContain('Delivered to 1 of 3 servers');
    expect(plain((await alice.get(`/posts/${guid}/deliveries`)).text)).toContain('Your post, as you have changed it: 1 of 3 servers have it.');
  });
});

describe('the page of its deliveries', () => {
  afterEach(() => site.ctx.store.transaction((tx) => tx.query('delete from paused_hosts')));

  test('says of each server when it arrived and for whom, or why not and what comes next', async () => {
    const guid = await post(['fine.example', 'empty.example', 'part.example', 'fresh.example', 'away.example', 'gone.example', 'words.example', 'odd.example', 'held.example'], ['empty.example', 'fine.example', 'part.example']);
    const { id } = (await latestActivity(site.ctx.store, guid))!;
    await site.ctx.store.transaction(async (tx) => {
      await setDelivery(tx, { ...of(id, 'part.example'), state: 'arrived', at: NOW - DAY_MS, recipients: 5, refused: 1 });
      await addJobs(tx, [{ kind: 'deliver', payload: of(id, 'away.example'), queue: 'xmpp', lane: 'xmpp:1:away.example', runAt: NOW + 20 * 60_000 }]);
      const [{ id: jobId }] = (await tx.query<{ id: number }>("select id from jobs where ordering_key = 'xmpp:1:away.example'")) as [{ id: number }];
      await setDelivery(tx, { ...of(id, 'away.example'), state: 'waiting', at: NOW, tries: 3, error: 'remote-server-timeout', jobId });
      await setDelivery(tx, { ...of(id, 'gone.example'), state: 'given-up', at: NOW, error: 'gone' });
      await setDelivery(tx, { ...of(id, 'words.example'), state: 'given-up', at: NOW, error: 'It is <too> long for us.' });
      await setDelivery(tx, { ...of(id, 'odd.example'), state: 'given-up', at: NOW, error: 'undefined-condition' });
      await pauseHost(tx, 'held.example', NOW);
    });
    const { text, status } = await alice.get(`/posts/${guid}/deliveries`);
    const page = plain(text);
    expect(status).toBe(200);
    for (const words of [
      '3 of 9 servers have it.',
      'fine.example For 1 person, ',
      'part.example For 5 people,',
      'One of them does not take it.',
      'empty.example None of your followers there was online. They find it when they come back.',
      'fresh.example On its way.',
      'away.example This server does not answer. Tried 3 times, next in 20 minutes . We keep trying until 4 December 2026.',
      'gone.example Whoever followed you there has gone. Given up 21 November 2026 .',
      'words.example It is &lt;too> long for us. Given up',
      'odd.example It came back. Given up',
      'held.example Paused by the operator of this site.',
    ])
      expect(page).toContain(words);
    expect(text.match(/\/deliveries\/retry"/g)).toHaveLength(3);
  });

  test('is a page that does not exist for everybody else, for strangers and for posts that went nowhere', async () => {
    const guid = await post(['a.example']);
    const local = (await publishPost(site.ctx, alice.account, { text: 'here', audience: { to: 'public' } })).guid;
    for (const [who, path] of [
      [bob, `/posts/${guid}/deliveries`],
      [stranger, `/posts/${guid}/deliveries`],
      [alice, `/posts/${local}/deliveries`],
      [alice, `/posts/${'0'.repeat(32)}/deliveries`],
      [alice, '/posts/x/deliveries'],
    ] as const) {
      const hidden = await who.get(path);
      const unknown = await who.get('/no/such/page');
      const same = (text: string) => text.replaceAll(path, '/no/such/page').replace(/name="csrf" value="[^"]*"/g, '');
      expect([hidden.status, same(hidden.text)]).toEqual([404, same(unknown.text)]);
    }
  });

  test('has what was given up tried again by a button, of one’s own posts alone', async () => {
    const guid = await post(['a.example', 'b.example']);
    const { id } = (await latestActivity(site.ctx.store, guid))!;
    await site.ctx.store.transaction((tx) => giveUpDelivery(site.ctx, tx, { ...of(id, 'a.example'), error: 'remote-server-not-found' }));
    const waiting = async () => (await listJobs(site.ctx.store)).filter(({ lane }) => lane?.endsWith(':a.example')).length;
    const path = `/posts/${guid}/deliveries`;
    await bob.get('/');
    expect((await bob.post(`${path}/retry`, { network: 'xmpp', server: 'a.example' })).status).toBe(404);
    await alice.get(path);
    const fields = { network: 'xmpp', server: 'a.example' };
    expect((await alice.post(`${path}/retry`, { ...fields, csrf: 'forged' })).status).toBe(403);
    for (const wrong of [{ ...fields, server: 'c.example' }, { ...fields, network: 'smtp' }, { network: 'xmpp' }]) expect((await alice.post(`${path}/retry`, wrong as Record<string, string>)).status).toBe(404);
    expect(await waiting()).toBe(0);
    for (let i = 0; i < 2; i++) expect((await alice.post(`${path}/retry`, fields)).headers.location).toBe(`${path}?done=retried`);
    expect(await waiting()).toBe(1);
    expect((await alice.get(`${path}?done=retried`)).text).toContain('It is tried again.');
    expect(plain(alice.page)).toContain('a.example On its way.');
  });

  test('has pages', async () => {
    const guid = await post(names(230), names(230));
    const first = (await alice.get(`/posts/${guid}/deliveries`)).text;
    expect(first).toContain('s099.example');
    expect(first).not.toContain('s100.example');
    const next = /href="([^"]*\?after=[^"]*)"/.exec(first)![1]!;
    const second = (await alice.get(next)).text;
    expect(['s099', 's100', 's199'].map((name) => second.includes(`<bdi>${name}.example</bdi>`))).toEqual([false, true, true]);
  });

  test('of a deleted post says how far its end has come, and nothing of what it said', async () => {
    const guid = await post(['a.example'], ['a.example']);
    await deletePost(site.ctx, alice.account, guid);
    await goesTo(guid, ['a.example'], []);
    const { text } = await alice.get(`/posts/${guid}/deliveries`);
    expect(plain(text)).toContain('The end of your post: 0 of 1 server has it.');
    expect(text).not.toContain('Where is it?');
  });
});

test('that a post did not reach every server is told once, with a link to where it did not', async () => {
  await site.ctx.store.transaction((tx) => tx.query('delete from notifications'));
  const guid = await post(['a.example', 'b.example']);
  const { id } = (await latestActivity(site.ctx.store, guid))!;
  for (const host of ['a.example', 'b.example']) await site.ctx.store.transaction((tx) => giveUpDelivery(site.ctx, tx, { ...of(id, host), error: 'remote-server-not-found' }));
  const { text } = await alice.get('/notifications?only=undelivered');
  expect(plain(text)).toContain('Where is it? did not reach every server');
  expect(text.match(/did not reach every server/g)).toHaveLength(1);
  const link = /href="(\/notifications\/\d+)"/.exec(text)![1]!;
  expect((await alice.get(link)).headers.location).toBe(`/posts/${guid}/deliveries`);
  expect((await alice.get('/settings/notifications')).text).toContain('name="undelivered"');
});

describe('the operator’s page', () => {
  let root: Browser & { account: Account };
  beforeAll(async () => {
    root = await site.member('root-of-it');
    await setAdmin(site.ctx, root.account, true);
  });
  const act = async (name: string, server: string) => {
    await root.get('/admin/queue');
    return root.post(`/admin/queue/${name}`, { server });
  };

  test('does not exist for anybody else', async () => {
    for (const who of [alice, stranger]) {
      await who.get(who === alice ? '/' : '/login');
      for (const path of ['/admin/queue', '/admin/queue/drop?server=a.example']) expect((await who.get(path)).status).toBe(404);
      const csrf = who.csrf();
      for (const name of ['retry', 'pause', 'resume', 'drop']) expect((await who.post(`/admin/queue/${name}`, { server: 'a.example', csrf })).status).toBe(404);
      expect((await who.get('/')).text).not.toContain('/admin/queue');
    }
    expect(await listPausedHosts(site.ctx.store)).toEqual(new Map());
    expect((await root.get('/')).text).toContain('href="/admin/queue"');
  });

  test('shows what waits for each server, holds a server back and lets it go, and drops after a question', async () => {
    const guid = await post([]);
    const { id, actorId } = (await latestActivity(site.ctx.store, guid))!;
    await goesTo(guid, ['busy.example'], []);
    await site.ctx.store.transaction((tx) => addJobs(tx, [{ kind: 'deliver', payload: of(id, 'busy.example'), queue: 'xmpp', lane: `xmpp:${actorId}:busy.example` }], NOW - DAY_MS));
    expect(plain((await root.get('/admin/queue')).text)).toContain('busy.example 1 waiting Oldest since 20 November 2026');

    expect((await act('pause', 'busy.example')).headers.location).toBe('/admin/queue?done=pause&server=busy.example');
    expect(plain((await root.get('/admin/queue?done=pause&server=busy.example')).text)).toContain('busy.example is paused. What goes there waits.');
    expect(root.page).toContain('action="/admin/queue/resume"');
    expect(plain((await alice.get(`/posts/${guid}`)).text)).toContain('busy.example Paused by the operator');
    expect((await act('resume', 'busy.example')).status).toBe(303);
    expect(await listPausedHosts(site.ctx.store)).toEqual(new Map());
    expect((await act('retry', 'busy.example')).status).toBe(303);

    expect(plain((await root.get('/admin/queue/drop?server=busy.example')).text)).toContain('Drop all for busy.example?');
    expect((await root.get('/admin/queue/drop?server=else.example')).status).toBe(404);
    expect((await act('drop', 'busy.example')).status).toBe(303);
    expect(plain((await alice.get(`/posts/${guid}/deliveries`)).text)).toContain('busy.example The operator of this site has taken it out of the queue.');
  });

  test('refuses what is no server, and forged forms', async () => {
    const wrong = await act('pause', 'not a server');
    expect([wrong.status, plain(wrong.text)]).toEqual([400, expect.stringContaining('Write the name of a server')]);
    await root.get('/admin/queue');
    expect((await root.post('/admin/queue/pause', { server: 'a.example', csrf: 'forged' })).status).toBe(403);
    expect((await root.post('/admin/queue/pause', { server: 'a.example' }, { Origin: 'https://evil.example' })).status).toBe(403);
    expect(await listPausedHosts(site.ctx.store)).toEqual(new Map());
    const hostile = (await root.get('/admin/queue?done=pause&server=%3Cscript%3E')).text;
    expect(hostile).not.toContain('<script>');
  });

  test('is gone when one is no operator any more', async () => {
    await setAdmin(site.ctx, root.account, false);
    expect((await root.get('/admin/queue')).status).toBe(404);
  });
});
