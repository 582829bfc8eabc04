import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HostPort } from '../config.js';

/**
 * Answers HTTP at an address.
 * @param app or a server that listens to nothing yet
 * @param key the configuration key that names it
 * @throws Error with a sentence for the operator when the address cannot be had
 */
export async function listen(app: RequestListener | Server, at: HostPort, key: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = typeof app === 'function' ? createServer(app) : app;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there already' : error.code === 'EACCES' ? 'this user may not use that port' : error.message;
      reject(new Error(`Cannot listen on ${at.host}:${at.port}: ${why}. Stop it, or set ${key} to another HOST:PORT.`));
    });
    server.listen(at.port, at.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://${at.host.includes(':') ? `[${at.host}]` : at.host}:${port}`, stop: () => closeServer(server) };
}

/** Lets running answers end, but not for ever: event streams never end by themselves. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 1_000).unref();
  });
}
