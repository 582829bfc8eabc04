// THE access check (relations.md "Audience"): each way to a post goes through this one SQL fragment.

/** Who asks. Anonymous: nobody that we know. */
export type Viewer = { actorId: number } | 'anonymous';

/** Between whom and one person there is a block is asked once for a statement, and not for each row: it is few people, and a page asks about thousands. */
const withBlocksOf = (one: 'viewer' | 'author', kept = ''): string => `with ${one}(id) as (select cast(? as integer)),
  blocks(id) as ${kept} (select other_id from relationships where actor_id = (select id from ${one}) and blocked_at is not null
    union all select actor_id from relationships where other_id = (select id from ${one}) and blocked_at is not null)`;

/** For SQL that begins with WITH_VIEWER. */
export const VIEWER = '(select id from viewer)';
/** Begins a statement whose viewer is bound once, as its first parameter: `visibleSql` is then given VIEWER. */
export const WITH_VIEWER = withBlocksOf('viewer', 'materialized');
/** For SQL that begins with WITH_AUTHOR. */
export const AUTHOR = '(select id from author)';
/** Begins a statement about posts of one author, who is bound once, as its first parameter, and many viewers: `visibleSql` is then given AUTHOR. */
export const WITH_AUTHOR = withBlocksOf('author');
/** The parameter of WITH_VIEWER. */
export const viewerParam = (viewer: Viewer): number | null => (viewer === 'anonymous' ? null : viewer.actorId);

function noBlockSql(person: string, viewerSql: string): string {
  if (viewerSql === VIEWER) return `${person} not in (select id from blocks)`;
  if (person === AUTHOR) return `(${viewerSql} in (select id from blocks)) is not true`; // the viewer may be null
  return `not exists (select 1 from relationships xb where xb.actor_id = ${person} and xb.other_id = ${viewerSql} and xb.blocked_at is not null)
  and not exists (select 1 from relationships xb where xb.actor_id = ${viewerSql} and xb.other_id = ${person} and xb.blocked_at is not null)`;
}

/**
 * May the viewer see anything of this person at all? Not if one has blocked the other, nor if the account is not active. The half of the check
 * that is the same for all posts of an author; and all of it, beside that of the post, for what others put under a post.
 * @param person an expression for an actor's id, never null; or AUTHOR, in SQL that begins with WITH_AUTHOR
 * @param viewerSql VIEWER, in SQL that begins with WITH_VIEWER; or a column; null = anonymous
 */
export const personVisibleSql = (person: string, viewerSql: string): string => `(
  not exists (select 1 from accounts xa where xa.actor_id = ${person} and xa.state <> 'active') and ${noBlockSql(person, viewerSql)})`;

/**
 * Is the viewer among the post's audience? The other half, never to be used without personVisibleSql of its author.
 * Comparisons with a viewer of null are never true, so the anonymous see what is public.
 */
export const audienceSql = (post: string, viewerSql: string): string => `(
  ${post}.audience = 'public'
  or ${post}.author_id = ${viewerSql}
  or (${post}.audience = 'contacts' and exists (select 1 from relationships xc
    where xc.actor_id = ${post}.author_id and xc.other_id = ${viewerSql} and xc.added_at <= ${post}.created_at))
  or (${post}.audience = 'people' and exists (select 1 from post_recipients xr
    where xr.post_guid = ${post}.guid and xr.actor_id = ${viewerSql}))
  or (${post}.audience = 'aspects' and exists (select 1 from post_aspects xp join aspect_members xm on xm.aspect_id = xp.aspect_id
    where xp.post_guid = ${post}.guid and xm.actor_id = ${viewerSql} and xm.since <= ${post}.created_at)))`;

/**
 * Is the post (a row of `posts` named `post`) visible to the viewer? True for a tombstone that was, whose end is told to those who saw it.
 * @param viewerSql as above
 * @param author AUTHOR, where the post is of that author, in SQL that begins with WITH_AUTHOR
 */
export const visibleSql = (post: string, viewerSql: string, author = `${post}.author_id`): string => `(${audienceSql(post, viewerSql)} and ${personVisibleSql(author, viewerSql)})`;
