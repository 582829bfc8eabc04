// A real Libervia 0.9 (Debian 12: libervia-backend, libervia-cli), run by hand: its backend on a session bus of its own, with configuration and data
// in one temporary folder. People use it by its command line, `libervia-cli`; up in about 3 s, a command takes about 1 s.
//
//   const libervia = await startLibervia({ 'chat.test': { host: '127.0.0.1', port: 5222 } });
//   const bob = await libervia.logIn('bob@chat.test', 'secret');
//   await bob.run(['blog', 'set', '-T', 'A title'], 'the **text**');
//   const event = await bob.event((item) => item.title === 'A title');
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PYTHON, PythonScript } from '../python.js';
import { Daemon, removeFolder, temporaryFolder } from './daemon.js';

/** It waits for ever where it does not find its bus. */
const COMMAND_WITHIN_MS = 25_000;

/** A post or comment as Libervia understands it (its "microblog data"). Times are seconds. */
export interface Microblog {
  id: string;
  atom_id: string;
  title?: string;
  content?: string;
  content_xhtml?: string;
  language?: string;
  tags: string[];
  published: number;
  updated: number;
  author: string;
  author_jid: string;
  /** The author in the entry is the publisher of the item. */
  author_jid_verified: boolean;
  comments: { uri: string; service: string; node: string }[];
}

type Line = { ready?: true; failed?: string; signal?: string; args?: unknown[] };

/** Someone who uses Libervia. */
export interface LiberviaUser {
  /** Bare JID. */
  jid: string;
  /**
   * Runs `libervia-cli` with these arguments and this profile.
   * @returns its standard output
   * @throws Error with its standard error, when it says that it failed
   */
  run(args: string[], input?: string): Promise<string>;
  /** `libervia-cli blog get`. */
  reads(service: string, options?: { node?: string; item?: string }): Promise<Microblog[]>;
  /** `libervia-cli blog edit`: `text` is what is left in the editor when it is closed. @returns what stood there when it was opened */
  edits(args: string[], text: string): Promise<string>;
  /** The next post, edit or retraction that arrives by itself. A retraction has nothing but its id. */
  event(from: string, type?: 'publish' | 'retract'): Promise<Microblog>;
  /** What has arrived from there that no `event` has taken, as its type and id. */
  unheard(from: string): string[];
  /** The text of the next chat message. */
  message(from: string): Promise<string>;
}

export interface Libervia {
  logIn(jid: string, password: string): Promise<LiberviaUser>;
  stop(): Promise<void>;
}

