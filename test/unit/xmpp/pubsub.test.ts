import type { Account } from '../../../src/domain/account.js';
import { changeDefaultAudience, createAspect, removeAspect } from '../../../src/services/aspects.js';
import { deletePost, publishPost } from '../../../src/services/publish.js';
import { blockPerson } from '../../../src/services/relationships.js';
import { findOwnPost } from '../../../src/store/posts.js';
import { upsertSubscription } from '../../../src/store/xmpp.js';
import { parseStanza } from '../../../src/xml.js';
import { makeRemote } from '../../support/people.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';
import { idsOf, items, MICROBLOG, pageOf, pubsub, STREAMS } from '../../support/follow.js';
import { type Element, StanzaError } from '../../support/xmpp-client.js';

const OWNER = 'alice@chat.test/phone';
const STRANGER = 'romeo@else.test/x';
const ALICE = 'alice@social.test';
const ENTRY = `<entry xmlns='http://www.w3.org/2005/Atom'><title>hello</title></entry>`;
const DATA = 'jabber:x:data';
const form = (type: string, fields: Record<string, string>, kind = 'submit') =>
  `<x xmlns='${DATA}' type='${kind}'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#${type}</value></field>${Object.entries(fields)
    .map(([name, value]) => `<field var='pubsub#${name}'><value>${value}</value></field>`)
    .join('')}</x>`;

let stage: Stage;
let alice: Account & { jid: string };
beforeEach(async () => {
  stage = await openStage();
  alice = await stage.account('alice');
});
afterEach(() => stage.close());

let ids = 0;
/** The one reply to a request. */
const ask = async (from: string, iq: string): Promise<Element> => {
  const stanza = parseStanza(iq);
  Object.assign(stanza.attrs, { from, id: `r${++ids}` });
  const replies = (await stage.receive(stanza)).filter((one) => one.name === 'iq');
  expect(replies.map(({ attrs }) => [attrs.id, attrs.from, attrs.to])).toEqual([[`r${ids}`, stanza.attrs.to, from]]);
  return replies[0] as unknown as Element;
};
const refusal = async (from: string, iq: string): Promise<string> => {
  const reply = await ask(from, iq);
  if (reply.attrs.type !== 'error') return `result ${reply}`;
  const { type, condition, extra } = new StanzaError(reply);
  return [type, condition, ...extra].join(' ');
};
const publish = (item: string, more = '', node = MICROBLOG) => pubsub('set', ALICE, `<publish node='${node}'>${item}</publish>${more}`);
const options = (fields: Record<string, string>) => `<publish-options>${form('publish-options', fields)}</publish-options>`;
const publishedId = (reply: Element) => reply.getChild('pubsub')!.getChild('publish')!.getChild('item')!.attrs.id!;
const audienceOf = async (guid: string) => (await stage.ctx.store.query<{ audience: string }>('select audience from posts where guid = ?', [guid]))[0]!.audience;

