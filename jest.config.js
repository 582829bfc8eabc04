// One jest project a level of test; `node scripts/jest.mjs --selectProjects unit` runs one level.
import { availableParallelism } from 'node:os';

const level = (name) => ({
  displayName: name,
  rootDir: import.meta.dirname,
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts?(x)`],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  // Imports say .js (NodeNext) where the file is .ts; .js is tried first so that packages stay as they are.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': ['$1.js', '$1.ts', '$1.tsx'] },
  transform: {
    '\\.tsx?$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', tsx: true },
          target: 'es2022',
          transform: { react: { runtime: 'automatic', importSource: 'preact' } },
        },
      },
    ],
  },
  // Starts no server: it only listens for the first test that asks for one (see the top of that file).
  globalSetup: '<rootDir>/test/support/servers/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/servers/global-teardown.mjs',
});

export default {
  // For all levels: jest 30 heeds it only here. What waits for a stanza gives up by itself before that.
  testTimeout: 30_000,
  // The test servers have domains for eight workers (test/support/servers/plan.ts). Half as many again were no quicker on two cores, and some tests gave up.
  maxWorkers: Math.min(8, availableParallelism()),
  projects: [level('unit'), level('protocol'), level('browser'), level('fault')],
};
