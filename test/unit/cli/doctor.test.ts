import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createAuthServer } from '../../../src/auth/endpoint.js';
import { type Check, examine, formatChecks } from '../../../src/cli/doctor.js';
import { probeLogin } from '../../../src/cli/xmpp-probe.js';
import type { Config } from '../../../src/config.js';
import { NS } from '../../../src/formats/namespaces.js';
import { noteMulticast } from '../../../src/store/limits.js';
import { saveMedia } from '../../../src/store/media.js';
import { openStore } from '../../../src/store/open.js';
import { upsertSubscription } from '../../../src/store/xmpp.js';
import { type TestContext, testContext } from '../../support/context.js';
import { makeAccount } from '../../support/people.js';

const closers: (() => void)[] = [];
const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
};
/** A server that says these texts, one after each thing it is told. */
const says = (...answers: string[]) => {
  const sockets = new Set<Socket>();
  closers.push(() => sockets.forEach((socket) => socket.destroy()));
  return listen(
    createServer((socket) => {
      sockets.add(socket);
      let next = 0;
      socket.on('error', () => {});
      socket.on('data', () => {
        const answer = answers[next++];
        if (answer === undefined) socket.destroy();
        else socket.write(answer);
      });
    }),
  );
};
const STREAM = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='abc'>";

