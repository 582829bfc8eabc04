// Readers by the hundred behind a real XMPP server, without a client each: components of other domains that note what comes to their
// addresses. The server routes to them as it would to its own users.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const PUBSUB = 'http://jabber.org/protocol/pubsub';
const MICROBLOG = 'urn:xmpp:microblog:0';

export interface SinkHost {
  domain: string;
  /** Where its component connects. */
  host: string;
  port: number;
  secret: string;
}

export interface Sink {
  /** Bare JIDs, `per` of them on each host. */
  readers: string[];
  /** Bare JID → ids of the items that came, in their order, each time that they came. */
  received: Map<string, string[]>;
  /** Called with each. */
  onItem: (jid: string, id: string) => void;
  /** Every reader subscribes to this feed (a bare JID), explicitly. */
  subscribe(feed: string): Promise<void>;
  /** From now on these hosts answer every event with this error, as if they were not there. */
  fail(domains: readonly string[], condition: string): void;
  /** Connects to a server that was started again. */
  reconnect(): Promise<void>;
  close(): void;
}

/** Connects a component for each host. */
export async function openSink(hosts: readonly SinkHost[], per: number): Promise<Sink> {
  const readers = hosts.flatMap(({ domain }) => Array.from({ length: per }, (_, index) => `reader${index}@${domain}`));
  const received = new Map<string, string[]>(readers.map((jid) => [jid, []]));
  const failing = new Map<string, string>();
  let subscribed: () => void = () => {};

  function take(stanza: string, connection: Connection): void {
    const head = stanza.slice(0, stanza.indexOf('>') + 1);
    const attribute = (name: string) => new RegExp(` ${name}=["']([^"']*)["']`).exec(head)?.[1] ?? '';
    if (head.startsWith('<iq') && attribute('type') === 'result') return subscribed();
    if (!head.startsWith('<message')) return;
    const jid = attribute('to');
    const condition = failing.get(connection.domain);
    if (condition) {
      connection.write(`<message type='error' from='${jid}' to='${attribute('from')}' id='${attribute('id')}'><error type='cancel'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`);
      return;
    }
    for (const [, id] of stanza.matchAll(/<item [^>]*?\bid=["']([0-9a-f]{32})["']/g)) {
      received.get(jid)?.push(id!);
      sink.onItem(jid, id!);
    }
  }
  const connectAll = () => Promise.all(hosts.map((host) => openConnection(host, take)));
  let connections = await connectAll();

  const sink: Sink = {
    readers,
    received,
    onItem: () => {},
    async subscribe(feed) {
      let answers = 0;
      await new Promise<void>((resolve) => {
        subscribed = () => {
          if (++answers === readers.length) resolve();
        };
        for (const connection of connections) {
          for (const jid of readers.filter((reader) => reader.endsWith(`@${connection.domain}`))) {
            connection.write(`<iq type='set' id='${jid}' from='${jid}' to='${feed}'><pubsub xmlns='${PUBSUB}'><subscribe node='${MICROBLOG}' jid='${jid}'/></pubsub></iq>`);
          }
        }
      });
    },
    fail: (domains, condition) => {
      for (const domain of domains) failing.set(domain, condition);
    },
    async reconnect() {
      sink.close();
      connections = await connectAll();
    },
    close: () => {
      for (const connection of connections) connection.close();
    },
  };
  return sink;
}

interface Connection {
  domain: string;
  write(text: string): void;
  close(): void;
}

/** A bare XEP-0114 stream that hands on each stanza as text. What the server writes has no element of a stanza's name inside a stanza. */
async function openConnection({ domain, host, port, secret }: SinkHost, take: (stanza: string, connection: Connection) => void): Promise<Connection> {
  const socket: Socket = connect({ host, port, noDelay: true });
  socket.setEncoding('utf8').on('error', () => {});
  await once(socket, 'connect');
  const connection: Connection = { domain, write: (text) => void socket.write(text), close: () => void socket.destroy() };
  let text = '';
  let letIn: () => void;
  const ready = new Promise<void>((resolve) => (letIn = resolve));
  let open = false;
  socket.on('data', (chunk) => {
    text += String(chunk);
    if (!open) {
      const id = /<stream:stream[^>]* id=["']([^"']+)["'][^>]*>/.exec(text);
      if (id) socket.write(`<handshake>${createHash('sha1').update(id[1]! + secret).digest('hex')}</handshake>`);
      const end = /<handshake[^>]*\/>|<\/handshake>/.exec(text);
      if (id) text = text.slice(id.index + id[0].length);
      if (!end) return;
      open = true;
      text = text.slice(text.indexOf(end[0]) + end[0].length);
      letIn();
    }
    let start = 0;
    for (;;) {
      const name = /<(message|iq|presence)\b[^>]*>/g;
      name.lastIndex = start;
      const head = name.exec(text);
      if (!head) break;
      const ending = `</${head[1]}>`;
      const end = head[0].endsWith('/>') ? head.index + head[0].length : text.indexOf(ending, head.index) + ending.length;
      if (end < head.index + head[0].length) break; // the rest has not come yet
      take(text.slice(head.index, end), connection);
      start = end;
    }
    text = text.slice(start);
  });
  socket.write(`<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='${domain}'>`);
  await ready;
  return connection;
}
