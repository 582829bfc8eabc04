import type { Account } from '../../../src/domain/account.js';
import type { Post } from '../../../src/domain/post.js';
import { deliver } from '../../../src/jobs/deliver.js';
import { commentOn, listComments } from '../../../src/services/comments.js';
import { deletePost, publishPost } from '../../../src/services/publish.js';
import { likePost, likersOf, unlikePost } from '../../../src/services/reactions.js';
import { resharePost } from '../../../src/services/reshares.js';
import { blockPerson } from '../../../src/services/relationships.js';
import { actorByJid } from '../../../src/services/stream.js';
import { findActor } from '../../../src/store/actors.js';
import { parseStanza } from '../../../src/xml.js';
import { idsOf, items, MICROBLOG, pageOf, pubsub } from '../../support/follow.js';
import { makeRemote } from '../../support/people.js';
import { type Element, StanzaError } from '../../support/xmpp-client.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const OWNER = 'alice@chat.test/phone';
const ROMEO = 'romeo@else.test/x';
const JULIET = 'juliet@else.test/y';
const ALICE = 'alice@social.test';
const ATOM = 'http://www.w3.org/2005/Atom';
const ATTACHMENTS = 'urn:xmpp:pubsub-attachments:1';
const SUMMARY = 'urn:xmpp:pubsub-attachments:summary:1/urn:xmpp:microblog:0';
const UNKNOWN = 'f'.repeat(32);

let stage: Stage;
let alice: Account & { jid: string };
let post: Post;
let hidden: Post;
beforeEach(async () => {
  stage = await openStage();
  stage.ctx.protocols.push(stage.protocol);
  alice = await stage.account('alice');
  post = await publishPost(stage.ctx, alice, { text: 'a post', audience: { to: 'public' } });
  hidden = await publishPost(stage.ctx, alice, { text: 'for contacts', audience: { to: 'contacts' } });
  stage.ctx.pass(1);
});
afterEach(() => stage.close());

const commentsOf = (guid: string) => `${MICROBLOG}:comments/${guid}`;
const attachmentsOf = (guid: string) => `${ATTACHMENTS}/xmpp:${ALICE}?;node=urn%3Axmpp%3Amicroblog%3A0;item=${guid}`;
const entry = (title: string, more = '') => `<entry xmlns='${ATOM}'><title>${title}</title><updated>2026-11-21T09:00:00Z</updated>${more}</entry>`;
const attached = (inside: string) => `<attachments xmlns='${ATTACHMENTS}'>${inside}</attachments>`;
const publish = (node: string, item: string, more = '') => pubsub('set', ALICE, `<publish node='${node}'>${item}</publish>${more}`);
const comment = (id: string | null, text: string, guid = post.guid) => publish(commentsOf(guid), `<item${id === null ? '' : ` id='${id}'`}>${entry(text)}</item>`);
const attach = (jid: string, inside: string, guid = post.guid) => publish(attachmentsOf(guid), `<item id='${jid}'>${attached(inside)}</item>`);
const retract = (node: string, id: string) => pubsub('set', ALICE, `<retract node='${node}' notify='true'><item id='${id}'/></retract>`);
const subscribe = (node: string, jid: string) => pubsub('set', ALICE, `<subscribe node='${node}' jid='${jid}'/>`);
const disco = (kind: 'info' | 'items', node: string) => `<iq type='get' to='${ALICE}'><query xmlns='http://jabber.org/protocol/disco#${kind}' node='${node}'/></iq>`;

let ids = 0;
/** The one reply to a request, as text and element. */
async function ask(from: string, iq: string): Promise<Element> {
  const stanza = parseStanza(iq);
  Object.assign(stanza.attrs, { from, id: `r${++ids}` });
  const replies = (await stage.receive(stanza)).filter((one) => one.name === 'iq' && one.attrs.id === `r${ids}`);
  expect(replies).toHaveLength(1);
  return replies[0] as unknown as Element;
}
async function refusal(from: string, iq: string): Promise<string> {
  const reply = await ask(from, iq);
  if (reply.attrs.type !== 'error') return `result ${reply}`;
  const { type, condition, extra } = new StanzaError(reply);
  return [type, condition, ...extra].join(' ');
}
const publishedId = (reply: Element) => {
  expect(reply.attrs.type).toBe('result');
  return reply.getChild('pubsub')!.getChild('publish')!.getChild('item')!.attrs.id!;
};
const itemsIn = (reply: Element) => reply.getChild('pubsub')!.getChild('items')!.getChildren('item');
const told = (reply: Element) => itemsIn(reply).map((item) => [item.attrs.id, item.attrs.publisher, item.getChild('entry')?.getChildText('title')]);
/** Runs the deliveries that wait; the events, as `to node +id or -id`. */
async function events(): Promise<string[]> {
  const rows = await stage.ctx.store.query<{ id: number; payload: string }>("select id, payload from jobs where kind = 'deliver' order by id");
  stage.take();
  for (const { id, payload } of rows) {
    await stage.ctx.store.transaction((tx) => tx.query('delete from jobs where id = ?', [id]));
    await deliver(stage.ctx, { id, attempts: 0, payload: JSON.parse(payload) }, new AbortController().signal);
  }
  return stage.take().flatMap((message) => {
    const event = message.getChild('event');
    if (!event) return [];
    const what = event.getChildElements()[0]!;
    const node = what.attrs.node!.replace(post.guid, 'POST').replace(/^urn:xmpp:/, '').split('/')[0];
    if (what.name === 'delete') return [`${message.attrs.to} ${node} deleted`];
    return what.getChildElements().map((item) => `${message.attrs.to} ${node} ${item.name === 'retract' ? '-' : '+'}${item.attrs.id!.replace(post.guid, 'POST')}`);
  });
}
const likers = async () => (await likersOf(stage.ctx, 'anonymous', post.guid, 10)).actors.map(({ username }) => username).sort();

