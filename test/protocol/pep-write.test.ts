// The author in her own XMPP client, and everyone who pretends to be her: XEP-0060 §7–8 on real servers.
import { readPost } from '../../src/services/stream.js';
import { heard, idsOf, isEvent, items, MICROBLOG, pubsub, STREAMS, subscribeTo, told } from '../support/follow.js';
import { SERVERS } from '../support/servers/index.js';
import { type Element, parse } from '../support/xmpp-client.js';
import { openScene } from '../support/xmpp-scene.js';

const ATOM = 'http://www.w3.org/2005/Atom';
const entry = (title: string, more = '') => `<entry xmlns='${ATOM}'><title>${title}</title><updated>2026-11-21T09:00:00Z</updated>${more}</entry>`;
const publish = (to: string, item: string, more = '') => pubsub('set', to, `<publish node='${MICROBLOG}'>${item}</publish>${more}`);
const retract = (to: string, id: string) => pubsub('set', to, `<retract node='${MICROBLOG}' notify='true'><item id='${id}'/></retract>`);
const idOf = (answer: Element) => answer.getChild('pubsub')!.getChild('publish')!.getChild('item')!.attrs.id!;
const form = (type: string, fields: Record<string, string>) =>
  `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#${type}</value></field>${Object.entries(fields)
    .map(([field, value]) => `<field var='pubsub#${field}'><value>${value}</value></field>`)
    .join('')}</x>`;
/** What Movim 0.34 sends with each post. */
const MOVIM_OPTIONS = { persist_items: 'true', max_items: 'max', itemreply: 'publisher', notify_sub: 'true', notify_retract: 'true' };

