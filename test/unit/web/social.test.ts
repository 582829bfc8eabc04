import request from 'supertest';
import type { Audience } from '../../../src/domain/activity.js';
import { createAppPassword } from '../../../src/services/app-passwords.js';
import { createAspect, renameAspect } from '../../../src/services/aspects.js';
import { commentOn } from '../../../src/services/comments.js';
import { unsubscribeToken } from '../../../src/services/notification-mail.js';
import { noteAsked } from '../../../src/services/people.js';
import { deletePost, publishPost } from '../../../src/services/publish.js';
import { likePost } from '../../../src/services/reactions.js';
import { addContact, applyEvent, removeContact, setAskFirst } from '../../../src/services/relationships.js';
import { resharePost } from '../../../src/services/reshares.js';
import { actorOf } from '../../../src/services/stream.js';
import { findAccount } from '../../../src/store/accounts.js';
import { addDeliveries } from '../../../src/store/ledger.js';
import { remotePerson, remotePost } from '../../support/remote.js';
import { type Browser, type Site, startSite } from '../../support/web.js';

type Member = Awaited<ReturnType<Site['member']>>;

let site: Site;
let alice: Member;
let bob: Member;
let visitor: Browser;
beforeAll(async () => {
  site = await startSite();
  alice = await site.member('alice');
  bob = await site.member('bob');
  visitor = site.browser();
});
afterAll(() => site.stop());

const actor = (member: Member) => actorOf(site.ctx, member.account);
const publish = (member: Member, text: string) => publishPost(site.ctx, member.account, { text });
/** Sends a form of the page, which is read first for its csrf field. */
const send = async (browser: Browser, page: string, action: string, fields: Record<string, string> = {}) => {
  await browser.get(page);
  return browser.post(action, fields);
};
const textOf = (html: string) => html.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ');

