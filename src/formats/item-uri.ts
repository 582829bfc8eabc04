// Pubsub items as XMPP URIs: XEP-0060, in the query form that XEP-0277 0.6.5 uses; RFC 5122.

/** One item of a node. `jid` is a bare JID or a service. */
export interface ItemAddress {
  jid: string;
  node: string;
  item: string | null;
}

const encodePart = (text: string, kept: string): string => encodeURIComponent(text).replace(/%[0-9A-F]{2}/g, (code) => (kept.includes(decodeIfAscii(code)) ? decodeIfAscii(code) : code));
const decodeIfAscii = (code: string): string => {
  const value = Number.parseInt(code.slice(1), 16);
  return value < 0x80 ? String.fromCharCode(value) : '\0';
};

/** `xmpp:alice@social.example.org`. */
export const xmppUri = (jid: string): string => `xmpp:${encodePart(jid, '@/:')}`;

/**
 * `xmpp:JID?;node=NODE;item=ITEM`. Colons stay as they are and node comes before item: Movim 0.34 decodes nothing and splits by position.
 */
export const itemUri = ({ jid, node, item }: ItemAddress): string =>
  `${xmppUri(jid)}?;node=${encodePart(node, ':/@')}${item === null ? '' : `;item=${encodePart(item, ':/@')}`}`;

const decodePart = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a bare percent sign of a writer that encodes nothing
  }
};

/** Reads such a URI with its parts percent-encoded (Libervia, XEP examples) or not (Movim). null: not one of a node. */
export function parseItemUri(uri: string): ItemAddress | null {
  const match = /^xmpp:([^?#]+)\?([^#]*)$/i.exec(uri.trim());
  if (!match) return null;
  const fields = new Map<string, string>();
  for (const part of match[2]!.split(/[;&]/)) {
    const at = part.indexOf('=');
    const name = part.slice(0, at);
    if (at > 0 && !fields.has(name)) fields.set(name, decodePart(part.slice(at + 1)));
  }
  const node = fields.get('node');
  return node ? { jid: decodePart(match[1]!), node, item: fields.get('item') || null } : null;
}
