import sharp from 'sharp';
import { findActor } from '../../../src/store/actors.js';
import { type Site, startSite } from '../../support/web.js';

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site.stop());

const png = (background = '#c33') => sharp({ create: { width: 300, height: 200, channels: 3, background } }).png().toBuffer();
type Member = Awaited<ReturnType<Site['member']>>;
const profile = async (member: Member) => (await findActor(site.ctx.store, member.account.actorId))!.profile;
const csrfOf = (page: string) => /name="csrf" value="([^"]+)"/.exec(page)![1]!;
/** The form as a browser sends it. */
async function upload(member: Member, kind: string, picture: Buffer | null, { csrf }: { csrf?: string } = {}) {
  const token = csrf ?? csrfOf((await member.get('/settings/profile')).text);
  return member.upload('/settings/pictures', { csrf: token, kind }, picture && { field: 'picture', bytes: picture, name: 'me.png', type: 'image/png' });
}

test('a picture that is uploaded stands on one’s page, and is served as what it is', async () => {
  const member = await site.member('alice');
  expect((await upload(member, 'avatar', await png())).status).toBe(303);
  expect((await upload(member, 'banner', await png('#36c'))).status).toBe(303);
  const { avatar, banner } = await profile(member);
  const page = (await site.browser().get('/u/alice')).text;
  for (const id of [avatar, banner]) expect(page).toContain(`/media/${id}`);
  const file = await site.browser().get(`/media/${avatar}`);
  expect([file.status, file.headers['content-type'], file.headers['cache-control'], file.headers['x-content-type-options']]).toEqual([200, 'image/png', expect.stringContaining('immutable'), 'nosniff']);
  expect(file.headers['set-cookie']).toBeUndefined();
  const actor = JSON.parse((await site.browser().get('/u/alice', { accept: 'application/activity+json' })).text);
  expect([actor.icon.url, actor.image.url]).toEqual([expect.stringContaining(avatar!), expect.stringContaining(banner!)]);

  expect((await member.post('/settings/pictures/remove', { kind: 'avatar' })).status).toBe(303);
  expect((await profile(member)).avatar).toBeNull();
  expect((await site.browser().get(`/media/${avatar}`)).status).toBe(404);
});

test('what is no picture, or none at all, is refused beside its field', async () => {
  const member = await site.member('bert');
  for (const bytes of [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), null]) {
    const answer = await upload(member, 'avatar', bytes);
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(/role="alert"[\s\S]*picture/);
  }
  expect((await upload(member, 'window', await png())).status).toBe(400);
  expect((await profile(member)).avatar).toBeNull();
});

test('without the form’s own token, or without logging in, nothing is taken', async () => {
  const member = await site.member('carol');
  expect((await upload(member, 'avatar', await png(), { csrf: 'forged' })).status).toBe(403);
  const stranger = site.browser();
  const answer = await stranger.upload('/settings/pictures', { csrf: 'x', kind: 'avatar' }, { field: 'picture', bytes: await png(), name: 'x.png', type: 'image/png' });
  expect(answer.status).toBe(403);
  expect((await profile(member)).avatar).toBeNull();
});

test('a file that is too large is refused before it is read to its end', async () => {
  const member = await site.member('dora');
  const answer = await upload(member, 'avatar', Buffer.alloc(11 * 1024 * 1024, 1));
  expect(answer.status).toBe(413);
});