describe('each refusal has its condition', () => {
  test.each<[string, string, string]>([
    ['a node that does not exist', items(ALICE, { node: 'urn:none' }), 'cancel item-not-found'],
    ['items without a node', pubsub('get', ALICE, '<items/>'), 'modify bad-request nodeid-required'],
    ['an empty request', pubsub('get', ALICE, ''), 'modify bad-request'],
    ['a verb of no standard', pubsub('get', ALICE, '<dance/>'), 'cancel feature-not-implemented unsupported'],
    ['max_items of nonsense', pubsub('get', ALICE, `<items node='${MICROBLOG}' max_items='-1'/>`), 'modify bad-request'],
    ['a page after an unknown item', items(ALICE, { set: '<after>01a1fdf6041b774f9e0fe38edcb122d9</after>' }), 'cancel item-not-found'],
    ['a page after an injection', items(ALICE, { set: "<after>' or 1=1 --</after>" }), 'cancel item-not-found'],
    ['a page in two directions', items(ALICE, { set: '<after>a</after><before>b</before>' }), 'modify bad-request'],
    ['a page of nonsense length', items(ALICE, { set: '<max>many</max>' }), 'modify bad-request'],
    ['a page of negative length', items(ALICE, { set: '<max>-1</max>' }), 'modify bad-request'],
    ['an index past the end', items(ALICE, { set: '<index>7</index><max>2</max>' }), 'cancel item-not-found'],
    ['an index far away', items(ALICE, { set: '<index>9223372036</index>' }), 'cancel feature-not-implemented'],
    ['a subscription for someone else', pubsub('set', ALICE, `<subscribe node='${MICROBLOG}' jid='juliet@else.test'/>`), 'modify bad-request invalid-jid'],
    ['a subscription for nobody', pubsub('set', ALICE, `<subscribe node='${MICROBLOG}'/>`), 'modify bad-request invalid-jid'],
    ['a subscription to no node', pubsub('set', ALICE, `<subscribe jid='romeo@else.test'/>`), 'modify bad-request nodeid-required'],
    ['the end of a subscription that is not there', pubsub('set', ALICE, `<unsubscribe node='${MICROBLOG}' jid='romeo@else.test'/>`), 'cancel unexpected-request not-subscribed'],
    ['options of a subscription that is not there', pubsub('get', ALICE, `<options node='${MICROBLOG}' jid='romeo@else.test'/>`), 'cancel unexpected-request not-subscribed'],
    ['publishing', publish(`<item>${ENTRY}</item>`), 'auth forbidden'],
    ['retracting', pubsub('set', ALICE, `<retract node='${MICROBLOG}'><item id='x'/></retract>`), 'auth forbidden'],
    ['creating', pubsub('set', ALICE, `<create node='urn:new'/>`), 'auth forbidden'],
    ['reading the configuration', pubsub('get', ALICE, `<configure node='${MICROBLOG}'/>`, '#owner'), 'auth forbidden'],
    ['configuring', pubsub('set', ALICE, `<configure node='${MICROBLOG}'>${form('node_config', {})}</configure>`, '#owner'), 'auth forbidden'],
    ['the default configuration', pubsub('get', ALICE, '<default/>', '#owner'), 'auth forbidden'],
    ['deleting', pubsub('set', ALICE, `<delete node='${MICROBLOG}'/>`, '#owner'), 'auth forbidden'],
    ['purging', pubsub('set', ALICE, `<purge node='${MICROBLOG}'/>`, '#owner'), 'auth forbidden'],
    ['the list of subscribers', pubsub('get', ALICE, `<subscriptions node='${MICROBLOG}'/>`, '#owner'), 'auth forbidden'],
    ['the list of affiliations', pubsub('get', ALICE, `<affiliations node='${MICROBLOG}'/>`, '#owner'), 'auth forbidden'],
    ['another node’s configuration', pubsub('get', ALICE, `<configure node='urn:none'/>`, '#owner'), 'cancel item-not-found'],
    ['a vCard to set', `<iq type='set' to='${ALICE}'><vCard xmlns='vcard-temp'/></iq>`, 'auth forbidden'],
    ['a payload of no standard', `<iq type='get' to='${ALICE}'><q xmlns='urn:none'/></iq>`, 'cancel service-unavailable'],
    ['no payload', `<iq type='get' to='${ALICE}'/>`, 'modify bad-request'],
    ['two payloads', `<iq type='get' to='${ALICE}'><ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/></iq>`, 'modify bad-request'],
    ['an unknown kind of IQ', `<iq type='dance' to='${ALICE}'><ping xmlns='urn:xmpp:ping'/></iq>`, 'modify bad-request'],
  ])('a stranger who asks for %s', async (_, iq, expected) => {
    expect(await refusal(STRANGER, iq)).toBe(expected);
  });

  test.each<[string, string, string]>([
    ['a publication without item', publish(''), 'modify bad-request item-required'],
    ['one without payload', publish('<item/>'), 'modify bad-request payload-required'],
    ['two items at once', publish(`<item>${ENTRY}</item><item>${ENTRY}</item>`), 'modify bad-request max-items-exceeded'],
    ['an item with two payloads', publish(`<item>${ENTRY}${ENTRY}</item>`), 'modify bad-request invalid-payload'],
    ['something that is no entry', publish(`<item><thing xmlns='urn:x'/></item>`), 'modify bad-request invalid-payload'],
    ['Movim’s empty test entry', publish(`<item id='test_post'><entry xmlns='http://www.w3.org/2005/Atom'/></item>`), 'modify bad-request invalid-payload'],
    ['more than fits', publish(`<item><entry xmlns='http://www.w3.org/2005/Atom'><title>long</title><content type='text'>${'x'.repeat(70_000)}</content></entry></item>`), 'modify not-acceptable payload-too-big'],
    ['the reserved item 0', publish(`<item id='0'>${ENTRY}</item>`), 'modify bad-request invalid-payload'],
    ['a post for named people', publish(`<item><entry xmlns='http://www.w3.org/2005/Atom'><title>x</title><acl-rule xmlns='http://onesocialweb.org/spec/1.0/'><acl-action permission='http://onesocialweb.org/spec/1.0/acl/permission/grant'>http://onesocialweb.org/spec/1.0/acl/action/view</acl-action><acl-subject type='http://onesocialweb.org/spec/1.0/acl/subject/person'>romeo@else.test</acl-subject></acl-rule></entry></item>`), 'modify not-acceptable'],
    ['an option that cannot be met', publish(`<item>${ENTRY}</item>`, options({ persist_items: 'false' })), 'cancel conflict precondition-not-met'],
    ['an unknown access model', publish(`<item>${ENTRY}</item>`, options({ access_model: 'secret' })), 'cancel conflict precondition-not-met'],
    ['a list of readers', publish(`<item>${ENTRY}</item>`, options({ roster_groups_allowed: 'Friends' })), 'cancel conflict precondition-not-met'],
    ['options of another form', publish(`<item>${ENTRY}</item>`, `<publish-options>${form('node_config', {})}</publish-options>`), 'modify bad-request'],
    ['JSON that is none', publish(`<item><json xmlns='urn:xmpp:json:0'>{</json></item>`, '', STREAMS), 'modify bad-request invalid-payload'],
    ['the end of an item that is not there', pubsub('set', ALICE, `<retract node='${MICROBLOG}'><item id='nothing'/></retract>`), 'cancel item-not-found'],
    ['the end of no item', pubsub('set', ALICE, `<retract node='${MICROBLOG}'/>`), 'modify bad-request item-required'],
    ['a node that is there already', pubsub('set', ALICE, `<create node='${MICROBLOG}'/>`), 'cancel conflict'],
    ['a node of her own', pubsub('set', ALICE, `<create node='urn:xmpp:pubsub-attachments:1/x'/><configure/>`), 'cancel not-allowed'],
    ['a closed node', pubsub('set', ALICE, `<configure node='${MICROBLOG}'>${form('node_config', { access_model: 'whitelist' })}</configure>`, '#owner'), 'cancel conflict'],
    ['a node deleted', pubsub('set', ALICE, `<delete node='${MICROBLOG}'/>`, '#owner'), 'cancel not-allowed'],
    ['a node purged', pubsub('set', ALICE, `<purge node='${MICROBLOG}'/>`, '#owner'), 'cancel not-allowed'],
    ['another owner', pubsub('set', ALICE, `<affiliations node='${MICROBLOG}'><affiliation jid='x@y.test' affiliation='owner'/></affiliations>`, '#owner'), 'cancel not-allowed'],
    ['a picture that is none', publish(`<item id='x'><data xmlns='urn:xmpp:avatar:data'>aGVsbG8=</data></item>`, '', 'urn:xmpp:avatar:data'), 'modify bad-request'],
  ])('an owner who asks for %s', async (_, iq, expected) => {
    expect(await refusal(OWNER, iq)).toBe(expected);
  });

  test('only the mapped chat address is an owner', async () => {
    await makeRemote(stage.ctx.store, 'alice@else.test');
    for (const from of ['alice@else.test/x', 'bob@chat.test/x', 'chat.test', 'alice@chat.test.else.test/x']) expect(await refusal(from, publish(`<item>${ENTRY}</item>`))).toBe('auth forbidden');
    expect(await stage.ctx.store.query('select guid from posts')).toEqual([]);
  });
});

