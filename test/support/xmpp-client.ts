// An XMPP client for tests, written as lines of send and expect:
//
//   const romeo = await connect({ ...account, features: ['urn:xmpp:microblog:0+notify'] });
//   await romeo.send(`<presence type='subscribe' to='${alice}'/>`);
//   await romeo.receives(`<presence type='subscribed' from='${alice}'/>`);
//   const event = await romeo.receives((stanza) => stanza.is('message') && …, 'the new post');
//   const result = await romeo.request(`<iq type='get' to='${alice}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`);
//   await romeo.barrier(alice); expect(romeo.hasReceived(`<message from='${alice}'/>`)).toBe(false);
//   await romeo.disconnect();
//
// Patterns in XML match a stanza that has at least these attributes, children and texts (see `matches`).
import { createHash, randomUUID } from 'node:crypto';
// @ts-expect-error @xmpp/client has no types; what is used of it stands in `Entity`.
import { client as createClient } from '@xmpp/client';
import { type Element, parse, xml } from './elements.js';
import type { TestAccount } from './servers/index.js';

export { type Element, parse, xml } from './elements.js';

const DISCO_INFO = 'http://jabber.org/protocol/disco#info';
const CAPS = 'http://jabber.org/protocol/caps';
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
const CLIENT_NODE = 'https://diaspora-x.example/test-client';
const IDENTITY = { category: 'client', type: 'bot', name: 'test client' };
const ALWAYS = [DISCO_INFO, CAPS, 'urn:xmpp:ping'];

/** The part of @xmpp/client 0.14 that is used here. */
interface Entity {
  jid: { toString(): string };
  /** How long it waits for streams to open and close, in milliseconds. */
  timeout: number;
  socket: { setEncoding(encoding: string): void } | null;
  reconnect: { stop(): void };
  iqCallee: { get(xmlns: string, name: string, answer: (context: { element: Element }) => Element | undefined): void };
  start(): Promise<unknown>;
  stop(): Promise<unknown>;
  send(element: Element): Promise<void>;
  write(text: string): Promise<void>;
  on(event: string, listener: (argument: never) => void): void;
  prependListener(event: string, listener: (argument: never) => void): void;
}

/** A stanza of type error, with its condition and the application's own (XEP-0060: `closed-node` …). */
export class StanzaError extends Error {
  /** cancel, modify, auth, wait, continue. */
  readonly type: string;
  /** RFC 6120 §8.3.3. */
  readonly condition: string;
  /** Names of the elements of other namespaces inside `<error/>`. */
  readonly extra: string[];

  constructor(readonly stanza: Element) {
    const error = stanza.getChild('error');
    const children = error?.getChildElements() ?? [];
    const standard = children.filter((child) => child.getNS() === STANZA_ERRORS);
    const condition = standard.find((child) => child.name !== 'text')?.name ?? 'undefined-condition';
    const extra = children.filter((child) => child.getNS() !== STANZA_ERRORS).map((child) => child.name);
    const text = standard.find((child) => child.name === 'text')?.getText();
    super([error?.attrs.type, condition, ...extra, ...(text ? [text] : [])].join(' '));
    this.name = 'StanzaError';
    this.type = error?.attrs.type ?? '';
    this.condition = condition;
    this.extra = extra;
  }
}

/**
 * Tells whether `actual` has at least what `pattern` has: name, namespace where the pattern names one, attributes,
 * texts that are not blank, and for each child of the pattern a child of its own, in any order.
 */
export function matches(actual: Element, pattern: Element): boolean {
  if (actual.getName() !== pattern.getName()) return false;
  for (const [name, value] of Object.entries(pattern.attrs)) {
    if (name === 'xmlns' ? actual.getNS() !== value : actual.attrs[name] !== value) return false;
  }
  const text = pattern.getText().trim();
  if (text !== '' && actual.getText().trim() !== text) return false;
  const left = actual.getChildElements();
  return pattern.getChildElements().every((child) => {
    const found = left.findIndex((candidate) => matches(candidate, child));
    if (found >= 0) left.splice(found, 1);
    return found >= 0;
  });
}

/** A pattern in XML, or a test of one's own. */
export type Expected = string | Element | ((stanza: Element) => boolean);

function predicate(expected: Expected): (stanza: Element) => boolean {
  if (typeof expected === 'function') return expected;
  const pattern = typeof expected === 'string' ? parse(expected) : expected;
  return (stanza) => matches(stanza, pattern);
}

