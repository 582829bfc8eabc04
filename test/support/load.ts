// People who post and keep count of what was accepted: the journal that a crash cannot touch, because it is kept here.
import { setTimeout as pause } from 'node:timers/promises';

export interface Poster {
  username: string;
  /** @throws Error unless the post was accepted */
  post(text: string, once: string): Promise<string>;
}

/** A post that was answered with 303. */
export interface Accepted {
  username: string;
  /** Counts the author's posts, from 0. */
  number: number;
  guid: string;
}

export interface Load {
  /** Each author's in the order of their posting. */
  accepted: Accepted[];
  /** How long each took, with all tries. */
  tookMs: number[];
  /** Tries that ended in an error; the same form was sent again. */
  failed: number;
  /** No new posts; resolves when the last of each author has been accepted, so the service must be there. */
  stop(): Promise<void>;
}

const RETRY_MS = 25;

/** What each post says, without the number's text: about 500 bytes. */
const TEXT = 'lorem ipsum dolor sit amet '.repeat(18);

/**
 * Starts to post, each author one post after another. What is not accepted is sent again with the same token, as a person does who
 * presses the button once more: it is one post all the same.
 * @param options.perSecond all authors together; without it, as fast as the answers come
 * @param options.mayFail errors that are expected, for instance while the service is down; all others end the load, and `stop` throws them
 */
export function startLoad(posters: readonly Poster[], { perSecond, mayFail = () => true }: { perSecond?: number; mayFail?: (error: unknown) => boolean } = {}): Load {
  let stopping = false;
  const from = performance.now();
  const load = { accepted: [] as Accepted[], tookMs: [] as number[], failed: 0 };
  const run = async ({ username, post }: Poster, index: number) => {
    for (let number = 0; !stopping; number++) {
      if (perSecond !== undefined) await pause(Math.max(0, from + ((number * posters.length + index) * 1000) / perSecond - performance.now()));
      if (stopping) return;
      const askedAt = performance.now();
      for (;;) {
        try {
          const guid = await post(`# ${username} ${number}\n\n${TEXT}`, `${username}-${number}`);
          load.accepted.push({ username, number, guid });
          load.tookMs.push(performance.now() - askedAt);
          break;
        } catch (error) {
          if (!mayFail(error)) throw error;
          load.failed += 1;
          await pause(RETRY_MS);
        }
      }
    }
  };
  const running = Promise.all(posters.map(run));
  running.catch(() => {}); // `stop` tells
  return Object.assign(load, {
    async stop() {
      stopping = true;
      await running;
    },
  });
}
