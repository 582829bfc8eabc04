import fc from 'fast-check';
import type { RootContent } from 'hast';
import { fromHtml } from 'hast-util-from-html';
import { titleOf } from '../../../src/domain/post.js';
import { cleanForeignHtml, markdownOfHtml } from '../../../src/html.js';
import { htmlToXhtml, renderMarkdown } from '../../../src/services/text.js';
import { type Element, parseUntrusted, serialize } from '../../../src/xml.js';

const html = (markdown: string): string => renderMarkdown(markdown).html;

const ALLOWED: Record<string, string[]> = { a: ['href', 'rel', 'title'], ol: ['start'] };
for (const name of 'p br hr h2 h3 h4 h5 h6 ul li blockquote pre code em strong s del table thead tbody tr th td'.split(' ')) ALLOWED[name] = [];

/** Is it on the list, name by name, as an HTML reader sees it and as an XML reader sees it? */
function expectClean(text: string): void {
  const problems: string[] = [];
  const walk = (nodes: RootContent[]): void => {
    for (const node of nodes) {
      if (node.type === 'text') continue;
      if (node.type !== 'element' || !ALLOWED[node.tagName]) {
        problems.push(JSON.stringify(node).slice(0, 100));
        continue;
      }
      const { href, rel } = node.properties;
      for (const name of Object.keys(node.properties)) if (!ALLOWED[node.tagName]!.includes(name)) problems.push(`${node.tagName} ${name}`);
      if (node.tagName === 'a' && !(/^(https?|xmpp|mailto):[^\s]/i.test(String(href)) && String(rel) === 'nofollow,noopener,ugc')) problems.push(`a ${href} ${rel}`);
      walk(node.children);
    }
  };
  walk(fromHtml(text, { fragment: true }).children);
  expect(problems).toEqual([]);
  expect(() => parseUntrusted(serialize(htmlToXhtml(text)), { maxBytes: 1_048_576 })).not.toThrow();
}

