// What the checks of `dx doctor` share.
import type { HostPort } from '../config.js';

export interface Check {
  name: string;
  state: 'ok' | 'warn' | 'fail';
  /** What was found, a sentence. */
  text: string;
  /** What to do; always there unless the state is ok. */
  remedy?: string;
}

export const ok = (name: string, text: string): Check => ({ name, state: 'ok', text });
export const warn = (name: string, text: string, remedy: string): Check => ({ name, state: 'warn', text, remedy });
export const bad = (name: string, text: string, remedy: string): Check => ({ name, state: 'fail', text, remedy });

export const at = ({ host, port }: HostPort): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

export const isLoopback = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost') || host === '::1' || host === '[::1]' || host.startsWith('127.');

/** An address that one can connect to, of one that is listened on. */
export const reachable = ({ host, port }: HostPort): HostPort => ({ host: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, port });

/** An error in as few words as tell what it is. */
export const said = (error: unknown): string => {
  const { message, code, cause } = error as Error & { code?: string; cause?: Error & { code?: string } };
  return (cause?.code ?? cause?.message ?? code ?? message ?? String(error)) || 'unknown';
};
