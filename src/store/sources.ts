import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { type Source, SourceSchema } from './schema/social.js';

export type { Source };

const rows = table<Source>(SourceSchema);

/** @param jid bare */
export const findSource = (db: Db, jid: string): Promise<Source | null> => rows.find(db, { jid });
export const sourcesOf = (db: Db, actorId: number): Promise<Source[]> => rows.select(db, { actorId }, 'order by jid');

/** The usernames of those whose posts they become, by bare JID. */
export const ownersOfSources = async (db: Db): Promise<Map<string, string>> =>
  new Map((await db.query<{ jid: string; username: string }>('select s.jid, a.username from sources s join actors a on a.id = s.actor_id')).map(({ jid, username }) => [jid, username]));

export async function saveSource(tx: Tx, source: Source): Promise<void> {
  await rows.upsert(tx, source, ['jid']);
}

export const deleteSource = async (tx: Tx, actorId: number, jid: string): Promise<boolean> => (await rows.remove(tx, { actorId, jid })) > 0;