describe('comments', () => {
  test('stand below the post with a page of their own, and can be changed and deleted', async () => {
    const { guid } = await publish(alice, 'Something to talk about');
    const written = await send(bob, `/posts/${guid}`, `/posts/${guid}/comments`, { text: 'I have *much* to say' });
    expect(written.status).toBe(303);
    const mark = /#comment-([0-9a-f]{32})$/.exec(written.headers.location!)![1]!;
    const page = (await visitor.get(`/posts/${guid}`)).text;
    expect(page).toContain(`<article class="comment" id="comment-${mark}"`);
    expect(page).toContain('I have <em>much</em> to say');
    expect(page).toContain('>1 comment<');
    expect(page).not.toContain(`/comments/${mark}/edit`);
    expect((await visitor.get(`/comments/${mark}`)).headers.location).toBe(`/posts/${guid}#comment-${mark}`);

    expect((await bob.get(`/comments/${mark}/edit`)).text).toContain('I have *much* to say</textarea>');
    expect((await bob.post(`/comments/${mark}/edit`, { text: 'Less' })).headers.location).toBe(`/comments/${mark}`);
    expect((await visitor.get(`/posts/${guid}`)).text).toContain('<p>Less</p>');
    // Not one's own: the author of the post may delete it, but not put words into a mouth.
    expect((await alice.get(`/comments/${mark}/edit`)).status).toBe(403);
    expect((await send(alice, '/', `/comments/${mark}/edit`, { text: 'Praise' })).status).toBe(403);
    const carol = await site.member('carol');
    expect((await carol.get(`/comments/${mark}/delete`)).status).toBe(403);
    expect((await send(carol, '/', `/comments/${mark}/delete`)).status).toBe(403);
    expect((await alice.get(`/comments/${mark}/delete`)).text).toContain('bob wrote it under your post');
    expect((await alice.post(`/comments/${mark}/delete`)).headers.location).toBe(`/posts/${guid}?done=comment-deleted#comments`);
    expect((await visitor.get(`/posts/${guid}`)).text).toContain('No comments yet');
    expect((await visitor.get(`/comments/${mark}`)).status).toBe(410);
  });

  test('a fault brings the form back with what was typed, and a form sent twice is one comment', async () => {
    const { guid } = await publish(alice, 'Faults');
    const faulty = await send(bob, `/posts/${guid}`, `/posts/${guid}/comments`, { text: '♥' });
    expect(faulty.status).toBe(400);
    expect(faulty.text).toContain('♥</textarea>');
    expect(faulty.text).toContain('<a href="#comment">'); // the summary leads to the field
    const once = /action="\/posts\/[0-9a-f]+\/comments".*?name="once" value="([^"]+)"/s.exec(faulty.text)![1]!;
    const [first, second] = [await bob.post(`/posts/${guid}/comments`, { text: 'Once', once }), await bob.post(`/posts/${guid}/comments`, { text: 'Once', once })];
    expect(second.headers.location).toBe(first.headers.location);
    expect((await bob.get(`/posts/${guid}`)).text).toContain('>1 comment<');
    expect((await send(bob, `/posts/${guid}`, `/posts/${guid}/comments`, { text: 'x'.repeat(17_000) })).status).toBe(413);
  });

  test('1,000 of them are read page by page, and each is found again by its own address', async () => {
    const { guid } = await publish(alice, 'Very popular');
    const by = await actor(bob);
    const guids: string[] = [];
    for (let at = 1; at <= 1_000; at++) guids.push((await commentOn(site.ctx, by, guid, { text: `comment ${at}.` })).guid);
    const shown = (html: string) => [...html.matchAll(/comment (\d+)\./g)].map(([, at]) => Number(at));
    const newest = (await visitor.get(`/posts/${guid}`)).text;
    expect(shown(newest)).toEqual(Array.from({ length: 50 }, (_, at) => 951 + at));
    const follow = async (html: string, words: string) => (await visitor.get(new RegExp(`href="([^"#]+)#comments"[^>]*>(?:<svg(?:(?!</svg>).)*</svg>)?${words}`).exec(html)![1]!)).text;
    const before = await follow(newest, 'Earlier comments');
    expect(shown(before)).toEqual(Array.from({ length: 50 }, (_, at) => 901 + at));
    expect(shown(await follow(before, 'Later comments'))).toEqual(shown(newest));
    const first = await follow(newest, 'The first comments');
    expect(shown(first)).toEqual(Array.from({ length: 50 }, (_, at) => 1 + at));
    expect(first).not.toContain('Earlier comments');
    const [path, mark] = (await visitor.get(`/comments/${guids[499]}`)).headers.location!.split('#');
    expect(mark).toBe(`comment-${guids[499]}`);
    expect(shown((await visitor.get(path!)).text)).toContain(500);
    expect(shown((await visitor.get((await visitor.get(`/comments/${guids[2]}`)).headers.location!.split('#')[0]!)).text)[0]).toBe(1);
  }, 120_000);

  test('where the server of a post takes none, the page says so', async () => {
    const ruth = await remotePerson(site.ctx, 'ruth@garden.example');
    const { guid } = await remotePost(site.ctx, ruth, 'No answers please', { comments: false });
    expect((await bob.get(`/posts/${guid}`)).text).toContain('takes no comments');
    expect((await bob.post(`/posts/${guid}/comments`, { text: 'Yet' })).status).toBe(403);
  });
});

