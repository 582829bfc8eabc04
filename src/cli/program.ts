// The command `dx`, apart from the process that runs it (main.ts). What a command needs is loaded when it runs, so that `dx --help` is quick.
import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Config, HostPort } from '../config.js';
import type { Account } from '../domain/account.js';
import { DomainError } from '../domain/errors.js';
import type { Context } from '../services/context.js';
import type { Tx } from '../store/database.js';
import type { RoleName } from './roles/role.js';

/** Where a command reads and writes; tests hand in their own. */
export interface Io {
  /** Results. */
  out(text: string): void;
  /** Messages for people. */
  err(text: string): void;
  env: NodeJS.ProcessEnv;
  /** Where `.env` and relative paths are looked for. */
  directory: string;
  readStdin(): Promise<string>;
  /** Resolves when a long-running command shall end: SIGINT or SIGTERM. */
  stopped(): Promise<void>;
}

/** The roles as commands: what `serve` does, in processes of their own. */
const ROLE_COMMANDS: Record<RoleName, string> = {
  web: 'only the pages and the endpoint for chat logins, as many processes as wanted',
  worker: 'only jobs, as many processes as wanted',
  connector: 'only the connection to the XMPP server: one process, and others that stand by',
};

const EXIT = { good: 0, failed: 1, usage: 2, config: 78 } as const;

const processIo: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  directory: process.cwd(),
  readStdin: async () => (await import('node:stream/consumers')).text(process.stdin),
  stopped: () =>
    new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.once(signal, () => {
          process.once(signal, () => process.exit(1)); // a second one is impatient
          resolve();
        });
      }
    }),
};

/** A message for people, without a stack: what they asked for cannot be done. */
class Failure extends Error {}

/**
 * Runs one command.
 * @param argv without node and the script's name
 * @returns the exit code: 0 good, 1 failed, 2 wrong usage, 78 wrong configuration
 */
