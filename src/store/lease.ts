// What only one process of an installation may do at a time, on PostgreSQL: an advisory lock, and a fence for the moment when it changes hands.
//
// The lock belongs to a connection of its own. PostgreSQL lets go of it when that connection ends, which its holder may learn later than others: so
// the holder may act only for LEASE_MS after it last asked successfully (`mayAct`), and whoever gets the lock waits as long before it acts. Not when
// the last holder has said good-bye (no row in `leases`), is this process itself, or ran on this machine and is dead.
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import pg from 'pg';
import type { Logger } from 'pino';
import type { Db } from './database.js';

/** Of the one process that is connected to the XMPP server. */
export const CONNECTOR_LEASE = 'connector';

const TIMING = {
  /** How long the holder may act without an answer from the database. */
  leaseMs: 6_000,
  /** How often it asks; whoever waits tries as often. */
  beatMs: 1_000,
  /** What clocks may differ in that time, and more. */
  marginMs: 500,
};
export type LeaseTiming = typeof TIMING;

/** The first half of the lock's key; any number, so long as no other program on this database takes it. */
const LOCK_CLASS = 4_471_864;
/** The server finds a holder whose machine is gone within half a minute, and not after two hours. (No effect on a local socket, which needs none.) */
const KEEPALIVE = '-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3';

export interface LeaseOptions {
  /** What the lease is for; a word. */
  name: string;
  log: Logger;
  /**
   * From now on we may act. @param first false: nobody else has held it since we did
   */
  onHeld(first: boolean): void;
  /** We may not act any more, from this moment on. */
  onLost(): void;
  timing?: Partial<LeaseTiming>;
}

export interface Lease {
  /** May we act at this very moment? */
  mayAct(): boolean;
  /** `asking`: the database has not answered yet, or not of late. `waiting`: another process has it, or had it a moment ago. */
  state(): 'asking' | 'waiting' | 'held';
  /** Who has it, as far as we know, in words for people; '' when nobody does. */
  holder(): string;
  /** Resolves once we hold it, or know that another process does. */
  known: Promise<void>;
  /** Lets go of it, in good order: whoever acts under it has ended before. */
  release(): Promise<void>;
}

/** Where process ids mean the same: this boot of this machine, this container. '' when that cannot be told. */
function place(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)}.${readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')}`;
  } catch {
    return ''; // not Linux
  }
}

/** HOST PID PLACE RANDOM: no two processes have the same. */
const newHolder = (): string => [hostname().replace(/\s/g, '-'), process.pid, place() || '-', randomBytes(4).toString('hex')].join(' ');

/** For people. */
const describeHolder = (holder: string): string => {
  const [host, pid] = holder.split(' ');
  return holder === '' ? '' : `process ${pid} on ${host}`;
};

