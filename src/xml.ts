// XML 1.0 (fifth edition) and Namespaces in XML 1.0: building, reading and the one way out.
// Nothing else imports ltx, @xmpp's xml or saxes (house.md §7). ltx's CommonJS build holds the very Element class of @xmpp/component.
import { createElement, Element, parse } from 'ltx/lib/ltx.js';
import { SaxesParser } from 'saxes';
import { DomainError } from './domain/errors.js';

export { Element };

/** What may stand inside an element. Nothing, `false` and '' are left out, so that conditions can be written in place. */
export type Child = Element | string | number | null | undefined | false | readonly Child[];

/** Attributes: those without a value are left out. */
export type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** An element. Names and text are checked and cleaned when it goes out (`serialize`), not here. */
export function xml(name: string, attrs?: Attributes | null, ...children: Child[]): Element {
  return createElement(name, { ...attrs }, ...(children.flat(10) as Child[]).map((child) => (typeof child === 'number' ? String(child) : child)));
}

// XML 1.0 §2.2 Char. Prosody and ejabberd close the whole component stream at the first of the others.
const FORBIDDEN = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

// Any of them, or a surrogate of a good pair: quick to find out that there is nothing to do.
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these are forbidden
const SUSPICIOUS = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uD800-\uDFFF\uFFFE\uFFFF]/;

/** The text without the characters that XML 1.0 forbids, and without halves of surrogate pairs. */
export const cleanText = (text: string): string => (SUSPICIOUS.test(text) ? text.replace(FORBIDDEN, '') : text);

// XML 1.0 §2.3 Name, without the colon: NCName of Namespaces in XML §3.
const START = 'A-Z_a-z\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u02FF\\u0370-\\u037D\\u037F-\\u1FFF\\u200C-\\u200D\\u2070-\\u218F\\u2C00-\\u2FEF\\u3001-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFFD\\u{10000}-\\u{EFFFF}';
const NCNAME = `[${START}][-.0-9${START}\\u00B7\\u0300-\\u036F\\u203F-\\u2040]*`;
const QNAME = new RegExp(`^(?:(${NCNAME}):)?(${NCNAME})$`, 'u');

const XML_NS = 'http://www.w3.org/XML/1998/namespace';
const XMLNS_NS = 'http://www.w3.org/2000/xmlns/';
/** Deeper trees than this are not written: nothing of ours comes near, and one more would overflow the stack somewhere else. */
const MAX_WRITTEN_DEPTH = 256;

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\t': '&#9;', '\n': '&#10;', '\r': '&#13;' };
const reference = (char: string): string => ESCAPES[char]!;
const escapeText = (text: string): string => (/[&<>\r]/.test(text) ? cleanText(text).replace(/[&<>\r]/g, reference) : cleanText(text));
// A reader turns bare tabs and line ends of an attribute into blanks (XML 1.0 §3.3.3).
const escapeAttribute = (text: string): string => (/[&<>"\t\n\r]/.test(text) ? cleanText(text).replace(/[&<>"\t\n\r]/g, reference) : cleanText(text));

const malformed = (what: string): never => {
  throw new DomainError('invalid', `This cannot be written as XML: ${what}.`);
};

// The few hundred names of all protocols, checked once. Names that strangers make up soon fill it, and are then checked each time.
const names = new Map<string, { prefix: string; local: string }>();
const MAX_NAMES = 2000;

function splitName(name: string): { prefix: string; local: string } {
  const known = names.get(name);
  if (known) return known;
  const match = QNAME.exec(name) ?? malformed(`${JSON.stringify(name.slice(0, 40))} is not a name`);
  const split = { prefix: match[1] ?? '', local: match[2]! };
  if (names.size < MAX_NAMES && name.length < 64) names.set(name, split);
  return split;
}