describe('nodes that are not there, or not for the asker', () => {
  const requests = (guid: string): Record<string, string> => ({
    items: items(ALICE, { node: commentsOf(guid) }),
    'an item': items(ALICE, { node: commentsOf(guid), ids: ['x'] }),
    'a page': items(ALICE, { node: commentsOf(guid), set: '<max>0</max>' }),
    subscribe: subscribe(commentsOf(guid), 'romeo@else.test'),
    publish: comment('item-1', 'hello', guid),
    like: comment('item-1', '♥', guid),
    'publish nonsense': publish(commentsOf(guid), '<item/>'),
    retract: retract(commentsOf(guid), 'item-1'),
    options: pubsub('get', ALICE, `<options node='${commentsOf(guid)}' jid='romeo@else.test'/>`),
    subscriptions: pubsub('get', ALICE, `<subscriptions node='${commentsOf(guid)}'/>`),
    affiliations: pubsub('get', ALICE, `<affiliations node='${commentsOf(guid)}'/>`),
    configure: pubsub('get', ALICE, `<configure node='${commentsOf(guid)}'/>`, '#owner'),
    delete: pubsub('set', ALICE, `<delete node='${commentsOf(guid)}'/>`, '#owner'),
    'disco#info': disco('info', commentsOf(guid)),
    'disco#items': disco('items', commentsOf(guid)),
    attachments: items(ALICE, { node: attachmentsOf(guid) }),
    attach: attach('romeo@else.test', '<noticed/>', guid),
    'attach nonsense': publish(attachmentsOf(guid), `<item id='x'><y xmlns='z'/></item>`),
    'retract attachments': retract(attachmentsOf(guid), 'romeo@else.test'),
    'subscribe to attachments': subscribe(attachmentsOf(guid), 'romeo@else.test'),
    'disco#info of attachments': disco('info', attachmentsOf(guid)),
    'disco#items of attachments': disco('items', attachmentsOf(guid)),
  });

  test.each(Object.keys(requests('')))('%s: a hidden post, a deleted one, a reshare, somebody else’s and one of nobody answer the same', async (name) => {
    const gone = await publishPost(stage.ctx, alice, { text: 'x', audience: { to: 'public' } });
    await deletePost(stage.ctx, alice, gone.guid);
    const root = await publishPost(stage.ctx, await stage.account('bob'), { text: 'y', audience: { to: 'public' } });
    const reshare = await resharePost(stage.ctx, alice, root.guid);
    const answers: string[] = [];
    for (const guid of [hidden.guid, gone.guid, reshare.guid, root.guid, UNKNOWN]) {
      const reply = await ask(ROMEO, requests(guid)[name]!);
      answers.push(String(reply.getChild('error')).replaceAll(guid, 'GUID'));
    }
    expect(answers[0]).toContain('item-not-found');
    expect(new Set(answers).size).toBe(1);
    expect(await actorByJid(stage.ctx, 'romeo@else.test')).toBeNull(); // nobody is made known by asking
  });

  test('the summary shows nothing of a hidden post', async () => {
    expect(idsOf(await ask(ROMEO, items(ALICE, { node: SUMMARY })))).toEqual([post.guid]);
    expect(idsOf(await ask(ROMEO, items(ALICE, { node: SUMMARY, ids: [hidden.guid, UNKNOWN] })))).toEqual([]);
    expect(pageOf(await ask(ROMEO, items(ALICE, { node: SUMMARY, set: '<max>1</max>' }))).count).toBe(1);
    expect(idsOf(await ask(OWNER, items(ALICE, { node: SUMMARY }))).length).toBe(2);
  });

  test('whoever is blocked is answered as by nobody', async () => {
    const romeo = await makeRemote(stage.ctx.store, 'romeo@else.test');
    await blockPerson(stage.ctx, alice, romeo.id);
    for (const iq of Object.values(requests(post.guid))) expect(await refusal(ROMEO, iq)).toBe('cancel service-unavailable');
    expect(await likers()).toEqual([]);
  });
});

