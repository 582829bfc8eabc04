// What comes in goes to one handler. RFC 6120 §8: each IQ of type get or set is answered once, from the very address that was asked;
// errors and results are never answered.
import { DomainError } from '../domain/errors.js';
import type { Logger } from '../log.js';
import { type Element, xml } from '../xml.js';
import { type Jid, parseJid } from './addresses.js';
import { badRequest, encodeError, isUnexpected, serviceUnavailable, StanzaError, toStanzaError } from './errors.js';
import { Lanes } from './lanes.js';

/** A request as its handler gets it. */
export interface IqRequest {
  type: 'get' | 'set';
  payload: Element;
  to: Jid;
  from: Jid;
}

/** @returns the payload of the result, or null for an empty one; throws what is answered as an error */
export type IqHandler = (request: IqRequest) => Promise<Element | null> | Element | null;

export interface Handlers {
  /** By `type {namespace}name`, e.g. `get {urn:xmpp:ping}ping`. */
  iq: Record<string, IqHandler>;
  presence(stanza: Element, to: Jid, from: Jid): Promise<void> | void;
  message(stanza: Element, to: Jid, from: Jid): Promise<void> | void;
  /** Asked first of every message: true when it is an event, which is taken at once and has bounds of its own. */
  event?(message: Element, to: Jid, from: Jid): boolean;
}

/** One sender's stanzas wait for each other; a sender that asks faster than we answer is told so. */
const MAX_PER_SENDER = 200;
const MAX_IN_ALL = 50_000;

/** Takes every stanza to its handler and sends what comes out. */
export class Dispatcher {
  readonly #lanes = new Lanes();
  readonly #waitingOf = new Map<string, number>();
  /** Counted, for whoever looks: stanzas that were not for us or from nobody; those above the limits; handlers that failed. */
  readonly counts = { dropped: 0, shed: 0, failed: 0 };

  constructor(
    private readonly domain: string,
    private readonly handlers: Handlers,
    private readonly send: (stanza: Element) => void,
    private readonly log: Logger,
  ) {}

  /** Never throws. Stanzas of one bare sender are handled in their order. */
  take(stanza: Element): void {
    const to = parseJid(stanza.attrs.to);
    const from = parseJid(stanza.attrs.from);
    // Our own addresses are no guests either: what we send to ourselves is a loop.
    if (!to || !from || to.domain !== this.domain || from.domain === this.domain) {
      this.counts.dropped += 1;
      this.log.debug({ name: stanza.name, to: stanza.attrs.to, from: stanza.attrs.from }, 'stanza dropped: not for us, or from nobody');
      return;
    }
    if (stanza.is('message') && this.handlers.event?.(stanza, to, from)) return;
    const waiting = this.#waitingOf.get(from.bare) ?? 0;
    if (waiting >= MAX_PER_SENDER || this.#lanes.size >= MAX_IN_ALL) {
      this.counts.shed += 1;
      if (stanza.is('iq')) this.#answer(stanza, new StanzaError('wait', 'resource-constraint'));
      return;
    }
    this.#waitingOf.set(from.bare, waiting + 1);
    void this.#lanes
      .run(from.bare, () => this.#handle(stanza, to, from))
      .finally(() => {
        const left = this.#waitingOf.get(from.bare)! - 1;
        if (left > 0) this.#waitingOf.set(from.bare, left);
        else this.#waitingOf.delete(from.bare);
      });
  }

  /** Resolves when everything that was taken so far has been handled. */
  settled(): Promise<void> {
    return this.#lanes.settled();
  }

  async #handle(stanza: Element, to: Jid, from: Jid): Promise<void> {
    try {
      if (stanza.is('iq')) await this.#handleIq(stanza, to, from);
      else if (stanza.is('presence')) await this.handlers.presence(stanza, to, from);
      else if (stanza.is('message')) await this.handlers.message(stanza, to, from);
    } catch (error) {
      this.counts.failed += 1;
      // A limit, or a database that is busy, is no bug (house style of errors).
      this.log[error instanceof DomainError ? 'warn' : 'error']({ err: error, name: stanza.name, type: stanza.attrs.type }, 'a stanza was not handled');
    }
  }

  async #handleIq(iq: Element, to: Jid, from: Jid): Promise<void> {
    const { type } = iq.attrs;
    if (type === 'result' || type === 'error') return;
    let result: Element | null;
    try {
      const children = iq.getChildElements();
      const payload = children[0];
      // RFC 6120 §8.2.3: exactly one child.
      if ((type !== 'get' && type !== 'set') || !payload || children.length > 1 || !iq.attrs.id) throw badRequest();
      const handler = this.handlers.iq[`${type} {${payload.getNS() ?? ''}}${payload.getName()}`];
      if (!handler) throw serviceUnavailable();
      result = await handler({ type, payload, to, from });
    } catch (error) {
      if (isUnexpected(error)) {
        this.counts.failed += 1;
        this.log.error({ err: error, from: from.full, to: to.full }, 'a request failed');
      }
      return this.#answer(iq, toStanzaError(error));
    }
    this.#answer(iq, result);
  }

  #answer(iq: Element, outcome: Element | null | StanzaError): void {
    const { id, to: from, from: to, type } = iq.attrs;
    if (type === 'result' || type === 'error') return;
    const reply = (kind: 'result' | 'error', content: Element | null) => this.send(xml('iq', { type: kind, id, from, to }, content));
    try {
      if (outcome instanceof StanzaError) reply('error', encodeError(outcome));
      else
        try {
          reply('result', outcome);
        } catch (error) {
          // Too large, or something that cannot be written: the asker hears at least that.
          reply('error', encodeError(toStanzaError(error)));
        }
    } catch (error) {
      this.log.debug({ err: error, to }, 'an answer could not be sent'); // offline again: the asker's server has told him
    }
  }
}
