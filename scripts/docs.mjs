// npm run docs: writes docs/config.md from the table in src/config.ts. A unit test fails while the two differ.
import { writeFile } from 'node:fs/promises';
import { register } from 'node:module';
import path from 'node:path';

register('../test/support/servers/ts-loader.mjs', import.meta.url);
const { renderConfigDocs } = await import('../test/support/config-docs.ts');
await writeFile(path.resolve(import.meta.dirname, '../docs/config.md'), renderConfigDocs());
