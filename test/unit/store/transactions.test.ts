import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import type { DomainError } from '../../../src/domain/errors.js';
import { findActorByAddress, insertLocalActor, upsertRemoteActor } from '../../../src/store/actors.js';
import type { Store } from '../../../src/store/database.js';
import { openStore } from '../../../src/store/open.js';
import { addJobs } from '../../../src/store/jobs.js';
import type { LiveEvent } from '../../../src/store/notify.js';
import { createDatabase } from '../../support/servers/postgres.js';
import { describeStores, silentLog } from '../../support/store.js';

const names = async (store: Store) => (await store.query<{ username: string }>('select username from actors order by username')).map((row) => row.username);
const insert = (username: string) => (tx: Parameters<typeof insertLocalActor>[0]) => insertLocalActor(tx, { username, domain: 'social.example.org' });
const turn = () => new Promise((resolve) => setImmediate(resolve));

describeStores(
  (makeStore) => {
    let store: Store;
    beforeEach(async () => {
      store = await makeStore();
    });

    test('a transaction that fails leaves nothing, and those around it keep what they did', async () => {
      const failing = store.transaction(async (tx) => {
        await insert('lost')(tx);
        await turn();
        await tx.query('insert into sessions (id_hash, data, expires_at) values (?, ?, ?)', ['x', '', 1]);
        throw new Error('on purpose');
      });
      const others = ['one', 'two', 'three'].map((username) =>
        store.transaction(async (tx) => {
          await insert(username)(tx);
          await turn();
          await tx.query('select 1');
        }),
      );
      await expect(failing).rejects.toThrow('on purpose');
      await Promise.all(others);
      expect(await names(store)).toEqual(['one', 'three', 'two']);
      expect(await store.query('select * from sessions')).toEqual([]);
    });

    test('nobody reads what is not committed', async () => {
      const seen: string[][] = [];
      await store.transaction(async (tx) => {
        await insert('alice')(tx);
        expect(await tx.query('select username from actors')).toHaveLength(1);
        seen.push(await names(store));
      });
      expect(seen).toEqual([[]]);
      expect(await names(store)).toEqual(['alice']);
    });

    test('a statement whose plan is kept answers for each value, with what is there now', async () => {
      const there = async (username: string) => (await store.query('select 1 from actors where username = ?', [username], { keepPlan: true })).length;
      for (let round = 0; round < 10; round++) expect(await there('alice')).toBe(0);
      await store.transaction(insert('alice'));
      expect(await Promise.all(['alice', 'bob', 'alice'].map(there))).toEqual([1, 0, 1]);
    });

    test('a transaction that is over, or begun inside another, is refused', async () => {
      let kept: Parameters<typeof insertLocalActor>[0] | undefined;
      await store.transaction(async (tx) => {
        kept = tx;
        await expect(store.transaction(async () => 1)).rejects.toThrow('inside another');
      });
      await expect(kept!.query('select 1')).rejects.toThrow('over');
    });

    test('a row that is there already is a conflict, and the wrong SQL is a bug', async () => {
      await store.transaction(insert('alice'));
      await expect(store.transaction(insert('alice'))).rejects.toMatchObject({ code: 'conflict' });
      await expect(store.query('select nonsense')).rejects.not.toMatchObject({ name: 'DomainError' });
      expect(await names(store)).toEqual(['alice']);
    });

    test('two that meet the same stranger at once know one person', async () => {
      const meet = () =>
        store.transaction((tx) => upsertRemoteActor(tx, { username: 'romeo', domain: 'm.example', address: { protocol: 'xmpp', value: 'romeo@m.example' } }));
      const met = await Promise.all(Array.from({ length: 6 }, meet));
      expect(new Set(met.map(({ id }) => id)).size).toBe(1);
      expect(await names(store)).toEqual(['romeo']);
      expect(await findActorByAddress(store, 'xmpp', 'romeo@m.example')).toEqual(met[0]);
    });

    test('? is a placeholder, except in quotes', async () => {
      expect(await store.query(`select '?' as "a?", cast(? as integer) as b, 'it''s ?' as c, cast(? as text) as d`, [1, '?'])).toEqual([
        { 'a?': '?', b: 1, c: "it's ?", d: '?' },
      ]);
      expect(await store.query('select cast(? as bigint) as ms', [1_763_712_000_000])).toEqual([{ ms: 1_763_712_000_000 }]);
    });

    test('wake-ups and events come after the commit, and only then', async () => {
      const heard: (string | LiveEvent)[] = [];
      let tell = () => {};
      const told = new Promise<void>((resolve) => (tell = resolve));
      const offs = [
        store.notify.onWake('main', () => heard.push('woken')),
        store.notify.onWake('xmpp', () => heard.push('the wrong one')),
        store.notify.onEvent((event) => {
          if (event.guid === 'probe') return;
          heard.push(event);
          if (event.guid === 'last') tell();
          throw new Error('a listener that fails does no harm');
        }),
      ];
      await listening(store);
      heard.length = 0;
      await expect(
        store.transaction(async (tx) => {
          tx.publish({ kind: 'post', guid: 'never' });
          await addJobs(tx, [{ kind: 'profile-changed', payload: { actorId: 1 }, queue: 'main' }]);
          throw new Error('on purpose');
        }),
      ).rejects.toThrow('on purpose');
      await store.transaction(async (tx) => {
        await addJobs(tx, [1, 2].map((actorId) => ({ kind: 'profile-changed', payload: { actorId }, queue: 'main' }) as const));
        tx.publish({ kind: 'post', actorId: 7, guid: 'last' });
        await turn();
        expect(heard).toEqual([]);
      });
      await told;
      expect(heard).toEqual(['woken', { kind: 'post', actorId: 7, guid: 'last' }]);
      for (const off of offs) off();
      await store.transaction(async (tx) => tx.wake('main'));
      expect(heard).toHaveLength(2);
    });
  },
  /./,
);

