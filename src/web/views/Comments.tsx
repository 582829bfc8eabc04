import { nameOf } from '../../domain/actor.js';
import type { CommentView } from '../../services/comments.js';
import type { PostView } from '../../services/stream.js';
import { type Faults, faultOf } from '../forms.js';
import { useVisit } from '../visit.js';
import { Ago, Avatar, Icon, Net, pageOf, PersonLink, PostForm, startingBreak } from './parts.js';
import { Prose } from './PostCard.js';

/** A page of a post's comments, oldest first. */
export interface CommentsPart {
  comments: CommentView[];
  total: number;
  /** Where the page before begins, when there is one; the same for the page after. */
  olderThan: string | null;
  newerThan: string | null;
  /** Idempotency token of the form. */
  once: string;
  faults?: Faults;
}

/** Below every guid: `?newer=` this is the first page. */
const BEGINNING = '0'.repeat(32);

/** The comments of a post, and the form for one more. `data-thread` is for the script that adds new ones; it does so on the newest page alone. */
export function Comments({ view, part: { comments, total, olderThan, newerThan, once, faults } }: { view: PostView; part: CommentsPart }) {
  const { t, account } = useVisit();
  const { post } = view;
  const path = `/posts/${post.guid}`;
  return (
    <>
      <section class="sheet" aria-labelledby="comments" data-thread={post.guid} data-newest={newerThan ? undefined : ''}>
        <h2 id="comments">{t.comments.heading(total)}</h2>
        {olderThan && (
          <p class="row thread__more">
            <a class="btn" href={`${path}?older=${olderThan}#comments`} rel="prev">
              <Icon name="up" />
              {t.comments.earlier}
            </a>
            <a class="btn btn--quiet" href={`${path}?newer=${BEGINNING}#comments`}>
              {t.comments.first}
            </a>
          </p>
        )}
        <div class="thread">
          {comments.map((comment) => (
            <Comment key={comment.comment.guid} view={comment} />
          ))}
        </div>
        {newerThan && (
          <p class="row thread__more">
            <a class="btn" href={`${path}?newer=${newerThan}#comments`} rel="next">
              <Icon name="down" />
              {t.comments.later}
            </a>
            <a class="btn btn--quiet" href={`${path}#comments`}>
              {t.comments.newest}
            </a>
          </p>
        )}
      </section>
      <section class="sheet" aria-labelledby="say">
        <h2 id="say">{t.comments.say}</h2>
        {!view.takesComments ? (
          <p class="quiet">{t.comments.none}</p>
        ) : account ? (
          <PostForm action={`${path}/comments`} class="form">
            <input type="hidden" name="once" value={once} />
            <CommentField id="comment" help={post.audience.to === 'public' ? t.comments.help.public : t.comments.help.closed} draft={`${account.username}:comment:${post.guid}`} text={faults?.values['text']} faults={faults} />
            <p>
              <button class="btn btn--main">{t.comments.button}</button>
            </p>
          </PostForm>
        ) : (
          <p>
            <a class="btn" href={`/login?next=${encodeURIComponent(path)}`}>
              {t.comments.logIn}
            </a>
          </p>
        )}
      </section>
    </>
  );
}

interface CommentFieldProps {
  id: string;
  help?: string;
  draft: string;
  text?: string | undefined;
  faults?: Faults | undefined;
  rows?: number;
}

/** Where a comment is written: the field `text`. */
export function CommentField({ id, help, draft, text = '', faults, rows = 3 }: CommentFieldProps) {
  const { t } = useVisit();
  const error = faultOf(faults, 'text');
  return (
    <div class={error ? 'field field--bad' : 'field'}>
      <label class="sr" for={id}>
        {t.comments.text}
      </label>
      {error && (
        <p class="field__error" id={`${id}-error`}>
          <Icon name="warning" />
          <span>{error}</span>
        </p>
      )}
      <textarea id={id} name="text" rows={rows} required data-draft={draft} aria-invalid={error ? 'true' : undefined} aria-describedby={[error && `${id}-error`, help && `${id}-help`].filter(Boolean).join(' ') || undefined}>
        {startingBreak(text)}
      </textarea>
      {help && (
        <p class="field__help" id={`${id}-help`}>
          {help}
        </p>
      )}
    </div>
  );
}

/** @param bare as it is shown where nothing can be done with it */
export function Comment({ view: { comment, author, may, undelivered }, bare = false }: { view: CommentView; bare?: boolean }) {
  const { t, account } = useVisit();
  const path = `/comments/${comment.guid}`;
  const name = nameOf(author);
  const isOther = account !== null && account.actorId !== author.id;
  return (
    <article class="comment" id={`comment-${comment.guid}`} aria-labelledby={`c-${comment.guid}`}>
      <Avatar actor={author} />
      <div class="comment__head">
        <h3 id={`c-${comment.guid}`}>
          <PersonLink actor={author} />
        </h3>
        <Net actor={author} />
        <span aria-hidden="true">·</span>
        <a class="comment__when" href={path} data-open>
          <Ago at={comment.createdAt} />
        </a>
        {comment.editedAt !== null && (
          <span>
            {t.post.edited} <Ago at={comment.editedAt} clock />
          </span>
        )}
      </div>
      {!bare && (may.edit || may.delete || isOther) && (
        <div class="comment__tools">
          <details class="menu">
            <summary class="act" title={t.post.more}>
              <Icon name="more" />
              <span class="sr">{t.comments.moreFor(name)}</span>
            </summary>
            <div class="menu__list">
              {may.edit && (
                <a class="btn btn--quiet" href={`${path}/edit`}>
                  <Icon name="write" />
                  {t.comments.edit}
                </a>
              )}
              {may.delete && (
                <a class="btn btn--quiet bad" href={`${path}/delete`}>
                  <Icon name="trash" />
                  {t.comments.delete}
                </a>
              )}
              {isOther && (
                <a class="btn btn--quiet bad" href={`${pageOf(author)}?ask=block`}>
                  <Icon name="cross" />
                  {t.post.block(name)}
                </a>
              )}
            </div>
          </details>
        </div>
      )}
      <Prose html={comment.html} />
      {undelivered !== undefined && (
        <p class="comment__late bad">
          <Icon name="warning" />
          <span>
            {t.comments.notArrived} {undelivered}
          </span>
        </p>
      )}
    </article>
  );
}
