// What `dx doctor` finds out about ending open chat sessions at ejabberd: it opens one of a throw-away account and has it ended.
import type { Config, HostPort } from '../config.js';
import type { Context } from '../services/context.js';
import { bad, type Check, ok, said, warn } from './checks.js';
import { probeLogin } from './xmpp-probe.js';

const PRINTS = 'dx snippet ejabberd prints what is needed on both sides; restart ejabberd after a change.';

/** @param password null: nobody could log in, so only whether the API answers is seen */
export async function checkSessionsEnd(config: Config, ctx: Context, server: HostPort, username: string, password: string | null, isEjabberd: boolean): Promise<Check[]> {
  const name = 'ejabberd sessions';
  if (!config.ejabberdApi) {
    if (!isEjabberd) return []; // Prosody's module hears of it by itself
    return [warn(name, 'DX_EJABBERD_API_URL is not set: when an app password is revoked, open sessions stay until they reconnect.', PRINTS)];
  }
  // Its path is its key, and not for a screen.
  const where = `DX_EJABBERD_API_URL (${new URL(config.ejabberdApi.url).host})`;
  const { EjabberdRefusal, kickAtEjabberd } = await import('../services/chat-sessions.js');
  const kick = () => kickAtEjabberd(ctx, username);
  try {
    let ended: number | null = null;
    if (password === null) await kick();
    else {
      const { outcome } = await probeLogin(server, config.chatDomain, username, password, {
        whileIn: async () => {
          ended = await kick();
        },
      });
      if (outcome !== 'in') await kick();
    }
    if (ended === null) return [warn(name, `${where} answers; whether it ends sessions was not seen, because nobody could log in.`, 'Mend the login first.')];
    if (ended > 0) return [ok(name, `${where} ends open sessions: tried with one.`)];
    return [bad(name, `${where} answers, but did not end an open session of ${config.chatDomain}.`, `Is it the ejabberd of ${config.chatDomain}? ${PRINTS}`)];
  } catch (error) {
    const remedy = remedyFor(error instanceof EjabberdRefusal ? error.status : null);
    return [bad(name, `${where}: ${error instanceof EjabberdRefusal ? error.message.replace(/: look at .*/, '') : said(error)}. Open sessions stay when an app password is revoked.`, remedy)];
  }
}

function remedyFor(status: number | null): string {
  if (status === null) return `Is ejabberd running, with a listener at that address? ${PRINTS} If your chat server is another one, take DX_EJABBERD_API_URL out.`;
  if (status === 404) return `The path is not the one of ejabberd's listener. ${PRINTS}`;
  if (status === 401 || status === 403) return `api_permissions do not allow kick_user there, or DX_EJABBERD_API_TOKEN is wrong or has run out. ${PRINTS}`;
  return `ejabberd's log says why. Is mod_http_api among its modules? ${PRINTS}`;
}
