import { type Actor, handleOf, nameOf } from '../../domain/actor.js';
import { isNotLet, type Relationship } from '../../domain/relationship.js';
import type { AspectView } from '../../services/aspects.js';
import type { PostView } from '../../services/stream.js';
import { useVisit } from '../visit.js';
import { AspectChips, AspectsForm, OlderChoice } from '../views/AspectChips.js';
import { AppPage } from '../views/Layout.js';
import { Address, Avatar, Icon, mediaPath, Mark, monthOf, Net, Notice, pageOf, PostForm } from '../views/parts.js';
import { PostCard } from '../views/PostCard.js';
import { Action, AskAgain, OlderAfter, RelationWords, RequestActs } from '../views/Relation.js';
import { Older } from './stream.js';

/** How far we have come in asking another server about someone. */
export interface Fetching {
  isFetching: boolean;
  /** Why it did not work, in a sentence. */
  error: string | null;
}

interface PersonProps {
  actor: Actor;
  /** Since when they are here; null: people of other servers. */
  since: number | null;
  posts: PostView[];
  count: number;
  olderThan: string | null;
  /** From the looker's side; null for the person herself and for those who are not logged in. */
  relationship: Relationship | null;
  /** The looker's aspects, and those that this person is in. */
  aspects: AspectView[];
  aspectIds: readonly number[];
  /** People of other servers, for those who are logged in. */
  fetching?: Fetching | null;
  /** The looker is asked whether they mean it. */
  ask?: 'block' | undefined;
  notice?: string | undefined;
}

export function PersonPage({ actor, since, posts, count, olderThan, relationship, aspects, aspectIds, fetching = null, ask, notice }: PersonProps) {
  const { t, account: own, site } = useVisit();
  const name = nameOf(actor);
  const isOwn = own?.actorId === actor.id;
  const path = pageOf(actor);
  const isBlocked = relationship?.blockedAt != null;
  return (
    <AppPage
      title={name}
      tab={isOwn ? 'me' : null}
      alternates={
        actor.isLocal
          ? [
              { type: 'application/atom+xml', href: `${path}/feed.atom`, title: name },
              { type: 'application/activity+json', href: path },
            ]
          : []
      }
      side={<Side actor={actor} />}
    >
      {notice && <Notice>{notice}</Notice>}
      {ask === 'block' && relationship && !isBlocked && (
        <section class="sheet sheet--warm" aria-labelledby="ask">
          <h2 id="ask">{t.person.blockTitle(name)}</h2>
          <div class="stack">
            <p>{t.person.blockText(name)}</p>
            <div class="row">
              <Action id={actor.id} action="block" words={t.person.block} icon="cross" bad plain next={path} />
              <a class="btn btn--quiet" href={path}>
                {t.person.cancel}
              </a>
            </div>
          </div>
        </section>
      )}
      <section class="sheet person h-card vcard" aria-labelledby="name">
        {actor.profile.banner && <img class="person__banner" src={mediaPath(actor.profile.banner)} width={1280} height={320} alt="" />}
        <div class="person__body">
          <div class="person__top">
            <Avatar actor={actor} size={104} class={`avatar avatar--xl${actor.profile.avatar ? ' u-photo photo' : ''}`} />
            {relationship && <More actor={actor} relationship={relationship} />}
          </div>
          <div class="person__who">
            <h1 id="name" class="p-name fn">
              {name}
            </h1>
            {actor.isLocal && <data class="u-url url u-uid uid" value={`${site.publicUrl}${path}`} />}
            <p class="row">
              <span class="quiet p-nickname nickname">{handleOf(actor)}</span>
              <Net actor={actor} />
              {relationship && <RelationWords relationship={relationship} />}
            </p>
          </div>
          <div class={actor.profile.summary ? 'person__text p-note note' : 'person__text'}>{actor.profile.summary && <Lines text={actor.profile.summary} />}</div>
          {!isBlocked && (
            <p class="about">
              <span>
                <b>{count}</b> {isOwn ? t.person.postsOwn(count) : t.person.posts(count)}
              </span>
              {since !== null && <span>{t.person.since(monthOf(since, t.locale))}</span>}
            </p>
          )}
          {relationship?.follower === 'asked' && <RequestActs id={actor.id} next={path} />}
          {relationship?.follower === 'refused' && <Action id={actor.id} action="accept" words={t.contacts.letFollow} icon="check" plain next={path} />}
          <Follow actor={actor} relationship={relationship} isOwn={isOwn} aspects={aspects} aspectIds={aspectIds} />
        </div>
      </section>
      {fetching && <Progress actor={actor} fetching={fetching} isAsked={relationship?.following === 'asked'} />}
      <h2 class="sr">{t.person.postsBy(name)}</h2>
      <div class="person__posts">
        {posts.length === 0 ? (
          !isBlocked && <Nothing name={name} isOwn={isOwn} isLocal={actor.isLocal} isFetching={fetching?.isFetching ?? false} />
        ) : (
          <div class="feed">
            {posts.map((view) => (
              <PostCard key={view.post.guid} view={view} level={3} />
            ))}
          </div>
        )}
      </div>
      {olderThan ? <Older href={`${path}?older=${olderThan}`} /> : !actor.isLocal && posts.length > 0 && <p class="older small">{t.person.onlyHere(name)}</p>}
    </AppPage>
  );
}

