import { type OwnResource, ownCapsNode, ownPresence, RESOURCE_FEATURES, verification } from '../../../src/xmpp/caps.js';
import { parseStanza, xml } from '../../../src/xml.js';
import { decodeInfo, InterestsOf } from '../../../src/xmpp/presence/interests.js';
import { CLIENT_IDENTITY } from '../../../src/xmpp/features.js';
import { silentLog } from '../../support/store.js';

const MICROBLOG = 'urn:xmpp:microblog:0';

test('the verification string is that of XEP-0115 §5.2', () => {
  const info = { identities: [{ category: 'client', type: 'pc', name: 'Exodus 0.9.1' }], features: ['http://jabber.org/protocol/muc', 'http://jabber.org/protocol/disco#info', 'http://jabber.org/protocol/disco#items', 'http://jabber.org/protocol/caps'], forms: [] };
  expect(verification(info)).toBe('QgayPKawpkPSDYmwT/WM94uAlu0=');
});

test('the verification string with languages and a form is that of XEP-0115 §5.3', () => {
  const query = parseStanza(`<query xmlns='http://jabber.org/protocol/disco#info' node='http://psi-im.org#q07IKJEyjvHSyhy//CH0CxmKi8w='>
    <identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/><identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>
    <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>
    <x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
      <field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field><field var='os'><value>Mac</value></field><field var='os_version'><value>10.5.1</value></field>
      <field var='software'><value>Psi</value></field><field var='software_version'><value>0.11</value></field></x></query>`);
  expect(verification(decodeInfo(query))).toBe('q07IKJEyjvHSyhy//CH0CxmKi8w=');
});

test('a feature twice is no caps at all', () => {
  expect(verification({ identities: [], features: ['a', 'a'], forms: [] })).toBeNull();
});

test.each(['social', 'pep'] as OwnResource[])('our presence as %s bears the hash of what its disco#info lists', (resource) => {
  const ver = verification({ identities: [CLIENT_IDENTITY], features: [...RESOURCE_FEATURES[resource]], forms: [] });
  expect(ownCapsNode(resource)).toMatch(new RegExp(`#${ver!.replace(/[+/]/g, '\\$&')}$`));
  expect(ownPresence('alice@social.test', resource, 'bob@chat.test', null).getChild('c')!.attrs.ver).toBe(ver);
  expect(RESOURCE_FEATURES[resource].includes(`${MICROBLOG}+notify`)).toBe(resource === 'pep');
});

describe('what others want to hear of', () => {
  const FEATURES = [`${MICROBLOG}+notify`];
  const answerWith = (features: string[]) => xml('iq', {}, xml('query', { xmlns: 'http://jabber.org/protocol/disco#info' }, features.map((name) => xml('feature', { var: name }))));
  const verOf = (features: string[]) => verification({ identities: [], features, forms: [] })!;
  const mark = (ver: string, hash = 'sha-1') => ({ node: 'https://client.test', ver, hash });
  const setUp = (respond: (to: string) => string[] | null) => {
    const asked: string[] = [];
    const interests = new InterestsOf(
      [MICROBLOG],
      async (iq) => {
        asked.push(iq.attrs.to!);
        const features = respond(iq.attrs.to!);
        if (!features) throw new Error('no answer');
        return answerWith(features);
      },
      silentLog,
      () => 0,
    );
    const find = (jid: string, caps = mark(verOf(FEATURES))) => interests.find('alice@social.test', { jid, caps });
    return { asked, interests, find };
  };

  test('is asked once for each hash', async () => {
    const { asked, interests, find } = setUp(() => FEATURES);
    const found = await Promise.all(['a@x.test/1', 'b@x.test/1', 'c@y.test/1'].map((jid) => find(jid)));
    expect(found.map((one) => [...one])).toEqual([[MICROBLOG], [MICROBLOG], [MICROBLOG]]);
    expect(asked).toEqual(['a@x.test/1']);
    expect([...interests.known({ jid: 'never@seen.test/1', caps: mark(verOf(FEATURES)) })]).toEqual([MICROBLOG]);
  });

  test('a false hash lies about nobody but its sender', async () => {
    const { find } = setUp((to) => (to.startsWith('mallory') ? [] : FEATURES));
    expect([...(await find('mallory@x.test/1'))]).toEqual([]);
    expect([...(await find('bob@x.test/1'))]).toEqual([MICROBLOG]);
  });

  test('a false hash that claims more does so only for its sender', async () => {
    const empty = mark(verOf([]));
    const { find } = setUp((to) => (to.startsWith('mallory') ? FEATURES : []));
    expect([...(await find('mallory@x.test/1', empty))]).toEqual([MICROBLOG]);
    expect([...(await find('bob@x.test/1', empty))]).toEqual([]);
  });

  test('who does not answer wants nothing, and holds up nobody else', async () => {
    const { asked, find } = setUp((to) => (to.startsWith('silent') ? null : FEATURES));
    const [silent, bob] = await Promise.all([find('silent@x.test/1'), find('bob@x.test/1')]);
    expect([[...silent], [...bob]]).toEqual([[], [MICROBLOG]]);
    await find('silent@x.test/1', mark('another'));
    expect(asked).toEqual(['silent@x.test/1', 'bob@x.test/1']);
  });

  test('caps without a hash are asked of each resource', async () => {
    const { find, asked } = setUp(() => FEATURES);
    await find('a@x.test/1', mark('1.0', ''));
    await find('b@x.test/1', mark('1.0', ''));
    expect(asked).toEqual(['a@x.test/1', 'b@x.test/1']);
  });

  test('whatever comes as an answer, nothing is thrown', async () => {
    const interests = new InterestsOf([MICROBLOG], async () => xml('iq', {}, xml('something', { xmlns: 'else' })), silentLog, () => 0);
    expect([...(await interests.find('alice@social.test', { jid: 'a@x.test/1', caps: mark('x', 'md5-or-worse') }))]).toEqual([]);
  });
});
