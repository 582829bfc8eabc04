// A throw-away PostgreSQL. Tests write `const url = await createDatabase()` and get a fresh, empty database; the one
// cluster of the test run is started by the first test that asks (broker.ts) and thrown away at the end.
// `await postgresIsInstalled()` says whether there is one; `npm test` installs it.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { ask } from './broker-client.js';
import { Daemon, freePort, isRoot, removeFolder, temporaryFolder } from './daemon.js';

const run = promisify(execFile);

/** PostgreSQL refuses to run as root. */
const USER = 'postgres';

/** The folder with initdb and postgres of the newest version that is installed. */
function binaries(): string | undefined {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => path.join(root, version, 'bin')).find((bin) => existsSync(path.join(bin, 'initdb')));
}

/** True when PostgreSQL's server is installed. */
export const postgresIsInstalled = (): boolean => binaries() !== undefined;

export interface PostgresServer {
  /** postgres:// URL of the maintenance database, as superuser. */
  url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** Kills it and removes its data, but those in a folder that was given. */
  destroy(): Promise<void>;
}

/**
 * Starts a PostgreSQL cluster of its own on a free loopback port.
 * @param options.fsync false is faster and loses data in a crash
 * @param options.sharedBuffers PostgreSQL's own default is 128MB; tests have less, for several run at once
 * @param options.folder keeps the cluster there, and takes up the one that it finds; missing: a temporary one
 */
export async function startPostgres(options: { fsync?: boolean; folder?: string; sharedBuffers?: string } = {}): Promise<PostgresServer> {
  const bin = binaries();
  if (!bin) throw new Error('PostgreSQL is not installed: run npm test once, or apt-get install postgresql.');
  const folder = options.folder ?? (await temporaryFolder('postgres'));
  const data = path.join(folder, 'data');
  if (!existsSync(path.join(data, 'PG_VERSION'))) {
    await mkdir(data, { recursive: true, mode: 0o700 });
    if (isRoot) {
      const [uid, gid] = await Promise.all(['-u', '-g'].map(async (flag) => Number((await run('id', [flag, USER])).stdout)));
      for (const owned of [folder, data]) await chown(owned, uid as number, gid as number);
    }
    const credentials = isRoot ? ['--reuid', USER, '--regid', USER, '--init-groups'] : ['--'];
    await run(
      'setpriv',
      [...credentials, path.join(bin, 'initdb'), '-D', data, '-U', 'dx', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--lc-collate=C', '--no-sync'],
      { cwd: folder },
    );
  }

  const port = await freePort();
  const daemon = new Daemon({
    name: 'PostgreSQL',
    command: [
      path.join(bin, 'postgres'),
      ...['-D', data, '-k', folder, '-h', '127.0.0.1', '-p', String(port)],
      ...['-c', `fsync=${options.fsync === false ? 'off' : 'on'}`, '-c', 'max_connections=200', '-c', `shared_buffers=${options.sharedBuffers ?? '32MB'}`],
    ],
    cwd: folder,
    user: USER,
    logFile: path.join(folder, 'postgres.log'),
    ports: [{ host: '127.0.0.1', port }],
  });
  const url = `postgres://dx@127.0.0.1:${port}/postgres`;
  const start = async () => {
    await daemon.start();
    // The port is open some milliseconds before the server answers ("the database system is starting up").
    for (;;) {
      const client = new pg.Client({ connectionString: url });
      try {
        await client.connect();
        await client.end();
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== '57P03') throw error;
      }
    }
  };
  await start();
  return {
    url,
    start,
    // SIGINT ends connections, as Debian's unit does it; SIGTERM would wait for them.
    stop: () => daemon.stop(10_000, 'SIGINT'),
    kill: () => daemon.kill(),
    async destroy() {
      // SIGKILL to the postmaster would leave its children to end by themselves.
      await daemon.stop(1_000, 'SIGINT');
      if (options.folder === undefined) await removeFolder(folder);
    },
  };
}

/**
 * Makes a new, empty database in the test run's cluster.
 * @returns its postgres:// URL (no password: loopback, trust)
 */
export async function createDatabase(): Promise<string> {
  const { url } = await ask<{ url: string }>('postgres');
  const name = `dx_${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const database = new URL(url);
  database.pathname = `/${name}`;
  return database.href;
}
