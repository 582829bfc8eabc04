import type { Account } from '../../../src/domain/account.js';
import { DomainError } from '../../../src/domain/errors.js';
import type { Guid } from '../../../src/domain/guid.js';
import type { Post } from '../../../src/domain/post.js';
import { deliver } from '../../../src/jobs/deliver.js';
import { commentOn, deleteComment, editComment, listComments } from '../../../src/services/comments.js';
import { likePost, likersOf, unlikePost } from '../../../src/services/reactions.js';
import { receivePost } from '../../../src/services/receive.js';
import { readPost, type Viewer } from '../../../src/services/stream.js';
import { wantComments } from '../../../src/services/remote-threads.js';
import { findActor } from '../../../src/store/actors.js';
import { listDeliveries } from '../../../src/store/ledger.js';
import { type Element, parseStanza } from '../../../src/xml.js';
import { StanzaErrorReply } from '../../../src/xmpp/transport.js';
import { makeRemote } from '../../support/people.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const SERVICE = 'comments.else.test';
const NODE = 'urn:xmpp:microblog:0:comments/post-1';
const BOB = 'bob@else.test';
const ATOM = 'http://www.w3.org/2005/Atom';

let stage: Stage;
let alice: Account & { jid: string };
let post: Post;
/** What was asked of other servers, in short. */
let asked: string[];
/** How they answer, by what is asked; by default attachments are unknown and everything else is well. */
let refusals: Record<string, string>;
let answers: Record<string, string>;

const receive = (change: { isReshare?: true; itemId?: string; comments?: { service: string; node: string } | null; author?: string; isOpen?: boolean; recipients?: number[] } = {}): Promise<Post> =>
  (async () => {
    const author = await makeRemote(stage.ctx.store, change.author ?? BOB);
    const { itemId = 'post-1', comments = { service: SERVICE, node: NODE } } = change;
    return (await stage.ctx.store.transaction((tx) =>
      receivePost(stage.ctx, tx, {
        ...{ author, origin: { service: change.author ?? BOB, node: 'urn:xmpp:microblog:0', itemId }, recipients: change.recipients ?? [], isOpen: change.isOpen ?? true, at: stage.ctx.now() },
        entry: { text: 'from elsewhere', iri: `xmpp:${BOB}?;item=${itemId}`, tags: [], language: '', published: null, updated: null, audience: null, comments, root: change.isReshare ? { items: [], guids: [] } : null },
      }),
    ))!;
  })();

function describeRequest(iq: Element): string {
  const verb = iq.getChild('pubsub')?.getChildElements()[0];
  if (!verb) return `disco ${iq.attrs.to}`;
  const item = verb.getChild('item');
  const what = item?.getChildElements()[0];
  const text = what?.getChildText('title') ?? (what ? what.getChildElements().map((child) => child.getName()).join('+') : '');
  const node = verb.attrs.node!.startsWith('urn:xmpp:pubsub-att') ? 'attachments' : 'comments';
  return [verb.name, iq.attrs.to, node, item?.attrs.id, text].filter(Boolean).join(' ');
}

beforeEach(async () => {
  stage = await openStage();
  stage.ctx.protocols.push(stage.protocol);
  alice = await stage.account('alice');
  post = await receive();
  asked = [];
  refusals = { [`items ${BOB} attachments`]: 'item-not-found', [`disco ${BOB}`]: 'service-unavailable' };
  answers = {};
  stage.answer((iq) => {
    const request = describeRequest(iq);
    asked.push(request);
    const refused = Object.entries(refusals).find(([begin]) => request.startsWith(begin))?.[1];
    if (refused === 'silence') throw new DomainError('unavailable', 'nobody answers');
    if (refused) {
      const type = ['resource-constraint', 'remote-server-timeout'].includes(refused) ? 'wait' : 'cancel';
      throw new StanzaErrorReply(parseStanza(`<iq type='error'><error type='${type}'><${refused} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`));
    }
    return parseStanza(Object.entries(answers).find(([begin]) => request.startsWith(begin))?.[1] ?? `<iq type='result'/>`);
  });
  stage.ctx.pass(1);
});
afterEach(() => stage.close());

