// XEP-0059 Result Set Management, version 1.0.
import { NS } from '../../formats/namespaces.js';
import { type Element, xml } from '../../xml.js';
import { badRequest } from '../errors.js';

/** A page that was asked for. `before: ''` is the last page. */
export interface PageRequest {
  max: number | null;
  after: string | null;
  before: string | null;
  index: number | null;
}

/** What the page is of the whole. */
export interface PageInfo {
  first: string | null;
  last: string | null;
  /** Position of the first in the whole. */
  index: number | null;
  count: number;
}

/** Longer ids belong to nobody; they would only travel into the database. */
const MAX_ID = 1023;

function number(text: string | null): number | null {
  if (text === null) return null;
  if (!/^\d{1,10}$/.test(text.trim())) throw badRequest();
  return Number(text.trim());
}

function id(text: string | null): string | null {
  if (text !== null && text.length > MAX_ID) throw badRequest();
  return text;
}

/**
 * Reads `<set/>`.
 * @throws StanzaError bad-request: a number that is none, or two directions at once
 */
export function decodePageRequest(set: Element): PageRequest {
  const request = {
    max: number(set.getChildText('max')),
    after: id(set.getChildText('after')),
    before: id(set.getChildText('before')),
    index: number(set.getChildText('index')),
  };
  if (set.getChild('before') && request.before === null) request.before = '';
  if (request.after === '') request.after = null; // the first page
  if ([request.after, request.before, request.index].filter((value) => value !== null).length > 1) throw badRequest();
  return request;
}

export const encodePageInfo = ({ first, last, index, count }: PageInfo): Element =>
  xml(
    'set',
    { xmlns: NS.RSM },
    first !== null && xml('first', { index }, first),
    last !== null && xml('last', null, last),
    xml('count', null, count),
  );
