// What must never stand in a log (threats.md 54), even where an error brings it along.
import { startWorker } from '../../src/jobs/worker.js';
import { createLog } from '../../src/log.js';
import type { Tx } from '../../src/store/database.js';
import { addJobs } from '../../src/store/jobs.js';
import { describeStores } from '../support/store.js';

const CANARY = 'canary words for friends only';

describeStores((makeStore) => {
  /** What the worker logs of a job that fails so. */
  async function logOf(work: (tx: Tx) => Promise<unknown>): Promise<string> {
    const lines: string[] = [];
    const store = await makeStore();
    await store.transaction((tx) => addJobs(tx, [{ kind: 'profile-changed', queue: 'main', payload: { actorId: 1 } }], 1_000));
    const failing = async () => void (await store.transaction(work));
    const worker = startWorker({ store, queue: 'main', handlers: { 'profile-changed': failing }, log: createLog('trace', { write: (line) => void lines.push(line) }), now: () => 1_000, concurrency: 1 });
    await worker.idle();
    await worker.stop();
    return lines.join('');
  }

  test('a database error that nobody expected is logged with its code and place, without the row', async () => {
    const logged = await logOf(async (tx) => {
      await tx.query(`create table canaries (words varchar(300) not null check (length(words) < 5))`);
      await tx.query('insert into canaries (words) values (?)', [CANARY]);
    });
    const { err } = JSON.parse(logged.split('\n').find((line) => line.includes('job failed'))!) as { err: { code: string; message: string; stack: string } };
    expect(err.code).toMatch(/^(23514|SQLITE_CONSTRAINT_CHECK)$/);
    expect(err.message).toMatch(/check/i);
    expect(err.stack).toContain(' at ');
    expect(logged).not.toContain(CANARY);
    expect(logged).not.toContain('insert into canaries');
  });

  test('nor is a value logged that the database repeats because it cannot read it', async () => {
    const logged = await logOf((tx) => tx.query(makeStore.dialect === 'postgres' ? 'select cast(? as integer)' : 'select json_extract(?, \'$\')', [CANARY]));
    expect(logged).toMatch(makeStore.dialect === 'postgres' ? /invalid input syntax for type integer: \\"\(hidden\)\\"/ : /malformed JSON/);
    expect(logged).not.toContain(CANARY);
  });
});
