// The service is restarted while people log in at real chat servers: nobody is refused, neither then nor when everybody comes back to a service
// that has verified nothing yet.
import { setTimeout as pause } from 'node:timers/promises';
import { jest } from '@jest/globals';
import type { Login } from '../support/bulk-accounts.js';
import { logInAll } from '../support/bulk-logins.js';
import { type LoginScene, startLoginScene } from '../support/login-scene.js';
import { SERVERS, type ServerName } from '../support/servers/index.js';

const ACCOUNTS = 200;
/** ejabberd-auth has 1.8 s for a login, our module for Prosody 10 s: a restart must be quicker for nobody to notice. */
const PATIENCE_MS: Record<ServerName, number> = { prosody: 8_000, ejabberd: 1_400 };
/** Who takes longer for a question that needs no database is busy with starting or ending. */
const SLOW_MS = 60;
/** Up to eight restarts. */
jest.setTimeout(240_000);

describe.each(SERVERS)('through %s', (name) => {
  let scene: LoginScene;
  beforeAll(async () => {
    scene = await startLoginScene(name, 'storm.test', ACCOUNTS);
  });
  afterAll(() => scene?.destroy());

  const logIn = async (some: Login[], atOnce: number) => {
    const run = await logInAll(scene.at, some, atOnce);
    await run.close();
    return run.outcomes;
  };
  const all = (count: number) => ({ in: count, refused: 0, closed: 0, 'timed out': 0 });

  /** An answer of any kind: who only accepts a connection is not there yet. */
  const answers = () =>
    fetch(`http://127.0.0.1:${scene.authPort}/auth/user_exists`).then(
      () => true,
      () => false,
    );

  /** Restarts the service, and logs in all the while. @returns for how long nobody answered chat servers */
  async function restart(outcomes: object[]): Promise<number> {
    let restarting = true;
    let goneMs = 0;
    const watching = (async () => {
      for (let from = performance.now(); restarting; from = performance.now()) {
        const there = await answers();
        await pause(5);
        const tookMs = performance.now() - from;
        if (!there || tookMs > SLOW_MS) goneMs += tookMs;
      }
    })();
    const logging = (async () => {
      while (restarting) outcomes.push(await logIn(scene.logins.slice(0, 20), 4));
    })();
    await scene.service.stop();
    await scene.service.start();
    restarting = false;
    await Promise.all([watching, logging]);
    return goneMs;
  }

  test('nobody is refused while the service restarts', async () => {
    expect(await logIn(scene.logins.slice(0, 20), 4)).toEqual(all(20));
    for (let attempt = 1; ; attempt++) {
      const outcomes: object[] = [];
      const goneMs = await restart(outcomes);
      // On a machine that has too much else to do the restart itself is too slow: that says nothing.
      if (goneMs > PATIENCE_MS[name] && attempt < 8) continue;
      expect(goneMs).toBeLessThan(PATIENCE_MS[name]);
      expect(goneMs).toBeGreaterThan(0);
      expect(outcomes).toEqual(outcomes.map(() => all(20)));
      return;
    }
  });

  test(`${ACCOUNTS} accounts that all come back at once, after it, get in`, async () => {
    await scene.service.stop();
    await scene.service.start();
    expect(await logIn(scene.logins, ACCOUNTS)).toEqual(all(ACCOUNTS));
  });
});
