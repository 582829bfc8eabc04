import { answerLinkCode, linkCodeOf } from '../../../src/services/owner-addresses.js';
import { findOwnerAddress } from '../../../src/store/owner-addresses.js';
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