describe('Markdown', () => {
  test.each([
    ['emphasis', '**a** *b* ~~c~~ `d`', '<p><strong>a</strong> <em>b</em> <s>c</s> <code>d</code></p>'],
    ['line ends', 'a\nb', '<p>a<br />\nb</p>'],
    ['headings, one level down', '# a\n\n###### b', '<h2>a</h2>\n<h6>b</h6>'],
    ['lists', '- a\n- b\n\n3. c', '<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n<ol start="3">\n<li>c</li>\n</ol>'],
    ['quotes', '> a', '<blockquote>\n<p>a</p>\n</blockquote>'],
    ['code', '```js\n<b>&\n```', '<pre><code>&#x3C;b>&#x26;\n</code></pre>'],
    ['tables, with empty cells', '|a|b|\n|-|-:|\n|1||', '<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td></td>\n</tr>\n</tbody>\n</table>'],
    ['links', '[a](https://e.test/ "t") <xmpp:bob@chat.test>', '<p><a href="https://e.test/" title="t" rel="nofollow noopener ugc">a</a> <a href="xmpp:bob@chat.test" rel="nofollow noopener ugc">xmpp:bob@chat.test</a></p>'],
    ['bare links', 'see https://e.test/?a=1&b=2.', '<p>see <a href="https://e.test/?a=1&#x26;b=2" rel="nofollow noopener ugc">https://e.test/?a=1&#x26;b=2</a>.</p>'],
    ['images, as links', '![a cat](https://e.test/cat.png)', '<p><a href="https://e.test/cat.png" rel="nofollow noopener ugc">a cat</a></p>'],
    ['images without a text, as links by their address', '![](https://e.test/cat.png)', '<p><a href="https://e.test/cat.png" rel="nofollow noopener ugc">https://e.test/cat.png</a></p>'],
    ['images in links, as their text', '[![cat](https://e.test/c.png)](https://e.test/)', '<p><a href="https://e.test/" rel="nofollow noopener ugc">cat</a></p>'],
    ['HTML, as text', '<b onclick="x">a</b> &lt; &copy;', '<p>&#x3C;b onclick="x">a&#x3C;/b> &#x3C; ©</p>'],
    ['relative links, as text', '[a](/settings) [b](#c) [c](//e.test)', '<p>[a](/settings) [b](#c) [c](//e.test)</p>'],
    ['names that are no links, as text', 'readme.md e.g.this a@b.example', '<p>readme.md e.g.this a@b.example</p>'],
  ])('%s', (_name, markdown, expected) => {
    expect(html(markdown)).toBe(expected);
    expectClean(expected);
  });

  test('the title is the first line without marks', () => {
    expect(renderMarkdown('## A **bold** [link](https://e.test/)\n\nmore').title).toBe('A bold link');
    expect(renderMarkdown('a\nb').title).toBe('a');
    expect(renderMarkdown('x'.repeat(200)).title).toBe(`${'x'.repeat(139)}…`);
    expect(renderMarkdown('***').title).toBe('');
  });

  test('the plain text keeps lines, lists and code apart', () => {
    const { plain } = renderMarkdown('a\nb  *c*\n\n- d\n- e\n\n```\n f\n  g\n```\n\n|h|i|\n|-|-|\n|j|k|');
    expect(plain).toBe('a\nb c\n\n• d\n• e\n\n f\n  g\n\nh i\nj k');
  });

  test.each([
    ['a #tag and #Another-One, #under_score', ['tag', 'another-one', 'under_score']],
    ['#tag at the start, #tag again, #TAG', ['tag']],
    ['#Ärger #日本語 #हिन्दी #Ελλάδα', ['ärger', '日本語', 'हिन्दी', 'ελλάδα']],
    ['(#bracket) **#bold** "#quoted".', ['bracket', 'bold', 'quoted']],
    ['`#code` [#link](https://e.test/#part) https://e.test/#part', []],
    ['```\n#block\n```', []],
    ['a#b &#35; ##x #1 # y', []],
    ['#-', []],
    [`#${'x'.repeat(61)}`, []],
  ])('the tags of %j are %j', (markdown, tags) => {
    expect(renderMarkdown(markdown).tags).toEqual(tags);
  });

  test('tags are bounded in number', () => {
    expect(renderMarkdown(Array.from({ length: 100 }, (_, index) => `#t${index}`).join(' ')).tags).toHaveLength(30);
  });
});

