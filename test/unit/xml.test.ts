import { createRequire } from 'node:module';
import fc from 'fast-check';
import { DomainError } from '../../src/domain/errors.js';
import { cleanText, Element, parseStanza, parseUntrusted, serialize, UNTRUSTED_LIMITS, xml } from '../../src/xml.js';

/** A tree as plain values: what two readers must agree on. Text is cleaned and joined as any reader would see it. */
function shape(element: Element): unknown {
  const children: unknown[] = [];
  for (const child of element.children) {
    if (typeof child !== 'string') children.push(shape(child));
    else if (cleanText(child) !== '') {
      if (typeof children.at(-1) === 'string') children.push(`${children.pop()}${cleanText(child)}`);
      else children.push(cleanText(child));
    }
  }
  return { name: element.name, attrs: Object.fromEntries(Object.entries(element.attrs).map(([name, value]) => [name, cleanText(value!)])), children };
}

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 }).map((codes) => String.fromCharCode(...codes)),
  fc.constantFrom(']]>', '<!--', '&amp;', '&#0;', '\r\n', "' onload='", '<x/>', '\u0000\u0001\ufffe\uffff', '\ud800', '\udc00\ud83d'),
);
const localName = fc.stringMatching(/^[A-Za-z_ÀΩ][-.0-9A-Za-z_é·]{0,8}$/u).filter((name) => !name.startsWith('xmlns') && name !== '__proto__');
const anyTree = fc.letrec<{ tree: Element }>((tie) => ({
  tree: fc
    .record({
      name: fc.oneof(localName, localName.map((name) => `p:${name}`)),
      attrs: fc.dictionary(fc.oneof(localName, localName.map((name) => `p:${name}`), fc.constant('xml:lang')), anyText, { maxKeys: 4 }),
      children: fc.array(fc.oneof({ maxDepth: 4 }, anyText, tie('tree')), { maxLength: 4 }),
    })
    .map(({ name, attrs, children }) => xml(name, { 'xmlns:p': 'urn:p', ...attrs }, ...children)),
})).tree;

const refusal = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof DomainError) return error.code;
    throw error;
  }
  return 'accepted';
};

describe('building', () => {
  test('an element is of the very class that @xmpp/component uses', () => {
    const require = createRequire(import.meta.url);
    const fromComponent = createRequire(require.resolve('@xmpp/component-core'));
    const theirs = fromComponent('@xmpp/xml') as { (name: string): Element; Element: typeof Element };
    expect(xml('iq')).toBeInstanceOf(theirs.Element);
    expect(theirs('iq')).toBeInstanceOf(Element);
  });

  test('attributes without a value and children that say nothing are left out', () => {
    expect(serialize(xml('a', { b: null, c: undefined, d: 0, e: true }, null, false, '', [xml('f'), 1]))).toBe('<a d="0" e="true"><f/>1</a>');
  });

  test('the attributes that a caller passes stay as they are', () => {
    const attrs = { a: 1, b: null };
    xml('x', attrs);
    expect(attrs).toEqual({ a: 1, b: null });
  });
});