describe.each(SERVERS)('on %s', (name) => {
  const scene = openScene(name);

  test('publishes, edits and retracts: a post like one from the web', async () => {
    const { account: alice, owner } = await scene.author();
    const romeo = await scene.reader();
    await subscribeTo(romeo, alice.jid);
    const id = idOf(await owner.request(publish(alice.jid, `<item id='chosen-by-client'>${entry('From my phone')}</item>`, `<publish-options>${form('publish-options', MOVIM_OPTIONS)}</publish-options>`)));
    const event = await romeo.receives(isEvent(alice.jid), 'the post');
    expect(told(event)).toEqual([`+${id} From my phone`]);
    const item = event.getChild('event')!.getChild('items')!.getChild('item')!;
    // The social JID stands for her, whoever sent it.
    expect([item.attrs.publisher, item.getChild('entry')!.getChild('author')!.getChildText('uri')]).toEqual([alice.jid, `xmpp:${alice.jid}`]);
    const page = await fetch(`${scene.app.url}/posts/${id}`);
    expect(await page.text()).toContain('From my phone');

    await owner.request(publish(alice.jid, `<item id='chosen-by-client'>${entry('Edited')}</item>`));
    expect(told(await romeo.receives(isEvent(alice.jid), 'the edit'))).toEqual([`+${id} Edited`]);
    await owner.request(retract(alice.jid, id));
    expect(told(await romeo.receives(isEvent(alice.jid), 'the retraction'))).toEqual([`-${id}`]);
    expect((await fetch(`${scene.app.url}/posts/${id}`)).status).toBe(410);
  });

  test('an article with a title of its own keeps it, and an own entry sent back changes nothing', async () => {
    const { account: alice, owner } = await scene.author();
    const id = idOf(await owner.request(publish(alice.jid, `<item>${entry('The title', `<content type='text'>The body.</content>`)}</item>`)));
    const read = async () => (await owner.request(items(alice.jid, { ids: [id] }))).getChild('pubsub')!.getChild('items')!.getChild('item')!.getChild('entry')!;
    const before = await read();
    expect([before.getChildText('title'), before.getChild('content')!.getText()]).toEqual(['The title', '# The title\n\nThe body.']);
    await owner.request(publish(alice.jid, `<item id='${id}'>${before}</item>`));
    expect(String(await read())).toBe(String(before));
  });

  test('the title that we made of a text without one does not become a heading when an editor sends it back; a new one does', async () => {
    const { account: alice, owner } = await scene.author();
    const { guid } = await scene.app.posts(alice, 'First **thoughts**');
    const edit = async (title: string, text: string) => {
      await owner.request(publish(alice.jid, `<item id='${guid}'>${entry(title, `<content type='text'>${text}</content>`)}</item>`));
      return (await readPost(scene.app.ctx, 'anonymous', guid)).post.markdown;
    };
    expect(await edit('First thoughts', 'Better ones')).toBe('Better ones');
    expect(await edit('My title', 'Better ones')).toBe('# My title\n\nBetter ones');
    expect(await edit('My title', 'The best')).toBe('# My title\n\nThe best');
  });

  test('categories that are not in the text become tags, and stand there', async () => {
    const { account: alice, owner } = await scene.author();
    const id = idOf(await owner.request(publish(alice.jid, `<item>${entry('About #xmpp', "<category term='XMPP'/><category term='open source'/>")}</item>`)));
    expect((await readPost(scene.app.ctx, 'anonymous', id)).post).toMatchObject({ markdown: 'About #xmpp\n\n#open-source', tags: ['xmpp', 'open-source'] });
  });

  test('characters that XML forbids harm nobody', async () => {
    const { account: alice, owner } = await scene.author();
    const romeo = await scene.reader();
    await subscribeTo(romeo, alice.jid);
    const post = await scene.app.posts(alice, 'NUL \u0000 and \u0001 and \ufffe and a half \ud83d pair');
    await romeo.receives(isEvent(alice.jid), 'the post');
    expect(scene.app.connector!.status().state).toBe('online');
    expect(idsOf(await owner.request(items(alice.jid)))).toEqual([post.guid]);
  });

  test.each([
    ['presence', 'contacts'],
    ['open', 'public'],
  ])('publish-options with access model %s: the post is %s', async (model, audience) => {
    const { account: alice, owner } = await scene.author();
    const romeo = await scene.reader();
    const id = idOf(await owner.request(publish(alice.jid, `<item>${entry('limited?')}</item>`, `<publish-options>${form('publish-options', { access_model: model })}</publish-options>`)));
    expect(idsOf(await romeo.request(items(alice.jid)))).toEqual(audience === 'public' ? [id] : []);
    expect(idsOf(await owner.request(items(alice.jid)))).toEqual([id]);
  });

  test('what Libervia does before it posts gets sensible answers', async () => {
    const { account: alice, owner } = await scene.author();
    const configure = () => owner.request(pubsub('get', alice.jid, `<configure node='${MICROBLOG}'/>`, '#owner'));
    const given = (await configure()).getChild('pubsub')!.getChild('configure')!.getChild('x', 'jabber:x:data')!;
    expect(given.getChildren('field').find(({ attrs }) => attrs.var === 'pubsub#access_model')!.getChildText('value')).toBe('open');
    await expect(owner.request(pubsub('set', alice.jid, `<create node='${MICROBLOG}'/><configure>${form('node_config', {})}</configure>`))).rejects.toMatchObject({ condition: 'conflict' });
    await configure();
    await expect(owner.request(pubsub('set', alice.jid, `<create node='urn:xmpp:pubsub-attachments:1/x'/><configure>${form('node_config', { publish_model: 'open' })}</configure>`))).rejects.toMatchObject({ condition: 'not-allowed' });
    await owner.request(pubsub('set', alice.jid, `<configure node='${MICROBLOG}'>${form('node_config', MOVIM_OPTIONS)}</configure>`, '#owner'));
    idOf(await owner.request(publish(alice.jid, `<item>${entry('after all that')}</item>`)));
  });

  test('nobody else publishes, edits, retracts or configures', async () => {
    const { account: alice } = await scene.author();
    const { account: bob, owner: bobsClient } = await scene.author();
    const post = await scene.app.posts(alice, 'hers');
    const bobs = await scene.app.posts(bob, 'his');
    const romeo = await scene.reader();
    for (const stranger of [romeo, bobsClient]) {
      for (const request of [
        publish(alice.jid, `<item>${entry('forged')}</item>`),
        publish(alice.jid, `<item id='${post.guid}'>${entry('forged')}</item>`),
        publish(alice.jid, `<item>${entry('forged', `<author><uri>xmpp:${alice.jid}</uri></author>`)}</item>`),
        retract(alice.jid, post.guid),
        pubsub('set', alice.jid, `<configure node='${MICROBLOG}'>${form('node_config', {})}</configure>`, '#owner'),
        pubsub('set', alice.jid, `<delete node='${MICROBLOG}'/>`, '#owner'),
        pubsub('set', alice.jid, `<purge node='${MICROBLOG}'/>`, '#owner'),
        pubsub('get', alice.jid, `<subscriptions node='${MICROBLOG}'/>`, '#owner'),
      ]) {
        await expect(stranger.request(request)).rejects.toMatchObject({ type: 'auth', condition: 'forbidden' });
      }
    }
    // On his own node, her item is not there.
    await expect(bobsClient.request(retract(bob.jid, post.guid))).rejects.toMatchObject({ condition: 'item-not-found' });
    expect(idsOf(await bobsClient.request(items(bob.jid, { ids: [post.guid] })))).toEqual([]);
    const copy = idOf(await bobsClient.request(publish(bob.jid, `<item id='${post.guid}'>${entry('his own')}</item>`)));
    expect([post.guid, bobs.guid]).not.toContain(copy);
    expect(idsOf(await romeo.request(items(alice.jid)))).toEqual([post.guid]);
  });

  test('a stanza that claims to be hers is refused by the server or by us', async () => {
    const { account: alice } = await scene.author();
    const romeo = await scene.reader();
    const forged = parse(publish(alice.jid, `<item>${entry('forged')}</item>`));
    forged.attrs.from = `${alice.username}@${scene.here.chatDomain}`;
    const refusal = await romeo.request(forged).catch((error: Error) => error);
    expect(refusal).toBeInstanceOf(Error);
    expect(await scene.app.ctx.store.query('select guid from posts where author_id = ?', [alice.actorId])).toEqual([]);
  });

  test('a note in Activity Streams 2.0 is a post, too', async () => {
    const { account: alice, owner } = await scene.author();
    const romeo = await scene.reader();
    await subscribeTo(romeo, alice.jid);
    const json = JSON.stringify({ '@context': STREAMS, type: 'Note', content: '<p>from <b>JSON</b></p>', to: [`${STREAMS}#Public`] }).replaceAll('<', '&lt;');
    const id = idOf(await owner.request(pubsub('set', alice.jid, `<publish node='${STREAMS}'><item><json xmlns='urn:xmpp:json:0'>${json}</json></item></publish>`)));
    expect(told(await romeo.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${id} from JSON`]);
    await scene.quiet(romeo, alice.jid);
    expect(heard(romeo, alice.jid)).toEqual([]);
  });
});
