// RFC 6120 §8.3 Stanza Errors; XEP-0060 §7–8 (pubsub#errors). The one table from what can go wrong to its form on the wire.
import { DomainError, type ErrorCode } from '../domain/errors.js';
import { NS } from '../formats/namespaces.js';
import { type Element, xml } from '../xml.js';

export type ErrorType = 'auth' | 'cancel' | 'modify' | 'wait';

/** A refusal in XMPP's own words, thrown by whatever handles a stanza. */
export class StanzaError extends Error {
  override readonly name = 'StanzaError';
  /**
   * @param condition RFC 6120 §8.3.3
   * @param detail XEP-0060's own condition, e.g. `closed-node`
   * @param text for people; never says more than the condition does
   */
  constructor(
    readonly type: ErrorType,
    readonly condition: string,
    readonly detail: string | null = null,
    readonly text = '',
  ) {
    super([type, condition, detail, text].filter(Boolean).join(' '));
  }
}

const BY_CODE: Record<ErrorCode, [ErrorType, string]> = {
  invalid: ['modify', 'bad-request'],
  'not-found': ['cancel', 'item-not-found'],
  forbidden: ['auth', 'forbidden'],
  conflict: ['cancel', 'conflict'],
  // RFC 6120's <gone/> is about addresses; for an item, not to be there any more is not to be there.
  gone: ['cancel', 'item-not-found'],
  'too-large': ['modify', 'not-acceptable'],
  'too-many': ['wait', 'policy-violation'],
  // The database is away. Never an empty list: Movim would delete what it has.
  unavailable: ['wait', 'internal-server-error'],
};

/** Every error as a stanza error. What is not a refusal is a bug, and answered without detail. */
export function toStanzaError(error: unknown): StanzaError {
  if (error instanceof StanzaError) return error;
  if (error instanceof DomainError) return new StanzaError(...BY_CODE[error.code], null, error.message);
  return new StanzaError('wait', 'internal-server-error');
}

/** A bug, as opposed to a refusal: worth a line in the log with its stack. */
export const isUnexpected = (error: unknown): boolean => !(error instanceof StanzaError) && (!(error instanceof DomainError) || error.code === 'unavailable');

/** `<error/>`. The stanza condition comes first (RFC 6120), although Movim 0.34 looks at the first child for pubsub's own. */
export const encodeError = ({ type, condition, detail, text }: StanzaError): Element =>
  xml(
    'error',
    { type },
    xml(condition, { xmlns: NS.STANZAS }),
    text !== '' && xml('text', { xmlns: NS.STANZAS, 'xml:lang': 'en' }, text),
    detail !== null && xml(detail, { xmlns: NS.PUBSUB_ERRORS }),
  );

/** There is nobody and nothing here. Said of unknown names, of inactive accounts and to those who were blocked: nobody can tell which. */
export const serviceUnavailable = (): StanzaError => new StanzaError('cancel', 'service-unavailable');
export const badRequest = (detail: string | null = null, text = ''): StanzaError => new StanzaError('modify', 'bad-request', detail, text);
export const itemNotFound = (): StanzaError => new StanzaError('cancel', 'item-not-found');
export const forbidden = (): StanzaError => new StanzaError('auth', 'forbidden');
export const notAllowed = (detail: string | null = null): StanzaError => new StanzaError('cancel', 'not-allowed', detail);