describe('the way out', () => {
  test('whatever is written is read back the same by a strict reader', () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        expect(shape(parseUntrusted(serialize(tree)))).toEqual(shape(tree));
      }),
      { numRuns: 400 },
    );
  });

  test('what XML 1.0 forbids is dropped from text and from attributes', () => {
    expect(serialize(xml('a', { b: 'x\u0000\u000by\ud800' }, 'p\u0001\ufffe\udfffq\u{1F996}'))).toBe('<a b="xy">pq\u{1F996}</a>');
  });

  test('line ends and tabs of attributes survive a reader', () => {
    expect(parseUntrusted(serialize(xml('a', { b: 'x\n\t\ry' }, '1\r\n2'))).attrs.b).toBe('x\n\t\ry');
    expect(parseUntrusted(serialize(xml('a', null, '1\r\n2'))).getText()).toBe('1\r\n2');
  });

  test.each([
    ['a name with a blank', () => xml('a b')],
    ['a name that closes the tag', () => xml('a><evil/')],
    ['an empty name', () => xml('')],
    ['a name with two colons', () => xml('a:b:c', { 'xmlns:a': 'u' })],
    ['a name that begins with a digit', () => xml('1a')],
    ['an attribute name with a quote', () => xml('a', { 'b="c" d': 'e' })],
    ['an undeclared prefix', () => xml('p:a')],
    ['an undeclared prefix of an attribute', () => xml('a', { 'p:b': 'c' })],
    ['a prefix declared beside, not above', () => xml('a', null, xml('b', { 'xmlns:p': 'u' }), xml('p:c'))],
    ['one attribute under two prefixes', () => xml('a', { 'xmlns:p': 'u', 'xmlns:q': 'u', 'p:b': '1', 'q:b': '2' })],
    ['a prefix declared as nothing', () => xml('a', { 'xmlns:p': '' })],
    ['the prefix xml bound to something else', () => xml('a', { 'xmlns:xml': 'u' })],
    ['the namespace of xml under another prefix', () => xml('a', { 'xmlns:p': 'http://www.w3.org/XML/1998/namespace' })],
    ['a child with a bad name', () => xml('a', null, xml('b', null, xml('<')))],
  ])('%s is refused', (_what, build) => {
    expect(refusal(() => serialize(build()))).toBe('invalid');
  });

  test('a child that is neither element nor text is a bug and is named as one', () => {
    expect(() => serialize(xml('a', null, { name: 'b', attrs: {}, children: [] } as never))).toThrow(TypeError);
  });

  test('a tree too deep for the stack is refused, not thrown over', () => {
    let tree = xml('a');
    for (let depth = 0; depth < 50_000; depth += 1) tree = xml('a', null, tree);
    expect(refusal(() => serialize(tree))).toBe('invalid');
  });

  test('a part taken out of a tree takes its namespaces along', () => {
    const tree = parseUntrusted('<a xmlns="urn:a" xmlns:p="urn:p" xmlns:unused="urn:u"><b><p:c p:d="1"/></b></a>');
    const part = parseUntrusted(serialize(tree.getChild('b')!));
    expect(part.getNS()).toBe('urn:a');
    expect(part.getChild('c', 'urn:p')).toBeDefined();
    expect(serialize(tree.getChild('b')!)).not.toContain('unused');
    expect(tree.getChild('b')!.parent).toBe(tree);
  });
});

