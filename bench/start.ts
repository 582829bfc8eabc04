// `dx serve` from start to ready on an existing database, and its memory when idle; beside a bare express listener.
import { spawn } from 'node:child_process';
import { startProsody } from '../test/support/servers/index.js';
import { median, printMachine, printTable, spread } from './support/figures.js';
import { startService } from './support/service.js';

const ROUNDS = 7;

export async function run(): Promise<void> {
  printMachine();
  const server = await startProsody({ chatDomains: ['chat.test'], componentDomains: ['social.test'], componentSecret: 'secret' });
  const service = await startService({ host: server.host, port: server.componentPort, domain: 'social.test', secret: 'secret' }, 'chat.test');
  const alice = await service.author('alice');
  for (let n = 0; n < 200; n++) await alice.post(`post ${n}`);
  const starts: number[] = [];
  const bare: number[] = [];
  const memory: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await service.stop();
    await service.start();
    starts.push(service.startedInMs);
    await new Promise((resolve) => setTimeout(resolve, 1500)); // idle: what a waiting service holds
    memory.push(service.residentBytes() / 2 ** 20);
    bare.push(await bareExpress());
  }
  await service.destroy();
  await server.destroy();
  printTable([
    ['what', 'median (min–max)', 'goal'],
    ['dx serve, start to ready, ms', spread(starts), '< 1,500'],
    ['bare express listener, ms', spread(bare), 'baseline'],
    ['ratio', (median(starts) / median(bare)).toFixed(2), ''],
    ['resident memory when idle, MiB', spread(memory), '< 150'],
  ]);
}

async function bareExpress(): Promise<number> {
  const from = performance.now();
  const child = spawn(process.execPath, ['--input-type=module', '-e', "import express from 'express'; express().listen(0, () => console.log('ready'))"], { stdio: ['ignore', 'pipe', 'inherit'], cwd: import.meta.dirname });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const took = performance.now() - from;
  child.kill();
  return took;
}
