// Chat logins of 1,000 accounts with app passwords through ejabberd and Prosody: made a moment ago, cold, again, after our restart, and beside posting.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import path from 'node:path';
import bcrypt from 'bcrypt';
import { freePort, type RunningServer } from '../test/support/servers/index.js';
import { BulkClients } from './support/bulk-clients.js';
import { type Login, makeAccounts, WEB_PASSWORD } from '../test/support/bulk-accounts.js';
import { CHAT, chatEjabberd, chatProsody, YES } from './support/chat-servers.js';
import { median, printMachine, printTable, quantile } from './support/figures.js';
import { type LoginRun, logInAll } from '../test/support/bulk-logins.js';
import { type Service, startService } from './support/service.js';

const MB = 'urn:xmpp:microblog:0';
const MADE_ROUNDS = 5;
const COLD_ROUNDS = 5;
const AGAIN_ROUNDS = 9;
const STORM_ROUNDS = 5;
const PARTS = ['made', 'cold', 'restart', 'again', 'posting'] as const;

const rows: string[][] = [['figure', 'ours', 'baseline', 'ratio', 'goal']];
/** Logins of all rounds by their time: Prosody is at half its speed in the rounds in which it collects garbage, so a median tells little. */
const overall = (rates: number[]) => rates.length / rates.reduce((sum, each) => sum + 1 / each, 0);
/** `overall (min–max)` a second. */
const rate = (values: number[]) => `${overall(values).toFixed(0)}/s (${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)})`;
const millis = (value: number) => `${value.toFixed(1)} ms`;
const failed = ({ outcomes }: LoginRun) => outcomes.refused + outcomes.closed + outcomes['timed out'];

export async function run([count = '1000', only]: string[]): Promise<void> {
  const accounts = Number(count);
  const parts = only ? only.split(',') : PARTS;
  printMachine();
  const env = { DX_CHAT_DOMAIN: CHAT, DX_AUTH_LISTEN: `127.0.0.1:${await freePort()}`, DX_AUTH_SECRET: 'auth-secret-of-the-bench' };
  const ejabberd = await chatEjabberd(env, ['social.test']);
  const prosody = await chatProsody(env);
  const service = await startService({ host: ejabberd.host, port: ejabberd.componentPort, domain: 'social.test', secret: ejabberd.componentSecret }, CHAT, env);
  try {
    const sets = await makeAccounts(`sqlite:${service.env.DX_STATE_DIR}/diaspora-x.sqlite`, 'social.test', accounts, 2 + COLD_ROUNDS + STORM_ROUNDS);
    const take = () => sets.pop()!;
    const usual = take();
    // Both servers, both domains and the service have done this before.
    for (const server of [ejabberd, prosody]) for (const domain of [CHAT, YES]) await logIn(server, domain, usual, 8);

    if (parts.includes('made')) await measureMade(service, ejabberd, usual);
    if (parts.includes('cold')) await measureCold(ejabberd, take);
    if (parts.includes('again')) for (const server of [ejabberd, prosody]) for (const atOnce of [1, 8]) await measureAgain(server, usual, atOnce);
    if (parts.includes('restart')) for (const server of [ejabberd, prosody]) await measureRestart(service, server, usual);
    if (parts.includes('posting')) await measurePosting(service, ejabberd, take);
  } finally {
    await service.destroy();
    await ejabberd.destroy();
    await prosody.destroy();
  }
  console.log(`${accounts} accounts; a login is TCP, stream, PLAIN, stream, bind; no TLS; all rounds together (slowest–quickest round), interleaved with the baseline's; logins again: the median of the rounds' ratios (smallest–greatest)`);
  printTable(rows);
}

/** Logs all in and out again. */
async function logIn(server: RunningServer, domain: string, logins: Login[], atOnce: number): Promise<LoginRun> {
  const run = await logInAll({ host: server.host, port: server.c2sPort, domain }, logins, atOnce);
  await run.close();
  return run;
}

/** bcrypt itself, on all cores, at the cost of app passwords. */
async function bcryptRate(runs: number): Promise<number> {
  const hash = await bcrypt.hash('some secret of the bench', 6);
  let left = runs;
  const from = performance.now();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (left-- > 0) await bcrypt.compare('some secret of the bench', hash);
    }),
  );
  return (runs / (performance.now() - from)) * 1000;
}

/** So many at a time make their app passwords. */
const MAKERS = 4;
const MOST_MADE = 400;

