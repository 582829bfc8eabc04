// XEP-0060 Publish-Subscribe, version 1.30.0; XEP-0163 PEP, version 1.2.2: <pubsub/> stanzas ↔ rules.ts, nodes.ts, subscriptions.ts, publish.ts.
// What Movim and Libervia really send, and what they make of each refusal: xmpp-social.md §4.
import type { Audience } from '../../domain/activity.js';
import { isAttachmentsName } from '../../formats/attachments.js';
import { decodeAvatarData, decodeHasAvatar, decodeNick } from '../../formats/profile-nodes.js';
import { NS } from '../../formats/namespaces.js';
import { decodeVcard4 } from '../../formats/vcard4.js';
import type { Context } from '../../services/context.js';
import { takeLimits } from '../../services/limits.js';
import { removePicture, setPicture } from '../../services/media.js';
import { changeProfile } from '../../services/profiles.js';
import { findActor } from '../../store/actors.js';
import { findSubscriptions, type PubsubSubscription } from '../../store/xmpp.js';
import { type Element, xml } from '../../xml.js';
import { parseJid } from '../addresses.js';
import { decodeForm, encodeForm } from '../codec/data-form.js';
import type { EventItem } from '../codec/event.js';
import { decodePageRequest, encodePageInfo } from '../codec/rsm.js';
import type { IqHandler, IqRequest } from '../dispatch.js';
import { badRequest, itemNotFound, notAllowed, StanzaError } from '../errors.js';
import { type Asker, meet, type Target } from '../people.js';
import { encodePost, profileItems, readItem, readPage } from './nodes.js';
import { findOwnItem, publishItem, retractItem } from './publish.js';
import { type OpenNode, openNode } from './post-node-requests.js';
import { POST_NODE_TRAITS, postNodeNamed } from './post-nodes.js';
import { type Action, audienceOfOptions, checkConfiguration, FEED_NODES, isFeed, type NodeName, nodeConfiguration, nodeNamed, PAGE_MAX, PROFILE_NODES, type ProfileNodeName, planPage, require, settingsOf } from './rules.js';
import { readSequence } from './sequence.js';
import { subscribe, subscribeToPost, unsubscribe } from './subscriptions.js';

/** Everything that a request is about. */
interface Call {
  ctx: Context;
  target: Target;
  asker: Asker;
  pubsub: Element;
  /** The child of `<pubsub/>` that says what is wanted. */
  verb: Element;
}
type CallHandler = (call: Call) => Promise<Element | null>;

const pubsub = (...children: (Element | false)[]): Element => xml('pubsub', { xmlns: NS.PUBSUB }, children);
const pubsubOwner = (...children: Element[]): Element => xml('pubsub', { xmlns: NS.PUBSUB_OWNER }, children);

/** @throws StanzaError forbidden */
const mayOnly = ({ asker }: Call, action: Action): void => require(asker.isOwner ? 'owner' : 'none', action);

/** The node of a post that the verb names, opened for the asker. null: it names another. @throws StanzaError item-not-found */
function postNodeOf({ ctx, target, asker, verb }: Call): Promise<OpenNode> | null {
  const node = postNodeNamed(verb.attrs.node ?? '', target.jid);
  return node && openNode(ctx, target, asker, node);
}

/** The node that the verb names. @throws StanzaError bad-request + nodeid-required, item-not-found */
function nodeOf({ verb }: Call): NodeName {
  const name = verb.attrs.node;
  if (!name) throw badRequest('nodeid-required');
  return nodeNamed(name) ?? notThere();
}
const notThere = (): never => {
  throw itemNotFound();
};

// ── reading ──

const encodeItem = (call: Call, { id, payload, publisher = call.target.jid }: EventItem): Element => xml('item', { id, publisher }, payload);

