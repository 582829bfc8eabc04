import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

export const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
/** The value below which the share of values lies (nearest rank). */
export const quantile = (values: number[], share: number): number => sorted(values)[Math.min(values.length - 1, Math.ceil(values.length * share) - 1)] ?? Number.NaN;
export const median = (values: number[]) => quantile(values, 0.5);
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

/** The machine and what is measured with, on one line each. */
export function printMachine(): void {
  const packages = version('dpkg-query', ['-W', '-f', '${Package} ${Version}  ', 'prosody', 'ejabberd', 'postgresql-15']);
  console.log(`machine   ${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB; Node ${process.version}\nservers   ${packages}\n`);
}

export function printTable(rows: string[][]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column]!)).join('  '));
}