export async function main(argv: string[], io: Io = processIo): Promise<number> {
  let code: number = EXIT.good;
  const program = createProgram(io, (failed) => {
    code = failed;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.good : EXIT.usage;
    if (error instanceof Error && error.name === 'ConfigError') {
      io.err(`${error.message}\n`);
      return EXIT.config;
    }
    if (error instanceof DomainError) {
      io.err(`${error.message}\n`);
      return error.code === 'invalid' ? EXIT.usage : EXIT.failed;
    }
    // Start-up failures are sentences for the operator; only bugs need their stack.
    const isBug = error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
    io.err(`${error instanceof Error ? (isBug ? error.stack : error.message) : String(error)}\n`);
    return EXIT.failed;
  }
}

function createProgram(io: Io, fail: (code: number) => void): Command {
  const config = async (): Promise<Config> => (await import('../config.js')).loadConfig(io.env, io.directory);
  /** Opens the database for a command and lets go of it afterwards. */
  const withContext = async (work: (ctx: Context) => Promise<void>, mustBeReady = true): Promise<void> => {
    const settings = await config();
    const [{ openContext }, { createLog }] = await Promise.all([import('./context.js'), import('../log.js')]);
    // Commands speak in sentences; lines for machines only where something is odd, or when asked for.
    const level = settings.logLevel === 'info' ? 'warn' : settings.logLevel;
    const { ctx, close } = await openContext(settings, { log: createLog(level) }).catch((error: Error & { cause?: Error }) => {
      throw new Failure(`The database cannot be opened (${error.cause?.message || error.message}). Look at DX_DATABASE_URL; dx doctor tells more.`);
    });
    try {
      if (mustBeReady) await checkReady(ctx);
      await work(ctx);
    } finally {
      await close();
    }
  };
  const json = () => new Option('--json', 'print JSON');
  const print = (asJson: boolean | undefined, value: unknown, text: () => string) => io.out(asJson ? `${JSON.stringify(value, null, 2)}\n` : text());

  const program = new Command('dx')
    .description('diaspora-x: one social identity on networks that belong to nobody.')
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError('(--help tells more)')
    .addHelpText('after', '\nConfiguration comes from the environment and from .env in the working directory: see dx config.\nExit codes: 0 good, 1 failed, 2 wrong usage, 78 wrong configuration.');

  const run = async (roles?: readonly RoleName[]): Promise<void> => {
    const settings = await config();
    const [{ serve }, { tellSystemd }] = await Promise.all([import('./serve.js'), import('./systemd.js')]);
    const tell = (state: string) => void tellSystemd(io.env, state, (line) => io.err(`${line}\n`));
    const stopped = io.stopped();
    const running = await serve(settings, roles ? { roles } : {});
    io.out(`diaspora-x${roles ? ` ${roles.join(', ')}` : ''} is ready${running.url === '' ? '' : `: ${settings.publicUrl}`}\n`);
    tell('READY=1');
    await stopped;
    tell('STOPPING=1');
    await running.stop();
  };
  program
    .command('serve')
    .description('run everything in one process: web, connector, workers, chat logins')
    .action(() => run());
  for (const [name, what] of Object.entries(ROLE_COMMANDS)) {
    program
      .command(name)
      .description(`run ${what}; needs PostgreSQL`)
      .action(() => run([name as RoleName]));
  }

  program
    .command('migrate')
    .description('bring the database to the form that this version needs')
    .addOption(new Option('--plan', 'only say what would be done').conflicts('revert'))
    .option('--revert', 'undo the last migration')
    .addOption(json())
    .action((options: { plan?: boolean; revert?: boolean; json?: boolean }) =>
      withContext(async ({ store }) => {
        if (await store.isNewer()) throw new Failure('The database was written by a newer version of diaspora-x: use that version.');
        if (options.revert) {
          const reverted = await store.revert();
          if (reverted === null) throw new Failure('There is no migration to undo.');
          return print(options.json, { reverted }, () => `undone: ${reverted}\n`);
        }
        const names = options.plan ? await store.pendingMigrations() : await store.migrate();
        if (names.length === 0) io.err('Nothing to do: the database is up to date.\n');
        print(options.json, options.plan ? { pending: names } : { done: names }, () => names.map((name) => `${options.plan ? 'to do' : 'done'}: ${name}\n`).join(''));
      }, false),
    );

  program
    .command('doctor')
    .description('check the whole installation; each line says how to mend what is wrong')
    .option('--chat-server <host:port>', 'where clients of the chat domain connect', parseHostPort)
    .addOption(json())
    .action(async (options: { chatServer?: HostPort; json?: boolean }) => {
      const settings = await config();
      const { examine, formatChecks } = await import('./doctor.js');
      const checks = await examine(settings, options.chatServer ? { chatServer: options.chatServer } : {});
      print(options.json, { ok: checks.every((check) => check.state !== 'fail'), checks }, () => formatChecks(checks));
      if (checks.some((check) => check.state === 'fail')) fail(EXIT.failed);
    });

  program
    .command('backup')
    .description('save database, keys and pictures in one file, while the service runs')
    .argument('<file>', 'a new file')
    .action(async (file: string) => {
      const [{ backup }, { resolve }] = await Promise.all([import('./backup.js'), import('node:path')]);
      await backup(await config(), resolve(io.directory, file), (line) => io.err(`${line}\n`));
    });
  program
    .command('restore')
    .description('restore a backup into an empty installation')
    .argument('<file>', 'as dx backup has written it')
    .action(async (file: string) => {
      const [{ restore }, { resolve }] = await Promise.all([import('./backup.js'), import('node:path')]);
      await restore(await config(), resolve(io.directory, file), (line) => io.err(`${line}\n`), config);
    });

  program
    .command('copy-database')
    .description('copy a stopped installation’s database from SQLite into an empty PostgreSQL database, or back')
    .argument('<from>', 'sqlite:FILE or postgres://…', parseDatabase)
    .argument('<to>', 'postgres://… (without tables) or sqlite:FILE (a new one); PGPASSWORD keeps the password out of the arguments', parseDatabase)
    .action(async (from: string, to: string) => {
      const [{ copyDatabase }, { createLog }] = await Promise.all([import('./copy-database.js'), import('../log.js')]);
      await copyDatabase(absolute(from, io.directory), absolute(to, io.directory), createLog('silent'), (line) => io.err(`${line}\n`));
    });

  const account = program.command('account').description('accounts of people');
  account
    .command('create')
    .description('make a confirmed account; prints a link to set the web password, or reads it from a file')
    .argument('<name>', 'username')
    .requiredOption('--email <address>', 'their e-mail address')
    .option('--admin', 'an administrator')
    .option('--password-file <file>', 'the web password stands in this file (- = standard input)')
    .addOption(json())
    .action(async (username: string, options: { email: string; admin?: boolean; passwordFile?: string; json?: boolean }) => {
      const password = options.passwordFile === undefined ? undefined : await readPassword(io, options.passwordFile);
      await withContext(async (ctx) => {
        const { createAccount } = await import('../services/accounts.js');
        const made = await createAccount(ctx, { username, email: options.email, isAdmin: options.admin ?? false, ...(password === undefined ? {} : { password }) });
        io.err(`The account ${made.account.username}@${ctx.config.domain} is there.${made.setPasswordLink ? ' With this link (once, for 72 hours) its owner chooses a web password:' : ''}\n`);
        print(options.json, { ...publicAccount(ctx, made.account), setPasswordLink: made.setPasswordLink }, () => (made.setPasswordLink ? `${made.setPasswordLink}\n` : ''));
      });
    });
  account
    .command('list')
    .description('all accounts')
    .addOption(json())
    .action((options: { json?: boolean }) =>
      withContext(async (ctx) => {
        const { listAccounts } = await import('../store/accounts.js');
        const rows = (await listAccounts(ctx.store)).map((row) => publicAccount(ctx, row));
        print(options.json, rows, () => columns(rows.map((row) => [row.username, row.state, row.isAdmin ? 'admin' : '', row.email, row.createdAt.slice(0, 10)])));
      }),
    );
  const accountAction = (name: string, description: string, done: string, work: (ctx: Context, found: Account) => Promise<unknown>) =>
    account
      .command(name)
      .description(description)
      .argument('<name>', 'username')
      .action((username: string) =>
        withContext(async (ctx) => {
          const found = await findAccountNamed(ctx, username);
          await work(ctx, found);
          io.err(`${found.username}: ${done}.\n`);
        }),
      );
  const services = () => import('../services/accounts.js');
  accountAction('suspend', 'end its sessions and logins; it exists for nobody until it is activated', 'suspended', async (ctx, found) => (await services()).suspendAccount(ctx, found));
  accountAction('activate', 'end a suspension, or confirm an account that waits for its mail', 'active', async (ctx, found) => (await services()).reactivateAccount(ctx, found));
  accountAction('promote', 'make it an operator, who sees /admin on the web', 'an operator', async (ctx, found) => (await services()).setAdmin(ctx, found, true));
  accountAction('demote', 'it is no operator any more', 'no operator any more', async (ctx, found) => (await services()).setAdmin(ctx, found, false));
  accountAction('delete', 'close it for good; the name stays taken', 'deleted', async (ctx, found) => (await services()).closeAccount(ctx, found));

  const appPassword = program.command('app-password').description('passwords for chat apps and the API');
  appPassword
    .command('create')
    .description('make one, and print it; nobody can show it again')
    .argument('<name>', 'username')
    .requiredOption('--label <label>', 'what it is for, such as "Phone"')
    .addOption(json())
    .action((username: string, options: { label: string; json?: boolean }) =>
      withContext(async (ctx) => {
        const { createAppPassword } = await import('../services/app-passwords.js');
        const found = await findAccountNamed(ctx, username);
        if (found.state !== 'active') io.err(`The account ${found.username} is ${found.state}: nothing can log in with it.\n`);
        const { row, password } = await createAppPassword(ctx, found, options.label);
        print(options.json, { id: row.id, label: row.label, password }, () => `${password}\n`);
      }),
    );
  appPassword
    .command('list')
    .description('those in use')
    .argument('<name>', 'username')
    .addOption(json())
    .action((username: string, options: { json?: boolean }) =>
      withContext(async (ctx) => {
        const { listAppPasswords } = await import('../services/app-passwords.js');
        const rows = (await listAppPasswords(ctx, await findAccountNamed(ctx, username))).map((row) => ({
          id: row.id,
          label: row.label,
          createdAt: new Date(row.createdAt).toISOString(),
          lastUsedDay: row.lastUsedDay === null ? null : day(row.lastUsedDay),
          lastUsedBy: row.lastUsedBy,
        }));
        print(options.json, rows, () => columns(rows.map((row) => [String(row.id), row.label, `made ${row.createdAt.slice(0, 10)}`, row.lastUsedDay ? `used ${row.lastUsedDay} (${row.lastUsedBy})` : 'not used'])));
      }),
    );
  appPassword
    .command('revoke')
    .description('the next login with it fails')
    .argument('<name>', 'username')
    .argument('[id...]', 'as app-password list says', collectIds)
    .option('--all', 'every one of this account')
    .action((username: string, ids: number[] | undefined, options: { all?: boolean }, command: Command) => {
      if ((ids?.length ?? 0) > 0 === (options.all ?? false)) command.error('error: name the ids, or --all');
      return withContext(async (ctx) => {
        const { revokeAllAppPasswords, revokeAppPassword } = await import('../services/app-passwords.js');
        const found = await findAccountNamed(ctx, username);
        for (const id of ids ?? []) await revokeAppPassword(ctx, found, id);
        const count = options.all ? await revokeAllAppPasswords(ctx, found) : ids!.length;
        io.err(`Revoked: ${count}. Open chats of this account end within seconds, if the chat server can be told (docs/operating.md).\n`);
      });
    });

  const queue = program.command('queue').description('what waits to be done, by kind');
  queue.addOption(json()).action((options: { json?: boolean }) =>
    withContext(async (ctx) => {
      const { queueCounts } = await import('../store/jobs.js');
      const rows = await queueCounts(ctx.store, ctx.now());
      if (rows.length === 0) io.err('Nothing waits.\n');
      print(options.json, rows, () =>
        columns(rows.map((row) => [row.queue, row.kind, `waiting ${row.waiting}`, `running ${row.running}`, `failed ${row.failed}`, row.oldestAgeMs === 0 ? '' : `oldest ${duration(row.oldestAgeMs)}`])),
      );
    }),
  );
  queue
    .command('list')
    .description('each job; failed ones are those given up')
    .option('--failed', 'only those')
    .addOption(json())
    .action((_own: unknown, command: Command) =>
      withContext(async (ctx) => {
        const options = command.optsWithGlobals<{ failed?: boolean; json?: boolean }>();
        const { listJobs } = await import('../store/jobs.js');
        const rows = await listJobs(ctx.store, { failed: options.failed ?? false });
        if (rows.length === 0) io.err('None.\n');
        print(options.json, rows, () =>
          columns(rows.map((row) => [String(row.id), row.queue, row.kind, row.lane ?? '', `since ${new Date(row.createdAt).toISOString().slice(0, 19)}Z`, `tries ${row.attempts}`, row.lastError ?? ''])),
        );
      }),
    );
  queue
    .command('servers')
    .description('what waits for each server, and since when; what was given up; what is paused')
    .addOption(json())
    .action((_own: unknown, command: Command) =>
      withContext(async (ctx) => {
        const servers = await (await import('../services/queue.js')).readServers(ctx);
        if (servers.length === 0) io.err('Nothing waits.\n');
        const row = ({ host, protocol, waiting, failed, oldestAgeMs, tries, lastError, pausedSince }: (typeof servers)[number]) =>
          [host, protocol, `waiting ${waiting}`, `failed ${failed}`, oldestAgeMs === 0 ? '' : `oldest ${duration(oldestAgeMs)}`, `tries ${tries}`, pausedSince === null ? '' : `paused since ${day(pausedSince)}`, lastError ?? ''];
        print(command.optsWithGlobals<{ json?: boolean }>().json, servers, () => columns(servers.map(row)));
      }),
    );
  const serverOption = () => new Option('--server <host>', 'all for this server');
  /** Ids, or a server: one of them. */
  const idsOrServer = (ids: number[] | undefined, server: string | undefined, command: Command) => {
    if ((ids?.length ?? 0) > 0 === (server !== undefined)) command.error('error: name the ids, or --server');
  };
  queue
    .command('retry')
    .description('run failed jobs again; for a server also what waits, at once')
    .argument('[id...]', 'as queue list --failed says', collectIds)
    .addOption(serverOption())
    .action((ids: number[] | undefined, { server }: { server?: string }, command: Command) => {
      idsOrServer(ids, server, command);
      return withContext(async (ctx) => {
        const { retryJobs, retryServer } = await import('../services/queue.js');
        if (server !== undefined) io.err(`To be tried now: all that waits for ${server}, and ${await retryServer(ctx, server, 'command')} that failed.\n`);
        else {
          await checkAllMoved(ctx, ids!, (tx) => retryJobs(ctx, tx, ids!));
          io.err(`To be run again: ${ids!.join(', ')}.\n`);
        }
      });
    });
  queue
    .command('drop')
    .description('forget jobs; authors see that their posts were taken out of the queue')
    .argument('[id...]', 'as queue list --failed says', collectIds)
    .addOption(serverOption())
    .action((ids: number[] | undefined, { server }: { server?: string }, command: Command) => {
      idsOrServer(ids, server, command);
      return withContext(async (ctx) => {
        const { dropJobs, dropServer } = await import('../services/queue.js');
        if (server !== undefined) io.err(`Dropped for ${server}: ${await dropServer(ctx, server, 'command')}.\n`);
        else {
          await checkAllMoved(ctx, ids!, (tx) => dropJobs(ctx, tx, ids!));
          io.err(`Dropped: ${ids!.join(', ')}.\n`);
        }
      });
    });
  const pausing = (name: 'pause' | 'resume', description: string, done: (host: string) => string, already: (host: string) => string) =>
    queue
      .command(name)
      .description(description)
      .argument('<server>', 'its domain')
      .action((host: string) =>
        withContext(async (ctx) => {
          const { pauseServer, resumeServer } = await import('../services/queue.js');
          io.err(`${(await (name === 'pause' ? pauseServer : resumeServer)(ctx, host, 'command')) ? done(host) : already(host)}\n`);
        }),
      );
  pausing('pause', 'hold back what goes to a server; its age goes on', (host) => `Paused: what goes to ${host} waits.`, (host) => `${host} is paused already.`);
  pausing('resume', 'let it go out again', (host) => `Resumed: ${host}.`, (host) => `${host} is not paused.`);

  program
    .command('config')
    .description('the effective configuration, secrets hidden')
    .addOption(json())
    .action(async (options: { json?: boolean }) => {
      const values = (await import('../config.js')).describeConfig(await config());
      print(options.json, values, () => Object.entries(values).map(([key, value]) => `${key}=${value}\n`).join(''));
    });

  const snippet = program.command('snippet').description('configuration to paste, with the values of this installation; that for XMPP servers holds its secrets');
  for (const name of ['ejabberd', 'prosody'] as const) {
    snippet
      .command(name)
      .description(`for ${name}`)
      .action(async () => {
        const { SNIPPETS } = await import('./snippets.js');
        io.out(SNIPPETS[name](await config()));
      });
  }
  snippet
    .command('systemd')
    .description('for systemd')
    .option('--roles', 'a unit for each role, each as many processes as wanted; needs PostgreSQL')
    .action(async (options: { roles?: boolean }) => {
      const { SERVICE_SNIPPETS, systemdRoles } = await import('./service-snippets.js');
      io.out((options.roles ? systemdRoles : SERVICE_SNIPPETS.systemd)(await config(), io.directory));
    });
  snippet
    .command('nginx')
    .description('for nginx')
    .action(async () => {
      const { SERVICE_SNIPPETS } = await import('./service-snippets.js');
      io.out(SERVICE_SNIPPETS.nginx(await config()));
    });

  forEachCommand(program, (command) => command.exitOverride().configureOutput({ writeOut: io.out, writeErr: io.err }).allowExcessArguments(false));
  return program;
}

function forEachCommand(command: Command, work: (command: Command) => void): void {
  work(command);
  for (const child of command.commands) forEachCommand(child, work);
}

async function checkReady({ store }: Context): Promise<void> {
  if (await store.isNewer()) throw new Failure('The database was written by a newer version of diaspora-x: use that version.');
  if ((await store.pendingMigrations()).length > 0) throw new Failure('The database is not in the form that this version needs. Run: dx migrate');
}

/** All of the jobs, or none: a mistyped id must not go unnoticed. */
async function checkAllMoved(ctx: Context, ids: number[], work: (tx: Tx) => Promise<number>): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const count = await work(tx);
    if (count !== new Set(ids).size) throw new Failure(`Only ${count} of these ${ids.length} are there, so nothing was done: see dx queue list --failed.`);
  });
}

