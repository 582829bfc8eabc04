import fc from 'fast-check';
import { escapeLocal, parseJid, unescapeLocal } from '../../../src/xmpp/addresses.js';

test.each([
  ['alice@social.test', 'alice@social.test', ''],
  ['Alice@SOCIAL.Test/Phone', 'alice@social.test', 'Phone'],
  ['social.test', 'social.test', ''],
  ['bob\\40pod.example@social.test', 'bob\\40pod.example@social.test', ''],
  ['romeo@[::1]/x', 'romeo@[::1]', 'x'],
  ['a@b.test/with/slash@at', 'a@b.test', 'with/slash@at'],
  ['jürgen@bücher.example', 'jürgen@bücher.example', ''],
])('%s is read', (text, bare, resource) => {
  expect(parseJid(text)).toMatchObject({ bare, resource, full: resource ? `${bare}/${resource}` : bare });
});

test.each([
  [undefined],
  ['ａｌｉｃｅ@social.test'], // servers fold it before it comes; test/protocol/jid-prep.test.ts
  [''],
  ['@social.test'],
  ['alice@'],
  ['a@b@c'],
  ['alice@social.test/'],
  ['al ice@social.test'],
  ['al\u200bice@social.test'],
  ['al\u202eice@social.test'],
  ['al\u0000ice@social.test'],
  ['"alice"@social.test'],
  ['alice@social..test'],
  ['alice@-social.test'],
  ['alice@social.test:5222'],
  [`${'a'.repeat(1024)}@social.test`],
  [`${'ü'.repeat(512)}@social.test`],
  [`a@b.test/${'r'.repeat(1024)}`],
  [`a@${'b'.repeat(254)}`],
  ['a@b.test/\u0007'],
])('%j is refused', (text) => {
  expect(parseJid(text)).toBeNull();
});

test('any text is read or refused, never thrown at, and what is read is read again as itself', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.stringMatching(/^[a-zÀ-ÿ\\@/.]{0,40}$/)), (text) => {
      const jid = parseJid(text);
      if (jid) expect(parseJid(jid.full)).toEqual(jid);
    }),
    { numRuns: 2_000 },
  );
});

test('escaping follows XEP-0106', () => {
  expect(escapeLocal('bob@pod.example')).toBe('bob\\40pod.example');
  expect(escapeLocal("d'artagnan")).toBe('d\\27artagnan');
  expect(escapeLocal('c:\\5commas')).toBe('c\\3a\\5c5commas');
  expect(escapeLocal('space cadet')).toBe('space\\20cadet');
  expect(escapeLocal('\\z')).toBe('\\z');
});

test('different names never share a local part', () => {
  const names = fc.stringMatching(/^[a-c @\\25c40/]{1,12}$/);
  fc.assert(
    fc.property(names, (name) => {
      expect(unescapeLocal(escapeLocal(name))).toBe(name);
      expect(escapeLocal(name)).not.toMatch(/[ @/]/);
    }),
    { numRuns: 2_000 },
  );
});
