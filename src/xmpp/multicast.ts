// XEP-0033 Extended Stanza Addressing, version 1.2.1: one stanza with many addresses, which a multicast service of the recipients' server
// multiplies. What costs in a fan-out is that the server reads each stanza (docs/performance.md). Nothing depends on it: what a service
// does not take goes out one by one.
import { NS } from '../formats/namespaces.js';
import type { Logger } from '../log.js';
import { type Element, xml } from '../xml.js';
import { parseJid } from './addresses.js';
import { forGroups } from './codec/event.js';
import { knownConditionOf } from './messages.js';
import { decodeInfo } from './presence/interests.js';
import { MAX_STANZA_BYTES, StanzaErrorReply, type Transport } from './transport.js';

/** From so many recipients on: with fewer, the stanza and the question after it save nothing. */
const WORTHWHILE = 3;
/** More addresses in a stanza make nothing faster, and one that the service refuses takes the others of its stanza along. */
const BATCH = 100;
/** What ejabberd takes from a component when it advertises nothing. */
const UNSAID_LIMIT = 20;
/** Of a server's list of services, so many are asked what they are. */
const MAX_ITEMS = 20;

/** How long a first delivery waits to learn whether there is a service. Later the answer is still remembered. */
const FIRST_LOOK_MS = 2_000;
const ANSWER_MS = 10_000;
/** For how long an answer counts, and a silence. */
const BELIEVED_MS = 3_600_000;
const SILENCE_MS = 600_000;
const MAX_REMEMBERED = 20_000;
/** A stanza that its addresses make larger goes out one by one: at worst four bytes a character, it is what a server takes. */
const MAX_CHARACTERS = MAX_STANZA_BYTES / 4;
/** How late an error may come for what was never confirmed. */
const LATE_MS = 300_000;

/** With so many on a host, whether it multiplies is worth an operator's while. */
export const MANY = 50;

/** Servers say so when nobody is there, or not now. */
const isAbsence = (condition: string): boolean => condition.startsWith('remote-server-');

interface Service {
  jid: string;
  /** Addresses in one stanza. */
  limit: number;
}

/** These have not got what counts as sent. */
type RefusedLate = (recipients: string[], condition: string) => void;

/** A stanza that has gone to a service. */
interface Batch {
  recipients: string[];
  refused: boolean;
  /** Nobody waits for its end any more. */
  late?: RefusedLate;
  unwatch(): void;
}

export interface MulticastParts {
  transport: Transport;
  /** The social domain: it asks. */
  domain: string;
  log: Logger;
  now: () => number;
  /** Told now and then of hosts with many recipients. */
  learned?: (host: string, multiplies: boolean) => void;
}

/** Which servers multiply for us, and what is on its way to them. */
export class Multicast {
  /** By host. null: none that takes ours. */
  readonly #known = new Map<string, { service: Service | null; until: number; isNews: boolean }>();
  readonly #asking = new Map<string, Promise<Service | null>>();
  #ids = 0;

  constructor(private readonly parts: MulticastParts) {}

  /**
   * Sends a stanza to many on one host by its service, and waits until that has read it.
   * @param stanza without `to`, with an id
   * @param recipients JIDs on that host, bare or full
   * @param refusedLate hears of an error that comes after this has resolved
   * @returns those who must get it one by one: all where there is no service, or the ones whom it refused
   * @throws DomainError unavailable when the connection is lost
   */
  async send(host: string, stanza: Element, recipients: string[], refusedLate: RefusedLate, signal?: AbortSignal): Promise<string[]> {
    if (recipients.length < WORTHWHILE) return recipients;
    const service = await this.#serviceOf(host);
    if (recipients.length >= MANY) this.#tell(host);
    if (!service) return recipients;
    const { transport } = this.parts;
    const text = forGroups(stanza);
    const batches: Batch[] = [];
    const left: string[] = [];
    try {
      for (let start = 0; start < recipients.length; start += service.limit) {
        const some = recipients.slice(start, start + service.limit);
        const id = `${stanza.attrs.id}.${(this.#ids++).toString(36)}`;
        const message = text(service.jid, id, some);
        if (message.length > MAX_CHARACTERS) {
          left.push(...some);
          continue;
        }
        transport.sendRaw(message);
        batches.push(this.#watch(host, service.jid, id, some));
        if (!transport.crowded) continue;
        await transport.roomy();
        signal?.throwIfAborted();
      }
      await null; // what is queued leaves before the question is made
      if (await this.#hasRead(service.jid)) for (const batch of batches) batch.unwatch();
      else this.#waitForLate(host, batches, refusedLate);
    } catch (error) {
      for (const batch of batches) batch.unwatch(); // all of it is done again
      throw error;
    }
    for (const batch of batches) if (batch.refused) left.push(...batch.recipients);
    return left;
  }

  #watch(host: string, service: string, id: string, recipients: string[]): Batch {
    const { transport, log } = this.parts;
    const unwatch = transport.watch(id, service, (error) => {
      unwatch();
      batch.refused = true;
      const condition = knownConditionOf(error);
      log.warn({ host, service, condition }, 'a multicast service refuses us: its server gets single stanzas');
      this.#remember(host, null, isAbsence(condition) ? SILENCE_MS : BELIEVED_MS);
      batch.late?.(recipients, condition);
    });
    const batch: Batch = { recipients, refused: false, unwatch };
    return batch;
  }

  /**
   * The barrier of a service, which reads in order: errors for what came before this question come before its answer. Our own server's barrier says
   * nothing here, because ejabberd's service is a process of its own, and others are on other servers.
   * @returns false when there is no answer
   */
  async #hasRead(service: string): Promise<boolean> {
    try {
      await this.#ask(service, NS.DISCO_INFO);
    } catch (error) {
      if (!this.parts.transport.online) throw error;
      // Any error is an answer, too, but those by which servers say that nobody is there.
      return error instanceof StanzaErrorReply && !isAbsence(error.message);
    }
    return true;
  }

