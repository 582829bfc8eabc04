// Configuration to paste for what stands around the service: systemd, which runs it, and nginx, which speaks TLS for it.
import path from 'node:path';
import { type Config, ConfigError, type HostPort } from '../config.js';
import { programFolder } from './snippets.js';

/** @param directory where `.env` is: the service runs there */
export const SERVICE_SNIPPETS = { systemd, nginx } satisfies Record<string, (config: Config, directory: string) => string>;

/** Of the unit, for commands in comments. */
const USER = 'diaspora-x';

/** For systemd `%` begins a specifier; `$` begins a variable in ExecStart only. */
const plain = (text: string): string => text.replaceAll('%', '%%');
const word = (text: string): string => (/[\s"'\\;]/.test(text) ? `"${plain(text).replace(/["\\]/g, '\\$&')}"` : plain(text));
const isWithin = (folder: string, files: string[]): boolean => files.some((file) => `${file}/`.startsWith(`${folder}/`));

interface Unit {
  file: string;
  description: string;
  /** Of `dx`. */
  command: string;
  /** Lines of `Environment=`, stronger than `.env`. */
  environment?: string[];
  /** What the operator does with it, as comments. */
  remarks: string[];
}

function unit(config: Config, directory: string, { file, description, command, environment = [], remarks }: Unit): string {
  const root = programFolder();
  const database = config.databaseUrl.startsWith('sqlite:') ? path.dirname(config.databaseUrl.slice('sqlite:'.length)) : null;
  const mails = config.mailUrl.startsWith('file:') ? config.mailUrl.slice('file:'.length) : null;
  const written = [config.stateDir, database, mails].filter((folder): folder is string => folder !== null);
  // Folders within one that is named need no mention.
  const writable = [...new Set(written)].filter((folder) => !written.some((other) => other !== folder && isWithin(other, [folder])));
  const used = [...written, directory, root, process.execPath];
  const hasLowPort = [config.listen, config.authListen, config.metricsListen].some(({ port }) => port > 0 && port < 1024);
  const exec = [process.execPath, path.join(root, 'bin', 'dx'), command].map((each) => word(each).replaceAll('$', '$$$$')).join(' ');
  return `${[`# /etc/systemd/system/${file}`, ...remarks].join('\n# ')}
[Unit]
Description=${description} of ${plain(config.domain)}
Wants=network-online.target
After=network-online.target postgresql.service prosody.service ejabberd.service

[Service]
# The program systemd-notify, started by the service, says when it is ready: hence "all".
Type=notify
NotifyAccess=all
User=${USER}
Group=${USER}
WorkingDirectory=${plain(directory)}
${environment.map((line) => `Environment=${line}\n`).join('')}ExecStart=${exec}
Restart=on-failure
RestartSec=2
# A wrong configuration does not mend itself.
RestartPreventExitStatus=78
# An upgrade of a large database takes its time.
TimeoutStartSec=15min
# It ends by itself within 10 s.
TimeoutStopSec=20
UMask=0077
LimitNOFILE=65536
# When everybody logs in at once, the chat server wants all cores: who writes a post shall not wait for that.
Nice=-5

NoNewPrivileges=true
ProtectSystem=strict
ReadWritePaths=${writable.map(word).join(' ')}
ProtectHome=${isWithin('/home', used) || isWithin('/root', used) ? 'read-only' : 'true'}
PrivateTmp=${isWithin('/tmp', used) || isWithin('/var/tmp', used) ? 'false' : 'true'}
PrivateDevices=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
CapabilityBoundingSet=${hasLowPort ? 'CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE' : ''}
LockPersonality=true
RemoveIPC=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# The threads that compute bcrypt put themselves below the others.
SystemCallFilter=setpriority
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: Node compiles JavaScript into memory.

[Install]
WantedBy=multi-user.target
`;
}

/** As root, before any unit is started. */
const preparation = (config: Config, directory: string): string => `# diaspora-x under systemd. As root:
#   adduser --system --group --no-create-home --home ${config.stateDir} ${USER}
#   install -d -m 700 -o ${USER} -g ${USER} ${config.stateDir} && chown -R ${USER}: ${config.stateDir}
# The configuration is read from ${path.join(directory, '.env')}, which ${USER} must be able to read, and nobody else (it holds secrets).
`;

function systemd(config: Config, directory: string): string {
  const remarks = ['systemctl daemon-reload && systemctl enable --now diaspora-x'];
  return preparation(config, directory) + unit(config, directory, { file: 'diaspora-x.service', description: 'diaspora-x, social identities', command: 'serve', remarks });
}

/**
 * The same with roles in processes of their own, each a template unit.
 * @throws ConfigError on SQLite, which one process alone can serve
 */
export function systemdRoles(config: Config, directory: string): string {
  if (config.databaseUrl.startsWith('sqlite:')) throw new ConfigError(['DX_DATABASE_URL is an SQLite file: roles in processes of their own need PostgreSQL (dx copy-database). For dx serve leave out --roles.']);
  const { port } = config.listen;
  const host = config.listen.host.includes(':') ? `[${config.listen.host}]` : config.listen.host;
  // The first is where dx doctor looks; the next is not on the port after it, which is the default of DX_AUTH_LISTEN.
  const first = port >= 1000 && port <= 9989 ? port : 3000;
  const units: Unit[] = [
    {
      file: 'diaspora-x-web@.service',
      description: 'diaspora-x pages and chat logins (%i)',
      command: 'web',
      environment: [`DX_LISTEN=${host}:%i`, 'DX_AUTH_LISTEN=127.0.0.1:1%i', 'DX_METRICS_LISTEN=127.0.0.1:2%i'],
      remarks: [
        `The instance is the port (four digits): systemctl enable --now diaspora-x-web@${first} diaspora-x-web@${first + 10}`,
        `Chat logins are checked at 127.0.0.1:1${first}, figures are at 127.0.0.1:2${first}, and so on: name them in the chat server and in the proxy.`,
        `In .env write where the first one is, for dx doctor and dx snippet: DX_LISTEN=${host}:${first} and DX_AUTH_LISTEN=127.0.0.1:1${first}`,
      ],
    },
    {
      file: 'diaspora-x-worker@.service',
      description: 'diaspora-x worker %i',
      command: 'worker',
      environment: ['DX_METRICS_LISTEN=127.0.0.1:2400%i'],
      remarks: ['The instance is a digit: systemctl enable --now diaspora-x-worker@1 diaspora-x-worker@2'],
    },
    {
      file: 'diaspora-x-connector@.service',
      description: 'diaspora-x connector %i',
      command: 'connector',
      environment: ['DX_METRICS_LISTEN=127.0.0.1:2500%i'],
      remarks: ['One connects, others stand by: systemctl enable --now diaspora-x-connector@1 diaspora-x-connector@2'],
    },
  ];
  return [preparation(config, directory), ...units.map((each) => unit(config, directory, each))].join('\n');
}

/** Where a proxy on this machine reaches the listener. */
function reached({ host, port }: HostPort): string {
  const local = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `${local.includes(':') ? `[${local}]` : local}:${port}`;
}

function nginx(config: Config): string {
  const url = new URL(config.publicUrl);
  const isHttps = url.protocol === 'https:';
  const host = isHttps ? url.hostname : config.domain;
  const port = isHttps && url.port !== '' ? url.port : '443';
  return `# diaspora-x behind nginx: save as /etc/nginx/conf.d/diaspora-x.conf, then nginx -t && systemctl reload nginx
# The certificate is named as certbot does it: certbot certonly --nginx -d ${host}
${isHttps ? '' : `# DX_PUBLIC_URL is ${config.publicUrl}: set DX_PUBLIC_URL=https://${host} in the .env of diaspora-x, or logins over this proxy will fail.\n`}server {
    listen 80;
    listen [::]:80;
    server_name ${host};
    return 301 https://$host${port === '443' ? '' : `:${port}`}$request_uri;
}

server {
    listen ${port} ssl http2;
    listen [::]:${port} ssl http2;
    server_name ${host};
    ssl_certificate /etc/letsencrypt/live/${host}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/${host}/privkey.pem;

    # A post of the greatest length; the service itself refuses what is longer.
    client_max_body_size 2m;

    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    # Set anew, so that nobody brings an address of his own: limits count by it. DX_TRUST_PROXY must name where nginx runs (loopback: this machine).
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;

    location / {
        proxy_pass http://${reached(config.listen)};
    }

    # Server-Sent Events: nothing is held back, and the service gives a sign of life every 25 s.
    location = /events {
        proxy_pass http://${reached(config.listen)};
        proxy_buffering off;
        proxy_cache off;
        proxy_read_timeout 1h;
    }
}
`;
}
