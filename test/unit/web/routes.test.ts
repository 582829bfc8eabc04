// docs/routes.md lists what the web answers: every route of the source, and none that is not there.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

/** The names that stand for `${name}` in a route: the keys of the table of functions above it. */
const NAMED: Record<string, string[]> = {
  'posts.tsx': ['like', 'unlike', 'reshare', 'unreshare'],
  'contacts.tsx': ['accept', 'reject', 'older', 'remove', 'block', 'unblock', 'mute', 'unmute'],
  'admin.tsx': ['retry', 'pause', 'resume', 'drop'],
};

function routesOfSource(): string[] {
  const files = ['app.tsx', ...readdirSync(path.join(root, 'src/web/routes')).map((file) => `routes/${file}`)];
  return files.flatMap((file) =>
    [...read(`src/web/${file}`).matchAll(/\b(?:app|router)\.(get|post)\(\s*['`](\/[^'`]*)['`]/g)].flatMap(([, method, route]) => {
      const shown = `${method!.toUpperCase()} ${route!.replace(/:(\w+)/g, (_, name: string) => name.toUpperCase())}`;
      return shown.includes('${name}') ? NAMED[path.basename(file)]!.map((name) => shown.replace('${name}', name)) : [shown];
    }),
  );
}

test('docs/routes.md has every route, and no other', () => {
  const rows = [...read('docs/routes.md').matchAll(/^\| ((?:GET|POST)(?:, POST)?) \| `([^`]+)` \| [oma ]+ \|/gm)];
  const told = rows.flatMap(([, methods, route]) => methods!.split(', ').map((method) => `${method} ${route}`));
  expect(told.length).toBe(new Set(told).size);
  expect(told.sort()).toEqual([...new Set(routesOfSource())].sort());
});
