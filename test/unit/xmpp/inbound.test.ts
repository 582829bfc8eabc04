// What other servers tell us, without a server: who is believed, what is stored, what is asked (threats.md 25–28, 30, 46, 56).
import type { Account } from '../../../src/domain/account.js';
import type { Actor } from '../../../src/domain/actor.js';
import { blockPerson } from '../../../src/services/relationships.js';
import { findActorByAddress } from '../../../src/store/actors.js';
import { feedsOf, saveFeed } from '../../../src/store/received.js';
import { findRelationship } from '../../../src/store/relationships.js';
import { type Element, parseStanza, serialize, xml } from '../../../src/xml.js';
import { makeRemote, relate } from '../../support/people.js';
import { decodeEvent } from '../../../src/xmpp/inbound/event.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const MB = 'urn:xmpp:microblog:0';
const BOB = 'bob@else.test';
const ATOM = 'http://www.w3.org/2005/Atom';

let stage: Stage;
let alice: Account & { jid: string };
let bob: Actor;

const post = (title: string, more = '') =>
  `<entry xmlns='${ATOM}'><title>${title}</title><published>2025-11-21T10:00:00Z</published><updated>2025-11-21T10:00:00Z</updated>${more}</entry>`;
const item = (id: string, payload: string, attrs = '') => `<item id='${id}' ${attrs}>${payload}</item>`;
const event = (inside: string, { from = BOB, to = alice.jid, node = MB, type = "type='headline'" } = {}) =>
  `<message from='${from}' to='${to}' ${type}><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${node}'>${inside}</items></event></message>`;
