// XEP-0292 vCard4 Over XMPP 0.12.0; RFC 6351 xCard.
import { type Actor, nameOf, type Profile } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import { type Element, xml } from '../xml.js';
import { xmppUri } from './item-uri.js';
import { NS } from './namespaces.js';

/**
 * What a person tells about themselves.
 * @param jid the person's bare JID
 * @param pageUrl their web page
 * @param photo their picture, if they have one
 */
export function encodeVcard4(actor: Actor, jid: string, pageUrl: string, photo: { url: string } | null = null): Element {
  const text = (name: string, value: string): Element | null => (value ? xml(name, null, xml('text', null, value)) : null);
  const uri = (name: string, value: string): Element => xml(name, null, xml('uri', null, value));
  return xml(
    'vcard',
    { xmlns: NS.VCARD4 },
    text('fn', nameOf(actor)),
    text('nickname', actor.username),
    uri('url', pageUrl),
    uri('impp', xmppUri(jid)),
    text('note', actor.profile.summary),
    photo && uri('photo', photo.url),
  );
}

/**
 * What a vCard says of a profile; '' for what it does not say.
 * @throws DomainError invalid
 */
export function decodeVcard4(payload: Element): Pick<Profile, 'displayName' | 'summary'> {
  if (!payload.is('vcard', NS.VCARD4)) throw new DomainError('invalid', 'This is not a vCard 4.');
  const text = (name: string): string => payload.getChild(name, NS.VCARD4)?.getChildText('text', NS.VCARD4)?.trim() ?? '';
  return { displayName: text('fn'), summary: text('note') };
}
