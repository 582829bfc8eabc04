// What rings the bell when it comes as a stanza: of posts of ours by request, of posts elsewhere by event (services/notifications.ts has the rules).
import type { Account } from '../../../src/domain/account.js';
import { commentOn } from '../../../src/services/comments.js';
import { listNotifications, unreadCount } from '../../../src/services/notifications.js';
import { publishPost } from '../../../src/services/publish.js';
import { wantComments } from '../../../src/services/remote-threads.js';
import { blockPerson, mutePerson } from '../../../src/services/relationships.js';
import { findActor, findActorByAddress } from '../../../src/store/actors.js';
import { parseStanza } from '../../../src/xml.js';
import { MICROBLOG, pubsub } from '../../support/follow.js';
import { makeRemote, relate } from '../../support/people.js';
import { remotePost } from '../../support/remote.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const ROMEO = 'romeo@else.test';
const ATOM = 'http://www.w3.org/2005/Atom';
const ATTACHMENTS = 'urn:xmpp:pubsub-attachments:1';

let stage: Stage;
let alice: Account & { jid: string };
let bob: Account & { jid: string };
beforeEach(async () => {
  stage = await openStage();
  [alice, bob] = [await stage.account('alice'), await stage.account('bob')];
  // Their server answers whatever we ask, and has nothing more.
  stage.answer(() => parseStanza("<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='x'/></pubsub></iq>"));
});
afterEach(() => stage.close());

const entry = (title: string, more = '') => `<entry xmlns='${ATOM}'><title>${title}</title>${more}</entry>`;
const via = (guid: string) => `<link rel='via' href='xmpp:${alice.jid}?;node=${MICROBLOG};item=${guid}'/>`;
const told = async (account: Account): Promise<string[]> =>
  (await listNotifications(stage.ctx, account, { limit: 20 })).map(({ notification, by, comment }) => [notification.kind, 'by', by.username, ...(comment ? [`“${comment.markdown}”`] : [])].join(' '));
const publish = (from: string, node: string, id: string, payload: string) => stage.receive(pubsub('set', alice.jid, `<publish node='${node}'><item id='${id}'>${payload}</item></publish>`).replace('<iq ', `<iq id='p' from='${from}/x' `));
const retract = (from: string, node: string, id: string) => stage.receive(pubsub('set', alice.jid, `<retract node='${node}'><item id='${id}'/></retract>`).replace('<iq ', `<iq id='p' from='${from}/x' `));
const event = (from: string, node: string, inside: string) =>
  stage.receive(`<message from='${from}' to='${alice.jid}' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${node}'>${inside}</items></event></message>`);
const commentsOf = (guid: string) => `${MICROBLOG}:comments/${guid}`;
const attachmentsOf = (guid: string) => `${ATTACHMENTS}/xmpp:${alice.jid}?;node=${encodeURIComponent(MICROBLOG)};item=${guid}`;
const noticed = `<attachments xmlns='${ATTACHMENTS}'><noticed/></attachments>`;

describe('under a post of ours', () => {
  let guid: string;
  beforeEach(async () => {
    guid = (await publishPost(stage.ctx, alice, { text: 'hello' })).guid;
  });

  test('a comment rings for the author, for those who commented before and for whom it mentions; its edit for nobody again', async () => {
    const carol = await stage.account('carol');
    await commentOn(stage.ctx, (await findActor(stage.ctx.store, bob.actorId))!, guid, { text: 'first' });
    await publish(ROMEO, commentsOf(guid), 'c', entry('hi @carol@social.test'));
    await publish(ROMEO, commentsOf(guid), 'c', entry('hi, dear @carol@social.test'));
    expect(await told(alice)).toEqual(['comment by romeo “hi, dear @carol@social.test”', 'comment by bob “first”']);
    expect(await told(bob)).toEqual(['also-commented by romeo “hi, dear @carol@social.test”']);
    expect(await told(carol)).toEqual(['mention by romeo “hi, dear @carol@social.test”']);
    await retract(ROMEO, commentsOf(guid), 'c');
    expect([await told(alice), await told(bob), await told(carol)]).toEqual([['comment by bob “first”'], [], []]);
  });

  test('a ♥ and an attachment ring as a like: once for one person, and no more when it is taken back', async () => {
    await publish(ROMEO, commentsOf(guid), 'h', entry('♥'));
    await publish(ROMEO, attachmentsOf(guid), ROMEO, noticed);
    await publish('juliet@else.test', attachmentsOf(guid), 'juliet@else.test', noticed);
    expect(await told(alice)).toEqual(['like by juliet', 'like by romeo']);
    expect(await unreadCount(stage.ctx, alice)).toBe(1); // they stand together
    await retract(ROMEO, commentsOf(guid), 'h');
    await retract('juliet@else.test', attachmentsOf(guid), 'juliet@else.test');
    expect(await unreadCount(stage.ctx, alice)).toBe(0);
  });

  test.each([
    ['blocked', blockPerson],
    ['muted', mutePerson],
  ])('nothing rings by whom its author has %s', async (_, end) => {
    const romeo = await makeRemote(stage.ctx.store, ROMEO);
    await end(stage.ctx, alice, romeo.id);
    await publish(ROMEO, commentsOf(guid), 'c', entry('hello'));
    await publish(ROMEO, attachmentsOf(guid), ROMEO, noticed);
    expect(await told(alice)).toEqual([]);
  });

  test('a share by somebody whom one of ours follows rings for the author, once, and is no news when it is made again', async () => {
    const romeo = await makeRemote(stage.ctx.store, ROMEO);
    await relate(stage.ctx.store, alice.actorId, romeo.id, { following: 'on', addedAt: 1 });
    await event(ROMEO, MICROBLOG, `<item id='s'>${entry('Look at this', via(guid))}</item>`);
    await event(ROMEO, MICROBLOG, `<item id='s'>${entry('Look at this', via(guid))}</item>`);
    expect(await told(alice)).toEqual(['reshare by romeo']);
    expect(await unreadCount(stage.ctx, alice)).toBe(1);
    await event(ROMEO, MICROBLOG, `<retract id='s'/>`);
    expect(await told(alice)).toEqual([]);
    await event(ROMEO, MICROBLOG, `<item id='again'>${entry('Look at this', via(guid))}</item>`);
    expect(await told(alice)).toEqual(['reshare by romeo']);
    expect(await unreadCount(stage.ctx, alice)).toBe(0);
  });
});

