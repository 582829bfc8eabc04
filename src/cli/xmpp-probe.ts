// Short talks with an XMPP server for `dx doctor`: enough of RFC 6120 and XEP-0114 to say what is wrong, and no more. Nothing is kept open.
import { createHash } from 'node:crypto';
import { resolveSrv } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { HostPort } from '../config.js';

const TIMEOUT_MS = 6_000;
const STREAM_NS = "xmlns:stream='http://etherx.jabber.org/streams'";

/** What a login met. `outcome` other than in or refused is the stream error or what else went wrong, in the server's words. */
export interface LoginReport {
  outcome: 'in' | 'refused' | 'no-plain' | 'failed';
  detail: string;
  /** What the server offers at the moment of login. */
  mechanisms: string[];
  /** Was PLAIN offered before encryption? */
  plainWithoutTls: boolean;
  encrypted: boolean;
  /** Why the certificate would not be trusted, or ''. */
  certificateFault: string;
  /** The node of the server's caps (XEP-0115), which names the program; '' when it has none or did not let us in. */
  software: string;
  /** Until the server let us in, or refused. */
  tookMs: number;
  /** Does it offer to multiply stanzas (XEP-0033)? null: it was not asked. */
  multicast: boolean | null;
}

/** Text that arrives, and a way to wait for a part of it. */
class Talk {
  private text = '';
  private wake = () => {};
  private ended: Error | null = null;

  constructor(readonly socket: Socket) {
    socket.setEncoding('utf8');
    socket.on('data', this.onData);
    socket.on('error', (error: Error) => this.end(error));
    socket.on('close', () => this.end(new Error('the server closed the connection')));
  }

  private readonly onData = (chunk: string) => {
    this.text += chunk;
    this.wake();
  };

  private end(error: Error) {
    this.ended ??= error;
    this.wake();
  }

  /** Hands the socket over, e.g. to TLS. */
  release(): Socket {
    this.socket.removeAllListeners();
    return this.socket;
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** Waits for a match and takes everything up to its end. */
  async until(pattern: RegExp, signal: AbortSignal): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.text);
      if (match) {
        this.text = this.text.slice(match.index + match[0].length);
        return match;
      }
      if (this.text.length > 1_000_000) throw new Error('the server sent far too much');
      if (this.ended) throw this.ended;
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }
}

function dial({ host, port }: HostPort, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const stop = () => socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

const timeout = (): AbortSignal => {
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS).unref();
  return stop.signal;
};

/** The condition in a stream or SASL error: the first element in it that is not `text`. */
const conditionIn = (xml: string): string => /<(?!text\b)([a-z-]+)[\s/>]/.exec(xml)?.[1] ?? 'unknown';

/**
 * Does the server let a component of that name in (XEP-0114)? Connects once, for a moment: never while the service itself is connected.
 * @returns 'accepted', or the stream error's condition: not-authorized (wrong secret), conflict (name in use), host-unknown
 * @throws Error when the server cannot be reached or does not answer
 */
export async function probeComponent(server: HostPort, domain: string, secret: string): Promise<string> {
  const signal = timeout();
  const socket = await dial(server, signal);
  try {
    const talk = new Talk(socket);
    talk.send(`<stream:stream xmlns='jabber:component:accept' ${STREAM_NS} to='${domain}'>`);
    const [opening] = await talk.until(/<stream:stream\b[^>]*>|<stream:error\b.*?<\/stream:error>/s, signal);
    const id = /\bid=["']([^"']*)["']/.exec(opening)?.[1];
    if (opening.startsWith('<stream:error') || id === undefined) return conditionIn(opening.replace('<stream:error', ''));
    talk.send(`<handshake>${createHash('sha1').update(id + secret).digest('hex')}</handshake>`);
    const [, error] = await talk.until(/<handshake\s*(?:\/>|>\s*<\/handshake>)|<stream:error\b[^>]*>(.*?)<\/stream:error>/s, signal);
    if (error !== undefined) return conditionIn(error);
    talk.send('</stream:stream>');
    return 'accepted';
  } finally {
    socket.destroy();
  }
}

/** Where clients of a chat domain connect: its SRV record, or the domain itself (RFC 6120 §3.2). */
export async function chatServerOf(domain: string): Promise<HostPort> {
  try {
    const [first] = (await resolveSrv(`_xmpp-client._tcp.${domain}`)).sort((a, b) => a.priority - b.priority);
    if (first) return { host: first.name, port: first.port };
  } catch {
    // No such record, or no DNS: the domain itself is meant.
  }
  return { host: domain, port: 5222 };
}

/**
 * Logs in as a chat app does (STARTTLS where it is offered, SASL PLAIN), and leaves again.
 * @param options.askMulticast once in, also looks whether the server multiplies stanzas
 * @param options.whileIn done while the session is open
 * @throws Error when the server cannot be reached or does not answer, or what `whileIn` throws
 */