describe('who does not exist', () => {
  const questions = [
    items('NAME@social.test'),
    items('NAME@social.test', { node: 'urn:none' }),
    pubsub('set', 'NAME@social.test', `<subscribe node='${MICROBLOG}' jid='romeo@else.test'/>`),
    pubsub('get', 'NAME@social.test', `<configure node='${MICROBLOG}'/>`, '#owner'),
    `<iq type='get' to='NAME@social.test'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
    `<iq type='get' to='NAME@social.test'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>`,
    `<iq type='get' to='NAME@social.test/social'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
    `<iq type='get' to='NAME@social.test'><vCard xmlns='vcard-temp'/></iq>`,
    `<iq type='get' to='NAME@social.test'><ping xmlns='urn:xmpp:ping'/></iq>`,
    `<iq type='get' to='NAME@social.test'><query xmlns='jabber:iq:last'/></iq>`,
    `<iq type='get' to='NAME@social.test'><query xmlns='jabber:iq:version'/></iq>`,
    `<iq type='get' to='NAME@social.test'><q xmlns='urn:none'/></iq>`,
  ];

  test('answers exactly as one who has blocked the asker', async () => {
    const romeo = await makeRemote(stage.ctx.store, 'romeo@else.test');
    await publishPost(stage.ctx, alice, { text: 'not for romeo' });
    await blockPerson(stage.ctx, alice, romeo.id);
    await stage.runJobs();
    stage.take();
    for (const question of questions) {
      const answers = [];
      for (const name of ['alice', 'nobody']) answers.push(String(await ask(STRANGER, question.replaceAll('NAME', name))).replaceAll(name, 'NAME').replace(/ id="r\d+"/, ''));
      expect(answers[0]).toBe(answers[1]);
      expect(answers[0]).toContain('service-unavailable');
    }
    for (const name of ['alice', 'nobody']) {
      const presence = await stage.receive(`<presence type='subscribe' from='romeo@else.test' to='${name}@social.test'/>`);
      expect(presence.map(String)).toEqual([`<presence type="unsubscribed" from="${name}@social.test" to="romeo@else.test"/>`]);
      const probe = await stage.receive(`<presence type='probe' from='romeo@else.test' to='${name}@social.test'/>`);
      expect(probe.map(String)).toEqual([`<presence type="unsubscribed" from="${name}@social.test" to="romeo@else.test"/>`]);
      const message = await stage.receive(`<message type='chat' id='m' from='romeo@else.test/x' to='${name}@social.test'><body>are you there?</body></message>`);
      expect(message.map(String).join()).toContain('service-unavailable');
    }
  });
});