describe('comments', () => {
  test('come under the id that was chosen, with the sender as publisher and author, whatever stands in them', async () => {
    const forged = entry('Me, too', `<author><name>Alice</name><uri>xmpp:${ALICE}</uri></author>`);
    expect(publishedId(await ask(ROMEO, publish(commentsOf(post.guid), `<item id='c0ffee-1' publisher='${ALICE}'>${forged}</item>`)))).toBe('c0ffee-1');
    const [item] = itemsIn(await ask(JULIET, items(ALICE, { node: commentsOf(post.guid) })));
    expect([item!.attrs.id, item!.attrs.publisher, item!.getChild('entry')!.getChild('author')!.getChildText('uri')]).toEqual(['c0ffee-1', 'romeo@else.test', 'xmpp:romeo@else.test']);
    expect(item!.getChild('entry')!.getChildText('title')).toBe('Me, too');
  });

  test('get an id when they have none, and an owner’s are the social address’s', async () => {
    const id = publishedId(await ask(OWNER, comment(null, 'mine')));
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(told(await ask(ROMEO, items(ALICE, { node: commentsOf(post.guid) })))).toEqual([[id, ALICE, 'mine']]);
  });

  test('are edited by their author under the same id, and by nobody else', async () => {
    await ask(ROMEO, comment('c0ffee-1', 'frist'));
    expect(publishedId(await ask(ROMEO, comment('c0ffee-1', 'first')))).toBe('c0ffee-1');
    for (const other of [JULIET, OWNER]) expect(await refusal(other, comment('c0ffee-1', 'forged'))).toBe('cancel conflict');
    expect(await refusal(JULIET, comment('c0ffee-1', '♥'))).toBe('cancel conflict');
    expect(told(await ask(ROMEO, items(ALICE, { node: commentsOf(post.guid) })))).toEqual([['c0ffee-1', 'romeo@else.test', 'first']]);
  });

  test('are retracted by their author or the post’s, and by nobody else', async () => {
    for (const id of ['one-12', 'two-12']) await ask(ROMEO, comment(id, id));
    expect(await refusal(JULIET, retract(commentsOf(post.guid), 'one-12'))).toBe('auth forbidden');
    await makeRemote(stage.ctx.store, 'juliet@else.test');
    expect(await refusal(JULIET, retract(commentsOf(post.guid), 'one-12'))).toBe('auth forbidden');
    expect((await ask(ROMEO, retract(commentsOf(post.guid), 'one-12'))).attrs.type).toBe('result');
    expect((await ask(OWNER, retract(commentsOf(post.guid), 'two-12'))).attrs.type).toBe('result');
    expect(idsOf(await ask(ROMEO, items(ALICE, { node: commentsOf(post.guid) })))).toEqual([]);
    expect(await refusal(ROMEO, retract(commentsOf(post.guid), 'one-12'))).toBe('cancel item-not-found');
    expect(await refusal(ROMEO, comment('one-12', 'again'))).toBe('cancel item-not-found');
  });

  test('are read page by page in both directions, likes among them', async () => {
    const all: string[] = [];
    const people = await Promise.all(['a', 'b', 'c'].map((name) => makeRemote(stage.ctx.store, `${name}@else.test`)));
    for (let n = 0; n < 9; n++) {
      if (n % 3 === 0) await likePost(stage.ctx, people[n / 3]!, post.guid, { itemId: `heart-${n}` });
      else await commentOn(stage.ctx, people[n % 3]!, post.guid, { text: `comment ${n}`, itemId: `item-${n}` });
      all.push(n % 3 === 0 ? `heart-${n}` : `item-${n}`);
      if (n % 2) stage.ctx.pass(1); // some in the same millisecond
    }
    const node = commentsOf(post.guid);
    const whole = idsOf(await ask(ROMEO, items(ALICE, { node })));
    expect([...whole].sort()).toEqual([...all].sort());
    expect(whole.filter((id) => id.startsWith('item'))).toEqual(all.filter((id) => id.startsWith('item')));
    const read = async (set: string) => {
      const answer = await ask(ROMEO, items(ALICE, { node, set }));
      return { ids: idsOf(answer), at: pageOf(answer) };
    };
    const newest: string[] = [];
    for (let set = '<max>2</max>'; ; ) {
      const { ids: page, at } = await read(set);
      expect(at.count).toBe(9);
      if (page.length === 0) break;
      expect(at.index).toBe(String(newest.length));
      newest.push(...page);
      set = `<max>2</max><after>${at.last}</after>`;
    }
    expect(newest).toEqual([...whole].reverse());
    const oldest: string[] = [];
    for (let set = '<max>4</max><before/>'; ; ) {
      const { ids: page, at } = await read(set);
      if (page.length === 0) break;
      oldest.unshift(...page);
      set = `<max>4</max><before>${at.first}</before>`;
    }
    expect(oldest).toEqual(newest);
    expect((await read('<max>3</max><index>4</index>')).ids).toEqual(newest.slice(4, 7));
    expect(await refusal(ROMEO, items(ALICE, { node, set: '<after>nothing</after>' }))).toBe('cancel item-not-found');
    expect(idsOf(await ask(ROMEO, pubsub('get', ALICE, `<items node='${node}' max_items='500'/>`)))).toEqual(whole);
    expect(idsOf(await ask(ROMEO, items(ALICE, { node, ids: ['item-1', 'heart-3', 'none'] })))).toEqual(['item-1', 'heart-3']);
    expect((await ask(ROMEO, disco('items', node))).getChild('query')!.getChildren('item').map(({ attrs }) => attrs.name).sort()).toEqual([...all].sort());
  });

  test.each<[string, string, (guid: string) => string, string]>([
    ['no payload', ROMEO, (guid) => publish(commentsOf(guid), `<item id='abcdef'/>`), 'modify bad-request payload-required'],
    ['no item', ROMEO, (guid) => publish(commentsOf(guid), ''), 'modify bad-request item-required'],
    ['two items', ROMEO, (guid) => publish(commentsOf(guid), `<item>${entry('a')}</item><item>${entry('b')}</item>`), 'modify bad-request max-items-exceeded'],
    ['something that is no entry', ROMEO, (guid) => publish(commentsOf(guid), `<item><x xmlns='urn:x'/></item>`), 'modify bad-request invalid-payload'],
    ['an empty entry', ROMEO, (guid) => publish(commentsOf(guid), `<item><entry xmlns='${ATOM}'/></item>`), 'modify bad-request invalid-payload'],
    ['too much', ROMEO, (guid) => publish(commentsOf(guid), `<item>${entry('x'.repeat(20_000))}</item>`), 'modify not-acceptable payload-too-big'],
    ['the reserved item 0', ROMEO, (guid) => comment('0', 'x', guid), 'modify bad-request invalid-payload'],
    ['a server without a name', 'else.test', (guid) => comment('abcdef', 'x', guid), 'auth forbidden'],
    ['options that ask for fewer readers', ROMEO, (guid) => publish(commentsOf(guid), `<item>${entry('a')}</item>`, `<publish-options><x xmlns='jabber:x:data' type='submit'><field var='pubsub#whitelist'><value>x</value></field></x></publish-options>`), 'cancel conflict precondition-not-met'],
    ['the end of nothing', ROMEO, (guid) => pubsub('set', ALICE, `<retract node='${commentsOf(guid)}'/>`), 'modify bad-request item-required'],
    ['a node to make', ROMEO, (guid) => pubsub('set', ALICE, `<create node='${commentsOf(guid)}'/>`), 'auth forbidden'],
    ['its configuration', ROMEO, (guid) => pubsub('get', ALICE, `<configure node='${commentsOf(guid)}'/>`, '#owner'), 'auth forbidden'],
    ['its subscribers', ROMEO, (guid) => pubsub('get', ALICE, `<subscriptions node='${commentsOf(guid)}'/>`, '#owner'), 'auth forbidden'],
    ['its end', ROMEO, (guid) => pubsub('set', ALICE, `<delete node='${commentsOf(guid)}'/>`, '#owner'), 'auth forbidden'],
    ['a subscription for somebody else', ROMEO, (guid) => subscribe(commentsOf(guid), 'juliet@else.test'), 'modify bad-request invalid-jid'],
    ['the end of no subscription', ROMEO, (guid) => pubsub('set', ALICE, `<unsubscribe node='${commentsOf(guid)}' jid='romeo@else.test'/>`), 'cancel unexpected-request not-subscribed'],
    ['its owner makes it', OWNER, (guid) => pubsub('set', ALICE, `<create node='${commentsOf(guid)}'/>`), 'cancel conflict'],
    ['its owner makes one of nobody', OWNER, () => pubsub('set', ALICE, `<create node='${commentsOf(UNKNOWN)}'/>`), 'cancel not-allowed'],
    ['its owner ends it', OWNER, (guid) => pubsub('set', ALICE, `<delete node='${commentsOf(guid)}'/>`, '#owner'), 'cancel not-allowed'],
    ['its owner empties it', OWNER, (guid) => pubsub('set', ALICE, `<purge node='${commentsOf(guid)}'/>`, '#owner'), 'cancel not-allowed'],
    ['its owner closes it', OWNER, (guid) => pubsub('set', ALICE, `<configure node='${commentsOf(guid)}'><x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'><value>whitelist</value></field></x></configure>`, '#owner'), 'cancel conflict'],
  ])('refused: %s', async (_, from, iq, expected) => {
    expect(await refusal(from, iq(post.guid))).toBe(expected);
  });

  test('disco tells that everybody may write, and its owner gets the form that says so', async () => {
    const form = (await ask(ROMEO, disco('info', commentsOf(post.guid)))).getChild('query')!.getChild('x')!;
    const field = (of: Element, name: string) => of.getChildren('field').find(({ attrs }) => attrs.var === name)?.getChildText('value');
    expect([field(form, 'pubsub#publish_model'), field(form, 'pubsub#access_model')]).toEqual(['open', 'open']);
    const settings = (await ask(OWNER, pubsub('get', ALICE, `<configure node='${commentsOf(post.guid)}'/>`, '#owner'))).getChild('pubsub')!.getChild('configure')!.getChild('x')!;
    expect(field(settings, 'pubsub#publish_model')).toBe('open');
  });

  test('the encoded name of the node is the node (Movim)', async () => {
    await ask(ROMEO, comment('c0ffee-1', 'hello'));
    const name = `urn%3Axmpp%3Amicroblog%3A0%3Acomments/${post.guid}`;
    const answer = await ask(ROMEO, items(ALICE, { node: name }));
    expect(answer.getChild('pubsub')!.getChild('items')!.attrs.node).toBe(name);
    expect(idsOf(answer)).toEqual(['c0ffee-1']);
  });

  test('the post’s entry names its comments node, in the form that Movim takes apart', async () => {
    const [item] = itemsIn(await ask(ROMEO, items(ALICE, { ids: [post.guid] })));
    const link = item!.getChild('entry')!.getChildren('link').find(({ attrs }) => attrs.rel === 'replies')!;
    expect(link.attrs).toEqual({ rel: 'replies', title: 'comments', href: `xmpp:${ALICE}?;node=${commentsOf(post.guid)}` });
    expect(link.attrs.href!.split('?')[1]!.slice(36)).toBe(post.guid); // as Movim does
  });

  test('somebody who may see a post for contacts may comment on it, and for how long', async () => {
    const romeo = await makeRemote(stage.ctx.store, 'romeo@else.test');
    await stage.ctx.store.transaction((tx) => tx.query('insert into relationships (actor_id, other_id, follower, following, added_at) values (?, ?, ?, ?, 0) on conflict (actor_id, other_id) do update set added_at = 0', [alice.actorId, romeo.id, 'none', 'none']));
    publishedId(await ask(ROMEO, comment('c0ffee-1', 'hello', hidden.guid)));
    expect(idsOf(await ask(ROMEO, items(ALICE, { node: commentsOf(hidden.guid) })))).toEqual(['c0ffee-1']);
    await stage.ctx.store.transaction((tx) => tx.query('update relationships set added_at = null where other_id = ?', [romeo.id]));
    for (const iq of [comment('c0ffee-1', 'changed', hidden.guid), retract(commentsOf(hidden.guid), 'c0ffee-1'), items(ALICE, { node: commentsOf(hidden.guid) })]) expect(await refusal(ROMEO, iq)).toBe('cancel item-not-found');
  });
});

