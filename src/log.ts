import { type DestinationStream, type Logger, pino } from 'pino';
import type { LogLevel } from './config.js';

export type { Logger } from 'pino';

/**
 * The one logger: JSON lines on standard error by default, fixed short message + fields (house style).
 * What must never stand in a log is removed even where someone logs it by mistake.
 */
export function createLog(level: LogLevel, destination: DestinationStream = pino.destination({ fd: 2, sync: false })): Logger {
  return pino(
    {
      level,
      base: null,
      serializers: { err: describeError },
      redact: { paths: ['password', '*.password', 'secret', '*.secret', 'token', '*.token', 'cookie', '*.cookie', 'headers', '*.headers', 'authorization'], censor: '(hidden)' },
    },
    destination,
  );
}

/** Fields of an error that say what kind it is. Those of a database error hold whole rows as well (query, parameters, detail, where), and so may others. */
const TELLING = ['type', 'message', 'stack', 'code', 'errno', 'syscall', 'address', 'port', 'path', 'table', 'column', 'constraint', 'routine', 'permanent', 'field', 'condition', 'status'] as const;

/** PostgreSQL repeats the value that it could not read (class 22), and it alone does so in the message. */
const QUOTED_VALUE = /^22/;

function describeError(error: Error): unknown {
  const all = pino.stdSerializers.err(error) as Partial<Record<(typeof TELLING)[number], unknown>> | string;
  if (typeof all !== 'object' || all === null) return all;
  const told = Object.fromEntries(TELLING.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])));
  if (!QUOTED_VALUE.test(String(all.code))) return told;
  const hidden = String(all.message).replace(/".*"/s, '"(hidden)"');
  return { ...told, message: hidden, stack: String(all.stack).replace(String(all.message), () => hidden) };
}
