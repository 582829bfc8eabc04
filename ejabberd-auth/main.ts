// External authentication for ejabberd: questions on standard input, answers on standard output and nothing else there, problems on standard
// error. docs/ejabberd.md says how to install it.
import { parseArgs } from 'node:util';
import { AuthClient } from './client.js';
import { answerFrame, FrameReader, parseQuestion } from './framing.js';

const USAGE = `Usage: node main.mjs --url http://127.0.0.1:3001 --secret-file FILE [--deadline-ms 1800]
An external authentication program for ejabberd (extauth_program).
  --url URL          where diaspora-x listens for chat servers (DX_AUTH_LISTEN)
  --secret-file FILE a file that holds its DX_AUTH_SECRET, readable for ejabberd
  --deadline-ms N    answer false after so many milliseconds; at most 1800
`;

/** Together with what our own work takes, less than the 2 s after which an answer counts as none. The service itself gives up then too. */
const MAX_DEADLINE_MS = 1_800;
/** ejabberd sends one question at a time. Whoever sends more is read on only when fewer than these wait. */
const MAX_WAITING = 64;
/** A restart of the service takes a second or two; whoever is asked for longer is away. */
const RESTART_MS = 10_000;
/** A problem that lasts is told again after so long, with how often it happened. */
const REPEAT_AFTER_MS = 30_000;

function readOptions(): 'help' | { fault: string } | { url: string; secretFile: string; deadlineMs: number } {
  try {
    const { values } = parseArgs({
      options: { url: { type: 'string' }, 'secret-file': { type: 'string' }, 'deadline-ms': { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help) return 'help';
    const { url, 'secret-file': secretFile } = values;
    if (!url) throw new Error('--url is missing');
    if (!secretFile) throw new Error('--secret-file is missing');
    // Nothing else may stand in it: it is written to the log.
    if (!/^http:\/\/[^/?#@]+(\/[^?#@]*)?$/.test(url) || !URL.canParse(url)) throw new Error('--url: write it like http://127.0.0.1:3001');
    const deadlineMs = Number(values['deadline-ms'] ?? MAX_DEADLINE_MS);
    if (!Number.isInteger(deadlineMs) || deadlineMs < 1 || deadlineMs > MAX_DEADLINE_MS) throw new Error(`--deadline-ms: write 1 to ${MAX_DEADLINE_MS}`);
    return { url, secretFile, deadlineMs };
  } catch (error) {
    return { fault: (error as Error).message };
  }
}

const say = (text: string): void => void process.stderr.write(`diaspora-x ejabberd-auth[${process.pid}]: ${text}\n`);

const reported = new Map<string, { at: number; unsaid: number }>();
/** A line for a problem; while it goes on, a line each half minute. There are few different ones, so the map stays small. */
function report(problem: string): void {
  const now = Date.now();
  const before = reported.get(problem);
  if (before && now - before.at < REPEAT_AFTER_MS) {
    before.unsaid += 1;
    return;
  }
  reported.set(problem, { at: now, unsaid: 0 });
  say(before?.unsaid ? `${problem} (and ${before.unsaid} times before)` : problem);
}

async function run(client: AuthClient): Promise<void> {
  const reader = new FrameReader();
  /** The questions that came and whose answers have not left, in their order; an answer is null until it is known. */
  const asked: { yes: boolean | null }[] = [];
  let ended = false;
  let done: () => void;
  const allAnswered = new Promise<void>((resolve) => {
    done = resolve;
  });
  /** Answers leave in the order of the questions, whichever is known first. */
  const flush = () => {
    while (asked[0] && asked[0].yes !== null) process.stdout.write(answerFrame(asked.shift()!.yes!));
    if (asked.length < MAX_WAITING && process.stdin.isPaused() && !ended) process.stdin.resume();
    if (ended && asked.length === 0) done();
  };
  const answer = (packet: Buffer) => {
    const question = parseQuestion(packet);
    const entry: (typeof asked)[number] = { yes: null };
    asked.push(entry);
    const settle = (yes: boolean) => {
      entry.yes = yes;
      flush();
    };
    if (question) void client.ask(question).then(settle);
    else settle(false);
  };
  const end = () => {
    if (ended) return;
    ended = true;
    if (reader.isCutOff) answer(Buffer.alloc(0)); // nobody will send the rest of it
    flush();
  };
  process.stdin.on('data', (chunk: Buffer) => {
    for (const packet of reader.push(chunk)) answer(packet);
    if (asked.length >= MAX_WAITING) process.stdin.pause();
  });
  process.stdin.on('error', (error: NodeJS.ErrnoException) => {
    report(`standard input: ${error.code}`);
    end();
  });
  process.stdin.on('end', end);
  await allAnswered;
  // What is written may still be on its way.
  await new Promise((resolve) => process.stdout.write('', resolve));
}

// No handler for SIGTERM: what the kernel does by itself works even while we are busy.
process.stderr.on('error', () => {}); // nobody reads the log: no reason to stop answering
process.stdout.on('error', () => process.exit(0)); // nobody reads the answers: ejabberd has closed the port
// Dying would cost ejabberd a worker; each question has its own deadline, so it is answered all the same. Messages may quote what was asked.
const unexpected = (error: unknown) => report(`internal error: ${error instanceof Error ? `${error.name} ${error.stack?.match(/at .*/)?.[0] ?? ''}` : 'unknown'}`);
process.on('uncaughtException', unexpected);

const options = readOptions();
if (options === 'help') {
  process.stderr.write(USAGE);
} else if ('fault' in options) {
  say(options.fault);
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  await run(new AuthClient({ ...options, restartMs: RESTART_MS, report }));
  process.exit(0);
}