/** Is it certain that this holder cannot act any more? */
function isDead(holder: string, of: string): boolean {
  const [host, pid, where] = holder.split(' ');
  const [ourHost, ourPid, ourPlace] = of.split(' ');
  if (host !== ourHost || where !== ourPlace || where === '-') return false;
  if (pid === ourPid) return true; // a process of our number has our number no longer
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/**
 * Who has a lease, as anybody may ask, in words for people: for a moment after it changed hands, who had it before. null: nobody, as on SQLite.
 * A row alone says nothing, because who was killed leaves it behind: the lock goes with its connection.
 */
export async function findHolder(db: Db, name: string): Promise<string | null> {
  if (db.dialect === 'sqlite') return null;
  // pg_locks shows the two halves of the key as unsigned numbers.
  const [lease] = await db.query<{ holder: string }>(
    `select l.holder from leases l join pg_locks k on k.classid = ? and k.objid::bigint = (hashtext(l.name)::bigint & 4294967295) and k.objsubid = 2
      where l.name = ? and k.locktype = 'advisory' and k.granted and k.database = (select oid from pg_database where datname = current_database())`,
    [LOCK_CLASS, name],
  );
  return lease ? describeHolder(lease.holder) : null;
}

/** Tries to get the lease, holds it while the database answers, and tries again when it was lost, until `release`. */
export function holdLease(databaseUrl: string, options: LeaseOptions): Lease {
  const { name, log } = options;
  const { leaseMs, beatMs, marginMs } = { ...TIMING, ...options.timing };
  const me = newHolder();
  let state: ReturnType<Lease['state']> = 'asking';
  let holder = '';
  /** By the monotonic clock, which a jump of the wall clock does not move. */
  let validUntil = 0;
  let client: pg.Client | null = null;
  let hasLock = false;
  /** Until then the last holder may act; null: we do not wait for it. */
  let waitUntil: number | null = null;
  let stopped = false;
  let expiry: NodeJS.Timeout | undefined;
  let next: NodeJS.Timeout | undefined;
  let turn: Promise<void> = Promise.resolve();
  let tellKnown = () => {};
  const known = new Promise<void>((resolve) => (tellKnown = resolve));

  const mayAct = () => state === 'held' && performance.now() < validUntil;

  function lose(why: string): void {
    clearTimeout(expiry);
    if (state !== 'held') return;
    state = 'asking';
    log.error({ lease: name, why }, 'lost the lease: what it allows has stopped');
    options.onLost();
  }

  /** @param askedAt when we asked for what was just answered */
  function hold(askedAt: number): void {
    validUntil = askedAt + leaseMs;
    clearTimeout(expiry);
    expiry = setTimeout(() => lose('the database did not answer in time'), Math.max(0, validUntil - performance.now()));
  }

  async function connect(): Promise<pg.Client> {
    const fresh = new pg.Client({ connectionString: databaseUrl, keepAlive: true, application_name: `diaspora-x ${name}`, connectionTimeoutMillis: leaseMs, query_timeout: leaseMs, options: KEEPALIVE });
    fresh.on('error', (err) => log.debug({ err, lease: name }, 'the connection of the lease broke')); // the next question fails
    try {
      await fresh.connect();
    } catch (error) {
      drop(fresh);
      throw error;
    }
    return fresh;
  }

  function drop(gone: pg.Client | null): void {
    hasLock = false;
    waitUntil = null;
    client = null;
    gone?.end().catch(() => {}); // it is broken already
  }

  /** One look at how things stand. */
  async function beat(): Promise<void> {
    client ??= await connect();
    const askedAt = performance.now();
    if (!hasLock) {
      const { rows } = await client.query<{ got: boolean; holder: string | null }>(
        'select pg_try_advisory_lock($1, hashtext($2::text)) as got, (select holder from leases where name = $2::text) as holder',
        [LOCK_CLASS, name],
      );
      const [{ got, holder: last }] = rows as [{ got: boolean; holder: string | null }];
      holder = last ?? '';
      if (!got) {
        if (state === 'held') return lose(`${describeHolder(holder)} has it`);
        if (state !== 'waiting') log.info({ lease: name, holder: describeHolder(holder) }, 'another process has the lease: waiting until it is gone');
        state = 'waiting';
        return tellKnown();
      }
      hasLock = true;
      if (last !== null && last !== me && !isDead(last, me)) {
        waitUntil = performance.now() + leaseMs + marginMs; // from now: it may have asked after we did
        state = 'waiting';
        log.info({ lease: name, holder: describeHolder(holder), waitMs: leaseMs + marginMs }, 'got the lease of a process that said no good-bye: giving it time to notice');
        return tellKnown();
      }
    } else await client.query('select 1');
    if (waitUntil !== null && performance.now() < waitUntil) return;
    waitUntil = null;
    if (state === 'held') return hold(askedAt);
    // With the lock's own connection: it says at the same time that we have the lock still.
    await client.query('insert into leases (name, holder, since) values ($1, $2, $3) on conflict (name) do update set holder = excluded.holder, since = excluded.since', [name, me, Date.now()]);
    const first = holder !== me;
    holder = me;
    state = 'held';
    hold(askedAt);
    log.info({ lease: name }, 'we have the lease');
    tellKnown();
    options.onHeld(first);
  }

  async function round(): Promise<void> {
    try {
      await beat();
    } catch (err) {
      if (hasLock || state === 'held') log.warn({ err, lease: name }, 'the database does not answer for the lease: connecting again');
      else log.debug({ err, lease: name }, 'the database does not answer for the lease');
      drop(client);
      if (state === 'waiting') state = 'asking';
    }
    if (stopped) return;
    const pause = waitUntil === null ? beatMs : Math.min(beatMs, Math.max(0, waitUntil - performance.now()));
    next = setTimeout(() => (turn = round()), pause);
  }
  turn = round();

  return {
    mayAct,
    state: () => state,
    holder: () => describeHolder(holder),
    known,
    async release() {
      stopped = true;
      clearTimeout(next);
      await turn;
      clearTimeout(expiry);
      clearTimeout(next);
      try {
        if (hasLock && state === 'held') await client?.query('delete from leases where name = $1 and holder = $2', [name, me]);
      } catch (err) {
        log.debug({ err, lease: name }, 'no good-bye: the next holder waits a moment'); // the database is away
      }
      state = 'asking';
      const last = client;
      client = null;
      await last?.end().catch(() => {}); // then it is broken, and ended
    },
  };
}