/** Prefix → namespace, as far as declared at a place of the tree: what an element declares has what is around it as its prototype. */
type Scope = Readonly<Record<string, string>>;
const OUTSIDE: Scope = Object.freeze(Object.assign(Object.create(null), { xml: XML_NS }));

/** The scope inside an element, after checking what it declares (Namespaces in XML §3, §5). */
function declare(element: Element, outer: Scope): Scope {
  let scope = outer;
  for (const name in element.attrs) {
    const value = element.attrs[name];
    if (value == null || !name.startsWith('xmlns') || (name.length > 5 && name[5] !== ':')) continue;
    const prefix = name.slice(6);
    if (prefix === 'xmlns' || value === XMLNS_NS || (prefix === 'xml') !== (value === XML_NS)) malformed(`${name} declares a reserved namespace`);
    if (prefix !== '' && value === '') malformed(`${name} declares no namespace`);
    if (scope === outer) scope = Object.create(outer) as Scope;
    Object.defineProperty(scope, prefix, { value: cleanText(value), enumerable: true });
  }
  return scope;
}

function write(element: Element, outer: Scope, depth: number): string {
  if (!(element instanceof Element)) throw new TypeError('A child of an XML element is neither an element of xml.ts nor text.');
  if (depth > MAX_WRITTEN_DEPTH) malformed('it is nested too deeply');
  const scope = declare(element, outer);
  const { prefix } = splitName(element.name);
  if (prefix === 'xmlns' || (prefix !== '' && scope[prefix] === undefined)) malformed(`the prefix of ${element.name} is not declared`);

  let out = `<${element.name}`;
  let qualified: Set<string> | undefined;
  for (const name in element.attrs) {
    const value = element.attrs[name];
    if (value == null) continue;
    const { prefix, local } = splitName(name);
    if (prefix !== '' && prefix !== 'xmlns') {
      if (scope[prefix] === undefined) malformed(`the prefix of ${name} is not declared`);
      const key = `${scope[prefix]} ${local}`;
      qualified ??= new Set();
      if (qualified.has(key)) malformed(`${name} is there twice`);
      qualified.add(key);
    }
    out += ` ${name}="${escapeAttribute(String(value))}"`;
  }
  let inner = '';
  for (const child of element.children) {
    if (child == null) continue;
    inner += typeof child === 'object' ? write(child, scope, depth + 1) : escapeText(String(child));
  }
  return inner === '' ? `${out}/>` : `${out}>${inner}</${element.name}>`;
}

/** The namespaces that an element has from the tree around it. */
function inherited(element: Element): Scope {
  const chain: Element[] = [];
  for (let up = element.parent; up; up = up.parent) chain.push(up);
  return chain.reduceRight((scope, ancestor) => declare(ancestor, scope), OUTSIDE);
}

/** The prefixes that stand in names of the tree. */
function usedPrefixes(element: Element, used = new Set<string>(), depth = 1): Set<string> {
  if (depth > MAX_WRITTEN_DEPTH) malformed('it is nested too deeply');
  for (const name of [element.name, ...Object.keys(element.attrs)]) used.add(name.includes(':') ? name.slice(0, name.indexOf(':')) : '');
  for (const child of element.children) if (typeof child === 'object' && child) usedPrefixes(child, used, depth + 1);
  return used;
}

/**
 * The element as text: the only way by which XML leaves the program. What XML 1.0 forbids in text is dropped; a part of a larger
 * tree takes the namespaces along that it has from there.
 * @throws DomainError invalid: a malformed name, an undeclared prefix, an attribute twice, or too deep. TypeError: a strange child (a bug).
 */
export function serialize(element: Element): string {
  if (!element.parent) return write(element, OUTSIDE, 1);
  const around = inherited(element);
  const missing: Record<string, string> = {};
  for (const prefix of usedPrefixes(element)) {
    const declaration = prefix ? `xmlns:${prefix}` : 'xmlns';
    if (around[prefix] && prefix !== 'xml' && element.attrs[declaration] == null) missing[declaration] = around[prefix];
  }
  const copy = new Element(element.name, missing);
  Object.assign(copy.attrs, element.attrs);
  copy.children = element.children;
  return write(copy, OUTSIDE, 1);
}

