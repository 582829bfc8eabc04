import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const SRC = resolve(import.meta.dirname, '../../src');

interface Import {
  from: string;
  to: string;
}

/** The place in the house that a file belongs to: its first folder, or its name at the top (config.ts, log.ts, xml.ts, html.ts). */
const placeOf = (path: string) => (path.includes('/') ? path.split('/')[0]! : path.replace(/\.tsx?$/, ''));

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name));
const imports: (Import & { specifier: string })[] = files.flatMap((from) => {
  const text = readFileSync(join(SRC, from), 'utf8');
  return [...text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^'"\n;]*?(?:\{[^}]*\}[^'"\n;]*)?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s*['"]([^'"]+)['"]/g)].map((match) => {
    const specifier = (match[1] ?? match[2] ?? match[3])!;
    const to = specifier.startsWith('.') ? relative(SRC, resolve(SRC, dirname(from), specifier)).replace(/\.js$/, '') : specifier;
    return { from, to, specifier };
  });
});

/** The arrows of docs/architecture.md: what each place may import, besides itself and packages. */
const MAY_IMPORT: Record<string, string[]> = {
  domain: [],
  config: [],
  log: ['config'],
  metrics: [],
  xml: ['domain'],
  html: ['domain', 'xml'],
  types: [],
  store: ['domain', 'log', 'migrations'],
  services: ['domain', 'store', 'config', 'log', 'metrics', 'html', 'xml'],
  jobs: ['domain', 'store', 'services', 'log', 'metrics'],
  formats: ['domain', 'xml', 'html'],
  xmpp: ['domain', 'store', 'services', 'formats', 'xml', 'log'],
  web: ['domain', 'store', 'services', 'formats', 'xml', 'config', 'log'],
  auth: ['domain', 'services', 'store', 'log'],
  cli: ['domain', 'store', 'services', 'jobs', 'formats', 'xmpp', 'web', 'auth', 'config', 'log', 'xml', 'types', 'metrics'],
};

test('the test sees the imports of the house', () => {
  expect(files.length).toBeGreaterThan(30);
  expect(imports).toContainEqual(expect.objectContaining({ from: 'services/publish.ts', to: 'domain/post' }));
});

test('arrows between the folders go one way only', () => {
  const wrong = imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .filter(({ from, to }) => {
      const place = placeOf(from);
      const target = to.startsWith('..') ? 'migrations' : placeOf(to);
      return target !== place && !MAY_IMPORT[place]?.includes(target);
    })
    .map(({ from, to }) => `${from} → ${to}`);
  expect(wrong).toEqual([]);
});

test('the domain imports nothing but itself', () => {
  expect(imports.filter(({ from, specifier }) => from.startsWith('domain/') && !specifier.startsWith('./'))).toEqual([]);
});

test.each([
  ['typeorm', /^store\/|^cli\/doctor/],
  ['better-sqlite3', /^store\//],
  ['ltx', /^xml\.ts$|^types\//],
  ['ltx/lib/ltx.js', /^xml\.ts$/],
  ['saxes', /^xml\.ts$/],
  ['hast-util-from-html', /^html\.ts$/],
  ['hast-util-sanitize', /^html\.ts$/],
  ['activitystrea.ms', /^formats\/activitystreams2\.ts$/],
  ['bcrypt', /^services\//],
  ['nodemailer', /^services\/mail\.ts$/],
  ['express', /^web\/|^cli\//],
])('%s is imported in one place', (pkg, place) => {
  const users = imports.filter(({ specifier }) => specifier === pkg).map(({ from }) => from);
  expect(users.filter((from) => !place.test(from))).toEqual([]);
});