export async function probeLogin(
  server: HostPort,
  domain: string,
  username: string,
  password: string,
  { askMulticast = false, whileIn }: { askMulticast?: boolean; whileIn?: () => Promise<void> } = {},
): Promise<LoginReport> {
  const started = performance.now();
  const signal = timeout();
  let socket = await dial(server, signal);
  const report: LoginReport = { outcome: 'failed', detail: '', mechanisms: [], plainWithoutTls: false, encrypted: false, certificateFault: '', software: '', tookMs: 0, multicast: null };
  try {
    let talk = new Talk(socket);
    const openStream = async (): Promise<string> => {
      talk.send(`<?xml version='1.0'?><stream:stream xmlns='jabber:client' ${STREAM_NS} version='1.0' to='${domain}'>`);
      const [features] = await talk.until(/<stream:features\b[^>]*\/>|<stream:features\b.*?<\/stream:features>|<stream:error\b.*?<\/stream:error>/s, signal);
      if (features.startsWith('<stream:error')) throw new Error(`the server answered ${conditionIn(features.replace('<stream:error', ''))}`);
      report.mechanisms = [...features.matchAll(/<mechanism\b[^>]*>([^<]+)<\/mechanism>/g)].map((match) => match[1]!.trim());
      return features;
    };
    const features = await openStream();
    report.plainWithoutTls = report.mechanisms.includes('PLAIN');
    if (features.includes('urn:ietf:params:xml:ns:xmpp-tls')) {
      talk.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
      await talk.until(/<proceed\b[^>]*>/, signal);
      const raw = talk.release();
      // The check goes on with a bad certificate too, to tell all that is wrong; what is sent is a throw-away password.
      const secure = connectTls({ socket: raw, servername: domain, rejectUnauthorized: false });
      await new Promise<void>((resolve, reject) => {
        secure.once('secureConnect', resolve);
        secure.once('error', reject);
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
      report.encrypted = true;
      report.certificateFault = secure.authorized ? '' : String((secure.authorizationError as Error | string | undefined) ?? 'not trusted').replace(/^Error: /, '');
      socket = secure;
      talk = new Talk(secure);
      await openStream();
    }
    if (!report.mechanisms.includes('PLAIN')) return Object.assign(report, { outcome: 'no-plain', detail: report.mechanisms.join(', ') || 'none' });
    talk.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${Buffer.from(`\0${username}\0${password}`).toString('base64')}</auth>`);
    const [, failure] = await talk.until(/<success\b[^>]*>|<(?:failure|stream:error)\b[^>]*>(.*?)<\/(?:failure|stream:error)>/s, signal);
    if (failure !== undefined) return Object.assign(report, { outcome: 'refused', detail: conditionIn(failure) });
    report.tookMs = Math.round(performance.now() - started);
    const { mechanisms } = report;
    report.software = /<c\b[^>]*\bnode=["']([^"']*)["']/.exec(await openStream())?.[1] ?? '';
    if (askMulticast || whileIn) await ask(talk, 'set', null, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", signal);
    if (askMulticast) report.multicast = await offersMulticast(talk, domain, signal).catch(() => false); // no answer is an answer, too
    await whileIn?.();
    return Object.assign(report, { outcome: 'in', mechanisms });
  } finally {
    report.tookMs ||= Math.round(performance.now() - started);
    socket.end('</stream:stream>');
    socket.destroySoon();
  }
}

let asked = 0;

async function ask(talk: Talk, type: 'get' | 'set', to: string | null, payload: string, signal: AbortSignal): Promise<string> {
  const id = `dx-${asked++}`;
  talk.send(`<iq type='${type}' id='${id}'${to === null ? '' : ` to='${to}'`}>${payload}</iq>`);
  const [answer] = await talk.until(new RegExp(`<iq\\b[^>]*\\bid=["']${id}["'][^>]*(?:/>|>.*?</iq>)`, 's'), signal);
  return answer;
}

/** XEP-0033 §2: asks the domain, then the services of its own that it lists. */
async function offersMulticast(talk: Talk, domain: string, signal: AbortSignal): Promise<boolean> {
  const disco = (to: string, what: 'info' | 'items') => ask(talk, 'get', to, `<query xmlns='http://jabber.org/protocol/disco#${what}'/>`, signal);
  const offers = async (to: string) => /\bvar=["']http:\/\/jabber\.org\/protocol\/address["']/.test(await disco(to, 'info'));
  if (await offers(domain)) return true;
  const items = await disco(domain, 'items');
  for (const [, jid] of items.matchAll(/<item\b[^>]*\bjid=["']([^"'@/<>&]+)["']/g)) if (jid!.endsWith(`.${domain}`) && (await offers(jid!))) return true;
  return false;
}