// threats.md 46: what tries to run, to style, to frame, to break out, or to exhaust.
const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg><script>alert(1)</script></svg>',
  '<svg onload=alert(1)>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<form action="https://evil.test"><input name=password><button formaction="javascript:alert(1)">x</button></form>',
  '<p style="position:fixed;inset:0" id="main" class="x" name="y">a</p>',
  '<a href="javascript:alert(1)">a</a> <a href=" java\nscript:alert(1)">b</a> <a href="&#106;avascript:alert(1)">c</a> <a href="\u0001javascript:alert(1)">d</a>',
  '<a href="data:text/html,<script>alert(1)</script>">a</a> <a href="vbscript:x">b</a> <a href="//evil.test">c</a> <a href="https:">d</a>',
  '<base href="https://evil.test/"><meta http-equiv="refresh" content="0;url=https://evil.test"><link rel="stylesheet" href="https://evil.test/x.css">',
  '<template><script>alert(1)</script></template><textarea></textarea><title></title><xmp><script></xmp><plaintext>',
  '<details open ontoggle=alert(1)><summary>x</summary></details><video src=x onerror=alert(1)><audio src=x>',
  '<a href="https://e.test/" onmouseover="alert(1)" target="_blank" rel="opener">a</a>',
  '[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](data:text/html;base64,PHNjcmlwdD4=) [d](vbscript:x) [e](file:///etc/passwd)',
  '![a](javascript:alert(1)) ![b](data:image/svg+xml;base64,PHN2Zy8+) ![c](https://e.test/" onerror="alert(1))',
  '[a](https://e.test/"onclick="alert(1)) [b](https://e.test/ "t\\" onclick=\\"alert(1)") [c](<https://e.test/><script>)',
  '<https://e.test/"onclick="x> <javascript:alert(1)> <data:text/html,x>',
  '[a]: javascript:alert(1)\n\n[a]',
  '`<script>` ```<script>```\n\n    <script>',
  ']]> <![CDATA[x]]> <!-- x --> <?php x ?> <!DOCTYPE x>',
  '&#0; &#1; &#xFFFE; &#xD800; &lt;script&gt; &NotAnEntity; &#x6a;avascript:',
  'a\u0000b\u0001c\ufffe\ud800d\u000b',
  '\u202Egnp.exe \u200b \u2028 \u2029',
  'https://e.test/<script>alert(1)</script> https://e.test/"onclick="alert(1)"',
  'http://\u0001 http:// https://[ https://%zz https://e.test:99999999/',
];
const EXHAUSTING = ['[', '![', '>', '*a ', '**a ', '`a', '- ', '1. ', '    - ', '|', '<', '&', '#', '<b>', '[a](', '[a][', '~~', '_a', '\\', '"', 'a\n', '* a\n', '<a@', 'https://', '-', ' ', '\u00a0', '#a-', '.', '(', '<br>', '~', ':', '@', 'a.b/'].map((part) => [part, part.repeat(20_000).slice(0, 65_536)] as const);

describe('tags and mentions as links', () => {
  const links = { publicUrl: 'https://social.test', domains: ['social.test', 'chat.test'], here: new Set(['bob', 'al-ice']) };
  const a = (url: string, text: string) => `<a href="https://social.test${url}" rel="nofollow noopener ugc">${text}</a>`;

  test.each([
    ['#Tag, and #Ärger.', `${a('/tags/tag', '#Tag')}, and ${a('/tags/%C3%A4rger', '#Ärger')}.`, []],
    ['@bob, @BOB. (@al-ice)', `${a('/u/bob', '@bob')}, ${a('/u/bob', '@BOB')}. (${a('/u/al-ice', '@al-ice')})`, ['bob@social.test', 'al-ice@social.test']],
    ['@bob@social.test. @bob@chat.test', `${a('/u/bob', '@bob@social.test')}. ${a('/u/bob', '@bob@chat.test')}`, ['bob@social.test']],
    ['@nobody @nobody@social.test', '@nobody @nobody@social.test', []],
    ['@Rom.eo@montague.example.', `${a('/people/rom.eo@montague.example', '@Rom.eo@montague.example')}.`, ['rom.eo@montague.example']],
    ['@juliet@chat.test', a('/people/juliet@chat.test', '@juliet@chat.test'), ['juliet@chat.test']],
    ['mail a@b.example, x@bob, @@bob, @bob@localhost', 'mail a@b.example, x@bob, @@bob, @bob@localhost', []],
    ['`@bob #tag` [@bob](https://e.test/) https://e.test/@bob#tag', expect.not.stringContaining('social.test'), []],
    ['**@bob**', `<strong>${a('/u/bob', '@bob')}</strong>`, ['bob@social.test']],
    ['[@bob](<https://social.test/u/bob>)', a('/u/bob', '@bob'), ['bob@social.test']],
    ['[@bob](https://social.test/u/al-ice) [@bob and @al-ice](https://social.test/u/bob)', `${a('/u/al-ice', '@bob')} ${a('/u/bob', '@bob and @al-ice')}`, []],
  ])('%j', (markdown, expected, mentions) => {
    const rendered = renderMarkdown(markdown, links);
    expect(rendered.html.replace(/^<p>|<\/p>$/g, '')).toEqual(expected);
    expect(rendered.mentions).toEqual(mentions);
    expectClean(rendered.html);
    expect(renderMarkdown(markdown).mentions).toEqual([]);
  });

  test('a heading is at the same level with a tag in the text and without', () => {
    expect(renderMarkdown('# Title\n\n#tag', links).html).toContain('<h2>Title</h2>');
    expect(renderMarkdown('# Title\n\ntext', links).html).toContain('<h2>Title</h2>');
  });

  test('a link to the page of the tag that it names is the tag, another one is not', () => {
    expect(renderMarkdown('[#Tag](https://social.test/tags/tag) [#other](https://social.test/tags/tag)', links).tags).toEqual(['tag']);
  });

  test('by @name without a host someone of another server means nobody here', () => {
    expect(renderMarkdown('@bob @bob@social.test', { ...links, isForeign: true })).toMatchObject({ html: `<p>@bob ${a('/u/bob', '@bob@social.test')}</p>`, mentions: ['bob@social.test'] });
  });

  test('they are bounded in number and length, however they are nested', () => {
    const many = renderMarkdown(Array.from({ length: 3_000 }, (_, n) => `#t${n % 40} @u${n % 40}@e.test`).join(' '), links);
    expect(many.mentions).toHaveLength(20);
    expect(many.tags).toHaveLength(30);
    expect(many.html.match(/<a /g)).toHaveLength(100);
    const deep = renderMarkdown(`${'>'.repeat(29)} @bob`, links);
    expect(deep).toMatchObject({ mentions: ['bob@social.test'], html: expect.stringContaining('@bob') });
    expectClean(deep.html);
  });

  test.each([...HOSTILE, '#"><script>alert(1)</script>', '@bob"onclick="alert(1)', '@bob@e.test"><img src=x onerror=alert(1)>', '@x@e.test/../../'])('%j with links comes out clean', (text) => {
    expectClean(renderMarkdown(`${text} #tag @bob ${text}`, links).html);
  });

  test.each(['@', '#', '@a', '@a@', '@a.', '@bob ', '#a ', '@a@b.', '@a-'])('64 KiB of %j are read in good time', (part) => {
    const before = performance.now();
    renderMarkdown(part.repeat(65_536 / part.length), links);
    expect(performance.now() - before).toBeLessThan(5_000);
  });
});

