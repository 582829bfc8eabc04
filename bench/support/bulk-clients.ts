// Many XMPP clients in one process, as thin as can be, so that the figure is the server's and ours, not theirs:
// plain sockets, no XML tree, a receipt is the moment when a marker has arrived in a client's bytes.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface BulkOptions {
  host: string;
  port: number;
  domain: string;
  usernames: string[];
  password: string;
  /** Sent as initial presence. */
  presence?: string;
}

class BulkClient {
  #seen = '';
  /** What had come when the last marker was found. */
  last = '';
  #waiting: { marker: string; found: (atMs: number) => void } | null = null;
  readonly #socket: Socket;

  constructor(
    readonly jid: string,
    host: string,
    port: number,
  ) {
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (chunk: string) => {
      this.#seen += chunk;
      if (this.#waiting && this.#seen.includes(this.#waiting.marker)) {
        const { found } = this.#waiting;
        this.#waiting = null;
        this.last = this.#seen;
        this.#seen = '';
        found(performance.now());
      } else if (this.#seen.length > 200_000) {
        this.#seen = this.#seen.slice(-100_000);
      }
    });
  }

  /** Resolves with the moment (performance.now()) at which the marker was there. */
  receives(marker: string): Promise<number> {
    if (this.#seen.includes(marker)) {
      this.last = this.#seen;
      this.#seen = '';
      return Promise.resolve(performance.now());
    }
    return new Promise((found) => {
      this.#waiting = { marker, found };
    });
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  /** The whole message in which the marker was found: others may have come with it. */
  async message(marker: string): Promise<string> {
    let text = this.last;
    const end = () => text.indexOf('</message>', text.lastIndexOf(marker));
    while (end() < 0) {
      await this.receives('>');
      text += this.last;
    }
    return text.slice(text.lastIndexOf('<message', text.lastIndexOf(marker)), end() + '</message>'.length);
  }

  async login(domain: string, username: string, password: string, presence: string): Promise<void> {
    await once(this.#socket, 'connect');
    const open = `<stream:stream to='${domain}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`;
    const step = async (text: string, answer: string) => {
      this.send(text);
      await this.receives(answer);
    };
    await step(`<?xml version='1.0'?>${open}`, '</stream:features>');
    await step(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${Buffer.from(`\0${username}\0${password}`).toString('base64')}</auth>`, '<success');
    await step(open, '</stream:features>');
    await step(`<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bulk</resource></bind></iq>`, '</iq>');
    await step(`<iq type='set' id='sess'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>${presence}`, `sess`);
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Clients that are logged in and available. */
export class BulkClients {
  private constructor(readonly clients: BulkClient[]) {}

  static async connect({ host, port, domain, usernames, password, presence = '<presence/>' }: BulkOptions): Promise<BulkClients> {
    const clients: BulkClient[] = [];
    for (let start = 0; start < usernames.length; start += 20) {
      const some = usernames.slice(start, start + 20).map((username) => ({ username, client: new BulkClient(`${username}@${domain}`, host, port) }));
      await Promise.all(some.map(({ username, client }) => client.login(domain, username, password, presence)));
      clients.push(...some.map(({ client }) => client));
    }
    return new BulkClients(clients);
  }

  /** Each client sends its own text and waits for its marker. */
  async each(text: (jid: string, index: number) => string, marker: string): Promise<void> {
    for (let start = 0; start < this.clients.length; start += 20) {
      await Promise.all(
        this.clients.slice(start, start + 20).map((client, index) => {
          client.send(text(client.jid, start + index));
          return client.receives(marker);
        }),
      );
    }
  }

  /** The moment at which the last of all clients had the marker: every receipt is counted. */
  async allReceive(marker: string): Promise<number> {
    return Math.max(...(await Promise.all(this.clients.map((client) => client.receives(marker)))));
  }

  end(): void {
    for (const client of this.clients) client.end();
  }
}