describe('likes and reshares', () => {
  test('are counted on the card, done once, taken back, and lead to where one was', async () => {
    const { guid } = await publish(alice, 'Likeable');
    await addContact(site.ctx, bob.account, 'alice@social.localhost');
    await bob.get('/');
    for (const path of ['like', 'like']) expect((await bob.post(`/posts/${guid}/${path}`, { next: '/?older=1' })).headers.location).toBe(`/?older=1#post-${guid}`);
    expect(textOf((await bob.get(`/posts/${guid}`)).text)).toContain('You like this. Likes: 1');
    expect((await alice.get(`/posts/${guid}`)).text).toContain('1 person likes this');
    await bob.post(`/posts/${guid}/reshare`);
    const own = (await bob.get('/u/bob')).text;
    expect(own).toContain('Likeable');
    expect(textOf(own)).toContain('You have reshared this. Reshares: 1');
    expect((await bob.post(`/posts/${guid}/unreshare`, { next: '//evil.example' })).headers.location).toBe(`/posts/${guid}#post-${guid}`);
    expect((await bob.post(`/posts/${guid}/unlike`)).headers.location).toBe(`/posts/${guid}#post-${guid}`);
    const after = textOf((await bob.get(`/posts/${guid}`)).text);
    expect(after).toContain('Like. Likes: 0');
    expect(after).toContain('Reshare. Reshares: 0');
  });

  test('the bar of a post alone is for the script, and no wider than the post', async () => {
    const { guid } = await publish(alice, 'Only its bar');
    const { text } = await bob.get(`/posts/${guid}?part=acts`);
    expect(text).toContain(`data-acts="${guid}"`);
    expect(text).not.toContain('Only its bar');
    const closed = await publishPost(site.ctx, alice.account, { text: 'Closed', audience: { to: 'contacts' } });
    expect((await visitor.get(`/posts/${closed.guid}?part=acts`)).status).toBe(404);
    for (const act of ['like', 'unlike', 'reshare', 'comments']) expect((await send(bob, '/', `/posts/${closed.guid}/${act}`, { text: 'x' })).status).toBe(404);
  });

  test('in the stream a post stands once, with those who shared it; a reshare of nothing is not there', async () => {
    const [author, one, two, reader] = [await site.member('writer'), await site.member('sharer1'), await site.member('sharer2'), await site.member('reader')];
    for (const name of ['sharer1', 'sharer2']) await addContact(site.ctx, reader.account, `${name}@social.localhost`);
    const [root, gone] = [await publish(author, 'Worth it'), await publish(author, 'Gone soon')];
    const [first, second] = [await resharePost(site.ctx, one.account, root.guid), await resharePost(site.ctx, two.account, root.guid)];
    const empty = await resharePost(site.ctx, one.account, gone.guid);
    await deletePost(site.ctx, author.account, gone.guid);
    const stream = (await reader.get('/')).text;
    expect(stream.match(/<article class="post" id="post-[^"]+"/g)).toEqual([`<article class="post" id="post-${second.guid}"`]);
    expect(textOf(stream)).toMatch(/sharer2 reshared .* sharer1 reshared .* Worth it/);
    expect(stream).toContain(`href="/posts/${first.guid}"`);
    // A program gets each by itself, but not what says nothing.
    const { password } = await createAppPassword(site.ctx, reader.account, 'script');
    const inbox = JSON.parse((await request(site.app).get('/u/reader/inbox').auth('reader', password)).text);
    expect(inbox.first.orderedItems.map(({ id }: { id: string }) => id)).toEqual([second.atomId, first.atomId]);
    expect(inbox.first.orderedItems).not.toContainEqual(expect.objectContaining({ id: empty.atomId }));
  });

  test('a reshare shows its root as it stands; what is done with it is done with the root', async () => {
    const root = await publish(alice, 'The first words');
    const reshare = await resharePost(site.ctx, bob.account, root.guid);
    const page = (await visitor.get(`/posts/${reshare.guid}`)).text;
    expect(page).toContain(`<article class="post" id="post-${reshare.guid}"`);
    expect(textOf(page)).toContain('bob reshared');
    expect(page).toContain('The first words');
    for (const { guid } of [root, reshare]) expect(textOf((await alice.get(`/posts/${guid}`)).text)).toMatch(/Reshared by B bob bob@social\.localhost/);
    const written = await send(bob, `/posts/${reshare.guid}`, `/posts/${root.guid}/comments`, { text: 'Below the root' });
    expect(written.status).toBe(303);
    expect((await visitor.get(`/posts/${reshare.guid}`)).text).toContain('Below the root');
    const announce = JSON.parse((await visitor.get(`/posts/${reshare.guid}`, { Accept: 'application/activity+json' })).text);
    expect(announce).toMatchObject({ type: 'Announce', object: root.atomId, actor: 'http://social.localhost:3000/u/bob' });
    const note = JSON.parse((await visitor.get(`/posts/${root.guid}`, { Accept: 'application/activity+json' })).text);
    expect(note).toMatchObject({ type: 'Note', replies: { totalItems: 1 }, likes: { totalItems: 0 }, shares: { totalItems: 1 } });
    await send(alice, `/posts/${root.guid}`, `/posts/${root.guid}/delete`);
    expect((await visitor.get(`/posts/${reshare.guid}`)).text).toContain('no longer there');
  });
});

describe('find and follow', () => {
  test('one field leads to the page of whoever bears the address, with the aspect ticked', async () => {
    await alice.get('/aspects');
    const aspect = (await alice.post('/aspects', { name: 'Garden' })).headers.location!.match(/\d+/)![0];
    const look = (address: string) => alice.get(`/people?address=${encodeURIComponent(address)}&aspect=${aspect}`);
    expect((await look('bob@social.localhost')).headers.location).toBe(`/u/bob?into=${aspect}`);
    expect((await look('http://social.localhost:3000/u/bob')).headers.location).toBe(`/u/bob?into=${aspect}`);
    expect((await look('xmpp:ruth@garden.example')).headers.location).toBe(`/people/ruth@garden.example?into=${aspect}`);
    const page = (await alice.get(`/people/ruth@garden.example?into=${aspect}`)).text;
    expect(page).toMatch(new RegExp(`name="aspect" value="${aspect}"[^>]*checked`));
    expect(page).toContain('Follow ruth');
    expect(page).toContain('We are asking garden.example');
    expect(page).toContain('Look again');
    const wrong = await alice.get('/people?address=not+an+address');
    expect(wrong.status).toBe(400);
    expect(wrong.text).toContain('value="not an address"');
    expect((await alice.get('/people?address=nobody@social.localhost')).status).toBe(404);
    expect((await alice.get('/people')).headers.location).toBe('/contacts');
    expect((await visitor.get('/people/unknown@garden.example')).headers.location).toMatch(/^\/login/); // strangers make us ask nobody
  });

  test('the welcome page looks first, too: nobody is followed by an address alone', async () => {
    const fresh = await site.member('fresh');
    const [form] = /<form[^>]*action="\/people".*?<\/form>/s.exec((await fresh.get('/welcome')).text)!;
    expect(form).toMatch(/^<form method="get"/);
    expect(form).toContain('name="address"');
    expect((await fresh.get('/people?address=bob@social.localhost')).headers.location).toBe('/u/bob');
    expect((await fresh.get('/u/bob')).text).toContain('Follow bob');
    expect((await fresh.get('/contacts')).text).not.toContain('bob@social.localhost');
  });

  test('public posts are seen before deciding; what came for others is not', async () => {
    const maryam = await remotePerson(site.ctx, 'maryam@chat.example.net');
    await remotePost(site.ctx, maryam, 'Pomegranates for all');
    const closed = await remotePost(site.ctx, maryam, 'Only for bob', { recipients: [bob.account.actorId] });
    const path = '/people/maryam@chat.example.net';
    const page = (await alice.get(path)).text;
    expect(page).toContain('Pomegranates for all');
    expect(page).not.toContain('Only for bob');
    expect((await bob.get(path)).text).toContain('Only for bob');
    expect((await visitor.get(path)).text).toContain('Pomegranates for all');
    for (const viewer of [alice, visitor]) expect((await viewer.get(`/posts/${closed.guid}`)).status).toBe(404);
    expect((await bob.get(`/posts/${closed.guid}`)).text).toContain('Came over the chat network');
  });

  test('a reshare of what was never here shows the text that came with it, and no word that it is gone', async () => {
    const omar = await remotePerson(site.ctx, 'omar@chat.example.net');
    const { guid: rootless } = await remotePost(site.ctx, omar, 'Figs from Lena', { root: { items: [], guids: [] } });
    const page = textOf((await alice.get(`/posts/${rootless}`)).text);
    expect(page).toContain('Figs from Lena');
    expect(page).not.toContain('no longer there');
    const root = await publish(bob, 'Soon gone');
    const { guid } = await remotePost(site.ctx, omar, '', { root: { items: [], guids: [root.guid] } });
    await deletePost(site.ctx, bob.account, root.guid);
    expect(textOf((await alice.get(`/posts/${guid}`)).text)).toContain('no longer there');
  });

  test('follow, hide, block: each is said in words, undone, and leads back', async () => {
    const jonas = await site.member('jonas');
    const { actorId } = jonas.account;
    const words = async () => textOf((await alice.get('/u/jonas')).text);
    await alice.get('/u/jonas');
    expect((await alice.post('/contacts', { address: 'jonas@social.localhost', from: 'person' })).headers.location).toBe(`/u/jonas?done=added&who=${actorId}`);
    expect(await words()).toContain('You follow');
    await publish(jonas, 'Jonas speaks');
    expect((await alice.get('/')).text).toContain('Jonas speaks');

    expect((await alice.post(`/contacts/${actorId}/mute`, { next: '/?aspect=' })).headers.location).toBe(`/?aspect=&done=mute&who=${actorId}`);
    expect((await alice.get('/')).text).not.toContain('Jonas speaks');
    expect(await words()).toContain('Hidden from your stream');
    expect((await alice.get('/contacts?only=muted')).text).toContain('jonas@social.localhost');
    await alice.post(`/contacts/${actorId}/unmute`);
    expect((await alice.get('/')).text).toContain('Jonas speaks');

    expect(textOf((await alice.get('/u/jonas?ask=block')).text)).toContain('Block jonas?');
    expect((await alice.post(`/contacts/${actorId}/block`, { next: '/u/jonas' })).headers.location).toBe(`/u/jonas?done=block&who=${actorId}`);
    const blocked = await words();
    expect(blocked).toContain('Neither of you sees anything of the other');
    expect(blocked).not.toContain('Jonas speaks');
    await alice.post(`/contacts/${actorId}/unblock`);
    expect(await words()).toContain('Follow jonas');
  });

  test('a request is answered on the page of whoever asks, too', async () => {
    const erin = await site.member('erin');
    await send(erin, '/settings/account', '/settings/ask-first', { on: 'yes' });
    await addContact(site.ctx, bob.account, 'erin@social.localhost');
    expect(textOf((await erin.get('/u/bob')).text)).toContain('Wants to follow you');
    expect((await erin.post(`/contacts/${bob.account.actorId}/accept`, { follow: 'yes', next: '/u/bob' })).status).toBe(303);
    expect(textOf((await erin.get('/u/bob')).text)).toContain('You follow each other');
  });

  test('a contact who does not let one follow is said so, and is asked again', async () => {
    const [greta, hugo] = [await site.member('greta'), await site.member('hugo')];
    await addContact(site.ctx, hugo.account, 'greta@social.localhost');
    await send(greta, '/u/hugo', `/contacts/${hugo.account.actorId}/reject`);
    const page = (await hugo.get('/u/greta')).text;
    expect(textOf(page)).toContain('You do not follow');
    expect(textOf(page)).toContain('you do not get their posts');
    expect(page).toContain('Remove from contacts');
    expect(page).not.toContain('Stop following');
    const list = (await hugo.get('/contacts')).text;
    for (const html of [page, list]) expect(html).toMatch(/action="\/contacts"(?:(?!<\/form>).)*value="greta@social\.localhost"(?:(?!<\/form>).)*Ask again/s);
    expect((await hugo.post('/contacts', { address: 'greta@social.localhost', from: 'person' })).headers.location).toBe(`/u/greta?done=added&who=${greta.account.actorId}`);
    expect(textOf((await hugo.get('/u/greta')).text)).not.toContain('You do not follow');
  });

  test('people whose domain is not written in ASCII have a page, and are followed', async () => {
    const jurgen = await remotePerson(site.ctx, 'jürgen@bücher.example');
    await site.ctx.store.transaction((tx) => applyEvent(site.ctx, tx, alice.account.actorId, jurgen.id, 'follow'));
    const path = /href="(\/people\/j[^"]*)"/.exec((await alice.get('/contacts?only=followers')).text)![1]!;
    expect(textOf((await alice.get(path)).text)).toContain('Follows you');
    expect((await alice.post('/contacts', { address: 'jürgen@bücher.example', from: 'person' })).headers.location).toBe(`${path}?done=asked&who=${jurgen.id}`);
    await noteAsked(site.ctx, jurgen.id, 'bücher.example tells nothing to strangers.');
    const page = (await alice.get(path)).text; // it changes by itself when the answer comes
    expect(textOf(page)).toContain('Asked, no answer yet');
    expect(page).toContain(`data-person="${jurgen.id}"`);
  });

  test('who was refused is let in after all, if they still want to; otherwise they may ask again', async () => {
    const [ines, kai] = [await site.member('ines'), await site.member('kai')];
    const ruth = await remotePerson(site.ctx, 'refused@garden.example');
    await send(ines, '/settings/account', '/settings/ask-first', { on: 'yes' });
    await addContact(site.ctx, kai.account, 'ines@social.localhost');
    await site.ctx.store.transaction((tx) => applyEvent(site.ctx, tx, ines.account.actorId, ruth.id, 'follow'));
    for (const { id, path } of [{ id: kai.account.actorId, path: '/u/kai' }, { id: ruth.id, path: '/people/refused@garden.example' }]) {
      await ines.post(`/contacts/${id}/reject`);
      for (const page of [path, '/contacts?only=refused']) expect((await ines.get(page)).text).toMatch(new RegExp(`action="/contacts/${id}/accept".*?Let them follow after all`, 's'));
    }
    expect((await ines.post(`/contacts/${kai.account.actorId}/accept`, { next: '/u/kai' })).headers.location).toBe(`/u/kai?done=accept&who=${kai.account.actorId}`);
    expect(textOf((await kai.get('/u/ines')).text)).toContain('You follow');
    // Her server was told no, and knows of no wish any more.
    const after = (await ines.post(`/contacts/${ruth.id}/accept`, { next: '/people/refused@garden.example' })).headers.location!;
    expect(textOf((await ines.get(after)).text)).toContain('can ask again to follow you');
    await site.ctx.store.transaction((tx) => applyEvent(site.ctx, tx, ines.account.actorId, ruth.id, 'follow'));
    expect(textOf((await ines.get('/people/refused@garden.example')).text)).toContain('Wants to follow you');
  });
});