const BUS = (socket: string): string => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
`;

/** Shows what it was given, and leaves what it was told. */
const EDITOR = `#!/bin/sh
cat "$1" > "$EDITOR_FOUND"
printf '%s' "$EDITOR_LEAVES" > "$1"
`;

/**
 * @param hosts where the servers of the chat domains are
 * @throws Error with its log when it does not start
 */
export async function startLibervia(hosts: Record<string, { host: string; port: number }>): Promise<Libervia> {
  const folder = await temporaryFolder('libervia');
  const file = (name: string) => path.join(folder, name);
  await mkdir(file('config/libervia'), { recursive: true });
  await mkdir(file('run'), { mode: 0o700 });
  await writeFile(file('bus.conf'), BUS(file('bus')));
  await writeFile(file('editor'), EDITOR);
  await chmod(file('editor'), 0o755);
  // It would keep what it has read, and hear of news by its subscriptions, which need XEP-0376.
  const settings = { pubsub_cache_strategy: 'no_cache', local_dir: file('data'), pid_dir: folder, log_dir: folder, downloads_dir: file('downloads'), hosts_dict: JSON.stringify(hosts) };
  await writeFile(file('config/libervia/libervia.conf'), ['[DEFAULT]', ...Object.entries(settings).map(([key, value]) => `${key} = ${value}`), ''].join('\n'));
  // Nothing of the user who runs the tests: no home, no settings, no bus.
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    HOME: folder,
    XDG_CONFIG_HOME: file('config'),
    XDG_CONFIG_DIRS: file('none'),
    XDG_DATA_HOME: file('share'),
    XDG_CACHE_HOME: file('cache'),
    XDG_RUNTIME_DIR: file('run'),
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${file('bus')}`,
    EDITOR: file('editor'),
    EDITOR_FOUND: file('found'),
  };

  const bus = new Daemon({ name: 'dbus-daemon', command: ['dbus-daemon', `--config-file=${file('bus.conf')}`, '--nofork', '--nopidfile'], env, cwd: folder, logFile: file('bus.log'), ports: [{ path: file('bus') }] });
  // It opens no port; that it is ready is heard on the bus.
  const backend = new Daemon({ name: 'Libervia', command: [PYTHON, '/usr/bin/libervia-backend', 'fg'], env, cwd: folder, logFile: file('backend.log'), ports: [] });
  await bus.start();
  const signals = new PythonScript<Line>(path.join(import.meta.dirname, 'libervia.py'), env);
  const stop = async () => {
    await signals.kill();
    await backend.stop();
    await bus.stop();
    await removeFolder(folder);
  };
  try {
    await backend.start();
    const { failed } = await signals.says((line) => line.ready !== undefined || line.failed !== undefined, 'that Libervia is ready', 30_000);
    if (failed) throw new Error(failed);
  } catch (error) {
    const log = await backend.log();
    await stop();
    throw new Error(`Libervia did not start: ${error}\n${log}`);
  }

  const command = (args: string[], input = '', more: NodeJS.ProcessEnv = {}): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = execFile('setpriv', ['--pdeathsig', 'KILL', PYTHON, '/usr/bin/libervia-cli', ...args], { cwd: folder, env: { ...env, ...more }, timeout: COMMAND_WITHIN_MS }, (error, stdout, stderr) =>
        error ? reject(new Error(`libervia-cli ${args.join(' ')} failed (${error.code ?? error.signal}):\n${stdout}${stderr}`)) : resolve(stdout),
      );
      child.stdin!.end(input);
    });

  const logIn = async (jid: string, password: string): Promise<LiberviaUser> => {
    await command(['profile', 'create', jid, '-p', '', '-j', jid, '-x', password]);
    // There is no TLS in tests.
    await command(['param', 'set', 'Connection', 'check_certificate', 'false', '-p', jid]);
    await command(['profile', 'connect', '-p', jid, '--connect']);
    const run = (args: string[], input?: string, more?: NodeJS.ProcessEnv) => command([...args, '-p', jid], input, more);
    /** What the backend tells the frontends of this profile. */
    const signal = async (name: string, fits: (args: unknown[]) => boolean, what: string): Promise<unknown[]> =>
      (await signals.says((line) => line.signal === name && line.args!.at(-1) === jid && fits(line.args!), what)).args!;
    return {
      jid,
      run,
      async reads(service, { node = 'urn:xmpp:microblog:0', item } = {}) {
        const [found] = JSON.parse(await run(['blog', 'get', '-s', service, '-n', node, ...(item ? ['-i', item] : []), '-O', 'json'])) as [Microblog[]];
        return found;
      },
      async edits(args, text) {
        await run(['blog', 'edit', ...args], '', { EDITOR_LEAVES: text });
        return readFile(file('found'), 'utf8');
      },
      async event(from, type = 'publish') {
        // category, service, node, type, data, profile
        const args = await signal('psEvent', ([category, service, , event]) => category === 'MICROBLOG' && service === from && event === type, `${type} from ${from} to ${jid}`);
        return JSON.parse(args[4] as string) as Microblog;
      },
      unheard: (from) =>
        signals.unread.filter(({ signal, args }) => signal === 'psEvent' && args![1] === from && args!.at(-1) === jid).map(({ args }) => `${args![3]} ${(JSON.parse(args![4] as string) as Microblog).id}`),
      async message(from) {
        // uid, timestamp, from, to, texts by language, …, profile
        const args = await signal('messageNew', ([, , sender]) => (sender as string).split('/')[0] === from, `a message from ${from} to ${jid}`);
        return Object.values(args[4] as Record<string, string>).join('\n');
      },
    };
  };
  return { logIn, stop };
}
