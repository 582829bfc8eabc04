// The service is killed from outside again and again while people post; what was accepted must reach everyone (threats.md 1-3).
import { setTimeout as pause } from 'node:timers/promises';
import { openStore } from '../../src/store/open.js';
import { type Findings, untilInvariantsHold } from './invariants.js';
import { startLoad } from './load.js';
import { componentHost, type ServerName, startEjabberd, startProsody } from './servers/index.js';
import { startService } from './service-process.js';
import { openSink } from './sink.js';
import { silentLog } from './store.js';

export interface CrashOptions {
  server: ServerName;
  /** PostgreSQL's; SQLite without it. */
  databaseUrl?: string;
  kills: number;
  /** The same seed, the same moments. */
  seed: number;
  /** What to say after each kill. */
  tell?: (line: string) => void;
}

export interface CrashReport extends Findings {
  kills: number;
  /** Of these, while the service was starting. */
  atStart: number;
  accepted: number;
  /** Forms that were sent again. */
  sentAgain: number;
}

const AUTHORS = ['alice', 'bob', 'carol'];
const SOCIAL = 'social.crash.test';
const HOSTS = ['one.crash.test', 'two.crash.test', 'three.crash.test'];
const READERS = 5;
/** A kill comes so long after the service is ready, or, each fourth time, after its process has been started. */
const KILL_WITHIN_MS = 600;
const KILL_AT_START_WITHIN_MS = 1_500;

/** Numbers from 0 to 1 that the seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Three authors post all the time, fifteen readers on three hosts follow all of them. */
export async function crashAgainAndAgain({ server: name, databaseUrl, kills, seed, tell = () => {} }: CrashOptions): Promise<CrashReport> {
  const random = randomOf(seed);
  const componentSecret = 'secret';
  const server = await { prosody: startProsody, ejabberd: startEjabberd }[name]({ chatDomains: ['crash.test'], componentDomains: [SOCIAL, ...HOSTS], componentSecret });
  const at = (index: number) => ({ host: componentHost(name, index), port: server.componentPort, secret: componentSecret });
  const service = await startService({ domain: SOCIAL, ...at(0) }, databaseUrl ? { env: { DX_DATABASE_URL: databaseUrl } } : {});
  try {
    const sink = await openSink(HOSTS.map((domain, index) => ({ domain, ...at(index + 1) })), READERS);
    const authors = await Promise.all(AUTHORS.map(async (username) => ({ username, ...(await service.author(username)) })));
    for (const { jid } of authors) await sink.subscribe(jid);
    const load = startLoad(authors);
    let atStart = 0;
    for (let kill = 0; kill < kills; kill++) {
      const early = kill % 4 === 3;
      const ms = Math.round(random() * (early ? KILL_AT_START_WITHIN_MS : KILL_WITHIN_MS));
      if (early) {
        await service.kill();
        const started = service.start().then(() => true, () => false);
        await pause(ms);
        await service.kill();
        if (!(await started)) atStart += 1;
      } else {
        await pause(ms);
        await service.kill();
      }
      tell(`${kill + 1}: after ${ms} ms${early ? ' of starting' : ''}, ${load.accepted.length} posts accepted`);
      await service.start();
    }
    await load.stop();
    const store = await openStore(databaseUrl ?? `sqlite:${service.database}`, silentLog);
    try {
      const findings = await untilInvariantsHold(store, () => ({ accepted: load.accepted, hosts: HOSTS, received: sink.received }), 120_000);
      return { ...findings, kills, atStart, accepted: load.accepted.length, sentAgain: load.failed };
    } finally {
      await store.close();
      sink.close();
    }
  } finally {
    await service.destroy();
    await server.destroy();
  }
}
