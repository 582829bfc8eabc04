import { EventEmitter } from 'node:events';
import pg from 'pg';
import type { Logger } from 'pino';
import type { Queue } from '../domain/job.js';

/** Something that open pages and the connector may want to know. A hint, no record: one may be lost with a connection. */
export interface LiveEvent {
  kind: 'post' | 'comment' | 'like' | 'notification' | 'request' | 'delivery' | 'account';
  accountId?: number;
  actorId?: number;
  guid?: string;
}

/** Who waits for work or news. Each function returns what takes the listener away again. */
export interface Notifier {
  /** `at`: when there will be something to do, milliseconds UTC; 0 is now. */
  onWake(queue: Queue, listener: (at: number) => void): () => void;
  onEvent(listener: (event: LiveEvent) => void): () => void;
  /** Events may have been missed since then (milliseconds UTC): whoever tells people of them looks what there was. Queues are woken besides. */
  onGap(listener: (sinceMs: number) => void): () => void;
}

export type Message = { wake: Queue; at?: number } | { event: LiveEvent };

/** In one process: an EventEmitter that a listener's error does not pass. */
class LocalNotifier implements Notifier {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  constructor(protected readonly log: Logger) {}

  onWake(queue: Queue, listener: (at: number) => void): () => void {
    return this.#on(`wake ${queue}`, listener);
  }

  onEvent(listener: (event: LiveEvent) => void): () => void {
    return this.#on('event', listener);
  }

  onGap(listener: (sinceMs: number) => void): () => void {
    return this.#on('gap', listener);
  }

  emit(message: Message): void {
    if ('wake' in message) this.#emitter.emit(`wake ${message.wake}`, message.at ?? 0);
    else this.#emitter.emit('event', message.event);
  }

  wakeAll(): void {
    for (const name of this.#emitter.eventNames()) if (String(name).startsWith('wake ')) this.#emitter.emit(name, 0);
  }

  protected tellGap(sinceMs: number): void {
    this.#emitter.emit('gap', sinceMs);
  }

  #on<T>(name: string, listener: (value: T) => void): () => void {
    const guarded = (value: T) => {
      try {
        listener(value);
      } catch (err) {
        this.log.error({ err }, 'a listener failed');
      }
    };
    this.#emitter.on(name, guarded);
    return () => void this.#emitter.off(name, guarded);
  }
}

/** How often SQLite is asked whether another process has written. */
const LOOK_EVERY_MS = 1_000;

/**
 * On SQLite nobody tells us what a command (`dx queue retry` …) wrote into the file, so from the first listener on we look, and wake
 * everyone when something did. What it published is not known.
 */
export class SqliteNotifier extends LocalNotifier {
  #looking: NodeJS.Timeout | null = null;
  #seen: unknown;

  /** @param version changes when another process has committed */
  constructor(
    private readonly version: () => unknown,
    log: Logger,
  ) {
    super(log);
  }

  override onWake(queue: Queue, listener: (at: number) => void): () => void {
    this.#look();
    return super.onWake(queue, listener);
  }

  close(): void {
    if (this.#looking) clearInterval(this.#looking);
  }

  #look(): void {
    if (this.#looking) return;
    this.#seen = this.version();
    this.#looking = setInterval(() => {
      try {
        const version = this.version();
        if (version === this.#seen) return;
        this.#seen = version;
      } catch (err) {
        return this.log.warn({ err }, 'cannot see whether another process has written');
      }
      this.wakeAll();
    }, LOOK_EVERY_MS);
    this.#looking.unref();
  }
}

/** One for each queue and one for events: a process hears what it listens for, and is not woken by the rest. */
export const channelOf = (message: Message): string => `diaspora_x_${'wake' in message ? message.wake : 'event'}`;
const EVENTS = channelOf({ event: { kind: 'post' } });

/** A connection whose other end is gone without a word is found by asking. */
const LISTEN_TIMING = { beatMs: 15_000, answerMs: 10_000 };