/** On PostgreSQL the first listener connects; the store wakes everyone when that is done. */
async function listening(store: Store): Promise<void> {
  if (store.dialect === 'sqlite') return;
  let waits = true;
  const off = store.notify.onEvent((event) => {
    if (event.guid === 'probe') waits = false;
  });
  while (waits) {
    await store.transaction(async (tx) => tx.publish({ kind: 'account', guid: 'probe' }));
    await turn();
  }
  off();
}

describe('on SQLite', () => {
  let folder: string;
  let file: string;
  let store: Store;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'dx-test-'));
    file = path.join(folder, 'test.sqlite');
    store = await openStore(`sqlite:${file}`, silentLog);
    await store.migrate();
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  test('commits are on the disk: WAL and synchronous=FULL, with foreign keys', async () => {
    const pragmas = await store.transaction(async (tx) => [
      ...(await tx.query('pragma journal_mode')),
      ...(await tx.query('pragma synchronous')),
      ...(await tx.query('pragma foreign_keys')),
    ]);
    expect(pragmas).toEqual([{ journal_mode: 'wal' }, { synchronous: 2 }, { foreign_keys: 1 }]);
  });

  test('nothing can be written outside a transaction', async () => {
    await expect(store.query("delete from actors where username = 'x'")).rejects.toMatchObject({ code: 'SQLITE_READONLY' });
  });

  test('while another process holds the lock a transaction waits, the event loop goes on, and then it succeeds', async () => {
    const other = new Database(file);
    other.exec('begin immediate');
    let turns = 0;
    const ticking = setInterval(() => turns++, 1);
    let isDone = false;
    const done = store.transaction(insert('patient')).then(() => (isDone = true));
    while (turns < 5) await turn();
    expect(isDone).toBe(false);
    expect(await names(store)).toEqual([]); // reading goes on
    other.exec('commit');
    other.close();
    await done;
    clearInterval(ticking);
    expect(await names(store)).toEqual(['patient']);
  });

  test('a lock that stays ends in "unavailable", and does no harm to what comes later', async () => {
    await store.close();
    store = await openStore(`sqlite:${file}`, silentLog, { busyWaitMs: 50 });
    const other = new Database(file);
    other.exec('begin immediate');
    const asked = [1, 2, 3].map((n) => store.transaction(insert(`impatient${n}`)).catch((error: DomainError) => error.code));
    expect(await Promise.all(asked)).toEqual(['unavailable', 'unavailable', 'unavailable']);
    other.exec('rollback');
    other.close();
    await store.transaction(insert('later'));
    expect(await names(store)).toEqual(['later']);
  });

  test('a full disk ends in "unavailable", leaves nothing half done, and is survived', async () => {
    await store.transaction(async (tx) => {
      const [{ page_count }] = (await tx.query<{ page_count: number }>('pragma page_count')) as [{ page_count: number }];
      await tx.query(`pragma max_page_count = ${page_count + 4}`);
    });
    const large = store.transaction(async (tx) => {
      await insert('large')(tx);
      await tx.query("insert into sessions (id_hash, data, expires_at) values ('x', ?, 1)", ['x'.repeat(1_000_000)]);
    });
    await expect(large).rejects.toMatchObject({ code: 'unavailable' });
    await store.transaction(async (tx) => void (await tx.query('pragma max_page_count = 1000000')));
    await store.transaction(insert('small'));
    expect(await names(store)).toEqual(['small']);
  });

  test('a database in memory leaves no file behind', async () => {
    const memory = await openStore('sqlite::memory:', silentLog);
    await memory.migrate();
    expect(await names(memory)).toEqual([]);
    const [{ file: where }] = (await memory.query<{ file: string }>('pragma database_list')) as [{ file: string }];
    await memory.close();
    expect(() => new Database(where, { fileMustExist: true })).toThrow();
  });
});

