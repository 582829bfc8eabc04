import type { Db, Tx } from './database.js';
import { table } from './rows.js';
import { type ChatChange, ChatChangeSchema } from './schema/accounts.js';

const changes = table<ChatChange>(ChatChangeSchema);

/** How many lines are read at once. */
const LINES = 1_000;

export async function insertChatChange(tx: Tx, change: Omit<ChatChange, 'id'>): Promise<void> {
  // Ids must become visible in their order, or a reader who is past a later one would never see the earlier one.
  if (tx.dialect === 'postgres') await tx.query('lock table chat_changes in share row exclusive mode');
  await changes.insert(tx, change);
}

/** Where a reader is: the last line that it knows. The time tells a line from one of another database under the same id. */
export type ChatCursor = Pick<ChatChange, 'id' | 'createdAt'>;

/** The newest line; the migration wrote the first. */
export const lastChatChange = async (db: Db): Promise<ChatCursor> =>
  (await db.query<ChatCursor>('select id, created_at as "createdAt" from chat_changes order by id desc limit 1'))[0]!;

/** Is that line still there? Otherwise a reader may have missed something. */
export const knowsChatChange = async (db: Db, { id, createdAt }: ChatCursor): Promise<boolean> => (await changes.find(db, { id, createdAt })) !== null;

/** What came after that line, oldest first, with whether the account exists now for chat servers; at most 1,000. */
export async function listChatChanges(db: Db, cursor: ChatCursor): Promise<(ChatChange & { exists: boolean })[]> {
  const rows = await db.query<Record<string, unknown>>(
    `select ${changes.columns('c')}, case when a.state = 'active' then 1 else 0 end as is_active
     from chat_changes c left join accounts a on a.username = c.username where c.id > ? order by c.id limit ${LINES}`,
    [cursor.id],
  );
  return rows.map((row) => ({ ...changes.read(row), exists: Number(row.is_active) === 1 }));
}

/** Removes lines that are older, but never the newest: readers stand on it. */
export async function deleteChatChanges(tx: Tx, before: number): Promise<void> {
  await tx.query('delete from chat_changes where created_at < ? and id < (select max(id) from chat_changes)', [before]);
}
