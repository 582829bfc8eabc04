// `dx doctor`: one check after another, each with what to do about it. Nothing it does stays: its account, session row and connections go again.
import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, stat } from 'node:fs/promises';
import type { Config } from '../config.js';
import { createLog } from '../log.js';
import type { Context } from '../services/context.js';
import { at, bad, type Check, isLoopback, ok, reachable, said, warn } from './checks.js';
import { checkChat, checkFanOut, type ChatProbe } from './doctor-chat.js';
import { probeComponent } from './xmpp-probe.js';

export type { Check };

const TIMEOUT_MS = 4_000;
/** A commit that takes longer makes posting slow. */
const SLOW_COMMIT_MS = 40;

/** What the running service says of itself, or null when none runs here. */
interface Service {
  /** null: another process has the connection (dx connector). */
  component: { ok: boolean; text: string } | null;
}

/**
 * Checks a whole installation, whether its service runs or not.
 * @param options.chatServer where clients of the chat domain connect; else the private Prosody, or what DNS says
 * @param options.ejabberd where ejabberd's files and doors are, if not where Debian has them
 */
export async function examine(config: Config, options: ChatProbe = {}): Promise<Check[]> {
  const checks: Check[] = [checkConfig(config), await checkStateDir(config)];
  const { opened, checks: found } = await checkDatabase(config);
  checks.push(...found);
  try {
    const service = await findService(config);
    checks.push(
      service
        ? ok('service', `It runs, and answers on ${at(config.listen)}.`)
        : warn('service', `Nothing answers on ${at(config.listen)}: diaspora-x does not run.`, 'Start it (dx serve), then run dx doctor again: what others see can be checked only then.'),
    );
    if (opened) checks.push(await checkPictures(opened.ctx));
    checks.push(await checkComponent(config, service, opened?.ctx ?? null));
    checks.push(await checkAuthEndpoint(config, service));
    const chatServer = options.chatServer ?? ((await hasPrivateProsody(config)) ? { host: '127.0.0.1', port: config.xmppPort } : undefined);
    checks.push(...(await checkChat(config, opened?.ctx ?? null, service !== null, { ...options, ...(chatServer ? { chatServer } : {}) })));
    if (opened && config.component) checks.push(await checkFanOut(opened.ctx, config));
    checks.push(await checkPublicUrl(config, service), await checkMailing(config));
  } finally {
    await opened?.close();
  }
  return checks;
}

/** A line a check, and under it what to do. */
export function formatChecks(checks: Check[]): string {
  const marks = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' };
  const lines = checks.flatMap(({ name, state, text, remedy }) => [`${marks[state]}  ${name}: ${text}`, ...(remedy ? [`        ${remedy}`] : [])]);
  const count = (state: Check['state']) => checks.filter((check) => check.state === state).length;
  return `${lines.join('\n')}\n\n${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed\n`;
}

function checkConfig(config: Config): Check {
  const url = new URL(config.publicUrl);
  if (url.protocol !== 'https:' && !isLoopback(url.hostname)) {
    return warn('configuration', `DX_PUBLIC_URL is ${config.publicUrl}: passwords and cookies would travel openly.`, 'Put a proxy with TLS before it and write https:// there.');
  }
  if (!isLoopback(url.hostname) && url.hostname !== config.domain) {
    return warn('configuration', `DX_PUBLIC_URL is on ${url.hostname}, but handles end in ${config.domain}.`, `Other servers look for people on https://${config.domain}: serve the web site there.`);
  }
  if (config.registration === 'approval' || config.registration === 'invite') {
    return warn('configuration', `DX_REGISTRATION is ${config.registration}, which this version does not have yet: nobody can sign up.`, 'Write open or closed, and make accounts with dx account create.');
  }
  return ok('configuration', `${config.domain}${config.chatDomain ? `, chat domain ${config.chatDomain}` : ', no chat domain'}, ${config.publicUrl}`);
}

async function checkStateDir({ stateDir }: Config): Promise<Check> {
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await access(stateDir, constants.R_OK | constants.W_OK | constants.X_OK);
    const { mode } = await stat(stateDir);
    if (mode & 0o007) return warn('state folder', `${stateDir} can be entered by every user of this machine.`, `chmod o-rwx ${stateDir}`);
    return ok('state folder', stateDir);
  } catch (error) {
    return bad('state folder', `${stateDir} cannot be written (${said(error)}).`, 'Give it to the user that runs diaspora-x, or set DX_STATE_DIR to another folder.');
  }
}

