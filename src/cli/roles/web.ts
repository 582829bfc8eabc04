import type { RequestListener } from 'node:http';
import { createAuthEndpoint } from '../../auth/endpoint.js';
import { writeUses } from '../../services/app-passwords.js';
import type { Context } from '../../services/context.js';
import { goFirst } from '../../services/precedence.js';
import { createApp, type ReadyReport } from '../../web/app.js';
import { listen } from '../listen.js';
import { measureChatLogins, measurePages } from '../metrics.js';
import { nothing, type Role } from './role.js';

/** While a form is answered, checks of chat logins wait. */
const formsFirst =
  (ctx: Context, app: RequestListener): RequestListener =>
  (request, response) => {
    if (request.method === 'POST') response.once('close', goFirst(ctx));
    app(request, response);
  };

/**
 * The check that chat servers ask for (DX_AUTH_LISTEN). It is a part of the role `web`: whoever lets people in does it here, so there is one kind of
 * process to have more of when many log in. It starts first and ends last, so that a restart keeps people waiting for as short as can be.
 * @throws Error with a sentence for the operator when the port is taken
 */
export async function startAuth(ctx: Context): Promise<Role> {
  const stopping = new AbortController();
  const auth = ctx.config.chatDomain === '' ? null : await listen(measureChatLogins(createAuthEndpoint(ctx, stopping.signal)), ctx.config.authListen, 'DX_AUTH_LISTEN');
  return {
    ready: () => ({}),
    drain: nothing,
    idle: nothing,
    async stop() {
      stopping.abort();
      await auth?.stop();
      await writeUses(ctx);
    },
  };
}

/**
 * The pages (DX_LISTEN).
 * @param ready what /readyz says
 * @throws Error with a sentence for the operator when the port is taken
 */
export async function startWeb(ctx: Context, ready: () => Promise<ReadyReport>): Promise<Role & { url: string }> {
  const pages = await listen(measurePages(formsFirst(ctx, createApp(ctx, { ready }))), ctx.config.listen, 'DX_LISTEN');
  return { url: pages.url, ready: () => ({}), drain: nothing, idle: nothing, stop: () => pages.stop() };
}
