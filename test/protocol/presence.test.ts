// Following by presence, on real servers: RFC 6121 §3 as a component that is its own server lives it.
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { Account } from '../../src/domain/account.js';
import { removePicture, setPicture } from '../../src/services/media.js';
import { acceptRequest, addContact, blockPerson, pageOfPeople, refuseRequest, removeContact, setAskFirst } from '../../src/services/relationships.js';
import { noRelationship } from '../../src/domain/relationship.js';
import { changeProfile } from '../../src/services/profiles.js';
import { findActor, findActorByAddress } from '../../src/store/actors.js';
import { saveRelationship } from '../../src/store/relationships.js';
import { findSubscriptions } from '../../src/store/xmpp.js';
import { FOLLOWER, followByPresence, heard, isEvent, MICROBLOG, pubsub, subscribeTo, told } from '../support/follow.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { SERVERS, server, type TestServer } from '../support/servers/index.js';
import { connect, type ConnectOptions, type TestClient } from '../support/xmpp-client.js';

const CAPS = 'http://jabber.org/protocol/caps';
const NICK = 'http://jabber.org/protocol/nick';
const EVENT = 'http://jabber.org/protocol/pubsub#event';

/** As one whose client asks for no node. */
async function followInSilence(client: TestClient, to: string): Promise<void> {
  await client.send(`<presence type='subscribe' to='${to}'/>`);
  await client.receives(`<presence type='subscribed' from='${to}'/>`);
  await client.receives(`<presence type='subscribe' from='${to}'/>`);
  await client.send(`<presence type='subscribed' to='${to}'/>`);
}

