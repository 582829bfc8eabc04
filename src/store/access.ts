// THE access check (relations.md "Audience"): each way to a post goes through this one SQL fragment.

/** Who asks. Anonymous: nobody that we know. */
export type Viewer = { actorId: number } | 'anonymous';

/** Begins a statement whose viewer is bound once, as its first parameter: `visibleSql` is then given VIEWER. */
export const WITH_VIEWER = 'with viewer(id) as (select cast(? as integer))';
/** For SQL that begins with WITH_VIEWER. */
export const VIEWER = '(select id from viewer)';
/** The parameter of WITH_VIEWER. */
export const viewerParam = (viewer: Viewer): number | null => (viewer === 'anonymous' ? null : viewer.actorId);

/**
 * Is the post (a row of `posts` named `post`) visible to the viewer? True for a tombstone that was, whose end is told to those who saw it.
 * Comparisons with a viewer of null are never true, so the anonymous see what is public.
 * @param viewerSql an expression that may stand several times: VIEWER, or a column; null = anonymous
 */
export const visibleSql = (post: string, viewerSql: string): string => `(
  not exists (select 1 from accounts xa where xa.actor_id = ${post}.author_id and xa.state <> 'active')
  and (${post}.author_id = ${viewerSql} or (
    (${post}.audience = 'public'
      or (${post}.audience = 'contacts' and exists (select 1 from relationships xc
        where xc.actor_id = ${post}.author_id and xc.other_id = ${viewerSql} and xc.added_at <= ${post}.created_at))
      or (${post}.audience = 'people' and exists (select 1 from post_recipients xr
        where xr.post_guid = ${post}.guid and xr.actor_id = ${viewerSql}))
      or (${post}.audience = 'aspects' and exists (select 1 from post_aspects xp join aspect_members xm on xm.aspect_id = xp.aspect_id
        where xp.post_guid = ${post}.guid and xm.actor_id = ${viewerSql} and xm.since <= ${post}.created_at)))
    and not exists (select 1 from relationships xb
      where xb.actor_id = ${post}.author_id and xb.other_id = ${viewerSql} and xb.blocked_at is not null)
    and not exists (select 1 from relationships xb
      where xb.actor_id = ${viewerSql} and xb.other_id = ${post}.author_id and xb.blocked_at is not null))))`;

/**
 * May the viewer see anything of this person at all? Not if one has blocked the other, nor if the account is not active. For what stands under a
 * post (comments, likes, reshares), beside the check of the post itself.
 * @param person an expression for an actor's id
 */
export const personVisibleSql = (person: string, viewerSql: string): string => `(
  not exists (select 1 from accounts ya where ya.actor_id = ${person} and ya.state <> 'active')
  and not exists (select 1 from relationships yb where yb.actor_id = ${person} and yb.other_id = ${viewerSql} and yb.blocked_at is not null)
  and not exists (select 1 from relationships yb where yb.actor_id = ${viewerSql} and yb.other_id = ${person} and yb.blocked_at is not null))`;