/** Everyone (at most 400) makes an app password on the page, then types it into an app. */
async function measureMade(service: Service, server: RunningServer, usual: Login[]): Promise<void> {
  const people = usual.slice(0, MOST_MADE);
  const members = await mapSome(people, async ({ username }) => ({ username, page: await service.member(username, WEB_PASSWORD) }));
  const ours: number[] = [];
  const baseline: number[] = [];
  let bad = 0;
  for (let round = 0; round < MADE_ROUNDS; round++) {
    const logins = await mapSome(members, async ({ username, page }): Promise<Login> => ({ username, password: await page.makeAppPassword(`Bench ${round}`) }));
    baseline.push(await bcryptRate(1_000));
    const run = await logIn(server, CHAT, logins, 8);
    bad += failed(run);
    ours.push(run.perSecond);
  }
  rows.push([`first login after its making, ${server.name}, 8 at once${bad ? `, ${bad} FAILED` : ''}`, rate(ours), `bcrypt alone ${rate(baseline)}`, (overall(ours) / overall(baseline)).toFixed(2), '≥ 0.8, ≥ 300/s']);
}

async function mapSome<T, U>(from: T[], work: (value: T) => Promise<U>): Promise<U[]> {
  const results: U[] = [];
  let next = 0;
  const worker = async () => {
    while (next < from.length) {
      const index = next++;
      results[index] = await work(from[index]!);
    }
  };
  await Promise.all(Array.from({ length: MAKERS }, worker));
  return results;
}

/** First logins with app passwords that this process of the service has not seen, neither made nor verified. */
async function measureCold(server: RunningServer, take: () => Login[]): Promise<void> {
  const ours: number[] = [];
  const baseline: number[] = [];
  const unlooked: number[] = [];
  let bad = 0;
  for (let round = 0; round < COLD_ROUNDS; round++) {
    const alone = await bcryptRate(1_000);
    const logins = take();
    const yes = await logIn(server, YES, logins, 8);
    const run = await logIn(server, CHAT, logins, 8);
    bad += failed(run) + failed(yes);
    baseline.push(alone);
    unlooked.push(yes.perSecond);
    ours.push(run.perSecond);
  }
  // Each uses all cores, so together they cannot be quicker than one after the other.
  const [bcryptMs, loginMs] = [1000 / overall(baseline), 1000 / overall(unlooked)];
  const best = 1000 / (bcryptMs + loginMs);
  rows.push([`cold first login, ${server.name}, 8 at once${bad ? `, ${bad} FAILED` : ''}`, rate(ours), `bcrypt alone ${rate(baseline)}`, (overall(ours) / overall(baseline)).toFixed(2), '']);
  rows.push([
    `  at best: bcrypt ${bcryptMs.toFixed(2)} ms + a login nobody looks at ${loginMs.toFixed(2)} ms, both on all cores`,
    '',
    `${best.toFixed(0)}/s, ${(best / overall(baseline)).toFixed(2)} of bcrypt alone`,
    (overall(ours) / best).toFixed(2),
    '',
  ]);
}

/** So many logins at one domain, then at the other: garbage collection and whatever else slows the machine down for a second meets both. */
const SLICE = 100;

async function measureAgain(server: RunningServer, logins: Login[], atOnce: number): Promise<void> {
  const ours: number[] = [];
  const baseline: number[] = [];
  let bad = 0;
  for (let round = -1; round < AGAIN_ROUNDS; round++) {
    const wallMs: Record<string, number> = { [CHAT]: 0, [YES]: 0 };
    for (let from = 0; from < logins.length; from += SLICE) {
      const slice = logins.slice(from, from + SLICE);
      for (const domain of (from / SLICE + round) % 2 === 0 ? [YES, CHAT] : [CHAT, YES]) {
        const run = await logIn(server, domain, slice, atOnce);
        bad += failed(run);
        wallMs[domain]! += run.wallMs;
      }
    }
    if (round < 0) continue;
    ours.push((logins.length / wallMs[CHAT]!) * 1000);
    baseline.push((logins.length / wallMs[YES]!) * 1000);
  }
  const ratios = ours.map((each, round) => each / baseline[round]!);
  const ratio = `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`;
  rows.push([`again within the hour, ${server.name}, ${atOnce} at once${bad ? `, ${bad} FAILED` : ''}`, rate(ours), `nobody looks ${rate(baseline)}`, ratio, '≥ 0.8']);
}

