// Waits for what an installation will know by itself: looked at again whenever something has happened there.
//
//   const [post] = await eventually(app, async () => (await listPostsBy(…)), (posts) => posts.length > 0);
import type { Context } from '../../src/services/context.js';

/** Events tell of most things, not of all: so often it is looked at anyhow. */
const LOOK_EVERY_MS = 100;

/**
 * Resolves with the first value that fits.
 * @throws Error with the last value, after `timeoutMs`
 */
export async function eventually<T>({ ctx }: { ctx: Context }, look: () => Promise<T>, fits: (value: T) => boolean = Boolean, timeoutMs = 10_000): Promise<T> {
  let last: T | undefined;
  let wake = () => {};
  const off = ctx.store.notify.onEvent(() => wake());
  const failure = new Error();
  const until = Date.now() + timeoutMs;
  try {
    for (;;) {
      const happened = new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, LOOK_EVERY_MS).unref();
      });
      last = await look();
      if (fits(last)) return last;
      if (Date.now() > until) break;
      await happened;
    }
  } finally {
    off();
  }
  failure.message = `It did not come to that within ${timeoutMs} ms; the last was ${JSON.stringify(last)}`;
  throw failure;
}
