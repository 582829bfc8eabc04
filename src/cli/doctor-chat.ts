// What `dx doctor` finds out about chat logins, from the chat server itself: as a chat app, as its authentication program, and as a stranger at its doors.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Config, HostPort } from '../config.js';
import type { Account } from '../domain/account.js';
import type { Context } from '../services/context.js';
import { at, bad, type Check, isLoopback, ok, said, warn } from './checks.js';
import { checkSessionsEnd } from './doctor-sessions.js';
import { EJABBERD_FILES, ejabberdProgram } from './snippets.js';
import { chatServerOf, type LoginReport, probeLogin } from './xmpp-probe.js';

export interface ChatProbe {
  /** Where clients connect; else what DNS says of the chat domain. */
  chatServer?: HostPort;
  ejabberd?: Partial<typeof EJABBERD_FILES> & {
    /** The user it runs as. */
    user?: string;
    /** Addresses at which strangers would reach it. */
    addresses?: string[];
    /** Where its web and MQTT listeners are by default. */
    httpPorts?: number[];
    mqttPorts?: number[];
  };
}

const SLOW_LOGIN_MS = 2_000;
const DOOR_MS = 2_000;
const PROGRAM_MS = 5_000;
const HTTP_PORTS = [5280, 5443];
const MQTT_PORTS = [1883];

/** All checks of chat logins; none of them leaves anything behind. */
export async function checkChat(config: Config, ctx: Context | null, isServing: boolean, options: ChatProbe): Promise<Check[]> {
  const name = 'chat login';
  const { chatDomain } = config;
  if (chatDomain === '') return [ok(name, 'Not needed: DX_CHAT_DOMAIN is empty.')];
  if (!ctx) return [warn(name, 'Not tried, because the database is not ready.', 'Mend that first.')];
  if (!isServing) return [warn(name, 'Not tried, because diaspora-x does not run.', 'dx serve')];
  const server = options.chatServer ?? (await chatServerOf(chatDomain));
  return withThrowAway(ctx, async (account, passwords) => {
    const checks: Check[] = [];
    let isEjabberd = false;
    let isIn = false;
    try {
      const report = await checkLogin(config, ctx, server, account, passwords, checks);
      isIn = report.outcome === 'in';
      isEjabberd = /process-one\.net/.test(report.software);
    } catch (error) {
      checks.push(bad(name, `${chatDomain} on ${at(server)}: ${said(error)}.`, 'Is the chat server running? If its clients connect elsewhere, say so with --chat-server HOST:PORT.'));
    }
    checks.push(...(await checkSessionsEnd(config, ctx, server, account.username, isIn ? passwords[1].password : null, isEjabberd)));
    checks.push(...(await checkProgram(config, account.username, passwords[1].password, options)));
    if (isEjabberd) checks.push(...(await checkDoors(server, options)));
    return checks;
  });
}

interface Fresh {
  id: number;
  password: string;
}

/** An account and two app passwords that live for the length of the checks. */
async function withThrowAway<T>(ctx: Context, work: (account: Account, passwords: [Fresh, Fresh]) => Promise<T>): Promise<T> {
  const [{ createAccount }, { createAppPassword }, { deleteAccount }] = await Promise.all([
    import('../services/accounts.js'),
    import('../services/app-passwords.js'),
    import('../store/accounts.js'),
  ]);
  const username = `doctor-${randomBytes(6).toString('hex')}`;
  const { account } = await createAccount(ctx, { username, email: `${username}@none.invalid` });
  try {
    const fresh = async (label: string): Promise<Fresh> => {
      const { row, password } = await createAppPassword(ctx, account, label);
      return { id: row.id, password };
    };
    return await work(account, [await fresh('dx doctor'), await fresh('dx doctor, the other')]);
  } finally {
    await ctx.store.transaction((tx) => deleteAccount(tx, account.id));
  }
}