describe('likes', () => {
  test('♥ is a like and no comment; a second one is the first', async () => {
    expect(publishedId(await ask(ROMEO, comment('heart-1', '♥')))).toBe('heart-1');
    expect(publishedId(await ask(ROMEO, comment('heart-2', '♥')))).toBe('heart-1');
    expect(await likers()).toEqual(['romeo']);
    expect(await listComments(stage.ctx, 'anonymous', post.guid, { limit: 9 })).toEqual([]);
    expect(told(await ask(JULIET, items(ALICE, { node: commentsOf(post.guid) })))).toEqual([['heart-1', 'romeo@else.test', '♥']]);
  });

  test('one person likes once, whichever ways it comes, and to retract one is to retract all', async () => {
    for (const last of ['heart', 'attachment', 'web']) {
      await ask(ROMEO, comment('heart-1', '♥'));
      await ask(ROMEO, attach('romeo@else.test', '<noticed/><reactions><reaction>🦖</reaction></reactions>'));
      const romeo = (await actorByJid(stage.ctx, 'romeo@else.test'))!;
      await likePost(stage.ctx, romeo, post.guid);
      expect(await likers()).toEqual(['romeo']);
      expect(idsOf(await ask(JULIET, items(ALICE, { node: attachmentsOf(post.guid) })))).toEqual(['romeo@else.test']);
      if (last === 'heart') await ask(ROMEO, retract(commentsOf(post.guid), 'heart-1'));
      if (last === 'attachment') await ask(ROMEO, retract(attachmentsOf(post.guid), 'romeo@else.test'));
      if (last === 'web') await unlikePost(stage.ctx, romeo, post.guid);
      expect(await likers()).toEqual([]);
      expect(idsOf(await ask(JULIET, items(ALICE, { node: commentsOf(post.guid) })))).toEqual([]);
      expect(idsOf(await ask(JULIET, items(ALICE, { node: attachmentsOf(post.guid) })))).toEqual([]);
      expect(String(await ask(JULIET, items(ALICE, { node: SUMMARY, ids: [post.guid] })))).not.toContain('count');
    }
  });

  test('a like from the web is a ♥ with the social address, and noticed', async () => {
    await likePost(stage.ctx, (await findActor(stage.ctx.store, alice.actorId))!, post.guid);
    const [heart] = told(await ask(ROMEO, items(ALICE, { node: commentsOf(post.guid) })));
    expect(heart!.slice(1)).toEqual([ALICE, '♥']);
    const [item] = itemsIn(await ask(ROMEO, items(ALICE, { node: attachmentsOf(post.guid) })));
    expect([item!.attrs.id, item!.attrs.publisher]).toEqual([ALICE, ALICE]);
    expect(item!.getChild('attachments', ATTACHMENTS)!.getChild('noticed')).toBeDefined();
  });

  test('nobody takes back another’s, but the post’s author', async () => {
    await ask(ROMEO, comment('heart-1', '♥'));
    expect(await refusal(JULIET, retract(commentsOf(post.guid), 'heart-1'))).toBe('auth forbidden');
    expect(await refusal(JULIET, retract(attachmentsOf(post.guid), 'romeo@else.test'))).toBe('auth forbidden');
    expect((await ask(OWNER, retract(commentsOf(post.guid), 'heart-1'))).attrs.type).toBe('result');
    expect(await likers()).toEqual([]);
  });
});

