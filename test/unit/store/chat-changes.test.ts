import { insertAccount, updateAccount } from '../../../src/store/accounts.js';
import { insertLocalActor } from '../../../src/store/actors.js';
import { type ChatCursor, deleteChatChanges, insertChatChange, knowsChatChange, lastChatChange, listChatChanges } from '../../../src/store/chat-changes.js';
import type { Store } from '../../../src/store/database.js';
import { addJobs } from '../../../src/store/jobs.js';
import { describeStores } from '../../support/store.js';

describeStores((makeStore) => {
  const note = (store: Store, username: string, endsSessions: boolean, createdAt = 1_000) => store.transaction((tx) => insertChatChange(tx, { username, endsSessions, createdAt }));
  const account = (store: Store, username: string) =>
    store.transaction(async (tx) => {
      const actor = await insertLocalActor(tx, { username, domain: 'social.test' });
      return insertAccount(tx, {
        ...{ actorId: actor.id, username, email: `${username}@mail.test`, passwordHash: '', state: 'active', isAdmin: false },
        ...{ defaultAudience: { to: 'public' }, askFirst: false, notificationMail: null, createdAt: 0, confirmedAt: 0 },
      });
    });
  const after = async (store: Store, cursor: ChatCursor) => (await listChatChanges(store, cursor)).map(({ username, endsSessions, exists }) => [username, endsSessions, exists]);

  test('a reader gets what came after the line it knows, and whether the account exists by now', async () => {
    const store = await makeStore();
    const start = await lastChatChange(store);
    expect(await knowsChatChange(store, start)).toBe(true);
    expect(await after(store, start)).toEqual([]);
    const alice = await account(store, 'alice');
    await note(store, 'alice', false);
    await note(store, 'ghost', true);
    expect(await after(store, start)).toEqual([
      ['alice', false, true],
      ['ghost', true, false],
    ]);
    const middle = await lastChatChange(store);
    await store.transaction((tx) => updateAccount(tx, alice.id, { state: 'suspended' }));
    await note(store, 'alice', true);
    expect(await after(store, middle)).toEqual([['alice', true, false]]);
  });

  test('old lines go, but not the newest, and a reader that stands on one that went is told so', async () => {
    const store = await makeStore();
    const start = await lastChatChange(store);
    await note(store, 'alice', true, 5_000);
    const newest = await lastChatChange(store);
    await store.transaction((tx) => deleteChatChanges(tx, Number.MAX_SAFE_INTEGER));
    expect(await knowsChatChange(store, newest)).toBe(true);
    expect(await knowsChatChange(store, start)).toBe(false);
    expect(await knowsChatChange(store, { ...newest, createdAt: 5_001 })).toBe(false);
    expect(await after(store, newest)).toEqual([]);
  });

  test('lines become visible in the order of their ids, though transactions overlap', async () => {
    const store = await makeStore();
    const start = await lastChatChange(store);
    const seen: string[] = [];
    let cursor = start;
    let writing = true;
    const reading = (async () => {
      while (writing || (await listChatChanges(store, cursor)).length > 0) {
        for (const line of await listChatChanges(store, cursor)) {
          seen.push(line.username);
          cursor = line;
        }
        await new Promise((resolve) => setImmediate(resolve)); // SQLite answers without a turn of the event loop
      }
    })();
    await Promise.all(Array.from({ length: 40 }, (_, at) => note(store, `user${at}`, true)));
    writing = false;
    await reading;
    expect(seen).toHaveLength(40);
    expect(new Set(seen).size).toBe(40);
  });

  test('workers are woken by what another process has written', async () => {
    const url = await makeStore.url();
    const [service, command] = [await makeStore.open(url), await makeStore.open(url)];
    await service.migrate();
    const woken = new Promise<void>((resolve) => service.notify.onWake('main', () => resolve()));
    await command.transaction((tx) => addJobs(tx, [{ kind: 'distribute', queue: 'main', payload: { activityId: '0'.repeat(32) } }], 0));
    await woken;
  });
});