/** Logs in as a chat app does, with both passwords by turns, with a wrong one, and with one that was revoked a moment ago. */
async function checkLogin(config: Config, ctx: Context, server: HostPort, account: Account, [first, second]: [Fresh, Fresh], checks: Check[]): Promise<LoginReport> {
  const name = 'chat login';
  const where = `${config.chatDomain} on ${at(server)}`;
  const tryWith = (password: string) => probeLogin(server, config.chatDomain, account.username, password);
  const report = await probeLogin(server, config.chatDomain, account.username, first.password, { askMulticast: true });
  checks.push(checkEncryption(config, server, where, report));
  checks.push(
    report.mechanisms.includes('X-OAUTH2')
      ? bad('chat mechanisms', `${where} offers X-OAUTH2, which goes past app passwords.`, 'ejabberd: disable_sasl_mechanisms: ["X-OAUTH2", "DIGEST-MD5"], then restart it.')
      : ok('chat mechanisms', `${where} offers ${report.mechanisms.join(', ') || 'none'}; X-OAUTH2 is off.`),
  );
  if (report.outcome === 'no-plain') {
    checks.push(bad(name, `${where} does not offer PLAIN (it offers: ${report.detail}).`, 'It does not ask diaspora-x for logins yet: see dx snippet prosody (or ejabberd).'));
    return report;
  }
  if (report.outcome !== 'in') {
    checks.push(
      bad(
        name,
        `${where} refused a fresh app password (${report.detail}).`,
        'It does not ask diaspora-x, or with another secret: compare with dx snippet prosody (or ejabberd), and look into its log. If its accounts are its own, set DX_CHAT_DOMAIN= (empty).',
      ),
    );
    return report;
  }
  const wrong = await tryWith(first.password.replace(/^./, (letter) => (letter === 'a' ? 'b' : 'a')));
  if (wrong.outcome === 'in') {
    checks.push(bad(name, `${where} lets a wrong password in.`, 'It does not ask diaspora-x: see dx snippet. Until that is mended set DX_CHAT_DOMAIN= (empty), for anyone may act for anyone.'));
    return report;
  }
  const text = `${where}: a fresh app password logs in (${report.tookMs} ms), a wrong one does not.`;
  checks.push(report.tookMs > SLOW_LOGIN_MS ? warn(name, text, 'That is slow: is the machine busy?') : ok(name, text));
  checks.push(await checkCache(ctx, where, account, tryWith, [first, second]));
  checks.push(checkMulticast(config, where, report));
  return report;
}

/** Without it everything arrives, but later (docs/performance.md, "One post to many"). Whether it takes what comes from us is seen when it refuses: that is logged. */
function checkMulticast({ chatDomain }: Config, where: string, { multicast, software }: LoginReport): Check {
  const name = 'chat fan-out';
  if (multicast) return ok(name, `${where} multiplies a post that goes to many of its accounts (XEP-0033).`);
  const [server, module] = /process-one\.net/.test(software) ? ['ejabberd', 'mod_multicast'] : ['prosody', 'mod_diaspora_x_fanout'];
  return warn(
    name,
    `${where} does not multiply posts (XEP-0033): each follower there gets a stanza of his own. With it a post is with 500 of them in about half the time, or less.`,
    `Add ${module} for ${chatDomain}: dx snippet ${server} prints how.`,
  );
}

/** The same for the hosts of followers, whose servers we cannot ask from here: what the connector has learned of them. `checkMulticast` tells of the chat domain. */
export async function checkFanOut({ store }: Context, { chatDomain }: Config): Promise<Check> {
  const name = 'fan-out';
  const [{ listHostsOfMany }, { readMulticast }, { MANY }, { FEED_NODES }] = await Promise.all([
    import('../store/xmpp.js'),
    import('../store/limits.js'),
    import('../xmpp/multicast.js'),
    import('../xmpp/pubsub/rules.js'),
  ]);
  const most = (await listHostsOfMany(store, { nodes: FEED_NODES, least: MANY, limit: 4 })).filter(({ host }) => host !== chatDomain).slice(0, 3);
  const hosts = await Promise.all(most.map(async ({ host, followers }) => ({ says: `${host} (${followers} followers of one person)`, multiplies: await readMulticast(store, host) })));
  const those = (multiplies: boolean | null) => hosts.filter((host) => host.multiplies === multiplies).map(({ says }) => says).join(', ');
  if (hosts.length === 0) return ok(name, `Nobody has ${MANY} followers or more on one other server: nothing to gain.`);
  const known = those(true) === '' ? '' : ` Multiplied (XEP-0033): ${those(true)}.`;
  const unknown = those(null) === '' ? '' : ` Not known before the next post to them: ${those(null)}.`;
  if (those(false) === '') return ok(name, `Servers with most followers.${known}${unknown}`);
  return warn(
    name,
    `Each follower gets a stanza of his own, because these servers do not multiply posts (XEP-0033), or not ours: ${those(false)}. With it a post is with 500 of them in about half the time, or less.${known}${unknown}`,
    'Where the server is yours, add mod_multicast (ejabberd) or mod_diaspora_x_fanout (Prosody) for that host: dx snippet prints how. Where it is not, only its operator can.',
  );
}