describe('an owner’s client', () => {
  test('publishes under its own item id, edits and retracts by it, and is told ours', async () => {
    const first = publishedId(await ask(OWNER, publish(`<item id='my-first'>${ENTRY}</item>`)));
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    const edited = `<entry xmlns='http://www.w3.org/2005/Atom'><title>changed</title></entry>`;
    expect(publishedId(await ask(OWNER, publish(`<item id='my-first'>${edited}</item>`)))).toBe(first);
    expect(publishedId(await ask(OWNER, publish(`<item id='${first}'>${edited}</item>`)))).toBe(first);
    for (const id of ['my-first', first]) expect(idsOf(await ask(OWNER, items(ALICE, { ids: [id] })))).toEqual([first]);
    expect(idsOf(await ask(STRANGER, items(ALICE, { ids: ['my-first'] })))).toEqual([]);
    expect((await ask(OWNER, pubsub('set', ALICE, `<retract node='${MICROBLOG}'><item id='my-first'/></retract>`))).attrs.type).toBe('result');
    expect(await refusal(OWNER, pubsub('set', ALICE, `<retract node='${MICROBLOG}'><item id='${first}'/></retract>`))).toBe('cancel item-not-found');
    const second = publishedId(await ask(OWNER, publish(`<item id='my-first'>${ENTRY}</item>`)));
    expect(second).not.toBe(first);
  });

  test('publishes without an item id, and in Activity Streams 2.0', async () => {
    const plain = publishedId(await ask(OWNER, publish(`<item>${ENTRY}</item>`)));
    const note = JSON.stringify({ '@context': 'https://www.w3.org/ns/activitystreams', type: 'Note', content: '<p>in <b>JSON</b></p>' }).replaceAll('<', '&lt;');
    const json = publishedId(await ask(OWNER, publish(`<item><json xmlns='urn:xmpp:json:0'>${note}</json></item>`, '', STREAMS)));
    expect(idsOf(await ask(STRANGER, items(ALICE)))).toEqual([plain, json]);
    expect(idsOf(await ask(STRANGER, items(ALICE, { node: STREAMS })))).toEqual([plain, json]);
  });

  test('the name of an Article and its tags are in the post', async () => {
    const note = JSON.stringify({ type: 'Article', name: 'Spring', content: 'It rains', tag: { type: 'Hashtag', name: '#garden' } });
    const id = publishedId(await ask(OWNER, publish(`<item><json xmlns='urn:xmpp:json:0'>${note}</json></item>`, '', STREAMS)));
    const [item] = (await ask(STRANGER, items(ALICE, { ids: [id] }))).getChild('pubsub')!.getChild('items')!.getChildren('item');
    const entry = item!.getChild('entry')!;
    expect([entry.getChildText('title'), entry.getChild('category')?.attrs.term]).toEqual(['Spring', 'garden']);
    expect(entry.getChildText('content')).toBe('# Spring\n\nIt rains\n\n#garden');
  });

  test.each<[string, Record<string, string> | null, string]>([
    ['nothing', null, 'public'],
    ['open', { access_model: 'open' }, 'public'],
    ['presence', { access_model: 'presence' }, 'contacts'],
    ['roster', { access_model: 'roster' }, 'contacts'],
    ['whitelist', { access_model: 'whitelist' }, 'contacts'],
    ['authorize', { access_model: 'authorize' }, 'contacts'],
    ['what Movim sends', { persist_items: 'true', max_items: 'max', itemreply: 'publisher', notify_sub: 'true', notify_retract: 'true' }, 'public'],
  ])('who says %s gets the audience that it stands for', async (_, fields, audience) => {
    const id = publishedId(await ask(OWNER, publish(`<item>${ENTRY}</item>`, fields ? options(fields) : '')));
    expect(await audienceOf(id)).toBe(audience);
  });

  describe('a group is the aspect of that name', () => {
    const OSW = 'http://onesocialweb.org/spec/1.0/';
    const forGroups = (title: string, ...names: string[]) =>
      `<entry xmlns='http://www.w3.org/2005/Atom'><title>${title}</title><acl-rule xmlns='${OSW}'><acl-action permission='${OSW}acl/permission/grant'>${OSW}acl/action/view</acl-action>${names.map((name) => `<acl-subject type='${OSW}acl/subject/group'>${name}</acl-subject>`).join('')}</acl-rule></entry>`;
    const aspectsOf = async (guid: string) => (await findOwnPost(stage.ctx.store, alice.actorId, guid))!.audience;
    let family: number;
    let choir: number;
    beforeEach(async () => {
      family = (await createAspect(stage.ctx, alice, 'Family')).id;
      choir = (await createAspect(stage.ctx, alice, 'Chœur d’été')).id;
      await createAspect(stage.ctx, await stage.account('bob'), 'Work');
    });

    test('whatever the case of its letters; several are several', async () => {
      const one = publishedId(await ask(OWNER, publish(`<item>${forGroups('one', 'FAMILY')}</item>`)));
      const both = publishedId(await ask(OWNER, publish(`<item>${forGroups('both', ' family ', 'CHŒUR D’ÉTÉ')}</item>`, options({ access_model: 'open' }))));
      expect([await aspectsOf(one), await aspectsOf(both)]).toEqual([
        { to: 'aspects', aspectIds: [family] },
        { to: 'aspects', aspectIds: [family, choir] },
      ]);
    });

    test.each([[['Strangers']], [['Family', 'Strangers']], [['Work']], [['limited']], [['Contacts']]])('%j, which she has not, is refused, and nothing is posted', async (names) => {
      expect(await refusal(OWNER, publish(`<item>${forGroups('x', ...names)}</item>`))).toBe('modify not-acceptable');
      expect(idsOf(await ask(OWNER, items(ALICE)))).toEqual([]);
    });

    test('its entry names no aspect, and sent back it is an edit for the same people', async () => {
      const id = publishedId(await ask(OWNER, publish(`<item>${forGroups('one', 'Family')}</item>`)));
      const answer = await ask(OWNER, items(ALICE, { ids: [id] }));
      expect(String(answer)).not.toContain('Family');
      const entry = answer.getChild('pubsub')!.getChild('items')!.getChild('item')!.getChild('entry')!;
      await ask(OWNER, publish(`<item id='${id}'>${String(entry).replaceAll('>one<', '>two<')}</item>`));
      expect((await findOwnPost(stage.ctx.store, alice.actorId, id))!.markdown).toBe('two');
      expect(await aspectsOf(id)).toEqual({ to: 'aspects', aspectIds: [family] });
    });

    test('an edit changes no audience, and one for fewer is refused', async () => {
      const id = publishedId(await ask(OWNER, publish(`<item>${forGroups('one', 'Family', 'Chœur d’été')}</item>`)));
      const contacts = publishedId(await ask(OWNER, publish(`<item>${ENTRY}</item>`, options({ access_model: 'roster' }))));
      for (const item of [id, contacts]) expect(await refusal(OWNER, publish(`<item id='${item}'>${forGroups('two', 'Family')}</item>`))).toBe('cancel conflict precondition-not-met');
      expect(await refusal(OWNER, publish(`<item id='${contacts}'>${forGroups('two', 'limited')}</item>`))).toBe('modify not-acceptable');
      await ask(OWNER, publish(`<item id='${id}'>${ENTRY}</item>`));
      expect(await aspectsOf(id)).toEqual({ to: 'aspects', aspectIds: [family, choir] });
    });

    test('a default of aspects that are all gone is refused, never widened', async () => {
      await changeDefaultAudience(stage.ctx, alice, { to: 'aspects', aspectIds: [family] });
      expect(await audienceOf(publishedId(await ask(OWNER, publish(`<item>${ENTRY}</item>`))))).toBe('aspects');
      await removeAspect(stage.ctx, alice, family);
      expect(await refusal(OWNER, publish(`<item>${ENTRY}</item>`))).toBe('modify not-acceptable');
    });
  });

  test('an edit never makes believe that fewer can read', async () => {
    const id = publishedId(await ask(OWNER, publish(`<item>${ENTRY}</item>`, options({ access_model: 'open' }))));
    expect(await refusal(OWNER, publish(`<item id='${id}'>${ENTRY}</item>`, options({ access_model: 'whitelist' })))).toBe('cancel conflict precondition-not-met');
  });

  test('always gets a configuration form, and may send it back', async () => {
    const configuration = await ask(OWNER, pubsub('get', ALICE, `<configure node='${MICROBLOG}'/>`, '#owner'));
    const given = configuration.getChild('pubsub')!.getChild('configure')!.getChild('x')!;
    given.attrs.type = 'submit';
    expect((await ask(OWNER, pubsub('set', ALICE, `<configure node='${MICROBLOG}'>${given}</configure>`, '#owner'))).attrs.type).toBe('result');
    expect((await ask(OWNER, pubsub('set', ALICE, `<configure node='${MICROBLOG}'><x xmlns='${DATA}' type='cancel'/></configure>`, '#owner'))).attrs.type).toBe('result');
    expect((await ask(OWNER, pubsub('get', ALICE, '<default/>', '#owner'))).attrs.type).toBe('result');
  });

  test('changes her name and summary by nickname and vCard', async () => {
    await ask(OWNER, publish(`<item id='current'><nick xmlns='http://jabber.org/protocol/nick'>Alice in Chains</nick></item>`, '', 'http://jabber.org/protocol/nick'));
    const vcard = await ask(STRANGER, `<iq type='get' to='${ALICE}'><vCard xmlns='vcard-temp'/></iq>`);
    expect(vcard.getChild('vCard')!.getChildText('FN')).toBe('Alice in Chains');
    await ask(OWNER, publish(`<item id='current'><vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Alice</text></fn><note><text>Tea</text></note></vcard></item>`, '', 'urn:xmpp:vcard4'));
    const [profile] = (await ask(STRANGER, items(ALICE, { node: 'urn:xmpp:vcard4' }))).getChild('pubsub')!.getChild('items')!.getChildren('item');
    expect(String(profile)).toContain('<fn><text>Alice</text></fn>');
    expect(String(profile)).toContain('<note><text>Tea</text></note>');
  });
});