describe('hostile text', () => {
  test.each(HOSTILE)('%j as Markdown comes out clean', (text) => {
    expectClean(html(text));
  });

  test.each(HOSTILE)('%j as HTML comes out clean', (text) => {
    expectClean(cleanForeignHtml(text));
  });

  test.each(EXHAUSTING)('twenty thousand times %j is rendered, clean and no deeper than a reader takes', (_part, text) => {
    expectClean(html(text));
  });

  test('emphasis in emphasis past all reason becomes plain paragraphs, nothing lost', () => {
    const text = `${'**a '.repeat(4000)}${'b** '.repeat(4000)}`.trim();
    expect(renderMarkdown(text).plain).toBe(text);
  });

  test('lists and quotes may be nested as deep as people do', () => {
    expect(html(`${'> '.repeat(8)}a`)).toContain('<blockquote>\n'.repeat(8));
  });

  test('any text at all has a clean result', () => {
    const parts = fc.array(fc.constantFrom('*', '**', '_', '`', '```\n', '[', '](', ')', '<', '>', '&', '#a', ' ', '\n', '\n\n', ']]>', '&#1;', '- ', '> ', '|', '|-|\n', 'https://e.test/', 'javascript:', '"', "'", '<script>', '<!--', '\\', 'é'), { maxLength: 40 });
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), parts.map((list) => list.join(''))), (text) => {
        const rendered = renderMarkdown(text);
        expectClean(rendered.html);
        expect(rendered.title).toBe(titleOf(rendered.plain));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['is nested too deeply', '<b>'.repeat(1500), 'invalid'],
    ['is made to grow when tags are mended', Array.from({ length: 900 }, (_, index) => `<b title="${index}">`).join('') + '<p>'.repeat(900), 'invalid'],
    ['has too many tags', '<br>'.repeat(30_000), 'too-large'],
  ])("a stranger's HTML that %s is refused", (_name, text, code) => {
    expect(() => markdownOfHtml(text)).toThrow(expect.objectContaining({ name: 'DomainError', code }));
  });
});