const me = async () => (await findActor(stage.ctx.store, alice.actorId))!;
/** Runs the deliveries that wait, and what they leave; what became of each. */
async function run(): Promise<string[]> {
  const rows = await stage.ctx.store.query<{ id: number; payload: string }>("select id, payload from jobs where kind = 'deliver' order by id");
  const outcomes: string[] = [];
  for (const { id, payload } of rows) {
    await stage.ctx.store.transaction((tx) => tx.query('delete from jobs where id = ?', [id]));
    outcomes.push(
      await deliver(stage.ctx, { id, attempts: 0, payload: JSON.parse(payload) }, new AbortController().signal).then(
        () => 'arrived',
        (error) => `${error.permanent ? 'refused' : 'later'}: ${error.message}`,
      ),
    );
  }
  return outcomes;
}
const comments = async (guid: Guid = post.guid) => (await listComments(stage.ctx, { actorId: alice.actorId }, guid, { limit: 50, direction: 'oldest-first' })).map(({ comment, author }) => `${author.username}: ${comment.markdown}`);
const storedBy = async () =>
  Object.fromEntries((await stage.ctx.store.query<{ name: string; n: number }>('select a.username as name, count(*) as n from comments c join actors a on a.id = c.author_id group by a.username')).map(({ name, n }) => [name, n]));
const likers = async () => (await likersOf(stage.ctx, { actorId: alice.actorId }, post.guid, 10)).actors.map(({ username }) => username).sort();

