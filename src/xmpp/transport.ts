// XEP-0114 Jabber Component Protocol, version 1.6: the one stream to our XMPP server, over @xmpp/component-core 0.13.1.
// That package corrupts UTF-8 at chunk borders, knows no back-pressure, matches replies by id alone, and lets one forbidden
// character or one early stanza end the stream; all that is mended here. XEP-0114 has no acknowledgements: `barrier` makes one.
import { createHash, randomUUID } from 'node:crypto';
import { Component } from '@xmpp/component-core';
import { NS } from '../formats/namespaces.js';
import { DomainError } from '../domain/errors.js';
import type { Logger } from '../log.js';
import { type Element, serialize, xml } from '../xml.js';

/** Prosody takes 512 KiB from a component and closes the stream at more, for all accounts. */
export const MAX_STANZA_BYTES = 400 * 1024;
/** Callers that send much wait (`roomy`) while more than this is queued. */
const ROOMY_CHARACTERS = 1024 * 1024;
/** Beyond this nothing is taken any more: the server does not read, and memory is bounded. */
const MAX_QUEUED_CHARACTERS = 16 * 1024 * 1024;
const CHUNK_CHARACTERS = 64 * 1024;
/** What may wait in the socket: as a rule the kernel has it at once, and only tells a turn later. */
const SOCKET_BYTES = 512 * 1024;

export const TIMING = {
  /** For each of: connection, stream header, handshake. */
  stepMs: 10_000,
  retryMinMs: 250,
  retryMaxMs: 60_000,
  /** Refused (wrong secret, conflict): the first wait. A server that has not yet noticed our lost connection says conflict, too. */
  refusedMinMs: 1_000,
  /** A stream that lived this long ended by a loss, not by a fault of the start. */
  stableMs: 5_000,
  /** Silence after which we ask whether the server is still there, and how long the answer may take. */
  idleMs: 30_000,
  silentMs: 15_000,
  /** A barrier that has not come back is sent again. */
  resendMs: 5_000,
  requestMs: 15_000,
  closeMs: 2_000,
};
export type Timing = typeof TIMING;

/** What /readyz and the log say. `refused`: the server is there but does not let us in; `remedy` tells the operator what to do. */
export interface TransportStatus {
  state: 'online' | 'offline' | 'refused';
  reason: string;
  remedy: string;
}

export interface TransportOptions {
  host: string;
  port: number;
  /** The social domain. */
  domain: string;
  secret: string;
  log: Logger;
  /** Every stanza that is no answer to a `request` or `barrier`. What it throws is logged. */
  onStanza(stanza: Element): void;
  onOnline?(): void;
  onOffline?(): void;
  timing?: Partial<Timing>;
}

/** An answer of type error to a `request`. */
export class StanzaErrorReply extends Error {
  override readonly name = 'StanzaErrorReply';
  constructor(readonly stanza: Element) {
    super(stanza.getChild('error')?.getChildElements()[0]?.getName() ?? 'error');
  }
}

interface Waiting {
  resolve(stanza: Element): void;
  reject(error: Error): void;
}
interface Request extends Waiting {
  /** Whom we asked (full or bare JID), and as whom. */
  to: string;
  from: string;
  timer: NodeJS.Timeout;
}

/** The attributes and text of `<stream:error/>` as the package gives it. */
interface StreamError extends Error {
  condition?: string;
  text?: string;
}

const REFUSALS: Record<string, (domain: string) => { reason: string; remedy: string }> = {
  'not-authorized': (domain) => ({
    reason: `The XMPP server refuses the secret of the component ${domain}.`,
    remedy: 'Write the same secret in DX_COMPONENT_SECRET and in the server’s configuration (dx snippet prints both), then restart what was changed.',
  }),
  conflict: (domain) => ({
    reason: `The XMPP server already has a component of the name ${domain}.`,
    remedy: 'Stop the other program that is connected as this component: often a second diaspora-x, or an old one that still runs.',
  }),
  'host-unknown': (domain) => ({
    reason: `The XMPP server knows no component of the name ${domain}.`,
    remedy: 'Add the component to the server’s configuration (dx snippet prints it), or correct DX_DOMAIN.',
  }),
};

/** A stanza's kind by its first letter: this is asked for each one. */
const KINDS: Record<string, 'message' | 'presence' | 'iq'> = { m: 'message', p: 'presence', i: 'iq' };