describe('dx doctor', () => {
  let ctx: TestContext;
  let config: Config;
  beforeEach(async () => {
    ctx = await testContext({ DX_PUBLIC_URL: 'http://127.0.0.1:1', DX_LISTEN: '127.0.0.1:1', DX_AUTH_LISTEN: '127.0.0.1:1' });
    config = { ...ctx.config, databaseUrl: `sqlite:${path.join(ctx.config.stateDir, 'test.sqlite')}` };
    const store = await openStore(config.databaseUrl, ctx.log);
    await store.migrate();
    await store.close();
  });
  afterEach(async () => {
    for (const close of closers.splice(0)) close();
    await ctx.close();
  });

  const checkOf = async (name: string, changed: Partial<Config> = {}): Promise<Check> => {
    const checks = await examine({ ...config, ...changed });
    for (const check of checks) if (check.state !== 'ok') expect(check.remedy).toBeTruthy();
    return checks.find((check) => check.name === name)!;
  };

  test('an installation that does not run has no failure, and says what was not tried', async () => {
    const checks = await examine(config);
    expect(checks.filter((check) => check.state === 'fail')).toEqual([]);
    expect(checks.find((check) => check.name === 'service')).toMatchObject({ state: 'warn', remedy: expect.stringContaining('dx serve') });
    expect(checks.find((check) => check.name === 'database')).toMatchObject({ text: expect.stringMatching(/a commit takes \d+\.\d ms/) });
    expect(formatChecks(checks)).toMatch(/\n\n\d ok, \d to look at, 0 failed\n$/);
  });

  test('the commits that it times leave nothing', async () => {
    await examine(config);
    const store = await openStore(config.databaseUrl, ctx.log);
    expect(await store.query('select * from sessions')).toEqual([]);
    await store.close();
  });

  test.each<[string, Partial<Config>, RegExp]>([
    ['http for the world', { publicUrl: 'http://social.test' }, /openly/],
    ['another host than the domain', { publicUrl: 'https://www.social.test' }, /handles end in social\.test/],
    ['a registration that does not exist yet', { registration: 'invite' }, /nobody can sign up/],
  ])('configuration: %s is a warning', async (_, changed, text) => {
    expect(await checkOf('configuration', changed)).toMatchObject({ state: 'warn', text: expect.stringMatching(text) });
  });

  test('a state folder that others may enter is a warning, one that cannot be made a failure', async () => {
    chmodSync(config.stateDir, 0o755);
    expect(await checkOf('state folder')).toMatchObject({ state: 'warn' });
    writeFileSync(path.join(config.stateDir, 'file'), '');
    expect(await checkOf('state folder', { stateDir: path.join(config.stateDir, 'file', 'x') })).toMatchObject({ state: 'fail' });
  });

  test('a database that does not answer is a failure, and the other checks go on', async () => {
    const checks = await examine({ ...config, databaseUrl: 'postgres://dx:canary@127.0.0.1:1/dx' });
    expect(checks.find((check) => check.name === 'database')).toMatchObject({ state: 'fail' });
    expect(checks.find((check) => check.name === 'mail')).toMatchObject({ state: 'ok' });
    expect(JSON.stringify(checks)).not.toContain('canary');
  });

  test('a picture whose file is missing is a failure that names it', async () => {
    expect(await checkOf('pictures')).toMatchObject({ state: 'ok', text: 'Nobody has one yet.' });
    const store = await openStore(config.databaseUrl, ctx.log);
    const actorId = (await makeAccount(store, 'alice')).actor.id;
    const ids = Array.from({ length: 501 }, (_, index) => index.toString(16).padStart(40, '0'));
    mkdirSync(path.join(config.stateDir, 'media'));
    for (const id of ids) {
      await store.transaction((tx) => saveMedia(tx, { id, actorId, kind: 'avatar', mime: 'image/png', width: 1, height: 1, bytes: 1, createdAt: 0 }));
      writeFileSync(path.join(config.stateDir, 'media', id), 'x');
    }
    await store.close();
    expect(await checkOf('pictures')).toMatchObject({ state: 'ok', text: '501, and the files of all of them are there.' });
    const gone = path.join(config.stateDir, 'media', ids[500]!);
    rmSync(gone);
    expect(await checkOf('pictures')).toMatchObject({ state: 'fail', text: `1 of 501 are missing, such as ${gone}.` });
  });

  test('waiting migrations are a warning, a newer database a failure', async () => {
    expect(await checkOf('migrations', { databaseUrl: `sqlite:${path.join(config.stateDir, 'fresh.sqlite')}` })).toMatchObject({ state: 'warn', remedy: expect.stringContaining('dx migrate') });
    const store = await openStore(config.databaseUrl, ctx.log);
    await store.transaction((tx) => tx.query("insert into migrations (timestamp, name) values (9999999999999, 'Future9999999999999')"));
    await store.close();
    expect(await checkOf('migrations')).toMatchObject({ state: 'fail', text: expect.stringContaining('newer') });
  });

  test.each([
    ['<handshake/>', 'ok', /lets us in/],
    ['<handshake></handshake>', 'ok', /lets us in/],
    ["<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text>no</text></stream:error></stream:stream>", 'fail', /wrong secret/],
    ["<stream:error><text xmlns='x'>busy</text><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", 'fail', /another component is connected/],
    ["<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", 'fail', /no component of this name/],
    ["<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", 'fail', /"see-other-host"/],
  ])('component: %s is %s', async (answer, state, text) => {
    const port = await says(STREAM, answer);
    expect(await checkOf('XMPP component', { component: { host: '127.0.0.1', port, secret: 'x' } })).toMatchObject({ state, text: expect.stringMatching(text) });
  });

  test('component: a server that hangs up, or speaks something else, is a failure', async () => {
    const web = await listen(createHttpServer() as unknown as Server); // answers 400 and closes
    for (const port of [await says(), web]) {
      expect(await checkOf('XMPP component', { component: { host: '127.0.0.1', port, secret: 'x' } })).toMatchObject({ state: 'fail', text: expect.stringContaining('closed the connection') });
    }
  });

  test('component: while the service runs, its own word counts and no second connection is made', async () => {
    let connections = 0;
    const port = await listen(
      createServer((socket) => {
        connections++;
        socket.destroy();
      }),
    );
    for (const ok of [true, false]) {
      const web = await listen(createHttpServer((_, response) => void response.end(JSON.stringify({ ready: ok, parts: { component: { ok, text: 'wrong secret' } } }))) as unknown as Server);
      expect(await checkOf('XMPP component', { listen: { host: '127.0.0.1', port: web }, component: { host: '127.0.0.1', port, secret: 'x' } })).toMatchObject({ state: ok ? 'ok' : 'fail' });
    }
    const standby = await listen(createHttpServer((_, response) => void response.end(JSON.stringify({ ready: true, parts: { component: { ok: true, text: 'stands by: process 7 on b has, or just had, the connection' } } }))) as unknown as Server);
    expect(await checkOf('XMPP component', { listen: { host: '127.0.0.1', port: standby }, component: { host: '127.0.0.1', port, secret: 'x' } })).toMatchObject({ state: 'ok', text: expect.stringContaining('the service stands by: process 7') });
    expect(connections).toBe(0);
  });

  test('auth endpoint: ours is good, one with another secret or another program is a failure', async () => {
    const endpoint = await listen(createAuthServer(ctx) as unknown as Server);
    const authListen = { host: '127.0.0.1', port: endpoint };
    expect(await checkOf('auth endpoint', { authListen })).toMatchObject({ state: 'ok' });
    expect(await checkOf('auth endpoint', { authListen, authSecret: 'another' })).toMatchObject({ state: 'fail', text: expect.stringContaining('secret') });
    const stranger = await listen(createHttpServer((_, response) => void response.end('hello')) as unknown as Server);
    expect(await checkOf('auth endpoint', { authListen: { host: '127.0.0.1', port: stranger } })).toMatchObject({ state: 'fail', text: expect.stringContaining('another program') });
    expect(await checkOf('auth endpoint', { chatDomain: '' })).toMatchObject({ state: 'ok' });
  });

  test('fan-out: without a chat domain, too, the hosts where somebody has most followers are named when their servers do not multiply', async () => {
    const changed = { chatDomain: '', component: { host: '127.0.0.1', port: 1, secret: 'x' } };
    expect(await checkOf('fan-out')).toBeUndefined(); // no XMPP server is set
    expect(await checkOf('fan-out', changed)).toMatchObject({ state: 'ok', text: expect.stringContaining('nothing to gain') });
    const store = await openStore(config.databaseUrl, ctx.log);
    const { actor } = await makeAccount(store, 'alice');
    await store.transaction(async (tx) => {
      for (const [host, count] of [['many.test', 60], ['more.test', 70], ['new.test', 50], ['few.test', 49]] as const)
        for (let i = 0; i < count; i++) await upsertSubscription(tx, { actorId: actor.id, node: NS.MICROBLOG, jid: `u${i}@${host}`, personId: null, subid: '1', state: 'subscribed', pausedUntil: null, createdAt: 1 });
      await noteMulticast(tx, 'many.test', false, ctx.now());
      await noteMulticast(tx, 'more.test', true, ctx.now());
      await noteMulticast(tx, 'few.test', false, ctx.now());
    });
    const check = await checkOf('fan-out', changed);
    expect(check).toMatchObject({ state: 'warn', remedy: expect.stringContaining('dx snippet') });
    expect(check.text).toMatch(/: many\.test \(60 followers of one person\)\..* Multiplied \(XEP-0033\): more\.test \(70 .*Not known before the next post to them: new\.test \(50 /);
    expect(check.text).not.toContain('few.test');
    await store.transaction((tx) => noteMulticast(tx, 'many.test', true, ctx.now()));
    await store.close();
    expect(await checkOf('fan-out', changed)).toMatchObject({ state: 'ok' });
  });

  test('mail: files for nobody are a warning, a folder or server that fails is a failure', async () => {
    expect(await checkOf('mail', { publicUrl: 'https://social.test' })).toMatchObject({ state: 'warn' });
    expect(await checkOf('mail', { mailUrl: 'smtp://u:canary@127.0.0.1:1' })).toMatchObject({ state: 'fail', text: expect.not.stringContaining('canary') });
    mkdirSync(path.join(config.stateDir, 'd'));
    writeFileSync(path.join(config.stateDir, 'd', 'f'), '');
    expect(await checkOf('mail', { mailUrl: `file:${path.join(config.stateDir, 'd', 'f')}` })).toMatchObject({ state: 'fail' });
  });

  test('a chat server without PLAIN is recognised', async () => {
    const port = await says("<stream:stream id='1'><stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>");
    expect(await probeLogin({ host: '127.0.0.1', port }, 'chat.test', 'alice', 'x')).toMatchObject({ outcome: 'no-plain', detail: 'SCRAM-SHA-1' });
  });
});
