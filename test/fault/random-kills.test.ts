// kill -9 at random moments under load, on both databases and both XMPP servers. DX_TEST_KILLS: how often (4); DX_TEST_SEED: the
// moments of an earlier run. `npm run bench -- crash 200` does it at length.
import { randomInt } from 'node:crypto';
import { crashAgainAndAgain } from '../support/crash.js';
import { createDatabase, type ServerName } from '../support/servers/index.js';

const KILLS = Number(process.env.DX_TEST_KILLS ?? 4);

const DATABASES: [string, ServerName, () => Promise<string | undefined>][] = [
  ['SQLite', 'prosody', async () => undefined],
  ['PostgreSQL', 'ejabberd', createDatabase],
];

test.each(DATABASES)('killed again and again on %s with %s: every accepted post is there once, with its deliveries, and reaches every reader in order', async (database, server, url) => {
  const seed = Number(process.env.DX_TEST_SEED ?? randomInt(2 ** 31));
  process.stderr.write(`${database}: DX_TEST_SEED=${seed}\n`);
  const report = await crashAgainAndAgain({ server, databaseUrl: await url(), kills: KILLS, seed });
  expect(report.faults).toEqual([]);
  expect(report.accepted).toBeGreaterThan(KILLS);
  // A claim of a lane has five jobs: each kill can repeat one for each author and host, to each reader.
  expect(report.repeated).toBeLessThanOrEqual(KILLS * 2 * 5 * 3 * 15);
}, 60_000 + KILLS * 15_000);
