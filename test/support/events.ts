/** The live events of a page that stands open. */
export interface EventStream {
  /** Resolves with the data of the next event of this kind that fits. @throws Error when the stream ends before */
  next(kind: string, fits?: (data: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  /** What came so far and was not taken, as `kind data`. */
  waiting(): string[];
  close(): Promise<void>;
}

/** Opens `/events` as a browser does. It does not connect again. */
export async function openEvents(url: string, cookies: Map<string, string>, headers: Record<string, string> = {}): Promise<EventStream> {
  const abort = new AbortController();
  const answer = await fetch(`${url}/events`, { headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; '), ...headers }, signal: abort.signal });
  if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) throw new Error(`/events was answered ${answer.status}`);
  const events: { kind: string; data: Record<string, unknown> }[] = [];
  let changed = () => {};
  let isOpen = true;
  let text = '';
  const reading = (async () => {
    for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (text += chunk).split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
        const [kind, data] = [field('event'), field('data')];
        if (kind !== undefined && data !== undefined) events.push({ kind, data: JSON.parse(data) as Record<string, unknown> });
      }
      changed();
    }
  })()
    .catch(() => {}) // closed by us, or the process is gone
    .finally(() => {
      isOpen = false;
      changed();
    });
  return {
    async next(kind, fits = () => true) {
      for (;;) {
        const at = events.findIndex((event) => event.kind === kind && fits(event.data));
        if (at >= 0) return events.splice(at, 1)[0]!.data;
        if (!isOpen) throw new Error(`the stream ended before an event ${kind} came`);
        await new Promise<void>((resolve) => (changed = resolve));
      }
    },
    waiting: () => events.map(({ kind, data }) => `${kind} ${JSON.stringify(data)}`),
    async close() {
      abort.abort();
      await reading;
    },
  };
}
