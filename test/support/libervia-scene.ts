// Libervia on a Prosody of its own, beside an installation: alice uses Libervia with her chat account, bob uses it elsewhere, carol uses the pages alone.
//
//   const scene = openLiberviaScene();
//   test('…', async () => { await scene.owner.run(['blog', 'set', '-s', scene.alice.jid], 'the text'); … });
import path from 'node:path';
import type { Account } from '../../src/domain/account.js';
import type { Actor } from '../../src/domain/actor.js';
import { listComments } from '../../src/services/comments.js';
import { actorOf, listPostsBy, type PostView } from '../../src/services/stream.js';
import { type Installation, startInstallation } from './installation.js';
import { type RunningServer, startProsody } from './servers/index.js';
import { type LiberviaUser, startLibervia } from './servers/libervia.js';

/** Its accounts are owners of the same name here. Prosody as it comes: without XEP-0376. */
const CHAT = 'chat.test';
/** Another server's accounts, which can follow. */
const ELSEWHERE = 'elsewhere.test';
const SOCIAL = 'social.test';

type Member = Account & { jid: string };

interface LiberviaScene {
  readonly app: Installation;
  readonly alice: Member;
  /** Alice's own Libervia. */
  readonly owner: LiberviaUser;
  readonly carol: Member;
  readonly bob: LiberviaUser;
  /** One more like bob. */
  stranger(name: string): Promise<LiberviaUser>;
  actor(member: Member): Promise<Actor>;
  /** What everybody can see, newest first. */
  postsOf(member: Member): Promise<PostView[]>;
  /** What everybody can see under a post, newest first. */
  commentsOn(guid: string): Promise<{ guid: string; by: string; markdown: string }[]>;
}

/** Starts one for the suite around it. */
export function openLiberviaScene(): LiberviaScene {
  const scene = {
    actor: (member) => actorOf(scene.app.ctx, member),
    postsOf: async (member) => listPostsBy(scene.app.ctx, 'anonymous', await scene.actor(member), { limit: 20 }),
    commentsOn: async (guid) => (await listComments(scene.app.ctx, 'anonymous', guid, { limit: 20 })).map(({ comment, author }) => ({ guid: comment.guid, by: author.username, markdown: comment.markdown })),
  } as { -readonly [K in keyof LiberviaScene]: LiberviaScene[K] };
  let prosody: RunningServer | undefined;
  let stop: (() => Promise<void>) | undefined;

  beforeAll(async () => {
    const modules = path.resolve(import.meta.dirname, 'servers/prosody-modules');
    const server = await startProsody({
      chatDomains: [CHAT],
      componentDomains: [SOCIAL],
      componentSecret: 'secret',
      extraConfig: `plugin_paths = { ${JSON.stringify(modules)} }
VirtualHost "${ELSEWHERE}"
	modules_enabled = { "relay_pam" }`,
    });
    prosody = server;
    const { host, c2sPort, componentPort } = server;
    scene.app = await startInstallation({ component: { domain: SOCIAL, host, port: componentPort, secret: 'secret' }, chatDomain: CHAT });
    const libervia = await startLibervia({ [CHAT]: { host, port: c2sPort }, [ELSEWHERE]: { host, port: c2sPort } });
    stop = libervia.stop;
    const user = async (name: string, domain: string) => {
      await server.register(domain, name, 'secret');
      return libervia.logIn(`${name}@${domain}`, 'secret');
    };
    scene.stranger = (name) => user(name, ELSEWHERE);
    [scene.alice, scene.carol] = [await scene.app.account('alice'), await scene.app.account('carol')];
    [scene.owner, scene.bob] = [await user('alice', CHAT), await user('bob', ELSEWHERE)];
  }, 120_000);
  afterAll(async () => {
    await stop?.();
    await scene.app?.stop();
    await prosody?.destroy();
  });
  return scene;
}