describe('HTML as Markdown', () => {
  test.each([
    ['<p>Hi <b>you</b>,<br>and <i>you</i></p><p>two</p>', 'Hi **you**,\nand *you*\n\ntwo'],
    ['<h1>T</h1><ul><li>a</li><li>b<ol><li>c</li></ol></li></ul><hr>', '## T\n\n- a\n- b\n\n  1. c\n\n***'],
    ['<blockquote><p>a</p><p>b</p></blockquote><pre>x\n y</pre>', '> a\n>\n> b\n\n    x\n     y'],
    ['<a href="https://e.test/">https://e.test/</a> <a href="https://e.test/(x)">l</a>', '<https://e.test/> [l](<https://e.test/(x)>)'],
    ['<p>1. not a list</p><p># not a heading *nor this* snake_case</p>', '1\\. not a list\n\n\\# not a heading \\*nor this\\* snake_case'],
    ['<p> </p><script>x</script>', ''],
    ['<code>a`b</code><img src="https://e.test/i.png" alt="i">', "`a'b`[i](<https://e.test/i.png>)"],
  ])('%j', (text, expected) => {
    expect(markdownOfHtml(text)).toBe(expected);
  });

  test("what a stranger's HTML shows is shown again, and no more", () => {
    const shown = (text: string): string => renderMarkdown(text).plain.replace(/\s+/g, ' ');
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b c', '*', '_', '`', '[x](y)', '&lt;b&gt;', '#', '1.', '<b>d</b>', '<i>e</i>', '!', '\\'), { minLength: 1, maxLength: 8 }).filter((parts) => parts.some((part) => /[a-z]/.test(part))), (parts) => {
        const text = `<p>${parts.join(' ')}</p>`;
        expect(shown(markdownOfHtml(text))).toBe(text.replace(/<[^>]*>/g, '').replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/\s+/g, ' ').trim());
      }),
    );
  });
});

describe('XHTML for entries', () => {
  const xhtml = (text: string): string => serialize(htmlToXhtml(text)).replace(/^<div[^>]*>|<\/div>$/g, '');

  test('blanks between tags move into an element, for Movim drops them there', () => {
    expect(xhtml('<p><strong>a</strong> <em>b</em></p>')).toBe('<p><strong>a </strong><em>b</em></p>');
    expect(xhtml('<p>a</p>\n<ul>\n<li>b</li>\n</ul>')).toBe('<p>a</p><ul><li>b</li></ul>');
    expect(xhtml('<p>a <em>b</em> c</p>')).toBe('<p>a <em>b</em> c</p>');
    expect(xhtml('<pre><code>a</code> <code>b</code></pre>')).toBe('<pre><code>a</code> <code>b</code></pre>');
  });

  test('HTML that is not well-formed is refused', () => {
    expect(() => htmlToXhtml('<p>a')).toThrow(expect.objectContaining({ code: 'invalid' }));
    expect(() => htmlToXhtml('</div><div>')).toThrow(expect.objectContaining({ code: 'invalid' }));
  });

  test('moving blanks changes no word', () => {
    const words = (element: Element): string => element.children.map((child) => (typeof child === 'string' ? child : words(child))).join('').replace(/\s+/g, '');
    const { html: stored, plain } = renderMarkdown('**a** *b* `c`\n\n- **d** e\n- f\n\n> g **h** *i*');
    expect(words(htmlToXhtml(stored))).toBe(plain.replace(/[\s•]+/g, ''));
  });
});
