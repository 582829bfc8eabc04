// XEP-0054 vcard-temp 1.3.0: what clients ask for that know no vCard 4.
import { type Actor, nameOf, type Profile } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import { type Element, xml } from '../xml.js';
import { NS } from './namespaces.js';

/**
 * What a person tells about themselves.
 * @param jid the person's bare JID
 * @param pageUrl their web page
 * @param photo their picture, if they have one
 */
export function encodeVcardTemp(actor: Actor, jid: string, pageUrl: string, photo: { mime: string; data: Buffer } | null = null): Element {
  const { summary } = actor.profile;
  return xml(
    'vCard',
    { xmlns: NS.VCARD_TEMP },
    xml('FN', null, nameOf(actor)),
    xml('NICKNAME', null, actor.username),
    xml('URL', null, pageUrl),
    xml('JABBERID', null, jid),
    summary ? xml('DESC', null, summary) : null,
    photo && xml('PHOTO', null, xml('TYPE', null, photo.mime), xml('BINVAL', null, photo.data.toString('base64'))),
  );
}

/** A picture inside a vCard: base64 as it stands, of a type that it claims itself. */
export interface VcardPhoto {
  mime: string;
  base64: string;
}

/**
 * What a vCard says of a profile; '' for what it does not say.
 * @throws DomainError invalid
 */
export function decodeVcardTemp(payload: Element): Pick<Profile, 'displayName' | 'summary'> & { photo: VcardPhoto | null } {
  if (!payload.is('vCard', NS.VCARD_TEMP)) throw new DomainError('invalid', 'This is not a vcard-temp.');
  const text = (name: string): string => payload.getChildText(name)?.trim() ?? '';
  const photo = payload.getChild('PHOTO');
  const base64 = photo?.getChildText('BINVAL')?.replace(/\s+/g, '') ?? '';
  return { displayName: text('FN') || text('NICKNAME'), summary: text('DESC'), photo: base64 === '' ? null : { mime: photo?.getChildText('TYPE')?.trim() ?? '', base64 } };
}
