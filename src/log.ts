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
      redact: { paths: ['password', '*.password', 'secret', '*.secret', 'token', '*.token', 'cookie', '*.cookie', 'headers', '*.headers', 'authorization'], censor: '(hidden)' },
    },
    destination,
  );
}