function Side({ actor }: { actor: Actor }) {
  const { t, site } = useVisit();
  const name = nameOf(actor);
  if (!actor.isLocal) {
    return (
      <section aria-labelledby="s-from">
        <h2 id="s-from">{t.person.where(name)}</h2>
        <ul class="three">
          <li>
            <Mark name="net-chat" />
            <p>{t.person.whereText(name, actor.domain)}</p>
          </li>
        </ul>
      </section>
    );
  }
  return (
    <section aria-labelledby="s-follow">
      <h2 id="s-follow">{t.person.followHeading}</h2>
      <div class="stack">
        <p class="small quiet">{t.person.followChat}</p>
        <p class="address">
          <Address local={actor.username} domain={site.domain} copy={t.person.copy} icon />
        </p>
        <p class="small quiet">
          {t.person.followFeed} <a href={`/u/${actor.username}/feed.atom`}>{t.person.followFeedLink}</a>.
        </p>
      </div>
    </section>
  );
}

function More({ actor, relationship: { blockedAt, mutedAt, follower } }: { actor: Actor; relationship: Relationship }) {
  const { t } = useVisit();
  const path = pageOf(actor);
  const isMuted = mutedAt !== null;
  return (
    <details class="menu">
      <summary class="btn btn--icon" title={t.post.more}>
        <Icon name="more" large />
        <span class="sr">{t.person.more(nameOf(actor))}</span>
      </summary>
      <div class="menu__list">
        {!actor.isLocal && (
          <a class="btn btn--quiet" href={`xmpp:${encodeURI(handleOf(actor))}?message`}>
            <Icon name="comment" />
            {t.person.writeChat}
          </a>
        )}
        {blockedAt === null && <Action id={actor.id} action={isMuted ? 'unmute' : 'mute'} words={isMuted ? t.person.unmute : t.person.mute} icon="eye" next={path} />}
        {follower === 'on' && <Action id={actor.id} action="reject" words={t.person.endFollowing} icon="cross" next={path} />}
        {blockedAt === null ? (
          <a class="btn btn--quiet bad" href={`${path}?ask=block`}>
            <Icon name="lock" />
            {t.person.block}
          </a>
        ) : (
          <Action id={actor.id} action="unblock" words={t.person.unblock} icon="lock" next={path} />
        )}
      </div>
    </details>
  );
}

/** Plain text with its line breaks. */
const Lines = ({ text }: { text: string }) => (
  <p>
    {text.split('\n').map((line, at) => (
      <>
        {at > 0 && <br />}
        {line}
      </>
    ))}
  </p>
);