const offline = (): DomainError => new DomainError('unavailable', 'There is no connection to the XMPP server.');

/** The stream: connects, stays connected, sends in order, and tells when the server has passed a point. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #timing: Timing;
  #entity: Component | null = null;
  #online = false;
  #onlineSince = 0;
  #stopped = true;
  #mayWrite: () => boolean = () => true;
  #status: TransportStatus = { state: 'offline', reason: 'The connection has not been started.', remedy: '' };
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;

  #queue: string[] = [];
  #queued = 0;
  #flushing = false;
  #roomy: Waiting[] = [];
  /** The socket that is not read at present. */
  #paused: Component['socket'] | null = null;
  /** When the server last took or gave bytes. */
  #lastSign = 0;

  readonly #requests = new Map<string, Request>();
  /** Who hears of errors for messages of ours, by the message's id. */
  readonly #watched = new Map<string, { from: string; heard(stanza: Element): void }>();
  readonly #barriers = new Map<string, Waiting & { since: number; sentAt: number }>();
  #nextBarrier: Promise<void> | null = null;
  #ids = 0;
  /** In the ids that we make: who we are, and since when we are connected. */
  readonly #instance = randomUUID().slice(0, 8);
  #connectedAt = 0;

  /** Stanzas since the start, by kind. */
  readonly received = { message: 0, presence: 0, iq: 0 };
  readonly sent = { message: 0, presence: 0, iq: 0 };
  /** Replies that fitted no request, by id or by sender. */
  strayReplies = 0;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
  }

  get online(): boolean {
    return this.#online;
  }

  status(): TransportStatus {
    return this.#status;
  }

  /**
   * Connects, and again after every loss, until `stop` or `abandon`.
   * @param mayWrite asked before each write: false ends the stream at once
   */
  start(mayWrite: () => boolean = () => true): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#mayWrite = mayWrite;
    this.#setOffline('The XMPP server has not answered yet.');
    this.#watch = setInterval(() => this.#watchSilence(), Math.min(this.#timing.idleMs, this.#timing.silentMs) / 3);
    this.#watch.unref();
    this.#connect();
  }

  /** Ends the stream without another byte, because somebody else may have one now. `start` begins anew. */
  abandon(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    const socket = this.#entity?.socket;
    this.#lost(undefined);
    socket?.destroy();
  }

  /** Sends what is queued, closes the stream, and does not come back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    const entity = this.#entity;
    const socket = entity?.socket;
    if (!entity || !socket) return;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const overdue = setTimeout(() => socket.destroy(), this.#timing.closeMs);
    if (this.#online) {
      await this.roomy(0).catch(() => {}); // lost in between: then there is nothing to close
      socket.end('</stream:stream>');
    } else socket.destroy();
    await closed;
    clearTimeout(overdue);
  }

  /**
   * Sends one stanza; `from` must be an address of ours.
   * @throws DomainError unavailable (offline, or the server does not read), too-large, invalid (cannot be written as XML)
   */
  send(stanza: Element): void {
    this.sendRaw(serialize(stanza));
  }

  /**
   * Sends a stanza that is already text, made by `serialize`. Strings of one turn leave together, or in large chunks.
   * @throws DomainError unavailable, too-large
   */
  sendRaw(text: string): void {
    if (!this.#online) throw offline();
    if (text.length > MAX_STANZA_BYTES || (text.length * 3 > MAX_STANZA_BYTES && Buffer.byteLength(text) > MAX_STANZA_BYTES)) {
      throw new DomainError('too-large', 'This is more than an XMPP server takes in one piece.');
    }
    if (this.#queued + text.length > MAX_QUEUED_CHARACTERS) throw new DomainError('unavailable', 'The XMPP server is too slow at the moment.');
    this.sent[KINDS[text[1] ?? ''] ?? 'iq'] += 1;
    this.#queue.push(text);
    this.#queued += text.length;
    // A long fan-out does not wait for its own end: the server begins with the first chunk.
    if (this.#queued >= CHUNK_CHARACTERS && this.#hasRoom()) return this.#flush();
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  /**
   * Resolves when little is queued: at once as a rule. Whoever sends many stanzas asks now and then.
   * @param characters how much may be queued
   * @throws DomainError unavailable when the connection is lost
   */
  async roomy(characters = ROOMY_CHARACTERS): Promise<void> {
    while (this.#queued > characters) {
      await new Promise<void>((resolve, reject) => this.#roomy.push({ resolve: () => resolve(), reject }));
    }
  }

  /** Is there so much queued that `roomy` would wait? */
  get crowded(): boolean {
    return this.#queued > ROOMY_CHARACTERS;
  }

  /** Stops reading: the server waits, with all that it has for us, answers too. Not for long (ejabberd gives up after 15 s). */
  pause(): void {
    this.#paused = this.#entity?.socket ?? null;
    this.#paused?.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#paused?.resume();
    this.#paused = null;
  }

  get isPaused(): boolean {
    return this.#paused !== null && this.#paused === this.#entity?.socket;
  }

  /** Of the present stream. */
  get bytesRead(): number {
    return this.#entity?.socket?.bytesRead ?? 0;
  }

  /**
   * Asks someone and waits for the answer from exactly that address.
   * @param iq of type get or set, with from and to; the id is set here
   * @throws StanzaErrorReply, DomainError unavailable (offline, lost, or no answer in time)
   */
  request(iq: Element, timeoutMs = this.#timing.requestMs): Promise<Element> {
    const id = this.#newId();
    iq.attrs.id = id;
    const { to, from } = iq.attrs;
    if (!to || !from) return Promise.reject(new TypeError('a request needs from and to'));
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#requests.delete(id);
      };
      const timer = setTimeout(() => entry.reject(new DomainError('unavailable', `${to} does not answer.`)), timeoutMs);
      const entry: Request = {
        to,
        from,
        timer,
        resolve: (stanza) => {
          done();
          if (stanza.attrs.type === 'error') reject(new StanzaErrorReply(stanza));
          else resolve(stanza);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      this.#requests.set(id, entry);
      try {
        this.send(iq);
      } catch (error) {
        entry.reject(error as Error);
      }
    });
  }

  /**
   * Calls `heard` with each error that exactly that address sends for the message of this id, before later stanzas are read: what came before the
   * answer to a `request` is known with it.
   * @returns what ends this; the loss of the connection does, too
   */
  watch(id: string, from: string, heard: (stanza: Element) => void): () => void {
    this.#watched.set(id, { from, heard });
    return () => void this.#watched.delete(id);
  }

  /**
   * Resolves when our server has handled everything that was sent before: an IQ from the social domain to itself, which
   * the server can only bring back after what came before it (measured on Prosody and ejabberd). One for all callers of a turn.
   * @throws DomainError unavailable when the connection is lost first
   */
  barrier(): Promise<void> {
    if (!this.#online) return Promise.reject(offline());
    this.#nextBarrier ??= new Promise((resolve, reject) => {
      const entity = this.#entity;
      setImmediate(() => {
        this.#nextBarrier = null;
        // Another stream by now: what the callers sent went into the lost one.
        if (this.#entity !== entity || !this.#online) return reject(offline());
        const id = this.#newId();
        const now = performance.now();
        this.#barriers.set(id, { resolve: () => resolve(), reject, since: now, sentAt: now });
        try {
          this.#sendEcho(id);
        } catch (error) {
          this.#barriers.delete(id);
          reject(error as Error);
        }
      });
    });
    return this.#nextBarrier;
  }

  #sendEcho(id: string): void {
    const { domain } = this.#options;
    this.send(xml('iq', { type: 'get', from: domain, to: domain, id }, xml('ping', { xmlns: NS.PING })));
  }

  #newId(): string {
    return `${this.#connectedAt.toString(36)}.${this.#instance}.${(++this.#ids).toString(36)}`;
  }

  // ── connecting ──

  #connect(): void {
    const { host, port, domain, secret } = this.#options;
    const service = `xmpp://${domain}`;
    const entity = new Component({ service, domain });
    entity.socketParameters = () => ({ host, port });
    this.#entity = entity;
    let failure: StreamError | undefined;
    const fail = (error: StreamError) => {
      failure ??= error;
      entity.socket?.destroy();
    };
    let step: NodeJS.Timeout | undefined;
    const within = (what: string) => {
      clearTimeout(step);
      step = setTimeout(() => fail(new Error(`the XMPP server at ${host}:${port} does not ${what}`)), this.#timing.stepMs);
    };

    entity.on('error', (error: StreamError) => {
      failure ??= error;
    });
    entity.on('open', (header: Element) => {
      within('answer the handshake');
      // XEP-0114 §3: the SHA-1 of stream id and secret; the package would take the secret for Latin-1.
      const hash = createHash('sha1').update(`${header.attrs.id ?? ''}${secret}`, 'utf8').digest('hex');
      entity.socket?.write(`<handshake>${hash}</handshake>`);
    });
    entity.on('element', (element: Element) => {
      if (!this.#online && this.#entity === entity && element.is('handshake')) {
        // From here on, stanzas may follow in the very same chunk.
        clearTimeout(step);
        this.#setOnline();
      } else if (this.#online && this.#entity === entity) this.#arrived(element);
    });
    entity.on('close', () => entity.socket?.end());
    entity.on('disconnect', () => {
      clearTimeout(step);
      if (this.#entity === entity) this.#lost(failure);
    });

    within('accept a connection');
    entity
      .connect(service)
      .then(() => {
        const socket = entity.socket;
        if (!socket) return;
        // Without it a character that falls on the border of two chunks becomes two replacement characters.
        socket.setEncoding('utf8');
        // Any byte is a sign: over a slow line a large stanza takes longer than silence may.
        socket.on('data', () => {
          this.#lastSign = performance.now();
        });
        socket.setNoDelay(true);
        socket.on('drain', () => {
          this.#lastSign = performance.now();
          this.#flush();
        });
        within('open a stream');
        return entity.open({ domain, timeout: this.#timing.stepMs });
      })
      .catch(fail);
  }

  #setOnline(): void {
    this.#online = true;
    this.#onlineSince = performance.now();
    this.#lastSign = this.#onlineSince;
    this.#connectedAt = Date.now();
    this.#status = { state: 'online', reason: '', remedy: '' };
    this.#options.log.info({ host: this.#options.host, port: this.#options.port, domain: this.#options.domain }, 'connected to the XMPP server');
    this.#guarded(() => this.#options.onOnline?.());
    this.barrier().catch(() => {}); // the first proof that stanzas come back; a failure is the loss of the connection
  }

  #setOffline(reason: string): void {
    const { host, port } = this.#options;
    this.#status = { state: 'offline', reason, remedy: `Check that the XMPP server runs and listens for components on ${host}:${port} (DX_COMPONENT_URL).` };
  }

  #lost(failure: StreamError | undefined): void {
    const { log, domain } = this.#options;
    const wasOnline = this.#online;
    const stable = wasOnline && performance.now() - this.#onlineSince >= this.#timing.stableMs;
    this.#online = false;
    this.#entity = null;
    // What was queued belongs to that stream: whoever waits for a barrier sends again.
    this.#queue = [];
    this.#queued = 0;
    this.#flushing = false;
    for (const waiting of [...this.#roomy.splice(0), ...this.#barriers.values(), ...this.#requests.values()]) waiting.reject(offline());
    this.#barriers.clear();
    this.#watched.clear();

    const refusal = failure?.condition === undefined ? undefined : REFUSALS[failure.condition]?.(domain);
    if (this.#stopped) this.#status = { state: 'offline', reason: 'The connection was closed.', remedy: '' };
    else if (refusal) this.#status = { state: 'refused', ...refusal };
    else this.#setOffline(failure ? `There is no connection to the XMPP server: ${failure.text || failure.message}.` : 'The XMPP server has closed the connection.');
    if (wasOnline) this.#guarded(() => this.#options.onOffline?.());
    if (this.#stopped) return;

    this.#failures = stable ? 0 : this.#failures + 1;
    const waitMs = this.#waitMs(refusal !== undefined);
    const fields = { reason: this.#status.reason, remedy: this.#status.remedy, retryInMs: waitMs };
    if (refusal) log.error(fields, 'the XMPP server refuses us');
    else log.warn(fields, wasOnline ? 'lost the XMPP server' : 'cannot reach the XMPP server');
    this.#retry = setTimeout(() => this.#connect(), waitMs);
  }

  /** At once after a first loss; then doubling, with jitter, so that a restarted server is not met by all at once. */
  #waitMs(refused: boolean): number {
    if (this.#failures === 0 && !refused) return 0;
    const { retryMinMs, retryMaxMs, refusedMinMs } = this.#timing;
    const full = Math.min(retryMaxMs, (refused ? refusedMinMs : retryMinMs) * 2 ** Math.min(Math.max(0, this.#failures - 1), 20));
    return Math.round(full * (0.75 + Math.random() / 2));
  }

  /** A connection whose other end is gone without a word is found by silence. */
  #watchSilence(): void {
    if (!this.#online) return;
    const now = performance.now();
    if (this.isPaused) this.#lastSign = now; // the silence is ours
    const { idleMs, silentMs } = this.#timing;
    const oldest = this.#barriers.values().next().value;
    for (const [id, barrier] of this.#barriers) {
      if (this.#queued > 0 || now - barrier.sentAt < this.#timing.resendMs) continue;
      barrier.sentAt = now;
      this.#guarded(() => this.#sendEcho(id));
    }
    if (oldest && now - oldest.since > silentMs && now - this.#lastSign > silentMs) {
      this.#entity?.socket?.destroy(new Error(`nothing came for ${Math.round((now - this.#lastSign) / 1000)} s`));
    } else if (!oldest && now - this.#lastSign > idleMs) {
      this.barrier().catch(() => {}); // its failure is the loss of the connection, which is dealt with there
    }
  }

  // ── sending ──

  #hasRoom(): boolean {
    return (this.#entity?.socket?.writableLength ?? SOCKET_BYTES) < SOCKET_BYTES;
  }

  #flush(): void {
    const socket = this.#entity?.socket;
    if (!this.#online || !socket) return;
    if (!this.#mayWrite()) return this.abandon();
    let next = 0;
    while (next < this.#queue.length && this.#hasRoom()) {
      let chunk = this.#queue[next++]!;
      while (next < this.#queue.length && chunk.length < CHUNK_CHARACTERS) chunk += this.#queue[next++]!;
      this.#queued -= chunk.length;
      socket.write(chunk);
    }
    this.#queue = next === this.#queue.length ? [] : this.#queue.slice(next);
    this.#flushing = this.#queue.length > 0; // then 'drain' goes on
    if (this.#roomy.length > 0 && this.#queued <= ROOMY_CHARACTERS) for (const waiting of this.#roomy.splice(0)) waiting.resolve(undefined as never);
  }

  // ── receiving ──

  #arrived(stanza: Element): void {
    this.received[KINDS[stanza.name[0] ?? ''] ?? 'iq'] += 1;
    this.#guarded(() => {
      if (stanza.is('iq') && this.#isReply(stanza)) return;
      if (stanza.attrs.type === 'error' && this.#isWatched(stanza)) return;
      this.#options.onStanza(stanza);
    });
  }

  /** Takes the replies out: answered requests, barriers that came back, and strays. */
  #isReply(iq: Element): boolean {
    const { id = '', type, from, to } = iq.attrs;
    const { domain } = this.#options;
    const barrier = this.#barriers.get(id);
    if (barrier && from === domain && to === domain) {
      this.#barriers.delete(id);
      barrier.resolve(iq);
      return true; // nobody waits for an answer to it
    }
    if (type === 'get' && from === domain && to === domain) return this.#otherEcho(id);
    if (type !== 'result' && type !== 'error') return false;
    const request = this.#requests.get(id);
    // XEP-0114 servers check `from`; an id alone could be guessed by anyone.
    if (request && request.to === from && request.from === to) request.resolve(iq);
    else this.strayReplies += 1;
    return true;
  }

  #isWatched(stanza: Element): boolean {
    const watch = stanza.is('message') ? this.#watched.get(stanza.attrs.id ?? '') : undefined;
    if (watch?.from !== stanza.attrs.from || !watch) return false;
    watch.heard(stanza);
    return true;
  }

  /**
   * COMPAT ejabberd 23.01: it lets a second component of our name in, and gives each stanza to either. Its barrier comes to us then.
   * Whoever came later goes.
   */
  #otherEcho(id: string): boolean {
    const match = /^([0-9a-z]+)\.([0-9a-f]{8})\.[0-9a-z]+$/.exec(id);
    if (!match || match[2] === this.#instance) return true;
    const { domain, log } = this.#options;
    if (Number.parseInt(match[1]!, 36) < this.#connectedAt) this.#entity?.socket?.destroy(Object.assign(new Error('conflict'), { condition: 'conflict' }));
    else log.error(REFUSALS.conflict!(domain), 'another component bears our name');
    return true;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.log.error({ err: error }, 'a stanza handler failed');
    }
  }
}