/** Verification string of XEP-0115 §5 (SHA-1) for our identity and these features. */
export function capsVersion(features: string[]): string {
  const { category, type, name } = IDENTITY;
  const text = [`${category}/${type}//${name}`, ...[...features].sort()].map((part) => `${part}<`).join('');
  return createHash('sha1').update(text).digest('base64');
}

export interface ConnectOptions extends TestAccount {
  resource?: string;
  /** disco features beside the usual ones, for instance `urn:xmpp:microblog:0+notify`. */
  features?: string[];
  /** `false`: sends no presence, so that the server keeps this resource unavailable. */
  presence?: boolean;
}

interface Waiting {
  test: (stanza: Element) => boolean;
  found: (stanza: Element) => void;
  lost: (why: string) => void;
}

/** A client that is logged in. */
export class TestClient {
  /** Stanzas that no `receives` has taken yet, oldest first. */
  readonly unread: Element[] = [];
  readonly #waiting = new Set<Waiting>();
  readonly #requests = new Map<string, { answered: (iq: Element) => void; lost: (why: string) => void }>();
  #closed: string | undefined;

  constructor(
    private readonly entity: Entity,
    private readonly domain: string,
    private readonly features: string[],
  ) {
    entity.on('stanza', (stanza: Element) => this.#arrived(stanza));
    entity.on('disconnect', () => this.#lose('the connection was closed'));
    entity.on('error', (error: Error) => this.#lose(String(error)));
    entity.iqCallee.get(DISCO_INFO, 'query', ({ element }) => this.#info(element));
  }

  /** Full JID. */
  get jid(): string {
    return String(this.entity.jid);
  }

  /** Bare JID. */
  get bareJid(): string {
    return this.jid.replace(/\/.*/s, '');
  }

  /** Sends a stanza as it stands. */
  async send(stanza: string | Element): Promise<void> {
    await this.entity.send(typeof stanza === 'string' ? parse(stanza) : stanza);
  }

  /** Writes bytes into the stream, well-formed or not. */
  async sendRaw(text: string): Promise<void> {
    await this.entity.write(text);
  }

  /** Sends available presence with our caps; directed with `to` (bare or full JID). */
  async sendPresence(to?: string): Promise<void> {
    const caps = xml('c', { xmlns: CAPS, hash: 'sha-1', node: CLIENT_NODE, ver: capsVersion(this.features) });
    await this.send(xml('presence', to ? { to } : {}, caps));
  }

  /**
   * Sends an IQ (an id is added where there is none) and resolves with the result.
   * @throws StanzaError when the answer is an error
   */
  async request(iq: string | Element, { timeoutMs = 5_000 } = {}): Promise<Element> {
    const stanza = typeof iq === 'string' ? parse(iq) : iq;
    stanza.attrs.id ??= randomUUID();
    const id = String(stanza.attrs.id);
    const answer = new Promise<Element>((resolve, reject) => {
      const overdue = setTimeout(() => lost(`nothing came within ${timeoutMs} ms`), timeoutMs);
      const answered = (reply: Element) => {
        clearTimeout(overdue);
        resolve(reply);
      };
      const lost = (why: string) => {
        clearTimeout(overdue);
        this.#requests.delete(id);
        reject(new Error(`No answer to ${stanza}: ${why}.\n${this.#whatCame()}`));
      };
      this.#requests.set(id, { answered, lost });
    });
    await this.send(stanza);
    const reply = await answer;
    if (reply.attrs.type === 'error') throw new StanzaError(reply);
    return reply;
  }

  /**
   * Resolves with the first stanza that fits, among those not yet taken (from the login on) and those to come, and
   * takes it.
   * @throws Error that lists what did come, after `timeoutMs`
   */
  receives(expected: Expected, description = String(expected), { timeoutMs = 5_000 } = {}): Promise<Element> {
    const test = predicate(expected);
    const index = this.unread.findIndex(test);
    if (index >= 0) return Promise.resolve(this.unread.splice(index, 1)[0] as Element);
    // Made here, so that its stack leads to the line of the test.
    const failure = new Error();
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(overdue);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        test,
        found: (stanza) => {
          done();
          resolve(stanza);
        },
        lost: (why) => {
          done();
          failure.message = `${this.jid} did not receive ${description}: ${why}.\n${this.#whatCame()}`;
          reject(failure);
        },
      };
      const overdue = setTimeout(() => waiting.lost(`nothing like it within ${timeoutMs} ms`), timeoutMs);
      this.#waiting.add(waiting);
      if (this.#closed) waiting.lost(this.#closed);
    });
  }

  /** Whether such a stanza is among those not yet taken. Ask after a `barrier`. */
  hasReceived(expected: Expected): boolean {
    return this.unread.some(predicate(expected));
  }

  /** Forgets everything that has come so far. */
  forget(): void {
    this.unread.length = 0;
  }

  /** Resolves when `to` (by default our own server) has answered a ping: what it sent before has arrived. */
  async barrier(to = this.domain): Promise<void> {
    await this.request(`<iq type='get' to='${to}'><ping xmlns='urn:xmpp:ping'/></iq>`).catch((error) => {
      if (!(error instanceof StanzaError)) throw error;
    });
  }

  /** Logs out. */
  async disconnect(): Promise<void> {
    this.entity.reconnect.stop();
    if (this.#closed === undefined) await this.entity.stop();
  }

  #info(query: Element): Element | undefined {
    const { node } = query.attrs;
    if (node && node !== `${CLIENT_NODE}#${capsVersion(this.features)}`) return undefined;
    return xml(
      'query',
      { xmlns: DISCO_INFO, ...(node ? { node } : {}) },
      xml('identity', IDENTITY),
      ...this.features.map((feature) => xml('feature', { var: feature })),
    );
  }

  #arrived(stanza: Element): void {
    if (stanza.is('iq') && (stanza.attrs.type === 'result' || stanza.attrs.type === 'error')) {
      const id = String(stanza.attrs.id);
      const request = this.#requests.get(id);
      if (request) {
        this.#requests.delete(id);
        return request.answered(stanza);
      }
    }
    for (const waiting of this.#waiting) if (waiting.test(stanza)) return waiting.found(stanza);
    this.unread.push(stanza);
  }

  #lose(why: string): void {
    this.#closed = why;
    this.entity.reconnect.stop();
    for (const waiting of [...this.#waiting, ...this.#requests.values()]) waiting.lost(why);
  }

  #whatCame(): string {
    if (this.unread.length === 0) return 'Nothing else is unread.';
    return ['What came and was not taken:', ...this.unread.map((stanza) => `  ${stanza}`)].join('\n');
  }
}

/** One character a byte: @xmpp/client gives the text of PLAIN to btoa(), which knows nothing beyond Latin-1. */
const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/**
 * Logs in and sends presence with caps; resolves when the server has handled both.
 * @throws SASLError (condition `not-authorized` …) when the login is refused
 */
export async function connect(options: ConnectOptions): Promise<TestClient> {
  const { server, username, password, domain, resource = 'test', features = [], presence = true } = options;
  const entity = createClient({
    service: `xmpp://${server.host}:${server.c2sPort}`,
    domain,
    resource,
    username,
    // A function, because otherwise @xmpp/client refuses PLAIN without TLS.
    credentials: async (
      authenticate: (credentials: object, mechanism: string) => Promise<void>,
      mechanisms: string[],
    ) => {
      if (!mechanisms.includes('PLAIN')) throw new Error(`The server offers no PLAIN: ${mechanisms.join(' ')}`);
      await authenticate({ username: bytes(username), password: bytes(password) }, 'PLAIN');
    },
    timeout: 10_000,
  }) as Entity;
  // Its stream management miscounts (0.14) and both servers then drop the connection: it never learns of it. Nor of
  // STARTTLS: a test server's certificate is signed by nobody.
  entity.prependListener('element', (element: Element) => {
    if (element.getName() !== 'features') return;
    element.remove('sm', 'urn:xmpp:sm:3');
    element.remove('starttls', 'urn:ietf:params:xml:ns:xmpp-tls');
  });
  // It decodes each chunk by itself; a character cut in two would arrive as two replacement characters.
  entity.on('connect', () => entity.socket?.setEncoding('utf8'));

  const client = new TestClient(entity, domain, [...ALWAYS, ...features]);
  try {
    await entity.start();
  } catch (error) {
    entity.reconnect.stop();
    await entity.stop().catch(() => {});
    throw error;
  }
  // When a server goes down, @xmpp/client waits this long for an end of stream that came already.
  entity.timeout = 500;
  if (presence) {
    // As every client: only a resource that asked for its roster hears of subscriptions (RFC 6121 §2.2).
    await client.request(`<iq type='get'><query xmlns='jabber:iq:roster'/></iq>`);
    await client.sendPresence();
    await client.barrier();
  }
  return client;
}
