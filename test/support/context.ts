// A Context for tests of services: a throw-away SQLite database, a clock that the test moves, and what was logged.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Config, loadConfig } from '../../src/config.js';
import type { JobPayloads } from '../../src/domain/job.js';
import { createLog } from '../../src/log.js';
import type { Context } from '../../src/services/context.js';
import { sendMail } from '../../src/services/mail.js';
import type { Store } from '../../src/store/database.js';
import { openStore } from '../../src/store/open.js';

export interface TestContext extends Context {
  /** Moves the clock. */
  pass(ms: number): void;
  /** Every line that was logged, as text. */
  logged(): string;
  /** The mails that wait in the queue, oldest first; `take` removes them. */
  takeMails(): Promise<JobPayloads['mail'][]>;
  /** The link in a waiting mail, as its reader gets it. */
  linkIn(mail: JobPayloads['mail']): Promise<string>;
  close(): Promise<void>;
}

const START = Date.UTC(2025, 10, 21, 12);

/** @param store of another database, which the test closes itself */
export async function testContext(env: Record<string, string> = {}, store?: Store): Promise<TestContext> {
  const stateDir = mkdtempSync(path.join(tmpdir(), 'dx-test-'));
  const config: Config = loadConfig({ DX_STATE_DIR: stateDir, DX_DOMAIN: 'social.test', DX_CHAT_DOMAIN: 'chat.test', DX_PUBLIC_URL: 'https://social.test', DX_RATE_LIMITS: 'off', ...env }, stateDir);
  const lines: string[] = [];
  const log = createLog('trace', { write: (line) => void lines.push(line) });
  const own = store ?? (await openStore('sqlite::memory:', createLog('silent')));
  if (!store) await own.migrate();
  let now = START;
  const ctx: TestContext = {
    config,
    store: own,
    protocols: [],
    log,
    now: () => now,
    pass: (ms) => {
      now += ms;
    },
    logged: () => lines.join(''),
    takeMails: () =>
      own.transaction(async (tx) => {
        const rows = await tx.query<{ id: number; payload: string }>("select id, payload from jobs where kind = 'mail' order by id");
        await tx.query("delete from jobs where kind = 'mail'");
        return rows.map((row) => JSON.parse(row.payload) as JobPayloads['mail']);
      }),
    linkIn: async (mail) => {
      const folder = mkdtempSync(path.join(stateDir, 'mail-'));
      await sendMail({ ...ctx, config: { ...config, mailUrl: `file:${folder}` } }, mail);
      const { readMails } = await import('./mails.js');
      const [parsed] = await readMails(folder);
      return /https?:\/\/\S+/.exec(parsed!.text ?? '')![0];
    },
    close: async () => {
      if (!store) await own.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
  return ctx;
}
