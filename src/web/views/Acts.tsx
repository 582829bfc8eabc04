import type { ComponentChildren } from 'preact';
import type { PostView } from '../../services/stream.js';
import { useVisit } from '../visit.js';
import { Icon, PostForm } from './parts.js';

interface Props {
  view: PostView;
  /** More for this post, at the end of the bar. */
  children?: ComponentChildren;
}

/** What can be done with a post, with how often it was: comment, like, reshare. */
export const Acts = ({ view, children }: Props) => (
  <div class="acts">
    <div class="acts__counts" data-acts={view.post.guid}>
      <Counts view={view} />
    </div>
    {children}
  </div>
);

/** The part that a script exchanges when something changes. */
export function Counts({ view: { post, author, counts, liked, reshared, undeliveredLike } }: { view: PostView }) {
  const { t, account } = useVisit();
  const own = account?.actorId === author.id;
  return (
    <>
      <a class="act" href={`/posts/${post.guid}#comments`} title={t.post.openComments}>
        <Icon name="comment" />
        <span class="sr">{t.post.comments}</span>
        {counts.comments}
      </a>
      <Act
        on={liked}
        verb={liked ? 'unlike' : 'like'}
        title={liked ? t.post.unlike : t.post.like}
        words={liked ? t.post.unlikeCount : t.post.likeCount}
        guid={post.guid}
        icon="like"
        count={counts.likes}
        visitor={{ title: t.post.logInToLike, words: t.post.likesCount }}
      />
      {post.audience.to === 'public' && own && (
        <span class="act" title={t.post.resharesTitle}>
          <Icon name="reshare" />
          <span class="sr">{t.post.resharesCount}</span>
          {counts.reshares}
        </span>
      )}
      {post.audience.to === 'public' && !own && (
        <Act
          on={reshared}
          verb={reshared ? 'unreshare' : 'reshare'}
          title={reshared ? t.post.unreshare : t.post.reshare}
          words={reshared ? t.post.unreshareCount : t.post.reshareCount}
          guid={post.guid}
          icon="reshare"
          count={counts.reshares}
          visitor={{ title: t.post.logInToReshare, words: t.post.resharesCount }}
        />
      )}
      {undeliveredLike !== undefined && (
        <p class="acts__late bad">
          <Icon name="warning" />
          <span>
            {t.post.likeNotArrived} {undeliveredLike}
          </span>
        </p>
      )}
    </>
  );
}

interface ActProps {
  guid: string;
  /** The last part of the path that does it. */
  verb: string;
  on: boolean;
  icon: string;
  title: string;
  words: string;
  count: number;
  /** What those are told who are not logged in. */
  visitor: { title: string; words: string };
}

function Act({ guid, verb, on, icon, title, words, count, visitor }: ActProps) {
  const { account, path } = useVisit();
  const post = `/posts/${guid}`;
  if (!account) {
    return (
      <a class="act" href={`/login?next=${encodeURIComponent(post)}`} title={visitor.title}>
        <Icon name={icon} />
        <span class="sr">{visitor.words}</span>
        {count}
      </a>
    );
  }
  return (
    <PostForm action={`${post}/${verb}`} act={guid}>
      <input type="hidden" name="next" value={path} />
      <button class={on ? 'act act--on' : 'act'} title={title}>
        <Icon name={icon} />
        <span class="sr">{words}</span>
        {count}
      </button>
    </PostForm>
  );
}
