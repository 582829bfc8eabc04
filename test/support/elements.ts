// XML elements of the test clients. 'ltx/lib/ltx.js' and not 'ltx': that is the class which @xmpp/client and
// @xmpp/component use, and their IQ repliers send an empty result for an element of another class.
// @ts-ignore ltx has no types; what tests use of it stands in `Element`.
import * as ltx from 'ltx/lib/ltx.js';

/** ltx's Element, as far as tests use it. */
export interface Element {
  name: string;
  attrs: Record<string, string | undefined>;
  children: (Element | string)[];
  /** Local name, without prefix. */
  getName(): string;
  getNS(): string | undefined;
  is(name: string, xmlns?: string): boolean;
  getChild(name: string, xmlns?: string): Element | undefined;
  getChildren(name: string, xmlns?: string): Element[];
  getChildText(name: string, xmlns?: string): string | null;
  getChildElements(): Element[];
  getText(): string;
  remove(name: string, xmlns?: string): unknown;
  toString(): string;
}

/** Builds an element: `xml('message', { to }, xml('body', {}, 'hello'))`. */
export const xml = (
  name: string,
  attrs: Record<string, string | undefined> = {},
  ...children: (Element | string)[]
): Element => ltx.createElement(name, attrs, ...children) as unknown as Element;

/** Reads one element; text that is not well-formed throws. */
export const parse = (text: string): Element => ltx.parse(text.trim()) as unknown as Element;
