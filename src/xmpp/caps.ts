// XEP-0115 Entity Capabilities, version 1.6.0: the verification string, ours and theirs. XEP-0153 vCard-Based Avatars, version 1.1: in our presence.
import { createHash } from 'node:crypto';
import { NS } from '../formats/namespaces.js';
import { type Element, xml } from '../xml.js';
import { CLIENT_FEATURES, CLIENT_IDENTITY, type Identity, INTERESTS } from './features.js';

/** What disco#info says of someone, as far as the hash covers it. */
export interface Info {
  identities: Identity[];
  features: string[];
  /** Each form: FORM_TYPE and fields. */
  forms: { type: string; fields: Map<string, string[]> }[];
}

// §5.1 and §5.4 compare octets; of these names, the order of UTF-16 units differs only beyond the BMP.
const octets = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The hashes of XEP-0115's registry that are taken; md5 and sha-1 alone can be forged, but sha-1 is what everyone sends. */
const ALGORITHMS: Record<string, string> = { 'sha-1': 'sha1', 'sha-256': 'sha256', 'sha-512': 'sha512' };
export const isKnownHash = (hash: string): boolean => hash in ALGORITHMS;

/**
 * The verification string (§5.1).
 * @returns null when the information is ill-formed (§5.4: a feature, identity or form twice)
 */
export function verification(info: Info, hash = 'sha-1'): string | null {
  const identities = info.identities.map(({ category, type, lang = '', name = '' }) => `${category}/${type}/${lang}/${name}`).sort(octets);
  const features = [...info.features].sort(octets);
  const types = info.forms.map((form) => form.type);
  for (const list of [identities, features, types]) if (new Set(list).size !== list.length) return null;
  const parts = [...identities, ...features];
  for (const form of [...info.forms].sort((a, b) => octets(a.type, b.type))) {
    parts.push(form.type);
    for (const name of [...form.fields.keys()].sort(octets)) if (name !== 'FORM_TYPE') parts.push(name, ...[...form.fields.get(name)!].sort(octets));
  }
  return createHash(ALGORITHMS[hash]!)
    .update(parts.map((part) => `${part}<`).join(''))
    .digest('base64');
}

/** The node of our caps (§4): who made this program. */
export const CAPS_NODE = 'https://diaspora-x.org/';

/** The two resources under which an account is present: `social` to its followers, `pep` to those whom it follows. */
export type OwnResource = 'social' | 'pep';

/** What each resource's disco#info lists; the hash is computed from the very same. */
export const RESOURCE_FEATURES: Record<OwnResource, readonly string[]> = {
  social: CLIENT_FEATURES,
  pep: [...CLIENT_FEATURES, ...INTERESTS.map((node) => `${node}+notify`)],
};

const ownVer = (resource: OwnResource): string => verification({ identities: [CLIENT_IDENTITY], features: [...RESOURCE_FEATURES[resource]], forms: [] })!;
const OWN_VER: Record<OwnResource, string> = { social: ownVer('social'), pep: ownVer('pep') };

/** Our disco node for a resource: `NODE#VER`. */
export const ownCapsNode = (resource: OwnResource): string => `${CAPS_NODE}#${OWN_VER[resource]}`;

/**
 * Available presence of one of our JIDs.
 * @param photo SHA-1 of the picture's bytes, in hex, as XEP-0153 §3.1 has it; null: there is none, which an empty element says (§3.2)
 */
export const ownPresence = (ownJid: string, resource: OwnResource, to: string, photo: string | null): Element =>
  xml(
    'presence',
    { from: `${ownJid}/${resource}`, to },
    xml('c', { xmlns: NS.CAPS, hash: 'sha-1', node: CAPS_NODE, ver: OWN_VER[resource] }),
    xml('x', { xmlns: NS.VCARD_UPDATE }, xml('photo', null, photo)),
  );