describe('what ours do goes to the nodes of the post', () => {
  test('a comment, its edit and its end, under one item id', async () => {
    const comment = await commentOn(stage.ctx, await me(), post.guid, { text: 'hello' });
    expect(await run()).toEqual(['arrived']);
    stage.ctx.pass(1);
    await editComment(stage.ctx, await me(), comment.guid, 'hello there');
    expect(await run()).toEqual(['arrived']);
    await deleteComment(stage.ctx, await me(), comment.guid);
    expect(await run()).toEqual(['arrived']);
    expect(asked).toEqual([
      `publish ${SERVICE} comments ${comment.itemId} hello`,
      `publish ${SERVICE} comments ${comment.itemId} hello there`,
      `retract ${SERVICE} comments ${comment.itemId}`,
    ]);
  });

  test('a comment goes out as the social address, and says what it answers', async () => {
    let sent: Element | undefined;
    stage.answer((iq) => {
      sent ??= iq;
      return parseStanza(`<iq type='result'/>`);
    });
    await commentOn(stage.ctx, await me(), post.guid, { text: 'hello' });
    await run();
    const entry = sent!.getChild('pubsub')!.getChild('publish')!.getChild('item')!.getChild('entry', ATOM)!;
    expect([sent!.attrs.from, sent!.attrs.to, sent!.getChild('pubsub')!.getChild('publish')!.attrs.node]).toEqual([alice.jid, SERVICE, NODE]);
    expect(entry.getChild('author')!.getChildText('uri')).toBe(`xmpp:${alice.jid}`);
    expect(entry.getChild('in-reply-to')!.attrs.href).toBe(`xmpp:${BOB}?;node=urn:xmpp:microblog:0;item=post-1`);
  });

  test.each([
    ['forbidden', 'refused: The other server does not let you write there.'],
    ['item-not-found', 'refused: There is no place for it any more: the post, or its comments, are gone.'],
    ['resource-constraint', 'later: The other server cannot take it now (resource-constraint).'],
    ['remote-server-timeout', 'later: The other server cannot take it now (remote-server-timeout).'],
    ['remote-server-not-found', 'later: The other server cannot take it now (remote-server-not-found).'],
    ['silence', 'later: nobody answers'],
  ])('%s: %s', async (condition, outcome) => {
    refusals[`publish ${SERVICE}`] = condition;
    await commentOn(stage.ctx, await me(), post.guid, { text: 'hello' });
    expect(await run()).toEqual([outcome]);
    const [view] = await listComments(stage.ctx, { actorId: alice.actorId }, post.guid, { limit: 1 });
    expect(view!.undelivered).toBe(outcome.startsWith('refused') ? outcome.slice(9) : undefined);
    expect((await listDeliveries(stage.ctx.store, post.guid)).map(({ state }) => state)).toEqual([outcome.startsWith('refused') ? 'given-up' : 'waiting']);
  });

  test('what is gone there is as good as retracted', async () => {
    const comment = await commentOn(stage.ctx, await me(), post.guid, { text: 'hello' });
    await run();
    refusals[`retract ${SERVICE}`] = 'item-not-found';
    await deleteComment(stage.ctx, await me(), comment.guid);
    expect(await run()).toEqual(['arrived']);
  });

  test('where its author may not retract a comment, its text goes; where it is not there, nothing is written', async () => {
    const comment = await commentOn(stage.ctx, await me(), post.guid, { text: 'hello' });
    await run();
    refusals[`retract ${SERVICE}`] = 'forbidden';
    answers = { [`items ${SERVICE}`]: `<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='x'><item id='${comment.itemId}'/></items></pubsub></iq>` };
    await deleteComment(stage.ctx, await me(), comment.guid);
    expect(await run()).toEqual(['arrived']);
    expect(asked.at(-1)).toBe(`publish ${SERVICE} comments ${comment.itemId} (deleted)`);

    const other = await commentOn(stage.ctx, await me(), post.guid, { text: 'never there' });
    await run();
    answers = {};
    await deleteComment(stage.ctx, await me(), other.guid);
    expect(await run()).toEqual(['arrived']);
    expect(asked.at(-1)).toBe(`items ${SERVICE} comments ${other.itemId}`);
  });

  test('where the person may not retract what is attached, a like is taken back by attaching nothing', async () => {
    delete refusals[`items ${BOB} attachments`];
    await likePost(stage.ctx, await me(), post.guid);
    await run();
    refusals[`retract ${BOB}`] = 'forbidden';
    answers = { [`items ${BOB}`]: `<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='x'><item id='${alice.jid}'><attachments xmlns='urn:xmpp:pubsub-attachments:1'><noticed/></attachments></item></items></pubsub></iq>` };
    await unlikePost(stage.ctx, await me(), post.guid);
    expect(await run()).toEqual(['arrived']);
    expect(asked.at(-1)).toBe(`publish ${BOB} attachments ${alice.jid}`);
  });

  test('what was deleted before it went out is not told, only its end', async () => {
    const comment = await commentOn(stage.ctx, await me(), post.guid, { text: 'hello' });
    await deleteComment(stage.ctx, await me(), comment.guid);
    await run();
    expect(asked.filter((line) => line.startsWith('publish'))).toEqual([]);
  });

  test('a like is a ♥ where attachments are not known, under the same id however often it is tried', async () => {
    refusals[`publish ${SERVICE}`] = 'silence';
    await likePost(stage.ctx, await me(), post.guid);
    const again = await stage.ctx.store.query<{ payload: string }>("select payload from jobs where kind = 'deliver'");
    expect(await run()).toEqual(['later: nobody answers']);
    delete refusals[`publish ${SERVICE}`];
    await deliver(stage.ctx, { id: 1, attempts: 0, payload: JSON.parse(again[0]!.payload) }, new AbortController().signal);
    const published = asked.filter((line) => line.startsWith('publish'));
    expect(published).toHaveLength(2);
    expect(published[0]).toBe(published[1]);
    expect(published[0]).toMatch(/ ♥$/);
    await unlikePost(stage.ctx, await me(), post.guid);
    expect(await run()).toEqual(['arrived']);
    expect(asked.at(-1)).toBe(published[0]!.replace('publish', 'retract').replace(' ♥', ''));
  });

  test.each([
    ['the node is there', { [`items ${BOB} attachments`]: `<iq type='result'/>` }, [] as string[]],
    ['the service makes it', { [`disco ${BOB}`]: `<iq type='result'><query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:xmpp:pubsub-attachments:1'/></query></iq>` }, [`items ${BOB} attachments`]],
  ])('a like is an attachment where %s, and no ♥ beside it', async (_, some, refused) => {
    answers = some;
    for (const request of [`items ${BOB} attachments`, `disco ${BOB}`]) if (!refused.includes(request)) delete refusals[request];
    await likePost(stage.ctx, await me(), post.guid);
    expect(await run()).toEqual(['arrived']);
    expect(asked.at(-1)).toBe(`publish ${BOB} attachments ${alice.jid} noticed`);
    expect(asked.some((line) => line.includes('♥'))).toBe(false);
  });

  test('what a person has attached there besides stays, with the like and without it', async () => {
    const held = (inside: string) => `<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='x'><item id='${alice.jid}'><attachments xmlns='urn:xmpp:pubsub-attachments:1'>${inside}<rating xmlns='urn:r'>5</rating></attachments></item></items></pubsub></iq>`;
    delete refusals[`items ${BOB} attachments`];
    answers = { [`items ${BOB}`]: held('') };
    await likePost(stage.ctx, await me(), post.guid);
    await run();
    expect(asked.at(-1)).toBe(`publish ${BOB} attachments ${alice.jid} noticed+rating`);
    answers = { [`items ${BOB}`]: held('<noticed/>') };
    await unlikePost(stage.ctx, await me(), post.guid);
    await run();
    expect(asked.at(-1)).toBe(`publish ${BOB} attachments ${alice.jid} rating`);
  });

  test('a post without any place for a like tells so', async () => {
    post = await receive({ itemId: 'post-2', comments: null });
    await likePost(stage.ctx, await me(), post.guid);
    expect(await run()).toEqual(['refused: The server of this post takes no likes.']);
  });

  test('a like that is refused there tells the person why, and nobody else, as long as it stands', async () => {
    refusals[`publish ${SERVICE}`] = 'forbidden';
    const told = async (viewer: Viewer = { actorId: alice.actorId }) => (await readPost(stage.ctx, viewer, post.guid)).undeliveredLike;
    await likePost(stage.ctx, await me(), post.guid);
    expect(await told()).toBeUndefined();
    await run();
    expect(await told()).toBe('The other server does not let you write there.');
    const carol = await stage.account('carol');
    await likePost(stage.ctx, (await findActor(stage.ctx.store, carol.actorId))!, post.guid);
    expect([await told({ actorId: carol.actorId }), await told('anonymous')]).toEqual([undefined, undefined]);
    stage.ctx.pass(1);
    await unlikePost(stage.ctx, await me(), post.guid);
    expect(await told()).toBeUndefined();
    stage.ctx.pass(1);
    delete refusals[`publish ${SERVICE}`];
    await likePost(stage.ctx, await me(), post.guid);
    await run();
    expect(await told()).toBeUndefined();
  });

  test('whatever an entry names, nothing is published to a node that is none of comments', async () => {
    post = await receive({ itemId: 'post-3', comments: { service: 'victim@else.test', node: 'urn:xmpp:microblog:0' } });
    await commentOn(stage.ctx, await me(), post.guid, { text: 'hello' });
    expect(await run()).toEqual(['refused: The server of this post takes no comments on it.']);
    expect(asked).toEqual([]);
  });
});

