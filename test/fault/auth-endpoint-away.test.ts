// The program that ejabberd starts, while the service is away for a minute.
import { setTimeout as pause } from 'node:timers/promises';
import { bench, FakeEndpoint } from '../unit/ejabberd-auth/program.js';

const GOOD = 'auth:alice:chat.test:pw';
const AWAY_MS = 60_000;

let it: Awaited<ReturnType<typeof bench>>;
let endpoint: FakeEndpoint;
beforeAll(async () => {
  it = await bench();
  endpoint = new FakeEndpoint();
  await endpoint.listen();
});
afterAll(async () => {
  await endpoint.close();
  await it.end();
});

test('while it is away for a minute each login is false in time, and right again when it is back', async () => {
  const program = it.start(endpoint);
  expect(await program.asks(GOOD)).toBe(true);
  await endpoint.close();
  const slowestMs = { first: 0, later: 0 };
  for (const from = performance.now(); performance.now() - from < AWAY_MS; await pause(500)) {
    const asked = performance.now();
    expect(await program.asks(GOOD)).toBe(false);
    const phase = asked - from < 12_000 ? 'first' : 'later'; // for 10 s it might be restarting
    slowestMs[phase] = Math.max(slowestMs[phase], performance.now() - asked);
  }
  expect(slowestMs.first).toBeLessThan(2_000);
  expect(slowestMs.later).toBeLessThan(1_000);
  await endpoint.listen();
  expect(await program.asks(GOOD)).toBe(true);
  // A line when it begins, and one each half minute.
  const lines = program.log.trim().split('\n');
  expect(lines.length).toBeLessThanOrEqual(4);
  expect(lines[0]).toContain('ECONNREFUSED');
}, 120_000);
