import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import express from 'express';

/** The folder beside this file, or, when this file was compiled to dist/src/web/, the one in the source tree. */
const folder = [join(import.meta.dirname, 'assets'), join(import.meta.dirname, '../../../src/web/assets')].find((path) => existsSync(path));
if (folder === undefined) throw new Error('src/web/assets is missing: the pages have no style and no scripts');

const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => extname(name) !== '')
  .sort();

/** One for all files: a page and the scripts that import one another always agree. */
const version = files
  .reduce((hash, name) => hash.update(name).update(readFileSync(join(folder, name))), createHash('sha256'))
  .digest('base64url')
  .slice(0, 12);

/** The URL of a file in assets/, for example `style.css`. It changes when any of them changes. */
export const asset = (name: string): string => `/assets/${version}/${name}`;

/** Serves assets/: for ever under the version, for a short time under `/assets/NAME` alone. */
export function assetsRouter(): express.Router {
  const router = express.Router();
  const options = { index: false, redirect: false, dotfiles: 'ignore' } as const;
  router.use(`/assets/${version}`, express.static(folder!, { ...options, immutable: true, maxAge: '365d' }));
  router.use('/assets', express.static(folder!, { ...options, maxAge: '5m' }));
  return router;
}