describe('what others say there', () => {
  const entry = (title: string, more = '') => `<entry xmlns='${ATOM}'><title>${title}</title>${more}</entry>`;
  const dated = (title: string, at: string) => entry(title, `<published>2025-11-21T10:00:00Z</published><updated>2025-11-21T${at}:00Z</updated>`);
  const item = (id: string, publisher: string | null, payload: string) => `<item id='${id}'${publisher === null ? '' : ` publisher='${publisher}'`}>${payload}</item>`;
  const event = (inside: string, { service = SERVICE, node = NODE, to = alice.jid } = {}) =>
    stage.receive(`<message from='${service}' to='${to}' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${node}'>${inside}</items></event></message>`);
  /** Opens the post, and so subscribes. */
  const open = async (held = '', guid = post.guid) => {
    answers[`items ${SERVICE}`] = `<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='${NODE}'>${held}</items></pubsub></iq>`;
    await wantComments(stage.ctx, alice.actorId, guid);
    await stage.runJobs();
    await stage.inbound.intake.settled();
  };

  test('is fetched when the post is opened, and heard of from then on', async () => {
    await open(item('c-1', 'romeo@x.test', entry('hello')) + item('h-1', 'juliet@x.test', entry('♥')));
    expect(asked).toEqual([`subscribe ${SERVICE} comments`, `items ${SERVICE} comments`, `items ${BOB} attachments`]);
    expect(await comments()).toEqual(['romeo: hello']);
    expect(await likers()).toEqual(['juliet']);
    await event(item('c-2', 'paris@x.test/movim', entry('and me')));
    expect(await comments()).toEqual(['romeo: hello', 'paris: and me']);
    await event(`<retract id='c-1'/><retract id='h-1'/>`);
    expect(await comments()).toEqual(['paris: and me']);
    expect(await likers()).toEqual([]);
  });

  test('is heard under a reshare, too, whose root is not here', async () => {
    const reshare = await receive({ isReshare: true, itemId: 'share-1', comments: { service: SERVICE, node: `${NODE}-shared` } });
    await open(item('c-1', 'romeo@x.test', entry('hello')) + item('h-1', 'juliet@x.test', entry('♥')), reshare.guid);
    expect(await comments(reshare.guid)).toEqual(['romeo: hello']);
    expect((await likersOf(stage.ctx, { actorId: alice.actorId }, reshare.guid, 10)).actors.map(({ username }) => username)).toEqual(['juliet']);
    await event(item('c-2', 'paris@x.test', entry('and me')), { node: `${NODE}-shared` });
    expect(await comments(reshare.guid)).toEqual(['romeo: hello', 'paris: and me']);
  });

  test('is asked for once in a while, not with each look', async () => {
    await open();
    await open();
    expect(asked).toHaveLength(3);
    stage.ctx.pass(10 * 60_000);
    await open();
    expect(asked.filter((line) => line.startsWith('subscribe'))).toHaveLength(1);
    expect(asked.filter((line) => line.startsWith(`items ${SERVICE}`))).toHaveLength(2);
  });

  test('nothing goes out again, and a copy changes nothing', async () => {
    await open(item('c-1', 'romeo@x.test', entry('hello')));
    await event(item('c-1', 'romeo@x.test', entry('hello')));
    expect(await comments()).toEqual(['romeo: hello']);
    expect(await stage.ctx.store.query("select 1 from activities")).toEqual([]);
  });

  test('an edit by its publisher replaces, an older version does not', async () => {
    await open();
    await event(item('c-1', 'romeo@x.test', dated('first', '10:00')));
    await event(item('c-1', 'romeo@x.test', dated('third', '11:00')));
    await event(item('c-1', 'romeo@x.test', dated('second', '10:30')));
    expect(await comments()).toEqual(['romeo: third']);
  });

  test('what somebody writes over another’s item is a comment of his own', async () => {
    await open(item('c-1', 'romeo@x.test', dated('hello', '10:00')));
    await event(item('c-1', 'eve@x.test', dated('I am Romeo', '11:00')));
    expect((await comments()).sort()).toEqual(['eve: I am Romeo', 'romeo: hello']);
    await event(item('c-1', 'eve@x.test', dated('I am Eve', '11:30')));
    expect((await comments()).sort()).toEqual(['eve: I am Eve', 'romeo: hello']);
    await event(`<retract id='c-1'/>`);
    expect(await comments()).toEqual([]);
  });

  test('a retraction before the comment wins', async () => {
    await open();
    await event(`<retract id='c-1'/>`);
    await event(item('c-1', 'romeo@x.test', entry('late')));
    expect(await comments()).toEqual([]);
  });

  test.each([
    ['nobody', null],
    ['one of ours', 'alice@social.test'],
    ['an address of one of ours', 'alice@chat.test'],
    ['a server', 'else.test'],
    ['nonsense', '@@'],
  ])('is not shown when its service says that %s published it, whatever stands in it', async (_, publisher) => {
    await open(item('c-1', publisher, entry('I am the author', `<author><uri>xmpp:romeo@x.test</uri></author>`)));
    await event(item('h-1', publisher, entry('♥')));
    expect(await comments()).toEqual([]);
    expect(await likers()).toEqual([]);
  });

  test('what ours wrote comes back unharmed, and goes when its node takes it away', async () => {
    const own = await commentOn(stage.ctx, await me(), post.guid, { text: 'mine' });
    await open(item(own.itemId, alice.jid, entry('changed on the way')));
    await event(item(own.itemId, 'eve@x.test', entry('over it')));
    expect((await comments()).sort()).toEqual(['alice: mine', 'eve: over it']);
    await event(`<retract id='${own.itemId}'/>`);
    expect(await comments()).toEqual([]);
  });

  test('comes from the post’s own node alone, and only when it was asked for', async () => {
    await event(item('c-1', 'romeo@x.test', entry('not asked for')));
    await open();
    await event(item('c-2', 'romeo@x.test', entry('elsewhere')), { service: 'evil.test' });
    await event(item('c-3', 'romeo@x.test', entry('other node')), { node: 'urn:xmpp:microblog:0:comments/other' });
    await stage.account('bob');
    await event(item('c-4', 'romeo@x.test', entry('to somebody else')), { to: 'bob@social.test' });
    expect(await comments()).toEqual([]);
  });

  test.each(['purge', 'delete'])('goes with its node (%s), and so does what ours wrote there; what is still on its way stays', async (verb) => {
    const own = await commentOn(stage.ctx, await me(), post.guid, { text: 'mine' });
    await run();
    await stage.ctx.store.transaction((tx) => tx.query("update deliveries set state = 'arrived'"));
    await commentOn(stage.ctx, await me(), post.guid, { text: 'on its way' });
    await open(item('c-1', 'romeo@x.test', entry('hello')) + item(own.itemId, alice.jid, entry('mine')) + item('h-1', 'juliet@x.test', entry('♥')));
    expect(await comments()).toHaveLength(3);
    const gone = (from: string) => stage.receive(`<message from='${from}' to='${alice.jid}' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><${verb} node='${NODE}'/></event></message>`);
    await gone('evil.test');
    expect(await comments()).toHaveLength(3);
    await gone(SERVICE);
    expect(await comments()).toEqual(['alice: on its way']);
    expect(await likers()).toEqual([]);
    await event(item('c-1', 'romeo@x.test', entry('late')));
    expect(await comments()).toEqual(['alice: on its way']);
  });

  test('is gone when its service knows no such node any more; what ours wrote stays, and the next look subscribes again', async () => {
    await commentOn(stage.ctx, await me(), post.guid, { text: 'mine' });
    await open(item('c-1', 'romeo@x.test', entry('hello')) + item('h-1', 'juliet@x.test', entry('♥')));
    refusals[`items ${SERVICE}`] = 'forbidden';
    stage.ctx.pass(10 * 60_000);
    await open();
    expect(await comments()).toHaveLength(2);
    refusals[`items ${SERVICE}`] = 'item-not-found';
    stage.ctx.pass(10 * 60_000);
    await open();
    expect(await comments()).toEqual(['alice: mine']);
    expect(await likers()).toEqual([]);
    delete refusals[`items ${SERVICE}`];
    asked.splice(0);
    stage.ctx.pass(10 * 60_000);
    await open();
    expect(asked[0]).toBe(`subscribe ${SERVICE} comments`);
  });

  test('under a post that is not for everybody, “no such node” says only that it is not for her', async () => {
    const limited = await receive({ itemId: 'limited', isOpen: false, recipients: [alice.actorId] });
    await open(item('c-1', 'romeo@x.test', entry('hello')), limited.guid);
    refusals[`items ${SERVICE}`] = 'item-not-found';
    stage.ctx.pass(10 * 60_000);
    await open('', limited.guid);
    expect(await comments(limited.guid)).toEqual(['romeo: hello']);
  });

  test('of one person so much is kept, however much a service holds', async () => {
    await open(Array.from({ length: 230 }, (_, n) => item(`c-${n}`, 'romeo@x.test', entry(`hello ${n}`))).join('') + item('c', 'juliet@x.test', entry('and I?')));
    expect(await storedBy()).toEqual({ romeo: 200, juliet: 1 });
  });

  test('what cannot be read harms nothing', async () => {
    await open();
    await event(item('c-1', 'romeo@x.test', `<thing xmlns='urn:x'/>`) + item('c-2', 'romeo@x.test', `<entry xmlns='${ATOM}'/>`) + item('c-3', 'romeo@x.test', entry('good')));
    expect(await comments()).toEqual(['romeo: good']);
  });

  test('attachments are likes when the id is the publisher’s', async () => {
    const attachments = (inside: string) => `<attachments xmlns='urn:xmpp:pubsub-attachments:1'>${inside}</attachments>`;
    delete refusals[`items ${BOB} attachments`];
    answers[`items ${BOB}`] =
      `<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='x'>` +
      item('romeo@x.test', 'romeo@x.test', attachments('<noticed/>')) +
      item('juliet@x.test', 'eve@x.test', attachments('<noticed/>')) +
      item('paris@x.test', null, attachments('<noticed/>')) +
      item('nurse@x.test', 'nurse@x.test', attachments('<rating xmlns="urn:r"/>')) +
      `</items></pubsub></iq>`;
    await open();
    expect(await likers()).toEqual(['romeo']);
    await open(item('h-1', 'romeo@x.test', entry('♥')));
    expect(await likers()).toEqual(['romeo']);
  });

  test('a post that names the node of another’s limited post tells nothing of what stands there', async () => {
    const bobs = await receive({ itemId: 'limited', isOpen: false, recipients: [alice.actorId], comments: { service: SERVICE, node: `${NODE}-limited` } });
    const evil = await receive({ itemId: 'limited', author: 'eve@evil.test', comments: { service: SERVICE, node: `${NODE}-limited` } });
    answers[`items ${SERVICE}`] = `<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='x'>${item('c-1', 'romeo@x.test', entry('between us'))}</items></pubsub></iq>`;
    await wantComments(stage.ctx, alice.actorId, bobs.guid);
    await stage.runJobs();
    await stage.inbound.intake.settled();
    expect(await comments(bobs.guid)).toEqual(['romeo: between us']);
    expect(await comments(evil.guid)).toEqual([]);
  });

  test('is read, though the subscription is refused', async () => {
    refusals[`subscribe ${SERVICE}`] = 'forbidden';
    await open(item('c-1', 'romeo@x.test', entry('hello')));
    expect(await comments()).toEqual(['romeo: hello']);
    await event(item('c-2', 'romeo@x.test', entry('not subscribed')));
    expect(await comments()).toEqual(['romeo: hello']);
  });
});

