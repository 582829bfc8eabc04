/** The closed list of what can go wrong by someone's doing. Each boundary has one table from these codes to its own form. */
const ERROR_CODES = [
  'invalid', // the request cannot be understood, or breaks a rule of form
  'not-found', // there is no such thing, or the asker may not know of it
  'forbidden', // the asker may know of it, but not do this
  'conflict', // it exists already, or changed in between
  'gone', // it was there and was removed for good
  'too-large', // more bytes than we take
  'too-many', // a limit of rate or number
  'unavailable', // we cannot now; try again later
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * An error that its receiver can understand and act on. Anything else that is thrown is a bug.
 * @param text a full sentence for people, without protocol words
 * @param field the form field or parameter at fault, when there is one
 */
export class DomainError extends Error {
  override readonly name = 'DomainError';
  constructor(
    readonly code: ErrorCode,
    text: string,
    readonly field?: string,
  ) {
    super(text);
  }
}

/** There is no room to keep what was sent: `unavailable`, but for longer than a moment. */
export class NoRoom extends DomainError {
  constructor(text = 'The server’s disk is full, so nothing was saved. Please tell those who run it, and try again later.') {
    super('unavailable', text);
  }
}

/** A delivery to another server failed. `permanent`: trying again cannot help. `retryAfterMs`: when it can, if that is known. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  constructor(
    text: string,
    readonly permanent: boolean,
    readonly retryAfterMs?: number,
  ) {
    super(text);
  }
}
