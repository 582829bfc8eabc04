import { type Actor, nameOf } from '../../domain/actor.js';
import type { ThenAndNow } from '../../services/audience.js';
import type { DeliveryLine } from '../../services/own-deliveries.js';
import type { PostView } from '../../services/stream.js';
import { type Faults, faultOf } from '../forms.js';
import { useVisit } from '../visit.js';
import { AppPage } from '../views/Layout.js';
import { Comments, type CommentsPart } from '../views/Comments.js';
import { ConfirmDelete } from '../views/ConfirmDelete.js';
import { Avatar, Back, FaultSummary, Icon, Notice, pageOf, PostForm, startingBreak } from '../views/parts.js';
import { AudienceMark, PostCard } from '../views/PostCard.js';
import { Who } from '../views/Relation.js';

interface PostProps {
  view: PostView;
  /** Of a reshare, those of its root; null when that is not there. */
  comments: CommentsPart | null;
  likers: { actors: Actor[]; count: number };
  resharers: { actors: Actor[]; count: number };
  /** For its author. */
  audience: ThenAndNow | null;
  /** For its author: some of the servers where it has not arrived. */
  late?: DeliveryLine[] | undefined;
  notice?: string | undefined;
}

export function PostPage({ view, comments, likers, resharers, audience, late, notice }: PostProps) {
  const { t, account } = useVisit();
  const { post, author } = view;
  const name = nameOf(author);
  const path = `/posts/${post.guid}`;
  const root = post.kind === 'reshare' ? view.root : null;
  const heading = root ? t.post.resharedOf(nameOf(root.author)) : t.post.heading(name);
  return (
    <AppPage
      title={t.post.title(name, post.title || heading)}
      faulty={!!comments?.faults}
      tab={null}
      alternates={[
        { type: 'application/activity+json', href: path },
        { type: 'application/atom+xml', href: path },
      ]}
      side={
        <>
          <WhoCanSee view={view} audience={audience} />
          {likers.count > 0 && <Likers {...likers} />}
          {resharers.count > 0 && <Resharers {...resharers} />}
        </>
      }
    >
      <Back href={account ? '/' : pageOf(author)} words={account ? t.post.back : t.post.backTo(name)} heading={heading} />
      {notice && <Notice>{notice}</Notice>}
      <FaultSummary faults={comments?.faults} ids={{ text: 'comment' }} />
      <PostCard view={view} alone late={late} />
      {comments && <Comments view={root ?? view} part={comments} />}
    </AppPage>
  );
}

function WhoCanSee({ view: { post, author, aspectNames }, audience }: Pick<PostProps, 'view' | 'audience'>) {
  const { t, account } = useVisit();
  const own = account?.actorId === author.id;
  const { posted, now } = audience ?? {};
  const who = {
    public: t.post.whoPublic,
    contacts: own ? t.post.whoOwnContacts : t.post.whoContacts,
    aspects: !aspectNames ? t.post.whoLimited : aspectNames.length > 0 ? t.post.whoOwnAspects(aspectNames) : t.post.whoOnlyYou,
    people: t.post.whoPeople,
  }[post.audience.to];
  return (
    <section aria-labelledby="s-who">
      <h2 id="s-who">{t.post.whoHeading}</h2>
      <div class="stack small">
        <p>
          <AudienceMark audience={post.audience} names={aspectNames} />
        </p>
        <p class="quiet">{who}</p>
        {posted && <p class="quiet">{post.audience.to === 'public' ? t.post.whoThenPublic(posted.people, post.kind === 'reshare') : t.post.whoThen(posted.people, posted.aspects)}</p>}
        {now && (
          <>
            <p class="quiet">{now.people.length < now.count ? t.post.whoNowSome(now.people.length, now.count) : t.post.whoNow(now.count)}</p>
            {now.people.length > 0 && <Faces actors={now.people} />}
            <p class="quiet">{t.post.whoSince}</p>
          </>
        )}
      </div>
    </section>
  );
}

const Likers = ({ actors, count }: PostProps['likers']) => {
  const { t } = useVisit();
  return (
    <section aria-labelledby="s-like">
      <h2 id="s-like">{t.post.likedBy(count)}</h2>
      <Faces actors={actors} />
      {count > actors.length && <p class="small quiet">{t.post.likedByMore(count - actors.length)}</p>}
    </section>
  );
};

const Resharers = ({ actors, count }: PostProps['resharers']) => {
  const { t } = useVisit();
  return (
    <section aria-labelledby="s-re">
      <h2 id="s-re">{t.post.resharedBy}</h2>
      <ul class="people">
        {actors.map((actor) => (
          <li key={actor.id}>
            <Who entry={{ other: actor }} />
          </li>
        ))}
      </ul>
      {count > actors.length && <p class="small quiet">{t.post.likedByMore(count - actors.length)}</p>}
    </section>
  );
};

/** People by their pictures alone; their names are for those who do not see these, and in the title. */
const Faces = ({ actors }: { actors: Actor[] }) => (
  <p class="faces">
    {actors.map((actor) => (
      <a key={actor.id} href={pageOf(actor)} title={nameOf(actor)}>
        <Avatar actor={actor} size={32} class="avatar avatar--s" />
        <span class="sr">{nameOf(actor)}</span>
      </a>
    ))}
  </p>
);

export function EditPage({ view: { post, aspectNames }, faults }: { view: PostView; faults?: Faults }) {
  const { t, account } = useVisit();
  const error = faultOf(faults, 'text');
  const path = `/posts/${post.guid}`;
  return (
    <AppPage title={t.composer.edit} faulty={!!faults} tab={null}>
      <Back href={path} words={t.comments.back} />
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
  return (
    <ConfirmDelete path={`/posts/${view.post.guid}`} title={t.post.deleteTitle} text={t.post.deleteText} button={t.post.deleteButton}>
      <div class="feed">
        <PostCard view={view} preview />
      </div>
    </ConfirmDelete>
  );
}
