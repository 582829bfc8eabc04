// 100,000 deliveries that wait since three days: restart to ready, until all have arrived, memory, pages meanwhile; memory beside a server that hardly reads.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newGuid } from '../src/domain/guid.js';
import type { NewJob } from '../src/domain/job.js';
import { createLog } from '../src/log.js';
import type { Store } from '../src/store/database.js';
import { addJobs } from '../src/store/jobs.js';
import { addDeliveries, insertActivity } from '../src/store/ledger.js';
import { openStore } from '../src/store/open.js';
import { upsertSubscription } from '../src/store/xmpp.js';
import { FAKE_DOMAIN, type FakeServer, startFakeServer } from '../test/fault/fake-server.js';
import { makeAccount, makePost } from '../test/support/people.js';
import { startPostgres } from '../test/support/servers/index.js';
import { startTcpProxy } from '../test/support/tcp-proxy.js';
import { bareInserts, perSecond } from './support/bare.js';
import { rawComponent } from './support/component.js';
import { percentiles, printMachine, printTable } from './support/figures.js';
import { type Service, startService } from './support/service.js';

const AUTHORS = 10;
const POSTS = 10;
/** A reader on each, of every author. */
const HOSTS = 1_000;
const THREE_DAYS_MS = 3 * 86_400_000;
const SLOW = { bytesPerSecond: 20_000, forMs: 60_000 };
const LOOK_EVERY_MS = 250;
/** The same stanza, written to the far side again and again by nobody. */
const BASELINE_STANZAS = 10_000;

/** @param args `sqlite` or `postgres`; the deliveries that each post waits for (1,000) */
export async function run([database = 'sqlite', hosts = String(HOSTS)]: string[]): Promise<void> {
  printMachine();
  const postgres = database === 'postgres' ? await startPostgres() : null;
  const folder = mkdtempSync(path.join(tmpdir(), 'dx-bench-backlog-'));
  const url = postgres?.url ?? `sqlite:${path.join(folder, 'backlog.sqlite')}`;
  const rows = [['what', 'figure', 'goal']];
  const store = await openStore(url, createLog('silent'));
  await store.migrate();
  const count = AUTHORS * POSTS * Number(hosts);
  await fill(store, Number(hosts));

  // The far side of the component: it takes everything, and knows who got what when.
  const fake = await startFakeServer();
  const came = new Map<string, string[]>();
  let stanzas = 0;
  let sample = '';
  fake.onStanza = (stanza) => {
    const id = stanza.getChild('event')?.getChild('items')?.getChild('item')?.attrs.id;
    if (!id) return;
    stanzas += 1;
    sample ||= String(stanza);
    const feed = `${stanza.attrs.from} ${stanza.attrs.to}`;
    came.set(feed, [...(came.get(feed) ?? []), id]);
  };
  const proxy = await startTcpProxy(fake.component);
  const left = async () => (await store.query<{ n: number }>('select count(*) as n from jobs'))[0]!.n;

  proxy.trickle(SLOW.bytesPerSecond);
  const service = await startService({ ...fake.component, domain: FAKE_DOMAIN, host: proxy.host, port: proxy.port }, '', { DX_DATABASE_URL: url });
  rows.push([`start to ready, ${count.toLocaleString('en')} deliveries waiting`, `${Math.round(service.startedInMs)} ms`, '< 2,000']);
  const slowly = await watch(service, async (from) => performance.now() - from > SLOW.forMs);
  rows.push([`resident memory while the server reads ${SLOW.bytesPerSecond / 1000} kB/s, most in ${SLOW.forMs / 1000} s`, mib(slowly.memory), '< 250 MiB']);
  rows.push(['… pages meanwhile', percentiles(slowly.pages), '']);

  await service.stop();
  proxy.pass();
  const before = await left();
  await service.start();
  rows.push([`start to ready again, ${before.toLocaleString('en')} left`, `${Math.round(service.startedInMs)} ms`, '< 2,000']);
  let rounds = 0;
  const quickly = await watch(service, async () => ++rounds % 4 === 0 && (await left()) === 0);
  rows.push(['from ready until nothing waits', `${(quickly.tookMs / 1000).toFixed(1)} s, ${Math.round((before * 1000) / quickly.tookMs)} deliveries/s`, '< 60 s']);
  rows.push(['… resident memory, most', mib(quickly.memory), '< 250 MiB']);
  rows.push(['… pages meanwhile', percentiles(quickly.pages), '']);
  rows.push(['order', faultsOf(came), 'none lost, each reader in order']);
  rows.push(['stanzas, of which came again', `${stanzas.toLocaleString('en')}, ${stanzas - new Set([...came].flatMap(([feed, ids]) => ids.map((id) => `${feed} ${id}`))).size}`, '']);
  await service.destroy();
  const ours = (before * 1000) / quickly.tookMs;
  for (const [name, rate] of [
    ['bare component writes, until they are parsed', await writeAlone(fake, sample)],
    ['bare durable inserts, one a delivery', perSecond(await bareInserts(url, sample))],
  ] as const) {
    rows.push([`baseline: ${name}`, `${Math.round(rate)}/s; ours ${(ours / rate).toFixed(2)} × that`, '']);
  }
  await proxy.close();
  await fake.close();
  await store.close();
  await postgres?.destroy();
  rmSync(folder, { recursive: true });
  console.log(`${AUTHORS} authors, ${POSTS} posts each, ${hosts} servers with a reader each; ${database}`);
  printTable(rows);
}

