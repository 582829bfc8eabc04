// Logs accounts in again and again, in a process of its own so that what others measure is not its own event loop. Reads one line of JSON:
// { server, logins, atOnce }; writes a line when each round is through; ends when its input does.
import { register } from 'node:module';
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';

setPriority(0, 0); // whoever measures may be above everything, and we would be so too

register('../../test/support/servers/ts-loader.mjs', import.meta.url);
const { logInAll } = await import('../../test/support/bulk-logins.ts');

let ended = false;
for await (const line of createInterface({ input: process.stdin.on('end', () => (ended = true)) })) {
  const { server, logins, atOnce } = JSON.parse(line);
  void (async () => {
    while (!ended) {
      const run = await logInAll(server, logins, atOnce, false);
      console.log(JSON.stringify({ ...run.outcomes, perSecond: run.perSecond }));
    }
    process.exit(0);
  })();
}
