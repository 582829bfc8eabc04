// The part of @xmpp/component-core 0.13.1 that transport.ts uses; the package has no types.
declare module '@xmpp/component-core' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';

  /** A XEP-0114 stream: opens the socket, writes the header, parses what comes. */
  export class Component extends EventEmitter {
    constructor(options: { service: string; domain: string });
    socket: Socket | null;
    /** Where `connect` goes. */
    socketParameters: (service: string) => { host: string; port: number };
    /** Resolves when the socket is connected. */
    connect(service: string): Promise<unknown>;
    /** Writes the stream header; resolves with the server's. */
    open(options: { domain: string; timeout?: number }): Promise<unknown>;
  }
}
