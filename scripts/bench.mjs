// npm run bench            lists the benchmarks
// npm run bench -- NAME    runs one: real servers, a baseline in the same run, rounds interleaved
import { readdirSync, readFileSync } from 'node:fs';
import { register } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';

const folder = path.resolve(import.meta.dirname, '../bench');
const names = readdirSync(folder).filter((name) => name.endsWith('.ts')).map((name) => name.replace(/\.ts$/, ''));
const [name, ...args] = process.argv.slice(2);

if (name === undefined) {
  for (const each of names) console.log(`${each.padEnd(12)} ${readFileSync(path.join(folder, `${each}.ts`), 'utf8').split('\n', 1)[0].replace(/^\/\/ ?/, '')}`);
} else if (!names.includes(name)) {
  console.error(`There is no benchmark "${name}". There are: ${names.join(', ')}.`);
  process.exitCode = 2;
} else {
  await build();
  register('../test/support/servers/ts-loader.mjs', import.meta.url);
  const { run } = await import(pathToFileURL(path.join(folder, `${name}.ts`)).href);
  await run(args);
  process.exit(0); // sockets of bulk clients would keep it alive
}