const items: CallHandler = async (call) => {
  const { ctx, target, asker, verb } = call;
  const open = await postNodeOf(call);
  const node = open ? null : nodeOf(call);
  // The name as it was asked for: an alias is answered by itself.
  const answer = (found: EventItem[], set: Element | false = false) => pubsub(xml('items', { node: verb.attrs.node }, found.map((item) => encodeItem(call, item))), set);
  const ids = verb.getChildren('item').map((item) => item.attrs.id ?? '');
  if (ids.length > PAGE_MAX) throw new StanzaError('modify', 'not-acceptable', null, `Ask for at most ${PAGE_MAX} items at once.`);
  if (ids.includes('')) throw badRequest('item-required');

  const set = call.pubsub.getChild('set', NS.RSM) ?? verb.getChild('set', NS.RSM);
  const plan = () => planPage(verb.attrs.max_items, set ? decodePageRequest(set) : null);
  if (open) {
    if (ids.length > 0) return answer((await Promise.all([...new Set(ids)].map((id) => open.find(id)))).filter((item) => item !== null));
    const page = await readSequence(open.sequence, plan());
    return answer(page.items, encodePageInfo(page.info));
  }
  if (node === null) return notThere();
  if (!isFeed(node)) {
    const all = await profileItems(ctx, node, target.actor);
    return answer(ids.length > 0 ? all.filter(({ id }) => ids.includes(id)) : all);
  }
  if (ids.length > 0) {
    const found: EventItem[] = [];
    for (const id of new Set(ids)) {
      let view = await readItem(ctx, asker.viewer, target.actor, id);
      // Her client may ask for the post by the id that it had chosen itself.
      if (!view && asker.isOwner) view = await readItem(ctx, asker.viewer, target.actor, (await findOwnItem(ctx, target.account, id))?.guid ?? '');
      if (view) found.push(await encodePost(ctx, node, view));
    }
    return answer(found);
  }
  const page = await readPage(ctx, asker.viewer, target.actor, node, plan());
  // Always with <set/>: Movim offers "older posts" only where it saw <last/>.
  return answer(page.items, encodePageInfo(page.info));
};

// ── subscriptions ──

/** XEP-0060 §6.1.3.1: only oneself; a full JID of one's own stands for the bare one, which is what we keep. */
function checkSubscriber({ verb, asker }: Call): void {
  const jid = parseJid(verb.attrs.jid);
  if (!jid || jid.bare !== asker.jid.bare) throw badRequest('invalid-jid');
}

const encodeSubscription = ({ node, jid, state, subid }: Pick<PubsubSubscription, 'node' | 'jid' | 'state' | 'subid'>): Element =>
  xml('subscription', { node, jid, subscription: state, subid });

const subscribeTo: CallHandler = async (call) => {
  checkSubscriber(call);
  const open = await postNodeOf(call);
  const subscription = open ? await subscribeToPost(call.ctx, call.target, call.asker, open.node.name) : await subscribe(call.ctx, call.target, call.asker, nodeOf(call));
  return pubsub(encodeSubscription({ ...subscription, node: call.verb.attrs.node! }));
};

const unsubscribeFrom: CallHandler = async (call) => {
  checkSubscriber(call);
  // Also from a post that is no longer there, or no longer for the asker: whoever knows of a subscription may end it.
  const node = postNodeNamed(call.verb.attrs.node ?? '', call.target.jid)?.name ?? nodeOf(call);
  await unsubscribe(call.ctx, call.target, call.asker, node, call.verb.attrs.subid);
  return null;
};

/** The asker's own, and nobody else's. */
const ownSubscriptions = async (call: Call): Promise<PubsubSubscription[]> => {
  const { ctx, target, asker, verb } = call;
  const name = verb.attrs.node;
  const node = name === undefined ? undefined : ((await postNodeOf(call))?.node.name ?? nodeNamed(name) ?? notThere());
  return findSubscriptions(ctx.store, { actorId: target.actor.id, jid: asker.jid.bare, ...(node ? { node } : {}) });
};

const subscriptions: CallHandler = async (call) =>
  pubsub(xml('subscriptions', { node: call.verb.attrs.node }, (await ownSubscriptions(call)).map(encodeSubscription)));

const affiliations: CallHandler = async (call) => {
  const name = call.verb.attrs.node;
  const nodes = name === undefined ? [...FEED_NODES, ...PROFILE_NODES] : [(await postNodeOf(call))?.node.name ?? nodeNamed(name) ?? notThere()];
  return pubsub(xml('affiliations', { node: name }, call.asker.isOwner && nodes.map((node) => xml('affiliation', { node, affiliation: 'owner' }))));
};

/** §6.3: there is one option, and it is always on. */
const options: CallHandler = async (call) => {
  checkSubscriber(call);
  const node = (await postNodeOf(call))?.node.name ?? nodeOf(call);
  if ((await findSubscriptions(call.ctx.store, { actorId: call.target.actor.id, jid: call.asker.jid.bare, node })).length === 0) {
    throw new StanzaError('cancel', 'unexpected-request', 'not-subscribed');
  }
  const form = encodeForm('form', NS.PUBSUB_SUBSCRIBE_OPTIONS, [{ name: 'pubsub#deliver', type: 'boolean', values: ['1'], label: 'Send me new items' }]);
  return pubsub(xml('options', { node: call.verb.attrs.node, jid: call.asker.jid.bare }, form));
};

