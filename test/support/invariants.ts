// What must be true once the queue is empty, whatever happened before: compared with what the authors and the readers know themselves.
import type { Db } from '../../src/store/database.js';
import type { Accepted } from './load.js';

export interface Expected {
  /** The authors' own journal. */
  accepted: readonly Accepted[];
  /** The servers that each post had to reach, and only these. */
  hosts: readonly string[];
  /** Bare JID of each reader, who follows all authors → ids of items that came, in their order. */
  received: ReadonlyMap<string, readonly string[]>;
  /** Hosts that are down for good: their deliveries are in the ledger, and say so; nobody there gets anything. */
  failing?: readonly string[];
}

export interface Findings {
  /** One sentence each; none when all is well. At most some of a kind. */
  faults: string[];
  posts: number;
  /** Items that came again, to a reader whose program drops what it has already. */
  repeated: number;
  /** Readers' items that never came. */
  lost: number;
}

const SHOWN = 5;

export async function checkInvariants(db: Db, { accepted, hosts, received, failing = [] }: Expected): Promise<Findings> {
  const faults: string[] = [];
  const report = (list: readonly string[]) => faults.push(...list.slice(0, SHOWN), ...(list.length > SHOWN ? [`… and ${list.length - SHOWN} more`] : []));

  // Every accepted post is there, once: not a second one of the same form, and none that nobody posted.
  const rows = await db.query<{ guid: string; once: string }>('select guid, once from posts order by guid');
  const stored = new Map(rows.map(({ guid, once }) => [guid, once]));
  report(accepted.filter(({ guid }) => !stored.has(guid)).map(({ guid, username, number }) => `lost: post ${number} of ${username}, ${guid}`));
  report(accepted.filter(({ guid, username, number }) => stored.has(guid) && stored.get(guid) !== `${username}-${number}`).map(({ guid }) => `the post ${guid} is another one`));
  const known = new Set(accepted.map(({ guid }) => guid));
  report(rows.filter(({ guid }) => !known.has(guid)).map(({ guid, once }) => `a post that no author knows: ${guid} (${once})`));
  if (known.size !== accepted.length) faults.push('two posts have one guid');

  // Exactly its deliveries, and what became of each.
  const lines = await db.query<{ guid: string; id: string; author: number; host: string | null; state: string | null; error: string | null; recipients: number | null }>(
    `select a.post_guid as guid, a.id, a.actor_id as author, d.host, d.state, d.error, d.recipients from activities a left join deliveries d on d.activity_id = a.id where a.verb = 'post' order by a.post_guid, a.id, d.host`,
  );
  const ledger = new Map<string, typeof lines>();
  for (const line of lines) {
    const of = ledger.get(line.guid);
    if (of) of.push(line);
    else ledger.set(line.guid, [line]);
  }
  const wanted = hosts.toSorted().join();
  /** Authors and servers for which something waits that has been tried. */
  const heldUp = new Set<string>();
  for (const [guid] of stored) {
    const of = ledger.get(guid) ?? [];
    if (new Set(of.map(({ id }) => id)).size !== 1) report([`${guid} has ${new Set(of.map(({ id }) => id)).size} activities`]);
    const got = of.map(({ host }) => host).toSorted().join();
    if (got !== wanted) report([`${guid} goes to ${got || 'nobody'}`]);
    report(of.filter(({ host, state }) => host !== null && !failing.includes(host!) && state !== 'arrived').map(({ host, state, error }) => `${guid} to ${host} is ${state}: ${error}`));
    for (const { host, author, state, error, recipients } of of) {
      if (!failing.includes(host!)) continue;
      // What waits behind another post of its author has not been tried; nobody there is online, and it has arrived for nobody.
      const waits = `${author} ${host}`;
      if (state === 'waiting' && error !== null) heldUp.add(waits);
      if (error === null && recipients !== 0 && !(state === 'waiting' && heldUp.has(waits))) report([`${guid} to ${host}, which is down, is ${state} without a reason`]);
    }
    if (faults.length > 50) break;
  }

  // Nothing hangs: no lane with jobs that nobody will ever look at.
  const stranded = await db.query<{ ordering_key: string }>(
    `select distinct j.ordering_key from jobs j left join lanes l on l.queue = j.queue and l.key = j.ordering_key
     where j.ordering_key is not null and (l.key is null or (l.run_at is null and l.lease_until is null))`,
  );
  report(stranded.map(({ ordering_key: lane }) => `the lane ${lane} is stranded`));
  if (failing.length === 0) report((await db.query<{ last_error: string }>('select last_error from dead_jobs')).map(({ last_error: error }) => `a job was given up: ${error}`));

  // No reader without an item; in each author's order, apart from what came again.
  let repeated = 0;
  let lost = 0;
  const order = new Map(accepted.map(({ guid, username, number }) => [guid, { username, number }]));
  for (const [jid, ids] of received) {
    const firsts = [...new Set(ids)];
    repeated += ids.length - firsts.length;
    if (failing.some((host) => jid.endsWith(`@${host}`))) continue;
    const seen = new Set(firsts);
    const missing = accepted.filter(({ guid }) => !seen.has(guid));
    lost += missing.length;
    report(missing.slice(0, 3).map(({ guid, number, username }) => `${jid} has not got ${number} of ${username}, ${guid}`));
    const last = new Map<string, number>();
    for (const id of firsts) {
      const of = order.get(id);
      if (!of) {
        report([`${jid} got ${id}, which nobody posted`]);
        continue;
      }
      if (of.number < (last.get(of.username) ?? -1)) report([`${jid} got ${of.number} of ${of.username} after ${last.get(of.username)}`]);
      last.set(of.username, of.number);
    }
    if (faults.length > 50) break;
  }
  return { faults, posts: rows.length, repeated, lost };
}

/** Jobs that wait or run. */
export const jobsLeft = async (db: Db): Promise<number> => (await db.query<{ n: number }>('select count(*) as n from jobs'))[0]!.n;

/**
 * Looks until nothing is amiss, or the time is up: it looks again and again because the queue is that of another process, which tells nobody when it is
 * empty. @returns what it found last */
export async function untilInvariantsHold(db: Db, expected: () => Expected, withinMs: number): Promise<Findings> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    if ((await jobsLeft(db)) === 0) {
      const findings = await checkInvariants(db, expected());
      if (findings.faults.length === 0 || performance.now() > deadline) return findings;
    }
    if (performance.now() > deadline) {
      const findings = await checkInvariants(db, expected());
      return { ...findings, faults: [`${await jobsLeft(db)} jobs are left`, ...findings.faults] };
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
