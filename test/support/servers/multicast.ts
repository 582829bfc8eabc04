// Servers that multiply stanzas (XEP-0033), with the settings that `dx snippet` prints.
import { type RunningServer, type ServerName, type ServerOptions, startEjabberd, startProsody } from './index.js';

const EJABBERD = (chat: string, senders: string[]) => `
append_host_config: { ${chat}: { modules: { mod_multicast: { access: ${JSON.stringify(senders.map((server) => ({ allow: { server } })))}, limits: { remote: { message: infinite } } } } } }`;

const PROSODY = (chat: string, senders: string[]) => `
VirtualHost "${chat}"
	modules_enabled = { "diaspora_x_fanout" }
	diaspora_x_fanout_senders = { ${senders.map((sender) => JSON.stringify(sender)).join(', ')} }`;

/**
 * @param chat the chat domain whose accounts it serves
 * @param senders the domains that it admits
 */
export const startMulticast = (name: ServerName, options: ServerOptions, chat: string, senders: string[]): Promise<RunningServer> =>
  name === 'prosody' ? startProsody({ ...options, extraConfig: PROSODY(chat, senders) }) : startEjabberd({ ...options, extraConfig: EJABBERD(chat, senders) });