function Follow({ actor, relationship, isOwn, aspects, aspectIds }: Pick<PersonProps, 'actor' | 'relationship' | 'aspects' | 'aspectIds'> & { isOwn: boolean }) {
  const { t, path } = useVisit();
  const name = nameOf(actor);
  if (isOwn) {
    return (
      <p>
        <a class="btn" href="/settings/profile">
          {t.person.edit}
        </a>
      </p>
    );
  }
  if (!relationship) {
    return (
      <p>
        <a class="btn btn--main" href={`/login?next=${encodeURIComponent(path)}`}>
          {t.person.logIn}
        </a>
      </p>
    );
  }
  if (relationship.blockedAt !== null) {
    return (
      <div class="stack">
        <p class="quiet">{t.person.blockedText(name)}</p>
        <Action id={actor.id} action="unblock" words={t.person.unblock} plain next={pageOf(actor)} />
      </div>
    );
  }
  const muted = relationship.mutedAt !== null && <p class="small quiet">{t.person.mutedText(name)}</p>;
  if (relationship.addedAt !== null) {
    return (
      <>
        {muted}
        {isNotLet(relationship) && <p class="quiet">{t.contacts.notFollowingText(name)}</p>}
        <div class="row">
          {isNotLet(relationship) && <AskAgain address={handleOf(actor)} from="person" />}
          <Action id={actor.id} action="remove" words={isNotLet(relationship) ? t.contacts.remove : t.person.stop} plain next={pageOf(actor)} />
        </div>
        <AspectsForm id={actor.id} name={name} aspects={aspects} ticked={aspectIds} from="person" />
        {relationship.addedAt > 0 && <OlderAfter id={actor.id} name={name} next={pageOf(actor)} />}
      </>
    );
  }
  return (
    <>
      {muted}
      <PostForm action="/contacts" class="person__follow">
        <input type="hidden" name="address" value={handleOf(actor)} />
        <input type="hidden" name="from" value="person" />
        <AspectChips aspects={aspects} ticked={aspectIds} legend={t.aspects.legend(name)} />
        <OlderChoice words={t.contacts.older} help={t.contacts.olderHelp} />
        <div class="row">
          <button class="btn btn--main">
            <Icon name="add-person" />
            {t.person.follow(name)}
          </button>
          <span class="small quiet">{t.person.followHelp(name)}</span>
        </div>
      </PostForm>
    </>
  );
}

/** What another server has not told us yet. Without a script, the link looks again; with one, these parts of the page change by themselves. */
function Progress({ actor, fetching: { isFetching, error }, isAsked }: { actor: Actor; fetching: Fetching; isAsked: boolean }) {
  const { t } = useVisit();
  return (
    <div class="person__progress" role="status" data-person={isFetching || isAsked ? actor.id : undefined}>
      {(isFetching || error !== null) && (
        <p class="note">
          <Icon name={isFetching ? 'clock' : 'warning'} />
          <span>
            {isFetching ? t.person.fetching(actor.domain) : `${t.person.fetchFailed(actor.domain)} ${error}`} <a href={pageOf(actor)}>{t.person.again}</a>
          </span>
        </p>
      )}
    </div>
  );
}

function Nothing({ name, isOwn, isLocal, isFetching }: { name: string; isOwn: boolean; isLocal: boolean; isFetching: boolean }) {
  const { t } = useVisit();
  const text = isOwn ? t.person.noneOwn : isLocal ? t.person.noneText(name) : isFetching ? t.person.remoteNoneFetching : t.person.remoteNoneText(name);
  return (
    <section class="sheet empty" aria-labelledby="empty">
      <h2 id="empty">{isLocal ? t.person.none : t.person.remoteNone}</h2>
      <p>{text}</p>
      {isOwn && (
        <a class="btn btn--main" href="/#text">
          {t.person.noneOwnButton}
        </a>
      )}
    </section>
  );
}