describe('lists', () => {
  test('a tag has a page, in any case, and one’s own doings have one', async () => {
    const post = await publish(alice, 'Lamps and trousers #RepairCafé');
    expect((await visitor.get(`/tags/${encodeURIComponent('repaircafé')}`)).text).toContain(`id="post-${post.guid}"`);
    expect((await visitor.get(`/tags/${encodeURIComponent('REPAIRCAFÉ')}`)).text).toContain(`id="post-${post.guid}"`);
    expect((await visitor.get('/tags/nothing')).text).toContain('No posts with this tag');
    expect((await visitor.get(`/posts/${post.guid}`)).text).toContain(`href="http://social.localhost:3000/tags/${encodeURIComponent('repaircafé')}"`);
    const dora = await site.member('dora');
    expect((await dora.get('/activity')).text).toContain('Nothing yet');
    await likePost(site.ctx, await actor(dora), post.guid);
    expect((await dora.get('/activity')).text).toContain(`id="post-${post.guid}"`);
    expect((await visitor.get('/activity')).headers.location).toMatch(/^\/login/);
  });
});

describe('notifications', () => {
  test('ring once for each thing, lead to it, and are read then', async () => {
    const nora = await site.member('nora');
    const post = await publish(nora, 'Ring my bell');
    await commentOn(site.ctx, await actor(bob), post.guid, { text: 'Ding' });
    await likePost(site.ctx, await actor(bob), post.guid);
    await likePost(site.ctx, await actor(alice), post.guid);
    const badge = async () => /data-unread[^>]*>.*?<\/span><span>(\d+)</s.exec((await nora.get('/contacts')).text)![1];
    expect(await badge()).toBe('2');
    const page = await nora.get('/notifications');
    expect(textOf(page.text)).toMatch(/alice and 1 other like Ring my bell/);
    expect(page.text).toContain('<q>Ding</q>');
    expect(textOf((await nora.get('/notifications?only=comment')).text)).not.toMatch(/likes Ring my bell/);
    const id = /href="\/notifications\/(\d+)"/.exec(page.text)![1]!;
    expect((await nora.get(`/notifications/${id}`)).headers.location).toBe(`/posts/${post.guid}`);
    expect(await badge()).toBe('1');
    expect((await bob.get(`/notifications/${id}`)).status).toBe(404);
    await nora.get(`/posts/${post.guid}`); // who reads the post has seen what stands there
    expect(await badge()).toBe('0');
    await commentOn(site.ctx, await actor(bob), post.guid, { text: 'Dong' });
    const upTo = /name="upTo" value="(\d+)"/.exec((await nora.get('/notifications')).text)![1]!;
    expect((await nora.post('/notifications/read', { upTo })).headers.location).toBe('/notifications?done=read');
    expect((await nora.get('/notifications?only=unread')).text).toContain('Nothing new');
    expect((await nora.post('/notifications/read', {})).status).toBe(400);
  });

  test('a request is answered where it is told, and leads back', async () => {
    const [sven, tina] = [await site.member('sven'), await site.member('tina')];
    await setAskFirst(site.ctx, sven.account, true);
    await addContact(site.ctx, tina.account, 'sven@social.localhost');
    const page = await sven.get('/notifications?only=request');
    const [form] = /<form[^>]*\/accept".*?<\/form>/s.exec(page.text)!;
    expect(form).toContain(`formaction="/contacts/${tina.account.actorId}/reject"`);
    const [, action, next] = /action="([^"]+)".*name="next" value="([^"]+)"/s.exec(form)!;
    const { location } = (await sven.post(action!, { next: next! })).headers;
    expect(location).toBe(`/notifications?only=request&done=accept&who=${tina.account.actorId}`);
    const after = (await sven.get(location!)).text;
    expect(after).toContain('tina follows you now.');
    expect(after).toContain('wants to follow you');
    expect(after).not.toContain('/accept"');
  });

  test('what comes by mail is chosen for each kind, and one press from a mail ends it without a log-in', async () => {
    const olga = await site.member('olga');
    const mails = async () => (await findAccount(site.ctx.store, olga.account.id))!.notificationMail;
    const all = { request: 'now', accepted: 'off', comment: 'digest', 'also-commented': 'off', like: 'off', reshare: 'off', mention: 'now' };
    expect((await send(olga, '/settings/notifications', '/settings/notifications', all)).headers.location).toBe('/settings/notifications?done=saved');
    expect(await mails()).toMatchObject(all);
    expect((await olga.post('/settings/notifications', { ...all, like: 'often' })).status).toBe(400);

    const path = `/unsubscribe/${unsubscribeToken(site.ctx, olga.account, 'mention')}`;
    const program = site.browser();
    const asked = await program.get(path);
    expect(asked.text).toContain('Stop these mails');
    expect((await mails())!.mention).toBe('now'); // whatever opens links changes nothing
    // RFC 8058 §3.2: no cookie, no form of ours, another origin.
    const pressed = await site.browser().post(path, { 'List-Unsubscribe': 'One-Click' }, { Origin: 'https://mail.example' });
    expect(pressed.status).toBe(200);
    expect(pressed.text).toContain('These mails are stopped');
    expect((await mails())!.mention).toBe('off');
    expect((await mails())!.request).toBe('now');
    expect(pressed.headers['set-cookie']).toBeUndefined();
    for (const wrong of ['/unsubscribe/x', `${path}x`]) expect((await program.get(wrong)).status).toBe(404);
  });
});

