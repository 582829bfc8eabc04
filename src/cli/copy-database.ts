// `dx copy-database FROM TO`: an installation moves from SQLite to PostgreSQL, or back. Only its database: keys stay in the state dir.
import type { Logger } from '../log.js';
import { dumpKind, type Say } from '../store/backup.js';
import { copyAll } from '../store/copy.js';
import { openSource, openTarget } from '../store/copy-sides.js';

/**
 * Copies a database into an empty one of the other kind. The source is not changed; on any fault the target stays empty.
 * @param from `sqlite:PATH` or `postgres://…`
 * @throws Error with a sentence for the operator
 */
export async function copyDatabase(from: string, to: string, log: Logger, say: Say): Promise<void> {
  if (dumpKind(from) === dumpKind(to)) throw new Error('Both databases are of the same kind: dx backup and dx restore are for that.');
  const source = await openSource(from, log);
  try {
    const target = await openTarget(to, log);
    try {
      const tables = await copyAll(source.side, target.side, say);
      await target.finish();
      const rows = tables.reduce((sum, table) => sum + table.rows, 0);
      say(`copied and compared: ${tables.length} tables, ${rows} rows. Now set DX_DATABASE_URL to the new database and start; keep the old one until all is well.`);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
