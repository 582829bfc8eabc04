import type { Actor } from '../../../src/domain/actor.js';
import { insertAspect } from '../../../src/store/aspects.js';
import type { Db, Store } from '../../../src/store/database.js';
import { type Circle, countRelationships, listRelationships } from '../../../src/store/relationships.js';
import { makeAccount } from '../../support/people.js';
import { makeRoster } from '../../support/roster.js';
import { describeStores } from '../../support/store.js';

describeStores((makeStore) => {
  let store: Store;
  let me: number;
  let aspectId: number;
  let people: Actor[];
  /** Of everyone: follows; every third is a contact, of these every second in the aspect. As many others ask. */
  beforeAll(async () => {
    store = await makeStore();
    me = (await makeAccount(store, 'alice')).actor.id;
    people = await makeRoster(store, me, 'f', 2_500, (at) => ({ follower: 'on', ...(at % 3 === 0 && { addedAt: 1, following: 'on' as const }) }));
    await makeRoster(store, me, 'r', 2_500, () => ({ follower: 'asked' }));
    // Others are followed by all of them, too, so that it matters along which index they are read.
    await store.transaction((tx) => tx.query("insert into relationships (actor_id, other_id, follower, following) select o.id, a.id, 'on', 'none' from actors a, actors o where a.id > ? and o.id > a.id and o.id <= a.id + 20", [me]));
    aspectId = (await store.transaction((tx) => insertAspect(tx, { ownerId: me, name: 'Family' }))).id;
    const members = people.filter((_, at) => at % 6 === 0).map(({ id }) => id);
    await store.transaction((tx) => tx.query(`insert into aspect_members (aspect_id, actor_id, since) select ?, id, 0 from actors where id in (${members.join(', ')})`, [aspectId]));
    await store.transaction((tx) => tx.query('analyze'));
  });

  /** All pages, one after the other. */
  async function walk(circle: Circle, outside?: number): Promise<Actor[]> {
    const found: Actor[] = [];
    for (let page: { other: Actor }[] = [], after: number | undefined; found.length === 0 || page.length > 0; after = page.at(-1)?.other.id) {
      page = await listRelationships(store, me, circle, { outside, after, limit: 47 });
      if (page.length === 0) break;
      expect(page.length).toBeLessThanOrEqual(47);
      found.push(...page.map(({ other }) => other));
    }
    return found;
  }
  const names = (list: Actor[]) => list.map(({ username }) => username);
  const byHandle = (list: Actor[]) => names(list).sort();

  test.each<[Circle, (at: number) => boolean]>([
    ['contacts', (at) => at % 3 === 0],
    ['followers', () => true],
  ])('thousands of %s come page by page, nobody twice and nobody left out', async (circle, isOne) => {
    const expected = people.filter((_, at) => isOne(at));
    expect(names(await walk(circle))).toEqual(circle === 'contacts' ? byHandle(expected) : names(expected).reverse());
    expect(await countRelationships(store, me, circle as 'contacts')).toBe(expected.length);
  });

  test('so do the people of an aspect, and the contacts who are not in it', async () => {
    expect(names(await walk(aspectId))).toEqual(byHandle(people.filter((_, at) => at % 6 === 0)));
    expect(names(await walk('contacts', aspectId))).toEqual(byHandle(people.filter((_, at) => at % 6 === 3)));
  });

  test('who asks while one turns the pages moves nobody to another page', async () => {
    const first = await listRelationships(store, me, 'requests', { limit: 20 });
    await makeRoster(store, me, 'late', 30, () => ({ follower: 'asked' }));
    const second = await listRelationships(store, me, 'requests', { after: first.at(-1)!.other.id, limit: 20 });
    const at = ({ other }: { other: Actor }) => Number(other.username.slice(1));
    expect([...first, ...second].map(at)).toEqual(Array.from({ length: 40 }, (_, index) => 2_499 - index));
  });

  test('a page of those who follow or ask is read along an index, and its length alone is paid for', async () => {
    const explained: string[] = [];
    const explain: Db = {
      ...store,
      dialect: store.dialect,
      query: async (sql, params) => {
        const rows = await store.query<Record<string, unknown>>(`${store.dialect === 'sqlite' ? 'explain query plan' : 'explain'} ${sql}`, params);
        explained.push(rows.map((row) => row['detail'] ?? row['QUERY PLAN']).join('\n'));
        return [];
      },
    };
    for (const circle of ['requests', 'followers'] as const) {
      const first = await listRelationships(store, me, circle, { limit: 50 });
      for (const after of [undefined, first.at(-1)!.other.id]) await listRelationships(explain, me, circle, { after, limit: 50 });
    }
    await countRelationships(explain, me, 'contacts').catch(() => {});
    const [contacts, ...pages] = explained.toReversed();
    expect(pages).toHaveLength(4);
    for (const plan of pages) {
      // PostgreSQL takes the primary key, in the same order, where that costs less by its statistics.
      expect(plan).toMatch(store.dialect === 'sqlite' ? /relationships_by_follower/ : /Index Scan Backward using .* on relationships/);
      expect(plan).not.toMatch(/sort|temp b-tree/i);
    }
    expect(contacts).toContain('relationships_contacts');
  });
});
