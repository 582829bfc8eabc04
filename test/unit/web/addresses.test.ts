import { answerLinkCode, linkCodeOf } from '../../../src/services/owner-addresses.js';
import { findOwnerAddress } from '../../../src/store/owner-addresses.js';
import { type FollowedFeed, removeAccess, saveAccess, saveFeed } from '../../../src/store/received.js';
import { type Site, startSite } from '../../support/web.js';

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site.stop());

test('an address is asked, linked and removed, and the page says where it stands', async () => {
  const alice = await site.member('alice');
  const page = async () => (await alice.get('/settings/addresses')).text;
  expect(await page()).toContain('It needs no code');
  expect((await alice.post('/settings/addresses', { address: 'xmpp:Carol@Far.test' })).status).toBe(303);
  expect(await page()).toContain('We sent it a code by chat');
  const row = (await findOwnerAddress(site.ctx.store, alice.account.actorId, 'carol@far.test'))!;
  expect(await answerLinkCode(site.ctx, alice.account.actorId, row.jid, linkCodeOf(site.ctx, row))).toBe('linked');
  expect(await page()).toContain('Linked.');
  expect((await alice.post('/settings/addresses/remove', { address: 'carol@far.test' })).status).toBe(303);
  expect(await page()).not.toContain('carol@far.test');
});

test('an own feed becomes posts at the press of a button, and the page says how it stands', async () => {
  const cara = await site.member('cara');
  const { store } = site.ctx;
  const [jid, actorId] = ['cara@localhost', cara.account.actorId];
  const node = { service: jid, node: 'urn:xmpp:microblog:0' };
  const page = async () => (await cara.get('/settings/addresses')).text;
  const found = (state: FollowedFeed['state'], model: string | null) =>
    store.transaction(async (tx) => {
      await saveFeed(tx, { actorId, ...node, personId: actorId, state, subid: null, caughtUpAt: 1 });
      await (model === null ? removeAccess(tx, node) : saveAccess(tx, { ...node, model, askedAt: 1 }));
    });
  expect(await page()).toContain('Take its posts');
  const on = await cara.post('/settings/addresses/source', { address: jid, on: 'yes' });
  expect([on.status, on.headers['location']]).toEqual([303, '/settings/addresses?done=sourceOn']);
  expect(await page()).toMatch(/We are asking for its feed.*Look again.*Take no more posts/s);
  await found('refused', null);
  expect(await page()).toContain('There is no feed that everyone may read');
  await found('refused', '');
  expect(await page()).toContain('Not everyone may read its feed, so nothing of it is posted here.');
  await found('refused', 'open');
  expect(await page()).toContain('up to half an hour later');
  await found('subscribed', 'open');
  expect(await page()).toContain('What you publish there becomes your post here.');
  expect(await page()).not.toContain('Look again');
  expect((await cara.post('/settings/addresses/source', { address: jid, on: 'no' })).headers['location']).toBe('/settings/addresses?done=sourceOff');
  expect(await page()).toMatch(/Take its posts/);
});

test('nobody takes the posts of an address that does not speak for them', async () => {
  const eve = await site.member('eve');
  await eve.get('/settings/addresses');
  for (const [address, on, status] of [['cara@localhost', 'yes', 404], ['eve@localhost', 'maybe', 400], ['', 'yes', 400]] as const) {
    expect((await eve.post('/settings/addresses/source', { address, on })).status).toBe(status);
  }
  expect(await site.ctx.store.query('select jid from sources')).toEqual([]);
});

test('what cannot be linked is said beside the field, with what was typed', async () => {
  const bert = await site.member('bert');
  await bert.get('/settings/addresses');
  for (const address of ['nonsense', 'bert@social.localhost', 'bert@localhost']) {
    const answer = await bert.post('/settings/addresses', { address });
    expect([answer.status >= 400, answer.text.includes(`value="${address}"`), /role="alert"/.test(answer.text)]).toEqual([true, true, true]);
  }
});

test('one removes one’s own addresses alone', async () => {
  const [mallory, dora] = [await site.member('mallory'), await site.member('dora')];
  await dora.get('/settings/addresses');
  await dora.post('/settings/addresses', { address: 'dora@far.test' });
  await mallory.get('/settings/addresses');
  expect((await mallory.post('/settings/addresses/remove', { address: 'dora@far.test' })).status).toBe(404);
});
