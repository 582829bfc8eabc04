import type { RequestListener } from 'node:http';
import type { Context } from '../../services/context.js';
import { goFirst } from '../../services/precedence.js';
import { createApp, type ReadyReport } from '../../web/app.js';
import { listen } from '../listen.js';
import { measurePages } from '../metrics.js';
import { nothing, type Role } from './role.js';

/** While a form is answered, checks of chat logins and posts from elsewhere wait. */
const formsFirst =
  (ctx: Context, app: RequestListener): RequestListener =>
  (request, response) => {
    if (request.method === 'POST') response.once('close', goFirst(ctx));
    app(request, response);
  };

/**
 * The pages (DX_LISTEN).
 * @param ready what /readyz says
 * @throws Error with a sentence for the operator when the port is taken
 */
export async function startWeb(ctx: Context, ready: () => Promise<ReadyReport>): Promise<Role & { url: string }> {
  const pages = await listen(measurePages(formsFirst(ctx, createApp(ctx, { ready }))), ctx.config.listen, 'DX_LISTEN');
  return { url: pages.url, ready: () => ({}), drain: nothing, idle: nothing, stop: () => pages.stop() };
}
