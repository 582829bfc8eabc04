import { STATUS_CODES } from 'node:http';
import type { Request } from 'express';
import { DomainError, type ErrorCode, NoRoom } from '../domain/errors.js';

/** The one table from what went wrong to HTTP. */
export const STATUS: Record<ErrorCode, number> = {
  invalid: 400,
  'not-found': 404,
  forbidden: 403,
  conflict: 409,
  gone: 410,
  'too-large': 413,
  'too-many': 429,
  unavailable: 503,
};

/** 507 Insufficient Storage (RFC 4918 §11.5) tells those who run the server more than 503. */
export const statusOf = (error: DomainError): number => (error instanceof NoRoom ? 507 : STATUS[error.code]);

/** RFC 9457. `code` is the error's own name, stable for programs; `field` the form field at fault. */
export interface Problem {
  type: 'about:blank';
  title: string;
  status: number;
  detail?: string;
  code: ErrorCode | 'internal';
  field?: string;
  /** The word that finds it in the log. */
  incident?: string;
}

export const problemOf = (error: DomainError): Problem => ({
  type: 'about:blank',
  title: STATUS_CODES[statusOf(error)]!,
  status: statusOf(error),
  detail: error.message,
  code: error.code,
  ...(error.field === undefined ? {} : { field: error.field }),
});

/** How long to wait, in whole seconds: what the error knows, else a moment for what is only busy, a minute for a limit. */
export const retryAfter = (error: DomainError): string => String(Math.ceil(((error as { retryAfterMs?: number }).retryAfterMs ?? (error.code === 'unavailable' ? 5_000 : 60_000)) / 1000));

/** Errors of express and its body parser carry a status: the same, in our words. null: it is a bug of ours. */
export function fromHttpError(error: unknown): DomainError | null {
  const { status, message } = error as { status?: unknown; message?: unknown };
  if (typeof status !== 'number' || status < 400 || status >= 500) return null;
  const code: ErrorCode = status === 413 ? 'too-large' : status === 404 ? 'not-found' : 'invalid';
  return new DomainError(code, typeof message === 'string' ? `The request could not be read: ${message}.` : 'The request could not be read.');
}

/** Does a program ask, which wants the problem as JSON, or a person? */
export const wantsJson = (req: Request): boolean =>
  req.accepts(['text/html', 'application/json', 'application/problem+json', 'application/activity+json', 'application/ld+json']) !== 'text/html';