const setOptions: CallHandler = async (call) => {
  await options(call);
  return null;
};

// ── publishing ──

/** Publish-options beside `<publish/>`. @throws StanzaError bad-request */
function optionsOf({ pubsub }: Call): Audience | null {
  const form = pubsub.getChild('publish-options')?.getChild('x', NS.DATA);
  if (!form) return null;
  const fields = decodeForm(form);
  const type = fields.get('FORM_TYPE')?.[0];
  if (type !== undefined && type !== NS.PUBSUB_PUBLISH_OPTIONS) throw badRequest();
  return audienceOfOptions(fields);
}

const publish: CallHandler = async (call) => {
  const { ctx, target, verb } = call;
  const open = await postNodeOf(call);
  const node = open ? null : nodeOf(call);
  if (!open) mayOnly(call, 'publish');
  // XEP-0470 §2.3: those for attachments are ignored.
  const ofOptions = open?.node.kind === 'attachments' ? null : optionsOf(call);
  const given = verb.getChildren('item');
  if (given.length === 0) throw badRequest('item-required');
  // §7.1.3.6 allows one; a batch would be half done when its second item is refused.
  if (given.length > 1) throw badRequest('max-items-exceeded', 'Publish one item at a time.');
  const item = given[0]!;
  const payloads = item.getChildElements();
  if (payloads.length === 0) throw badRequest('payload-required');
  if (payloads.length > 1) throw badRequest('invalid-payload');
  const payload = payloads[0]!;
  const published = (id: string) => pubsub(xml('publish', { node: verb.attrs.node }, xml('item', { id })));
  if (open) return published(await open.publish({ id: item.attrs.id || null, payload }));
  if (node === null) return notThere();
  if (isFeed(node)) return published(await publishItem(ctx, target.account, node, { id: item.attrs.id || null, payload, ofOptions }));
  return published(await publishProfile(call, node, payload));
};

/**
 * Her name, summary and picture are the same on every network, whoever changes them.
 * @returns the id of the item: of a picture, which we encode anew, another one than hers
 */
async function publishProfile({ ctx, target }: Call, node: ProfileNodeName, payload: Element): Promise<string> {
  switch (node) {
    case NS.NICK:
      await changeProfile(ctx, target.account, { displayName: decodeNick(payload).slice(0, 100) });
      return 'current';
    case NS.VCARD4_NODE: {
      const { displayName, summary } = decodeVcard4(payload);
      await changeProfile(ctx, target.account, { displayName: displayName.slice(0, 100), summary: summary.slice(0, 5_000) });
      return 'current';
    }
    case NS.AVATAR_DATA:
      await takeLimits(ctx, { 'picture-account': String(target.account.id) });
      await setPicture(ctx, target.account, 'avatar', decodeAvatarData(payload));
      break;
    case NS.AVATAR_METADATA:
      // XEP-0084 §3.1: the data came first. Metadata of a picture say nothing new; empty ones take it away.
      if (!decodeHasAvatar(payload)) await removePicture(ctx, target.account, 'avatar');
  }
  return (await findActor(ctx.store, target.actor.id))?.profile.avatar ?? 'current';
}

const retract: CallHandler = async (call) => {
  const open = await postNodeOf(call);
  const node = open ? null : nodeOf(call);
  if (!open) mayOnly(call, 'retract');
  const ids = call.verb.getChildren('item').map((item) => item.attrs.id ?? '');
  if (ids.length === 0 || ids.includes('')) throw badRequest('item-required');
  if (ids.length > 1) throw badRequest('max-items-exceeded', 'Retract one item at a time.');
  if (open) {
    await open.retract(ids[0]!);
    return null;
  }
  if (node === null || !isFeed(node)) throw notAllowed();
  await retractItem(call.ctx, call.target.account, ids[0]!);
  return null;
};

// ── the owner's ──

/** There are these nodes and no others: they come with the account and with each post. */
const create: CallHandler = async (call) => {
  const name = call.verb.attrs.node;
  // XEP-0470 §2.4: whoever tries.
  if (name && isAttachmentsName(name)) throw notAllowed();
  mayOnly(call, 'create');
  const isThere = name && (nodeNamed(name) ?? (await postNodeOf(call)?.catch(() => null)));
  if (isThere) throw new StanzaError('cancel', 'conflict');
  throw notAllowed();
};