/** @returns a second */
async function writeAlone(fake: FakeServer, stanza: string): Promise<number> {
  const raw = await rawComponent(fake.component);
  const from = performance.now();
  await new Promise<void>((resolve) => {
    let parsed = 0;
    fake.onStanza = () => ++parsed === BASELINE_STANZAS && resolve();
    for (let at = 0; at < BASELINE_STANZAS; at++) raw.write(stanza);
  });
  const rate = (BASELINE_STANZAS * 1000) / (performance.now() - from);
  raw.end();
  return rate;
}

const mib = (bytes: number[]) => `${Math.round(Math.max(...bytes) / 2 ** 20)} MiB`;

/** Authors, posts and their deliveries, as an outage of three days leaves them. */
async function fill(store: Store, hosts: number): Promise<void> {
  const since = Date.now() - THREE_DAYS_MS;
  const names = Array.from({ length: hosts }, (_, index) => `server${index}.test`);
  const actors: number[] = [];
  for (let author = 0; author < AUTHORS; author++) {
    const { actor } = await makeAccount(store, `author${author}`);
    await store.transaction(async (tx) => void (await tx.query('update actors set domain = ? where id = ?', [FAKE_DOMAIN, actor.id])));
    actors.push(actor.id);
    for (let start = 0; start < hosts; start += 100) {
      await store.transaction(async (tx) => {
        for (const host of names.slice(start, start + 100)) {
          await upsertSubscription(tx, { actorId: actor.id, node: 'urn:xmpp:microblog:0', jid: `reader@${host}`, personId: null, subid: '1', state: 'subscribed', pausedUntil: null, createdAt: 1 });
        }
      });
    }
  }
  for (let post = 0; post < POSTS; post++) {
    for (const actorId of actors) {
      const at = since + (post * THREE_DAYS_MS) / POSTS;
      const { guid } = await makePost(store, actorId, { to: 'public' }, at, { markdown: 'lorem ipsum '.repeat(30), html: `<p>${'lorem ipsum '.repeat(30)}</p>` });
      const id = newGuid(at);
      await store.transaction(async (tx) => {
        await insertActivity(tx, { id, actorId, verb: 'post', postGuid: guid, commentGuid: null, publishedAt: at });
        await addDeliveries(tx, id, 'xmpp', names, at);
        const jobs = names.map((host): NewJob => ({ kind: 'deliver', payload: { activityId: id, protocol: 'xmpp', host }, queue: 'xmpp', lane: `xmpp:${actorId}:${host}`, runAt: at }));
        await addJobs(tx, jobs, at);
      });
    }
  }
}

/** Reads a page again and again, and the process' memory. */
async function watch(service: Service, isOver: (from: number) => Promise<boolean>): Promise<{ tookMs: number; memory: number[]; pages: number[] }> {
  const from = performance.now();
  const memory: number[] = [];
  const pages: number[] = [];
  do {
    const askedAt = performance.now();
    const answer = await fetch(`${service.url}/u/author0`);
    await answer.text();
    if (answer.status !== 200) throw new Error(`the page was answered ${answer.status}`);
    pages.push(performance.now() - askedAt);
    memory.push(service.residentBytes());
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  } while (!(await isOver(from)));
  return { tookMs: performance.now() - from, memory, pages };
}

function faultsOf(came: Map<string, string[]>): string {
  let lost = 0;
  let disordered = 0;
  for (const ids of came.values()) {
    const firsts = [...new Set(ids)];
    lost += POSTS - firsts.length;
    if (firsts.toSorted().join() !== firsts.join()) disordered += 1;
  }
  return `${came.size} feeds of readers, lost ${lost}, out of order ${disordered}`;
}
