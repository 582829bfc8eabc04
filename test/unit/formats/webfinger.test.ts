import { z } from 'zod';
import type { Actor } from '../../../src/domain/actor.js';
import { encodeHostMeta, encodeHostMetaJson, encodeNodeinfo, encodeNodeinfoLinks, encodeWebfinger, NODEINFO_VERSIONS, nodeinfoMediaType, parseResource } from '../../../src/formats/webfinger.js';
import { serialize } from '../../../src/xml.js';

const alice: Actor = { id: 1, isLocal: true, username: 'alice', domain: 'social.test', profile: { displayName: '', summary: '', avatar: null, banner: null } };
const publicUrl = 'https://social.test';

// RFC 7033 §4.4.
const jrd = z.strictObject({
  subject: z.url().optional(),
  aliases: z.array(z.url()).optional(),
  links: z.array(z.strictObject({ rel: z.string().min(1), type: z.string().regex(/^\w+\/[\w+.-]+$/).optional(), href: z.url().optional(), template: z.string().includes('{uri}').optional() })),
});

// nodeinfo.diaspora.software/schema, as far as it goes for what we say.
const nodeinfo = z.strictObject({
  version: z.enum(NODEINFO_VERSIONS),
  software: z.strictObject({ name: z.string().regex(/^[a-z0-9-]+$/), version: z.string() }),
  protocols: z.array(z.enum(['activitypub', 'buddycloud', 'dfrn', 'diaspora', 'libertree', 'ostatus', 'pumpio', 'tent', 'xmpp', 'zot'])).min(1),
  services: z.strictObject({ inbound: z.array(z.enum(['atom1.0', 'rss2.0'])), outbound: z.array(z.enum(['atom1.0', 'rss2.0', 'xmpp'])) }),
  openRegistrations: z.boolean(),
  usage: z.strictObject({ users: z.strictObject({ total: z.int().min(0), activeHalfyear: z.int().min(0).optional(), activeMonth: z.int().min(0).optional() }), localPosts: z.int().min(0) }),
  metadata: z.record(z.string(), z.unknown()),
});

test('a person is found with page, Activity Streams, feed and chat address', () => {
  const document = encodeWebfinger(alice, publicUrl);
  expect(jrd.parse(document)).toEqual({
    subject: 'acct:alice@social.test',
    aliases: ['https://social.test/u/alice', 'xmpp:alice@social.test'],
    links: [
      { rel: 'http://webfinger.net/rel/profile-page', type: 'text/html', href: 'https://social.test/u/alice' },
      { rel: 'self', type: 'application/activity+json', href: 'https://social.test/u/alice' },
      { rel: 'http://schemas.google.com/g/2010#updates-from', type: 'application/atom+xml', href: 'https://social.test/u/alice/feed.atom' },
      { rel: 'alternate', href: 'xmpp:alice@social.test' },
    ],
  });
});

test('only the relations that were asked for come back', () => {
  expect(encodeWebfinger(alice, publicUrl, ['self', 'nothing']).links.map(({ rel }) => rel)).toEqual(['self']);
});

test.each([
  ['acct:alice@social.test', 'alice'],
  ['acct:Alice@SOCIAL.test', 'alice'],
  ['alice@social.test', 'alice'],
  ['@alice@social.test', 'alice'],
  ['xmpp:alice@social.test', 'alice'],
  ['https://social.test/u/alice', 'alice'],
  ['https://social.test/u/alice/', 'alice'],
  ['acct:alice@elsewhere.test', null],
  ['https://elsewhere.test/u/alice', null],
  ['https://social.test/posts/alice', null],
  ['acct:bob\\40pod.test@social.test', null],
  ['acct:../admin@social.test', null],
  ['acct:@social.test', null],
  ['mailto:alice@social.test', null],
  ['nonsense', null],
])('the resource %j asks for %j', (resource, username) => {
  expect(parseResource(resource, 'social.test', publicUrl)).toBe(username);
});

test.each([undefined, '', ['acct:a@b', 'acct:c@d']])('the resource %j is refused', (resource) => {
  expect(() => parseResource(resource, 'social.test', publicUrl)).toThrow(expect.objectContaining({ code: 'invalid', field: 'resource' }));
});

test('host-meta leads to WebFinger, as XRD and as JSON', () => {
  expect(serialize(encodeHostMeta(publicUrl))).toBe(
    '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><Link rel="lrdd" type="application/jrd+json" template="https://social.test/.well-known/webfinger?resource={uri}"/></XRD>',
  );
  expect(jrd.parse(encodeHostMetaJson(publicUrl)).links[0]!.template).toBe('https://social.test/.well-known/webfinger?resource={uri}');
});

test('NodeInfo is found and says what its schema allows', () => {
  expect(jrd.parse(encodeNodeinfoLinks(publicUrl)).links).toEqual([
    { rel: 'http://nodeinfo.diaspora.software/ns/schema/2.1', href: 'https://social.test/nodeinfo/2.1' },
    { rel: 'http://nodeinfo.diaspora.software/ns/schema/2.0', href: 'https://social.test/nodeinfo/2.0' },
  ]);
  for (const version of NODEINFO_VERSIONS) {
    const document = encodeNodeinfo(version, { softwareVersion: '0.1.0', openRegistrations: true, users: 3, activeMonth: 2, localPosts: 5 });
    expect(nodeinfo.parse(document)).toMatchObject({ version, usage: { users: { total: 3, activeMonth: 2 }, localPosts: 5 } });
    expect(nodeinfoMediaType(version)).toBe(`application/json; profile="http://nodeinfo.diaspora.software/ns/schema/${version}#"`);
  }
});
