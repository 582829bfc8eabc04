// A bare XEP-0114 component on a plain socket: the baseline that writes stanzas which were serialised beforehand, or a server that only counts.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawComponent {
  write(text: string): void;
  /** What comes from now on, as it comes: in pieces. */
  hear(listener: (text: string) => void): void;
  end(): void;
}

export async function rawComponent({ host, port, domain, secret }: { host: string; port: number; domain: string; secret: string }): Promise<RawComponent> {
  const socket: Socket = connect({ host, port, noDelay: true });
  socket.setEncoding('utf8');
  await once(socket, 'connect');
  let seen = '';
  const until = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve) => {
      const look = (chunk = '') => {
        seen += chunk;
        const match = pattern.exec(seen);
        if (match) {
          socket.off('data', look);
          resolve(match);
        }
      };
      socket.on('data', look);
      look();
    });
  socket.write(`<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='${domain}'>`);
  const [, id] = await until(/<stream:stream[^>]* id=['"]([^'"]+)['"]/);
  socket.write(`<handshake>${createHash('sha1').update(id + secret).digest('hex')}</handshake>`);
  await until(/<handshake/);
  socket.on('data', () => {}); // what the server says is not wanted, until somebody hears it
  return { write: (text) => void socket.write(text), hear: (listener) => void socket.on('data', listener), end: () => socket.destroy() };
}
