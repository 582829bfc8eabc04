import { renderIn, useVisit, type Visit } from '../../../src/web/visit.js';

test('a component knows the visit while its page is rendered, and no longer, even when the page breaks', () => {
  const visit = (path: string) => ({ path }) as Visit;
  expect(renderIn(visit('/here'), () => useVisit().path)).toBe('/here');
  expect(() =>
    renderIn(visit('/there'), () => {
      throw new Error('broken');
    }),
  ).toThrow('broken');
  expect(() => useVisit()).toThrow('stands in no page');
});
