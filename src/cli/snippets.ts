// Configuration to paste into an XMPP server, with this installation's values. servers.md says why each line is there.
import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import type { Config, HostPort } from '../config.js';

export const SNIPPETS = { prosody, ejabberd } satisfies Record<string, (config: Config) => string>;
export type SnippetName = keyof typeof SNIPPETS;

/** Lua and YAML both read JSON's way to write a text of plain characters. */
const quoted = (text: string): string => JSON.stringify(text);

const at = ({ host, port }: HostPort): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** The folder of the program: where package.json is, from source or from the build. */
export function programFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(path.join(folder, 'package.json')) && folder !== path.dirname(folder)) folder = path.dirname(folder);
  return folder;
}

/** The listener of a server of one's own: the one that is set, else (nothing is set, or only the private Prosody) what is to be set on both sides. */
function component(config: Config): HostPort & { secret: string } {
  const kept = path.join(config.stateDir, 'prosody', 'component-url');
  const isPrivate = config.component !== null && existsSync(kept) && readFileSync(kept, 'utf8').trim() === `xmpp://${at(config.component)}`;
  if (config.component && !isPrivate) return config.component;
  return { host: '127.0.0.1', port: 5347, secret: derived(config, 'component secret for a snippet') };
}

/** What the server listens on, to be reached under that host name. */
const interfaceOf = (host: string): string => (isIP(host) ? host : host === 'localhost' ? '127.0.0.1' : '0.0.0.0');

/** Derived, so that it is the same each time this is printed. */
const derived = (config: Config, what: string): string => createHmac('sha256', config.secret).update(what).digest('hex');

/**
 * Where ejabberd takes orders to end sessions: as it is set, else to be set on both sides. The path is the key to it, because ejabberd knows no other
 * that works without a command of its own being run.
 */
function ejabberdApi(config: Config): URL {
  return new URL(config.ejabberdApi?.url ?? `http://127.0.0.1:5285/${derived(config, 'path of ejabberd API for a snippet').slice(0, 32)}/api`);
}

/** What must stand in this program's own configuration for the snippet to fit. */
function ourSide(config: Config, mark: string, chatDomain: string): string {
  const { host, port, secret } = component(config);
  return [
    `The other side, in the environment or the .env of diaspora-x:`,
    `  DX_DOMAIN=${config.domain}`,
    `  DX_CHAT_DOMAIN=${chatDomain}`,
    `  DX_COMPONENT_URL=xmpp://${at({ host, port })}`,
    `  DX_COMPONENT_SECRET=${secret}`,
  ]
    .map((line) => `${mark} ${line}`)
    .join('\n');
}

/** Where the snippet expects what it names. */
export const PROSODY_FILES = {
  modules: '/usr/local/lib/diaspora-x/prosody',
  snippet: '/etc/prosody/conf.d/diaspora-x.cfg.lua',
};

