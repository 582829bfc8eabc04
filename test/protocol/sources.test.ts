// "Write from one's own XMPP client's own PEP": an owner address' feed becomes posts here, on real servers.
import { setSource, sourceStatesOf } from '../../src/services/sources.js';
import { actorOf, listPostsBy } from '../../src/services/stream.js';
import { eventually } from '../support/eventually.js';
import { MICROBLOG, pubsub } from '../support/follow.js';
import { SERVERS } from '../support/servers/index.js';
import { openScene } from '../support/xmpp-scene.js';

const entry = (title: string, more = '') => `<entry xmlns='http://www.w3.org/2005/Atom'><title>${title}</title><updated>${new Date().toISOString()}</updated>${more}</entry>`;
const field = (name: string, value: string) => `<field var='pubsub#${name}'><value>${value}</value></field>`;
const open = (more = '') => `<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#access_model'><value>open</value></field><field var='pubsub#persist_items'><value>true</value></field>${more}</x></publish-options>`;

const CONFIGURATION = `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field>${field('access_model', 'open')}${field('persist_items', '1')}${field('max_items', '100')}${field('presence_based_delivery', '0')}</x>`;

describe.each(SERVERS)('on %s', (name) => {
  const scene = openScene(name);

  /** Alice, her own chat address, and what of her everybody reads here. */
  async function openAuthor() {
    const { account, owner } = await scene.author();
    const { ctx } = scene.app;
    const author = await actorOf(ctx, account);
    const texts = async () => (await listPostsBy(ctx, 'anonymous', author, { limit: 10 })).map(({ post }) => post.markdown);
    return {
      ...{ ctx, account, owner, texts, me: owner.jid.split('/')[0]! },
      /** Resolves when her public posts read like this. */
      become: (expected: string[]) => eventually(scene.app, texts, (found) => JSON.stringify(found) === JSON.stringify(expected)),
      /** Lets us see her presence, as her chat app asks her to. */
      allows: async () => {
        const asked = await owner.receives((stanza) => stanza.is('presence') && stanza.attrs.type === 'subscribe' && stanza.attrs.from === account.jid, 'the wish to follow');
        await owner.send(`<presence type='subscribed' to='${asked.attrs.from}'/>`);
        await scene.app.idle();
      },
    };
  }

  test('what alice publishes, edits and retracts at her own chat address does the same here, once', async () => {
    const { ctx, account, owner, me, texts, become, allows } = await openAuthor();
    // The node is there, and open, before anybody subscribes.
    await owner.request(pubsub('set', me, `<publish node='${MICROBLOG}'><item id='before'>${entry('Before', '<published>2020-01-01T00:00:00Z</published>')}</item></publish>${open(name === 'prosody' ? field('max_items', '100') : '')}`));
    // ejabberd keeps one item, takes max_items from its owner's configuration alone, and tells of retractions only subscribers whose presence does not count.
    if (name === 'ejabberd') await owner.request(pubsub('set', me, `<configure node='${MICROBLOG}'>${CONFIGURATION}</configure>`, '#owner'));
    await setSource(ctx, account, me, true);
    await allows();

    await owner.request(pubsub('set', me, `<publish node='${MICROBLOG}'><item id='one-item'>${entry('From my own feed')}</item></publish>`));
    await become(['From my own feed']);
    await owner.request(pubsub('set', me, `<publish node='${MICROBLOG}'><item id='one-item'>${entry('Said better')}</item></publish>`));
    await become(['Said better']);
    await owner.request(pubsub('set', me, `<retract node='${MICROBLOG}' notify='true'><item id='one-item'/></retract>`));
    await become([]);

    // Of this one nobody tells us: it is found when the feed is looked at.
    for (const id of ['kept', 'gone']) await owner.request(pubsub('set', me, `<publish node='${MICROBLOG}'><item id='${id}'>${entry(id)}</item></publish>`));
    await become(['gone', 'kept']);
    await setSource(ctx, account, me, false);
    await scene.app.idle();
    await owner.request(pubsub('set', me, `<retract node='${MICROBLOG}' notify='true'><item id='gone'/></retract>`));
    await setSource(ctx, account, me, true);
    await become(['kept']);

    await setSource(ctx, account, me, false);
    await scene.app.idle();
    await owner.request(pubsub('set', me, `<publish node='${MICROBLOG}'><item id='later'>${entry('After')}</item></publish>`));
    await scene.quiet(owner, account.jid);
    expect(await texts()).toEqual(['kept']);
  });

  test('nothing of a closed feed is posted, and she is told so; when she opens it, it is', async () => {
    const { ctx, account, owner, me, texts, allows } = await openAuthor();
    const state = async () => (await sourceStatesOf(ctx, account)).get(me);
    const publish = (id: string) => owner.request(pubsub('set', me, `<publish node='${MICROBLOG}'><item id='${id}'>${entry(id)}</item></publish>`));
    await publish('before');
    await setSource(ctx, account, me, true);
    await allows();
    await publish('for contacts');
    await scene.quiet(owner, account.jid);
    expect([await texts(), await state()]).toEqual([[], 'closed']);
    await owner.request(pubsub('set', me, `<configure node='${MICROBLOG}'>${CONFIGURATION}</configure>`, '#owner'));
    await setSource(ctx, account, me, true);
    await publish('for all');
    await eventually(scene.app, texts, (found) => found[0] === 'for all');
    await scene.app.idle();
    expect(await state()).toBe('on');
  });
});