describe('attachments (XEP-0470)', () => {
  test('what is not known is kept, through likes and their ends', async () => {
    const rating = `<rating xmlns='urn:rate'>5</rating>`;
    const mine = async () => {
      const [item] = itemsIn(await ask(JULIET, items(ALICE, { node: attachmentsOf(post.guid), ids: ['romeo@else.test'] })));
      return item?.getChild('attachments')?.getChildElements().map((child) => child.getName());
    };
    publishedId(await ask(ROMEO, attach('romeo@else.test', rating)));
    expect(await likers()).toEqual([]);
    expect(await mine()).toEqual(['rating']);
    await ask(ROMEO, attach('romeo@else.test', `<noticed/><reactions><reaction>a</reaction></reactions>${rating}`));
    expect(await mine()).toEqual(['noticed', 'reactions', 'rating']);
    await unlikePost(stage.ctx, (await actorByJid(stage.ctx, 'romeo@else.test'))!, post.guid);
    expect(await mine()).toEqual(['rating']);
    await ask(ROMEO, comment('heart-1', '♥'));
    expect(await mine()).toEqual(['noticed', 'rating']);
    await ask(ROMEO, attach('romeo@else.test', ''));
    expect(await mine()).toBeUndefined();
    expect(await likers()).toEqual([]);
  });

  test('an owner finds hers under the address that she asks from, others under the social one', async () => {
    expect(publishedId(await ask(OWNER, attach('alice@chat.test', '<noticed/>')))).toBe('alice@chat.test');
    for (const set of [{ ids: ['alice@chat.test'] }, {}]) expect(idsOf(await ask(OWNER, items(ALICE, { node: attachmentsOf(post.guid), ...set })))).toEqual(['alice@chat.test']);
    expect(idsOf(await ask(ROMEO, items(ALICE, { node: attachmentsOf(post.guid) })))).toEqual([ALICE]);
    expect(idsOf(await ask(ROMEO, items(ALICE, { node: attachmentsOf(post.guid), ids: ['alice@chat.test'] })))).toEqual([]);
  });

  test('the summary counts people and reactions', async () => {
    await ask(ROMEO, attach('romeo@else.test', '<noticed/><reactions><reaction>🦖</reaction><reaction>🦖</reaction></reactions>'));
    await ask(JULIET, attach('juliet@else.test', '<reactions><reaction>🦖</reaction><reaction>🥁</reaction></reactions>'));
    await ask('paris@else.test/x', comment('heart-1', '♥'));
    const [item] = itemsIn(await ask(ROMEO, items(ALICE, { node: SUMMARY, ids: [post.guid] })));
    expect(String(item!.getChild('summary'))).toBe('<summary xmlns="urn:xmpp:pubsub-attachments:summary:1"><noticed count="2"/><reactions><reaction count="2">🦖</reaction><reaction>🥁</reaction></reactions></summary>');
    expect(await likers()).toEqual(['juliet', 'paris', 'romeo']);
  });

  test('the service says that it does all this', async () => {
    const features = (await ask(ROMEO, `<iq type='get' to='${ALICE}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`)).getChild('query')!.getChildren('feature').map(({ attrs }) => attrs.var);
    expect(features).toContain(ATTACHMENTS);
  });

  test('publish-options are ignored, as the XEP wants', async () => {
    const options = `<publish-options><x xmlns='jabber:x:data' type='submit'><field var='pubsub#persist_items'><value>false</value></field></x></publish-options>`;
    publishedId(await ask(ROMEO, publish(attachmentsOf(post.guid), `<item id='romeo@else.test'>${attached('<noticed/>')}</item>`, options)));
  });

  test('the node may be named with or without percent signs', async () => {
    await ask(ROMEO, attach('romeo@else.test', '<noticed/>'));
    expect(idsOf(await ask(ROMEO, items(ALICE, { node: `${ATTACHMENTS}/xmpp:${ALICE}?;node=urn:xmpp:microblog:0;item=${post.guid}` })))).toEqual(['romeo@else.test']);
  });

  test.each<[string, string, (guid: string) => string, string]>([
    ['the item of another', ROMEO, (guid) => attach('juliet@else.test', '<noticed/>', guid), 'modify bad-request invalid-payload'],
    ['an item without id', ROMEO, (guid) => publish(attachmentsOf(guid), `<item>${attached('<noticed/>')}</item>`), 'modify bad-request invalid-payload'],
    ['a full JID as id', ROMEO, (guid) => attach('romeo@else.test/x', '<noticed/>', guid), 'modify bad-request invalid-payload'],
    ['another root', ROMEO, (guid) => publish(attachmentsOf(guid), `<item id='romeo@else.test'><noticed xmlns='${ATTACHMENTS}'/></item>`), 'modify bad-request invalid-payload'],
    ['another namespace', ROMEO, (guid) => publish(attachmentsOf(guid), `<item id='romeo@else.test'><attachments xmlns='urn:x'/></item>`), 'modify bad-request invalid-payload'],
    ['no namespace of its own', ROMEO, (guid) => publish(attachmentsOf(guid), `<item id='romeo@else.test'><attachments><noticed/></attachments></item>`), 'modify bad-request invalid-payload'],
    ['too much', ROMEO, (guid) => attach('romeo@else.test', `<x xmlns='urn:x'>${'y'.repeat(9_000)}</x>`, guid), 'modify not-acceptable payload-too-big'],
    ['a node to make', ROMEO, (guid) => pubsub('set', ALICE, `<create node='${attachmentsOf(guid)}'/>`), 'cancel not-allowed'],
    ['a node to make, by its owner', OWNER, (guid) => pubsub('set', ALICE, `<create node='${attachmentsOf(guid)}'/>`), 'cancel not-allowed'],
    ['a summary to make, by its owner', OWNER, () => pubsub('set', ALICE, `<create node='${SUMMARY}'/>`), 'cancel not-allowed'],
    ['a summary to publish', ROMEO, (guid) => publish(SUMMARY, `<item id='${guid}'><summary xmlns='urn:xmpp:pubsub-attachments:summary:1'/></item>`), 'auth forbidden'],
    ['a summary to publish, by its owner', OWNER, (guid) => publish(SUMMARY, `<item id='${guid}'><summary xmlns='urn:xmpp:pubsub-attachments:summary:1'/></item>`), 'auth forbidden'],
    ['a summary to retract', OWNER, (guid) => retract(SUMMARY, guid), 'auth forbidden'],
    ['an item that is not there', ROMEO, (guid) => retract(attachmentsOf(guid), 'nobody@else.test'), 'cancel item-not-found'],
    ['the attachments of somebody else’s item', ROMEO, (guid) => items(ALICE, { node: `${ATTACHMENTS}/xmpp:bob@social.test?;node=urn%3Axmpp%3Amicroblog%3A0;item=${guid}` }), 'cancel item-not-found'],
    ['the attachments of another node', ROMEO, (guid) => items(ALICE, { node: `${ATTACHMENTS}/xmpp:${ALICE}?;node=urn:other;item=${guid}` }), 'cancel item-not-found'],
    ['nonsense', ROMEO, () => items(ALICE, { node: `${ATTACHMENTS}/nonsense` }), 'cancel item-not-found'],
  ])('refused: %s', async (_, from, iq, expected) => {
    expect(await refusal(from, iq(post.guid))).toBe(expected);
  });
});