describe.each(SERVERS)('on %s', (name) => {
  let here: TestServer;
  let app: Installation;
  let alice: Account & { jid: string };
  const open: TestClient[] = [];
  const login = async (options: ConnectOptions): Promise<TestClient> => {
    const client = await connect(options);
    open.push(client);
    return client;
  };
  const newReader = async (features: string[] = FOLLOWER) => login({ ...(await here.newAccount('romeo')), features });
  /** After this, whatever was caused before has arrived. */
  const quiet = async (client: TestClient) => {
    await app.idle();
    await client.barrier(alice.jid);
  };

  beforeAll(async () => {
    here = await server(name);
    app = await startInstallation({ server: here });
  });
  afterAll(() => app.stop());
  let count = 0;
  beforeEach(async () => {
    alice = await app.account(`alice${++count}`);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((client) => client.disconnect()));
  });

  test('a follower whose caps ask for the node gets posts, edits and retractions; one whose caps do not gets none', async () => {
    const [romeo, plain] = [await newReader(), await newReader([])];
    await followByPresence(romeo, alice.jid);
    await followInSilence(plain, alice.jid);
    await romeo.receives(`<presence from='${alice.jid}/social'><c xmlns='${CAPS}' hash='sha-1'/></presence>`);
    await quiet(romeo);
    const post = await app.posts(alice, 'first');
    await app.edits(alice, post.guid, 'better');
    await app.deletes(alice, post.guid);
    const lines: string[] = [];
    while (lines.at(-1) !== `-${post.guid}`) lines.push(...told(await romeo.receives(isEvent(alice.jid), 'the next event')));
    // Each delivery tells how things stand when it runs; what is gone by then is only retracted.
    expect(lines.every((line) => line.includes(post.guid))).toBe(true);
    await quiet(plain);
    expect(heard(plain, alice.jid)).toEqual([]);
    expect((await pageOfPeople(app.ctx, alice, 'followers')).people.map(({ address }) => address).sort()).toEqual([romeo.bareJid, plain.bareJid].sort());
  });

  test('both nodes go to who asks for both, and nothing twice to who has subscribed as well', async () => {
    const romeo = await newReader();
    await followByPresence(romeo, alice.jid);
    await subscribeTo(romeo, alice.jid);
    await quiet(romeo);
    const post = await app.posts(alice, 'once');
    const event = await romeo.receives(isEvent(alice.jid), 'the post');
    expect(event.attrs.to).toBe(romeo.bareJid);
    await quiet(romeo);
    expect(heard(romeo, alice.jid)).toEqual([]);
    expect(told(event)).toEqual([`+${post.guid} once`]);
  });

  test('who does not let us see him follows all the same, and is not asked again', async () => {
    const romeo = await newReader();
    await romeo.send(`<presence type='subscribe' to='${alice.jid}'/>`);
    await romeo.receives(`<presence type='subscribe' from='${alice.jid}'/>`);
    await romeo.send(`<presence type='unsubscribed' to='${alice.jid}'/>`);
    await quiet(romeo);
    await romeo.send(`<presence type='subscribe' to='${alice.jid}'/>`);
    await quiet(romeo);
    expect(romeo.unread.filter((stanza) => stanza.attrs.type === 'subscribe').map(String)).toEqual([]);
    expect((await pageOfPeople(app.ctx, alice, 'followers')).people.map(({ address }) => address)).toEqual([romeo.bareJid]);
  });

  test('who stops following hears no more, and we stop watching him', async () => {
    const romeo = await newReader();
    await followByPresence(romeo, alice.jid);
    await quiet(romeo);
    await romeo.send(`<presence type='unsubscribe' to='${alice.jid}'/>`);
    await romeo.receives(`<presence type='unsubscribe' from='${alice.jid}'/>`);
    await quiet(romeo);
    await app.posts(alice, 'without romeo');
    await quiet(romeo);
    expect(heard(romeo, alice.jid)).toEqual([]);
    expect((await pageOfPeople(app.ctx, alice, 'followers')).people).toEqual([]);
  });

  test('where she is asked first, following waits for her word', async () => {
    await setAskFirst(app.ctx, alice, true);
    const [romeo, paris] = [await newReader(), await newReader()];
    for (const one of [romeo, paris]) {
      await one.send(`<presence type='subscribe' to='${alice.jid}'/>`);
      await quiet(one);
      expect(one.hasReceived(`<presence type='subscribed' from='${alice.jid}'/>`)).toBe(false);
    }
    const requests = (await pageOfPeople(app.ctx, alice, 'requests')).people;
    const idOf = (client: TestClient) => requests.find(({ address }) => address === client.bareJid)!.id;
    await acceptRequest(app.ctx, alice, idOf(romeo), { followBack: false });
    await romeo.receives(`<presence type='subscribed' from='${alice.jid}'/>`);
    await refuseRequest(app.ctx, alice, idOf(paris));
    await paris.receives(`<presence type='unsubscribed' from='${alice.jid}'/>`);
    await paris.send(`<presence type='subscribe' to='${alice.jid}'/>`);
    await paris.receives(`<presence type='unsubscribed' from='${alice.jid}'/>`);
    expect((await pageOfPeople(app.ctx, alice, 'requests')).people).toEqual([]);
  });

  test('an explicit subscription waits just so, and its subscriber is told when it stands', async () => {
    await setAskFirst(app.ctx, alice, true);
    const romeo = await newReader([]);
    const pending = await subscribeTo(romeo, alice.jid);
    expect(pending.getChild('pubsub')!.getChild('subscription')!.attrs.subscription).toBe('pending');
    await app.posts(alice, 'too early for romeo');
    const [request] = (await pageOfPeople(app.ctx, alice, 'requests')).people;
    await quiet(romeo);
    expect(heard(romeo, alice.jid)).toEqual([]);
    await acceptRequest(app.ctx, alice, request!.id, { followBack: false });
    await romeo.receives(`<message from='${alice.jid}' to='${romeo.bareJid}'><event xmlns='${EVENT}'><subscription node='${MICROBLOG}' jid='${romeo.bareJid}' subscription='subscribed'/></event></message>`);
    const post = await app.posts(alice, 'now');
    expect(told(await romeo.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${post.guid} now`]);
  });

  test('someone whom she adds on the web is asked, then sees her with caps that want his posts', async () => {
    const romeo = await newReader();
    const { id } = await addContact(app.ctx, alice, romeo.bareJid);
    await romeo.receives(`<presence type='subscribe' from='${alice.jid}'/>`);
    await romeo.send(`<presence type='subscribed' to='${alice.jid}'/>`);
    const presence = await romeo.receives(`<presence from='${alice.jid}/pep'><c xmlns='${CAPS}' hash='sha-1'/></presence>`);
    const { node, ver } = presence.getChild('c')!.attrs;
    const info = await romeo.request(`<iq type='get' to='${alice.jid}/pep'><query xmlns='http://jabber.org/protocol/disco#info' node='${node}#${ver}'/></iq>`);
    expect(info.getChild('query')!.getChildren('feature').map(({ attrs }) => attrs.var)).toContain(`${MICROBLOG}+notify`);
    await app.idle();
    expect((await pageOfPeople(app.ctx, alice, 'contacts')).people).toMatchObject([{ relationship: { following: 'on' } }]);
    await removeContact(app.ctx, alice, id);
    await romeo.receives(`<presence type='unsubscribe' from='${alice.jid}'/>`);
  });

  test('who was away gets what he missed when he comes back, oldest first, and says since when', async () => {
    const account = await here.newAccount('romeo');
    const before = await login({ ...account, features: FOLLOWER });
    await followByPresence(before, alice.jid);
    await quiet(before);
    await before.send(`<presence type='unavailable'/>`);
    await before.barrier(alice.jid); // by now she knows that he is gone
    await before.disconnect();
    const missed = [await app.posts(alice, 'one'), await app.posts(alice, 'two')];
    await app.idle();
    const romeo = await login({ ...account, features: FOLLOWER });
    const events = [await romeo.receives(isEvent(alice.jid), 'the first'), await romeo.receives(isEvent(alice.jid), 'the second')];
    expect(events.flatMap(told)).toEqual([`+${missed[0]!.guid} one`, `+${missed[1]!.guid} two`]);
    expect(events.map((event) => event.getChild('delay', 'urn:xmpp:delay')?.attrs.stamp)).toEqual(missed.map((post) => new Date(post.createdAt).toISOString()));
    const live = await app.posts(alice, 'three');
    expect(told(await romeo.receives(isEvent(alice.jid), 'the live one'))).toEqual([`+${live.guid} three`]);
    await quiet(romeo);
    expect(heard(romeo, alice.jid)).toEqual([]);
  });

  test('a post for contacts comes only to whom she has added', async () => {
    const [romeo, paris] = [await newReader(), await newReader()];
    for (const one of [romeo, paris]) await followByPresence(one, alice.jid);
    await addContact(app.ctx, alice, romeo.bareJid);
    await quiet(romeo);
    const post = await app.posts(alice, 'for contacts', { to: 'contacts' });
    expect(told(await romeo.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${post.guid} for contacts`]);
    await quiet(paris);
    expect(heard(paris, alice.jid)).toEqual([]);
  });

  test('who is blocked is cut off on every wire', async () => {
    const romeo = await newReader();
    await followByPresence(romeo, alice.jid);
    await subscribeTo(romeo, alice.jid);
    await quiet(romeo);
    const [follower] = (await pageOfPeople(app.ctx, alice, 'followers')).people;
    await blockPerson(app.ctx, alice, follower!.id);
    await romeo.receives(`<presence type='unsubscribed' from='${alice.jid}'/>`);
    await romeo.receives(`<message from='${alice.jid}'><event xmlns='${EVENT}'><subscription subscription='none'/></event></message>`);
    await app.posts(alice, 'not for romeo');
    await quiet(romeo);
    expect(heard(romeo, alice.jid)).toEqual([]);
    await expect(romeo.request(pubsub('get', alice.jid, `<items node='${MICROBLOG}'/>`))).rejects.toMatchObject({ condition: 'service-unavailable' });
  });

  test('who is blocked hears no more of her name either, and has no subscription left to any node', async () => {
    const [romeo, paris] = [await newReader([]), await newReader([])];
    const post = await app.posts(alice, 'with a place for comments');
    const nodes = [NICK, 'urn:xmpp:vcard4', 'urn:xmpp:avatar:metadata', `urn:xmpp:microblog:0:comments/${post.guid}`];
    for (const node of nodes) await subscribeTo(romeo, alice.jid, node);
    await subscribeTo(paris, alice.jid, NICK);
    const { id } = (await findActorByAddress(app.ctx.store, 'xmpp', romeo.bareJid))!;
    await blockPerson(app.ctx, alice, id);
    const ended = [];
    for (const _ of nodes) ended.push(await romeo.receives(`<message from='${alice.jid}'><event xmlns='${EVENT}'><subscription subscription='none'/></event></message>`));
    expect(ended.map((message) => message.getChild('event')!.getChild('subscription')!.attrs.node).sort()).toEqual([...nodes].sort());
    await changeProfile(app.ctx, alice, { displayName: 'Alice of the garden' });
    await paris.receives(isEvent(alice.jid, NICK), 'her new name');
    await quiet(romeo);
    expect(heard(romeo, alice.jid, NICK)).toEqual([]);
    expect(await findSubscriptions(app.ctx.store, { actorId: alice.actorId, personId: id })).toEqual([]);
  });

  test('a subscription that outlived a block is told nothing of her name', async () => {
    const [romeo, paris] = [await newReader([]), await newReader([])];
    for (const client of [romeo, paris]) await subscribeTo(client, alice.jid, NICK);
    const { id } = (await findActorByAddress(app.ctx.store, 'xmpp', romeo.bareJid))!;
    await app.ctx.store.transaction((tx) => saveRelationship(tx, { ...noRelationship(alice.actorId, id), blockedAt: app.ctx.now() }));
    await changeProfile(app.ctx, alice, { displayName: 'Alice of the garden' });
    await paris.receives(isEvent(alice.jid, NICK), 'her new name');
    await quiet(romeo);
    expect(heard(romeo, alice.jid, NICK)).toEqual([]);
  });

  test('her own chat client hears of her own posts, and is no follower', async () => {
    const account = await here.newAccount('carol');
    const carol = await app.account(account.username);
    const own = await login({ ...account, features: FOLLOWER });
    await followByPresence(own, carol.jid);
    await app.idle();
    await own.barrier(carol.jid);
    const post = await app.posts(carol, 'from the web', { to: 'contacts' });
    expect(told(await own.receives(isEvent(carol.jid), 'her own post'))).toEqual([`+${post.guid} from the web`]);
    expect((await pageOfPeople(app.ctx, carol, 'followers')).people).toEqual([]);
  });

  test('two people of one installation follow each other by their chat addresses', async () => {
    const account = await here.newAccount('dave');
    const dave = await app.account(account.username);
    const client = await login({ ...account, features: FOLLOWER });
    await followByPresence(client, alice.jid);
    await app.idle();
    expect((await pageOfPeople(app.ctx, alice, 'followers')).people).toMatchObject([{ id: dave.actorId }]);
    await client.barrier(alice.jid);
    const post = await app.posts(alice, 'for dave');
    expect(told(await client.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${post.guid} for dave`]);
  });

  test('a probe is answered to a follower, and to nobody else', async () => {
    const [romeo, stranger] = [await newReader(), await newReader()];
    await followByPresence(romeo, alice.jid);
    await quiet(romeo);
    romeo.forget();
    await romeo.send(`<presence type='probe' to='${alice.jid}'/>`);
    await romeo.receives(`<presence from='${alice.jid}/social'/>`);
    await stranger.send(`<presence type='subscribe' to='nobody@${app.domain}'/>`);
    await stranger.receives(`<presence type='unsubscribed' from='nobody@${app.domain}'/>`);
  });

  test('presence bears the hash of the picture that the vCard has, and comes again when it is another', async () => {
    const romeo = await newReader();
    await followByPresence(romeo, alice.jid);
    const photo = (hash: string) => `<presence from='${alice.jid}/social'><x xmlns='vcard-temp:x:update'><photo>${hash}</photo></x></presence>`;
    const none = await romeo.receives(`<presence from='${alice.jid}/social'/>`);
    expect(none.getChild('x', 'vcard-temp:x:update')!.getChildText('photo')).toBe('');
    await quiet(romeo);
    await setPicture(app.ctx, alice, 'avatar', await sharp({ create: { width: 64, height: 64, channels: 3, background: '#2a8' } }).png().toBuffer());
    const hash = (await findActor(app.ctx.store, alice.actorId))!.profile.avatar!;
    await romeo.receives(photo(hash));
    const vcard = await romeo.request(`<iq type='get' to='${alice.jid}'><vCard xmlns='vcard-temp'/></iq>`);
    const bytes = Buffer.from(vcard.getChild('vCard', 'vcard-temp')!.getChild('PHOTO')!.getChildText('BINVAL')!, 'base64');
    expect(createHash('sha1').update(bytes).digest('hex')).toBe(hash);
    // Who comes later learns it with the first presence.
    const late = await newReader();
    await followByPresence(late, alice.jid);
    await late.receives(photo(hash));
    for (const one of [romeo, late]) {
      await quiet(one);
      one.forget();
    }
    await removePicture(app.ctx, alice, 'avatar');
    for (const one of [romeo, late]) await one.receives((stanza) => stanza.is('presence') && stanza.getChild('x', 'vcard-temp:x:update')?.getChildText('photo') === '', 'presence without a picture');
  });

  test('whose caps ask for it hears of another name, text and picture: nickname, vCard and metadata, whose picture can be fetched', async () => {
    const [VCARD, METADATA] = ['urn:xmpp:vcard4', 'urn:xmpp:avatar:metadata'];
    const romeo = await newReader([...FOLLOWER, `${VCARD}+notify`, `${METADATA}+notify`]);
    await followByPresence(romeo, alice.jid);
    await quiet(romeo);
    romeo.forget();
    await changeProfile(app.ctx, alice, { displayName: 'Alice of the garden', summary: 'likes tea' });
    const next = async (node: string) => (await romeo.receives(isEvent(alice.jid, node), `the event of ${node}`)).getChild('event')!.getChild('items')!.getChildren('item')[0]!;
    expect((await next(NICK)).getChildText('nick', NICK)).toBe('Alice of the garden');
    const vcard = (await next(VCARD)).getChild('vcard', 'urn:ietf:params:xml:ns:vcard-4.0')!;
    expect([vcard.getChild('fn')!.getChildText('text'), vcard.getChild('note')!.getChildText('text')]).toEqual(['Alice of the garden', 'likes tea']);
    await quiet(romeo);
    romeo.forget();
    await setPicture(app.ctx, alice, 'avatar', await sharp({ create: { width: 64, height: 64, channels: 3, background: '#2a8' } }).png().toBuffer());
    const item = await next(METADATA);
    const info = item.getChild('metadata', METADATA)!.getChild('info')!;
    expect(info.attrs).toMatchObject({ id: item.attrs.id, type: 'image/png' });
    const answer = await romeo.request(pubsub('get', alice.jid, `<items node='urn:xmpp:avatar:data'><item id='${info.attrs.id}'/></items>`));
    const bytes = Buffer.from(answer.getChild('pubsub')!.getChild('items')!.getChild('item')!.getChildText('data', 'urn:xmpp:avatar:data')!, 'base64');
    expect([createHash('sha1').update(bytes).digest('hex'), String(bytes.length)]).toEqual([info.attrs.id, info.attrs.bytes]);
    await quiet(romeo);
    romeo.forget();
    await removePicture(app.ctx, alice, 'avatar');
    expect((await next(METADATA)).getChild('metadata', METADATA)!.getChildElements()).toEqual([]);
  });

  test('a chat message is refused with a word, whether there is such a person or not', async () => {
    const romeo = await newReader();
    for (const to of [alice.jid, `nobody@${app.domain}`]) {
      await romeo.send(`<message type='chat' id='m1' to='${to}'><body>hello</body></message>`);
      await romeo.receives(`<message type='error' id='m1' from='${to}'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`);
    }
  });
});

test('someone on another server follows by presence, over server-to-server', async () => {
  const [prosody, ejabberd] = [await server('prosody'), await server('ejabberd')];
  for (const [home, abroad] of [[prosody, ejabberd] as const, [ejabberd, prosody] as const]) {
    const app = await startInstallation({ server: home });
    const alice = await app.account('alice');
    const romeo = await connect({ ...(await abroad.newAccount('romeo')), features: FOLLOWER });
    try {
      await followByPresence(romeo, alice.jid);
      await app.idle();
      await romeo.barrier(alice.jid);
      const post = await app.posts(alice, 'far away');
      expect(told(await romeo.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${post.guid} far away`]);
    } finally {
      await romeo.disconnect();
      await app.stop();
    }
  }
});
