import { DeliveryError } from '../../../src/domain/errors.js';
import { backOffMs, type NewJob, type Queue } from '../../../src/domain/job.js';
import { type Gate, type Handler, LEASE_MS, Postpone, startWorker, type Worker, type WorkerOptions } from '../../../src/jobs/worker.js';
import type { Store, Tx } from '../../../src/store/database.js';
import { addJobs, claim, listJobs, sweep } from '../../../src/store/jobs.js';
import type { Arrival } from '../../../src/store/ledger.js';
import { describeStores, silentLog } from '../../support/store.js';

const job = (number: number, lane?: string, change: { runAt?: number; queue?: Queue } = {}): NewJob => ({
  kind: 'profile-changed',
  payload: { actorId: number },
  queue: 'main',
  lane,
  ...change,
});

/** Something to wait for that a test makes happen. */
function event() {
  let happen!: () => void;
  const happened = new Promise<void>((resolve) => (happen = resolve));
  return { happen, happened };
}

describe('the back-off', () => {
  test('starts at 5 s, doubles, ends at 1 h, and scatters by a fifth', () => {
    expect([0, 1, 2, 9, 10, 29].map((attempts) => backOffMs(attempts, () => 0.5))).toEqual([5_000, 10_000, 20_000, 2_560_000, 3_600_000, 3_600_000]);
    expect([backOffMs(0, () => 0), backOffMs(0, () => 1)]).toEqual([4_000, 6_000]);
  });
});

