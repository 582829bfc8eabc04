// Markdown (CommonMark with tables, strikethrough and bare links, line ends kept as in diaspora*) → safe HTML, once, when a post is written.
import MarkdownIt, { type Token } from 'markdown-it';
import { handleOf } from '../domain/actor.js';
import { DomainError } from '../domain/errors.js';
import { titleOf } from '../domain/post.js';
import { cleanOwnHtml, HTML_MAX_DEPTH, htmlToXhtml, innerHtml, isSafeUrl, parseHtml, plainText, textToXhtml } from '../html.js';
import { activeUsernames } from '../store/accounts.js';
import type { Db } from '../store/database.js';
import { cleanText, type Element, xml } from '../xml.js';
import type { Context } from './context.js';

export { htmlToXhtml };

export interface RenderedText {
  /** Safe, and well-formed XML as well. No outer div. */
  html: string;
  plain: string;
  /** The first line of `plain`, at most 140 characters. */
  title: string;
  /** The #tags without their mark, in small letters, each once. */
  tags: string[];
  /** The handles of those who are mentioned (`@user`, `@user@host`), as `user@host`, each once. None without `Links`. */
  mentions: string[];
}

/** Where #tags and mentions lead: absolute, for the text goes to other networks too. */
export interface Links {
  publicUrl: string;
  /** Our domain first; then others whose names are ours. */
  domains: readonly string[];
  /** The usernames in question that are people here; by `@user` without a host nobody else is meant. */
  here: ReadonlySet<string>;
  /** Written elsewhere: `@user` without a host means somebody there. */
  isForeign?: boolean;
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

const MAX_MENTIONS = 20;
/** More than so many of both stay text: each link is many times as long as what was typed. */
const MAX_LINKS = 100;
const MENTION = /(?<![\p{L}\p{M}\p{N}_@/.+-])@([a-z0-9][a-z0-9_.-]{0,63})(?:@([a-z0-9][a-z0-9.-]{0,252}))?/giu;

interface Found {
  tags: Set<string>;
  mentions: Set<string>;
  links: number;
}

function tagOf(word: string): string | null {
  if ([...word].length > MAX_TAG_LENGTH) return null;
  const tag = word.normalize('NFC').toLowerCase().replace(/-+$/, '');
  return /\p{L}/u.test(tag) ? tag : null;
}

/** Who is meant, and how much of the text says so. A full stop after a name is none of it. */
function mentionOf([whole, name, host]: RegExpMatchArray, { publicUrl, domains, here, isForeign }: Links): { handle: string; text: string; url: string } | null {
  if (host === undefined && isForeign) return null;
  const [own] = domains as [string];
  const domain = host?.replace(/[.-]+$/, '').toLowerCase();
  const local = (domain === undefined ? name!.split('.')[0]! : name!).toLowerCase();
  const text = domain === undefined ? `@${name!.split('.')[0]}` : whole.slice(0, whole.length - (host!.length - domain.length));
  if (domain === undefined || domains.includes(domain)) {
    if (here.has(local)) return { handle: handleOf({ username: local, domain: own }), text, url: `${publicUrl}/u/${local}` };
    if (domain === undefined || domain === own) return null;
  }
  return domain.includes('.') ? { handle: `${local}@${domain}`, text, url: `${publicUrl}/people/${local}@${domain}` } : null;
}

/** A link that leads where its text alone would lead (an editor sends back the HTML that we made) is the tag or the mention still. */
function readLink(link: Element, found: Found, links: Links): void {
  const typed = xml('p', null, plainText(link));
  const marks: Found = { tags: new Set(), mentions: new Set(), links: 0 };
  readMarks(typed, marks, links);
  const [made, ...rest] = typed.children;
  if (rest.length > 0 || typeof made !== 'object' || made.attrs.href !== link.attrs.href) return;
  for (const tag of marks.tags) if (found.tags.size < MAX_TAGS) found.tags.add(tag);
  for (const handle of marks.mentions) if (found.mentions.size < MAX_MENTIONS) found.mentions.add(handle);
}

/** Notes the tags and mentions in text, but not those in code and in links that lead elsewhere; and makes links of them when it is told where they lead. */
function readMarks(element: Element, found: Found, links: Links | null): void {
  element.children = element.children.flatMap((child): (Element | string)[] => {
    if (typeof child === 'object') {
      if (child.name === 'a') {
        if (links) readLink(child, found, links);
      } else if (!['code', 'pre'].includes(child.name)) readMarks(child, found, links);
      return [child];
    }
    const text = String(child);
    const marks: { at: number; text: string; url: string }[] = [];
    for (const match of text.matchAll(TAG)) {
      const tag = tagOf(match[1]!);
      if (tag === null || (found.tags.size === MAX_TAGS && !found.tags.has(tag))) continue;
      found.tags.add(tag);
      if (links) marks.push({ at: match.index, text: match[0], url: `${links.publicUrl}/tags/${encodeURIComponent(tag)}` });
    }
    for (const match of links ? text.matchAll(MENTION) : []) {
      const mention = mentionOf(match, links!);
      if (mention === null || (found.mentions.size === MAX_MENTIONS && !found.mentions.has(mention.handle))) continue;
      found.mentions.add(mention.handle);
      marks.push({ at: match.index, ...mention });
    }
    const parts: (Element | string)[] = [];
    let end = 0;
    for (const mark of marks.sort((a, b) => a.at - b.at)) {
      if (found.links === MAX_LINKS) break;
      found.links += 1;
      parts.push(text.slice(end, mark.at), xml('a', { href: mark.url }, mark.text));
      end = mark.at + mark.text.length;
    }
    return end === 0 ? [child] : [...parts, text.slice(end)].filter((part) => part !== '');
  });
}

function htmlOf(text: string): string {
  const tokens = markdown.parse(text, {});
  if (isTooDeep(tokens)) return innerHtml(textToXhtml(text));
  return cleanOwnHtml(markdown.renderer.render(tokens, markdown.options, {}));
}

/**
 * A post's or comment's Markdown as safe HTML, plain text, title, tags and mentions. Any text has a result: one that is nested past reason
 * becomes plain paragraphs.
 * @param text Markdown, as `parsePostText` leaves it
 * @param links missing: tags stay text, and nobody is mentioned
 */
export function renderMarkdown(text: string, links: Links | null = null): RenderedText {
  const html = htmlOf(cleanText(text)).trim();
  const div = parseHtml(html);
  const plain = plainText(div);
  const found: Found = { tags: new Set(), mentions: new Set(), links: 0 };
  readMarks(div, found, links);
  return { html: found.links > 0 ? withLinks(div, html) : html, plain, title: titleOf(plain), tags: [...found.tags], mentions: [...found.mentions] };
}

/** With the links it may be nested one too deep. */
function withLinks(div: Element, otherwise: string): string {
  try {
    return innerHtml(div).trim();
  } catch (error) {
    if (error instanceof DomainError) return otherwise;
    throw error;
  }
}

/**
 * renderMarkdown for a text that is stored: tags and mentions are links.
 * @param by its author: what someone of another server writes without a host means nobody here
 */
export async function writeText(ctx: Context, db: Db, text: string, by: { isLocal: boolean }): Promise<RenderedText> {
  const { publicUrl, domain, chatDomain } = ctx.config;
  const names = new Set([...text.matchAll(/@([a-z0-9][a-z0-9_-]{0,29})/gi)].slice(0, 200).map(([, name]) => name!.toLowerCase()));
  const here = new Set(names.size > 0 ? await activeUsernames(db, [...names].slice(0, 50)) : []);
  const links: Links = { publicUrl, domains: [domain, ...(chatDomain === '' ? [] : [chatDomain])], here };
  return renderMarkdown(text, by.isLocal ? links : { ...links, isForeign: true });
}