test('comments have a limit, and the text is not lost', async () => {
  const own = await startSite({ config: { rateLimits: true } });
  const member = await own.member('alice');
  const { guid } = await publishPost(own.ctx, member.account, { text: 'Flood me' });
  await member.get(`/posts/${guid}`);
  let answer = await member.post(`/posts/${guid}/comments`, { text: 'again' });
  for (let tries = 0; tries < 100 && answer.status === 303; tries++) answer = await member.post(`/posts/${guid}/comments`, { text: `again ${tries}` });
  expect(answer.status).toBe(429);
  expect(answer.headers['retry-after']).toMatch(/^\d+$/);
  expect(answer.text).toMatch(/again \d+<\/textarea>/);
  await own.stop();
});

test('one’s own comment that has not arrived says so, to oneself alone', async () => {
  const ruth = await remotePerson(site.ctx, 'late@garden.example');
  const post = await remotePost(site.ctx, ruth, 'Far away');
  const comment = await commentOn(site.ctx, await actor(bob), post.guid, { text: 'Do you hear me?' });
  expect((await bob.get(`/posts/${post.guid}`)).text).not.toContain('has not arrived');
  await site.ctx.store.transaction(async (tx) => {
    const [activity] = await tx.query<{ id: string }>('select id from activities where comment_guid = ?', [comment.guid]);
    await addDeliveries(tx, activity!.id, 'xmpp', ['garden.example'], site.ctx.now());
    await tx.query("update deliveries set state = 'given-up', error = 'It takes no comments from you.' where activity_id = ?", [activity!.id]);
  });
  expect((await bob.get(`/posts/${post.guid}`)).text).toContain('has not arrived');
  expect((await alice.get(`/posts/${post.guid}`)).text).not.toContain('has not arrived');
});