describeStores((makeStore) => {
  let store: Store;
  let clock: number;
  const workers: Worker[] = [];
  const ran: number[] = [];
  const now = () => clock;
  const add = (...jobs: NewJob[]) => store.transaction((tx) => addJobs(tx, jobs, clock));

  beforeEach(async () => {
    store = await makeStore();
    clock = 1_000_000;
    ran.length = 0;
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
  });

  /** A worker whose jobs are numbers; it notes them in `ran`. */
  function start(run: (number: number, signal: AbortSignal) => unknown = () => {}, change: Partial<WorkerOptions> = {}): Worker {
    const handler: Handler<'profile-changed'> = async ({ payload }, signal) => {
      ran.push(payload.actorId);
      return run(payload.actorId, signal) as Promise<Arrival>;
    };
    const worker = startWorker({ store, queue: 'main', handlers: { 'profile-changed': handler }, log: silentLog, now, concurrency: 4, ...change });
    workers.push(worker);
    return worker;
  }

  test('a job runs when its transaction has been committed, without anyone asking', async () => {
    const { happen, happened } = event();
    const worker = start(happen);
    await worker.idle();
    await add(job(7));
    await happened;
    await worker.idle();
    expect(ran).toEqual([7]);
    expect(await listJobs(store)).toEqual([]);
  });

  describe('what this process adds to a lane in which nothing waits', () => {
    const claims = async () => Number((await store.query<{ n: unknown }>('select coalesce(sum(epoch), 0) as n from lanes'))[0]!.n);

    test('is handed to its worker with the commit: it runs at once, and once', async () => {
      const { happen, happened } = event();
      const worker = start(() => happened);
      await worker.idle();
      await store.transaction(async (tx) => {
        await addJobs(tx, [job(1, 'a'), job(2, 'a')], clock);
        expect(await tx.query('select key, epoch, lease_until from lanes')).toEqual([{ key: 'a', epoch: 1, lease_until: clock + LEASE_MS }]);
        expect(ran).toEqual([]);
      });
      expect(ran).toEqual([1]);
      happen();
      await worker.idle();
      expect(ran).toEqual([1, 2]);
      expect([await listJobs(store), await claims()]).toEqual([[], 1]);
      await add(job(3, 'a'));
      expect(ran).toEqual([1, 2, 3]);
    });

    test('comes after what was there, and not before its time', async () => {
      const { happen, happened } = event();
      const worker = start((number) => number === 1 && happened);
      await worker.idle();
      await add(job(1, 'a'));
      await add(job(2, 'a'), job(3, 'b'));
      await add(job(4, 'c', { runAt: clock + 60_000 }));
      expect(ran).toEqual([1, 3]);
      happen();
      await worker.idle();
      expect(ran).toEqual([1, 3, 2]);
      clock += 60_000;
      await worker.idle();
      expect(ran).toEqual([1, 3, 2, 4]);
    });

    test('runs never when the transaction is undone', async () => {
      const worker = start();
      await worker.idle();
      const undone = store.transaction(async (tx) => {
        await addJobs(tx, [job(1, 'a')], clock);
        throw new Error('on purpose');
      });
      await expect(undone).rejects.toThrow('on purpose');
      await worker.idle();
      expect(ran).toEqual([]);
      await add(job(2, 'a'));
      expect(ran).toEqual([2]);
    });

    test('waits like all others while more is there than hands, or the gate is shut', async () => {
      const gate: Gate = { isOpen: () => false, onOpen: () => {} };
      await start(() => {}, { gate }).idle();
      await add(job(1, 'a'));
      expect(await claims()).toBe(0);
      const { happen, happened } = event();
      const worker = start(() => happened, { concurrency: 2 });
      await add(job(2, 'b'), job(3, 'c'), job(4, 'd'));
      await add(job(5, 'e'));
      expect(ran.length).toBeLessThanOrEqual(2);
      happen();
      await worker.idle();
      expect(ran.toSorted()).toEqual([1, 2, 3, 4, 5]);
    });

    test('goes back when the worker has stopped before the commit, and another one runs it', async () => {
      const worker = start();
      await worker.idle();
      await store.transaction(async (tx) => {
        await addJobs(tx, [job(1, 'a')], clock);
        const stopping = worker.stop();
        if (store.dialect === 'postgres') await stopping; // on SQLite it waits for this transaction
      });
      await worker.idle();
      expect(ran).toEqual([]);
      expect(await listJobs(store)).toMatchObject([{ attempts: 0 }]);
      await start().idle();
      expect(ran).toEqual([1]);
    });
  });

  test('jobs that were there before the worker run', async () => {
    await add(job(1, 'a'), job(2));
    await start().idle();
    expect(ran.sort()).toEqual([1, 2]);
  });

  test('a job that ends in whatever moment of the loop is written down at once', async () => {
    start(async (microtasks) => {
      for (let turn = 0; turn < microtasks; turn++) await null;
    });
    for (let microtasks = 0; microtasks < 60; microtasks++) {
      await add(job(microtasks));
      // Not idle(), which wakes the worker itself. A wake-up that was lost would be made good by the sweep after 30 s.
      while ((await listJobs(store)).length > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(ran).toHaveLength(60);
  });

  test('a lane keeps its order while lanes run side by side, as many as allowed', async () => {
    const running = new Map<string, number>();
    let most = 0;
    const lanes = ['a', 'b', 'c', 'd', 'e', 'f'];
    await add(...Array.from({ length: 60 }, (_, number) => job(number, lanes[number % 6])));
    const worker = start(async (number) => {
      const lane = lanes[number % 6]!;
      expect(running.has(lane)).toBe(false);
      running.set(lane, number);
      most = Math.max(most, running.size);
      await new Promise((resolve) => setImmediate(resolve));
      running.delete(lane);
    });
    await worker.idle();
    expect(most).toBe(4);
    for (const [index] of lanes.entries()) {
      const ofLane = ran.filter((number) => number % 6 === index);
      expect(ofLane).toEqual(ofLane.toSorted((a, b) => a - b));
      expect(ofLane).toHaveLength(10);
    }
    expect(await listJobs(store)).toEqual([]);
  });

  test('a job that fails holds up its lane until its back-off is over, and nobody else', async () => {
    let fails = true;
    const worker = start((number) => {
      if (number === 1 && fails) throw new Error('on purpose');
    });
    await add(job(1, 'a'), job(2, 'a'), job(3, 'b'), job(4));
    await worker.idle();
    expect(ran.toSorted()).toEqual([1, 3, 4]);
    expect(await listJobs(store)).toMatchObject([{ attempts: 1, lastError: 'on purpose' }, { attempts: 0 }]);
    fails = false;
    clock += 3_999;
    await worker.idle();
    expect(ran).toHaveLength(3);
    clock += 2_001;
    await worker.idle();
    expect(ran.slice(3)).toEqual([1, 2]);
  });

  describe('what handlers return', () => {
    const arrival = (number: number): Arrival => ({ activityId: String(number), protocol: 'xmpp', host: 'b.test', recipients: number, at: 1, jobId: number, tries: 0 });
    const numbers = (arrivals: readonly Arrival[]) => arrivals.map(({ recipients }) => recipients).toSorted((a, b) => a - b);

    test('is written down in the transaction that completes their jobs, all together', async () => {
      const told: { numbers: number[]; left: number }[] = [];
      const onArrived = async (tx: Tx, arrivals: readonly Arrival[]) => {
        const left = await tx.query("select 1 from jobs where kind = 'profile-changed'");
        told.push({ numbers: numbers(arrivals), left: left.length });
      };
      await add(job(1, 'a'), job(2, 'a'), job(3, 'b'), job(4));
      await start(arrival, { onArrived }).idle();
      expect(told).toEqual([{ numbers: [1, 2, 3, 4], left: 0 }]);
    });

    test('is not lost for those before one that fails', async () => {
      const told: number[] = [];
      const onArrived = async (_: Tx, arrivals: readonly Arrival[]) => void told.push(...numbers(arrivals));
      await add(job(1, 'a'), job(2, 'a'), job(3, 'a'));
      const worker = start((number) => {
        if (number === 2) throw new DeliveryError('away', false);
        return arrival(number);
      }, { onArrived });
      await worker.idle();
      expect(told).toEqual([1]);
      expect(await listJobs(store)).toMatchObject([{ lastError: 'away' }, { lastError: null }]);
    });

    test('holds up nobody else when it cannot be written down: its job runs again', async () => {
      const told: number[] = [];
      const onArrived = async (_: Tx, arrivals: readonly Arrival[]) => {
        if (arrivals.some(({ recipients }) => recipients === 2)) throw new Error('on purpose');
        told.push(...numbers(arrivals));
      };
      await add(job(1, 'a'), job(2, 'b'), job(3));
      await start(arrival, { onArrived }).idle();
      expect(told.toSorted()).toEqual([1, 3]);
      expect(await listJobs(store)).toMatchObject([{ lane: 'b' }]);
    });

    test('of what was done before the stop is written down', async () => {
      const { happen: begun, happened: hasBegun } = event();
      const told: number[] = [];
      const onArrived = async (_: Tx, arrivals: readonly Arrival[]) => void told.push(...numbers(arrivals));
      await add(job(1, 'a'), job(2, 'a'));
      const worker = start((number, signal) => {
        if (number === 1) return arrival(number);
        begun();
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      }, { onArrived, stopMs: 1 });
      await hasBegun;
      await worker.stop();
      expect(told).toEqual([1]);
      expect(await listJobs(store)).toMatchObject([{ attempts: 0 }]);
    });
  });

  test('a job that may never succeed is given up at once, its lane goes on, and its end is told in the same transaction', async () => {
    const told: [number, string][] = [];
    const worker = start(
      (number) => {
        if (number !== 2) throw new DeliveryError('404', true);
      },
      {
        onDead: async (tx, { payload }, error) => {
          await tx.query('select 1');
          told.push([(payload as { actorId: number }).actorId, error]);
        },
      },
    );
    await add(job(1, 'a'), job(2, 'a'), job(3));
    await worker.idle();
    expect(ran.toSorted()).toEqual([1, 2, 3]);
    expect(told.toSorted()).toEqual([
      [1, '404'],
      [3, '404'],
    ]);
    expect(await listJobs(store)).toEqual([]);
    expect(await listJobs(store, { failed: true })).toMatchObject([{ lastError: '404' }, { lastError: '404' }]);
  });

  test('a poison job is given up after 30 attempts, and others run all the while', async () => {
    const worker = start((number) => {
      if (number === 1) throw new Error('poison');
    });
    await add(job(1, 'a'), job(2, 'a'));
    for (let attempt = 1; attempt <= 30; attempt++) {
      await add(job(100 + attempt));
      await worker.idle();
      expect(ran).toContain(100 + attempt);
      clock += 3 * 3_600_000;
    }
    await worker.idle();
    expect(ran.filter((number) => number === 1)).toHaveLength(30);
    expect(ran).toContain(2);
    expect(await listJobs(store, { failed: true })).toMatchObject([{ attempts: 30, lane: 'a' }]);
    expect(await listJobs(store)).toEqual([]);
  });

  test('a server that is away for days is tried again and again', async () => {
    const worker = start(() => {
      throw new DeliveryError('away', false);
    });
    await add(job(1));
    for (let attempt = 1; attempt <= 100; attempt++) {
      await worker.idle();
      clock += 2 * 3_600_000;
    }
    expect(ran).toHaveLength(100);
    expect(await listJobs(store, { failed: true })).toEqual([]);
  });

  test('a job is given up after 14 days', async () => {
    const worker = start(() => {
      throw new DeliveryError('away', false);
    });
    await add(job(1));
    await worker.idle();
    clock += 14 * 24 * 3_600_000;
    await worker.idle();
    expect(ran).toEqual([1, 1]);
    expect(await listJobs(store, { failed: true })).toHaveLength(1);
  });

  test('a job that kills its worker each time is given up too', async () => {
    await add(job(1, 'a'), job(2, 'a'));
    for (let death = 0; death < 30; death++) {
      await claim(store, 'main', { lanes: 1, jobs: 1, perLane: 5, leaseMs: 10, now: clock });
      clock += 10;
      expect(await sweep(store, clock)).toBe(1);
    }
    await start().idle();
    expect(ran).toEqual([2]);
    expect(await listJobs(store, { failed: true })).toHaveLength(1);
  });

  test('a clock that was set back a day holds up nothing: the next sweep sees it', async () => {
    const { happen, happened } = event();
    await add(job(1, 'a'));
    clock += 86_400_000;
    const worker = start(
      (number) => {
        if (clock > 1_000_000) throw new DeliveryError(`away ${number}`, false);
        happen();
      },
      { sweepMs: 5 },
    );
    await worker.idle();
    clock = 1_000_000;
    await happened;
    await worker.idle();
    expect(ran).toEqual([1, 1]);
  });

  test('a postponed job waits, with its lane, and counts no attempt', async () => {
    const worker = start((number) => {
      if (number === 1 && clock < 1_000_500) throw new Postpone(1_000_500);
    });
    await add(job(1, 'a'), job(2, 'a'));
    await worker.idle();
    expect(ran).toEqual([1]);
    expect((await listJobs(store))[0]).toMatchObject({ attempts: 0, runAt: 1_000_500 });
    clock = 1_000_500;
    await worker.idle();
    expect(ran).toEqual([1, 1, 2]);
  });

  test('a job wakes the worker by itself when its time has come', async () => {
    const { happen, happened } = event();
    clock = Date.now();
    const worker = start(happen, { now: Date.now });
    await add(job(1, 'a', { runAt: clock + 30 }));
    await worker.idle();
    await happened;
    expect(Date.now()).toBeGreaterThanOrEqual(clock + 30);
  });

  test('while the gate is shut nothing runs, and all when it opens', async () => {
    let isOpen = false;
    const open: (() => void)[] = [];
    const gate: Gate = { isOpen: () => isOpen, onOpen: (listener) => void open.push(listener) };
    const { happen, happened } = event();
    const worker = start((number) => (number === 2 ? happen() : undefined), { gate });
    await add(job(1, 'a'), job(2, 'a'));
    await worker.idle();
    expect(ran).toEqual([]);
    isOpen = true;
    for (const tell of open) tell();
    await happened;
    await worker.idle();
    expect(ran).toEqual([1, 2]);
  });

  test('a gate that shuts in the middle of a lane keeps the rest', async () => {
    let isOpen = true;
    const worker = start(() => void (isOpen = false), { gate: { isOpen: () => isOpen, onOpen: () => {} } });
    await add(job(1, 'a'), job(2, 'a'));
    await worker.idle();
    expect(ran).toEqual([1]);
    expect(await listJobs(store)).toMatchObject([{ attempts: 0 }]);
  });

  test('a job of a kind that nobody runs here fails, and does not stop the others', async () => {
    const worker = start();
    await add({ kind: 'distribute', payload: { activityId: 'x' }, queue: 'main', lane: 'a' }, job(1));
    await worker.idle();
    expect(ran).toEqual([1]);
    expect(await listJobs(store)).toMatchObject([{ kind: 'distribute', attempts: 1 }]);
  });

  test('the end of one job that cannot be written down does not hold up the others', async () => {
    const worker = start(
      (number) => {
        if (number === 1) throw new DeliveryError('404', true);
      },
      {
        onDead: async () => {
          throw new Error('on purpose');
        },
      },
    );
    await add(job(1), job(2), job(3, 'a'));
    await worker.idle();
    expect(ran.toSorted()).toEqual([1, 2, 3]);
    expect(await listJobs(store)).toMatchObject([{ attempts: 1 }]); // still leased: it comes back by the sweep
    expect(await listJobs(store, { failed: true })).toEqual([]);
  });

  test('stop waits for what runs, begins nothing new, and gives back the rest', async () => {
    const [begun, go] = [event(), event()];
    const worker = start(async () => {
      begun.happen();
      await go.happened;
    });
    await add(job(1, 'a'), job(2, 'a'));
    await begun.happened;
    const stopped = worker.stop();
    await add(job(3));
    go.happen();
    await stopped;
    expect(ran).toEqual([1]);
    expect((await listJobs(store)).map(({ attempts }) => attempts)).toEqual([0, 0]);
    expect((await claim(store, 'main', { lanes: 9, jobs: 9, perLane: 9, leaseMs: 1, now: clock })).flatMap(({ jobs }) => jobs)).toHaveLength(2);
  });

  test('stop aborts what does not end, and gives back even what does not listen', async () => {
    const [one, two] = [event(), event()];
    const worker = start(
      (number, signal) =>
        new Promise((_, reject) => {
          (number === 1 ? one : two).happen();
          if (number === 1) signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
      { stopMs: 5 },
    );
    await add(job(1, 'a'), job(2, 'b'));
    await Promise.all([one.happened, two.happened]);
    await worker.stop();
    expect((await claim(store, 'main', { lanes: 9, jobs: 9, perLane: 9, leaseMs: 1, now: clock })).map(({ jobs }) => jobs[0]!.attempts)).toEqual([0, 0]);
  });

  test('a handler that takes longer than the lease keeps it', async () => {
    const [begun, go] = [event(), event()];
    const worker = start(
      async () => {
        begun.happen();
        await go.happened;
      },
      { leaseMs: 60 },
    );
    await add(job(1, 'a'));
    await begun.happened;
    const until = async () => (await store.query<{ lease_until: number }>('select lease_until from lanes'))[0]!.lease_until;
    const first = await until();
    clock += 1_000;
    while ((await until()) === first) await new Promise((resolve) => setImmediate(resolve));
    expect(await sweep(store, clock)).toBe(0);
    go.happen();
    await worker.idle();
    expect(await listJobs(store)).toEqual([]);
  });

  test('a worker that lost its lease is told so, begins nothing more of the lane and changes nothing', async () => {
    const aborted = event();
    const begun = event();
    const worker = start(
      (_, signal) => {
        begun.happen();
        return new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => {
            aborted.happen();
            resolve();
          }),
        );
      },
      { leaseMs: 60 },
    );
    await add(job(1, 'a'), job(2, 'a'));
    await begun.happened;
    // Another process finds the lease ended, and takes the lane for long: in one step, so that this worker cannot be quicker.
    const taken = await store.transaction((tx) => tx.query("update lanes set epoch = epoch + 1, lease_until = ? where key = 'a' returning 1", [clock + 9_000_000]));
    expect(taken).toHaveLength(1);
    await aborted.happened;
    await worker.idle();
    expect(ran).toEqual([1]);
    expect(await listJobs(store)).toHaveLength(2);
  });

  test('two workers of two processes share the work, each job once, lanes in order', async () => {
    if (makeStore.dialect === 'sqlite') return; // one process alone
    const other = await makeStore.open((store.dataSource.options as { url: string }).url);
    start(undefined, { concurrency: 3 });
    start(undefined, { concurrency: 3, store: other });
    const numbers = Array.from({ length: 300 }, (_, number) => number);
    for (let from = 0; from < 300; from += 30) await add(...numbers.slice(from, from + 30).map((number) => job(number, number % 3 === 0 ? undefined : `lane ${number % 10}`)));
    while ((await listJobs(store)).length > 0) await Promise.all(workers.map((worker) => worker.idle()));
    expect(ran.toSorted((a, b) => a - b)).toEqual(numbers);
    for (let lane = 0; lane < 10; lane++) {
      const ofLane = ran.filter((number) => number % 3 !== 0 && number % 10 === lane);
      expect(ofLane).toEqual(ofLane.toSorted((a, b) => a - b));
    }
  });
});

describeStores((makeStore) => {
  test('what a process held that ended without a word runs again at once when its successor starts', async () => {
    const store = await makeStore();
    await store.transaction((tx) => addJobs(tx, [job(1, 'a'), job(2)], 5));
    await claim(store, 'main', { lanes: 9, jobs: 9, perLane: 9, leaseMs: 60_000, now: 5 });
    const ran: number[] = [];
    const handlers = { 'profile-changed': async ({ payload }: { payload: { actorId: number } }) => void ran.push(payload.actorId) };
    const worker = startWorker({ store, queue: 'main', handlers, log: silentLog, now: () => 5, concurrency: 2 });
    await worker.idle();
    await worker.stop();
    expect(ran.sort()).toEqual([1, 2]);
  });
}, /file/);
