import { jest } from '@jest/globals';
import { Gate } from '../../../src/xmpp/inbound/gate.js';

/** Work that ends when it is told to. */
function openWork(gate: Gate) {
  const running: string[] = [];
  const ends = new Map<string, () => void>();
  const begin = (name: string, fails = false) =>
    gate.run(name.split(' ')[0]!, async () => {
      running.push(name);
      await new Promise<void>((resolve) => ends.set(name, resolve));
      running.splice(running.indexOf(name), 1);
      if (fails) throw new Error(name);
      return name;
    });
  const settle = async () => {
    for (let n = 0; n < 10; n++) await Promise.resolve();
  };
  const end = async (name: string) => {
    ends.get(name)!();
    await settle();
  };
  return { running, begin, end, settle };
}

test('so much runs at once, and so much of one host; the hosts take turns', async () => {
  const gate = new Gate({ atOnce: 3, perHost: 2 });
  const { running, begin, end, settle } = openWork(gate);
  const all = ['a 1', 'a 2', 'a 3', 'a 4', 'b 1', 'b 2'].map((name) => begin(name));
  await settle();
  expect(running).toEqual(['a 1', 'a 2', 'b 1']);
  expect(gate.size).toBe(6);
  await end('a 1');
  expect(running).toEqual(['a 2', 'b 1', 'a 3']);
  await end('a 2');
  expect(running).toEqual(['b 1', 'a 3', 'b 2']);
  await end('b 1');
  expect(running).toEqual(['a 3', 'b 2', 'a 4']);
  for (const name of ['a 3', 'b 2', 'a 4']) await end(name);
  expect(await Promise.all(all)).toHaveLength(6);
  expect(gate.size).toBe(0);
});

test('work that fails makes room, too', async () => {
  const gate = new Gate({ atOnce: 1, perHost: 1 });
  const { running, begin, end, settle } = openWork(gate);
  const failing = begin('a 1', true);
  const next = begin('b 1');
  await settle();
  failing.catch(() => {});
  await end('a 1');
  await expect(failing).rejects.toThrow('a 1');
  expect(running).toEqual(['b 1']);
  await end('b 1');
  expect(await next).toBe('b 1');
});

test('a place rests before the next who waits has it, and not when nobody waits', async () => {
  jest.useFakeTimers();
  try {
    const gate = new Gate({ atOnce: 1, perHost: 1, restMs: 60 });
    const { running, begin, end, settle } = openWork(gate);
    const all = [begin('a 1'), begin('b 1')];
    await settle();
    await end('a 1');
    expect(running).toEqual([]);
    jest.advanceTimersByTime(59);
    await settle();
    expect(running).toEqual([]);
    jest.advanceTimersByTime(1);
    await settle();
    expect(running).toEqual(['b 1']);
    await end('b 1');
    await Promise.all(all);
    expect(gate.size).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});
