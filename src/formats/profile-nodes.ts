// XEP-0172 User Nickname 1.1 and XEP-0084 User Avatar 1.1.4, as PEP items.
import { type Actor, nameOf } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import { type Element, xml } from '../xml.js';
import { NS } from './namespaces.js';

/** The name to show. */
export const encodeNick = (actor: Actor): Element => xml('nick', { xmlns: NS.NICK }, nameOf(actor));

/**
 * The name that someone chose; '' when they took it back.
 * @throws DomainError invalid
 */
export function decodeNick(payload: Element): string {
  if (!payload.is('nick', NS.NICK)) throw new DomainError('invalid', 'This is not a nickname.');
  return payload.getText().trim();
}

/** XEP-0084: empty metadata say "no avatar". Profiles have no picture yet. */
export const encodeNoAvatar = (): Element => xml('metadata', { xmlns: NS.AVATAR_METADATA });
