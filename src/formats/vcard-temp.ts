// XEP-0054 vcard-temp 1.3.0: what clients ask for that know no vCard 4.
import { type Actor, nameOf } from '../domain/actor.js';
import { type Element, xml } from '../xml.js';
import { NS } from './namespaces.js';

/**
 * What a person tells about themselves.
 * @param jid the person's bare JID
 * @param pageUrl their web page
 */
export function encodeVcardTemp(actor: Actor, jid: string, pageUrl: string): Element {
  const { summary } = actor.profile;
  return xml(
    'vCard',
    { xmlns: NS.VCARD_TEMP },
    xml('FN', null, nameOf(actor)),
    xml('NICKNAME', null, actor.username),
    xml('URL', null, pageUrl),
    xml('JABBERID', null, jid),
    summary ? xml('DESC', null, summary) : null,
  );
}