describe('reading', () => {
  let guids: string[];
  beforeEach(async () => {
    guids = [];
    for (let i = 1; i <= 7; i++) {
      guids.push((await publishPost(stage.ctx, alice, { text: `post ${i}` })).guid);
      stage.ctx.pass(1);
    }
  });
  const newest = () => [...guids].reverse();
  const page = async (set: string) => {
    const answer = await ask(STRANGER, items(ALICE, { set }));
    return { ids: idsOf(answer), page: pageOf(answer) };
  };

  test('plain: the newest, the oldest of them first, and where one is', async () => {
    const answer = await ask(STRANGER, pubsub('get', ALICE, `<items node='${MICROBLOG}' max_items='3'/>`));
    expect(idsOf(answer)).toEqual(guids.slice(4));
    expect(pageOf(answer)).toEqual({ count: 7, first: guids[6], last: guids[4], index: '0' });
  });

  test('from the newest to the oldest by RSM, page by page', async () => {
    const all = [];
    let set = '<max>3</max>';
    for (;;) {
      const { ids, page: at } = await page(set);
      if (ids.length === 0) break;
      expect(at).toEqual({ count: 7, first: ids[0], last: ids.at(-1), index: String(all.length) });
      all.push(...ids);
      set = `<max>3</max><after>${at.last}</after>`;
    }
    expect(all).toEqual(newest());
  });

  test('from the oldest to the newest by RSM, page by page', async () => {
    let { ids, page: at } = await page('<max>3</max><before/>');
    const all = [...ids];
    expect(at.index).toBe('4');
    while (ids.length > 0) {
      ({ ids, page: at } = await page(`<max>3</max><before>${at.first}</before>`));
      all.unshift(...ids);
    }
    expect(all).toEqual(newest());
  });

  test('by index, by count alone, and with max 0', async () => {
    expect((await page('<max>2</max><index>3</index>')).ids).toEqual(newest().slice(3, 5));
    expect(await page('<max>0</max>')).toEqual({ ids: [], page: { count: 7, first: null, last: null, index: undefined } });
    expect((await page('<max>9999999999</max>')).ids).toEqual(newest());
  });

  test('nobody gets more than a hundred at once, whatever is asked for', async () => {
    for (let i = 8; i <= 103; i++) await publishPost(stage.ctx, alice, { text: `post ${i}` });
    const mostOf = (most: string) => pubsub('get', ALICE, `<items node='${MICROBLOG}' max_items='${most}'/>`);
    for (const iq of [items(ALICE, { set: '<max>9999999999</max>' }), mostOf('9999999999'), mostOf('max')]) {
      const answer = await ask(STRANGER, iq);
      expect([idsOf(answer).length, pageOf(answer).count]).toEqual([100, 103]);
    }
    for (const most of ['0', '-1', '9223372036854775808', '1e3', '1 or 1=1']) expect(await refusal(STRANGER, mostOf(most))).toBe('modify bad-request');
    expect(await refusal(STRANGER, items(ALICE, { ids: Array.from({ length: 101 }, () => guids[0]!) }))).toBe('modify not-acceptable');
  });

  test('a post that was deleted is a place to page from, and is not there itself', async () => {
    await deletePost(stage.ctx, alice, guids[3]!);
    expect((await page(`<max>2</max><after>${guids[3]}</after>`)).ids).toEqual([guids[2], guids[1]]);
    expect(idsOf(await ask(STRANGER, items(ALICE, { ids: [guids[3]!, guids[0]!] })))).toEqual([guids[0]]);
  });

  test('the encoded name of the node is the node (Movim)', async () => {
    const answer = await ask(STRANGER, items(ALICE, { node: 'urn%3Axmpp%3Amicroblog%3A0', ids: [guids[0]!] }));
    expect(answer.getChild('pubsub')!.getChild('items')!.attrs.node).toBe('urn%3Axmpp%3Amicroblog%3A0');
    expect(idsOf(answer)).toEqual([guids[0]]);
  });

  test('a page of long posts is cut before it is too long for any server', async () => {
    for (let i = 0; i < 12; i++) await publishPost(stage.ctx, alice, { text: `${i} ${'long words '.repeat(3_000)}` });
    const answer = await ask(STRANGER, items(ALICE, { set: '<max>100</max>' }));
    expect(String(answer).length).toBeLessThan(256 * 1024);
    expect(idsOf(answer).length).toBeGreaterThan(2);
    expect(pageOf(answer)).toMatchObject({ count: 19, last: idsOf(answer).at(-1) });
  });

  test('while the database is away nothing is said to be empty', async () => {
    await stage.ctx.store.close();
    for (const request of [items(ALICE), items(ALICE, { ids: [guids[0]!] }), `<iq type='get' to='${ALICE}'><query xmlns='http://jabber.org/protocol/disco#items' node='${MICROBLOG}'/></iq>`]) {
      stage.dispatcher.take(Object.assign(parseStanza(request), { attrs: { ...parseStanza(request).attrs, id: 'x', from: STRANGER } }));
      await stage.dispatcher.settled();
      const [reply] = stage.take();
      expect(String(reply)).toMatch(/type="error".*type="wait"><internal-server-error/);
    }
    stage = await openStage();
  });
});

