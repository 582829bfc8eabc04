import { nameOf } from '../../domain/actor.js';
import type { CommentView } from '../../services/comments.js';
import type { Faults } from '../forms.js';
import { useVisit } from '../visit.js';
import { Comment, CommentField } from '../views/Comments.js';
import { ConfirmDelete } from '../views/ConfirmDelete.js';
import { AppPage } from '../views/Layout.js';
import { Back, FaultSummary, PostForm } from '../views/parts.js';

export function EditCommentPage({ view: { comment }, faults }: { view: CommentView; faults?: Faults }) {
  const { t, account } = useVisit();
  const path = `/comments/${comment.guid}`;
  return (
    <AppPage title={t.comments.editTitle} faulty={!!faults} tab={null}>
      <Back href={path} words={t.comments.back} />
      <div class="page-head">
        <h1>{t.comments.editTitle}</h1>
      </div>
      <FaultSummary faults={faults} />
      <section class="sheet">
        <PostForm action={`${path}/edit`} class="form">
          <CommentField id="text" draft={`${account?.username}:comment:${comment.guid}`} text={faults?.values['text'] ?? comment.markdown} faults={faults} rows={6} />
          <p class="row">
            <button class="btn btn--main">{t.composer.save}</button>
            <a class="btn btn--quiet" href={path}>
              {t.composer.cancel}
            </a>
          </p>
        </PostForm>
      </section>
    </AppPage>
  );
}

export function DeleteCommentPage({ view }: { view: CommentView }) {
  const { t, account } = useVisit();
  const text = account?.actorId === view.author.id ? t.comments.deleteText : t.comments.deleteOther(nameOf(view.author));
  return (
    <ConfirmDelete path={`/comments/${view.comment.guid}`} title={t.comments.deleteTitle} text={text} button={t.comments.deleteButton}>
      <section class="sheet" aria-labelledby="which">
        <h2 class="sr" id="which">
          {t.comments.one}
        </h2>
        <Comment view={view} bare />
      </section>
    </ConfirmDelete>
  );
}