function checkEncryption(config: Config, server: HostPort, where: string, report: LoginReport): Check {
  const name = 'chat encryption';
  const remedy = 'Prosody: c2s_require_encryption = true. ejabberd: starttls_required: true.';
  if (report.plainWithoutTls) {
    if (!isLoopback(server.host)) return bad(name, `${where} takes passwords without encryption.`, remedy);
    // From here one cannot see what it does elsewhere.
    if (isLoopback(config.chatDomain)) return ok(name, `${where} takes passwords without encryption, on this machine.`);
    return warn(name, `${where} takes passwords without encryption on this machine; whether it does elsewhere cannot be seen from here.`, `${remedy} Or name its public address: dx doctor --chat-server HOST:PORT.`);
  }
  if (report.certificateFault && !isLoopback(server.host)) {
    return warn(name, `The certificate of ${where} is not trusted: ${report.certificateFault}.`, 'Chat apps will warn or refuse: get a certificate for this domain.');
  }
  return ok(name, report.encrypted ? `${where} takes passwords by TLS only.` : `${where} takes no password without encryption.`);
}

/** Two passwords of one account by turns, then one of them is revoked: does the server ask each time? */
async function checkCache(ctx: Context, where: string, account: Account, tryWith: (password: string) => Promise<LoginReport>, [first, second]: [Fresh, Fresh]): Promise<Check> {
  const name = 'chat cache';
  const remedy = 'ejabberd: auth_use_cache: false in the host_config of this domain, then restart it. Another server: switch off whatever keeps answers of its authentication.';
  for (const { password } of [second, first]) {
    const report = await tryWith(password);
    if (report.outcome !== 'in') return bad(name, `${where} does not let two app passwords of one account in by turns (${report.detail}): it keeps what it heard.`, remedy);
  }
  const { revokeAppPassword } = await import('../services/app-passwords.js');
  await revokeAppPassword(ctx, account, first.id);
  if ((await tryWith(first.password)).outcome === 'in') return bad(name, `${where} lets a revoked app password in: it keeps what it heard.`, remedy);
  if ((await tryWith(second.password)).outcome !== 'in') return bad(name, `${where} refuses an app password after another one was revoked.`, remedy);
  return ok(name, `${where} asks each time: a revoked app password fails at once, and the account's other one goes on.`);
}

/** Where the program that ejabberd starts is installed: does it start as ejabberd's user, and reach us? No line where ejabberd is not set up for it. */
async function checkProgram(config: Config, username: string, password: string, options: ChatProbe): Promise<Check[]> {
  const name = 'ejabberd program';
  const files = { ...EJABBERD_FILES, ...options.ejabberd };
  const user = options.ejabberd?.user ?? 'ejabberd';
  const look = (file: string) => stat(file).catch(({ code }: NodeJS.ErrnoException) => (code === 'EACCES' ? ('hidden' as const) : null));
  const [program, secret, snippet] = await Promise.all([look(files.program), look(files.secret), look(files.snippet)]);
  if (!program && !snippet && (!secret || secret === 'hidden')) return [];
  const install = 'docs/ejabberd.md, "Install", says how to put it there.';
  if (!program) return [bad(name, `${files.program} is not there.`, install)];
  if (!secret) return [bad(name, `${files.secret} is not there.`, install)];
  if (program === 'hidden' || secret === 'hidden') return [warn(name, `Not looked at, because the folder of ${program === 'hidden' ? files.program : files.secret} may not be entered.`, `Run dx doctor as root, or as ${user}.`)];
  const own = await userNamed(user);
  if (!own) return [warn(name, `There is no user ${user} here.`, 'Does ejabberd run on another machine? Run the check of docs/ejabberd.md, "When logins fail", there.')];
  const checks: Check[] = [];
  if (secret.mode & 0o004) checks.push(bad(name, `${files.secret} can be read by every user of this machine.`, `chgrp ${user} ${files.secret}; chmod 640 ${files.secret}`));
  if (program.mode & 0o022 || (program.uid !== 0 && program.uid === own.uid)) {
    checks.push(warn(name, `${files.program} can be changed by others than root.`, `chown root ${files.program}; chmod 644 ${files.program}`));
  }
  if (process.getuid?.() !== 0 && process.getuid?.() !== own.uid) {
    checks.push(warn(name, `Not started, because only root may start it as ${user}.`, `Run dx doctor as root, or as ${user}.`));
    return checks;
  }
  const command = (await commandIn(files.snippet)) ?? ejabberdProgram(config, files);
  const { answer, said: why } = await askProgram(command, `auth:${username}:${config.chatDomain}:${password}`, own);
  if (answer === 'yes') checks.push(ok(name, `It starts as ${user}, and lets a fresh app password in.`));
  else if (answer === 'no') checks.push(bad(name, `It starts as ${user}, but refuses a fresh app password${why ? `: ${why}` : ''}.`, 'docs/ejabberd.md, "When logins fail", has each of its messages.'));
  else checks.push(bad(name, `It does not start as ${user}: ${why}.`, `Node.js and ${files.program} must be where ${user} may run and read them, not below /home, /root or /tmp: ${install}`));
  const hidden = command.split(' ').find((word) => /^\/(home|root|tmp|var\/tmp)\//.test(word));
  if (hidden) checks.push(warn(name, `${hidden} is in a folder that Debian's unit of ejabberd hides.`, `${install} Node.js must be installed for all users (/usr/bin/node).`));
  return checks;
}

/** What ejabberd was told to start, or null. */
async function commandIn(snippet: string): Promise<string | null> {
  const text = await readFile(snippet, 'utf8').catch(() => '');
  return /^\s*extauth_program:\s*["']?([^"'\n]+?)["']?\s*$/m.exec(text)?.[1] ?? null;
}

async function userNamed(name: string): Promise<{ uid: number; gid: number } | null> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const [, , uid, gid] = passwd.split('\n').find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
  return uid === undefined ? null : { uid: Number(uid), gid: Number(gid) };
}

