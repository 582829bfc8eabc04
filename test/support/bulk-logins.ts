// Logins as a chat app does them, many at once and as thin as can be: TCP, stream, SASL PLAIN, stream, bind. No TLS (loopback).
import { connect, type Socket } from 'node:net';
import type { Login } from './bulk-accounts.js';

export interface LoginServer {
  host: string;
  port: number;
  domain: string;
}

/** `refused`: by the server, as for a wrong password. `closed`: the connection ended, or never began. */
export type LoginOutcome = 'in' | 'refused' | 'closed' | 'timed out';

export interface LoginRun {
  outcomes: Record<LoginOutcome, number>;
  /** Of those that got in: from the connect to the bound session. */
  tookMs: number[];
  wallMs: number;
  perSecond: number;
  /** Ends the sessions and waits until the server has let go of all. */
  close(): Promise<void>;
}

/** As long as a patient chat app waits. */
const PATIENCE_MS = 30_000;

function login({ host, port, domain }: LoginServer, { username, password }: Login, patienceMs: number): Promise<{ outcome: LoginOutcome; socket: Socket }> {
  const open = `<stream:stream to='${domain}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`;
  const steps: { send: string; until: string }[] = [
    { send: `<?xml version='1.0'?>${open}`, until: '</stream:features>' },
    { send: `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${Buffer.from(`\0${username}\0${password}`).toString('base64')}</auth>`, until: '<success' },
    { send: open, until: '</stream:features>' },
    { send: "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind></iq>", until: '</iq>' },
  ];
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    let seen = '';
    let step = 0;
    const settle = (outcome: LoginOutcome) => {
      clearTimeout(patience);
      if (outcome !== 'in') socket.destroy();
      resolve({ outcome, socket });
    };
    const patience = setTimeout(() => settle('timed out'), patienceMs);
    socket.setEncoding('latin1');
    socket.on('error', () => settle('closed'));
    socket.on('close', () => settle('closed'));
    socket.on('connect', () => socket.write(steps[0]!.send));
    socket.on('data', (chunk: string) => {
      if (step === steps.length) return;
      seen += chunk;
      if (!seen.includes(steps[step]!.until)) {
        if (seen.includes('<failure')) settle('refused');
        return;
      }
      seen = '';
      step += 1;
      if (step === steps.length) settle('in');
      else socket.write(steps[step]!.send);
    });
  });
}

/**
 * Logs all of them in, `atOnce` at a time.
 * @param keep the sessions stay open until `close`; else each ends when it has begun
 * @param patienceMs how long each waits at most
 */
export async function logInAll(server: LoginServer, logins: Login[], atOnce: number, keep = true, patienceMs = PATIENCE_MS): Promise<LoginRun> {
  const outcomes: LoginRun['outcomes'] = { in: 0, refused: 0, closed: 0, 'timed out': 0 };
  const tookMs: number[] = [];
  const sockets: Socket[] = [];
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < logins.length) {
        const from = performance.now();
        const { outcome, socket } = await login(server, logins[next++]!, patienceMs);
        outcomes[outcome] += 1;
        if (outcome === 'in') tookMs.push(performance.now() - from);
        if (keep) sockets.push(socket);
        else socket.end('</stream:stream>');
      }
    }),
  );
  const wallMs = performance.now() - started;
  return {
    outcomes,
    tookMs,
    wallMs,
    perSecond: (outcomes.in / wallMs) * 1000,
    async close() {
      await Promise.all(
        sockets.map(
          (socket) =>
            new Promise<void>((resolve) => {
              if (socket.destroyed) return resolve();
              socket.once('close', () => resolve());
              socket.end('</stream:stream>');
              socket.resume();
            }),
        ),
      );
    },
  };
}
