import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { type Media, MediaSchema } from './schema/social.js';

export type { Media };

const rows = table<Media>(MediaSchema);

/** Any row of that picture: several people may have the same. */
export const findMedia = (db: Db, id: string): Promise<Media | null> => rows.find(db, { id });

export async function saveMedia(tx: Tx, media: Media): Promise<void> {
  await rows.upsert(tx, media, ['id', 'actorId']);
}

/**
 * Takes the pictures that the person no longer shows away.
 * @returns ids that nobody has any more: their files may go
 */
export async function deleteUnused(tx: Tx, actorId: number): Promise<string[]> {
  const gone = await tx.query<{ id: string }>(
    `delete from media where actor_id = ? and id not in (select avatar from actors where id = ? and avatar is not null union select banner from actors where id = ? and banner is not null) returning id`,
    [actorId, actorId, actorId],
  );
  const orphans: string[] = [];
  for (const { id } of gone) if (!(await findMedia(tx, id))) orphans.push(id);
  return orphans;
}

/** The ids of all pictures, each once, in pages. @param after the last id of the page before */
export const listMediaIds = async (db: Db, after: string, limit: number): Promise<string[]> =>
  (await db.query<{ id: string }>('select distinct id from media where id > ? order by id limit ?', [after, limit])).map(({ id }) => id);
