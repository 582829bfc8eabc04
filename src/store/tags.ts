import type { Guid } from '../domain/guid.js';
import type { Tx } from './database.js';
import { table } from './rows.js';
import { type PostTag, PostTagSchema } from './schema/social.js';

const postTags = table<PostTag>(PostTagSchema);

/** The post stands on the pages of these tags, and of no others. */
export async function setTags(tx: Tx, postGuid: Guid, tags: readonly string[]): Promise<void> {
  await postTags.remove(tx, { postGuid });
  for (const tag of new Set(tags)) await postTags.insert(tx, { tag, postGuid });
}

/** Of new posts. @param added each tag of a post once */
export const insertTags = (tx: Tx, added: readonly PostTag[]): Promise<void> => postTags.insertAll(tx, added);
