// The spoilt connection of other tests is spoilt as they say.
import net, { type AddressInfo } from 'node:net';
import { type Side, startTcpProxy } from '../../support/tcp-proxy.js';

test.each<Side>(['near', 'far'])('trickle reads so many bytes a second of the %s side and no more, also when that is less than one at a time; the other side is as quick as ever', async (side) => {
  const listener = net.createServer();
  const accepted = new Promise<net.Socket>((resolve) => listener.once('connection', resolve));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const proxy = await startTcpProxy({ host: '127.0.0.1', port: (listener.address() as AddressInfo).port });
  const near = net.connect(proxy.port, proxy.host);
  const ends: Record<Side, net.Socket> = { near, far: await accepted };
  const other: Side = side === 'near' ? 'far' : 'near';
  /** Resolves when that end has got so many bytes. */
  const gets = (end: Side, count: number) =>
    new Promise<number>((resolve) => {
      let got = 0;
      ends[end].on('data', (chunk: Buffer) => (got += chunk.length) >= count && resolve(got));
    });
  proxy.trickle(4, side);
  const slowly = gets(other, 5);
  const quickly = gets(side, 100_000);
  const from = performance.now();
  ends[side].write('x'.repeat(1_000));
  ends[other].write('x'.repeat(100_000));
  expect(await quickly).toBe(100_000);
  expect(performance.now() - from).toBeLessThan(1_000);
  expect(await slowly).toBe(5);
  expect(performance.now() - from).toBeGreaterThan(1_000);
  for (const end of Object.values(ends)) end.destroy();
  await proxy.close();
  await new Promise((resolve) => listener.close(resolve));
});
