// XEP-0030 Service Discovery, version 2.5rc3; XEP-0060 §5; XEP-0115 §6 (our own caps).
import { NS } from '../formats/namespaces.js';
import type { Context } from '../services/context.js';
import { listPostsBy } from '../services/stream.js';
import { countSubscribers } from '../store/xmpp.js';
import { type Element, xml } from '../xml.js';
import { type OwnResource, ownCapsNode, RESOURCE_FEATURES } from './caps.js';
import { encodeForm } from './codec/data-form.js';
import { decodePageRequest, encodePageInfo } from './codec/rsm.js';
import type { IqHandler, IqRequest } from './dispatch.js';
import { itemNotFound, serviceUnavailable } from './errors.js';
import { ACCOUNT_FEATURES, ACCOUNT_IDENTITIES, CLIENT_IDENTITY, DOMAIN_FEATURES, DOMAIN_IDENTITY, type Identity } from './features.js';
import { meet, type Target } from './people.js';
import { pictureOf, profileItems, readPage } from './pubsub/nodes.js';
import { discoItemsOf, openNode, postNodeMetaData } from './pubsub/post-node-requests.js';
import { postNodeNamed } from './pubsub/post-nodes.js';
import { FEED_NODES, isFeed, type NodeName, nodeMetaData, nodeNamed, planPage, PROFILE_NODES } from './pubsub/rules.js';
import { readSequence } from './pubsub/sequence.js';

const info = (node: string | undefined, identities: readonly Identity[], features: readonly string[], ...more: Element[]): Element =>
  xml(
    'query',
    { xmlns: NS.DISCO_INFO, node },
    identities.map(({ category, type, name }) => xml('identity', { category, type, name })),
    features.map((feature) => xml('feature', { var: feature })),
    more,
  );

async function nodeInfo(ctx: Context, target: Target, asked: string, node: NodeName): Promise<Element> {
  const subscribers = await countSubscribers(ctx.store, target.actor.id, node);
  const form = encodeForm('result', NS.PUBSUB_META_DATA, nodeMetaData(node, target.jid, target.account.createdAt, subscribers));
  return info(asked, [{ category: 'pubsub', type: 'leaf' }], [NS.PUBSUB], form);
}

const isOwnResource = (resource: string): resource is OwnResource => resource === 'social' || resource === 'pep';

const discoInfo =
  (ctx: Context) =>
  async ({ payload, to, from }: IqRequest): Promise<Element> => {
    const asked = payload.attrs.node || undefined;
    if (to.local === '') {
      if (asked !== undefined) throw itemNotFound();
      return info(undefined, [DOMAIN_IDENTITY], DOMAIN_FEATURES);
    }
    const { target, asker } = await meet(ctx, to, from);
    if (to.resource !== '') {
      if (!isOwnResource(to.resource)) throw serviceUnavailable();
      // COMPAT Prosody 0.12, ejabberd 23.01: both ask the full JID with node='NODE#VER'.
      if (asked !== undefined && asked !== ownCapsNode(to.resource)) throw itemNotFound();
      return info(asked, [CLIENT_IDENTITY], RESOURCE_FEATURES[to.resource]);
    }
    if (asked === undefined) return info(undefined, ACCOUNT_IDENTITIES.map((identity) => ({ ...identity, ...(identity.category === 'account' ? { name: target.jid } : {}) })), ACCOUNT_FEATURES);
    const ofPost = postNodeNamed(asked, target.jid);
    if (ofPost) return info(asked, [{ category: 'pubsub', type: 'leaf' }], [NS.PUBSUB], await postNodeMetaData(ctx, target, await openNode(ctx, target, asker, ofPost)));
    const node = nodeNamed(asked);
    if (!node) throw itemNotFound();
    return nodeInfo(ctx, target, asked, node);
  };

const discoItems =
  (ctx: Context) =>
  async ({ payload, to, from }: IqRequest): Promise<Element> => {
    const asked = payload.attrs.node || undefined;
    const answer = (...items: (Element | Element[])[]) => xml('query', { xmlns: NS.DISCO_ITEMS, node: asked }, items);
    if (to.local === '') return asked === undefined ? answer() : notThere(); // who has an account here is not told in lists
    const { target, asker } = await meet(ctx, to, from);
    if (to.resource !== '') return isOwnResource(to.resource) ? answer() : notThere();
    if (asked === undefined) {
      // The thousands of nodes of posts are not listed: entries name them.
      const picture = await pictureOf(ctx, target.actor);
      const nodes: NodeName[] = [...FEED_NODES, ...PROFILE_NODES.filter((node) => node !== NS.AVATAR_DATA || picture !== null)];
      return answer(nodes.map((node) => xml('item', { jid: target.jid, node })));
    }
    const set = payload.getChild('set', NS.RSM);
    const ofPost = postNodeNamed(asked, target.jid);
    if (ofPost) {
      const { sequence } = await openNode(ctx, target, asker, ofPost);
      const { items, info: page } = await readSequence(sequence, set ? planPage(undefined, decodePageRequest(set)) : planPage('max', null));
      return answer(discoItemsOf(target.jid, items), ...(set ? [encodePageInfo(page)] : []));
    }
    const node = nodeNamed(asked) ?? notThere();
    if (!isFeed(node)) return answer((await profileItems(ctx, node, target.actor)).map(({ id }) => xml('item', { jid: target.jid, name: id })));
    if (set) {
      const { items, info: page } = await readPage(ctx, asker.viewer, target.actor, node, planPage(undefined, decodePageRequest(set)));
      return answer(items.map(({ id }) => xml('item', { jid: target.jid, name: id })), encodePageInfo(page));
    }
    const views = await listPostsBy(ctx, asker.viewer, target.actor, { limit: 100 });
    return answer(views.map(({ post }) => xml('item', { jid: target.jid, name: post.guid })));
  };

const notThere = (): never => {
  throw itemNotFound();
};

/** The disco part of the table of requests. */
export const discoHandlers = (ctx: Context): Record<string, IqHandler> => ({
  [`get {${NS.DISCO_INFO}}query`]: discoInfo(ctx),
  [`get {${NS.DISCO_ITEMS}}query`]: discoItems(ctx),
});
