import { DomainError } from './errors.js';

/** The longest name, in characters. */
export const ASPECT_NAME_MAX = 40;
/** As many as a composer can show, and a form send. */
export const ASPECTS_MAX = 40;

/**
 * Names that mean something else where an aspect is named in words (OneSocialWeb's acl-rule, relations.md "Audience"): all contacts, everyone,
 * and what our own entries say instead of an aspect's name.
 */
const RESERVED = new Set(['contacts', 'everyone', 'public', 'limited']);

/** Two names are the same when their keys are: case and composition do not count. */
export const aspectKey = (name: string): string => name.normalize('NFC').trim().toLowerCase();

/**
 * The name as it is stored: one line, composed, without blanks at the ends or marks that turn the direction of what follows.
 * @throws DomainError invalid (field name)
 */
export function parseAspectName(text: string): string {
  const name = text
    .toWellFormed()
    .normalize('NFC')
    .replace(/[\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g, '')
    .replace(/[\p{Cc}\p{Z}]+/gu, ' ')
    .trim();
  if (!/[\p{L}\p{N}\p{P}\p{S}]/u.test(name) || [...name].length > ASPECT_NAME_MAX) throw new DomainError('invalid', `Use 1 to ${ASPECT_NAME_MAX} characters for the name.`, 'name');
  if (RESERVED.has(aspectKey(name))) throw new DomainError('invalid', 'This word has a meaning of its own here. Please choose another name.', 'name');
  return name;
}
