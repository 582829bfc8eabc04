// The chat server is restarted while 1,000 accounts are logged in, and all come back at once: ejabberd with the printed configuration, Prosody with our module.
import { type LoginRun, logInAll } from '../support/bulk-logins.js';
import { type LoginScene, startLoginScene } from '../support/login-scene.js';
import { SERVERS } from '../support/servers/index.js';

const ACCOUNTS = 1_000;
/** How long it takes is the business of bench/logins.ts; here the machine may be busy. */
const PATIENCE_MS = 120_000;

describe.each(SERVERS)('through %s', (name) => {
  let scene: LoginScene;
  beforeAll(async () => {
    scene = await startLoginScene(name, 'reconnect.test', ACCOUNTS);
  }, 60_000);
  afterAll(() => scene?.destroy());

  const logIn = (atOnce: number) => logInAll(scene.at, scene.logins, atOnce, true, PATIENCE_MS);
  const allIn: LoginRun['outcomes'] = { in: ACCOUNTS, refused: 0, closed: 0, 'timed out': 0 };

  test(`${ACCOUNTS} accounts come back at once after a restart of the chat server: none is refused, none waits in vain`, async () => {
    const before = await logIn(8);
    expect(before.outcomes).toEqual(allIn);
    await scene.server.stop();
    await before.close(); // the server has closed them
    await scene.server.start();
    const after = await logIn(ACCOUNTS);
    expect(after.outcomes).toEqual(allIn);
    await after.close();
  }, 2 * PATIENCE_MS);
});
