// XEP-0199 Ping 2.0.1, XEP-0092 Software Version 1.1, XEP-0012 Last Activity 2.0, XEP-0054 vcard-temp 1.3.0, XEP-0292 vCard4 §4.
import type { Actor } from '../domain/actor.js';
import { NS } from '../formats/namespaces.js';
import { encodeVcard4 } from '../formats/vcard4.js';
import { encodeVcardTemp } from '../formats/vcard-temp.js';
import type { Context } from '../services/context.js';
import { type Element, xml } from '../xml.js';
import type { IqHandler, IqRequest } from './dispatch.js';
import { forbidden, notAllowed, serviceUnavailable } from './errors.js';
import { meet, type Target } from './people.js';
import { actorUrl, pictureOf } from './pubsub/nodes.js';

/** The account that is asked, or null for the domain itself. @throws StanzaError service-unavailable */
const askedOf = async (ctx: Context, { to, from }: IqRequest): Promise<Target | null> => (to.local === '' ? null : (await meet(ctx, to, from)).target);

/** The smaller requests of the table. */
export function smallHandlers(ctx: Context): Record<string, IqHandler> {
  const startedAt = ctx.now();
  const vcard =
    (encode: (actor: Actor, jid: string, pageUrl: string, photo: Awaited<ReturnType<typeof pictureOf>>) => Element): IqHandler =>
    async (request) => {
      const target = await askedOf(ctx, request);
      if (!target) throw serviceUnavailable();
      return encode(target.actor, target.jid, actorUrl(ctx, target.actor), await pictureOf(ctx, target.actor));
    };
  const setVcard: IqHandler = async ({ to, from }) => {
    const { asker } = await meet(ctx, to, from);
    // Profiles are changed on the web, or by publishing the vCard4 node: a vcard-temp could not say which parts it means to keep.
    throw asker.isOwner ? notAllowed() : forbidden();
  };
  return {
    [`get {${NS.PING}}ping`]: async (request) => {
      await askedOf(ctx, request);
      return null;
    },
    [`get {${NS.VERSION}}query`]: async (request) => {
      await askedOf(ctx, request);
      return xml('query', { xmlns: NS.VERSION }, xml('name', null, 'diaspora-x'), xml('version', null, '0.1'));
    },
    // §4 of a server: how long it is up. Accounts are always there, and do not tell when their owners last were.
    [`get {${NS.LAST}}query`]: async (request) => {
      const target = await askedOf(ctx, request);
      return xml('query', { xmlns: NS.LAST, seconds: target ? 0 : Math.floor((ctx.now() - startedAt) / 1000) });
    },
    [`get {${NS.VCARD_TEMP}}vCard`]: vcard(encodeVcardTemp),
    [`set {${NS.VCARD_TEMP}}vCard`]: setVcard,
    [`get {${NS.VCARD4}}vcard`]: vcard(encodeVcard4),
    [`set {${NS.VCARD4}}vcard`]: setVcard,
  };
}
