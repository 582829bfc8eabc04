// What chat servers ask about logins, however it came (interface.md §7). What is asked, and so each password, is never logged.
import { isUsername } from '../domain/account.js';
import { isAppPassword } from '../services/app-passwords.js';
import type { Context } from '../services/context.js';
import { giveWay } from '../services/precedence.js';
import { findAccountByUsername } from '../store/accounts.js';

/** Chat servers give up at 2 s; whoever has waited longer than this hears "false". */
const DEADLINE_MS = 1_800;

export interface Answer {
  status: number;
  /** With status 200 the one word `true` or `false`, else a sentence with its line end. */
  text: string;
}

/** What it came with, from a URL, a form or both. */
export interface Fields {
  has(name: string): boolean;
  get(name: string): string | null | undefined;
}

/** Told of each answer, for /metrics. */
export type Answered = (operation: OperationName, answer: Answer, tookMs: number) => void;

interface Question {
  ctx: Context;
  /** As the server sent it: prepared, without a domain. */
  user: string;
  password: string;
  /** Aborted when nobody waits for the answer any more. Made when it is asked for: a login that waits for nothing needs none. */
  signal: () => AbortSignal;
}

interface Operation {
  needs: ('user' | 'server' | 'pass')[];
  answer(question: Question): Promise<boolean>;
}

const OPERATIONS = {
  check_password: {
    needs: ['user', 'server', 'pass'],
    async answer({ ctx, user, password, signal }) {
      const way = giveWay(ctx);
      if (way) await way;
      return isAppPassword(ctx, user, password, 'chat', signal);
    },
  },
  user_exists: {
    needs: ['user', 'server'],
    // One look into the database for every name, so that the time tells nothing either.
    answer: async ({ ctx, user }) => (await findAccountByUsername(ctx.store, isUsername(user) ? user : '-'))?.state === 'active',
  },
} satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;
export const isOperation = (name: string): name is OperationName => Object.hasOwn(OPERATIONS, name);

/** What of these fields is missing, or null. */
export const missing = (needs: readonly string[], fields: Fields): Answer | null => {
  const names = needs.filter((key) => !fields.has(key));
  return names.length > 0 ? { status: 400, text: `Missing: ${names.join(', ')}.\n` } : null;
};

/** Is it the domain whose logins we check? */
export function isOurs(ctx: Context, operation: string, fields: Fields): boolean {
  const server = fields.get('server')!.toLowerCase();
  if (ctx.config.chatDomain !== '' && server === ctx.config.chatDomain) return true;
  ctx.log.warn({ operation, server: server.slice(0, 255) }, 'auth endpoint: asked for a domain that is not DX_CHAT_DOMAIN');
  return false;
}

const NO: Answer = { status: 200, text: 'false' };

/**
 * Answers, within the deadline. Never throws: to a chat server every failure is a "no", for anything else would hold its users up, or let a stranger in.
 * @param read its fields, or what reads them as long as there is time, and may find a fault
 */
export async function answerQuestion(ctx: Context, name: OperationName, read: Fields | ((deadline: Deadline) => Promise<Fields | Answer>)): Promise<Answer> {
  const operation: Operation = OPERATIONS[name];
  const deadline = new Deadline();
  try {
    const fields = typeof read === 'function' ? await read(deadline) : read;
    if ('status' in fields) return fields;
    const fault = missing(operation.needs, fields);
    if (fault) return fault;
    if (!isOurs(ctx, name, fields)) return NO;
    const user = fields.get('user')!.toLowerCase();
    const yes = await deadline.within(operation.answer({ ctx, user, password: fields.get('pass') ?? '', signal: () => deadline.signal() }));
    ctx.log.debug({ operation: name, user: user.slice(0, 64), answer: yes }, 'auth endpoint answered');
    return { status: 200, text: String(yes) };
  } catch (error) {
    if (deadline.isOver) ctx.log.warn({ operation: name, afterMs: DEADLINE_MS }, 'auth endpoint: out of time, answered no');
    else ctx.log.error({ operation: name, err: error }, 'auth endpoint failed, answered no');
    return NO;
  } finally {
    deadline.clear();
  }
}

/** How long a question may take. */
export class Deadline {
  isOver = false;
  private readonly timer: NodeJS.Timeout;
  private controller: AbortController | null = null;
  private late: ((error: Error) => void) | null = null;

  constructor() {
    this.timer = setTimeout(() => {
      this.isOver = true;
      this.controller?.abort(outOfTime());
      this.late?.(outOfTime());
    }, DEADLINE_MS);
  }

  clear(): void {
    clearTimeout(this.timer);
  }

  signal(): AbortSignal {
    this.controller ??= new AbortController();
    if (this.isOver) this.controller.abort(outOfTime());
    return this.controller.signal;
  }

  /** The work's result, or an error when time runs out before. */
  within<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.late = reject;
      if (this.isOver) reject(outOfTime());
      work.then(resolve, reject);
    });
  }
}

const outOfTime = () => new Error('out of time');

