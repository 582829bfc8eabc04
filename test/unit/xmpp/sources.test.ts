// An own feed elsewhere that becomes posts here, without a server: what is mirrored, and what never is.
import type { Account } from '../../../src/domain/account.js';
import { deletePost } from '../../../src/services/publish.js';
import { setSource, sourceStatesOf } from '../../../src/services/sources.js';
import { findFeed, saveFeed } from '../../../src/store/received.js';
import type { Store } from '../../../src/store/database.js';
import { type Element, parseStanza, xml } from '../../../src/xml.js';
import { makeRemote, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const MB = 'urn:xmpp:microblog:0';
const PUBSUB = 'http://jabber.org/protocol/pubsub';
const ME = 'alice@chat.test';

let stage: Stage;
let alice: Account & { jid: string };

/** Her feed as her server has it: what is in it, and whom it lets in; silent: nobody answers. */
const feed = { items: new Map<string, string>(), access: 'open' as 'open' | 'closed' | 'silent', refusal: '' };

const result = (iq: Element, ...inside: Element[]) => xml('iq', { type: 'result', from: iq.attrs.to, to: iq.attrs.from }, xml('pubsub', { xmlns: PUBSUB }, inside));
const refuse = (iq: Element, condition: string) =>
  xml('iq', { type: 'error', from: iq.attrs.to, to: iq.attrs.from }, xml('error', { type: 'cancel' }, xml(condition, { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' })));
const itemOf = ([id, payload]: [string, string]) => xml('item', { id }, parseStanza(payload));

function answer(iq: Element): Element | null {
  const pubsub = iq.getChild('pubsub', PUBSUB);
  if (iq.attrs.to !== ME || !pubsub) return refuse(iq, 'service-unavailable');
  if (pubsub.getChild('subscribe')) return result(iq, xml('subscription', { node: MB, jid: iq.attrs.from, subscription: 'subscribed' }));
  const asked = pubsub.getChild('items');
  if (asked?.attrs.node !== MB) return refuse(iq, 'item-not-found');
  if (iq.attrs.from!.startsWith('no.one@')) return feed.access === 'silent' ? null : feed.access === 'open' ? result(iq) : refuse(iq, 'not-authorized');
  if (feed.refusal !== '') return refuse(iq, feed.refusal);
  const wanted = asked.getChildren('item').map(({ attrs }) => attrs.id);
  const found = [...feed.items].filter(([id]) => wanted.length === 0 || wanted.includes(id)).slice(-Number(asked.attrs.max_items ?? 1000));
  return result(iq, xml('items', { node: MB }, found.map(itemOf)));
}

const entry = (title: string, more = '') => {
  const now = new Date(stage.ctx.now()).toISOString();
  return `<entry xmlns='http://www.w3.org/2005/Atom'><title>${title}</title><published>${now}</published><updated>${now}</updated>${more}</entry>`;
};
const event = (inside: string, to = alice.jid) => `<message from='${ME}' to='${to}' type='headline'><event xmlns='${PUBSUB}#event'>${inside}</event></message>`;
const about = (inside: string, to?: string) => event(`<items node='${MB}'>${inside}</items>`, to);

/** She publishes, or edits, at her own address; her server tells us. */
async function publish(id: string, title: string, more = ''): Promise<void> {
  stage.ctx.pass(1_000);
  feed.items.delete(id);
  feed.items.set(id, entry(title, more));
  await stage.receive(about(`<item id='${id}'>${feed.items.get(id)}</item>`));
}
/** The same, and nobody tells us. */
function publishUnheard(id: string, title: string): void {
  stage.ctx.pass(1_000);
  feed.items.delete(id);
  feed.items.set(id, entry(title));
}
/** We were away, and are back. */
async function reconnect(): Promise<void> {
  stage.ctx.pass(60_000);
  stage.inbound.online();
  while ((await stage.ctx.store.query("select 1 from jobs where kind = 'follow-source'")).length === 0) await new Promise((resolve) => setImmediate(resolve));
  await stage.runJobs();
  stage.inbound.offline();
}
async function retract(id: string): Promise<void> {
  feed.items.delete(id);
  await stage.receive(about(`<retract id='${id}'/>`));
}
/** Her posts here. */
const mirrored = async () =>
  (await stage.ctx.store.query<{ markdown: string; audience: string }>('select markdown, audience from posts where author_id = ? and deleted_at is null order by guid', [alice.actorId])).map(({ markdown, audience }) => `${audience}: ${markdown}`);
const mirror = (itemId: string) => stage.handlers['mirror-item']({ kind: 'mirror-item', payload: { actorId: alice.actorId, jid: ME, itemId } } as never);

async function open(store?: Store): Promise<void> {
  stage = await openStage({}, store);
  Object.assign(feed, { items: new Map(), access: 'open', refusal: '' });
  stage.answer(answer);
  alice = await stage.account('alice');
  await setSource(stage.ctx, alice, ME, true);
  await stage.runJobs();
}
beforeEach(() => open());
afterEach(() => stage.close());

test('what she publishes, edits and retracts there is published, edited and deleted here', async () => {
  await publish('a', 'one');
  await publish('b', 'two');
  expect(await mirrored()).toEqual(['public: one', 'public: two']);
  await publish('a', 'better');
  await retract('b');
  expect(await mirrored()).toEqual(['public: better']);
});

test('while nobody says who may read the feed, an edit waits: the post is neither changed nor deleted', async () => {
  await publish('a', 'one');
  stage.ctx.pass(2 * 3_600_000);
  feed.access = 'silent';
  await publish('a', 'better');
  expect(await mirrored()).toEqual(['public: one']);
  await expect(mirror('a')).rejects.toMatchObject({ name: 'DeliveryError', permanent: false });
  feed.access = 'open';
  await mirror('a');
  expect(await mirrored()).toEqual(['public: better']);
});

test('a service that does not work just now deletes nothing; one that has no such item does', async () => {
  await publish('a', 'one');
  feed.refusal = 'service-unavailable';
  await expect(mirror('a')).rejects.toMatchObject({ name: 'DeliveryError', permanent: false });
  expect(await mirrored()).toEqual(['public: one']);
  feed.refusal = 'item-not-found';
  await mirror('a');
  expect(await mirrored()).toEqual([]);
});

test('nothing of a closed feed becomes a post', async () => {
  feed.access = 'closed';
  await publish('a', 'for my contacts');
  expect(await mirrored()).toEqual([]);
});

test('a feed that was closed without a word makes nothing public any more', async () => {
  await publish('a', 'one');
  feed.access = 'closed';
  await publish('b', 'for my contacts');
  expect(await mirrored()).toEqual(['public: one']);
});

test('that the settings of a feed have changed is heard of a source, too', async () => {
  const node = { service: ME, node: MB };
  await stage.inbound.access.ask(node);
  feed.access = 'closed';
  expect(await stage.inbound.access.ask(node)).toBe(true);
  await stage.receive(event(`<configuration node='${MB}'/>`));
  expect(await stage.inbound.access.ask(node)).toBe(false);
});

describe('its owner is told how it stands:', () => {
  const state = async () => (await sourceStatesOf(stage.ctx, alice)).get(ME);

  test('that it is open, or closed, as soon as its server says so', async () => {
    expect(await state()).toBe('on');
    feed.access = 'closed';
    await stage.receive(event(`<configuration node='${MB}'/>`));
    expect(await state()).toBe('closed');
    feed.access = 'open';
    await setSource(stage.ctx, alice, ME, true);
    expect(await state()).toBe('asking');
    await stage.runJobs();
    expect(await state()).toBe('on');
  });

  test('that there is none yet; and what she then publishes is heard, though the subscription was refused', async () => {
    await setSource(stage.ctx, alice, ME, false);
    await stage.runJobs();
    stage.answer((iq) => refuse(iq, 'item-not-found'));
    await setSource(stage.ctx, alice, ME, true);
    await stage.runJobs();
    expect(await state()).toBe('missing');
    stage.answer(answer);
    await publish('a', 'the first');
    expect(await mirrored()).toEqual(['public: the first']);
    expect(await state()).toBe('late');
    await setSource(stage.ctx, alice, ME, true);
    await stage.runJobs();
    expect(await state()).toBe('on');
  });
});

test('another member who follows that address hears of it as of anybody', async () => {
  const carol = await stage.account('carol');
  const remote = await makeRemote(stage.ctx.store, ME);
  await relate(stage.ctx.store, carol.actorId, remote.id, { following: 'on', addedAt: 1 });
  await publish('a', 'one');
  await stage.receive(about(`<item id='a'>${feed.items.get('a')}</item>`, carol.jid));
  expect(await mirrored()).toEqual(['public: one']);
  expect(await stage.ctx.store.query('select markdown, audience from posts where author_id = ?', [remote.id])).toEqual([{ markdown: 'one', audience: 'public' }]);
});

test.each([
  ['what came from here', () => `<link rel='alternate' href='https://social.test/posts/0123'/>`],
  ['what she shared', () => `<link rel='via' href='xmpp:bob@else.test?;node=${MB};item=x'/>`],
  ['an answer to something', () => `<in-reply-to xmlns='http://purl.org/syndication/thread/1.0' ref='xmpp:bob@else.test?;node=${MB};item=x'/>`],
  ['what is for her contacts by its own word', () => `<acl-rule xmlns='http://onesocialweb.org/spec/1.0/'><acl-action permission='http://onesocialweb.org/spec/1.0/acl/permission/grant'>http://onesocialweb.org/spec/1.0/acl/action/view</acl-action><acl-subject type='http://onesocialweb.org/spec/1.0/acl/subject/group'>contacts</acl-subject></acl-rule>`],
])('%s does not become a post', async (_, more) => {
  await publish('a', 'not again', more());
  await publish('b', 'a new one');
  expect(await mirrored()).toEqual(['public: a new one']);
});

describe('what happened while we were away is found', () => {
  test('each new post once and in its order, edits too, however often we come back', async () => {
    await publish('a', 'one');
    const titles = Array.from({ length: 30 }, (_, n) => `missed ${n}`);
    for (const title of titles) publishUnheard(title, title);
    publishUnheard('a', 'better');
    await reconnect();
    const all = ['public: better', ...titles.map((title) => `public: ${title}`)];
    expect(await mirrored()).toEqual(all);
    await reconnect();
    await publish('missed 3', 'missed 3');
    expect(await mirrored()).toEqual(all);
  });

  describeStores((makeStore) => {
    test('a retraction, of the newest one too', async () => {
      await stage.close();
      await open(await makeStore());
      for (const id of ['a', 'b', 'c', 'd']) await publish(id, id);
      feed.items.delete('b');
      feed.items.delete('d');
      await reconnect();
      expect(await mirrored()).toEqual(['public: a', 'public: c']);
    });
  });

  test('what newer ones have pushed out of a feed that keeps few stays', async () => {
    for (const id of ['a', 'b', 'c']) await publish(id, id);
    for (const id of ['a', 'b']) feed.items.delete(id);
    await reconnect();
    feed.items.clear();
    publishUnheard('a', 'an edit that pushes out all others');
    await reconnect();
    await reconnect();
    feed.items.clear();
    await reconnect();
    expect(await mirrored()).toEqual(['public: an edit that pushes out all others', 'public: b', 'public: c']);
  });

  test('and nothing that was there before, or was deleted here', async () => {
    await setSource(stage.ctx, alice, ME, false);
    publishUnheard('old', 'from before');
    stage.ctx.pass(1_000);
    await setSource(stage.ctx, alice, ME, true);
    await stage.runJobs();
    await publish('a', 'one');
    const [post] = await stage.ctx.store.query<{ guid: string }>('select guid from posts');
    await deletePost(stage.ctx, alice, post!.guid);
    await reconnect();
    expect(await mirrored()).toEqual([]);
  });

  test('of a source that somebody else here follows, too', async () => {
    const carol = await stage.account('carol');
    const remote = await makeRemote(stage.ctx.store, ME);
    await relate(stage.ctx.store, carol.actorId, remote.id, { following: 'on', addedAt: 1 });
    await stage.ctx.store.transaction((tx) => saveFeed(tx, { actorId: carol.actorId, service: ME, node: MB, personId: remote.id, state: 'subscribed', subid: null, caughtUpAt: 1 }));
    publishUnheard('a', 'one');
    await reconnect();
    while ((await stage.ctx.store.query('select 1 from posts')).length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(await stage.ctx.store.query('select markdown from posts order by author_id')).toEqual([{ markdown: 'one' }, { markdown: 'one' }]);
    expect(await mirrored()).toEqual(['public: one']);
  });
});

test('the subscription stands as long as the source does', async () => {
  expect(await findFeed(stage.ctx.store, alice.actorId, { service: ME, node: MB })).toMatchObject({ state: 'subscribed', personId: alice.actorId });
  await setSource(stage.ctx, alice, ME, false);
  await stage.runJobs();
  expect(await findFeed(stage.ctx.store, alice.actorId, { service: ME, node: MB })).toBeNull();
});
