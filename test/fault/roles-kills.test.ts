// The processes with pages and those with jobs die, or are asked to end, one after another while people post (threats.md 1-3, 21); the connector's end is
// in test/protocol/roles.test.ts. DX_TEST_SEED: the moments of an earlier run.
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { openStore } from '../../src/store/open.js';
import { randomOf } from '../support/crash.js';
import { untilInvariantsHold } from '../support/invariants.js';
import { startLoad } from '../support/load.js';
import { startRoles } from '../support/roles.js';
import { componentHost, createDatabase, type ServerName, startEjabberd, startProsody } from '../support/servers/index.js';
import type { Service } from '../support/service-process.js';
import { openSink } from '../support/sink.js';
import { silentLog } from '../support/store.js';
import { Browser, type Site } from '../support/web.js';
import { until } from './own-server.js';

const SOCIAL = 'social.roles.test';
/** More than are written with the post itself (services/deliveries.ts): the workers find them. */
const HOSTS = Array.from({ length: 51 }, (_, index) => `host${index}.roles.test`);
const AUTHORS = ['alice', 'bob', 'carol'];

/** How a process ends, and until when all that was left must have arrived. */
const WAYS: Record<string, { server: ServerName; end(service: Service): Promise<void>; arrivesWithinMs: number }> = {
  // What a dead worker had claimed waits until its lease ends (60 s), and a sweep finds it (30 s).
  'killed (SIGKILL)': { server: 'prosody', end: (service) => service.kill(), arrivesWithinMs: 120_000 },
  // Nothing is left claimed: less than a lease.
  'asked to end (SIGTERM)': {
    server: 'ejabberd',
    async end(service) {
      const { code, signal, tookMs } = await service.stop();
      expect({ code, signal }).toEqual({ code: 0, signal: null });
      expect(tookMs).toBeLessThan(10_000);
    },
    arrivesWithinMs: 50_000,
  },
};

test.each(Object.keys(WAYS))('web and worker processes are %s while people post: every accepted post is there once, and reaches every reader once, in order', async (way) => {
  const { server: name, end, arrivesWithinMs } = WAYS[way]!;
  const seed = Number(process.env.DX_TEST_SEED ?? randomInt(2 ** 31));
  process.stderr.write(`${way}: DX_TEST_SEED=${seed}\n`);
  const random = randomOf(seed);
  const server = await { prosody: startProsody, ejabberd: startEjabberd }[name]({ chatDomains: ['roles.test'], componentDomains: [SOCIAL, ...HOSTS], componentSecret: 'secret' });
  const at = (index: number) => ({ host: componentHost(name, index), port: server.componentPort, secret: 'secret' });
  const roles = await startRoles({ domain: SOCIAL, ...at(0) }, await createDatabase(), { webs: 2, workers: 2, connectors: 1 });
  const sink = await openSink(HOSTS.map((domain, index) => ({ domain, ...at(index + 1) })), 1);
  const store = await openStore(roles.databaseUrl, silentLog);
  try {
    const authors = [];
    for (const username of AUTHORS) {
      const { jid, browser } = await roles.webs[0]!.author(username);
      await sink.subscribe(jid);
      let turn = 0;
      // As a proxy does it: each request goes to the next process, the same form again after an error.
      const post = async (text: string, once: string): Promise<string> => {
        const other = new Browser(roles.webs[turn++ % roles.webs.length]!.url as unknown as Site['app']);
        for (const [cookie, value] of browser.cookies) other.cookies.set(cookie, value);
        other.page = browser.page;
        const answer = await other.post('/posts', { text, once, audience: 'public' });
        if (answer.status !== 303) throw new Error(`the post was answered ${answer.status}: ${answer.text.slice(0, 500)}`);
        return answer.headers.location!.split('/').pop()!;
      };
      authors.push({ username, post });
    }
    const load = startLoad(authors, { perSecond: 9, mayFail: (error) => /ECONNRE|socket hang up|EPIPE|answered 503/.test(String(error)) });
    const more = (count: number) => {
      const goal = load.accepted.length + count;
      return until(() => load.accepted.length >= goal, `${count} more posts are accepted`, 30_000);
    };
    for (const victim of [roles.workers[0]!, roles.webs[0]!, roles.workers[1]!, roles.webs[1]!]) {
      await more(4);
      await pause(Math.round(random() * 400));
      await end(victim);
      await more(4); // without it
      await victim.start();
    }
    await load.stop();
    const findings = await untilInvariantsHold(store, () => ({ accepted: load.accepted, hosts: HOSTS, received: sink.received }), arrivesWithinMs);
    expect(findings).toMatchObject({ faults: [], lost: 0, repeated: 0 });
    expect(findings.posts).toBeGreaterThan(30);
  } finally {
    await store.close();
    sink.close();
    await roles.stop();
    await server.destroy();
  }
}, 300_000);
