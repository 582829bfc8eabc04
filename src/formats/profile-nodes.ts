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

/** A picture as XEP-0084 §4.2 tells of it, whose bytes are the item of that id. `id`: SHA-1 of the bytes, small hex. */
export interface AvatarInfo {
  id: string;
  mime: string;
  bytes: number;
  width: number;
  height: number;
}

/** Empty metadata say that there is no picture. */
export const encodeAvatarMetadata = (info: AvatarInfo | null): Element =>
  xml('metadata', { xmlns: NS.AVATAR_METADATA }, info && xml('info', { id: info.id, type: info.mime, bytes: info.bytes, width: info.width, height: info.height }));

export const encodeAvatarData = (bytes: Buffer): Element => xml('data', { xmlns: NS.AVATAR_DATA }, bytes.toString('base64'));

/**
 * The bytes of a picture that its owner publishes.
 * @throws DomainError invalid
 */
export function decodeAvatarData(payload: Element): Buffer {
  const text = payload.getText().replace(/\s+/g, '');
  if (!payload.is('data', NS.AVATAR_DATA) || text === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw new DomainError('invalid', 'This is no picture in base64.');
  return Buffer.from(text, 'base64');
}

/**
 * Does the owner say with these metadata that there is a picture?
 * @throws DomainError invalid
 */
export function decodeHasAvatar(payload: Element): boolean {
  if (!payload.is('metadata', NS.AVATAR_METADATA)) throw new DomainError('invalid', 'These are no avatar metadata.');
  return payload.getChild('info', NS.AVATAR_METADATA) !== undefined;
}

/**
 * The picture that someone elsewhere publishes as a PEP item; one that is only somewhere on the web is not fetched.
 * @returns null: they have none
 * @throws DomainError invalid
 */
export function decodeAvatarMetadata(payload: Element): { id: string; bytes: number } | null {
  if (!payload.is('metadata', NS.AVATAR_METADATA)) throw new DomainError('invalid', 'These are no avatar metadata.');
  const infos = payload.getChildren('info', NS.AVATAR_METADATA).filter(({ attrs }) => !attrs.url && /^[0-9a-f]{40}$/i.test(attrs.id ?? ''));
  const info = infos.find(({ attrs }) => attrs.type === 'image/png') ?? infos[0];
  return info ? { id: info.attrs.id!.toLowerCase(), bytes: Number(info.attrs.bytes) || 0 } : null;
}