describe('those who subscribed hear', () => {
  const all = async (jid: string, from: string) => {
    for (const node of [commentsOf(post.guid), attachmentsOf(post.guid), SUMMARY]) expect((await ask(from, subscribe(node, jid))).attrs.type).toBe('result');
  };

  test('of comments, edits and ends, in the order in which they came', async () => {
    await all('juliet@else.test', JULIET);
    await ask(ROMEO, comment('c0ffee-1', 'one'));
    expect(await events()).toEqual(['juliet@else.test microblog:0:comments +c0ffee-1']);
    await ask(ROMEO, comment('c0ffee-1', 'two'));
    expect(await events()).toEqual(['juliet@else.test microblog:0:comments +c0ffee-1']);
    await ask(OWNER, retract(commentsOf(post.guid), 'c0ffee-1'));
    expect(await events()).toEqual(['juliet@else.test microblog:0:comments -c0ffee-1']);
  });

  test('of a like in all its forms, and of its end', async () => {
    await all('juliet@else.test', JULIET);
    await ask(ROMEO, comment('heart-1', '♥'));
    expect((await events()).sort()).toEqual(['juliet@else.test microblog:0:comments +heart-1', 'juliet@else.test pubsub-attachments:1 +romeo@else.test', 'juliet@else.test pubsub-attachments:summary:1 +POST']);
    await ask(ROMEO, attach('romeo@else.test', '<noticed/><reactions><reaction>a</reaction></reactions>'));
    expect(await events()).toContain('juliet@else.test pubsub-attachments:summary:1 +POST');
    await ask(ROMEO, retract(attachmentsOf(post.guid), 'romeo@else.test'));
    expect((await events()).sort()).toEqual(['juliet@else.test microblog:0:comments -heart-1', 'juliet@else.test pubsub-attachments:1 -romeo@else.test', 'juliet@else.test pubsub-attachments:summary:1 +POST']);
  });

  test('a like that came as an attachment is a ♥ for those who know no attachments', async () => {
    await all('juliet@else.test', JULIET);
    await ask(ROMEO, attach('romeo@else.test', '<noticed/>'));
    expect((await events()).map((line) => line.split(' ')[1]).sort()).toEqual(['microblog:0:comments', 'pubsub-attachments:1', 'pubsub-attachments:summary:1']);
  });

  test('of the same thing twice nothing', async () => {
    await all('juliet@else.test', JULIET);
    await ask(ROMEO, attach('romeo@else.test', '<noticed/>'));
    await events();
    await ask(ROMEO, attach('romeo@else.test', '<noticed/>'));
    await ask(ROMEO, comment('heart-1', '♥'));
    expect(await events()).toEqual([]);
  });

  test('of the end of the post, after which their subscriptions are gone', async () => {
    await all('juliet@else.test', JULIET);
    await deletePost(stage.ctx, alice, post.guid);
    expect((await events()).sort()).toEqual(['juliet@else.test microblog:0:comments deleted', 'juliet@else.test pubsub-attachments:1 deleted', 'juliet@else.test pubsub-attachments:summary:1 -POST']);
    expect(await stage.ctx.store.query('select node from subscriptions')).toEqual([{ node: SUMMARY }]);
  });

  test('nothing any more once the post is not for them, or they are blocked', async () => {
    await all('juliet@else.test', JULIET);
    const juliet = (await actorByJid(stage.ctx, 'juliet@else.test'))!;
    await ask(ROMEO, comment('c0ffee-1', 'one'));
    await blockPerson(stage.ctx, alice, juliet.id);
    expect(await events()).toEqual([]);
  });

  test('nothing of what was taken back before it went out but its end', async () => {
    await all('juliet@else.test', JULIET);
    await ask(ROMEO, comment('c0ffee-1', 'one'));
    await ask(ROMEO, retract(commentsOf(post.guid), 'c0ffee-1'));
    expect(await events()).toEqual(['juliet@else.test microblog:0:comments -c0ffee-1']);
  });

  test('and are no followers: nothing of the author’s posts', async () => {
    await all('juliet@else.test', JULIET);
    await events();
    await publishPost(stage.ctx, alice, { text: 'another', audience: { to: 'public' } });
    expect(await events()).toEqual([]);
    expect(await stage.ctx.store.query("select 1 from relationships where follower <> 'none'")).toEqual([]);
  });

  test('until they say no more, even after the post was hidden from them', async () => {
    await all('juliet@else.test', JULIET);
    await deletePost(stage.ctx, alice, post.guid);
    expect((await ask(JULIET, pubsub('set', ALICE, `<unsubscribe node='${commentsOf(post.guid)}' jid='juliet@else.test'/>`))).attrs.type).toBe('result');
    expect((await ask(JULIET, pubsub('get', ALICE, '<subscriptions/>'))).getChild('pubsub')!.getChild('subscriptions')!.getChildren('subscription').map(({ attrs }) => attrs.node)).not.toContain(commentsOf(post.guid));
  });
});