async function checkDatabase(config: Config): Promise<{ opened: { ctx: Context; close(): Promise<void> } | null; checks: Check[] }> {
  const kind = config.databaseUrl.startsWith('sqlite:') ? 'SQLite' : 'PostgreSQL';
  const { openContext } = await import('./context.js');
  let opened: Awaited<ReturnType<typeof openContext>>;
  try {
    opened = await openContext(config, { log: createLog('silent') });
    await opened.ctx.store.ping();
  } catch (error) {
    const remedy = kind === 'SQLite' ? 'Look at the folder and the rights of the file in DX_DATABASE_URL.' : 'Is PostgreSQL running, and are host, user and password in DX_DATABASE_URL right?';
    return { opened: null, checks: [bad('database', `${kind} does not answer (${said(error)}).`, remedy)] };
  }
  const { ctx, close } = opened;
  if (await ctx.store.isNewer()) {
    await close();
    return { opened: null, checks: [bad('migrations', 'The database was written by a newer version.', 'Start that version again, or restore a backup from before the upgrade.')] };
  }
  const pending = await ctx.store.pendingMigrations();
  if (pending.length > 0) {
    await close();
    return {
      opened: null,
      checks: [ok('database', `${kind} answers.`), warn('migrations', `${pending.length} waiting (${pending[0]}${pending.length > 1 ? ', …' : ''}).`, 'dx migrate, or dx serve, which does it at start.')],
    };
  }
  const ms = await commitTime(ctx);
  const text = `${kind} answers; a commit takes ${ms.toFixed(1)} ms.`;
  const database = ms > SLOW_COMMIT_MS ? warn('database', text, 'That is slow: is the disk busy, or a network folder?') : ok('database', text);
  return { opened, checks: [database, ok('migrations', 'None is waiting.')] };
}

async function checkPictures(ctx: Context): Promise<Check> {
  const { countPictures } = await import('../services/media.js');
  const { total, missing } = await countPictures(ctx);
  if (missing.length === 0) return ok('pictures', total === 0 ? 'Nobody has one yet.' : `${total}, and the files of all of them are there.`);
  return bad(
    'pictures',
    `${missing.length} of ${total} are missing, such as ${missing[0]}.`,
    'Bring the folder media back from a backup; several processes must share it (DX_STATE_DIR). What is lost for good, people choose anew.',
  );
}

/** The median of five real commits, of a row that nobody has. */
async function commitTime({ store }: Context): Promise<number> {
  const { writeSession, deleteSession } = await import('../store/sessions.js');
  const idHash = `doctor-${randomBytes(8).toString('hex')}`;
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const started = performance.now();
    await store.transaction((tx) => writeSession(tx, { idHash, accountId: null, data: String(round), expiresAt: 0 }));
    times.push(performance.now() - started);
  }
  await store.transaction((tx) => deleteSession(tx, idHash));
  return times.sort((a, b) => a - b)[2]!;
}