/** Everyone at the same moment, and nobody's password has been verified since the start. */
async function measureRestart(service: Service, server: RunningServer, logins: Login[]): Promise<void> {
  await service.stop();
  await service.start();
  const run = await logIn(server, CHAT, logins, logins.length);
  const { in: inside, refused, closed, 'timed out': timedOut } = run.outcomes;
  rows.push([
    `after our restart, ${server.name}, all at once`,
    `${inside} in, ${refused} refused, ${closed} closed, ${timedOut} timed out`,
    '',
    `last after ${(run.wallMs / 1000).toFixed(1)} s, p50 ${(quantile(run.tookMs, 0.5) / 1000).toFixed(1)} s`,
    'none refused',
  ]);
}

const POSTS_A_ROUND = 150;
const POSTS_PER_SECOND = 50;

/** As the printed systemd unit does by Nice=. bcrypt's threads have put themselves below the others. */
function prefer(service: Service): void {
  for (const thread of readdirSync(`/proc/${service.process.pid}/task`).map(Number)) {
    if (getPriority(thread) === 0) setPriority(thread, -5);
  }
}

/** Posts on a fixed beat, in quiet rounds and in rounds in which everyone logs in for the first time. */
async function measurePosting(service: Service, server: RunningServer, take: () => Login[]): Promise<void> {
  // In life clients run elsewhere: how long ours waits for a core shall not count.
  try {
    setPriority(process.pid, constants.priority.PRIORITY_HIGH);
  } catch {
    throw new Error('Run this part as root: it sets the priorities of processes.');
  }
  const alice = await service.author('alice');
  const [follower] = take();
  const bob = await BulkClients.connect({ host: server.host, port: server.c2sPort, domain: CHAT, usernames: [follower!.username], password: follower!.password });
  await bob.each((jid) => `<iq type='set' id='sub' to='${alice.jid}'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='${MB}' jid='${jid}'/></pubsub></iq>`, 'subscribed');
  let n = 0;
  interface Times {
    /** Of each round. */
    accepted: number[][];
    events: number[][];
  }
  const times = (): Times => ({ accepted: [], events: [] });
  const postSome = async (into: Times) => {
    const accepted: number[] = [];
    const events: number[] = [];
    const from = performance.now();
    for (let index = 0; index < POSTS_A_ROUND; index++) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, from + index * (1000 / POSTS_PER_SECOND) - performance.now())));
      const event = bob.allReceive(`event-${++n}-end`);
      const { sentAt, tookMs } = await alice.post(`event-${n}-end ${'lorem ipsum '.repeat(20)}`);
      accepted.push(tookMs);
      events.push((await event) - sentAt);
    }
    into.accepted.push(accepted);
    into.events.push(events);
  };
  await postSome(times());
  prefer(service);
  const [quiet, first, again, unlooked] = [times(), times(), times(), times()];
  /** Others log in for as long as the posts last. */
  const beside = async (figures: Times, logins: Login[], domain = CHAT) => {
    const storm = spawn(process.execPath, [path.join(import.meta.dirname, 'support/storm.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] });
    storm.stdin.write(`${JSON.stringify({ server: { host: server.host, port: server.c2sPort, domain }, logins: logins.slice(1), atOnce: 8 })}\n`);
    await new Promise((resolve) => setTimeout(resolve, 300)); // until it runs
    await postSome(figures);
    const ended = once(storm, 'exit');
    storm.stdin.end();
    await ended;
  };
  for (let round = 0; round < STORM_ROUNDS; round++) {
    await postSome(quiet);
    const logins = take();
    await beside(first, logins);
    await postSome(quiet);
    await beside(again, logins);
    await postSome(quiet);
    await beside(unlooked, logins, YES);
  }
  for (const [what, figures] of [
    ['first logins', first],
    ['logins again', again],
    ['logins that nobody looks at', unlooked],
  ] as const) {
    for (const [name, key] of [
      ['POST /posts', 'accepted'],
      ['event at the client', 'events'],
    ] as const) {
      // Of the rounds the median: one in which the machine itself stood still says nothing.
      const p99 = (rounds: number[][]) => median(rounds.map((round) => quantile(round, 0.99)));
      const say = (rounds: number[][]) => `${millis(p99(rounds))} (p50 ${millis(median(rounds.flat()))})`;
      rows.push([`${name} beside a storm of ${what}, p99`, say(figures[key]), `quiet ${say(quiet[key])}`, (p99(figures[key]) / p99(quiet[key])).toFixed(2), '≤ 2']);
    }
  }
  bob.end();
}
