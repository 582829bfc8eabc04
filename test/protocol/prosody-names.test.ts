// `user_exists`, which Prosody asks where it cannot wait: here on a component's stream.
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
// @ts-expect-error no types
import { component as createComponent, xml } from '@xmpp/component';
import { reactivateAccount, suspendAccount } from '../../src/services/accounts.js';
import { findAccount } from '../../src/store/accounts.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { removeFolder, temporaryFolder } from '../support/servers/daemon.js';
import { freePort, type RunningServer, startProsody } from '../support/servers/index.js';

const CHAT = 'chat.names.test';
const SECRET = 'auth-secret-of-the-names';

let prosody: RunningServer;
let app: Installation;
/** Where the service listens, and where a proxy before it notes what Prosody asks. */
let listen: string;
let proxy: Server;
const asked: string[] = [];
let stateDir: string;
let component: { start(): Promise<void>; stop(): Promise<void>; reconnect: { stop(): void }; on(event: string, listener: () => void): void; iqCaller: { request(iq: unknown): Promise<{ getChildText(name: string): string }> } };

const startApp = () => startInstallation({ chatDomain: CHAT, stateDir, env: { DX_AUTH_LISTEN: listen, DX_AUTH_SECRET: SECRET } });

beforeAll(async () => {
  listen = `127.0.0.1:${await freePort()}`;
  stateDir = await temporaryFolder('names');
  app = await startApp();
  await app.account('before');
  proxy = createServer((from, to) => {
    asked.push(from.url!);
    const onward = request(`http://${listen}${from.url}`, { method: from.method!, headers: from.headers }, (answer) => answer.pipe(to.writeHead(answer.statusCode!, answer.headers)));
    onward.on('error', () => to.destroy());
    from.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  prosody = await startProsody({
    chatDomains: [],
    authChats: [{ domain: CHAT, listen: `127.0.0.1:${(proxy.address() as AddressInfo).port}`, secret: SECRET }],
    componentDomains: ['asker.names.test'],
    extraConfig: `plugin_paths = { "${path.resolve(import.meta.dirname, '../../prosody')}", "${path.resolve(import.meta.dirname, '../support/servers/prosody-modules')}" }
modules_enabled = { "saslauth", "tell_user_exists" }`,
  });
  component = createComponent({ service: `xmpp://127.0.0.1:${prosody.componentPort}`, domain: 'asker.names.test', password: prosody.componentSecret });
  component.on('error', () => {});
  await component.start();
  await until(async () => (await prosody.log()).includes('Hearing from'));
});
afterAll(async () => {
  component?.reconnect.stop();
  await component?.stop();
  await prosody?.destroy();
  proxy?.close();
  proxy?.closeAllConnections();
  await app?.stop();
  await removeFolder(stateDir);
});

const exists = async (user: string) => (await component.iqCaller.request(xml('iq', { type: 'get', to: CHAT }, xml('query', { xmlns: 'urn:test:user-exists', user })))).getChildText('query') === 'true';
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}

const heard = async () => (await prosody.log()).match(/Hearing from/g)?.length ?? 0;
const lookUps = () => asked.filter((url) => url === '/auth/user_exists').length;

test('names from before Prosody started, and new ones, are known without a question', async () => {
  expect(await exists('before')).toBe(true);
  const { id } = await app.account('fresh');
  const events = () => asked.filter((url) => url === '/auth/events').length;
  const before = events();
  await suspendAccount(app.ctx, (await findAccount(app.ctx.store, id))!);
  await until(async () => events() > before); // it has heard so far, and asks again
  await until(async () => !(await exists('fresh')));
  await reactivateAccount(app.ctx, (await findAccount(app.ctx.store, id))!);
  await until(() => exists('fresh'));
  expect(lookUps()).toBe(0);
});

test('an unknown name counts as existing until the answer is in, and then no more', async () => {
  expect(await exists('nobody')).toBe(true);
  await until(async () => !(await exists('nobody')));
  expect(lookUps()).toBe(1);
});

test('while the service is away, names stay known, the log says what is wrong, and what changed in between is heard afterwards', async () => {
  const account = await app.account('leaves');
  await app.stop();
  await until(async () => (await prosody.log()).includes('No news from'));
  expect(await exists('before')).toBe(true);
  const { openContext } = await import('../../src/cli/context.js');
  const command = await openContext(app.config, { log: app.ctx.log });
  await suspendAccount(command.ctx, account);
  await command.close();
  expect(await exists('leaves')).toBe(true);
  app = await startApp();
  await until(async () => (await heard()) === 2);
  await until(async () => !(await exists('leaves')));
  expect(lookUps()).toBe(1);
});
