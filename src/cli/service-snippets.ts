// Configuration to paste for what stands around the service: systemd, which runs it, and nginx, which speaks TLS for it.
import path from 'node:path';
import type { Config, HostPort } from '../config.js';
import { programFolder } from './snippets.js';

/** @param directory where `.env` is: the service runs there */
export const SERVICE_SNIPPETS = { systemd, nginx } satisfies Record<string, (config: Config, directory: string) => string>;

/** Of the unit, for commands in comments. */
const USER = 'diaspora-x';

/** For systemd `%` begins a specifier; `$` begins a variable in ExecStart only. */
const plain = (text: string): string => text.replaceAll('%', '%%');
const word = (text: string): string => (/[\s"'\\;]/.test(text) ? `"${plain(text).replace(/["\\]/g, '\\$&')}"` : plain(text));
const isWithin = (folder: string, files: string[]): boolean => files.some((file) => `${file}/`.startsWith(`${folder}/`));

function systemd(config: Config, directory: string): string {
  const root = programFolder();
  const database = config.databaseUrl.startsWith('sqlite:') ? path.dirname(config.databaseUrl.slice('sqlite:'.length)) : null;
  const mails = config.mailUrl.startsWith('file:') ? config.mailUrl.slice('file:'.length) : null;
  const written = [config.stateDir, database, mails].filter((folder): folder is string => folder !== null);
  // Folders within one that is named need no mention.
  const writable = [...new Set(written)].filter((folder) => !written.some((other) => other !== folder && isWithin(other, [folder])));
  const used = [...written, directory, root, process.execPath];
  const hasLowPort = [config.listen, config.authListen, config.metricsListen].some(({ port }) => port > 0 && port < 1024);
  const exec = [process.execPath, path.join(root, 'bin', 'dx'), 'serve'].map((each) => word(each).replaceAll('$', '$$$$')).join(' ');
  return `# diaspora-x under systemd. As root:
#   adduser --system --group --no-create-home --home ${config.stateDir} ${USER}
#   install -d -m 700 -o ${USER} -g ${USER} ${config.stateDir} && chown -R ${USER}: ${config.stateDir}
# Save this as /etc/systemd/system/diaspora-x.service, then:
#   systemctl daemon-reload && systemctl enable --now diaspora-x
# The configuration is read from ${path.join(directory, '.env')}, which ${USER} must be able to read, and nobody else (it holds secrets).
[Unit]
Description=diaspora-x, social identities of ${plain(config.domain)}
Wants=network-online.target
After=network-online.target postgresql.service prosody.service ejabberd.service

[Service]
# The program systemd-notify, started by the service, says when it is ready: hence "all".
Type=notify
NotifyAccess=all
User=${USER}
Group=${USER}
WorkingDirectory=${plain(directory)}
ExecStart=${exec}
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
