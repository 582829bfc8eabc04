// One installation on PostgreSQL, its roles in processes of their own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ComponentAddress } from './installation.js';
import { type Service, type ServiceOptions, startService } from './service-process.js';

export interface Roles {
  databaseUrl: string;
  webs: Service[];
  workers: Service[];
  connectors: Service[];
  all(): Service[];
  stop(): Promise<void>;
}

/** Starts so many of each: the first connector connects, others stand by. @param databaseUrl an empty database */
export async function startRoles(
  component: ComponentAddress,
  databaseUrl: string,
  { webs, workers, connectors }: { webs: number; workers: number; connectors: number },
  { env = {}, ...options }: Omit<ServiceOptions, 'command' | 'stateDir'> = {},
): Promise<Roles> {
  const stateDir = mkdtempSync(path.join(tmpdir(), 'dx-roles-'));
  const start = (command: ServiceOptions['command']) => startService(component, { ...options, command, stateDir, env: { DX_DATABASE_URL: databaseUrl, ...env } });
  const some = (command: ServiceOptions['command'], count: number) => Promise.all(Array.from({ length: count }, () => start(command)));
  const first = await some('connector', Math.min(connectors, 1));
  const [others, ...rest] = await Promise.all([some('connector', connectors - first.length), some('worker', workers), some('web', webs)]);
  const roles: Roles = {
    databaseUrl,
    connectors: [...first, ...others],
    workers: rest[0],
    webs: rest[1],
    all: () => [...roles.webs, ...roles.workers, ...roles.connectors],
    async stop() {
      await Promise.all(roles.all().map((service) => service.destroy()));
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
  return roles;
}
