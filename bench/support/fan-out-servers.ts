// Servers with the settings for fan-out that `dx snippet` prints: the component social.test may use the multicast service, all others may not.
import { startEjabberd, startProsody, type RunningServer, type ServerOptions } from '../../test/support/servers/index.js';

export const CHAT = 'chat.test';
export const MULTICAST = 'social.test';

const EJABBERD = (chat: string, senders: string[]) => `
acl: { "diaspora-x": { server: ${JSON.stringify(senders)} } }
access_rules: { "diaspora-x": { allow: "diaspora-x" } }
append_host_config: { ${chat}: { modules: { mod_multicast: { access: "diaspora-x", limits: { remote: { message: infinite } } } } } }`;

const PROSODY = (chat: string, senders: string[]) => `
VirtualHost "${chat}"
	modules_enabled = { "diaspora_x_fanout" }
	diaspora_x_fanout_senders = { ${senders.map((sender) => JSON.stringify(sender)).join(', ')} }`;

/** @param senders whom its multicast service admits */
export const startFanOutProsody = (options: ServerOptions, chat = CHAT, senders = [MULTICAST]): Promise<RunningServer> =>
  startProsody({ ...options, extraConfig: PROSODY(chat, senders) });
export const startFanOutEjabberd = (options: ServerOptions, chat = CHAT, senders = [MULTICAST]): Promise<RunningServer> =>
  startEjabberd({ ...options, extraConfig: EJABBERD(chat, senders) });
