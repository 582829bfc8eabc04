// kill -9 at random moments under load, N times (200: half on SQLite with Prosody, half on PostgreSQL with ejabberd): what was lost, doubled or out of order.
import { randomInt } from 'node:crypto';
import { crashAgainAndAgain } from '../test/support/crash.js';
import { startPostgres } from '../test/support/servers/index.js';
import { printMachine, printTable } from './support/figures.js';

/** So many kills share a seed and a database: a fault is found again in minutes. */
const ROUND = 20;

/** @param args how many kills; the first seed, which the others follow */
export async function run([count = '200', first = String(randomInt(2 ** 31 - 1_000))]: string[]): Promise<void> {
  printMachine();
  const rows = [['database', 'server', 'kills', 'while starting', 'posts accepted', 'sent again', 'items at readers', 'lost', 'came again', 'faults']];
  let seed = Number(first);
  for (const [database, server] of [['SQLite', 'prosody'], ['PostgreSQL', 'ejabberd']] as const) {
    const sum = { kills: 0, atStart: 0, accepted: 0, sentAgain: 0, lost: 0, repeated: 0, faults: 0 };
    while (sum.kills < Number(count) / 2) {
      const kills = Math.min(ROUND, Math.ceil(Number(count) / 2) - sum.kills);
      console.log(`${database}, ${server}: npm run bench -- crash ${kills * 2} ${seed}`);
      const postgres = database === 'PostgreSQL' ? await startPostgres() : null;
      const report = await crashAgainAndAgain({ server, databaseUrl: postgres?.url, kills, seed: seed++, tell: (line) => console.log(`  ${line}`) });
      await postgres?.destroy();
      for (const fault of report.faults) console.log(`  FAULT ${fault}`);
      for (const key of ['kills', 'atStart', 'accepted', 'sentAgain', 'lost', 'repeated'] as const) sum[key] += report[key];
      sum.faults += report.faults.length;
    }
    rows.push([database, server, ...[sum.kills, sum.atStart, sum.accepted, sum.sentAgain, sum.accepted * 15, sum.lost, sum.repeated, sum.faults].map(String)]);
  }
  printTable(rows);
}