function prosody(config: Config): string {
  const { host, port, secret } = component(config);
  const chat =
    config.chatDomain === ''
      ? `-- DX_CHAT_DOMAIN is empty: no chat logins are checked by diaspora-x. By hand, in each VirtualHost whose accounts follow people here, so that
-- one stanza goes to all of them:
--	modules_enabled = { "diaspora_x_fanout" }
--	diaspora_x_fanout_senders = { ${quoted(config.domain)} }
`
      : `-- Logins with the app passwords of diaspora-x.
VirtualHost ${quoted(config.chatDomain)}
	authentication = "diaspora_x"
	diaspora_x_auth_url = ${quoted(`http://${at(config.authListen)}`)}
	diaspora_x_auth_secret = ${quoted(config.authSecret)}
	-- One stanza for all followers here, not one for each.
	modules_enabled = { "diaspora_x_fanout" }
	diaspora_x_fanout_senders = { ${quoted(config.domain)} }
${config.domain.endsWith(`.${config.chatDomain}`) ? '' : `	-- Not a subdomain, so it must be named for chat apps to find it.\n	disco_items = { { ${quoted(config.domain)}, "diaspora-x" } }\n`}`;
  const { modules, snippet } = PROSODY_FILES;
  const withLogins = config.chatDomain !== '';
  return `-- diaspora-x for Prosody 0.12 or later. docs/prosody.md tells more.
-- 1. As root, save this as ${snippet}, for it holds secrets:
--      bin/dx snippet prosody | install -m 640 -g prosody /dev/stdin ${snippet}
-- 2. Install the modules that check logins and send to many:
--      install -D -m 644 -t ${modules} ${path.join(programFolder(), 'prosody')}/mod_*.lua
${
  withLogins
    ? `-- 3. A VirtualHost ${quoted(config.chatDomain)} that stands elsewhere must go: each host is set in one place.
-- 4. Restart Prosody.`
    : `-- 3. Restart Prosody. Its accounts are its own: a DX_CHAT_DOMAIN that is set has its logins checked by diaspora-x.`
}
${ourSide(config, '--', config.chatDomain)}${withLogins ? `\n--   DX_AUTH_LISTEN=${at(config.authListen)}\n--   DX_AUTH_SECRET=${config.authSecret}` : ''}

-- Makes sending to many 2.5 to 5 times faster.
gc = { mode = "incremental", threshold = 200, speed = 500 }
-- A burst of logins is not dropped.
network_settings = { tcp_backlog = 128 }
c2s_stanza_size_limit = 65536
-- Passwords travel in PLAIN, so never without TLS.
c2s_require_encryption = true
allow_unencrypted_plain_auth = false

component_interfaces = { ${quoted(interfaceOf(host))} }
component_ports = { ${port} }

-- Where the modules are. If plugin_paths stands elsewhere already, add the folder there instead: only one of them counts.
plugin_paths = { ${quoted(PROSODY_FILES.modules)} }

${chat}
Component ${quoted(config.domain)}
	component_secret = ${quoted(secret)}
`;
}

/** Where the snippet expects what it names. Debian's unit (ProtectHome, PrivateTmp) hides /home, /root and /tmp from ejabberd. */
export const EJABBERD_FILES = {
  program: '/usr/local/lib/diaspora-x/ejabberd-auth.mjs',
  secret: '/etc/ejabberd/diaspora-x.secret',
  snippet: '/etc/ejabberd/diaspora-x.yml',
};

/** What ejabberd starts: program and arguments, separated by blanks. */
export const ejabberdProgram = (config: Config, { program, secret }: Pick<typeof EJABBERD_FILES, 'program' | 'secret'> = EJABBERD_FILES): string =>
  `${process.execPath} ${program} --url http://${at(config.authListen)} --secret-file ${secret}`;

function ejabberdLogins(config: Config): string {
  const { hostname, port, pathname } = ejabberdApi(config);
  return `  -
    # Here diaspora-x ends open sessions when a password is revoked. Who does not know the path can do nothing here, and who knows it nothing else.
    port: ${port || 80}
    ip: ${quoted(interfaceOf(hostname))}
    module: ejabberd_http
    tag: "diaspora-x"
    request_handlers:
      ${quoted(pathname.replace(/\/+$/, ''))}: mod_http_api

api_permissions:
  "diaspora-x":
    from:
      - tag: "diaspora-x"
    who:
      ip: 127.0.0.1/8
    what: [kick_user]

host_config:
  ${quoted(config.chatDomain)}:
    # Logins with the app passwords of diaspora-x.
    auth_method: [external]
    extauth_program: ${quoted(ejabberdProgram(config))}
    # Each answers one login after the other, most of them in a few milliseconds, and takes 45 MB.
    extauth_pool_size: 4
    # A revoked password must not live on in a cache, and there are several passwords for one name.
    auth_use_cache: false
    # Logs in by a token of ejabberd's own, past the program.
    disable_sasl_mechanisms: ["X-OAUTH2", "DIGEST-MD5"]

append_host_config:
  ${quoted(config.chatDomain)}:
    modules:
      ${multicast(config).join('\n      ')}
`;
}

/** For one host's `modules`. By default the service is open to everybody, and takes 20 addresses at a time. */
const multicast = ({ domain }: Config): string[] => [
  '# One stanza for all followers here, not one for each.',
  'mod_multicast:',
  '  access:',
  '    allow:',
  `      server: ${quoted(domain)}`,
  '  limits:',
  '    remote:',
  '      message: infinite',
];

function ejabberd(config: Config): string {
  const { host, port, secret } = component(config);
  const { program, secret: secretFile, snippet } = EJABBERD_FILES;
  const withLogins = config.chatDomain !== '';
  const built = path.join(programFolder(), 'ejabberd-auth', 'dist', 'main.mjs');
  return `# diaspora-x for ejabberd 23.01 or later. docs/ejabberd.md tells more.
# 1. As root, save this as ${snippet}, for it holds secrets:
#      bin/dx snippet ejabberd | install -m 640 -g ejabberd /dev/stdin ${snippet}
# 2. In /etc/ejabberd/ejabberd.yml, add the line
#      include_config_file: ${snippet}
#    and take out your own entry for port ${config.xmppPort} under "listen", because this file has it.${withLogins ? ` ${quoted(config.chatDomain)} stays among "hosts",\n#    but must be in no other "host_config".` : ''}
${
  withLogins
    ? `# 3. Install the program, and the secret it shows, which stands in this file:
#      install -D -m 644 ${built} ${program}
#      sed -n 's/^# *DX_AUTH_SECRET=//p' ${snippet} | install -m 640 -g ejabberd /dev/stdin ${secretFile}
# 4. Close the other ways by which strangers can send passwords: one of more than 64 KiB stops the check of logins for everybody, and nothing
#    limits them there. Under "listen", take out mod_mqtt and the lines "/ws: ejabberd_http_ws" and "/api: mod_http_api", or bind them to
#    127.0.0.1. A listener for port 5223 gets the same max_stanza_size and backlog as the one below.
# 5. Restart ejabberd.`
    : `# 3. Restart ejabberd. Its accounts are its own: a DX_CHAT_DOMAIN that is set has its logins checked by diaspora-x.`
}
${ourSide(config, '#', config.chatDomain)}${withLogins ? `\n#   DX_AUTH_LISTEN=${at(config.authListen)}\n#   DX_AUTH_SECRET=${config.authSecret}\n#   DX_EJABBERD_API_URL=${ejabberdApi(config).href}` : ''}

listen:
  -
    port: ${config.xmppPort}
    ip: "::"
    module: ejabberd_c2s
    # The default of 5 drops connections in a burst of logins.
    backlog: 128
    # Longer passwords than this would stop the check of logins for everybody.
    max_stanza_size: 65536
    # Passwords travel in PLAIN.
    starttls_required: true
    access: c2s
    shaper: c2s_shaper
  -
    port: ${port}
    ip: ${quoted(interfaceOf(host))}
    module: ejabberd_service
    backlog: 128
    access: all
    hosts:
      ${quoted(config.domain)}:
        password: ${quoted(secret)}
${withLogins ? ejabberdLogins(config) : ''}
# By hand, because ejabberd does not merge it: under your "modules", in mod_pubsub. Own posts of a chat account then keep their history, and
# reach those who subscribed (by default one item is kept, and subscribers without the author's presence get nothing).
#   force_node_config:
#     "urn:xmpp:microblog:0":
#       max_items: 1000
#       persist_items: true
#       presence_based_delivery: false
${withLogins ? '' : `#\n# And under your "modules" as they are, if accounts of this server follow people here:\n${multicast(config).map((line) => `#   ${line}`).join('\n')}\n`}`;
}
