// What is revoked ends what is open: on real servers with the configuration that `dx snippet` prints.
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { closeAccount, logOutEverywhere, suspendAccount } from '../../src/services/accounts.js';
import { createAppPassword, revokeAllAppPasswords, revokeAppPassword } from '../../src/services/app-passwords.js';
import { endsChatSessions } from '../../src/services/chat-sessions.js';
import { BCRYPT_COST } from '../../src/services/passwords.js';
import { CHAT, type ChatScene, SOCIAL, startChatScene } from '../support/chat-scene.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { openSession, RawSession } from '../support/raw-session.js';
import { SERVERS } from '../support/servers/index.js';

beforeAll(() => {
  BCRYPT_COST.web = 4;
});

describe.each(SERVERS)('on %s', (name) => {
  let scene: ChatScene;
  let app: Installation;
  /** How far the service's clock is ahead. */
  let aheadMs = 0;
  const startApp = async () => {
    const url = new URL(scene.env.DX_COMPONENT_URL!);
    app = await startInstallation({ component: { domain: SOCIAL, host: url.hostname, port: Number(url.port), secret: 'component-secret' }, chatDomain: CHAT, stateDir: scene.env.DX_STATE_DIR!, env: scene.env, now: () => Date.now() + aheadMs });
    await app.connector!.online(10_000);
  };
  beforeAll(async () => {
    scene = await startChatScene(name);
    await startApp();
    while (!(await endsChatSessions(app.ctx))) await new Promise((resolve) => setTimeout(resolve, 20)); // the module comes by itself
  });
  afterAll(async () => {
    await app?.stop();
    await scene?.destroy();
  });
  let count = 0;
  /** A new account with two app passwords. */
  async function someone() {
    const account = await app.account(`user${++count}`);
    const [phone, laptop] = [await createAppPassword(app.ctx, account, 'Phone'), await createAppPassword(app.ctx, account, 'Laptop')];
    return { account, phone, laptop, login: (password: string) => openSession(scene.c2sPort, CHAT, account.username, password) };
  }

  test('revoking one app password ends the sessions of the account; the other one logs in again, the revoked one never', async () => {
    const { account, phone, laptop, login } = await someone();
    const other = await someone();
    const [stolen, mine, theirs] = [await login(phone.password), await login(laptop.password), await other.login(other.phone.password)];
    await revokeAppPassword(app.ctx, account, phone.row.id);
    expect(await stolen.closed).toMatch(/<stream:error>|<\/stream:stream>/);
    await mine.closed;
    await expect(login(phone.password)).rejects.toThrow('not-authorized');
    (await login(laptop.password)).cut();
    // The neighbour's session is untouched.
    expect(await theirs.exchange("<iq type='get' id='still'><ping xmlns='urn:xmpp:ping'/></iq>", /id='still'|id="still"/)).toMatch(/still/);
    theirs.cut();
  });

  test.each<[string, (of: Awaited<ReturnType<typeof someone>>) => Promise<unknown>, boolean]>([
    ['revoking all', ({ account }) => revokeAllAppPasswords(app.ctx, account), false],
    ['suspending', ({ account }) => suspendAccount(app.ctx, account), false],
    ['closing', ({ account }) => closeAccount(app.ctx, account), false],
    ['logging out everywhere', ({ account }) => logOutEverywhere(app.ctx, account), true],
    ['logging out everywhere, app passwords too,', ({ account }) => logOutEverywhere(app.ctx, account, { revokeAppPasswords: true }), false],
  ])('%s ends open sessions', async (_, end, mayComeBack) => {
    const them = await someone();
    const session = await them.login(them.phone.password);
    await end(them);
    await session.closed;
    if (mayComeBack) (await them.login(them.phone.password)).cut();
    else await expect(them.login(them.phone.password)).rejects.toThrow('not-authorized');
  });

  test('a command in a process of its own ends them, too', async () => {
    const { account, phone, login } = await someone();
    const session = await login(phone.password);
    const { openContext } = await import('../../src/cli/context.js');
    const command = await openContext(app.config, { log: app.ctx.log });
    await revokeAppPassword(command.ctx, account, phone.row.id);
    await command.close();
    await session.closed;
  });

  if (name === 'ejabberd') {
    // Nothing that we can ask ends what is no session yet; whoever is let in has two minutes to open one.
    test('who has only logged in opens a session still, which ends 130 s after the revocation; who logged in anew afterwards goes with it, and comes back', async () => {
      const { account, phone, laptop, login } = await someone();
      const [thief, later] = [await RawSession.connect(scene.c2sPort, CHAT), await someone()];
      expect(await thief.authenticate(account.username, phone.password)).toBe('success');
      await revokeAppPassword(app.ctx, account, phone.row.id);
      const again = async () => {
        const rows = await app.ctx.store.query<{ payload: string; run_at: number }>("select payload, run_at from jobs where kind = 'end-chat-sessions'");
        return rows.find(({ payload }) => JSON.parse(payload).again && JSON.parse(payload).username === account.username);
      };
      while (!(await again())) await new Promise((resolve) => setTimeout(resolve, 20)); // the first end has found nothing
      expect(await thief.bind()).toContain(`@${CHAT}/`);
      const mine = await login(laptop.password);
      const theirs = await later.login(later.phone.password);
      expect((await again())!.run_at - app.ctx.now()).toBeGreaterThan(100_000);
      expect(await thief.exchange("<iq type='get' id='in'><ping xmlns='urn:xmpp:ping'/></iq>", /id='in'|id="in"/)).toContain('result');
      aheadMs += 130_000;
      await app.ctx.store.transaction(async (tx) => tx.wake('main')); // its timer has the clock of this machine
      await thief.closed;
      await mine.closed;
      (await login(laptop.password)).cut();
      await expect(login(phone.password)).rejects.toThrow('not-authorized');
      expect(await theirs.exchange("<iq type='get' id='still'><ping xmlns='urn:xmpp:ping'/></iq>", /id='still'|id="still"/)).toMatch(/still/);
      theirs.cut();
    });
  }

  if (name === 'prosody') {
    test('who has only logged in, and waits with opening the session, is out as well', async () => {
      const { account, phone } = await someone();
      const session = await RawSession.connect(scene.c2sPort, CHAT);
      expect(await session.authenticate(account.username, phone.password)).toBe('success');
      await revokeAppPassword(app.ctx, account, phone.row.id);
      await session.closed;
    });

    test('a session that waits to be resumed is gone', async () => {
      const { account, phone, laptop, login } = await someone();
      const session = await login(phone.password);
      const enabled = await session.exchange("<enable xmlns='urn:xmpp:sm:3' resume='true'/>", /<enabled[^>]*>/);
      const id = /\bid=['"]([^'"]+)/.exec(enabled)![1];
      session.cut();
      await revokeAppPassword(app.ctx, account, phone.row.id);
      const again = await RawSession.connect(scene.c2sPort, CHAT);
      expect(await again.authenticate(account.username, laptop.password)).toBe('success');
      expect(await again.exchange(`<resume xmlns='urn:xmpp:sm:3' h='0' previd='${id}'/>`, /<failed|<resumed/)).toContain('<failed');
      again.cut();
    });

    test('what was revoked while the service was away from the module ends when it is back', async () => {
      const { account, phone, login } = await someone();
      const session = await login(phone.password);
      await app.stop();
      const { openContext } = await import('../../src/cli/context.js');
      const command = await openContext(app.config, { log: app.ctx.log });
      await revokeAppPassword(command.ctx, account, phone.row.id);
      await command.close();
      await startApp();
      await session.closed;
      await expect(login(phone.password)).rejects.toThrow('not-authorized');
    });

    // Last: nobody of before is known afterwards.
    test('when the service comes back with another database, sessions from before end, and new ones stay', async () => {
      const { login, phone } = await someone();
      const session = await login(phone.password);
      await app.stop();
      while (!(await scene.log()).includes('No news from')) await new Promise((resolve) => setTimeout(resolve, 20));
      for (const file of readdirSync(scene.env.DX_STATE_DIR!)) if (file.includes('.sqlite')) rmSync(path.join(scene.env.DX_STATE_DIR!, file));
      await startApp();
      const them = await someone();
      const fresh = await them.login(them.phone.password); // by this the module notices that the service is there again
      await session.closed;
      expect(await fresh.exchange("<iq type='get' id='still'><ping xmlns='urn:xmpp:ping'/></iq>", /id='still'/)).toContain("id='still'");
      fresh.cut();
    });
  }
});
