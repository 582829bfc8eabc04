// `dx` from the sources as they are now: a test's own process never runs an older build. Translating them on the way takes a second more, in which a
// service that restarts is gone for chat servers.
import { register } from 'node:module';
import { isBuilt } from '../../scripts/build.mjs';

if (await isBuilt()) await import('../../dist/src/cli/main.js');
else {
  register('./servers/ts-loader.mjs', import.meta.url);
  await import('../../src/cli/main.ts');
}
