// An Atom entry from elsewhere as services/receive.ts takes it: what it is about, for whom it is, where its comments and its root stand.
import { DomainError } from '../../domain/errors.js';
import { isGuid } from '../../domain/guid.js';
import { POST_MAX_BYTES } from '../../domain/post.js';
import { commentsNodeOf, type DecodedEntry, decodeEntry, markdownOfEntry, sharedBy } from '../../formats/atom-entry.js';
import { cutText } from '../../formats/cut.js';
import { itemUri } from '../../formats/item-uri.js';
import { NS } from '../../formats/namespaces.js';
import type { Context } from '../../services/context.js';
import type { ItemAddress, ReceivedEntry } from '../../services/receive.js';
import type { Element } from '../../xml.js';
import { parseJid } from '../addresses.js';

/** Verbs of things that are no posts: they are told elsewhere, or are nothing to show. */
const NO_POSTS = new Set(['like', 'follow', 'delete']);

/** The feed's own metadata (XEP-0277 §4), and what Movim keeps in the same node. */
const RESERVED_IDS = new Set(['0', NS.AVATAR_METADATA]);

/** @returns null: nothing of it is to be shown. Never throws over what a stranger wrote. */
export function readEntry(ctx: Context, payload: Element, origin: ItemAddress): ReceivedEntry | null {
  if (RESERVED_IDS.has(origin.itemId)) return null;
  let entry: DecodedEntry;
  try {
    entry = decodeEntry(payload);
  } catch (error) {
    if (error instanceof DomainError) return null; // no Atom, empty, or past all measure
    throw error;
  }
  if (NO_POSTS.has(entry.verb)) return null;
  const comments = commentsNodeOf(entry);
  const commentsService = comments && parseJid(comments.jid);
  const root = rootOf(ctx, entry);
  return {
    text: textOf(entry, root ? whoseWords(entry, origin.service) : ''),
    root,
    iri: itemUri({ jid: origin.service, node: origin.node, item: origin.itemId }),
    tags: entry.tags,
    language: /^[a-z]{2,8}(-[a-z0-9]{1,8}){0,4}$/i.test(entry.language ?? '') ? entry.language! : '',
    published: entry.published,
    updated: entry.updated,
    audience: entry.acl === null ? null : entry.acl.to === 'public' ? 'public' : 'limited',
    comments: commentsService && comments.node.length <= 1023 ? { service: commentsService.bare, node: comments.node } : null,
  };
}

const NAME_MAX = 100;

/**
 * Whose a repeated entry is, as words, if it names somebody else than its publisher: its author here is who sent it, and its root may not be known here.
 * COMPAT Libervia 0.9: the text of what it repeats does not say it, as that of a reshare of ours does.
 */
function whoseWords({ authorName, authorUri }: DecodedEntry, publisher: string): string {
  const jid = parseJid(/^xmpp:([^?#]+)/i.exec(authorUri ?? '')?.[1]);
  if (!jid || jid.bare === publisher) return '';
  const name = [...(authorName ?? '').replace(/\s+/g, ' ')].slice(0, NAME_MAX).join('');
  return name === '' || name === jid.bare ? jid.bare : `${name} (${jid.bare})`;
}

/** The text, with links to the attachments that it does not mention, below whose it is, cut where a post of ours would be refused. */
function textOf(entry: DecodedEntry, whose: string): string {
  const { links } = entry;
  const text = markdownOfEntry(entry, whose);
  const attached = links.filter(({ rel, href }) => rel === 'enclosure' && !text.includes(href)).map(({ href, title }) => `[${(title ?? href).replace(/[\\[\]]/g, '\\$&')}](<${href}>)`);
  const page = links.find(({ rel, href }) => rel === 'alternate' && /^https?:/i.test(href))?.href ?? '';
  return cutText([text, ...attached].join('\n\n'), POST_MAX_BYTES - 4096, page.length < 2048 ? page : '');
}

function rootOf(ctx: Context, entry: DecodedEntry): ReceivedEntry['root'] {
  const shared = sharedBy(entry);
  if (!shared && entry.verb !== 'share') return null;
  const { domain, publicUrl } = ctx.config;
  const item = shared?.item ?? null;
  const service = item && parseJid(item.jid);
  const page = shared?.href.startsWith(`${publicUrl}/posts/`) ? shared.href.slice(publicUrl.length + 7) : '';
  const guid = service?.domain === domain && item!.node === NS.MICROBLOG ? item!.item : page;
  return {
    items: service && service.domain !== domain ? [{ service: service.bare, node: item!.node, itemId: item!.item }] : [],
    guids: isGuid(guid) ? [guid] : [],
  };
}