async function findAccountNamed(ctx: Context, username: string): Promise<Account> {
  const { findAccountByUsername } = await import('../store/accounts.js');
  const found = await findAccountByUsername(ctx.store, username.trim().toLowerCase().replace(`@${ctx.config.domain}`, ''));
  if (!found) throw new DomainError('not-found', `There is no account ${username}.`);
  return found;
}

/** The first line; a password in the arguments would be seen by every user of the machine. */
async function readPassword(io: Io, file: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  const { resolve } = await import('node:path');
  const text = await (file === '-' ? io.readStdin() : readFile(resolve(io.directory, file), 'utf8')).catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`The password cannot be read from ${file}: ${error.code ?? error.message}.`);
  });
  const password = text.split(/\r?\n/)[0]!;
  if (password === '') throw new Failure(`There is no password in the first line of ${file === '-' ? 'standard input' : file}.`);
  return password;
}

const publicAccount = (ctx: Context, { username, email, state, isAdmin, createdAt }: Account) => ({
  username,
  handle: `${username}@${ctx.config.domain}`,
  email,
  state,
  isAdmin,
  createdAt: new Date(createdAt).toISOString(),
});

function collectIds(text: string, earlier: number[] | undefined): number[] {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('An id is a number.');
  return [...(earlier ?? []), Number(text)];
}

