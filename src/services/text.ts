// Markdown (CommonMark with tables, strikethrough and bare links, line ends kept as in diaspora*) → safe HTML, once, when a post is written.
import MarkdownIt, { type Token } from 'markdown-it';
import { DomainError } from '../domain/errors.js';
import { titleOf } from '../domain/post.js';
import { cleanForeignHtml, cleanOwnHtml, HTML_MAX_DEPTH, htmlToXhtml, innerHtml, isSafeUrl, markdownOf, parseHtml, plainText, textToXhtml } from '../html.js';
import { cleanText, type Element } from '../xml.js';

export { htmlToXhtml };

export interface RenderedText {
  /** Safe, and well-formed XML as well. No outer div. */
  html: string;
  plain: string;
  /** The first line of `plain`, at most 140 characters. */
  title: string;
  /** The #tags without their mark, in small letters, each once. */
  tags: string[];
}

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true });
// Only absolute links: a relative one would lead elsewhere on every network. What is refused stays as it was typed.
markdown.validateLink = isSafeUrl;
// Without a scheme, "readme.md" and "e.g.this" would become links.
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });

/** Counted by tokens, before any tree is built: building one recurs, and 20,000 marks would overflow the stack. */
function isTooDeep(tokens: Token[], base = 0): boolean {
  let depth = base;
  for (const token of tokens) {
    depth += token.nesting;
    if (depth > HTML_MAX_DEPTH - 2 || (token.children && isTooDeep(token.children, depth))) return true;
  }
  return false;
}

const MAX_TAGS = 30;
const MAX_TAG_LENGTH = 60;
const TAG = /(?<![\p{L}\p{M}\p{N}_/&#-])#([\p{L}\p{M}\p{N}_-]+)/gu;

/** The tags in text, but not those in code and links. */
function collectTags(element: Element, tags = new Set<string>()): Set<string> {
  for (const child of element.children) {
    if (typeof child === 'object') {
      if (!['code', 'pre', 'a'].includes(child.name)) collectTags(child, tags);
      continue;
    }
    for (const [, word] of child.matchAll(TAG)) {
      if (tags.size === MAX_TAGS || [...word!].length > MAX_TAG_LENGTH) continue;
      const tag = word!.normalize('NFC').toLowerCase().replace(/-+$/, '');
      if (/\p{L}/u.test(tag)) tags.add(tag);
    }
  }
  return tags;
}

function htmlOf(text: string): string {
  const tokens = markdown.parse(text, {});
  if (isTooDeep(tokens)) return innerHtml(textToXhtml(text));
  return cleanOwnHtml(markdown.renderer.render(tokens, markdown.options, {}));
}

/**
 * A post's Markdown as safe HTML, plain text, title and tags. Any text has a result: one that is nested past reason becomes plain paragraphs.
 * @param text Markdown, as `parsePostText` leaves it
 */
export function renderMarkdown(text: string): RenderedText {
  const html = htmlOf(cleanText(text)).trim();
  const div = parseHtml(html);
  const plain = plainText(div);
  return { html, plain, title: titleOf(plain), tags: [...collectTags(div)] };
}

/**
 * A stranger's HTML (of an Atom content that says type="html", or of an Activity Streams object) as Markdown.
 * @throws DomainError invalid | too-large
 */
export function markdownFromHtml(html: string): string {
  const text = markdownOf(parseHtml(cleanForeignHtml(html)));
  if (text === '') throw new DomainError('invalid', 'There is no text in this.', 'text');
  return text;
}
