// What both servers make of a local part (RFC 6122 nodeprep, by their own code), beside what we read: threats.md 36.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { isUsername } from '../../src/domain/account.js';
import { parseJid } from '../../src/xmpp/addresses.js';
import { type ServerName, SERVERS } from '../support/servers/index.js';

const LUA = `
package.path = "/usr/lib/prosody/?.lua;" .. package.path; package.cpath = "/usr/lib/prosody/?.so;" .. package.cpath
local e = require "util.encodings"
for line in io.lines() do
  local r = e.stringprep.nodeprep(e.base64.decode(line))
  print(r and e.base64.encode(r) or "-")
end`;
const ERLANG = `
stringprep:load_nif(),
Loop = fun(Self) -> case io:get_line("") of
  eof -> halt();
  Line -> Out = case jid:nodeprep(base64:decode(string:trim(Line))) of error -> "-"; R -> base64:encode(R) end, io:format("~s~n", [Out]), Self(Self)
end end, Loop(Loop).`;
const library = '/usr/lib/x86_64-linux-gnu';
const PREP: Record<ServerName, () => [string, string[]]> = {
  prosody: () => ['lua5.4', ['-e', LUA]],
  ejabberd: () => ['erl', ['-noshell', '-noinput', '-pa', `${library}/${readdirSync(library).find((name) => name.startsWith('ejabberd-'))}/ebin`, '-eval', ERLANG]],
};

/** What the server makes of each local part; null: it refuses it. */
function prepared(name: ServerName, locals: string[]): (string | null)[] {
  const [command, args] = PREP[name]();
  const input = locals.map((local) => `${Buffer.from(local).toString('base64')}\n`).join('');
  const output = execFileSync(command, name === 'ejabberd' ? args.filter((arg) => arg !== '-noinput') : args, { input, encoding: 'utf8' });
  return output.trimEnd().split('\n').map((line) => (line === '-' ? null : Buffer.from(line, 'base64').toString()));
}

const TABLE = [
  ...['alice', 'ALICE', 'a-b_c', 'Straße', 'İstanbul', 'ﬁsh', 'Ａlice', '\u212aelvin', 'e\u0301', '\u00e9', 'а', 'αβς', '١٢٣', 'x\u00adyz', 'a\u200db', 'a\u200eb', '\ufeffx'],
  ...['a b', 'a"b', 'a&b', "a'b", 'a/b', 'a:b', 'a<b', 'a>b', 'a@b', 'a\\20b', 'a\\40b', '\\', 'a\u00a0b', 'a\u2028b', 'a\u0000b', 'a\u007fb', '\u{1f600}', '\ue000', '\ufffd'],
  ...['x'.repeat(1023), 'x'.repeat(1024), 'é'.repeat(511), 'é'.repeat(512), '\u0130'.repeat(500)],
];
/** Letters of several scripts, width forms, combining marks: what can be told apart, or be taken for something else. */
const letter = fc
  .oneof(...[[0x21, 0x24f], [0x300, 0x36f], [0x370, 0x4ff], [0x1e00, 0x1fff], [0x2100, 0x214f], [0xfb00, 0xfb06], [0xff01, 0xff5e]].map(([min, max]) => fc.integer({ min: min!, max: max! })))
  .map((code) => String.fromCodePoint(code));
const random = fc.sample(fc.oneof(fc.string({ unit: letter, minLength: 1, maxLength: 4 }), fc.string({ unit: 'binary', minLength: 1, maxLength: 12 })), { numRuns: 4_000, seed: 20261121 }).map((text) => text.toWellFormed());
const LOCALS = [...TABLE, ...random].filter((local) => local !== '');

describe.each(SERVERS)('a local part that %s has prepared', (name) => {
  const made = prepared(name, LOCALS);
  const good = made.filter((local): local is string => local !== null && local !== '');

  test('is one of many here', () => {
    expect(made).toHaveLength(LOCALS.length);
    expect(good.length).toBeGreaterThan(100);
  });

  test('is read as it is, or refused: never as the address of someone else', () => {
    const changed = good.filter((local) => ![undefined, local].includes(parseJid(`${local}@chat.test`)?.local));
    expect(changed).toEqual([]);
  });

  test('is read when it is what people really have', () => {
    for (const local of ['alice', 'a-b_c', 'strasse', 'fish', 'é', 'а', 'a\\20b', 'a\\40b', 'x'.repeat(1023)].filter((local) => good.includes(local))) {
      expect(parseJid(`${local}@chat.test`)?.local).toBe(local);
    }
  });

  test('of an account here is the username itself', () => {
    const usernames = ['alice', '7of9', 'a_b-c', 'x'.repeat(30)];
    expect(usernames.every(isUsername)).toBe(true);
    expect(prepared(name, usernames)).toEqual(usernames);
  });
});

test('what is too long or cannot be an address is refused here, whatever the servers say', () => {
  for (const local of ['x'.repeat(1024), 'é'.repeat(512), 'a b', 'a@b', 'a\u0000b', 'a\u200db', 'a\u2028b']) expect(parseJid(`${local}@chat.test`)).toBeNull();
});