const configure: CallHandler = async (call) => {
  const open = await postNodeOf(call);
  const settings = open ? settingsOf(POST_NODE_TRAITS[open.node.kind]) : nodeConfiguration(nodeOf(call));
  mayOnly(call, 'configure');
  return pubsubOwner(xml('configure', { node: call.verb.attrs.node }, encodeForm('form', NS.PUBSUB_NODE_CONFIG, settings)));
};

const setConfigure: CallHandler = async (call) => {
  if (!(await postNodeOf(call))) nodeOf(call);
  mayOnly(call, 'configure');
  const form = call.verb.getChild('x', NS.DATA);
  if (!form) throw badRequest();
  if (form.attrs.type !== 'cancel') checkConfiguration(decodeForm(form));
  return null;
};

const defaults: CallHandler = async (call) => {
  mayOnly(call, 'configure');
  return pubsubOwner(xml('default', null, encodeForm('form', NS.PUBSUB_NODE_CONFIG, nodeConfiguration(NS.MICROBLOG))));
};

const ownerSubscriptions: CallHandler = async (call) => {
  const node = (await postNodeOf(call))?.node.name ?? nodeOf(call);
  mayOnly(call, 'see-subscribers');
  // Thousands would not fit into a stanza; the web page lists all.
  const some = await findSubscriptions(call.ctx.store, { actorId: call.target.actor.id, node }, 1_000);
  return pubsubOwner(xml('subscriptions', { node: call.verb.attrs.node }, some.map(({ jid, state, subid }) => xml('subscription', { jid, subscription: state, subid }))));
};

const ownerAffiliations: CallHandler = async (call) => {
  if (!(await postNodeOf(call))) nodeOf(call);
  mayOnly(call, 'see-subscribers');
  return pubsubOwner(xml('affiliations', { node: call.verb.attrs.node }, xml('affiliation', { jid: call.target.jid, affiliation: 'owner' })));
};

/** What an owner may ask for, but does not get: who follows is decided on the web, and the nodes stay. */
const refusedToOwner =
  (action: Action): CallHandler =>
  async (call) => {
    if (!(await postNodeOf(call))) nodeOf(call);
    mayOnly(call, action);
    throw notAllowed();
  };

const VERBS: Record<string, CallHandler> = {
  'get items': items,
  'set subscribe': subscribeTo,
  'set unsubscribe': unsubscribeFrom,
  'get subscriptions': subscriptions,
  'get affiliations': affiliations,
  'get options': options,
  'set options': setOptions,
  'set publish': publish,
  'set retract': retract,
  'set create': create,
};

const OWNER_VERBS: Record<string, CallHandler> = {
  'get configure': configure,
  'set configure': setConfigure,
  'get default': defaults,
  'get subscriptions': ownerSubscriptions,
  'set subscriptions': refusedToOwner('see-subscribers'),
  'get affiliations': ownerAffiliations,
  'set affiliations': refusedToOwner('see-subscribers'),
  'set delete': refusedToOwner('delete'),
  'set purge': refusedToOwner('purge'),
};

/** Finds the verb among the children of `<pubsub/>`: Movim puts `<set/>` first. */
const handle =
  (ctx: Context, verbs: Record<string, CallHandler>) =>
  async ({ type, payload, to, from }: IqRequest): Promise<Element | null> => {
    const { target, asker } = await meet(ctx, to, from);
    for (const verb of payload.getChildElements()) {
      const key = `${type} ${verb.getName()}`;
      if (verb.getNS() === payload.getNS() && Object.hasOwn(verbs, key)) return verbs[key]!({ ctx, target, asker, pubsub: payload, verb });
    }
    throw payload.getChildElements().length === 0 ? badRequest() : new StanzaError('cancel', 'feature-not-implemented', 'unsupported');
  };

/** The pubsub part of the table of requests. */
export const pubsubHandlers = (ctx: Context): Record<string, IqHandler> => ({
  [`get {${NS.PUBSUB}}pubsub`]: handle(ctx, VERBS),
  [`set {${NS.PUBSUB}}pubsub`]: handle(ctx, VERBS),
  [`get {${NS.PUBSUB_OWNER}}pubsub`]: handle(ctx, OWNER_VERBS),
  [`set {${NS.PUBSUB_OWNER}}pubsub`]: handle(ctx, OWNER_VERBS),
});