describe('on PostgreSQL', () => {
  let url: string;
  let store: Store;
  beforeEach(async () => {
    url = await createDatabase();
    store = await openStore(url, silentLog);
    await store.migrate();
  });
  afterEach(() => store.close());

  const killOthers = (name: string) =>
    store.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and application_name = ?`, [
      name,
    ]);

  test('a connection that is lost in a transaction does not lose what it was to do', async () => {
    let runs = 0;
    await store.transaction(async (tx) => {
      await insert('alice')(tx);
      if (++runs === 1) await killOthers('diaspora-x'); // the transaction's own connection among them
      await tx.query('select 1');
    });
    expect(runs).toBe(2);
    expect(await names(store)).toEqual(['alice']);
  });

  test('a plan is kept for a bounded number of statements, and on a new connection when the old one is lost', async () => {
    const one = await openStore(url, silentLog, { poolSize: 1 });
    const kept = async () => (await one.query<{ statement: string }>('select statement from pg_prepared_statements')).map(({ statement }) => statement);
    for (let n = 0; n < 100; n++) expect(await one.query(`select ${n} + cast(? as integer) as sum`, [1], { keepPlan: true })).toEqual([{ sum: n + 1 }]);
    const before = await kept();
    expect(before).toContain('select 0 + cast($1 as integer) as sum');
    expect(before.length).toBeLessThan(100);
    await killOthers('diaspora-x');
    expect(await one.query('select 0 + cast(? as integer) as sum', [1], { keepPlan: true })).toEqual([{ sum: 1 }]);
    expect(await kept()).toEqual(['select 0 + cast($1 as integer) as sum']);
    await one.close();
  });

  test('two that lock the same rows in opposite order both get through', async () => {
    await Promise.all(['a', 'b'].map((name) => store.transaction(insert(name))));
    const touch = (first: string, second: string, runs: { n: number }) =>
      store.transaction(async (tx) => {
        runs.n++;
        for (const name of [first, second]) {
          await tx.query("update actors set summary = summary || ? where username = ?", [first, name]);
          if (name === first && runs.n === 1) await both();
        }
      });
    let arrived = 0;
    let open = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const both = () => {
      if (++arrived === 2) open();
      return gate;
    };
    await Promise.all([touch('a', 'b', { n: 0 }), touch('b', 'a', { n: 0 })]);
    const rows = await store.query<{ summary: string }>('select summary from actors');
    expect(rows.map(({ summary }) => [...summary].sort().join(''))).toEqual(['ab', 'ab']);
  });

  test('a lost listening connection is made anew and wakes everyone', async () => {
    const other = await openStore(url, silentLog);
    const wakes: (() => void)[] = [];
    const woken = () => new Promise<void>((resolve) => wakes.push(resolve));
    const connected = woken();
    store.notify.onWake('xmpp', () => wakes.splice(0).forEach((wake) => wake()));
    await connected;
    const reconnected = woken();
    await killOthers('diaspora-x listen');
    await reconnected;
    const heard = woken();
    await other.transaction(async (tx) => tx.wake('xmpp')); // another process
    await heard;
    await other.close();
  });

  test('a server that cannot be reached is "unavailable"', async () => {
    await expect(openStore('postgres://dx@127.0.0.1:1/dx', silentLog)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

test('a database URL of another kind is refused with what to write', async () => {
  await expect(openStore('mysql://localhost/dx', silentLog)).rejects.toThrow('sqlite: or postgres://');
});