test('one’s own like that has not arrived says so at the post, to oneself alone, until it is taken back', async () => {
  const post = await remotePost(site.ctx, await remotePerson(site.ctx, 'late@garden.example'), 'Far away, too');
  await likePost(site.ctx, await actor(bob), post.guid);
  await site.ctx.store.transaction(async (tx) => {
    const [activity] = await tx.query<{ id: string }>("select id from activities where verb = 'like' and post_guid = ?", [post.guid]);
    await addDeliveries(tx, activity!.id, 'xmpp', ['garden.example'], site.ctx.now());
    await tx.query("update deliveries set state = 'given-up', error = 'It takes no likes from you.' where activity_id = ?", [activity!.id]);
  });
  const path = `/posts/${post.guid}`;
  const hint = 'Others do not see your like: it has not arrived. It takes no likes from you.';
  for (const at of [path, `${path}?part=acts`]) expect(textOf((await bob.get(at)).text)).toContain(hint);
  expect((await alice.get(path)).text).not.toContain('has not arrived');
  await send(bob, path, `${path}/unlike`);
  expect((await bob.get(path)).text).not.toContain('has not arrived');
});

test('who can see a closed post now is told to its author, and to nobody else', async () => {
  const paula = await site.member('paula');
  await addContact(site.ctx, paula.account, 'bob@social.localhost');
  const post = await publishPost(site.ctx, paula.account, { text: 'For a few', audience: { to: 'contacts' } });
  const late = await site.member('quentin');
  await addContact(site.ctx, paula.account, 'quentin@social.localhost');
  const page = (await paula.get(`/posts/${post.guid}`)).text;
  expect(page).toContain('this person can see it now');
  expect(page).toContain('title="bob"');
  expect(page).not.toContain('title="quentin"'); // added after it was posted
  expect((await bob.get(`/posts/${post.guid}`)).text).not.toContain('can see it now');
  expect((await late.get(`/posts/${post.guid}`)).status).toBe(404);
});

