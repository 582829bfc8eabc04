// What a chat client sends, byte for byte: for what a well-behaved client cannot show (a login that stalls, a line that is cut, a session that ends).
import net from 'node:net';
import tls from 'node:tls';

export class RawSession {
  #socket: net.Socket;
  #got = '';
  #look = () => {};
  /** Resolves with all that came since the last step when the server has closed the connection. */
  readonly closed: Promise<string>;
  #resolveClosed!: (text: string) => void;

  private constructor(
    readonly domain: string,
    socket: net.Socket,
  ) {
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.#socket = socket;
    this.#listen(socket);
  }

  #listen(socket: net.Socket): void {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.#got += text;
      this.#look();
    });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#resolveClosed(this.#got);
      this.#look();
    });
  }

  /** Sends, and resolves with what came until it matches, or until the end of the stream. */
  async exchange(text: string, wanted: RegExp): Promise<string> {
    this.#got = '';
    this.#socket.write(text);
    await new Promise<void>((resolve) => {
      this.#look = () => (wanted.test(this.#got) || this.#socket.destroyed ? resolve() : undefined);
      this.#look();
    });
    this.#look = () => {};
    return this.#got;
  }

  #open(): Promise<string> {
    return this.exchange(`<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='${this.domain}' version='1.0'>`, /<\/stream:features>/);
  }

  /** A stream under TLS, not yet logged in. @throws Error when it takes passwords without TLS */
  static async connect(port: number, domain: string): Promise<RawSession> {
    const plain = net.connect(port, '127.0.0.1');
    const session = new RawSession(domain, plain);
    const first = await session.#open();
    if (/<mechanism>/.test(first) || !/<required ?\/>/.test(first)) throw new Error(`passwords are taken without TLS: ${first}`);
    await session.exchange("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", /<proceed/);
    plain.removeAllListeners('data');
    session.#listen(tls.connect({ socket: plain, rejectUnauthorized: false }));
    await session.#open();
    return session;
  }

  /** SASL PLAIN. @returns `success`, or the condition of the refusal */
  async authenticate(username: string, password: string): Promise<string> {
    const auth = Buffer.from(`\0${username}\0${password}`).toString('base64');
    const answer = await this.exchange(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${auth}</auth>`, /<success|<\/failure>|<\/stream:stream>/);
    if (!answer.includes('<success')) return /<(?:failure|stream:error)[^>]*><([a-z-]+)/.exec(answer)?.[1] ?? answer;
    await this.#open();
    return 'success';
  }

  /** Binds a resource. @returns the full JID, or what came instead */
  async bind(): Promise<string> {
    const answer = await this.exchange("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", /<\/iq>|<\/stream:stream>/);
    return /<jid>([^<]*)/.exec(answer)?.[1] ?? answer;
  }

  /** Cuts the line, as a phone in a tunnel. */
  cut(): void {
    this.#socket.destroy();
  }
}

/** Logs in and binds. @throws Error that names the refusal */
export async function openSession(port: number, domain: string, username: string, password: string): Promise<RawSession> {
  const session = await RawSession.connect(port, domain);
  const result = await session.authenticate(username, password);
  if (result !== 'success') {
    session.cut();
    throw new Error(result);
  }
  const jid = await session.bind();
  if (!jid.startsWith(`${username}@${domain}/`)) throw new Error(`not bound: ${jid}`);
  return session;
}
