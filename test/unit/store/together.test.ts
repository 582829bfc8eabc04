import type { Db } from '../../../src/store/database.js';
import { together } from '../../../src/store/together.js';

const db = {} as Db;

test('what is asked for in one turn is done once, with the items of all', async () => {
  const runs: string[][] = [];
  const ask = (item: string) =>
    together(db, 'targets', item, async (items: string[]) => {
      runs.push(items);
      return items.join();
    });
  const later = Promise.resolve()
    .then(() => null)
    .then(() => ask('c'));
  expect(await Promise.all([ask('a'), ask('b'), later])).toEqual(['a,b,c', 'a,b,c', 'a,b,c']);
  expect(runs).toEqual([['a', 'b', 'c']]);
});

test('what is asked for later is done again', async () => {
  let runs = 0;
  const ask = () => together(db, 'post', null, async () => ++runs);
  expect(await ask()).toBe(1);
  expect(await ask()).toBe(2);
});

test('another name, or another database, is another matter', async () => {
  const ask = (on: Db, name: string) => together(on, name, 1, async (items) => items.length);
  expect(await Promise.all([ask(db, 'a'), ask(db, 'b'), ask({} as Db, 'a'), ask(db, 'a')])).toEqual([2, 1, 1, 2]);
});

test('an error comes to all who asked, and not to who asks next', async () => {
  let fails = true;
  const ask = () =>
    together(db, 'post', null, async () => {
      if (fails) throw new Error('on purpose');
      return 1;
    });
  const both = await Promise.allSettled([ask(), ask()]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  fails = false;
  expect(await ask()).toBe(1);
});
