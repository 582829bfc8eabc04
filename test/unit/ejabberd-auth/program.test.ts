// The endpoint in this file is a fake (program.ts); test/protocol/ejabberd-auth.test.ts has the real one.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { bench, FakeEndpoint, frame, httpAnswer, Program, SECRET } from './program.js';

let it: Awaited<ReturnType<typeof bench>>;
let endpoint: FakeEndpoint;
const GOOD = 'auth:alice:chat.test:pw';

beforeAll(async () => {
  it = await bench();
});
beforeEach(async () => {
  endpoint = new FakeEndpoint();
  await endpoint.listen();
});
afterEach(() => endpoint.close());
afterAll(() => it.end());

test('the build is one file that imports nothing but parts of Node', () => {
  const imported = [...readFileSync(it.file, 'utf8').matchAll(/\bfrom\s+['"]([^'"]+)|\bimport\(|\brequire\(/g)].map((match) => match[1]);
  expect(imported.length).toBeGreaterThan(0);
  expect(imported.every((name) => name?.startsWith('node:'))).toBe(true);
});

test('a login is asked from the endpoint, with our secret, and its answer is the answer', async () => {
  const program = it.start(endpoint);
  endpoint.answer = ({ fields, says }) => says(fields.pass === 'right');
  expect(await program.asks('auth:alice:chat.test:right')).toBe(true);
  expect(await program.asks('auth:alice:chat.test:wrong')).toBe(false);
  expect(endpoint.asked[0]).toMatchObject({
    path: 'POST /auth/check_password HTTP/1.1',
    authorization: `Basic ${Buffer.from(`dx:${SECRET}`).toString('base64')}`,
    fields: { user: 'alice', server: 'chat.test', pass: 'right' },
  });
  expect(endpoint.asked.map(({ connection }) => connection)).toEqual([1, 1]);
});

test('whether an account exists is asked too', async () => {
  const program = it.start(endpoint);
  endpoint.answer = ({ fields, says }) => says(fields.user === 'alice');
  expect(await program.asks('isuser:alice:chat.test')).toBe(true);
  expect(await program.asks('isuser:nobody:chat.test')).toBe(false);
  expect(endpoint.asked[0]).toMatchObject({ path: 'POST /auth/user_exists HTTP/1.1', fields: { user: 'alice', server: 'chat.test' } });
});

test.each(['a:b:::c:', ':', 'päß wörd 🔑', '\u{feff}mark', 'line\nbreak\r\n', 'a&pass=b%41+c', ' blanks ', 'x'.repeat(65_535 - 'auth:alice:chat.test:'.length), '🔑'.repeat(16_000)])(
  'the password arrives as it is: %#',
  async (password) => {
    const program = it.start(endpoint);
    expect(await program.asks(`auth:alice:chat.test:${password}`)).toBe(true);
    expect(endpoint.asked.map(({ fields }) => fields)).toEqual([{ user: 'alice', server: 'chat.test', pass: password }]);
  },
);

test('what is no question is false and not asked; the next question is', async () => {
  const program = it.start(endpoint);
  const bad: (string | Buffer)[] = [
    ...['', ':', ':::', 'auth', 'auth:', 'auth:alice', 'auth:alice:chat.test', 'auth:alice:chat.test:', 'auth::chat.test:pw', 'auth:alice::pw'],
    ...['isuser', 'isuser:', 'isuser:alice', 'isuser:alice:', 'isuser::chat.test', 'isuser:alice:chat.test:', 'isuser:alice:chat.test:more'],
    ...['setpass:alice:chat.test:pw', 'tryregister:alice:chat.test:pw', 'removeuser:alice:chat.test', 'removeuser3:alice:chat.test:pw', 'certauth:alice:chat.test:pem'],
    ...['AUTH:alice:chat.test:pw', ' auth:alice:chat.test:pw', 'toString:alice:chat.test:pw', '__proto__:alice:chat.test:pw'],
    ...['auth:alice:chat.test:p\0w', 'auth:alice\0:chat.test:pw', 'auth:alice:chat.test:pw\0', '\0'],
    Buffer.from([...Buffer.from(GOOD), 0xff]),
    Buffer.from([...Buffer.from(GOOD), 0xc3]), // a character cut in two
    Buffer.from([...Buffer.from(GOOD), 0xc0, 0x80]), // NUL, overlong
    Buffer.from([...Buffer.from(GOOD), 0xed, 0xa0, 0x80]), // half of a surrogate pair
    Buffer.alloc(65_535),
    Buffer.alloc(65_535, ':'),
    Buffer.alloc(65_535, 0xff),
  ];
  // Each one's bytes are pipelined with a good question, so that a slip of one byte would show.
  for (const packet of bad) {
    program.write(frame(packet), frame(GOOD));
    const shown = Buffer.from(packet as string).subarray(0, 40).toString('latin1');
    expect({ shown, answers: await program.answers(2) }).toEqual({ shown, answers: [false, true] });
  }
  expect(endpoint.asked.map(({ fields }) => fields.pass)).toEqual(bad.map(() => 'pw'));
  expect(program.untaken).toHaveLength(0);
});

test('packets that come byte by byte are read like any other', async () => {
  const program = it.start(endpoint);
  endpoint.answer = ({ fields, says }) => says(fields.pass === 'pw');
  for (const byte of Buffer.concat([frame(GOOD), frame('auth:alice:chat.test:no'), frame(GOOD)])) program.write(Buffer.from([byte]));
  expect(await program.answers(3)).toEqual([true, false, true]);
});

test('answers to pipelined questions leave in the order of the questions, whichever the endpoint answers first', async () => {
  const program = it.start(endpoint);
  const questions = ['1', '2', '3', '4'];
  endpoint.answer = () => {};
  program.write(...questions.map((pass) => frame(`auth:alice:chat.test:${pass}`)));
  await endpoint.hasBeenAsked(questions.length);
  for (const asked of endpoint.asked.sort((a, b) => b.fields.pass!.localeCompare(a.fields.pass!))) asked.says(asked.fields.pass === '2' || asked.fields.pass === '3');
  expect(await program.answers(4)).toEqual([false, true, true, false]);
});

test('hundreds of pipelined questions are all answered, in order', async () => {
  const program = it.start(endpoint);
  endpoint.answer = ({ fields, says }) => says(Number(fields.pass) % 3 === 0);
  const numbers = Array.from({ length: 500 }, (_, index) => index + 1);
  program.write(...numbers.map((number) => frame(`auth:alice:chat.test:${number}`)));
  expect(await program.answers(500)).toEqual(numbers.map((number) => number % 3 === 0));
});

test('a question that the endpoint does not answer is false at the deadline; its late answer is nobody else\'s', async () => {
  const program = it.start(endpoint, '--deadline-ms', '200');
  endpoint.answer = () => {};
  expect(await program.asks('auth:alice:chat.test:first')).toBe(false);
  const [first] = endpoint.asked;
  endpoint.answer = (second) => {
    first!.says(true);
    second.says(false);
  };
  expect(await program.asks('auth:alice:chat.test:second')).toBe(false);
  endpoint.answer = (third) => third.says(true);
  expect(await program.asks('auth:alice:chat.test:third')).toBe(true);
  await program.hasLogged('out of time');
});

test('pipelined questions share the wait for an endpoint that hangs: each has its own deadline from its arrival', async () => {
  const program = it.start(endpoint, '--deadline-ms', '300');
  endpoint.answer = () => {};
  const from = Date.now();
  program.write(...Array.from({ length: 40 }, () => frame(GOOD)));
  expect(await program.answers(40)).toEqual(Array.from({ length: 40 }, () => false));
  expect(Date.now() - from).toBeLessThan(40 * 300); // one after the other would take longer
});

test('without any option an answer comes within 2 s', async () => {
  const program = it.start(endpoint);
  await program.asks('isuser:alice:chat.test'); // it runs now
  endpoint.answer = () => {};
  const from = performance.now();
  expect(await program.asks(GOOD)).toBe(false);
  expect(performance.now() - from).toBeLessThan(2_000);
});

test('whatever the endpoint sends that is not the answer is false, and the next question is answered', async () => {
  const program = it.start(endpoint, '--deadline-ms', '300');
  const answers: Record<string, (asked: Parameters<FakeEndpoint['answer']>[0]) => void> = {
    'not HTTP': ({ send }) => send('true\r\n\r\n'),
    'bytes of all kinds': ({ send }) => send(String.fromCharCode(...Array.from({ length: 256 }, (_, index) => index)).repeat(20)),
    'nothing, and hangs up': ({ hangsUp }) => hangsUp(),
    'half a status line': ({ send, hangsUp }) => [send('HTTP/1.1 200'), hangsUp()],
    'half a header, and hangs': ({ send }) => send('HTTP/1.1 200 OK\r\ncontent-'),
    'half an answer': ({ send, hangsUp }) => [send('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ntrue'), hangsUp()],
    'an answer that does not end': ({ send }) => send('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ntrue'),
    'a chunked answer cut off': ({ send, hangsUp }) => [send('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ntrue\r\n'), hangsUp()],
    'bad chunks': ({ send }) => send('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\ntrue\r\n0\r\n\r\n'),
    'an error that says true': ({ send }) => send(httpAnswer('true', '500 Internal Server Error')),
    'a redirection': ({ send }) => send('HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 4\r\n\r\ntrue'),
    'no content': ({ send }) => send('HTTP/1.1 204 No Content\r\n\r\n'),
    'another protocol': ({ send }) => send('HTTP/1.1 101 Switching Protocols\r\nupgrade: true\r\nconnection: upgrade\r\n\r\ntrue'),
    'for ever continue': ({ send }) => send('HTTP/1.1 100 Continue\r\n\r\n'.repeat(1_000)),
    'an empty answer': ({ send }) => send(httpAnswer('')),
    'an answer in capitals': ({ send }) => send(httpAnswer('TRUE')),
    'two answers in one': ({ send }) => send(httpAnswer('true true')),
    'JSON': ({ send }) => send(httpAnswer('{"ok":true}')),
    'a page': ({ send }) => send(httpAnswer('<p>true</p>'.repeat(100_000))),
    'an endless header': ({ send }) => send(`HTTP/1.1 200 OK\r\nx: ${'true'.repeat(100_000)}`),
    'an endless page': ({ send }) => send(`HTTP/1.1 200 OK\r\n\r\n${'true'.repeat(100_000)}`),
  };
  for (const [name, answer] of Object.entries(answers)) {
    endpoint.answer = answer;
    expect({ name, yes: await program.asks(GOOD) }).toEqual({ name, yes: false });
    endpoint.answer = ({ says }) => says(true);
    expect({ after: name, yes: await program.asks(GOOD) }).toEqual({ after: name, yes: true });
  }
  expect(program.untaken).toHaveLength(0);
});

test('an answer after other bytes of it came slowly is still taken inside the deadline', async () => {
  const program = it.start(endpoint);
  endpoint.answer = ({ send }) => {
    const bytes = [...httpAnswer('true\n')];
    const next = () => {
      const byte = bytes.shift();
      if (byte === undefined) return;
      send(byte);
      setImmediate(next);
    };
    next();
  };
  expect(await program.asks(GOOD)).toBe(true);
});

test('while the service is down every login is false in time, and right again when it is back', async () => {
  const program = it.start(endpoint, '--deadline-ms', '300');
  for (const round of [1, 2]) {
    expect({ round, yes: await program.asks(GOOD) }).toEqual({ round, yes: true });
    await endpoint.close();
    program.write(frame(GOOD), frame('isuser:alice:chat.test'), frame(GOOD));
    expect(await program.answers(3)).toEqual([false, false, false]);
    await endpoint.listen();
  }
  expect(await program.asks(GOOD)).toBe(true);
});

test('a service that answered a moment ago is taken to be restarting: logins wait for it', async () => {
  const program = it.start(endpoint);
  expect(await program.asks(GOOD)).toBe(true);
  await endpoint.close();
  program.write(frame(GOOD), frame(GOOD), frame('auth:alice:chat.test:no'));
  expect(program.untaken).toHaveLength(0);
  endpoint.answer = ({ fields, says }) => says(fields.pass === 'pw');
  await endpoint.listen();
  expect(await program.answers(3)).toEqual([true, true, false]);
});

test('a service that never answered is not waited for: the login is false at once', async () => {
  const program = it.start(endpoint);
  await endpoint.close();
  await program.asks('setpass:a:b:c'); // it runs now
  const from = performance.now();
  expect(await program.asks(GOOD)).toBe(false);
  expect(performance.now() - from).toBeLessThan(1_000); // the deadline is 1.8 s
  await endpoint.listen();
});

test('a kept connection that turns out to be closed is not a wrong password: it is asked again by a new one', async () => {
  const program = it.start(endpoint);
  expect(await program.asks(GOOD)).toBe(true);
  endpoint.answer = (asked) => (asked.connection === 1 ? asked.hangsUp() : asked.says(true));
  expect(await program.asks(GOOD)).toBe(true);
  expect(endpoint.asked.map(({ connection }) => connection)).toEqual([1, 1, 2]);
});

test('it is asked again only once', async () => {
  const program = it.start(endpoint);
  expect(await program.asks(GOOD)).toBe(true);
  endpoint.answer = (asked) => asked.hangsUp();
  expect(await program.asks(GOOD)).toBe(false);
  expect(endpoint.asked).toHaveLength(3);
});

test('both tries together have one deadline', async () => {
  const program = it.start(endpoint, '--deadline-ms', '300');
  expect(await program.asks(GOOD)).toBe(true);
  endpoint.answer = (asked) => asked.connection === 1 && asked.hangsUp(); // the second try hangs
  expect(await program.asks(GOOD)).toBe(false);
  expect(endpoint.asked).toHaveLength(3);
});

test('a secret that is changed on both sides needs no restart; a wrong or missing one is told', async () => {
  const program = it.start(endpoint);
  let expected = SECRET;
  endpoint.answer = (asked) => (asked.authorization === `Basic ${Buffer.from(`dx:${expected}`).toString('base64')}` ? asked.says(true) : asked.send(httpAnswer('Wrong secret', '401 Unauthorized')));
  expect(await program.asks(GOOD)).toBe(true);
  expected = 'another secret of both';
  expect(await program.asks(GOOD)).toBe(false);
  await program.hasLogged(`refused our secret: is ${it.secretFile} the same as DX_AUTH_SECRET?`);
  writeFileSync(it.secretFile, expected);
  expect(await program.asks(GOOD)).toBe(true);
  writeFileSync(it.secretFile, SECRET);

  const missing = path.join(it.folder, 'comes-later');
  const other = it.start(endpoint, '--secret-file', missing);
  expected = SECRET;
  expect(await other.asks(GOOD)).toBe(false);
  await other.hasLogged(`cannot read ${missing}: ENOENT`);
  writeFileSync(missing, '\n');
  expect(await other.asks(GOOD)).toBe(false);
  await other.hasLogged(`${missing} is empty`);
  writeFileSync(missing, SECRET);
  expect(await other.asks(GOOD)).toBe(true);
});

test('a problem that lasts is one line in the log, and no line holds what was asked', async () => {
  const program = it.start(endpoint, '--deadline-ms', '200');
  const CANARY = 'canary-7a1f';
  const question = `auth:${CANARY}:${CANARY}.test:${CANARY}`;
  endpoint.answer = ({ fields, send }) => send(httpAnswer(JSON.stringify(fields), `500 ${fields.pass}`));
  for (let time = 0; time < 20; time++) await program.asks(question);
  endpoint.answer = ({ fields, send }) => send(`${fields.pass}\r\n`);
  await program.asks(question);
  endpoint.answer = () => {};
  await program.asks(question);
  await program.asks(Buffer.from([...Buffer.from(question), 0xff]));
  await endpoint.close();
  for (let time = 0; time < 20; time++) await program.asks(question);
  await program.ends();
  await endpoint.listen();
  expect(program.log).not.toContain(CANARY);
  expect(program.log).not.toContain(SECRET);
  expect(program.log.match(/status 500/g)).toHaveLength(1);
  expect(program.log.match(/ECONNREFUSED/g)).toHaveLength(1);
  expect(program.log.trim().split('\n').length).toBeLessThanOrEqual(5);
});

test('when its input ends it answers what it was asked and ends well', async () => {
  const program = it.start(endpoint);
  endpoint.answer = () => {};
  program.write(frame(GOOD), frame(GOOD));
  program.child.stdin.end();
  await endpoint.hasBeenAsked(2);
  for (const asked of endpoint.asked) asked.says(true);
  expect(await program.answers(2)).toEqual([true, true]);
  expect(await program.exited).toEqual({ code: 0, signal: null });
  expect(program.untaken).toHaveLength(0);

  const idle = it.start(endpoint);
  expect(await idle.ends()).toEqual({ code: 0, signal: null });
  expect(idle.untaken).toHaveLength(0);
  expect(idle.log).toBe('');
});

test.each([[Buffer.from([0])], [Buffer.from([0, 5])], [frame(GOOD).subarray(0, -1)], [Buffer.concat([Buffer.from([0xff, 0xff]), Buffer.alloc(65_534, 'x')])]])(
  'a packet that is cut off by the end of the input is false: %#',
  async (bytes) => {
    const program = it.start(endpoint);
    program.write(frame(GOOD), bytes);
    program.child.stdin.end();
    expect(await program.answers(2)).toEqual([true, false]);
    expect((await program.exited).code).toBe(0);
    expect(endpoint.asked).toHaveLength(1);
  },
);

test('it ends well when nobody reads its answers any more', async () => {
  const program = it.start(endpoint);
  expect(await program.asks(GOOD)).toBe(true);
  program.child.stdout.destroy();
  program.write(frame(GOOD));
  expect(await program.exited).toEqual({ code: 0, signal: null });
});

test('it goes on when nobody reads its log', async () => {
  const program = it.start(endpoint);
  program.child.stderr.destroy();
  endpoint.answer = ({ send }) => send('garbage\r\n\r\n');
  expect(await program.asks(GOOD)).toBe(false);
  endpoint.answer = ({ says }) => says(true);
  expect(await program.asks(GOOD)).toBe(true);
});

test('SIGTERM ends it, even while a question waits', async () => {
  const program = it.start(endpoint);
  endpoint.answer = () => {};
  program.write(frame(GOOD));
  await endpoint.hasBeenAsked(1);
  program.child.kill('SIGTERM');
  expect(await program.exited).toEqual({ code: null, signal: 'SIGTERM' });
  expect(program.untaken).toHaveLength(0);
});

test.each([
  [[], /--url is missing/],
  [['--url', 'http://127.0.0.1:1'], /--secret-file is missing/],
  [['--url', 'https://127.0.0.1:1', '--secret-file', 'f'], /write it like http:/],
  [['--url', 'http://dx:canary@127.0.0.1:1', '--secret-file', 'f'], /write it like http:/],
  [['--url', 'nonsense', '--secret-file', 'f'], /write it like http:/],
  [['--url', 'http://127.0.0.1:1', '--secret-file', 'f', '--deadline-ms', '2000'], /write 1 to 1800/],
  [['--unknown'], /--unknown/],
])('a wrong start is explained, with nothing on standard output: %j', async (args, fault) => {
  const program = new Program(it.file, args);
  expect(await program.exited).toEqual({ code: 2, signal: null });
  expect(program.log).toMatch(fault);
  expect(program.log).toContain('Usage:');
  expect(program.log).not.toContain('canary');
  expect(program.untaken).toHaveLength(0);
});

test('any packets at all are answered one for one, and the program lives', async () => {
  const program = it.start(endpoint);
  // The rule again, said in another way: what may be true with an endpoint that says yes to everything.
  const isQuestion = (packet: Buffer) => {
    const text = packet.toString('utf8');
    return Buffer.from(text).equals(packet) && !packet.includes(0) && (/^auth:[^:]+:[^:]+:.+$/s.test(text) || /^isuser:[^:]+:[^:]+$/.test(text));
  };
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
  const nearly = fc
    .tuple(fc.constantFrom('auth', 'isuser', 'setpass', ''), fc.array(fc.oneof(fc.constantFrom(':', '::', '\0', '\n', 'é'), fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 6 }), fc.boolean())
    .map(([operation, parts, joined]) => Buffer.from([operation, ...parts].join(joined ? ':' : '')));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(bytes, nearly), { minLength: 1, maxLength: 20 }), async (packets) => {
      program.write(...packets.map(frame), frame(GOOD));
      expect(await program.answers(packets.length + 1)).toEqual([...packets.map(isQuestion), true]);
    }),
    { numRuns: 150 },
  );
  expect(program.untaken).toHaveLength(0);
});

test('any stream of bytes is read to its end', async () => {
  for (const stream of fc.sample(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), 6)) {
    const program = it.start(endpoint, '--deadline-ms', '200');
    program.write(Buffer.from(stream));
    expect((await program.ends()).code).toBe(0);
    const expected: Buffer[] = [];
    for (let at = 0; at < stream.length; at += 2 + (stream[at]! << 8) + (stream[at + 1] ?? 0)) expected.push(Buffer.from([0, 2, 0, 0]));
    expect(program.untaken).toEqual(Buffer.concat(expected));
  }
});
