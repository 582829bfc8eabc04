// Reading and subscribing, as clients on real servers do it: XEP-0060 §5–6.
import { addContact } from '../../src/services/relationships.js';
import { heard, idsOf, isEvent, items, MICROBLOG, pageOf, pubsub, STREAMS, subscribeTo, told } from '../support/follow.js';
import { SERVERS, server } from '../support/servers/index.js';
import { openScene } from '../support/xmpp-scene.js';

describe.each(SERVERS)('on %s', (name) => {
  const scene = openScene(name);
  const postsOf = async (account: Parameters<typeof scene.app.posts>[0], count: number) => {
    const guids = [];
    for (let i = 1; i <= count; i++) guids.push((await scene.app.posts(account, `post ${i}`)).guid);
    return guids;
  };

  test('an explicit subscription brings posts, edits and retractions to the bare JID, without any presence', async () => {
    const { account: alice } = await scene.author();
    const romeo = await scene.reader();
    const answer = await subscribeTo(romeo, alice.jid);
    expect(answer.getChild('pubsub')!.getChild('subscription')!.attrs).toMatchObject({ node: MICROBLOG, jid: romeo.bareJid, subscription: 'subscribed' });
    const post = await scene.app.posts(alice, 'one');
    const event = await romeo.receives(isEvent(alice.jid), 'the post');
    expect(event.attrs).toMatchObject({ to: romeo.bareJid, type: 'headline' });
    expect(event.getChild('event')!.getChild('items')!.getChild('item')!.attrs.publisher).toBe(alice.jid);
    await scene.app.edits(alice, post.guid, 'two');
    expect(told(await romeo.receives(isEvent(alice.jid), 'the edit'))).toEqual([`+${post.guid} two`]);
    await scene.app.deletes(alice, post.guid);
    expect(told(await romeo.receives(isEvent(alice.jid), 'the retraction'))).toEqual([`-${post.guid}`]);

    await romeo.request(pubsub('set', alice.jid, `<unsubscribe node='${MICROBLOG}' jid='${romeo.bareJid}'/>`));
    await scene.app.posts(alice, 'without romeo');
    await scene.quiet(romeo, alice.jid);
    expect(heard(romeo, alice.jid)).toEqual([]);
  });

  test('the Activity Streams node has the same items, and a subscription of its own', async () => {
    const { account: alice } = await scene.author();
    const romeo = await scene.reader();
    await subscribeTo(romeo, alice.jid, STREAMS);
    const post = await scene.app.posts(alice, 'hello *json*');
    const event = await romeo.receives(isEvent(alice.jid, STREAMS), 'the post');
    const item = event.getChild('event')!.getChild('items')!.getChild('item')!;
    expect(item.attrs.id).toBe(post.guid);
    expect(JSON.parse(item.getChild('json', 'urn:xmpp:json:0')!.getText())).toMatchObject({ id: post.atomId, type: 'Note', content: '<p>hello <em>json</em></p>' });
    const [fetched] = (await romeo.request(items(alice.jid, { node: STREAMS, ids: [post.guid] }))).getChild('pubsub')!.getChild('items')!.getChildren('item');
    expect(fetched!.getChild('json')!.getText()).toBe(item.getChild('json')!.getText());
    await scene.quiet(romeo, alice.jid);
    expect(heard(romeo, alice.jid)).toEqual([]);
  });

  test('one who was away pages through history in both directions, and fetches one item by its id', async () => {
    const { account: alice } = await scene.author();
    const romeo = await scene.reader();
    const newest = (await postsOf(alice, 5)).reverse();
    const first = await romeo.request(items(alice.jid, { set: '<max>2</max>' }));
    expect([idsOf(first), pageOf(first)]).toEqual([newest.slice(0, 2), { count: 5, first: newest[0], last: newest[1], index: '0' }]);
    const older = await romeo.request(items(alice.jid, { set: `<max>2</max><after>${newest[1]}</after>` }));
    expect(idsOf(older)).toEqual(newest.slice(2, 4));
    const newer = await romeo.request(items(alice.jid, { set: `<max>2</max><before>${newest[2]}</before>` }));
    expect(idsOf(newer)).toEqual(newest.slice(0, 2));
    const oldest = await romeo.request(items(alice.jid, { set: '<max>2</max><before/>' }));
    expect(idsOf(oldest)).toEqual(newest.slice(3));
    // As Movim writes it: <set/> before <items/>.
    const movim = await romeo.request(pubsub('get', alice.jid, `<set xmlns='http://jabber.org/protocol/rsm'><max>3</max></set><items node='${MICROBLOG}'/>`));
    expect(idsOf(movim)).toEqual(newest.slice(0, 3));
    const one = await romeo.request(items(alice.jid, { ids: [newest[3]!, 'f'.repeat(32)] }));
    expect(idsOf(one)).toEqual([newest[3]]);
    const entry = one.getChild('pubsub')!.getChild('items')!.getChild('item')!.getChild('entry', 'http://www.w3.org/2005/Atom')!;
    expect(entry.getChildText('title')).toBe('post 2');
    expect(entry.getChild('author')!.getChildText('uri')).toBe(`xmpp:${alice.jid}`);
  });

  test('a post for contacts is there for a contact only, by list, by id and by count', async () => {
    const { account: alice } = await scene.author();
    const [romeo, paris] = [await scene.reader(), await scene.reader()];
    await addContact(scene.app.ctx, alice, romeo.bareJid);
    const limited = await scene.app.posts(alice, 'for contacts', { to: 'contacts' });
    const open = await scene.app.posts(alice, 'for all');
    const seen = async (client: typeof romeo) => {
      const list = await client.request(items(alice.jid));
      return { ids: idsOf(list), count: pageOf(list).count, byId: idsOf(await client.request(items(alice.jid, { ids: [limited.guid] }))) };
    };
    expect(await seen(romeo)).toEqual({ ids: [limited.guid, open.guid], count: 2, byId: [limited.guid] });
    expect(await seen(paris)).toEqual({ ids: [open.guid], count: 1, byId: [] });
  });

  test('one sees one’s own subscriptions and no others', async () => {
    const { account: alice, owner } = await scene.author();
    const [romeo, paris] = [await scene.reader(), await scene.reader()];
    await subscribeTo(romeo, alice.jid);
    const mine = async (client: typeof romeo) =>
      (await client.request(pubsub('get', alice.jid, '<subscriptions/>'))).getChild('pubsub')!.getChild('subscriptions')!.getChildren('subscription').map(({ attrs }) => [attrs.node, attrs.jid, attrs.subscription]);
    expect(await mine(romeo)).toEqual([[MICROBLOG, romeo.bareJid, 'subscribed']]);
    expect(await mine(paris)).toEqual([]);
    const affiliations = (client: typeof romeo) => client.request(pubsub('get', alice.jid, '<affiliations/>'));
    expect((await affiliations(romeo)).getChild('pubsub')!.getChild('affiliations')!.getChildElements()).toEqual([]);
    expect((await affiliations(owner)).getChild('pubsub')!.getChild('affiliations')!.getChild('affiliation')!.attrs).toEqual({ node: MICROBLOG, affiliation: 'owner' });
    const subscribers = await owner.request(pubsub('get', alice.jid, `<subscriptions node='${MICROBLOG}'/>`, '#owner'));
    expect(subscribers.getChild('pubsub')!.getChild('subscriptions')!.getChild('subscription')!.attrs).toMatchObject({ jid: romeo.bareJid, subscription: 'subscribed' });
  });

  test('nobody subscribes somebody else', async () => {
    const { account: alice } = await scene.author();
    const [romeo, paris] = [await scene.reader(), await scene.reader()];
    await expect(romeo.request(pubsub('set', alice.jid, `<subscribe node='${MICROBLOG}' jid='${paris.bareJid}'/>`))).rejects.toMatchObject({ condition: 'bad-request', extra: ['invalid-jid'] });
    await subscribeTo(paris, alice.jid);
    await expect(romeo.request(pubsub('set', alice.jid, `<unsubscribe node='${MICROBLOG}' jid='${paris.bareJid}'/>`))).rejects.toMatchObject({ condition: 'bad-request', extra: ['invalid-jid'] });
  });

  test('a subscriber of another server gets the same', async () => {
    const there = await server(name === 'prosody' ? 'ejabberd' : 'prosody');
    const { account: alice } = await scene.author();
    const juliet = await scene.reader([], there);
    await subscribeTo(juliet, alice.jid);
    const post = await scene.app.posts(alice, 'far away');
    expect(told(await juliet.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${post.guid} far away`]);
    expect(idsOf(await juliet.request(items(alice.jid)))).toEqual([post.guid]);
  });
});
