// Who may see what (relations.md "Audience"), as one generated table: viewer × audience. The tests add the paths.
import type { Audience } from '../../src/domain/activity.js';
import { newGuid } from '../../src/domain/guid.js';
import type { Post } from '../../src/domain/post.js';
import type { Context } from '../../src/services/context.js';
import { insertPost } from '../../src/store/posts.js';
import { saveRelationship } from '../../src/store/relationships.js';

export const VIEWERS = ['author', 'contact', 'contact in the aspect', 'late contact', 'former contact', 'follower', 'stranger', 'blocked', 'blocker', 'nobody'] as const;
export type ViewerName = (typeof VIEWERS)[number];
export const AUDIENCES = ['public', 'contacts', 'aspects'] as const;
export type AudienceName = (typeof AUDIENCES)[number];

/** The table. `nobody`: not logged in, or a chat address that nobody knows. */
export function maySee(viewer: ViewerName, audience: AudienceName): boolean {
  if (viewer === 'blocked' || viewer === 'blocker') return false;
  if (viewer === 'author' || audience === 'public') return true;
  return viewer === 'contact in the aspect' || (viewer === 'contact' && audience === 'contacts');
}

/** Every cell, for `test.each`. */
export const CELLS = VIEWERS.flatMap((viewer) => AUDIENCES.map((audience) => ({ viewer, audience, sees: maySee(viewer, audience) })));

/** Sets up what stands between the author and each viewer's person, and one post an audience, whose text is its audience's name and a mark. */
export async function arrange(ctx: Context, author: number, people: Partial<Record<ViewerName, number>>): Promise<Record<AudienceName, Post>> {
  const postedAt = ctx.now() - 60_000;
  const [before, after] = [postedAt - 1, postedAt + 1];
  return ctx.store.transaction(async (tx) => {
    const between = async (viewer: ViewerName, change: { addedAt?: number; blockedAt?: number; follower?: 'on' | 'none' }) => {
      const otherId = people[viewer];
      if (otherId !== undefined) await saveRelationship(tx, { actorId: author, otherId, follower: 'on', following: 'none', addedAt: null, blockedAt: null, mutedAt: null, ...change });
    };
    await between('contact', { addedAt: before });
    await between('contact in the aspect', { addedAt: before });
    await between('late contact', { addedAt: after });
    await between('former contact', {});
    await between('follower', {});
    await between('blocked', { blockedAt: after, follower: 'none' });
    if (people.blocker !== undefined) await saveRelationship(tx, { actorId: people.blocker, otherId: author, follower: 'none', following: 'none', addedAt: null, blockedAt: after, mutedAt: null });
    const [aspect] = await tx.query<{ id: number }>("insert into aspects(owner_id, name) values (?, 'choir') returning id", [author]);
    const member = people['contact in the aspect'];
    if (member !== undefined) await tx.query('insert into aspect_members(aspect_id, actor_id, since) values (?, ?, ?)', [aspect!.id, member, before]);

    const posts: Partial<Record<AudienceName, Post>> = {};
    for (const name of AUDIENCES) {
      const guid = newGuid(postedAt);
      const audience: Audience = name === 'aspects' ? { to: name, aspectIds: [aspect!.id] } : { to: name };
      const text = `a post for ${name}`;
      const post: Post = {
        ...{ guid, authorId: author, kind: 'note', reshareOf: null, atomId: `${ctx.config.publicUrl}/posts/${guid}`, title: text, markdown: text, html: `<p>${text}</p>` },
        ...{ language: '', tags: [], audience, createdAt: postedAt, editedAt: null, deletedAt: null },
      };
      await insertPost(tx, post);
      posts[name] = post;
    }
    return posts as Record<AudienceName, Post>;
  });
}
