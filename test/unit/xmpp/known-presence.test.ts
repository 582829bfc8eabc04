import { jest } from '@jest/globals';
import { type Jid, parseJid } from '../../../src/xmpp/addresses.js';
import { KnownPresence } from '../../../src/xmpp/presence/known.js';
import { WarmUp } from '../../../src/xmpp/presence/warm-up.js';

const jid = (text: string): Jid => parseJid(text)!;

describe('known presence', () => {
  test('tells a resource that came from one that is there', () => {
    const known = new KnownPresence();
    expect(known.available('alice', jid('bob@x.test/a'), null)).toBe(true);
    expect(known.available('alice', jid('bob@x.test/a'), null)).toBe(false);
    expect(known.available('alice', jid('bob@x.test/a'), { node: 'n', ver: 'v', hash: 'sha-1' })).toBe(true);
    known.unavailable('alice', jid('bob@x.test/a'));
    expect(known.available('alice', jid('bob@x.test/a'), null)).toBe(true);
    expect(known.resources('carol', 'bob@x.test')).toEqual([]);
  });

  test('unavailable from a bare JID means all of its resources', () => {
    const known = new KnownPresence();
    for (const name of ['a', 'b']) known.available('alice', jid(`bob@x.test/${name}`), null);
    known.unavailable('alice', jid('bob@x.test'));
    expect(known.resources('alice', 'bob@x.test')).toEqual([]);
    expect(known.size).toBe(0);
  });

  test('a flood from one host pushes out its own and nobody else', () => {
    const known = new KnownPresence(1_000);
    for (let i = 0; i < 500; i++) known.available('alice', jid(`friend${i}@good.test/a`), null);
    for (let i = 0; i < 50_000; i++) known.available('alice', jid(`u${i}@flood.test/a`), null);
    expect(known.size).toBe(1_000);
    expect(Array.from({ length: 500 }, (_, i) => known.resources('alice', `friend${i}@good.test`).length)).toEqual(Array.from({ length: 500 }, () => 1));
  });

  test('a flood of resources of one contact stays small', () => {
    const known = new KnownPresence();
    for (let i = 0; i < 50_000; i++) known.available('alice', jid(`bob@x.test/${i}`), null);
    expect(known.resources('alice', 'bob@x.test')).toHaveLength(16);
    expect(known.resources('alice', 'bob@x.test').at(-1)?.jid).toBe('bob@x.test/49999');
  });
});

describe('after a reconnect', () => {
  const orderOf = async (warmUp: WarmUp, host: string) => {
    let ready = false;
    void warmUp.hostReady(host).then(() => (ready = true));
    await Promise.resolve();
    return () => new Promise<boolean>((resolve) => setImmediate(() => resolve(ready)));
  };

  test('a host is ready when all of its probes are answered', async () => {
    const warmUp = new WarmUp();
    warmUp.begin();
    warmUp.probed('alice', 'bob@x.test');
    warmUp.probed('alice', 'carol@x.test');
    warmUp.probed('alice', 'dave@y.test');
    const [x, y, z] = [await orderOf(warmUp, 'x.test'), await orderOf(warmUp, 'y.test'), await orderOf(warmUp, 'z.test')];
    warmUp.answered('alice', 'bob@x.test');
    expect([await x(), await y(), await z()]).toEqual([false, false, false]);
    warmUp.allProbed();
    expect([await x(), await y(), await z()]).toEqual([false, false, true]);
    warmUp.answered('alice', 'carol@x.test');
    expect([await x(), await y()]).toEqual([true, false]);
    expect([warmUp.isOpen('alice', 'carol@x.test'), warmUp.isOpen('alice', 'dave@y.test')]).toEqual([false, true]);
    warmUp.end();
    expect(await y()).toBe(true);
    expect(warmUp.isOpen('alice', 'dave@y.test')).toBe(false);
  });

  test('a host that has answered something later is ready, whoever of it is silent', async () => {
    const warmUp = new WarmUp();
    warmUp.begin();
    warmUp.probed('alice', 'bob@x.test');
    warmUp.probed('alice', 'carol@y.test');
    warmUp.allProbed();
    const [x, y] = [await orderOf(warmUp, 'x.test'), await orderOf(warmUp, 'y.test')];
    expect(warmUp.openHosts()).toEqual(['x.test', 'y.test']);
    warmUp.hostAnswered('x.test');
    expect([await x(), await y()]).toEqual([true, false]);
    warmUp.end();
  });

  test('who is silent holds up a host for ten seconds and no longer', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance'] });
    try {
      const warmUp = new WarmUp();
      warmUp.begin();
      warmUp.probed('alice', 'bob@x.test');
      warmUp.allProbed();
      const ready = await orderOf(warmUp, 'x.test');
      jest.advanceTimersByTime(9_999);
      expect(await ready()).toBe(false);
      jest.advanceTimersByTime(1);
      expect(await ready()).toBe(true);
    } finally {
      jest.useRealTimers();
    }
  });
});