/**
 * Reads XML that our XMPP server has already checked, or that we wrote ourselves. ltx takes much that is no XML (dependencies.md, finding 2).
 * @throws DomainError invalid
 */
export function parseStanza(text: string): Element {
  let element: Element | null = null;
  try {
    element = parse(text);
  } catch {
    // ltx throws plain errors of many kinds; all of them mean the same to us.
  }
  if (!element) throw new DomainError('invalid', 'This is not well-formed XML.');
  return element;
}

/** Is the tree nested more deeply than this? Asked, without recursion, before anything recurs over a tree that came by XMPP: ltx sets no bound. */
export function isDeeperThan(element: Element, maxDepth: number): boolean {
  const open: [Element, number][] = [[element, 1]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [node, depth] = next;
    if (depth > maxDepth) return true;
    for (const child of node.children) if (typeof child === 'object' && child) open.push([child, depth + 1]);
  }
  return false;
}

export interface UntrustedLimits {
  /** Longest text, in bytes of UTF-8. */
  maxBytes?: number;
  /** Deepest nesting. saxes takes quadratic time in it, so it is stopped at the very tag. */
  maxDepth?: number;
  /** Most attributes of one element. */
  maxAttributes?: number;
}

/** Limits that an Atom entry, a feed, an envelope or a discovery document never reaches. */
export const UNTRUSTED_LIMITS = { maxBytes: 262_144, maxDepth: 64, maxAttributes: 64 } as const;

/**
 * Reads XML that a stranger sent (HTTP, a file). Well-formed XML 1.0 with namespaces, without DOCTYPE, comments and processing
 * instructions; CDATA counts as text; an XML declaration is let pass, whatever encoding it names (the text is decoded already).
 * @throws DomainError invalid | too-large
 */
export function parseUntrusted(text: string, limits: UntrustedLimits = {}): Element {
  const { maxBytes, maxDepth, maxAttributes } = { ...UNTRUSTED_LIMITS, ...limits };
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes) throw new DomainError('too-large', `This document is too long: at most ${maxBytes} bytes.`);

  const refuse = (what: string): never => {
    throw new DomainError('invalid', `This document cannot be read: ${what}.`);
  };
  let root: Element | null = null;
  let current: Element | null = null;
  let depth = 0;
  let attributes = 0;
  const addText = (part: string): void => {
    if (!current || part === '') return;
    const last = current.children.length - 1;
    if (typeof current.children[last] === 'string') current.children[last] += part;
    else current.children.push(part);
  };

  // XML 1.1 would let control characters in by reference.
  const parser = new SaxesParser({ xmlns: true, position: false, forceXMLVersion: true, defaultXMLVersion: '1.0' });
  parser.on('error', (error) => refuse(error.message));
  parser.on('doctype', () => refuse('a DOCTYPE is not allowed'));
  parser.on('comment', () => refuse('comments are not allowed'));
  parser.on('processinginstruction', () => refuse('processing instructions are not allowed'));
  parser.on('opentagstart', () => {
    attributes = 0;
    if (++depth > maxDepth) refuse('it is nested too deeply');
  });
  parser.on('attribute', () => {
    if (++attributes > maxAttributes) refuse('an element has too many attributes');
  });
  parser.on('opentag', (tag) => {
    const element = new Element(tag.name);
    for (const attribute of Object.values(tag.attributes)) element.attrs[attribute.name] = attribute.value;
    if (current) current.cnode(element);
    else root = element;
    current = element;
  });
  parser.on('closetag', () => {
    depth -= 1;
    current = current?.parent ?? null;
  });
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.write(text).close();
  return root ?? refuse('it is empty');
}