async function findService({ listen }: Config): Promise<Service | null> {
  try {
    const response = await fetch(`http://${at(reachable(listen))}/readyz`, { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const report = (await response.json()) as { parts?: Record<string, { ok: boolean; text: string } | undefined> };
    return report.parts ? { component: report.parts.component ?? null } : null;
  } catch {
    return null; // nothing there, or another program
  }
}

async function checkComponent(config: Config, service: Service | null, ctx: Context | null): Promise<Check> {
  const name = 'XMPP component';
  if (!config.component) return warn(name, 'No XMPP server is set: posts stay on the web.', 'dx snippet prosody (or ejabberd) prints both sides of the configuration; npm start runs a private Prosody.');
  const where = `${config.domain} on ${at(config.component)}`;
  // A second connection under our name would take half of the stanzas (ejabberd), so the service's own word counts while it runs.
  if (service?.component) {
    const { ok: isWell, text } = service.component;
    return isWell ? ok(name, `${where}: the service ${text === 'connected' ? 'is connected' : text}.`) : bad(name, `${where}: the service is not connected. ${text}`, 'Stop the service and run dx doctor again: it then tries the connection itself.');
  }
  const { findHolder, CONNECTOR_LEASE } = await import('../store/lease.js');
  const holder = ctx && (await findHolder(ctx.store, CONNECTOR_LEASE));
  if (holder !== null) return ok(name, `${where}: left to ${holder}, the connector. Whether it is connected, it says itself: /readyz at its DX_METRICS_LISTEN.`);
  try {
    const answer = await probeComponent(config.component, config.domain, config.component.secret);
    const known: Record<string, Check> = {
      accepted: service ? warn(name, `${where}: it lets us in, but no connector runs: posts wait.`, 'Start one (dx connector).') : ok(name, `${where}: it lets us in.`),
      'not-authorized': bad(
        name,
        `${where}: wrong secret.`,
        // COMPAT ejabberd 23.01: it says the same when it has no component of this name.
        'DX_COMPONENT_SECRET and the secret in the configuration of the XMPP server must be the same, and ejabberd must have a component of this name; restart that server after a change.',
      ),
      conflict: bad(name, `${where}: another component is connected under this name.`, 'Is diaspora-x running twice, or elsewhere? Stop one of them.'),
      'host-unknown': bad(name, `${where}: the server has no component of this name.`, 'Add it there (dx snippet prints the lines) and restart that server; or mend DX_DOMAIN.'),
    };
    return known[answer] ?? bad(name, `${where}: it answered "${answer}".`, 'Look into the log of the XMPP server.');
  } catch (error) {
    return bad(name, `${where}: not reachable (${said(error)}).`, 'Is the XMPP server running, does it listen for components there, and is DX_COMPONENT_URL right?');
  }
}

async function checkAuthEndpoint(config: Config, service: Service | null): Promise<Check> {
  const name = 'auth endpoint';
  if (config.chatDomain === '') return ok(name, 'Not needed: DX_CHAT_DOMAIN is empty.');
  const where = at(config.authListen);
  try {
    const response = await fetch(`http://${at(reachable(config.authListen))}/auth/user_exists`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`dx:${config.authSecret}`).toString('base64')}` },
      body: new URLSearchParams({ user: '-', server: config.chatDomain }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.status === 401) return bad(name, `${where} refuses our secret.`, 'The service that runs has another DX_AUTH_SECRET: restart it, and see that this command reads the same configuration.');
    if (response.status !== 200 || (await response.text()) !== 'false') return bad(name, `${where} is answered by another program.`, 'Stop that program, or set DX_AUTH_LISTEN to another HOST:PORT.');
    if (!isLoopback(config.authListen.host)) return warn(name, `It answers on ${where}, which is not loopback.`, 'Whoever reaches it can try passwords: shield it by a firewall, or set DX_AUTH_LISTEN to 127.0.0.1.');
    return ok(name, `It answers on ${where}.`);
  } catch (error) {
    return (service ? bad : warn)(name, `${where} does not answer (${said(error)}).`, 'Start the service (dx serve); nobody can log in to chat without it.');
  }
}

/** Runs the component on the Prosody of `npm start`? */
async function hasPrivateProsody({ stateDir, component }: Config): Promise<boolean> {
  const { readFile } = await import('node:fs/promises');
  const kept = await readFile(`${stateDir}/prosody/component-url`, 'utf8').catch(() => '');
  return component !== null && kept.trim() === `xmpp://${at(component)}`;
}

async function checkPublicUrl({ publicUrl }: Config, service: Service | null): Promise<Check> {
  const name = 'public address';
  try {
    const response = await fetch(`${publicUrl}/healthz`, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'manual' });
    if (response.ok) return ok(name, `${publicUrl} answers.`);
    return bad(name, `${publicUrl}/healthz answers with status ${response.status}.`, 'Does the proxy pass all paths of this domain on to DX_LISTEN?');
  } catch (error) {
    return (service ? bad : warn)(name, `${publicUrl} is not reachable from here (${said(error)}).`, service ? 'Look at DNS, the proxy and its certificate; or mend DX_PUBLIC_URL.' : 'Start the service (dx serve).');
  }
}

async function checkMailing(config: Config): Promise<Check> {
  const name = 'mail';
  const isFile = config.mailUrl.startsWith('file:');
  try {
    const { checkMail } = await import('../services/mail.js');
    await checkMail(config);
    if (!isFile) return ok(name, 'The mail server lets us in.');
    const text = `Mails become files in ${config.mailUrl.slice('file:'.length)}.`;
    return isLoopback(new URL(config.publicUrl).hostname) ? ok(name, text) : warn(name, text, 'Nobody gets them: set DX_MAIL_URL=smtp://USER:PASSWORD@HOST.');
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return bad(name, `Mail cannot be sent (${text}).`, isFile ? 'Give that folder to the user that runs diaspora-x.' : 'Look at DX_MAIL_URL: host, port, user and password.');
  }
}