describe('a flood of comments from elsewhere', () => {
  const flood = async (count: number, publisher: (n: number) => string) => {
    for (let n = 0; n < count; n++)
      stage.dispatcher.take(
        parseStanza(`<message from='${SERVICE}' to='${alice.jid}' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${NODE}'><item id='f-${n}' publisher='${publisher(n)}'><entry xmlns='${ATOM}'><title>flood ${n}</title></entry></item></items></event></message>`),
      );
    await stage.inbound.settled();
  };
  beforeEach(async () => {
    Object.assign(stage.ctx.config, { rateLimits: true });
    await wantComments(stage.ctx, alice.actorId, post.guid);
    await stage.runJobs();
  });

  test('by one person ends, and others are still heard', async () => {
    await flood(80, () => 'romeo@x.test');
    await flood(1, () => 'juliet@y.test');
    expect(await storedBy()).toEqual({ romeo: 60, juliet: 1 });
  });

  test('by one server’s people ends, and those of other servers are still heard', async () => {
    await flood(1_300, (n) => `p${n}@x.test`);
    await flood(1, () => 'juliet@y.test');
    expect(await stage.ctx.store.query("select a.domain, count(*) as n from comments c join actors a on a.id = c.author_id group by a.domain order by a.domain")).toEqual([
      { domain: 'x.test', n: 1_200 },
      { domain: 'y.test', n: 1 },
    ]);
  });
});