function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (!match || Number(match[3]) < 1 || Number(match[3]) > 65_535) throw new InvalidArgumentError('Write HOST:PORT, for example 127.0.0.1:5222.');
  return { host: (match[1] ?? match[2])!, port: Number(match[3]) };
}

/** A database as copy-database has it: a plain path is an SQLite file. */
function parseDatabase(text: string): string {
  const isUrl = /^[a-z]+:/.test(text);
  if (isUrl && (!/^(sqlite:.+|postgres(ql)?:\/\/.+)$/.test(text) || text === 'sqlite::memory:' || (text.startsWith('postgres') && !URL.canParse(text)))) {
    throw new InvalidArgumentError('Write sqlite:FILE or postgres://USER@HOST/DATABASE.');
  }
  return isUrl ? text : `sqlite:${text}`;
}

/** SQLite's file as seen from there. */
const absolute = (url: string, directory: string): string => (url.startsWith('sqlite:') ? `sqlite:${resolve(directory, url.slice('sqlite:'.length))}` : url);

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const duration = (ms: number): string => (ms < 90_000 ? `${Math.round(ms / 1000)} s` : ms < 5_400_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`);

/** Rows as aligned columns, a line each. */
function columns(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]!.length)));
  return rows.map((row) => `${row.map((cell, index) => cell.padEnd(widths[index]!)).join('  ').trimEnd()}\n`).join('');
}
