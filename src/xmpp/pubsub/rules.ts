// XEP-0060 Publish-Subscribe, version 1.30.0, and XEP-0163 PEP, version 1.2.2: the rules, without XML (after Prosody's util/pubsub).
import type { Audience } from '../../domain/activity.js';
import { aspectKey } from '../../domain/aspect.js';
import { type AudienceHint, LIMITED_GROUP } from '../../formats/atom-entry.js';
import { NS } from '../../formats/namespaces.js';
import { booleanOf, type Field } from '../codec/data-form.js';
import type { PageRequest } from '../codec/rsm.js';
import { badRequest, forbidden, StanzaError } from '../errors.js';

/** relations.md: an account's nodes have one owner; who may read an item is decided for each item. */
export type Affiliation = 'owner' | 'none';

const MAY = {
  read: ['owner', 'none'],
  subscribe: ['owner', 'none'],
  publish: ['owner'],
  retract: ['owner'],
  create: ['owner'],
  configure: ['owner'],
  'see-subscribers': ['owner'],
  delete: ['owner'],
  purge: ['owner'],
} as const satisfies Record<string, readonly Affiliation[]>;
export type Action = keyof typeof MAY;

/** @throws StanzaError forbidden */
export function require(affiliation: Affiliation, action: Action): void {
  if (!(MAY[action] as readonly Affiliation[]).includes(affiliation)) throw forbidden();
}

// ── nodes ──

export const FEED_NODES = [NS.MICROBLOG, NS.ACTIVITYSTREAMS2] as const;
export type FeedNodeName = (typeof FEED_NODES)[number];
export const PROFILE_NODES = [NS.VCARD4_NODE, NS.NICK, NS.AVATAR_METADATA, NS.AVATAR_DATA] as const;
export type ProfileNodeName = (typeof PROFILE_NODES)[number];
export type NodeName = FeedNodeName | ProfileNodeName;

export const isFeed = (node: NodeName): node is FeedNodeName => (FEED_NODES as readonly string[]).includes(node);
const NODES = new Set<string>([...FEED_NODES, ...PROFILE_NODES]);

/** COMPAT Movim 0.34: it takes the node out of an encoded URI without decoding it. */
const ALIASES = new Map<string, NodeName>(FEED_NODES.map((node) => [encodeURIComponent(node), node]));

/** The node of that name. null: there is none. */
export const nodeNamed = (name: string): NodeName | null => ALIASES.get(name) ?? (NODES.has(name) ? (name as NodeName) : null);

const TITLES: Record<NodeName, string> = {
  [NS.MICROBLOG]: 'Posts',
  [NS.ACTIVITYSTREAMS2]: 'Posts (Activity Streams 2.0)',
  [NS.VCARD4_NODE]: 'Profile',
  [NS.NICK]: 'Name',
  [NS.AVATAR_METADATA]: 'Picture',
  [NS.AVATAR_DATA]: 'Picture data',
};

/** What nodes differ in. */
export interface NodeTraits {
  title: string;
  /** `pubsub#type`. */
  type: string;
  publishModel: 'publishers' | 'open';
  sendLast: 'never' | 'on_sub_and_presence';
}

const traitsOf = (node: NodeName): NodeTraits => ({
  title: TITLES[node],
  type: node === NS.ACTIVITYSTREAMS2 ? NS.SOCIAL_FEED : node,
  publishModel: 'publishers',
  sendLast: isFeed(node) ? 'never' : 'on_sub_and_presence',
});

