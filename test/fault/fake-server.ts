// A component listener that says what no honest server would: what stands in for Prosody and ejabberd where they refuse to help.
import net from 'node:net';
import type { AddressInfo } from 'node:net';
// @ts-ignore no types
import Parser from '@xmpp/xml/lib/Parser.js';
import type { ComponentAddress } from '../support/installation.js';
import { type Element, parse } from '../support/elements.js';

export const FAKE_DOMAIN = 'social.fake.test';

export interface FakeServer {
  component: ComponentAddress;
  /** Streams that were let in so far. */
  streams: number;
  /** Called with every stanza that is no barrier. */
  onStanza: (stanza: Element) => void;
  /** Sends text as it stands, into the stream that is open. */
  send(text: string): void;
  /** The answer to a request that comes from one of its users: sends it and waits. */
  ask(iq: string): Promise<Element>;
  /** Resolves when a stream has been let in. */
  connected(): Promise<void>;
  /** Barriers come back (the beginning), or not. */
  echoes: boolean;
  /** Only counts messages, in `skimmed`: megabytes take the parser seconds. */
  skims: boolean;
  skimmed: number;
  /** Ends what is open. */
  drop(): void;
  close(): Promise<void>;
}

export async function startFakeServer(): Promise<FakeServer> {
  let socket: net.Socket | null = null;
  let waiting: (() => void)[] = [];
  const asked = new Map<string, (reply: Element) => void>();
  let ids = 0;
  const sockets = new Set<net.Socket>();

  const listener = net.createServer((connection) => {
    sockets.add(connection);
    connection.setEncoding('utf8').on('error', () => {}).on('close', () => {
      sockets.delete(connection);
      if (socket === connection) socket = null;
    });
    const parser = new Parser();
    parser.on('start', () => connection.write("<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept' id='s1' from='social.fake.test'>"));
    parser.on('end', () => connection.end('</stream:stream>'));
    parser.on('error', () => connection.destroy());
    parser.on('element', (element: Element) => {
      if (element.getName() === 'handshake') {
        connection.write('<handshake/>');
        socket = connection;
        fake.streams += 1;
        for (const tell of waiting.splice(0)) tell();
        return;
      }
      const { from, to, id, type } = element.attrs;
      if (element.is('iq') && from === FAKE_DOMAIN && to === FAKE_DOMAIN) {
        if (fake.echoes) connection.write(element.toString());
        return;
      }
      const answered = element.is('iq') && (type === 'result' || type === 'error') ? asked.get(id!) : undefined;
      if (answered) {
        asked.delete(id!);
        answered(element);
      } else fake.onStanza(element);
    });
    let tail = '';
    connection.on('data', (chunk) => {
      const text = String(chunk);
      if (!fake.skims || socket !== connection) return void parser.write(text);
      // What ends in this chunk, begun in one before or not.
      for (const match of (tail + text).matchAll(/<\/message>|<iq [^>]*><ping [^>]*\/><\/iq>/g)) {
        if (match.index + match[0].length <= tail.length) continue;
        if (match[0] === '</message>') fake.skimmed += 1;
        else connection.write(match[0]);
      }
      tail = (tail + text).slice(-400);
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));

  const fake: FakeServer = {
    component: { domain: FAKE_DOMAIN, host: '127.0.0.1', port: (listener.address() as AddressInfo).port, secret: 'secret' },
    streams: 0,
    onStanza: () => {},
    echoes: true,
    skims: false,
    skimmed: 0,
    send: (text) => void socket!.write(text),
    ask: (text) => {
      const iq = parse(text);
      const id = `ask-${++ids}`;
      iq.attrs.id = id;
      return new Promise((resolve) => {
        asked.set(id, resolve);
        fake.send(iq.toString());
      });
    },
    connected: () => (socket ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    drop: () => {
      for (const one of sockets) one.resetAndDestroy();
    },
    close: async () => {
      waiting = [];
      for (const one of sockets) one.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return fake;
}
