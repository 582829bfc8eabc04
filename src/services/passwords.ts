// bcrypt, and how much of it may run at once. It is the only hash of passwords that is ever stored.
import { createRequire } from 'node:module';
import { availableParallelism, constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import { DomainError } from '../domain/errors.js';

/** `web`: chosen by people, so slow. `app`: 128 random bits or more, which no guessing finds, so quick (servers.md "More, tried"). */
export type PasswordKind = 'web' | 'app';

const cores = availableParallelism();

/** bcrypt's cost, the logarithm of its rounds. Tests of other things lower it. */
export const BCRYPT_COST: Record<PasswordKind, number> = { web: 12, app: 6 };

/** What a comparison runs against when there is nothing to compare with: same cost, matched by nothing. */
const nobody = (kind: PasswordKind): string => `$2b$${String(BCRYPT_COST[kind]).padStart(2, '0')}$${'nobodyhasthispassword'}u${'e'.repeat(31)}`;

interface Lane {
  /** How many run at once. Web passwords leave a core free, so that a flood of log-ins does not hold up the chat servers. */
  atOnce: number;
  /** How many wait at most; more are turned away at once instead of all being late. */
  waiting: number;
}

const LANES: Record<PasswordKind, Lane> = {
  web: { atOnce: Math.max(1, cores - 1), waiting: 100 },
  app: { atOnce: cores, waiting: 2_000 },
};

/** How many times bcrypt ran, by kind: a known and an unknown name must cost the same. */
export const bcryptRuns: Record<PasswordKind, number> = { web: 0, app: 0 };

const running: Record<PasswordKind, number> = { web: 0, app: 0 };
const queues: Record<PasswordKind, (() => void)[]> = { web: [], app: [] };

// bcrypt runs in threads of its own, below the priority of everything else here: when everybody logs in at once, posts and events go first, and
// Node's pool stays free for files and names. (On Linux `setPriority(0)` is about the calling thread alone.) Plain JavaScript in a string, so that
// the thread needs no file that only the build has.
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const bcrypt = require(workerData.bcrypt);
if (process.platform === 'linux') {
  try {
    require('node:os').setPriority(0, workerData.priority);
  } catch {} // not allowed: it works all the same
}
parentPort.on('message', ({ call, args }) => parentPort.postMessage(bcrypt[call](...args)));
`;

type Call = { call: 'hashSync'; args: [password: string, rounds: number] } | { call: 'compareSync'; args: [password: string, hash: string] };

const idle: Worker[] = [];

function startThread(): Worker {
  const workerData = { bcrypt: createRequire(import.meta.url).resolve('bcrypt'), priority: constants.priority.PRIORITY_BELOW_NORMAL };
  return new Worker(THREAD, { eval: true, workerData, execArgv: [], env: {}, stdin: false });
}

/** Runs bcrypt in an idle thread, or one more: there are never more than the lanes let in. */
function run(call: Call): Promise<unknown> {
  const thread = idle.pop() ?? startThread();
  return new Promise((resolve, reject) => {
    thread.ref();
    const settle = (work: () => void) => {
      thread.off('message', onMessage).off('error', onError).off('exit', onExit);
      thread.unref(); // an idle thread keeps no process alive
      work();
    };
    const onMessage = (value: unknown) =>
      settle(() => {
        idle.push(thread);
        resolve(value);
      });
    const onError = (error: Error) => settle(() => reject(error));
    const onExit = () => onError(new Error('the thread for bcrypt has ended'));
    thread.on('message', onMessage).on('error', onError).on('exit', onExit);
    thread.postMessage(call);
  });
}

async function inTurn(kind: PasswordKind, call: Call, signal?: AbortSignal): Promise<unknown> {
  const { atOnce, waiting } = LANES[kind];
  if (running[kind] >= atOnce) {
    if (queues[kind].length >= waiting) throw new DomainError('unavailable', 'Too many people are logging in just now. Please try again in a minute.');
    await new Promise<void>((resolve) => queues[kind].push(resolve)); // whoever ends hands its place over, so `running` stays as it is
  } else {
    running[kind] += 1;
  }
  try {
    signal?.throwIfAborted(); // nobody waits for the answer any more
    bcryptRuns[kind] += 1;
    return await run(call);
  } finally {
    const next = queues[kind].shift();
    if (next) next();
    else running[kind] -= 1;
  }
}

/** One text for what looks the same: keyboards differ in how they write an accent (RFC 8265 §4.2, NFC). */
export const normalizePassword = (password: string): string => password.toWellFormed().normalize('NFC');

/**
 * The stored form of a password.
 * @param password normalized, and already checked to have no more bytes than bcrypt reads
 * @throws DomainError unavailable when too many wait
 */
export const hashPassword = async (kind: PasswordKind, password: string): Promise<string> =>
  (await inTurn(kind, { call: 'hashSync', args: [password, BCRYPT_COST[kind]] })) as string;

/**
 * Is it the password? One run of bcrypt, whatever is asked: also for no hash at all (null or ''), and for a text that cannot be a password.
 * @param signal when it is aborted before the turn comes, bcrypt does not run
 * @throws DomainError unavailable when too many wait; the signal's reason
 */
export async function verifyPassword(kind: PasswordKind, password: string, hash: string | null, signal?: AbortSignal): Promise<boolean> {
  // Beyond 72 bytes bcrypt would ignore the rest; a NUL is refused when a password is set.
  const possible = Buffer.byteLength(password) <= 72 && password !== '' && !password.includes('\0');
  const against = possible && hash ? hash : nobody(kind);
  const same = (await inTurn(kind, { call: 'compareSync', args: [possible ? password : 'x', against] }, signal)) as boolean;
  return same && against === hash;
}
