import { createAuthServer } from '../../auth/endpoint.js';
import { writeUses } from '../../services/app-passwords.js';
import type { Context } from '../../services/context.js';
import { listen } from '../listen.js';
import { countAnswer } from '../metrics.js';
import { nothing, type Role } from './role.js';

/**
 * The check that chat servers ask for (DX_AUTH_LISTEN). It is a part of the role `web`: whoever lets people in does it here, so there is one kind of
 * process to have more of when many log in. It starts first and ends last, so that a restart keeps people waiting for as short as can be.
 * @throws Error with a sentence for the operator when the port is taken
 */
export async function startAuth(ctx: Context): Promise<Role> {
  const stopping = new AbortController();
  const auth = ctx.config.chatDomain === '' ? null : await listen(createAuthServer(ctx, { stopping: stopping.signal, answered: countAnswer }), ctx.config.authListen, 'DX_AUTH_LISTEN');
  return {
    ready: () => ({}),
    drain: nothing,
    idle: nothing,
    async stop() {
      // Nobody is to connect again here: first it listens no more, then kept connections close.
      const closed = auth?.stop();
      stopping.abort();
      await closed;
      await writeUses(ctx);
    },
  };
}