describe('reading what a stranger sent', () => {
  test.each([
    ['a plain tree', '<a xmlns="u"><b c="d">e</b></a>'],
    ['an XML declaration', '<?xml version="1.0" encoding="UTF-8"?><a/>'],
    ['a byte order mark', '\ufeff<a/>'],
    ['CDATA', '<a><![CDATA[<b>]]></a>'],
    ['character references', '<a>&#x1F996;&#65;&lt;&apos;</a>'],
  ])('%s is read', (_what, text) => {
    expect(parseUntrusted(text).name).toBe('a');
  });

  // The cases of dependencies.md, finding 2, and threats.md 32 and 33.
  test.each([
    ['duplicate attributes', "<a b='1' b='2'/>"],
    ['attributes that are duplicates by namespace', "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>"],
    ['a raw NUL', '<a>\u0000</a>'],
    ['a raw control character', '<a b="\u0001"/>'],
    ['U+FFFE', '<a>\ufffe</a>'],
    ['half a surrogate pair', '<a>\ud800</a>'],
    ['a reference to NUL', '<a>&#0;</a>'],
    ['a reference to a control character', '<a>&#1;</a>'],
    ['a reference to a control character in what calls itself XML 1.1', '<?xml version="1.1"?><a>&#1;</a>'],
    ['a reference beyond Unicode', '<a>&#x110000;</a>'],
    ['a reference to half a surrogate pair', '<a>&#xD800;</a>'],
    ['an unbound prefix', '<p:a/>'],
    ['an unbound prefix of an attribute', '<a p:b="c"/>'],
    ['an end tag with attributes', "<a></a b='1'>"],
    ['a tag in a tag', '<a<b>'],
    ['two roots', '<a/><b/>'],
    ['text after the root', '<a/>b'],
    ['text before the root', 'b<a/>'],
    ['xmlns declared as the reserved one', '<a xmlns="http://www.w3.org/2000/xmlns/"/>'],
    ['a prefix declared as nothing', '<a xmlns:p=""/>'],
    ['tags that cross', '<a><b></a></b>'],
    ['an open end', '<a>'],
    ['nothing', ''],
    ['blanks alone', '  \n'],
    ['an attribute without quotes', '<a b=c/>'],
    ['an attribute without value', '<a b/>'],
    ['a bare ampersand', '<a>&</a>'],
    ['an unknown entity', '<a>&nbsp;</a>'],
    ['a less-than sign in an attribute', '<a b="<"/>'],
    ['the end of CDATA in text', '<a>]]></a>'],
    ['a DOCTYPE', '<!DOCTYPE a><a/>'],
    ['a DOCTYPE with an entity', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['a DOCTYPE with an outer entity', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'],
    ['a comment', '<a><!-- b --></a>'],
    ['a comment before the root', '<!-- b --><a/>'],
    ['a processing instruction', '<a><?b c?></a>'],
    ['a style sheet instruction', '<?xml-stylesheet href="b"?><a/>'],
    ['JSON', '{"a":1}'],
  ])('%s is refused', (_what, text) => {
    expect(refusal(() => parseUntrusted(text))).toBe('invalid');
  });

  test('too many bytes are refused before any reading', () => {
    expect(refusal(() => parseUntrusted(`<a>${'x'.repeat(UNTRUSTED_LIMITS.maxBytes)}</a>`))).toBe('too-large');
    expect(refusal(() => parseUntrusted('<a>ä</a>', { maxBytes: 8 }))).toBe('too-large');
    expect(refusal(() => parseUntrusted('<a>ä</a>', { maxBytes: 9 }))).toBe('accepted');
  });

  test('depth is bounded at the tag that goes too deep, so a hundred thousand of them cost nothing', () => {
    const nested = (depth: number): string => '<a>'.repeat(depth) + '</a>'.repeat(depth);
    expect(refusal(() => parseUntrusted(nested(UNTRUSTED_LIMITS.maxDepth)))).toBe('accepted');
    expect(refusal(() => parseUntrusted(nested(UNTRUSTED_LIMITS.maxDepth + 1)))).toBe('invalid');
    // Unbounded, saxes works on this for two minutes: the test would run into its time limit.
    expect(refusal(() => parseUntrusted(nested(100_000), { maxBytes: 1_000_000 }))).toBe('invalid');
  });

  test('many siblings at the greatest depth are all read', () => {
    const { maxDepth } = UNTRUSTED_LIMITS;
    const text = '<a>'.repeat(maxDepth - 1) + '<b/>'.repeat(1000) + '</a>'.repeat(maxDepth - 1);
    let element = parseUntrusted(text);
    for (let depth = 2; depth < maxDepth; depth += 1) element = element.getChild('a')!;
    expect(element.getChildren('b')).toHaveLength(1000);
  });

  test('the attributes of an element are bounded', () => {
    const many = (count: number): string => `<a ${Array.from({ length: count }, (_, index) => `a${index}="1"`).join(' ')}/>`;
    expect(refusal(() => parseUntrusted(many(UNTRUSTED_LIMITS.maxAttributes)))).toBe('accepted');
    expect(refusal(() => parseUntrusted(many(UNTRUSTED_LIMITS.maxAttributes + 1)))).toBe('invalid');
    expect(refusal(() => parseUntrusted(many(20_000)))).toBe('invalid');
  });

  test('any text is either read or refused by a domain error', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.array(fc.constantFrom('<a>', '</a>', '<a/>', '&', ';', '<', '>', '"', '<![CDATA[', ']]>', '<!--', '-->', '<?', '?>', '<!DOCTYPE', ' xmlns="', 'x')).map((parts) => parts.join(''))), (text) => {
        expect(['accepted', 'invalid', 'too-large']).toContain(refusal(() => parseUntrusted(text)));
      }),
    );
  });

  test('prefixed names keep their namespace', () => {
    const element = parseUntrusted('<x:a xmlns:x="urn:x"><b xmlns="urn:b"/></x:a>');
    expect(element.is('a', 'urn:x')).toBe(true);
    expect(element.getChild('b', 'urn:b')).toBeDefined();
  });
});

describe('reading what our server has checked', () => {
  test('a stanza is read', () => {
    expect(parseStanza("<iq xmlns='jabber:client' id='1'><ping xmlns='urn:xmpp:ping'/></iq>").getChild('ping', 'urn:xmpp:ping')).toBeInstanceOf(Element);
  });

  test.each(['<a>', '', 'text', '<a></b>', '<a>&nbsp;</a>'])('%j is refused', (text) => {
    expect(refusal(() => parseStanza(text))).toBe('invalid');
  });
});
