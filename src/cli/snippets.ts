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
function programFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(path.join(folder, 'package.json')) && folder !== path.dirname(folder)) folder = path.dirname(folder);
  return folder;
}

/** The listener of a server of one's own: the one that is set, else (nothing is set, or only the private Prosody) what is to be set on both sides. */
function component(config: Config): HostPort & { secret: string } {
  const kept = path.join(config.stateDir, 'prosody', 'component-url');
  const isPrivate = config.component !== null && existsSync(kept) && readFileSync(kept, 'utf8').trim() === `xmpp://${at(config.component)}`;
  if (config.component && !isPrivate) return config.component;
  // Derived, so that it is the same each time this is printed.
  return { host: '127.0.0.1', port: 5347, secret: createHmac('sha256', config.secret).update('component secret for a snippet').digest('hex') };
}

/** What the server listens on, to be reached under that host name. */
const interfaceOf = (host: string): string => (isIP(host) ? host : host === 'localhost' ? '127.0.0.1' : '0.0.0.0');

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

function prosody(config: Config): string {
  const { host, port, secret } = component(config);
  const chat =
    config.chatDomain === ''
      ? `-- DX_CHAT_DOMAIN is empty: no chat logins are checked by diaspora-x.
`
      : `-- Logins with the app passwords of diaspora-x. The folder, and this file with its secrets, must be readable for the user "prosody".
plugin_paths = { ${quoted(path.join(programFolder(), 'prosody'))} }

VirtualHost ${quoted(config.chatDomain)}
	authentication = "diaspora_x"
	diaspora_x_auth_url = ${quoted(`http://${at(config.authListen)}`)}
	diaspora_x_auth_secret = ${quoted(config.authSecret)}
${config.domain.endsWith(`.${config.chatDomain}`) ? '' : `	-- Not a subdomain, so it must be named for chat apps to find it.\n	disco_items = { { ${quoted(config.domain)}, "diaspora-x" } }\n`}`;
  return `-- diaspora-x for Prosody 0.12 or later: save as /etc/prosody/conf.d/diaspora-x.cfg.lua (chmod 640, group prosody), then restart Prosody.
-- A VirtualHost ${quoted(config.chatDomain || 'of yours')} that stands elsewhere must go: each host is set in one place.
${ourSide(config, '--', config.chatDomain)}

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

${chat}
Component ${quoted(config.domain)}
	component_secret = ${quoted(secret)}
`;
}

function ejabberd(config: Config): string {
  const { host, port, secret } = component(config);
  return `# diaspora-x for ejabberd 23.01 or later: parts to merge into /etc/ejabberd/ejabberd.yml, then restart ejabberd.
# Chat logins with app passwords are not there yet for ejabberd: they come with a later version of diaspora-x. Until then its accounts are its own,
# so DX_CHAT_DOMAIN must be empty: a stranger could bear the name of one of ours.
${ourSide(config, '#', '')}

listen:
  # The component. Keep the other entries of your "listen".
  -
    port: ${port}
    ip: ${quoted(interfaceOf(host))}
    module: ejabberd_service
    backlog: 128
    access: all
    hosts:
      ${quoted(config.domain)}:
        password: ${quoted(secret)}
  # In your entry for clients (module: ejabberd_c2s), set these:
  #   backlog: 128              the default of 5 drops connections in a burst of logins
  #   max_stanza_size: 65536    longer passwords than that can stop the check of logins for everybody
  #   starttls_required: true   passwords travel in PLAIN

# A revoked password must not live on in a cache.
auth_use_cache: false
disable_sasl_mechanisms: ["X-OAUTH2", "DIGEST-MD5"]
`;
}
