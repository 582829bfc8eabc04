// `dx` from the sources as they are now: a test's own process never runs an older build.
import { register } from 'node:module';

register('./servers/ts-loader.mjs', import.meta.url);
await import('../../src/cli/main.ts');