/** Every setting of a node, all of them fixed. `deliver_payloads` 1 although XEP-0472 says 0: Movim 0.34 drops events without payload. */
export const settingsOf = ({ title, type, publishModel, sendLast }: NodeTraits): Field[] => [
  { name: 'pubsub#title', type: 'text-single', values: [title], label: 'Title' },
  { name: 'pubsub#type', type: 'text-single', values: [type], label: 'Type' },
  { name: 'pubsub#access_model', type: 'list-single', values: ['open'], options: ['open'], label: 'Who may read (each item has its own audience)' },
  { name: 'pubsub#publish_model', type: 'list-single', values: [publishModel], options: [publishModel], label: 'Who may publish' },
  { name: 'pubsub#persist_items', type: 'boolean', values: ['1'], label: 'Items are kept' },
  { name: 'pubsub#max_items', type: 'text-single', values: ['max'], label: 'How many items are kept' },
  { name: 'pubsub#deliver_notifications', type: 'boolean', values: ['1'], label: 'Subscribers are told' },
  { name: 'pubsub#deliver_payloads', type: 'boolean', values: ['1'], label: 'with the item itself' },
  { name: 'pubsub#notify_retract', type: 'boolean', values: ['1'], label: 'also of items that are removed' },
  { name: 'pubsub#notify_delete', type: 'boolean', values: ['1'], label: 'also when the node is removed' },
  { name: 'pubsub#notify_sub', type: 'boolean', values: ['0'], label: 'The owner is told of subscriptions' },
  { name: 'pubsub#send_last_published_item', type: 'list-single', values: [sendLast], label: 'When the last item is sent' },
  { name: 'pubsub#itemreply', type: 'list-single', values: ['publisher'], label: 'Whom replies go to' },
];

export const nodeConfiguration = (node: NodeName): Field[] => settingsOf(traitsOf(node));

/** disco#info's meta-data (XEP-0060 §5.4). */
export const metaDataOf = (traits: NodeTraits, owner: string, createdAt: number, subscribers: number): Field[] => [
  ...settingsOf(traits)
    .filter(({ name }) => ['pubsub#title', 'pubsub#type', 'pubsub#access_model', 'pubsub#publish_model', 'pubsub#max_items'].includes(name))
    .map(({ name, type, values }) => ({ name, type, values })),
  { name: 'pubsub#description', type: 'text-single', values: [traits.title] },
  { name: 'pubsub#creation_date', type: 'text-single', values: [new Date(createdAt).toISOString()] },
  { name: 'pubsub#creator', type: 'text-single', values: [owner] },
  { name: 'pubsub#owner', type: 'jid-multi', values: [owner] },
  { name: 'pubsub#publisher', type: 'jid-multi', values: [owner] },
  { name: 'pubsub#num_subscribers', type: 'text-single', values: [String(subscribers)] },
];

export const nodeMetaData = (node: NodeName, owner: string, createdAt: number, subscribers: number): Field[] => metaDataOf(traitsOf(node), owner, createdAt, subscribers);

// ── what clients ask a node to be ──

const precondition = (): StanzaError => new StanzaError('cancel', 'conflict', 'precondition-not-met');
const CLOSED_MODELS = new Set(['presence', 'roster', 'whitelist', 'authorize']);

/** Settings that would let fewer read than we do, apart from the access model. */
function restricts(fields: ReadonlyMap<string, string[]>): boolean {
  const given = (name: string) => (fields.get(name) ?? []).filter((value) => value !== '');
  return given('pubsub#roster_groups_allowed').length > 0 || given('pubsub#whitelist').length > 0;
}

/** A client that wants nothing kept must not have it kept. */
function checkPersistence(fields: ReadonlyMap<string, string[]>): void {
  const value = fields.get('pubsub#persist_items')?.[0];
  if (value !== undefined && booleanOf(value) !== true) throw precondition();
}

/**
 * A new configuration: all settings are fixed, so it is accepted as long as nobody is made to believe that fewer can read.
 * @throws StanzaError conflict
 */
export function checkConfiguration(fields: ReadonlyMap<string, string[]>): void {
  const model = fields.get('pubsub#access_model')?.[0];
  if ((model !== undefined && model !== 'open') || restricts(fields)) throw new StanzaError('cancel', 'conflict', null, 'Who may read is decided for each post. Choose it when you publish.');
  checkPersistence(fields);
}

/**
 * publish-options (XEP-0060 §7.1.5): what is true anyhow is met, what does not narrow who may read is let pass.
 * @returns the audience that the access model stands for (relations.md "Audience"); null: none was named
 * @throws StanzaError conflict + precondition-not-met
 */