/** Asks the program one question as ejabberd does. @returns its answer, or why there is none; `said` is the last line it logged */
function askProgram(command: string, question: string, user: { uid: number; gid: number }): Promise<{ answer: 'yes' | 'no' | 'none'; said: string }> {
  const [program = '', ...args] = command.split(' ');
  const packet = Buffer.from(question);
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...(process.getuid?.() === 0 ? user : {}), cwd: '/', env: { PATH: '/usr/local/bin:/usr/bin:/bin' }, stdio: 'pipe' });
    let log = '';
    let heard = Buffer.alloc(0);
    const finish = (why = '') => {
      clearTimeout(late);
      child.kill();
      const answer = heard.length === 4 && heard.readUInt16BE(0) === 2 ? (heard[3] === 1 ? 'yes' : 'no') : 'none';
      resolve({ answer, said: log.trim().split('\n').at(-1)?.slice(0, 300) || (answer === 'none' ? why : '') });
    };
    const late = setTimeout(() => finish(`no answer within ${PROGRAM_MS / 1000} s`), PROGRAM_MS);
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk;
    });
    child.stdout.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      if (heard.length >= 4) finish();
    });
    child.stdin.on('error', () => {}); // it has ended: `close` says so
    child.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    child.on('close', (code) => finish(`it ended with code ${code}`));
    const length = Buffer.alloc(2);
    length.writeUInt16BE(packet.length);
    child.stdin.write(Buffer.concat([length, packet]));
  });
}

/** ejabberd's ways in, besides the one for clients, that let passwords of more than 64 KiB through: one of them stops all logins (docs/ejabberd.md). */
async function checkDoors(server: HostPort, { ejabberd = {} }: ChatProbe): Promise<Check[]> {
  const name = 'ejabberd doors';
  const addresses = ejabberd.addresses ?? (isLoopback(server.host) ? ownAddresses() : [server.host]);
  const open: string[] = [];
  for (const host of addresses) {
    for (const port of ejabberd.httpPorts ?? HTTP_PORTS) {
      for (const path of ['/ws', '/api']) if (await answersHttp({ host, port }, path)) open.push(`${path} on ${at({ host, port })}`);
    }
    for (const port of ejabberd.mqttPorts ?? MQTT_PORTS) if (await answersTcp({ host, port })) open.push(`MQTT on ${at({ host, port })}`);
  }
  if (open.length > 0) {
    return [
      bad(
        name,
        `Strangers can send passwords of more than 64 KiB there, and one of those stops all logins: ${open.join(', ')}.`,
        'ejabberd.yml: take mod_mqtt and the lines "/ws: ejabberd_http_ws" and "/api: mod_http_api" out of "listen", or bind them to 127.0.0.1, then restart it. docs/ejabberd.md tells why.',
      ),
    ];
  }
  return [ok(name, addresses.length === 0 ? 'Not looked at: this machine has no address but loopback.' : `Neither /ws, /api nor MQTT answers on ${addresses.join(', ')}.`)];
}

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, family, address }) => !internal && !(family === 'IPv6' && address.startsWith('fe80:')))
    .map(({ address }) => address);

const answersTcp = ({ host, port }: HostPort): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: DOOR_MS });
    const finish = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => finish(true)).once('error', () => finish(false)).once('timeout', () => finish(false));
  });

/** Is there anything under that path? ejabberd answers 404 where it has no handler. */
async function answersHttp(address: HostPort, path: string): Promise<boolean> {
  if (!(await answersTcp(address))) return false;
  const [{ request: byHttp }, { request: byHttps }] = await Promise.all([import('node:http'), import('node:https')]);
  const statusBy = (request: typeof byHttps, protocol: string) =>
    new Promise<number | null>((resolve) => {
      const url = `${protocol}://${at(address)}${path}`;
      const asking = request(url, { timeout: DOOR_MS, rejectUnauthorized: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? null);
      });
      asking.on('error', () => resolve(null)).on('timeout', () => asking.destroy());
      asking.end();
    });
  const status = (await statusBy(byHttp as typeof byHttps, 'http')) ?? (await statusBy(byHttps, 'https'));
  return status !== null && status !== 404;
}
