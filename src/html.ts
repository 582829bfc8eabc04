// HTML by allow-list: the only import of hast. One safe tree gives both the HTML of the pages and the well-formed XHTML of the entries.
// What is let through is XHTML-IM's kin (XEP-0071) and tables; everything that could run, style, frame or load something is not (threats.md 46).
import type { Element as HastElement, ElementContent, Root, RootContent } from 'hast';
import { fromHtml } from 'hast-util-from-html';
import { sanitize, type Schema } from 'hast-util-sanitize';
import { toHtml } from 'hast-util-to-html';
import { DomainError } from './domain/errors.js';
import { cleanText, Element, parseUntrusted, serialize, xml } from './xml.js';

const XHTML = 'http://www.w3.org/1999/xhtml';
const LINK_SCHEMES = ['http', 'https', 'xmpp', 'mailto'];

/** Deepest nesting of what we keep: with the stanza around it stays below the 64 that readers such as ours allow. */
export const HTML_MAX_DEPTH = 32;
/** Misnested formatting tags make an HTML parser copy them again and again (quadratic), and its tree is built by recursion. */
const MAX_FOREIGN_TAGS = 2000;

const SCHEMA: Schema = {
  tagNames: 'p br hr h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong s del a table thead tbody tr th td'.split(' '),
  attributes: { a: ['href', 'title'], ol: ['start'] },
  protocols: { href: LINK_SCHEMES },
  ancestors: { li: ['ul', 'ol'], thead: ['table'], tbody: ['table'], tr: ['table'], th: ['table'], td: ['table'] },
  strip: 'script style template iframe noscript object embed svg math title textarea select xmp noembed noframes plaintext'.split(' '),
  clobber: [],
  clobberPrefix: '',
};

/** Other names of what we keep. Headings go one down: the page has its own first one. */
const RENAMED: Record<string, string> = { h1: 'h2', h2: 'h3', h3: 'h4', h4: 'h5', h5: 'h6', b: 'strong', i: 'em', strike: 's' };

/** May this URL be a link? Only absolute ones of the schemes above: a relative one would mean another page on every network. */
export const isSafeUrl = (url: string): boolean => {
  const scheme = /^([a-z]+):[^\s]/i.exec(url)?.[1]?.toLowerCase();
  return scheme !== undefined && LINK_SCHEMES.includes(scheme) && URL.canParse(url);
};

/** Prepares the parsed tree: renames, and makes a link of each image, for the pages load none from elsewhere (img-src of the CSP). */
function prepare(nodes: RootContent[], renamed: Record<string, string>, inLink = false): ElementContent[] {
  const out: ElementContent[] = [];
  for (const node of nodes) {
    if (node.type === 'text') out.push({ type: 'text', value: cleanText(node.value) });
    if (node.type !== 'element') continue;
    const { properties } = node;
    if (node.tagName === 'img') {
      const source = String(properties.src ?? '');
      const label: ElementContent = { type: 'text', value: cleanText(String(properties.alt || (isSafeUrl(source) ? source : ''))) };
      out.push(inLink || !/^https?:/i.test(source) ? label : { type: 'element', tagName: 'a', properties: { href: source }, children: [label] });
      continue;
    }
    const href = typeof properties.href === 'string' && isSafeUrl(properties.href) ? cleanText(properties.href) : undefined;
    const title = typeof properties.title === 'string' ? cleanText(properties.title) : undefined;
    const children = prepare(node.children, renamed, inLink || (node.tagName === 'a' && href !== undefined));
    if (node.tagName === 'a' && href === undefined) out.push(...children);
    else out.push({ type: 'element', tagName: renamed[node.tagName] ?? node.tagName, properties: { ...properties, href, title }, children });
  }
  return out;
}

function markLinks(nodes: RootContent[]): void {
  for (const node of nodes) {
    if (node.type !== 'element') continue;
    if (node.tagName === 'a') node.properties.rel = ['nofollow', 'noopener', 'ugc'];
    markLinks(node.children);
  }
}

