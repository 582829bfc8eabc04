import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tellSystemd } from '../../../src/cli/systemd.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dx-systemd-'));
  writeFileSync(path.join(folder, 'systemd-notify'), `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> '${folder}/told'\n`, { mode: 0o755 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('whoever was started by systemd tells it when it is ready, and when it stops', async () => {
  const said: string[] = [];
  const env = { NOTIFY_SOCKET: '/run/notify', PATH: `${folder}:/usr/bin:/bin` };
  await tellSystemd(env, 'READY=1', (line) => said.push(line));
  await tellSystemd(env, 'STOPPING=1', (line) => said.push(line));
  expect(readFileSync(path.join(folder, 'told'), 'utf8')).toBe('/run/notify --ready\n/run/notify STOPPING=1\n');
  expect(said).toEqual([]);
});

test('without systemd nothing is started', async () => {
  await tellSystemd({ PATH: folder }, 'READY=1', () => {});
  expect(() => readFileSync(path.join(folder, 'told'))).toThrow();
});

test('a machine without systemd-notify is told what to install', async () => {
  const said: string[] = [];
  await tellSystemd({ NOTIFY_SOCKET: '/run/notify', PATH: path.join(folder, 'empty') }, 'READY=1', (line) => said.push(line));
  expect(said.join()).toContain('install it (Debian: systemd)');
});
