// RFC 7033 WebFinger, RFC 6415 host-meta (XRD 1.0 and its JSON form), NodeInfo 2.0 and 2.1 (nodeinfo.diaspora.software).
import { type Actor, handleOf } from '../domain/actor.js';
import { isUsername } from '../domain/account.js';
import { DomainError } from '../domain/errors.js';
import { type Element, xml } from '../xml.js';
import { xmppUri } from './item-uri.js';
import { NS } from './namespaces.js';

/** The media type of what `encodeWebfinger` and `encodeHostMetaJson` give. */
export const JRD_MEDIA_TYPE = 'application/jrd+json';

export interface JrdLink {
  rel: string;
  type?: string;
  href?: string;
  template?: string;
}

export interface Jrd {
  subject?: string;
  aliases?: string[];
  links: JrdLink[];
}

/**
 * Whom a `resource` asks for: the username in `acct:alice@DOMAIN`, `alice@DOMAIN`, `xmpp:alice@DOMAIN` or `PUBLIC_URL/u/alice`, in small
 * letters. null: someone of another server, or nobody.
 * @param publicUrl without a slash at the end
 * @throws DomainError invalid (field resource) when there is none
 */
export function parseResource(resource: unknown, domain: string, publicUrl: string): string | null {
  if (typeof resource !== 'string' || resource === '') throw new DomainError('invalid', 'Say whom you ask for, like ?resource=acct:name@example.org.', 'resource');
  const page = `${publicUrl}/u/`;
  const username = resource.startsWith(page) ? resource.slice(page.length).replace(/\/$/, '') : /^(?:(?:acct|xmpp):)?@?([^@:/]+)@([^@/]+)$/i.exec(resource)?.slice(1);
  const [name, host] = typeof username === 'string' ? [username, domain] : (username ?? []);
  if (name === undefined || host?.toLowerCase() !== domain) return null;
  return isUsername(name.toLowerCase()) ? name.toLowerCase() : null;
}

/**
 * The JRD of a local person.
 * @param rels only links of these relations, when any are asked for (RFC 7033 §4.3)
 */
export function encodeWebfinger(actor: Actor, publicUrl: string, rels: readonly string[] = []): Jrd {
  const page = `${publicUrl}/u/${actor.username}`;
  const uri = xmppUri(handleOf(actor));
  const links: JrdLink[] = [
    { rel: 'http://webfinger.net/rel/profile-page', type: 'text/html', href: page },
    { rel: 'self', type: 'application/activity+json', href: page },
    { rel: 'http://schemas.google.com/g/2010#updates-from', type: 'application/atom+xml', href: `${page}/feed.atom` },
    { rel: 'alternate', href: uri },
  ];
  return { subject: `acct:${handleOf(actor)}`, aliases: [page, uri], links: links.filter(({ rel }) => rels.length === 0 || rels.includes(rel)) };
}

const lrdd = (publicUrl: string): JrdLink => ({ rel: 'lrdd', type: JRD_MEDIA_TYPE, template: `${publicUrl}/.well-known/webfinger?resource={uri}` });

/** `/.well-known/host-meta`, application/xrd+xml: where to ask about a person. */
export const encodeHostMeta = (publicUrl: string): Element => xml('XRD', { xmlns: NS.XRD }, xml('Link', { ...lrdd(publicUrl) }));

/** `/.well-known/host-meta.json`. */
export const encodeHostMetaJson = (publicUrl: string): Jrd => ({ links: [lrdd(publicUrl)] });

export const NODEINFO_VERSIONS = ['2.1', '2.0'] as const;
export type NodeinfoVersion = (typeof NODEINFO_VERSIONS)[number];
const schemaUrl = (version: NodeinfoVersion): string => `http://nodeinfo.diaspora.software/ns/schema/${version}`;

/** `/.well-known/nodeinfo`: where the documents are, `PUBLIC_URL/nodeinfo/VERSION`. */
export const encodeNodeinfoLinks = (publicUrl: string): Jrd => ({
  links: NODEINFO_VERSIONS.map((version) => ({ rel: schemaUrl(version), href: `${publicUrl}/nodeinfo/${version}` })),
});

/** The media type of a document, which names its schema. */
export const nodeinfoMediaType = (version: NodeinfoVersion): string => `application/json; profile="${schemaUrl(version)}#"`;

export interface NodeFacts {
  softwareVersion: string;
  openRegistrations: boolean;
  /** Accounts that exist for others. */
  users: number;
  /** Those who were here in the last 30 and 180 days, when that is known. */
  activeMonth?: number;
  activeHalfyear?: number;
  /** Public posts, for the number of others is nobody's business. */
  localPosts: number;
}

/** A NodeInfo document. The schemas name the protocols; ours of today is xmpp. */
export function encodeNodeinfo(version: NodeinfoVersion, { softwareVersion, openRegistrations, users, activeMonth, activeHalfyear, localPosts }: NodeFacts) {
  return {
    version,
    software: { name: 'diaspora-x', version: softwareVersion },
    protocols: ['xmpp'],
    services: { inbound: [], outbound: ['atom1.0'] },
    openRegistrations,
    usage: {
      users: { total: users, ...(activeMonth !== undefined && { activeMonth }), ...(activeHalfyear !== undefined && { activeHalfyear }) },
      localPosts,
    },
    metadata: {},
  };
}
