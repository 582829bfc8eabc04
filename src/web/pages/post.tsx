import { nameOf } from '../../domain/actor.js';
import type { PostView } from '../../services/stream.js';
import { type Faults, faultOf } from '../forms.js';
import { useVisit } from '../visit.js';
import { AppPage } from '../views/Layout.js';
import { FaultSummary, Icon, pageOf, PostForm, startingBreak } from '../views/parts.js';
import { AudienceMark, PostCard } from '../views/PostCard.js';

const Back = ({ href, words, heading }: { href: string; words: string; heading: string }) => (
  <div class="page-head page-head--back">
    <h1 class="sr">{heading}</h1>
    <a class="btn btn--quiet" href={href}>
      <Icon name="back" />
      {words}
    </a>
  </div>
);

export function PostPage({ view }: { view: PostView }) {
  const { t, account } = useVisit();
  const { post, author } = view;
  const name = nameOf(author);
  const own = account?.actorId === author.id;
  const who = {
    public: t.post.whoPublic,
    contacts: own ? t.post.whoOwnContacts : t.post.whoContacts,
    aspects: !view.aspectNames ? t.post.whoLimited : view.aspectNames.length > 0 ? t.post.whoOwnAspects(view.aspectNames) : t.post.whoOnlyYou,
    people: t.post.whoPeople,
  }[post.audience.to];
  const path = `/posts/${post.guid}`;
  return (
    <AppPage
      title={t.post.title(name, post.title || t.post.heading(name))}
      tab={null}
      alternates={[
        { type: 'application/activity+json', href: path },
        { type: 'application/atom+xml', href: path },
      ]}
      side={
        <section aria-labelledby="s-who">
          <h2 id="s-who">{t.post.whoHeading}</h2>
          <div class="stack small">
            <p>
              <AudienceMark audience={post.audience} names={view.aspectNames} />
            </p>
            <p class="quiet">{who}</p>
          </div>
        </section>
      }
    >
      <Back href={account ? '/' : (pageOf(author) ?? '/')} words={account ? t.post.back : t.post.backTo(name)} heading={t.post.heading(name)} />
      <PostCard view={view} alone />
    </AppPage>
  );
}

export function EditPage({ view: { post, aspectNames }, faults }: { view: PostView; faults?: Faults }) {
  const { t, account } = useVisit();
  const error = faultOf(faults, 'text');
  const path = `/posts/${post.guid}`;
  return (
    <AppPage title={t.composer.edit} faulty={!!faults} tab={null}>
      <div class="page-head">
        <h1>{t.composer.edit}</h1>
      </div>
      <FaultSummary faults={faults} />
      <section class="sheet">
        <PostForm action={`${path}/edit`} class="form">
          <div class={error ? 'field field--bad' : 'field'}>
            <label for="text">{t.composer.text}</label>
            {error && (
              <p class="field__error" id="text-error">
                <Icon name="warning" />
                <span>{error}</span>
              </p>
            )}
            <textarea id="text" name="text" rows={8} required data-draft={`${account?.username}:${post.guid}`} aria-invalid={error ? 'true' : undefined} aria-describedby={error ? 'text-error text-help' : 'text-help'}>
              {startingBreak(faults?.values['text'] ?? post.markdown)}
            </textarea>
            <p class="field__help" id="text-help">
              {t.composer.editHelp}
            </p>
          </div>
          <p class="row">
            <AudienceMark audience={post.audience} names={aspectNames} />
          </p>
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

export function DeletePage({ view }: { view: PostView }) {
  const { t } = useVisit();
  const path = `/posts/${view.post.guid}`;
  return (
    <AppPage title={t.post.deleteTitle} tab={null}>
      <div class="page-head">
        <h1>{t.post.deleteTitle}</h1>
        <p>{t.post.deleteText}</p>
      </div>
      <PostForm action={`${path}/delete`}>
        <p class="row">
          <button class="btn btn--bad">
            <Icon name="trash" />
            {t.post.deleteButton}
          </button>
          <a class="btn btn--quiet" href={path}>
            {t.post.keep}
          </a>
        </p>
      </PostForm>
      <div class="feed">
        <PostCard view={view} preview />
      </div>
    </AppPage>
  );
}