  /** Our server has taken it, and more is not known: as with single stanzas it counts as sent, unless an error comes after all. */
  #waitForLate(host: string, batches: Batch[], late: RefusedLate): void {
    this.#remember(host, null, SILENCE_MS);
    for (const batch of batches) batch.late = late;
    const timer = setTimeout(() => {
      for (const batch of batches) batch.unwatch();
    }, LATE_MS);
    timer.unref();
  }

  /** The connection is lost: services may have come or gone when it is back. Those that worked are tried without asking. */
  lost(): void {
    for (const known of this.#known.values()) known.until = 0;
  }

  async #serviceOf(host: string): Promise<Service | null> {
    const known = this.#known.get(host);
    if (known && known.until > this.parts.now()) return known.service;
    const asking = this.#asking.get(host) ?? this.#find(host);
    if (known?.service) return known.service; // asked again beside it
    let overdue: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => (overdue = setTimeout(() => resolve(null), FIRST_LOOK_MS)));
    return Promise.race([asking, late]).finally(() => clearTimeout(overdue));
  }

  #find(host: string): Promise<Service | null> {
    const finding = this.#look(host)
      .then(
        (service) => this.#remember(host, service, BELIEVED_MS),
        (error: Error) => {
          this.parts.log.debug({ host, reason: error.message }, 'did not learn whether there is a multicast service');
          return this.#remember(host, null, SILENCE_MS);
        },
      )
      .finally(() => this.#asking.delete(host));
    this.#asking.set(host, finding);
    return finding;
  }

  #remember(host: string, service: Service | null, forMs: number): Service | null {
    this.#known.delete(host);
    this.#known.set(host, { service, until: this.parts.now() + forMs, isNews: forMs === BELIEVED_MS });
    if (this.#known.size > MAX_REMEMBERED) this.#known.delete(this.#known.keys().next().value!);
    return service;
  }

  #tell(host: string): void {
    const known = this.#known.get(host);
    if (!known?.isNews) return;
    known.isNews = false;
    this.parts.learned?.(host, known.service !== null);
  }

  /** XEP-0033 §2: the host itself, or one of the services that it lists. */
  async #look(host: string): Promise<Service | null> {
    const own = await this.#serviceAt(host);
    if (own) return own;
    const list = await this.#ask(host, NS.DISCO_ITEMS);
    const items = list.getChildren('item').map(({ attrs }) => parseJid(attrs.jid)?.full ?? '');
    // Only the host's own: with the recipients' addresses, and what was written to them, nobody else is trusted.
    const candidates = [...new Set(items)].filter((jid) => jid.endsWith(`.${host}`) && !/[@/]/.test(jid) && jid !== this.parts.domain);
    const found = await Promise.allSettled(candidates.slice(0, MAX_ITEMS).map((jid) => this.#serviceAt(jid)));
    return found.map((one) => (one.status === 'fulfilled' ? one.value : null)).find((service) => service !== null) ?? null;
  }

  async #serviceAt(jid: string): Promise<Service | null> {
    const { features, forms } = decodeInfo(await this.#ask(jid, NS.DISCO_INFO));
    if (!features.includes(NS.ADDRESS)) return null;
    // As ejabberd advertises it: for each kind of stanza a number, or "infinite"; nothing when it is the default.
    const said = forms.find(({ type }) => type === NS.ADDRESS)?.fields.get('message')?.[0];
    const limit = said === undefined ? UNSAID_LIMIT : said === 'infinite' ? BATCH : Math.min(BATCH, Number.parseInt(said, 10));
    return limit >= WORTHWHILE ? { jid, limit } : null;
  }

  async #ask(to: string, xmlns: string): Promise<Element> {
    const answer = await this.parts.transport.request(xml('iq', { type: 'get', from: this.parts.domain, to }, xml('query', { xmlns })), ANSWER_MS);
    return answer.getChild('query', xmlns) ?? xml('query', { xmlns });
  }
}