const error = (iq: Element, condition: string, type = 'cancel') =>
  xml('iq', { type: 'error', from: iq.attrs.to, to: iq.attrs.from }, xml('error', { type }, xml(condition, { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' })));
const result = (iq: Element, ...inside: Element[]) => xml('iq', { type: 'result', from: iq.attrs.to, to: iq.attrs.from }, xml('pubsub', { xmlns: 'http://jabber.org/protocol/pubsub' }, inside));

const titles = async (): Promise<string[]> => (await stage.ctx.store.query<{ title: string }>("select title from posts where title <> '' order by guid")).map((row) => row.title);
/** Everybody answers: the node is open, and there is nothing else. */
const open = (iq: Element) => (iq.attrs.from!.startsWith('no.one@') ? result(iq) : error(iq, 'item-not-found'));

beforeEach(async () => {
  stage = await openStage();
  stage.answer(open);
  alice = await stage.account('alice');
  bob = await makeRemote(stage.ctx.store, BOB);
  await relate(stage.ctx.store, alice.actorId, bob.id, { following: 'on', addedAt: 1 });
});
afterEach(() => stage.close());

test('a post of someone whom she follows is hers to read, and comes once however often it is sent', async () => {
  for (let n = 0; n < 2; n++) await stage.receive(event(item('a', post('hello'))));
  await stage.receive(event(item('a', post('hello')), { to: `${alice.jid}/pep`, type: '' }));
  expect(await titles()).toEqual(['hello']);
  expect(await stage.ctx.store.query('select author_id, audience from posts')).toEqual([{ author_id: bob.id, audience: 'public' }]);
});

test.each([
  ['from somebody whom she does not follow', () => event(item('a', post('x')), { from: 'mallory@evil.test' })],
  ['from a client of his', () => event(item('a', post('x')), { from: `${BOB}/phone` })],
  ['to somebody who does not follow him', () => event(item('a', post('x')), { to: 'carol@social.test' })],
  ['to nobody', () => event(item('a', post('x')), { to: 'nobody@social.test' })],
  ['to the domain', () => event(item('a', post('x')), { to: 'social.test' })],
  ['in a chat message', () => event(item('a', post('x')), { type: "type='chat'" })],
  ['of type error', () => event(item('a', post('x')), { type: "type='error'" })],
  ['forwarded', () => `<message from='${BOB}' to='${alice.jid}'><forwarded xmlns='urn:xmpp:forward:0'>${event(item('a', post('x')))}</forwarded></message>`],
  ['beside another event', () => event(item('a', post('x'))).replace('</message>', "<event xmlns='http://jabber.org/protocol/pubsub#event'><purge node='x'/></event></message>")],
  ['of another node', () => event(item('a', post('x')), { node: 'urn:example:other' })],
  ['without an id', () => event(`<item>${post('x')}</item>`)],
  ['with an endless id', () => event(item('x'.repeat(1024), post('x')))],
  ['with two payloads', () => event(item('a', post('x') + post('y')))],
  ['of the feed itself', () => event(item('0', post('x')))],
  ['with a payload of its own kind', () => event(item('a', "<metadata xmlns='urn:xmpp:avatar:metadata'/>"))],
  ['with an empty entry', () => event(item('a', `<entry xmlns='${ATOM}'/>`))],
  ['with a like', () => event(item('a', post('x', "<verb xmlns='http://activitystrea.ms/spec/1.0/'>http://activitystrea.ms/schema/1.0/favorite</verb>")))],
])('a post %s is dropped without a word', async (_, stanza) => {
  await stage.account('carol');
  expect((await stage.receive(stanza())).map(serialize)).toEqual([]);
  expect(await titles()).toEqual([]);
});

test('a verb that nobody knows is text', async () => {
  await stage.receive(event(item('a', post('walked', "<verb xmlns='http://activitystrea.ms/spec/1.0/'>http://example.org/walk</verb>"))));
  expect(await titles()).toEqual(['walked']);
});

test('the author is who sent it, whatever the entry and the item say', async () => {
  const author = "<author><name>Carol</name><uri>xmpp:carol@social.test</uri></author>";
  await stage.receive(event(item('a', post('mine', author), "publisher='carol@social.test/x'")));
  expect(await stage.ctx.store.query('select author_id from posts')).toEqual([{ author_id: bob.id }]);
});

describe('a repeated entry whose original is not here', () => {
  const via = "<link rel='via' href='xmpp:carol@third.test?;node=urn%3Axmpp%3Amicroblog%3A0;item=c1'/>";
  const by = (name: string, uri: string) => `<author><name>${name}</name><uri>${uri}</uri></author>`;
  const stored = async () => (await stage.ctx.store.query<{ author_id: number; markdown: string; html: string }>('select author_id, markdown, html from posts'))[0]!;

  test('says whose it is, in words that are no more than words', async () => {
    await stage.receive(event(item('a', post('hello', by('*Carol* &lt;b&gt;[x](https://evil.test)', 'xmpp:carol@third.test') + via))));
    const { author_id, html } = await stored();
    expect(author_id).toBe(bob.id);
    expect(html).toContain('<p>*Carol* &#x3C;b>[x](');
    expect(html).toContain('(carol@third.test):</p>');
    expect(html).toContain('<p>hello</p>');
    expect(html).not.toMatch(/<(em|b)>|>x<\/a>/);
  });

  test.each([
    ['when its text begins so already', post('Carol (carol@third.test): hello', by('Carol', 'xmpp:carol@third.test') + via), 'Carol (carol@third.test): hello'],
    ['when it names its publisher', post('hello', by('Bob', `xmpp:${BOB}`) + via), 'hello'],
    ['when it repeats nothing', post('hello', by('Carol', 'xmpp:carol@third.test')), 'hello'],
  ])('does not say so %s', async (_, payload, text) => {
    await stage.receive(event(item('a', payload)));
    expect((await stored()).markdown).toBe(text);
  });
});

test('an explicit subscription is enough, and is believed before its answer has come', async () => {
  const { store } = stage.ctx;
  await relate(store, alice.actorId, bob.id, { following: 'asked', addedAt: 1 });
  await stage.receive(event(item('a', post('too early'))));
  const feed = { actorId: alice.actorId, service: BOB, node: MB, personId: bob.id, subid: null, caughtUpAt: null };
  await store.transaction((tx) => saveFeed(tx, { ...feed, state: 'asked' }));
  await stage.receive(event(item('b', post('asked'))));
  await store.transaction((tx) => saveFeed(tx, { ...feed, state: 'refused' }));
  await stage.receive(event(item('c', post('refused'))));
  expect(await titles()).toEqual(['asked']);
});

test('who is blocked is not heard on any wire', async () => {
  await stage.ctx.store.transaction((tx) => saveFeed(tx, { actorId: alice.actorId, service: BOB, node: MB, personId: bob.id, state: 'subscribed', subid: null, caughtUpAt: null }));
  await blockPerson(stage.ctx, alice, bob.id);
  await stage.receive(event(item('a', post('x'))));
  expect(await titles()).toEqual([]);
});

test('posts of a node that strangers may not read are only for whom they came to; the node is asked once, as nobody', async () => {
  const asked: string[] = [];
  stage.answer((iq) => {
    asked.push(`${iq.attrs.from} ${iq.attrs.to}`);
    return error(iq, 'forbidden', 'auth');
  });
  for (const id of ['a', 'b', 'c']) await stage.receive(event(item(id, post(id))));
  expect(asked).toEqual([`no.one@social.test ${BOB}`]);
  expect(await stage.ctx.store.query('select distinct audience from posts')).toEqual([{ audience: 'people' }]);
  expect(await stage.ctx.store.query('select distinct actor_id from post_recipients')).toEqual([{ actor_id: alice.actorId }]);
});

describe('while a node cannot be asked who may read it', () => {
  const feed = () => ({ actorId: alice.actorId, service: BOB, node: MB, personId: bob.id, state: 'subscribed' as const, subid: null, caughtUpAt: 1 });
  beforeEach(() => stage.ctx.store.transaction((tx) => saveFeed(tx, feed())));

  test('a post is not stored for too few: it is fetched when the node answers again', async () => {
    stage.answer(() => null);
    stage.dispatcher.take(parseStanza(event(item('a', post('public after all')))));
    await stage.inbound.settled();
    expect(await titles()).toEqual([]);
    stage.answer((iq) => (iq.getChild('pubsub')?.getChild('items')?.attrs.node === MB ? result(iq, parseStanza(`<items node='${MB}'>${item('a', post('public after all'))}</items>`)) : error(iq, 'item-not-found')));
    while ((await titles()).length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await stage.ctx.store.query('select title, audience from posts')).toEqual([{ title: 'public after all', audience: 'public' }]);
  });

  test('it is asked again with the next post, not a minute later', async () => {
    stage.answer(() => null);
    stage.dispatcher.take(parseStanza(event(item('a', post('one')))));
    await stage.inbound.settled();
    stage.answer(open);
    stage.dispatcher.take(parseStanza(event(item('b', post('two')))));
    await stage.inbound.settled();
    expect(await stage.ctx.store.query('select title, audience from posts')).toEqual([{ title: 'two', audience: 'public' }]);
  });

  test('retractions behind a post that waits are heard', async () => {
    await stage.receive(event(item('a', post('old'))));
    stage.ctx.pass(2 * 3_600_000); // nobody knows any more whether it is open
    stage.answer(() => null);
    for (const inside of [item('b', post('new')), "<retract id='a'/>"]) stage.dispatcher.take(parseStanza(event(inside)));
    await stage.inbound.settled();
    expect(await titles()).toEqual([]);
    expect(await stage.ctx.store.query('select item_id from retracted_items')).toEqual([{ item_id: 'a' }]);
  });
});

describe('at the end', () => {
  const told = (id: string, isAnswer = true) => ({ local: 'alice', event: decodeEvent(parseStanza(event(item(id, post(id)))), BOB)!, at: stage.ctx.now(), isAnswer });

  test('what has been taken is stored, and what comes afterwards is left for the next start', async () => {
    await stage.receive(event(item('a', post('a')))); // that the node is open is known now
    const taken = stage.inbound.intake.push(told('b'));
    await stage.inbound.stop();
    const after = await stage.inbound.intake.push(told('c'));
    expect([await taken, after]).toEqual([true, false]);
    expect(await titles()).toEqual(['a', 'b']);
  });

  test('what waits for an answer is given up, and nothing is written when the answer comes', async () => {
    let answer: (isOpen: boolean) => void = () => {};
    stage.inbound.asking.isOpen = () => new Promise((resolve) => (answer = resolve));
    const waits = [stage.inbound.intake.push(told('a')), stage.inbound.intake.push(told('b', false))];
    while (stage.inbound.intake.counts.taken < 2) await new Promise((resolve) => setImmediate(resolve));
    await stage.inbound.stop();
    expect(await Promise.all(waits)).toEqual([false, false]);
    answer(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await titles()).toEqual([]);
  });

  test('a round through what is followed ends before the database is closed', async () => {
    const { store } = stage.ctx;
    await store.transaction((tx) => saveFeed(tx, { actorId: alice.actorId, service: BOB, node: MB, personId: bob.id, state: 'subscribed', subid: null, caughtUpAt: 1 }));
    let asked: () => void;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    stage.answer((iq) => {
      asked();
      return open(iq);
    });
    stage.inbound.online();
    await isAsked;
    await stage.inbound.stop();
    const isClosed = () => Promise.reject(new TypeError('The database connection is not open'));
    Object.assign(store, { transaction: isClosed, query: isClosed });
    await new Promise((resolve) => setImmediate(resolve));
    expect(stage.ctx.logged()).not.toContain('not open');
  });
});

test('an entry that says for whom it is needs no question', async () => {
  const asked: string[] = [];
  stage.answer((iq) => {
    asked.push(serialize(iq));
    return null;
  });
  const acl = (subject: string) =>
    `<acl-rule xmlns='http://onesocialweb.org/spec/1.0/'><acl-action permission='http://onesocialweb.org/spec/1.0/acl/permission/grant'>http://onesocialweb.org/spec/1.0/acl/action/view</acl-action><acl-subject type='http://onesocialweb.org/spec/1.0/acl/subject/${subject}'>x</acl-subject></acl-rule>`;
  await stage.receive(event(item('a', post('all', acl('everyone')))));
  await stage.receive(event(item('b', post('some', acl('group')))));
  expect(asked).toEqual([]);
  expect(await stage.ctx.store.query('select title, audience from posts order by title')).toEqual([{ title: 'all', audience: 'public' }, { title: 'some', audience: 'people' }]);
});

test('posts of one node keep their order while it is asked who may read it', async () => {
  let answer: (() => void) | undefined;
  const { asking } = stage.inbound;
  const isOpen = asking.isOpen.bind(asking);
  asking.isOpen = async (address) => {
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return isOpen(address);
  };
  for (const text of ['one', 'two', 'three']) stage.dispatcher.take(parseStanza(event(item('a', post(text)))));
  while (!answer) await new Promise((resolve) => setImmediate(resolve));
  stage.dispatcher.take(parseStanza(event("<retract id='b'/>")));
  answer();
  await stage.inbound.intake.settled();
  expect(await titles()).toEqual(['three']);
});

test('retractions and emptied nodes take posts away, those of that sender and node alone', async () => {
  const mallory = await makeRemote(stage.ctx.store, 'mallory@evil.test');
  await relate(stage.ctx.store, alice.actorId, mallory.id, { following: 'on', addedAt: 1 });
  for (const id of ['a', 'b', 'c']) await stage.receive(event(item(id, post(id))));
  await stage.receive(event("<retract id='a'/>", { from: 'mallory@evil.test' }));
  await stage.receive(event("<retract id='a'/>", { node: 'urn:example:other' }));
  expect(await titles()).toEqual(['a', 'b', 'c']);
  await stage.receive(event("<retract id='a'/>"));
  expect(await titles()).toEqual(['b', 'c']);
  await stage.receive(`<message from='${BOB}' to='${alice.jid}' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><delete node='${MB}'/></event></message>`);
  expect(await titles()).toEqual([]);
});

test('what could not be stored costs nothing else', async () => {
  const { store } = stage.ctx;
  const { transaction } = store;
  store.transaction = async (work, options) =>
    transaction.call(store, async (tx) => {
      const query = tx.query.bind(tx);
      Object.assign(tx, { query: (sql: string, params: unknown[] = []) => (params.includes('poison') ? Promise.reject(new TypeError('boom')) : query(sql, params)) });
      return work(tx);
    }, options) as never;
  for (const id of ['a', 'poison', 'b']) stage.dispatcher.take(parseStanza(event(item(id, post(id)))));
  await stage.inbound.intake.settled();
  expect(await titles()).toEqual(['a', 'b']);
  expect(stage.inbound.intake.counts).toMatchObject({ failed: 1 });
  expect(stage.ctx.logged()).toContain('an event could not be stored');
});

test('names are heard: the chosen one before the one on the card, whichever comes first; foreign marks are cleaned', async () => {
  const nameOfBob = async () => (await findActorByAddress(stage.ctx.store, 'xmpp', BOB))!.profile;
  const nick = (name: string) => event(item('current', `<nick xmlns='http://jabber.org/protocol/nick'>${name}</nick>`), { node: 'http://jabber.org/protocol/nick' });
  const card = (name: string) => event(item('current', `<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>${name}</text></fn><note><text>About</text></note></vcard>`), { node: 'urn:xmpp:vcard4' });
  await stage.receive(card('Robert'));
  expect(await nameOfBob()).toMatchObject({ displayName: 'Robert', summary: 'About' });
  await stage.receive(nick(`Bob\u202e  the&#10;builder${'x'.repeat(200)}`));
  expect((await nameOfBob()).displayName).toBe(`Bob the builder${'x'.repeat(85)}`);
  await stage.receive(card('Robert B.'));
  expect((await nameOfBob()).displayName).toMatch(/^Bob the builder/);
  await stage.receive(nick('').replace(BOB, 'mallory@evil.test'));
  expect((await nameOfBob()).displayName).toMatch(/^Bob the builder/);
});

test('other nodes go to who reads them, and only from those who are followed', async () => {
  const heard: string[] = [];
  stage.inbound.read({
    reads: ({ node }) => node.startsWith(`${MB}:comments/`),
    receive: async (_tx, told, actor) => void heard.push(`${actor.username} ${told.service} ${told.items.map(({ id, publisher }) => `${id} ${publisher}`)}`),
  });
  const node = `${MB}:comments/x`;
  await stage.receive(event(item('c', post('nice'), "publisher='carol@else.test/phone'"), { node }));
  await stage.receive(event(item('c', post('nice')), { node, from: 'pubsub.else.test' }));
  await stage.ctx.store.transaction((tx) => saveFeed(tx, { actorId: alice.actorId, service: 'pubsub.else.test', node, personId: bob.id, state: 'subscribed', subid: null, caughtUpAt: null }));
  await stage.receive(event(item('d', post('nice')), { node, from: 'pubsub.else.test' }));
  expect(heard).toEqual([`alice ${BOB} c carol@else.test`, 'alice pubsub.else.test d null']);
});

test('a service tells that she is let in, or out again', async () => {
  const { store } = stage.ctx;
  await relate(store, alice.actorId, bob.id, { following: 'asked', addedAt: 1 });
  await store.transaction((tx) => saveFeed(tx, { actorId: alice.actorId, service: BOB, node: MB, personId: bob.id, state: 'asked', subid: null, caughtUpAt: 1 }));
  const told = (state: string, jid = alice.jid, from = BOB) =>
    stage.receive(
      `<message from='${from}' to='${alice.jid}' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><subscription node='${MB}' jid='${jid}' subscription='${state}'/></event></message>`,
    );
  const stands = async () => [(await findRelationship(store, alice.actorId, bob.id)).following, ...(await feedsOf(store, alice.actorId, bob.id)).map(({ state }) => state)];
  await told('subscribed', 'carol@social.test');
  await told('subscribed', alice.jid, 'mallory@evil.test');
  expect(await stands()).toEqual(['asked', 'asked']);
  await told('subscribed');
  expect(await stands()).toEqual(['on', 'subscribed']);
  await told('none');
  expect(await stands()).toEqual(['none']);
});
