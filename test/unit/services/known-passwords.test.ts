import { KnownPasswords } from '../../../src/services/known-passwords.js';

const HOUR = 3_600_000;

describe('known passwords', () => {
  let known: KnownPasswords;
  let prints: string[];
  beforeEach(() => {
    known = new KnownPasswords({ inUse: 3, fresh: 2 });
    prints = ['a', 'b', 'c', 'd', 'e'].map((password) => known.fingerprint(password));
  });
  const hashes = (now = 0) => prints.map((print) => known.hashOf(print, now));

  test('one process knows nothing of what another has', () => {
    expect(new KnownPasswords({ inUse: 1, fresh: 1 }).fingerprint('a')).not.toBe(prints[0]);
    expect(new Set(prints).size).toBe(5);
    expect(known.fingerprint('a')).toBe(prints[0]);
    expect(prints[0]).not.toContain('a'.repeat(8));
  });

  test('each stands for the stored form that it was right for', () => {
    known.addFresh(prints[0]!, 'hash of a', 0);
    known.addInUse(prints[1]!, 'hash of b', 0);
    expect(hashes()).toEqual(['hash of a', 'hash of b', null, null, null]);
    known.addInUse(prints[1]!, 'another', 0);
    expect(hashes()[1]).toBe('another');
  });

  test('new ones beyond the most push out the oldest of them, and none that is in use', () => {
    for (const index of [0, 1, 2]) known.addInUse(prints[index]!, 'in use', 0);
    for (let many = 0; many < 100; many++) known.addFresh(known.fingerprint(`new ${many}`), 'fresh', 0);
    expect(hashes()).toEqual(['in use', 'in use', 'in use', null, null]);
    expect([97, 98, 99].map((many) => known.hashOf(known.fingerprint(`new ${many}`), 0))).toEqual([null, 'fresh', 'fresh']);
  });

  test('in use beyond the most, the one that was not used for longest goes', () => {
    for (const index of [0, 1, 2]) known.addInUse(prints[index]!, 'in use', 0);
    known.hashOf(prints[0]!, 1);
    known.addInUse(prints[3]!, 'in use', 1);
    expect(hashes(1)).toEqual(['in use', null, 'in use', 'in use', null]);
  });

  test('an hour after it was made or verified it is forgotten, however often it was used', () => {
    known.addFresh(prints[0]!, 'fresh', 0);
    known.addInUse(prints[1]!, 'in use', 0);
    for (let now = 0; now < HOUR; now += HOUR / 4) known.addInUse(prints[1]!, 'in use', now);
    expect(hashes(HOUR - 1).slice(0, 2)).toEqual(['fresh', 'in use']);
    expect(hashes(HOUR).slice(0, 2)).toEqual([null, null]);
  });

  test('a new one that is used counts as any in use from then on', () => {
    known.addFresh(prints[0]!, 'hash', 0);
    known.addInUse(prints[0]!, known.hashOf(prints[0]!, HOUR - 1)!, HOUR - 1);
    expect(known.hashOf(prints[0]!, 2 * HOUR - 2)).toBe('hash');
    expect(known.hashOf(prints[0]!, 2 * HOUR - 1)).toBeNull();
  });

  test('cleared, nothing is known', () => {
    known.addFresh(prints[0]!, 'fresh', 0);
    known.addInUse(prints[1]!, 'in use', 0);
    known.clear();
    expect(hashes()).toEqual([null, null, null, null, null]);
  });
});
