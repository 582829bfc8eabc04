// The Prosody of `npm start`, with a stand-in for the service's authentication endpoint.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
// @ts-ignore no types
import { component as createComponent } from '@xmpp/component';
// @ts-ignore plain JavaScript
import { chooseComponentPort, configuration, filesOf, startPrivateProsody } from '../../scripts/private-prosody.mjs';
import { freePort, removeFolder, temporaryFolder } from '../support/servers/daemon.js';
import { connect } from '../support/xmpp-client.js';

let stateDir: string;
let endpoint: http.Server;
let config: {
  stateDir: string;
  domain: string;
  chatDomain: string;
  xmppPort: number;
  authListen: { host: string; port: number };
  authSecret: string;
  component: { port: number; secret: string };
};
const said: string[] = [];
let onSay: (line: string) => void = () => {};
const say = (line: string) => {
  said.push(line);
  onSay(line);
};
const stops: (() => Promise<void>)[] = [];
const start = async () => {
  const prosody = await startPrivateProsody(config, say);
  stops.push(() => prosody.stop());
  return prosody;
};
const alice = () => ({
  server: { host: '127.0.0.1', c2sPort: config.xmppPort, chatDomain: config.chatDomain },
  username: 'alice',
  domain: config.chatDomain,
  password: 'app-password',
  jid: `alice@${config.chatDomain}`,
});

beforeEach(async () => {
  said.length = 0;
  stateDir = await temporaryFolder('state');
  endpoint = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const fields = new URLSearchParams(body);
    const isOurs = request.headers.authorization === `Basic ${Buffer.from(`dx:${config.authSecret}`).toString('base64')}`;
    response.writeHead(isOurs ? 200 : 401).end(String(fields.get('user') === 'alice' && fields.get('pass') === 'app-password'));
  });
  const port = await freePort();
  await new Promise<void>((resolve) => endpoint.listen(port, '127.0.0.1', resolve));
  config = {
    stateDir,
    domain: 'social.localhost',
    chatDomain: 'localhost',
    xmppPort: await freePort(),
    authListen: { host: '127.0.0.1', port },
    authSecret: 'a "quoted\\ secret',
    component: { port: await chooseComponentPort(stateDir), secret: 'component "secret"' },
  };
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await new Promise((resolve) => endpoint.close(resolve));
  await removeFolder(stateDir);
});

test('it lets app passwords in and takes the component', async () => {
  await start();
  const client = await connect(alice());
  expect(client.bareJid).toBe('alice@localhost');
  const component = createComponent({
    service: `xmpp://127.0.0.1:${config.component.port}`,
    domain: config.domain,
    password: config.component.secret,
  });
  component.on('error', () => {});
  await component.start();
  component.reconnect.stop();
  await component.stop();
  await client.disconnect();
  await expect(connect({ ...alice(), password: 'wrong' })).rejects.toMatchObject({ condition: 'not-authorized' });
});

test('it offers STARTTLS with a certificate for both domains', async () => {
  await start();
  const socket = net.connect(config.xmppPort, '127.0.0.1');
  let text = '';
  const until = (part: string) =>
    new Promise<void>((resolve) =>
      socket.on('data', function read(chunk) {
        text += chunk;
        if (!text.includes(part)) return;
        socket.off('data', read);
        resolve();
      }),
    );
  socket.write(`<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`);
  await until('</stream:features>');
  expect(text).toContain("xmlns='urn:ietf:params:xml:ns:xmpp-tls'");
  socket.write(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`);
  await until('<proceed');
  const secure = tls.connect({ socket, rejectUnauthorized: false, servername: 'localhost' });
  await new Promise<void>((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject));
  expect(secure.getPeerCertificate().subjectaltname).toBe('DNS:social.localhost, DNS:localhost');
  secure.destroy();
});

test('its secrets are closed to others, and the component port is kept', async () => {
  await start();
  const files = filesOf(stateDir);
  expect(statSync(files.config).mode & 0o077).toBe(0);
  expect(statSync(files.key).mode & 0o077).toBe(0);
  expect(readFileSync(files.componentUrl, 'utf8')).toBe(`xmpp://127.0.0.1:${config.component.port}\n`);
  await stops.pop()?.();
  expect(await chooseComponentPort(stateDir)).toBe(config.component.port);
});

test('a Prosody that ends by itself is started again', async () => {
  await start();
  await (await connect(alice())).disconnect(); // its port is open before it has written who it is; who answers has
  const told = new Promise<string>((resolve) => (onSay = resolve));
  const pid = readFileSync(path.join(filesOf(stateDir).folder, 'prosody.pid'), 'utf8').trim();
  process.kill(Number(pid), 'SIGKILL');
  expect(await told).toMatch(/Prosody ended \(SIGKILL\); starting it again in 0\.5 s/);
  let client: Awaited<ReturnType<typeof connect>> | undefined;
  while (!client) client = await connect(alice()).catch(() => undefined);
  await client.disconnect();
});

test('a busy client port is told with what to do', async () => {
  const other = net.createServer();
  await new Promise<void>((resolve) => other.listen(config.xmppPort, '127.0.0.1', resolve));
  await expect(startPrivateProsody(config, say)).rejects.toThrow(/taken by another program\. Set DX_XMPP_PORT/);
  other.close();
});

test('settings of one’s own are read, and a fault in them is shown from the log', async () => {
  await start();
  await stops.pop()?.();
  writeFileSync(path.join(filesOf(stateDir).more, 'mine.cfg.lua'), 'this is not Lua\n');
  await expect(startPrivateProsody(config, say)).rejects.toThrow(/Prosody did not start.*mine\.cfg\.lua/s);
});

test('the configuration is Lua whatever the values are', () => {
  const text = configuration({ ...config, authSecret: '\n"]]\\\u0007ü' }, filesOf(stateDir));
  // Runs it with every setting and section swallowed, and gives back what it read as the secret.
  const program = `
    setmetatable(_ENV, { __index = function (_, name)
      if name:match("^[A-Z]") then return function () end end
    end })
    assert(load(io.read("a")))()
    io.write(diaspora_x_auth_secret)`;
  expect(execFileSync('lua5.4', ['-e', program], { input: text, encoding: 'utf8' })).toBe('\n"]]\\\u0007ü');
});
