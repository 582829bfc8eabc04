import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import Database from 'better-sqlite3';

export const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
/** The value below which the share of values lies (nearest rank). */
export const quantile = (values: number[], share: number): number => sorted(values)[Math.min(values.length - 1, Math.ceil(values.length * share) - 1)] ?? Number.NaN;
export const median = (values: number[]) => quantile(values, 0.5);
/** How many times the baseline, by the medians. */
export const ratio = (ours: number[], baseline: number[]): string => (median(ours) / median(baseline)).toFixed(2);
const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 1)}`;

/** `median (min–max)` in milliseconds. */
export const spread = (values: number[]) => `${ms(median(values))} (${ms(Math.min(...values))}–${ms(Math.max(...values))})`;
export const percentiles = (values: number[]) => `p50 ${ms(quantile(values, 0.5))}  p99 ${ms(quantile(values, 0.99))}  max ${ms(Math.max(...values))} ms`;

const version = (command: string, args: string[]) => {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'not installed';
  }
};

/** SQLite is a part of its driver. */
function sqliteVersion(): string {
  const database = new Database(':memory:');
  const [{ version: own }] = database.prepare('select sqlite_version() as version').all() as [{ version: string }];
  database.close();
  return `SQLite ${own} (better-sqlite3 ${(createRequire(import.meta.url)('better-sqlite3/package.json') as { version: string }).version})`;
}

function commit(): string {
  const git = (...args: string[]) => version('git', ['-C', import.meta.dirname, ...args]);
  return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ', changed since'}`;
}

/** The machine, what is measured and what with, on one line each. */
export function printMachine(): void {
  const packages = version('dpkg-query', ['-W', '-f', '${Package} ${Version}  ', 'prosody', 'ejabberd', 'postgresql-15']);
  console.log(`machine   ${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB; Node ${process.version}\ncommit    ${commit()}\nservers   ${packages}  ${sqliteVersion()}\n`);
}

export function printTable(rows: string[][]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column]!)).join('  '));
}
