import fc from 'fast-check';
import { checkWebPassword, parseEmail, parseUsername, skeletonOf } from '../../../src/domain/account.js';
import { isGuid, newGuid } from '../../../src/domain/guid.js';
import { parsePostText, POST_MAX_BYTES, titleOf } from '../../../src/domain/post.js';

describe('a username', () => {
  test.each(['alice', 'a', '7of9', 'a_b-c', 'x'.repeat(30)])('may be %s', (name) => expect(parseUsername(name)).toBe(name));
  test('is stored in small letters, without blanks around', () => expect(parseUsername(' Alice ')).toBe('alice'));
  test.each([
    ['empty', ''],
    ['31 letters', 'x'.repeat(31)],
    ['a dot', 'a.b'],
    ['an @', 'a@b'],
    ['an XEP-0106 escape', 'a\\40b'],
    ['a leading hyphen', '-a'],
    ['a leading underscore', '_a'],
    ['a Cyrillic a', '\u0430lice'],
    ['a full-width letter', '\uff41lice'],
    ['a zero-width joiner', 'al\u200dice'],
    ['the Kelvin sign', '\u212aate'],
    ['a newline inside', 'al\nice'],
    ['NUL', 'al\0ice'],
  ])('cannot have: %s', (_what, name) => expect(() => parseUsername(name)).toThrow(expect.objectContaining({ code: 'invalid', field: 'username' })));
  test.each(['admin', 'Root', 'postmaster', 'abuse'])('cannot be the reserved %s', (name) => expect(() => parseUsername(name)).toThrow('reserved'));
});

test.each([
  ['alice', 'a1ice'],
  ['bob', 'b0b'],
  ['rnaria', 'maria'],
  ['vvalter', 'walter'],
  ['a-b', 'a_b'],
])('%s and %s look the same', (a, b) => expect(skeletonOf(a)).toBe(skeletonOf(b)));
test('names that differ at a glance have different skeletons', () => expect(new Set(['alice', 'alicia', 'malice', 'al1', 'bob'].map(skeletonOf)).size).toBe(5));

describe('an e-mail address', () => {
  test('is compared in small letters', () => expect(parseEmail(' Alice@Example.ORG ')).toBe('alice@example.org'));
  test.each(['', 'alice', 'alice@', '@example.org', 'a b@example.org', 'a@b', 'alice@example.org\r\nBcc: x@example.org', 'a@b@example.org', '<a@example.org>', 'a,b@example.org', `${'x'.repeat(250)}@example.org`])(
    'is refused: %j',
    (text) => expect(() => parseEmail(text)).toThrow(expect.objectContaining({ code: 'invalid', field: 'email' })),
  );
});

describe('a web password', () => {
  test('of ten characters is good', () => expect(() => checkWebPassword('correct ho')).not.toThrow());
  test('that is short is refused', () => expect(() => checkWebPassword('short')).toThrow('at least 10'));
  test("longer than bcrypt's 72 bytes is refused, not cut", () => expect(() => checkWebPassword('é'.repeat(37))).toThrow('at most 72'));
  test('with NUL is refused', () => expect(() => checkWebPassword('correct\0horse')).toThrow('cannot be used'));
});

describe('a guid', () => {
  test('sorts by the order of making, even when the clock stands still or jumps back', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 2, maxLength: 5000 }), (times) => {
        const guids = times.map((ms) => newGuid(1_760_000_000_000 + ms));
        expect([...guids].sort()).toEqual(guids);
        expect(new Set(guids).size).toBe(guids.length);
        expect(guids.every(isGuid)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });
  test('says its version and variant', () => expect(newGuid(Date.now())).toMatch(/^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/));
});

describe('the text of a post', () => {
  test('loses what XML forbids and keeps the rest', () => expect(parsePostText('a\u0000b\u0001\u000b\ufffec\r\nd\te😀')).toBe('abc\nd\te😀'));
  test('has no lone surrogates', () => expect(parsePostText('a\ud800b')).toBe('a\ufffdb'));
  test('cannot be empty', () => expect(() => parsePostText(' \u0001\n ')).toThrow('Write something'));
  test('cannot be 400 KiB', () => expect(() => parsePostText('x'.repeat(400 * 1024))).toThrow(expect.objectContaining({ code: 'too-large' })));
  test('is measured in bytes, not letters', () => expect(() => parsePostText('é'.repeat(POST_MAX_BYTES / 2 + 1))).toThrow('too long'));
  test('gives its first line as the title, cut at 140 characters', () => {
    expect(titleOf('\n hello \nworld')).toBe('hello');
    expect([...titleOf('😀'.repeat(200))]).toHaveLength(140);
  });
});
