// Every XML namespace and pubsub node name that we write or read, under the document that defines it.
// They stand here, not in xmpp/, because formats may not import a protocol (house.md §1).

export const NS = {
  // RFC 6120, 6121
  CLIENT: 'jabber:client',
  STREAM: 'http://etherx.jabber.org/streams',
  STANZAS: 'urn:ietf:params:xml:ns:xmpp-stanzas',
  STREAMS: 'urn:ietf:params:xml:ns:xmpp-streams',
  ROSTER: 'jabber:iq:roster',
  // XEP-0004 Data Forms
  DATA: 'jabber:x:data',
  // XEP-0012 Last Activity
  LAST: 'jabber:iq:last',
  // XEP-0030 Service Discovery
  DISCO_INFO: 'http://jabber.org/protocol/disco#info',
  DISCO_ITEMS: 'http://jabber.org/protocol/disco#items',
  // XEP-0033 Extended Stanza Addressing
  ADDRESS: 'http://jabber.org/protocol/address',
  // XEP-0050 Ad-Hoc Commands
  COMMANDS: 'http://jabber.org/protocol/commands',
  // XEP-0054 vcard-temp
  VCARD_TEMP: 'vcard-temp',
  // XEP-0059 Result Set Management
  RSM: 'http://jabber.org/protocol/rsm',
  // XEP-0060 Publish-Subscribe
  PUBSUB: 'http://jabber.org/protocol/pubsub',
  PUBSUB_EVENT: 'http://jabber.org/protocol/pubsub#event',
  PUBSUB_OWNER: 'http://jabber.org/protocol/pubsub#owner',
  PUBSUB_ERRORS: 'http://jabber.org/protocol/pubsub#errors',
  PUBSUB_META_DATA: 'http://jabber.org/protocol/pubsub#meta-data',
  PUBSUB_NODE_CONFIG: 'http://jabber.org/protocol/pubsub#node_config',
  PUBSUB_PUBLISH_OPTIONS: 'http://jabber.org/protocol/pubsub#publish-options',
  PUBSUB_SUBSCRIBE_OPTIONS: 'http://jabber.org/protocol/pubsub#subscribe_options',
  // XEP-0077 In-Band Registration
  REGISTER: 'jabber:iq:register',
  // XEP-0080 User Location
  GEOLOC: 'http://jabber.org/protocol/geoloc',
  // XEP-0084 User Avatar
  AVATAR_DATA: 'urn:xmpp:avatar:data',
  AVATAR_METADATA: 'urn:xmpp:avatar:metadata',
  // XEP-0092 Software Version
  VERSION: 'jabber:iq:version',
  // XEP-0106 JID Escaping: a feature, not a namespace
  JID_ESCAPING: 'jid\\20escaping',
  // XEP-0114 Jabber Component Protocol
  COMPONENT: 'jabber:component:accept',
  // XEP-0115 Entity Capabilities
  CAPS: 'http://jabber.org/protocol/caps',
  // XEP-0153 vCard-Based Avatars
  VCARD_UPDATE: 'vcard-temp:x:update',
  // XEP-0172 User Nickname
  NICK: 'http://jabber.org/protocol/nick',
  // XEP-0191 Blocking Command
  BLOCKING: 'urn:xmpp:blocking',
  // XEP-0199 XMPP Ping
  PING: 'urn:xmpp:ping',
  // XEP-0203 Delayed Delivery
  DELAY: 'urn:xmpp:delay',
  // XEP-0277 Microblogging over XMPP, XEP-0472 Pubsub Social Feed, XEP-0501 Pubsub Stories
  MICROBLOG: 'urn:xmpp:microblog:0',
  SOCIAL_FEED: 'urn:xmpp:pubsub-social-feed:1',
  SOCIAL_FEED_GALLERY: 'urn:xmpp:pubsub-social-feed:gallery:1',
  SOCIAL_FEED_STORIES: 'urn:xmpp:pubsub-social-feed:stories:0',
  // XEP-0292 vCard4 over XMPP; RFC 6351
  VCARD4_NODE: 'urn:xmpp:vcard4',
  VCARD4: 'urn:ietf:params:xml:ns:vcard-4.0',
  // XEP-0297 Stanza Forwarding
  FORWARD: 'urn:xmpp:forward:0',
  // XEP-0330 Pubsub Subscription
  PUBSUB_SUBSCRIPTION_NODE: 'urn:xmpp:pubsub:subscription',
  PUBSUB_SUBSCRIPTION: 'urn:xmpp:pubsub:subscription:0',
  // XEP-0335 JSON Containers
  JSON: 'urn:xmpp:json:0',
  // XEP-0355 Namespace Delegation
  DELEGATION: 'urn:xmpp:delegation:2',
  // XEP-0356 Privileged Entity: 1 in ejabberd 23.01, 2 in Debian's Prosody module
  PRIVILEGE_1: 'urn:xmpp:privilege:1',
  PRIVILEGE: 'urn:xmpp:privilege:2',
  // XEP-0376 Pubsub Account Management
  PAM: 'urn:xmpp:pam:0',
  // XEP-0413 Order-By (0 in Libervia Pubsub 0.4)
  ORDER_BY_0: 'urn:xmpp:order-by:0',
  ORDER_BY: 'urn:xmpp:order-by:1',
  // XEP-0465 Pubsub Public Subscriptions
  PUBLIC_SUBSCRIPTIONS: 'urn:xmpp:pps:0',
  // XEP-0398 User Avatar to vCard-Based Avatars Conversion
  PEP_VCARD_CONVERSION: 'urn:xmpp:pep-vcard-conversion:0',
  // XEP-0470 Pubsub Attachments
  ATTACHMENTS: 'urn:xmpp:pubsub-attachments:1',
  ATTACHMENTS_SUMMARY: 'urn:xmpp:pubsub-attachments:summary:1',
  // RFC 4287 Atom; RFC 4685 Threading; RFC 5005 Feed Paging (its archive and complete marks)
  ATOM: 'http://www.w3.org/2005/Atom',
  THREAD: 'http://purl.org/syndication/thread/1.0',
  FEED_HISTORY: 'http://purl.org/syndication/history/1.0',
  // RFC 6721 Atom deleted-entry
  TOMBSTONES: 'http://purl.org/atompub/tombstones/1.0',
  XHTML: 'http://www.w3.org/1999/xhtml',
  // Atom Activity Streams 1.0
  ACTIVITY: 'http://activitystrea.ms/spec/1.0/',
  // OneSocialWeb 1.0
  OSW: 'http://onesocialweb.org/spec/1.0/',
  // Activity Streams 2.0: the JSON-LD context, and the name of our node
  ACTIVITYSTREAMS2: 'https://www.w3.org/ns/activitystreams',
  // OASIS XRD 1.0
  XRD: 'http://docs.oasis-open.org/ns/xri/xrd-1.0',
} as const;

/** What Activity Streams 1 verbs and object types begin with. */
export const AS1_SCHEMA = 'http://activitystrea.ms/schema/1.0/';

const COMMENTS_PREFIX = `${NS.MICROBLOG}:comments/`;
/** The node with the comments on a post (XEP-0277 §3; Movim hard-wires this prefix, Libervia writes it). */
export const commentsNode = (itemId: string): string => COMMENTS_PREFIX + itemId;
/** To which item's comments a node of this name belongs. null: no name of such a node. */
export const commentedItem = (node: string): string | null => (node.startsWith(COMMENTS_PREFIX) && node.length > COMMENTS_PREFIX.length ? node.slice(COMMENTS_PREFIX.length) : null);