/**
 * Between processes: LISTEN on a connection of its own, opened for the first listener. It reconnects by itself and then wakes
 * everyone, because what was said in between is lost; of events it says since when.
 */
export class PostgresNotifier extends LocalNotifier {
  #client: pg.Client | null = null;
  #retry: NodeJS.Timeout | null = null;
  #beat: NodeJS.Timeout | null = null;
  #state: 'idle' | 'open' | 'closed' = 'idle';
  /** It has asked for the channels of the time. */
  #isListening = false;
  /** When the connection was last known to be good; null: there has been none yet. */
  #heardAt: number | null = null;
  readonly #timing: typeof LISTEN_TIMING;
  readonly #channels = new Set<string>();

  constructor(
    private readonly url: string,
    log: Logger,
    timing: Partial<typeof LISTEN_TIMING> = {},
  ) {
    super(log);
    this.#timing = { ...LISTEN_TIMING, ...timing };
  }

  override onWake(queue: Queue, listener: (at: number) => void): () => void {
    this.#open(channelOf({ wake: queue }));
    return super.onWake(queue, listener);
  }

  override onEvent(listener: (event: LiveEvent) => void): () => void {
    this.#open(EVENTS);
    return super.onEvent(listener);
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    if (this.#retry) clearTimeout(this.#retry);
    if (this.#beat) clearTimeout(this.#beat);
    await this.#client?.end().catch((err) => this.log.debug({ err }, 'the listening connection did not end cleanly'));
  }

  #open(channel: string): void {
    if (this.#channels.has(channel)) return;
    this.#channels.add(channel);
    if (this.#state === 'idle') {
      this.#state = 'open';
      void this.#connect(100);
    } else if (this.#state === 'open' && this.#isListening) void this.#listenTo(channel);
  }

  /** On the connection that is there. When it fails, the next one listens to all. */
  async #listenTo(channel: string): Promise<void> {
    try {
      await this.#client?.query(`listen ${channel}`);
      this.wakeAll();
    } catch (err) {
      this.log.warn({ err, channel }, 'cannot listen');
      await this.#client?.end().catch(() => {}); // it is broken already
    }
  }

  async #connect(delayMs: number): Promise<void> {
    const { beatMs, answerMs } = this.#timing;
    const client = new pg.Client({
      connectionString: this.url,
      keepAlive: true,
      application_name: 'diaspora-x listen',
      connectionTimeoutMillis: answerMs,
      query_timeout: answerMs,
    });
    this.#client = client;
    let lost = false;
    const again = (err?: unknown) => {
      if (lost || this.#state === 'closed') return;
      lost = true;
      this.#isListening = false;
      if (this.#beat) clearTimeout(this.#beat);
      this.log.warn({ err, delayMs }, 'no wake-ups from the database: connecting again');
      client.end().catch(() => {}); // it is broken already
      this.#retry = setTimeout(() => void this.#connect(Math.min(delayMs * 2, 5_000)), delayMs);
    };
    /** What was said before this moment has arrived. */
    const good = (askedAt: number) => {
      this.#heardAt = askedAt;
      delayMs = 100; // it works: the next loss starts with a short wait
      this.#beat = setTimeout(() => void ask(), beatMs).unref();
    };
    const ask = async () => {
      const askedAt = Date.now();
      try {
        await client.query('select 1');
        if (!lost && this.#state === 'open') good(askedAt);
      } catch (error) {
        again(error);
      }
    };
    client.on('error', again);
    client.on('end', () => again());
    client.on('notification', ({ payload }) => this.emit(JSON.parse(payload ?? '') as Message));
    try {
      await client.connect();
      this.#isListening = true;
      await client.query([...this.#channels].map((channel) => `listen ${channel}`).join('; '));
    } catch (error) {
      return again(error);
    }
    if (this.#state === 'closed') return;
    const missedSince = this.#heardAt;
    good(Date.now());
    this.wakeAll();
    if (missedSince !== null) this.tellGap(missedSince);
  }
}
