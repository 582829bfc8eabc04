// Discovery and the small requests, as clients on real servers ask them: XEP-0030, 0054, 0092, 0012, 0199, 0292.
import { items, MICROBLOG, pubsub } from '../support/follow.js';
import { SERVERS } from '../support/servers/index.js';
import type { Element, TestClient } from '../support/xmpp-client.js';
import { openScene } from '../support/xmpp-scene.js';

const INFO = 'http://jabber.org/protocol/disco#info';
const ITEMS = 'http://jabber.org/protocol/disco#items';
const query = (xmlns: string, to: string, node = '') => `<iq type='get' to='${to}'><query xmlns='${xmlns}'${node && ` node='${node}'`}/></iq>`;
const identities = (answer: Element) => answer.getChild('query')!.getChildren('identity').map(({ attrs }) => `${attrs.category}/${attrs.type}`);
const features = (answer: Element) => answer.getChild('query')!.getChildren('feature').map(({ attrs }) => attrs.var!);

describe.each(SERVERS)('on %s', (name) => {
  const scene = openScene(name);

  test('an account is a PEP service and says what works', async () => {
    const { account: alice } = await scene.author();
    const romeo = await scene.reader();
    const info = await romeo.request(query(INFO, alice.jid));
    expect(identities(info)).toEqual(['account/registered', 'pubsub/pep']);
    expect(features(info)).toEqual(expect.arrayContaining([INFO, MICROBLOG, 'http://jabber.org/protocol/pubsub', 'http://jabber.org/protocol/pubsub#persistent-items', 'http://jabber.org/protocol/pubsub#multi-items', 'urn:xmpp:ping', 'vcard-temp']));
    expect(new Set(features(info)).size).toBe(features(info).length);
  });

  test('every feature that is listed as a request is answered with a result', async () => {
    const { account: alice, owner } = await scene.author();
    const listed = new Set(features(await owner.request(query(INFO, alice.jid))));
    const proofs: Record<string, string> = {
      [INFO]: query(INFO, alice.jid),
      [ITEMS]: query(ITEMS, alice.jid),
      'urn:xmpp:ping': `<iq type='get' to='${alice.jid}'><ping xmlns='urn:xmpp:ping'/></iq>`,
      'jabber:iq:version': query('jabber:iq:version', alice.jid),
      'jabber:iq:last': query('jabber:iq:last', alice.jid),
      'vcard-temp': `<iq type='get' to='${alice.jid}'><vCard xmlns='vcard-temp'/></iq>`,
      'urn:ietf:params:xml:ns:vcard-4.0': `<iq type='get' to='${alice.jid}'><vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/></iq>`,
      'http://jabber.org/protocol/pubsub#retrieve-items': items(alice.jid),
      'http://jabber.org/protocol/rsm': items(alice.jid, { set: '<max>1</max>' }),
      'http://jabber.org/protocol/pubsub#retrieve-subscriptions': pubsub('get', alice.jid, '<subscriptions/>'),
      'http://jabber.org/protocol/pubsub#retrieve-affiliations': pubsub('get', alice.jid, '<affiliations/>'),
      'http://jabber.org/protocol/pubsub#retrieve-default': pubsub('get', alice.jid, '<default/>', '#owner'),
      'http://jabber.org/protocol/pubsub#config-node': pubsub('get', alice.jid, `<configure node='${MICROBLOG}'/>`, '#owner'),
      'http://jabber.org/protocol/pubsub#subscribe': pubsub('set', alice.jid, `<subscribe node='${MICROBLOG}' jid='${owner.bareJid}'/>`),
      'http://jabber.org/protocol/pubsub#subscription-options': pubsub('get', alice.jid, `<options node='${MICROBLOG}' jid='${owner.bareJid}'/>`),
    };
    for (const [feature, request] of Object.entries(proofs)) {
      expect([...listed]).toContain(feature);
      expect((await owner.request(request)).attrs.type).toBe('result');
    }
  });

  test('its nodes are listed, and each tells about itself', async () => {
    const { account: alice } = await scene.author();
    const romeo = await scene.reader();
    const post = await scene.app.posts(alice, 'hello');
    const nodes = (await romeo.request(query(ITEMS, alice.jid))).getChild('query')!.getChildren('item').map(({ attrs }) => attrs);
    expect(nodes).toContainEqual({ jid: alice.jid, node: MICROBLOG });
    for (const { node } of nodes) expect(identities(await romeo.request(query(INFO, alice.jid, node)))).toEqual(['pubsub/leaf']);
    const form = (await romeo.request(query(INFO, alice.jid, MICROBLOG))).getChild('query')!.getChild('x', 'jabber:x:data')!;
    const field = (wanted: string) => form.getChildren('field').find(({ attrs }) => attrs.var === `pubsub#${wanted}`)?.getChildText('value');
    expect([field('type'), field('access_model'), field('publish_model'), field('owner'), field('num_subscribers')]).toEqual([MICROBLOG, 'open', 'publishers', alice.jid, '0']);
    const listed = (await romeo.request(query(ITEMS, alice.jid, MICROBLOG))).getChild('query')!;
    expect(listed.getChildren('item').map(({ attrs }) => attrs)).toEqual([{ jid: alice.jid, name: post.guid }]);
    await expect(romeo.request(query(INFO, alice.jid, 'urn:none'))).rejects.toMatchObject({ condition: 'item-not-found' });
  });

  test('the domain is no pubsub service, and lists nobody', async () => {
    await scene.author();
    const romeo = await scene.reader();
    const info = await romeo.request(query(INFO, scene.app.domain));
    expect(identities(info)).toEqual(['component/generic']);
    expect(features(info)).toContain('jid\\20escaping');
    expect(features(info).filter((feature) => feature.includes('pubsub'))).toEqual([]);
    expect((await romeo.request(query(ITEMS, scene.app.domain))).getChild('query')!.getChildElements()).toEqual([]);
    await romeo.request(`<iq type='get' to='${scene.app.domain}'><ping xmlns='urn:xmpp:ping'/></iq>`);
  });

  test('the profile is told by each of its forms', async () => {
    const { account: alice } = await scene.author();
    const romeo = await scene.reader();
    const temp = (await romeo.request(`<iq type='get' to='${alice.jid}'><vCard xmlns='vcard-temp'/></iq>`)).getChild('vCard', 'vcard-temp')!;
    expect([temp.getChildText('NICKNAME'), temp.getChildText('JABBERID')]).toEqual([alice.username, alice.jid]);
    const itemOf = async (client: TestClient, node: string) => (await client.request(items(alice.jid, { node }))).getChild('pubsub')!.getChild('items')!.getChild('item');
    expect((await itemOf(romeo, 'http://jabber.org/protocol/nick'))!.getChildText('nick')).toBe(alice.username);
    expect((await itemOf(romeo, 'urn:xmpp:vcard4'))!.getChild('vcard')).toBeDefined();
    expect((await itemOf(romeo, 'urn:xmpp:avatar:metadata'))!.getChild('metadata')!.getChildElements()).toEqual([]);
    expect(await itemOf(romeo, 'urn:xmpp:avatar:data')).toBeUndefined();
  });

  test('a name that nobody bears answers nothing but service-unavailable', async () => {
    const romeo = await scene.reader();
    const nobody = `nobody@${scene.app.domain}`;
    for (const request of [query(INFO, nobody), query(ITEMS, nobody), items(nobody), `<iq type='get' to='${nobody}'><vCard xmlns='vcard-temp'/></iq>`]) {
      await expect(romeo.request(request)).rejects.toMatchObject({ type: 'cancel', condition: 'service-unavailable' });
    }
  });
});