/** Without recursion: this is what guards all that recurs. */
function isTooDeep(root: Root): boolean {
  const open: { node: Root | RootContent; depth: number }[] = [{ node: root, depth: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    if (next.depth > HTML_MAX_DEPTH) return true;
    if ('children' in next.node) for (const node of next.node.children) open.push({ node, depth: next.depth + 1 });
  }
  return false;
}

function clean(html: string, renamed = RENAMED): string {
  const parsed = fromHtml(html, { fragment: true });
  if (isTooDeep(parsed)) throw new DomainError('invalid', 'This text is nested too deeply.');
  const safe = sanitize({ type: 'root', children: prepare(parsed.children, renamed) }, SCHEMA) as Root | HastElement;
  const root: Root = safe.type === 'root' ? safe : { type: 'root', children: [safe] };
  markLinks(root.children);
  // XML forbids this one run of characters in text (XML 1.0 §2.4), HTML does not.
  return toHtml(root, { closeSelfClosing: true }).replaceAll(']]>', ']]&gt;');
}

/**
 * Safe HTML of HTML that our Markdown renderer wrote: its tags are nested well, and no more deeply than `HTML_MAX_DEPTH`.
 * The result is well-formed XML too (no outer div; `htmlToXhtml` adds one).
 * @throws DomainError invalid when it is nested too deeply after all
 */
export const cleanOwnHtml = (html: string): string => clean(html);

/**
 * Safe HTML of a stranger's HTML, well-formed XML too.
 * @throws DomainError invalid when it is nested too deeply, too-large when it has too many tags
 */
export function cleanForeignHtml(html: string): string {
  let tags = 0;
  for (let at = html.indexOf('<'); at >= 0; at = html.indexOf('<', at + 1)) tags += 1;
  if (tags > MAX_FOREIGN_TAGS) throw new DomainError('too-large', 'This text has too many parts.');
  return clean(html);
}

const BLOCKS = new Set('div p h1 h2 h3 h4 h5 h6 ul ol li blockquote pre hr table thead tbody tr'.split(' '));
const isBlock = (node: Element | string | undefined): boolean => typeof node === 'object' && BLOCKS.has(node.getName());

/**
 * COMPAT Movim 0.34: its parser drops white space that stands between two tags, so a blank there moves into the element before it.
 * Between blocks it means nothing and goes.
 */
function moveBlanks(element: Element): void {
  if (element.name === 'pre') return;
  const kept: (Element | string)[] = [];
  element.children.forEach((child, index) => {
    if (typeof child === 'object') moveBlanks(child);
    else if (child.trim() === '') {
      const before = kept.at(-1);
      const after = element.children[index + 1];
      if (isBlock(before) || isBlock(after) || (isBlock(element) && (before === undefined || after === undefined))) return;
      if (typeof before === 'object' && typeof after === 'object') {
        if (before.name !== 'br') before.t(' ');
        return;
      }
    }
    kept.push(child);
  });
  element.children = kept;
}

/**
 * Stored or cleaned HTML as a tree: a `<div xmlns='http://www.w3.org/1999/xhtml'>` around it.
 * @param html well-formed, as the cleaners leave it
 * @throws DomainError invalid when it is not well-formed
 */
export const parseHtml = (html: string): Element =>
  // Text of 64 KiB grows sixfold when it is all ampersands.
  parseUntrusted(`<div xmlns="${XHTML}">${html}</div>`, { maxBytes: 1_048_576 });

/**
 * The stored HTML of a post as the one `<div xmlns='http://www.w3.org/1999/xhtml'>` of an Atom content.
 * @param html well-formed, as `renderMarkdown` gives it
 * @throws DomainError invalid when it is not well-formed
 */
export function htmlToXhtml(html: string): Element {
  const div = parseHtml(html);
  moveBlanks(div);
  return div;
}

/**
 * What is inside such a div, as HTML for storing or for JSON: an element that is empty keeps both tags, so an HTML reader sees the same. Its names
 * are ours already: a heading goes down once.
 */
export const innerHtml = (div: Element): string => clean(serialize(div), {});

/** Plain text as the same kind of div: a paragraph for each block of lines. */
export function textToXhtml(text: string): Element {
  const paragraphs = text.split(/\n{2,}/).map((block) => xml('p', null, ...block.split('\n').flatMap((line, index) => (index ? [xml('br'), line] : [line]))));
  return xml('div', { xmlns: XHTML }, ...paragraphs);
}

/** What is under an element as plain text, lines apart where a reader would see them apart. White space is as in a browser. */
export function plainText(element: Element): string {
  const out: string[] = [];
  // What stands between the last word and the next one; written only when a next one comes.
  let breaks = 0;
  let blank = false;
  const write = (text: string): void => {
    if (out.length) out.push(breaks ? '\n'.repeat(breaks) : blank ? ' ' : '');
    out.push(text);
    breaks = 0;
    blank = false;
  };
  const walk = (node: Element, pre: boolean): void => {
    for (const child of node.children) {
      if (typeof child !== 'object') {
        if (pre) {
          const text = String(child);
          let end = text.length;
          while (text[end - 1] === '\n') end -= 1;
          if (end > 0) write(text.slice(0, end));
          breaks = Math.max(breaks, text.length - end);
        } else {
          const text = String(child).replace(/[ \t\r\n]+/g, ' ');
          if (text.startsWith(' ')) blank = true;
          if (text.trim() !== '') {
            write(text.trim());
            blank = text.endsWith(' ');
          }
        }
        continue;
      }
      const name = child.getName();
      const gap = ['li', 'tr', 'thead', 'tbody'].includes(name) || (node.getName() === 'li' && name !== 'p' && isBlock(child)) ? 1 : isBlock(child) ? 2 : 0;
      breaks = name === 'br' ? breaks + 1 : Math.max(breaks, gap);
      if (name === 'li') {
        write('•');
        blank = true;
      }
      walk(child, pre || name === 'pre');
      if (name === 'td' || name === 'th') blank = true;
      breaks = Math.max(breaks, gap);
    }
  };
  walk(element, element.getName() === 'pre');
  return out.join('').trim();
}

/** As Markdown that says no more than these words, on one line. */
export const escapeMarkdown = (text: string): string =>
  text
    .replace(/[\\`*[\]<>~|]|&(?=[#a-z])|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/giu, '\\$&')
    // What means something at the beginning of a line alone.
    .replace(/^(\s*\d+)([.)])(?=\s|$)/, '$1\\$2')
    .replace(/^(\s*)(#+(?=\s|$)|[-+=](?=[-=\s]|$))/, '$1\\$2');

// A #tag that somebody's server has made a link of is a #tag again: Libervia 0.9 sends back what it was given, in an edit.
const TAG = /^#[\p{L}\p{M}\p{N}_-]+$/u;
const TAG_PAGE = /\/tags?\/[^/]+$/;

const MARKS = new Set(['strong', 'b', 'em', 'i', 'code', 'pre', 'blockquote', 'ul', 'ol', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'img']);
/** Tells whether formatting says more than the text alone: anything but paragraphs, line ends, and links that a text has by itself (tags, names, URLs). */
export const hasMarks = (element: Element): boolean =>
  element.getChildElements().some((child) => MARKS.has(child.getName()) || (child.getName() === 'a' && !/^([#@]|[a-z][a-z0-9+.-]*:)/i.test(plainText(child))) || hasMarks(child));

/**
 * What is under an element as Markdown. Only what Markdown can say is kept; all text is escaped, so a stranger's XHTML may be given.
 */
export function markdownOf(element: Element): string {
  const inline = (node: Element): string =>
    node.children
      .map((child) => {
        if (typeof child !== 'object') return escapeMarkdown(String(child).replace(/\s+/g, ' '));
        const name = child.getName();
        const text = isBlock(child) || name === 'style' || name === 'script' ? '' : inline(child);
        const around = (mark: string): string => {
          const words = text.trim();
          if (words === '') return text;
          const at = text.length - text.trimStart().length;
          return text.slice(0, at) + mark + words + mark + text.slice(at + words.length);
        };
        if (name === 'br') return '\n';
        if (name === 'strong' || name === 'b') return around('**');
        if (name === 'em' || name === 'i') return around('*');
        if (name === 'code') return `\`${plainText(child).replace(/`/g, "'")}\``;
        const href = child.attrs[name === 'img' ? 'src' : 'href']?.trim() ?? '';
        const target = isSafeUrl(href) ? `<${href.replace(/[<>\\]/g, encodeURIComponent)}>` : '';
        if (name === 'a' && TAG_PAGE.test(href) && TAG.test(plainText(child))) return plainText(child);
        if (name === 'a' && target) return plainText(child) === href ? target : `[${text.trim() || escapeMarkdown(href)}](${target})`;
        if (name === 'img') return target ? `![${escapeMarkdown(child.attrs.alt ?? '')}](${target})` : escapeMarkdown(child.attrs.alt ?? '');
        return text;
      })
      .join('');
  const indent = (text: string, first: string, rest: string): string =>
    text
      .split('\n')
      .map((line, index) => (index === 0 ? first + line : line === '' ? rest.trimEnd() : rest + line))
      .join('\n');
  const blocks = (node: Element): string => {
    const out: string[] = [];
    let run = new Element('run');
    const flush = (): void => {
      const text = inline(run).trim();
      if (text !== '') out.push(text);
      run = new Element('run');
    };
    for (const child of node.children) {
      if (typeof child !== 'object' || !isBlock(child)) {
        run.children.push(child);
        continue;
      }
      flush();
      const name = child.getName();
      const level = /^h([1-6])$/.exec(name)?.[1];
      if (level) out.push(`${'#'.repeat(Number(level))} ${inline(child).replace(/\s+/g, ' ').trim()}`);
      else if (name === 'pre') out.push(indent(plainText(child), '    ', '    '));
      else if (name === 'hr') out.push('***');
      else if (name === 'blockquote') out.push(indent(blocks(child), '> ', '> '));
      else if (name === 'ul' || name === 'ol') {
        const items = child.getChildren('li').map((item, index) => (name === 'ul' ? indent(blocks(item), '- ', '  ') : indent(blocks(item), `${index + 1}. `, '   ')));
        if (items.length) out.push(items.join('\n'));
      } else out.push(blocks(child));
    }
    flush();
    return out.filter((block) => block.trim() !== '').join('\n\n');
  };
  return blocks(element).trim();
}

/**
 * A stranger's HTML (of an Atom content that says type="html", or of an Activity Streams object) as Markdown; '' when there is no text in it.
 * @throws DomainError invalid | too-large
 */
export const markdownOfHtml = (html: string): string => markdownOf(parseHtml(cleanForeignHtml(html)));