test('the author reads whom a post could reach when it was made, under the names that its aspects had; of an older post nothing is said', async () => {
  const rita = await site.member('rita');
  for (const name of ['bob', 'alice']) await addContact(site.ctx, rita.account, `${name}@social.localhost`);
  const friends = await createAspect(site.ctx, rita.account, 'Friends');
  await addContact(site.ctx, rita.account, 'bob@social.localhost', { aspectIds: [friends.id] });
  const post = (audience: Audience) => publishPost(site.ctx, rita.account, { text: 'Then and now', audience });
  const pageOf = async ({ guid }: { guid: string }, member = rita) => (await member.get(`/posts/${guid}`)).text;

  const lonely = await post({ to: 'public' });
  for (const name of ['bob', 'alice']) await addContact(site.ctx, (name === 'bob' ? bob : alice).account, 'rita@social.localhost');
  const [open, closed, few] = [await post({ to: 'public' }), await post({ to: 'contacts' }), await post({ to: 'aspects', aspectIds: [friends.id] })];
  const reshare = await resharePost(site.ctx, rita.account, (await publishPost(site.ctx, bob.account, { text: 'Look', audience: { to: 'public' } })).guid);
  await renameAspect(site.ctx, rita.account, friends.id, 'Neighbours');
  await removeContact(site.ctx, rita.account, alice.account.actorId);

  expect(await pageOf(lonely)).toContain('When you posted it, nobody followed you yet.');
  expect(await pageOf(open)).toContain('When you posted it, 2 people followed you.');
  expect(await pageOf(reshare)).toContain('When you shared it, 2 people followed you.');
  expect(await pageOf(closed)).toMatch(/When you posted it, 2 people could see it\.<.*this person can see it now/s);
  expect(await pageOf(few)).toMatch(/When you posted it, 1 person could see it\. It was for Friends\./);
  for (const one of [open, reshare, closed]) expect(await pageOf(one, bob)).not.toContain('When you');

  await site.ctx.store.transaction((tx) => tx.query('update posts set reach = null where guid = ?', [open.guid]));
  expect(await pageOf(open)).not.toContain('When you');
  await deletePost(site.ctx, rita.account, few.guid);
  expect(await site.ctx.store.query('select reach from posts where guid = ?', [few.guid])).toEqual([{ reach: null }]);
});

test('keys have a page, which says that they need a script', async () => {
  const { text } = await alice.get('/help/keys');
  expect(text).toContain('<kbd>j</kbd>');
  expect(text).toContain('<noscript>');
});
