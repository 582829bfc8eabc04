// Who is online, as far as they told us (RFC 6121 §4): in memory only, asked again after every reconnect, and bounded whatever arrives.
import type { Jid } from '../addresses.js';

/** What `<c/>` said (XEP-0115 §4). */
export interface CapsMark {
  node: string;
  ver: string;
  /** '' in caps of before version 1.4. */
  hash: string;
}

export interface Resource {
  /** Full JID. */
  jid: string;
  caps: CapsMark | null;
}

interface Contact {
  host: string;
  resources: Map<string, Resource>;
}

/** Resources of one contact: people have few; who shows more has nothing to win. */
const MAX_RESOURCES = 16;

/** The resources of contacts that are available to our accounts. */
export class KnownPresence {
  readonly #contacts = new Map<string, Contact>();
  readonly #contactsOfHost = new Map<string, number>();
  readonly #maxContacts: number;

  /** @param maxContacts pairs of an account and a contact */
  constructor(maxContacts = 100_000) {
    this.#maxContacts = maxContacts;
  }

  get size(): number {
    return this.#contacts.size;
  }

  /**
   * Notes available presence.
   * @param local the local part of our account
   * @returns whether the resource, or what its caps say, was not known before
   */
  available(local: string, from: Jid, caps: CapsMark | null): boolean {
    const key = keyOf(local, from.bare);
    let contact = this.#contacts.get(key);
    if (!contact) {
      this.#makeRoom(from.domain);
      contact = { host: from.domain, resources: new Map() };
      this.#contacts.set(key, contact);
      this.#contactsOfHost.set(from.domain, (this.#contactsOfHost.get(from.domain) ?? 0) + 1);
    }
    const before = contact.resources.get(from.full);
    contact.resources.delete(from.full);
    if (contact.resources.size >= MAX_RESOURCES) contact.resources.delete(contact.resources.keys().next().value!);
    contact.resources.set(from.full, { jid: from.full, caps });
    return !before || before.caps?.ver !== caps?.ver;
  }

  /** Forgets a resource, or with a bare JID all of them. */
  unavailable(local: string, from: Jid): void {
    const key = keyOf(local, from.bare);
    const contact = this.#contacts.get(key);
    if (!contact) return;
    contact.resources.delete(from.full);
    if (from.resource === '' || contact.resources.size === 0) this.#forget(key, contact);
  }

  /** @param bareJid of the contact */
  resources(local: string, bareJid: string): Resource[] {
    return [...(this.#contacts.get(keyOf(local, bareJid))?.resources.values() ?? [])];
  }

  clear(): void {
    this.#contacts.clear();
    this.#contactsOfHost.clear();
  }

  /** One host that floods us pushes out its own first, then the oldest of all. */
  #makeRoom(host: string): void {
    if (this.#contacts.size < this.#maxContacts) return;
    const own = (this.#contactsOfHost.get(host) ?? 0) > this.#maxContacts / 4;
    for (const [key, contact] of this.#contacts) {
      if (own && contact.host !== host) continue;
      return this.#forget(key, contact);
    }
  }

  #forget(key: string, contact: Contact): void {
    this.#contacts.delete(key);
    const left = this.#contactsOfHost.get(contact.host)! - 1;
    if (left > 0) this.#contactsOfHost.set(contact.host, left);
    else this.#contactsOfHost.delete(contact.host);
  }
}

/** A local part holds no slash. */
const keyOf = (local: string, bareJid: string): string => `${local}/${bareJid}`;