describe('from elsewhere', () => {
  test('a post that mentions somebody rings for them, once, also when only its edit does', async () => {
    const romeo = await makeRemote(stage.ctx.store, ROMEO);
    await relate(stage.ctx.store, alice.actorId, romeo.id, { following: 'on', addedAt: 1 });
    const text = (title: string, second: number) => entry(title, `<updated>2025-11-21T10:00:0${second}Z</updated>`);
    await event(ROMEO, MICROBLOG, `<item id='a'>${text(`hello @${alice.jid}`, 1)}</item>`);
    await event(ROMEO, MICROBLOG, `<item id='a'>${text(`hello again @${alice.jid}`, 2)}</item>`);
    await event(ROMEO, MICROBLOG, `<item id='b'>${text('hello', 1)}</item>`);
    await event(ROMEO, MICROBLOG, `<item id='b'>${text(`and @${alice.jid}`, 2)}</item>`);
    expect(await told(alice)).toEqual(['mention by romeo', 'mention by romeo']);
  });

  test('a comment under a post of theirs rings for those of ours who commented there, and for whom it or its edit mentions', async () => {
    const post = await remotePost(stage.ctx, await makeRemote(stage.ctx.store, ROMEO), 'from elsewhere');
    const { comments_node: node } = (await stage.ctx.store.query<{ comments_node: string }>('select comments_node from post_origins where post_guid = ?', [post.guid]))[0]!;
    await commentOn(stage.ctx, (await findActor(stage.ctx.store, alice.actorId))!, post.guid, { text: 'mine' });
    await wantComments(stage.ctx, alice.actorId, post.guid);
    await stage.runJobs();
    await event(ROMEO, node, `<item id='c-1' publisher='juliet@else.test'>${entry(`and @${bob.jid}`)}</item>`);
    await event(ROMEO, node, `<item id='c-1' publisher='juliet@else.test'>${entry(`and @${bob.jid}`)}</item>`);
    await event(ROMEO, node, `<item id='h-1' publisher='juliet@else.test'>${entry('♥')}</item>`);
    expect(await told(alice)).toEqual([`also-commented by juliet “and @${bob.jid}”`]);
    expect(await told(bob)).toEqual([`mention by juliet “and @${bob.jid}”`]);
    const carol = await stage.account('carol');
    const later = '<updated>2125-11-21T10:00:00Z</updated>';
    for (const text of ['and', 'and, well,']) await event(ROMEO, node, `<item id='c-1' publisher='juliet@else.test'>${entry(`${text} @${bob.jid} and @${carol.jid}`, later)}</item>`);
    expect((await told(carol)).map((line) => line.slice(0, 17))).toEqual(['mention by juliet']);
    expect(await told(bob)).toHaveLength(1);
    // Blocked, and gone with what they had rung.
    await blockPerson(stage.ctx, alice, (await findActorByAddress(stage.ctx.store, 'xmpp', 'juliet@else.test'))!.id);
    await event(ROMEO, node, `<item id='c-2' publisher='juliet@else.test'>${entry(`@${alice.jid}`)}</item>`);
    expect(await told(alice)).toEqual([]);
  });
});