export function audienceOfOptions(fields: ReadonlyMap<string, string[]>): Audience | null {
  if (restricts(fields)) throw precondition();
  checkPersistence(fields);
  const model = fields.get('pubsub#access_model')?.[0];
  if (model === undefined) return null;
  if (model === 'open') return { to: 'public' };
  if (CLOSED_MODELS.has(model)) return { to: 'contacts' };
  throw precondition();
}

const notAcceptable = (text: string): StanzaError => new StanzaError('modify', 'not-acceptable', null, text);

/**
 * For whom a stanza's post is: its acl-rule, else the access model, else null (the account's default).
 * @param aspects the account's own: a group is the aspect of that name
 * @throws StanzaError not-acceptable for single people, and for groups of other names
 */
export function audienceOf(acl: AudienceHint | null, ofOptions: Audience | null, aspects: readonly { id: number; name: string }[]): Audience | null {
  if (acl === null) return ofOptions;
  if (acl.to === 'public' || acl.to === 'contacts') return { to: acl.to };
  if (acl.to === 'people') throw notAcceptable('A post can be for everyone, for your contacts, or for aspects of yours.');
  const aspectIds = acl.names.map((name) => {
    const aspect = aspects.find((one) => aspectKey(one.name) === aspectKey(name));
    if (!aspect) throw notAcceptable(`You have no aspect of the name “${name.slice(0, 100)}”.`);
    return aspect.id;
  });
  return { to: 'aspects', aspectIds };
}

/** What our own entries say of a post for aspects, whose names never leave: sent back with an edit, it asks for nothing. */
export const isOwnLimited = (acl: AudienceHint | null): boolean => acl?.to === 'groups' && acl.names.every((name) => name === LIMITED_GROUP);

/**
 * Does an edit ask for fewer readers than the post has? Editing never changes them.
 * @throws StanzaError conflict + precondition-not-met
 */
export function checkEditedAudience(wanted: Audience | null, current: Audience): void {
  if (wanted === null || wanted.to === 'public') return;
  if (current.to === 'public') throw precondition();
  if (wanted.to !== 'aspects') return;
  if (current.to !== 'aspects' || current.aspectIds.some((id) => !wanted.aspectIds.includes(id))) throw precondition();
}

// ── items ──

/** `0` is the feed's own metadata (XEP-0277 §4); longer ids are of no client. Ours are always guids. */
export function checkItemId(id: string): void {
  if (id === '0' || id.length > 255 || /[\p{Cc}]/u.test(id)) throw badRequest('invalid-payload', 'This item id cannot be used.');
}

export const PAGE_MAX = 100;
const PAGE_DEFAULT = 50;
/** Beyond this one pages by id: each step costs as much as all before it. */
const MAX_INDEX = 1_000;

/** How to read a page. */
export interface Plan {
  from: { older: string } | { newer: string } | { index: number } | { end: true };
  limit: number;
  /** Plain XEP-0060: oldest first. With RSM: newest first. */
  chronological: boolean;
}

/**
 * @param maxItems the `max_items` attribute
 * @throws StanzaError bad-request, feature-not-implemented (an index too far)
 */
export function planPage(maxItems: string | undefined, page: PageRequest | null): Plan {
  let limit = PAGE_DEFAULT;
  if (maxItems !== undefined && maxItems !== 'max') {
    if (!/^\d{1,10}$/.test(maxItems) || Number(maxItems) === 0) throw badRequest();
    limit = Math.min(Number(maxItems), PAGE_MAX);
  } else if (maxItems === 'max') limit = PAGE_MAX;
  if (page === null) return { from: { index: 0 }, limit, chronological: true };
  // "max_items=20" with "<max>20": Movim sends one or the other; the smaller one holds.
  if (page.max !== null) limit = Math.min(page.max, maxItems === undefined ? PAGE_MAX : limit);
  if (page.index !== null && page.index > MAX_INDEX) throw new StanzaError('cancel', 'feature-not-implemented', null, 'Page by item ids.');
  const from = page.after !== null ? { older: page.after } : page.before === '' ? { end: true as const } : page.before !== null ? { newer: page.before } : { index: page.index ?? 0 };
  return { from, limit, chronological: false };
}

