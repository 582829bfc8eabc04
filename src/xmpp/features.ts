// What disco#info lists (XEP-0030), in one place. List only what works: clients rely on it.
import { NS } from '../formats/namespaces.js';

export interface Identity {
  category: string;
  type: string;
  name?: string;
  lang?: string;
}

const pubsub = (...names: string[]): string[] => names.map((name) => `${NS.PUBSUB}#${name}`);

/** XEP-0163 §6: a PEP service is recognised by exactly the second one. */
export const ACCOUNT_IDENTITIES: readonly Identity[] = [
  { category: 'account', type: 'registered' },
  { category: 'pubsub', type: 'pep' },
];

/** Every account's bare JID. */
export const ACCOUNT_FEATURES: readonly string[] = [
  NS.DISCO_INFO,
  NS.DISCO_ITEMS,
  NS.PING,
  NS.VERSION,
  NS.LAST,
  NS.VCARD_TEMP,
  NS.VCARD4,
  // XEP-0398: vCard, avatar nodes and presence tell of one and the same picture.
  NS.PEP_VCARD_CONVERSION,
  NS.RSM,
  NS.MICROBLOG,
  NS.SOCIAL_FEED,
  // XEP-0470 §2.2: only a service that does all of it may say so.
  NS.ATTACHMENTS,
  NS.PUBSUB,
  ...pubsub(
    'access-open',
    'auto-subscribe',
    'config-node',
    'config-node-max',
    'filtered-notifications',
    'item-ids',
    'meta-data',
    'multi-items',
    'persistent-items',
    'presence-notifications',
    'presence-subscribe',
    'publish',
    'publish-options',
    'publisher-affiliation',
    'retract-items',
    'retrieve-affiliations',
    'retrieve-default',
    'retrieve-items',
    'retrieve-subscriptions',
    'rsm',
    'subscribe',
    'subscription-notifications',
    'subscription-options',
  ),
];

/** The domain itself: no pubsub/service, because Libervia 0.9 would take it for its users' default pubsub service (xmpp-social.md §3). */
export const DOMAIN_IDENTITY: Identity = { category: 'component', type: 'generic', name: 'diaspora-x' };
export const DOMAIN_FEATURES: readonly string[] = [NS.DISCO_INFO, NS.DISCO_ITEMS, NS.PING, NS.VERSION, NS.LAST, NS.JID_ESCAPING];

/** The resources under which accounts are present. */
export const CLIENT_IDENTITY: Identity = { category: 'client', type: 'web', name: 'diaspora-x' };
export const CLIENT_FEATURES: readonly string[] = [NS.CAPS, NS.DISCO_INFO, NS.DISCO_ITEMS, NS.PING, NS.VERSION, NS.LAST];

/** The nodes of people whom our accounts follow that we want to hear of. */
export const INTERESTS: readonly string[] = [NS.MICROBLOG, NS.VCARD4_NODE, NS.NICK, NS.AVATAR_METADATA];
