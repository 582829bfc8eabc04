import { createAppPassword, revokeAppPassword } from '../../src/services/app-passwords.js';
import { suspendAccount } from '../../src/services/accounts.js';
import { type Installation, PASSWORD, startInstallation } from '../support/installation.js';
import type { AuthChat } from '../support/servers/plan.js';
import { server, type TestServer } from '../support/servers/index.js';
import { connect } from '../support/xmpp-client.js';

let prosody: TestServer;
let chat: AuthChat;
let app: Installation;

beforeAll(async () => {
  prosody = await server('prosody');
  chat = prosody.authChat!;
  app = await startInstallation({ server: prosody, chatDomain: chat.domain, env: { DX_AUTH_LISTEN: chat.listen, DX_AUTH_SECRET: chat.secret } });
});
afterAll(() => app.stop());

const login = (username: string, password: string) => connect({ server: { ...prosody, chatDomain: chat.domain }, username, password, domain: chat.domain, jid: `${username}@${chat.domain}` });

test('an app password logs in as the same name on the chat domain, however it is typed', async () => {
  const alice = await app.account('alice');
  const { password } = await createAppPassword(app.ctx, alice, 'Phone');
  for (const typed of [password, password.toUpperCase(), password.replaceAll('-', ' ')]) await (await login('alice', typed)).disconnect();
});

test('the web password does not open chat', async () => {
  await app.account('anna');
  await expect(login('anna', PASSWORD)).rejects.toThrow(/not-authorized/);
});

test("another account's app password opens nothing", async () => {
  const [arthur] = [await app.account('arthur'), await app.account('andrea')];
  const { password } = await createAppPassword(app.ctx, arthur, 'Phone');
  await expect(login('andrea', password)).rejects.toThrow(/not-authorized/);
});

test('a revoked app password fails at the next login, the other one goes on', async () => {
  const bea = await app.account('bea');
  const [phone, laptop] = [await createAppPassword(app.ctx, bea, 'Phone'), await createAppPassword(app.ctx, bea, 'Laptop')];
  await (await login('bea', phone.password)).disconnect();
  await revokeAppPassword(app.ctx, bea, phone.row.id);
  await expect(login('bea', phone.password)).rejects.toThrow(/not-authorized/);
  await (await login('bea', laptop.password)).disconnect();
});

test('a suspended account cannot log in', async () => {
  const carl = await app.account('carl');
  const { password } = await createAppPassword(app.ctx, carl, 'Phone');
  await suspendAccount(app.ctx, carl);
  await expect(login('carl', password)).rejects.toThrow(/not-authorized/);
});

