// People and posts of other servers, as they stand here once they have come.
import type { Actor } from '../../src/domain/actor.js';
import type { Post } from '../../src/domain/post.js';
import type { Context } from '../../src/services/context.js';
import { receivePost } from '../../src/services/receive.js';
import { upsertRemoteActor } from '../../src/store/actors.js';

const MICROBLOG = 'urn:xmpp:microblog:0';

/** @param address `ruth@garden.example` */
export function remotePerson(ctx: Context, address: string): Promise<Actor> {
  const [username, domain] = address.split('@') as [string, string];
  return ctx.store.transaction((tx) => upsertRemoteActor(tx, { username, domain, address: { protocol: 'xmpp', value: address } }));
}

let count = 0;

/** A post of theirs. @param more.recipients whom their server has brought it, when it is not for everyone; `comments: false`: it has no place for comments; `root`: it is a reshare of that */
export async function remotePost(ctx: Context, author: Actor, text: string, more: { recipients?: number[]; comments?: boolean; root?: { items: []; guids: string[] } } = {}): Promise<Post> {
  const jid = `${author.username}@${author.domain}`;
  const itemId = `item-${++count}`;
  const now = ctx.now();
  const post = await ctx.store.transaction((tx) =>
    receivePost(ctx, tx, {
      author,
      origin: { service: jid, node: MICROBLOG, itemId },
      entry: {
        ...{ text, iri: `xmpp:${jid}?;node=${MICROBLOG};item=${itemId}`, tags: [], language: '', published: now, updated: now, root: more.root ?? null },
        audience: more.recipients ? 'limited' : 'public',
        comments: more.comments === false ? null : { service: jid, node: `urn:xmpp:microblog:0:comments/${itemId}` },
      },
      recipients: more.recipients ?? [],
      isOpen: null,
      at: now,
    }),
  );
  if (!post) throw new Error('the post was not taken');
  return post;
}