test('of a node with thousands of subscribers a request reads no more than it tells', async () => {
  const { store } = stage.ctx;
  await store.transaction(async (tx) => {
    for (let at = 0; at < 2_500; at++) {
      await upsertSubscription(tx, { actorId: alice.actorId, node: MICROBLOG, jid: `f${at}@many.example`, personId: null, subid: 's', state: at % 5 === 0 ? 'pending' : 'subscribed', pausedUntil: null, createdAt: 1 });
    }
  });
  let most = 0;
  const { query } = store;
  store.query = async <T>(...asked: Parameters<typeof query>) => {
    const rows = await query.apply<typeof store, typeof asked, Promise<T[]>>(store, asked);
    most = Math.max(most, rows.length);
    return rows;
  };
  const info = await ask(STRANGER, `<iq type='get' to='${ALICE}'><query xmlns='http://jabber.org/protocol/disco#info' node='${MICROBLOG}'/></iq>`);
  expect(String(info)).toMatch(/num_subscribers[^/]*<value>2000<\/value>/);
  expect(most).toBeLessThan(50);
  const list = await ask(OWNER, pubsub('get', ALICE, `<subscriptions node='${MICROBLOG}'/>`, '#owner'));
  expect(list.getChild('pubsub')!.getChild('subscriptions')!.getChildren('subscription')).toHaveLength(1_000);
  expect(most).toBe(1_000);
});
