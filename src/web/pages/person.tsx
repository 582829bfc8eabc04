import type { Account } from '../../domain/account.js';
import { type Actor, handleOf, nameOf } from '../../domain/actor.js';
import type { Relationship } from '../../domain/relationship.js';
import type { AspectView } from '../../services/aspects.js';
import type { PostView } from '../../services/stream.js';
import { useVisit } from '../visit.js';
import { AspectChips, AspectsForm, OlderChoice } from '../views/AspectChips.js';
import { AppPage } from '../views/Layout.js';
import { Address, Avatar, Icon, monthOf, PostForm } from '../views/parts.js';
import { PostCard } from '../views/PostCard.js';
import { Older } from './stream.js';

interface PersonProps {
  actor: Actor;
  account: Account;
  posts: PostView[];
  count: number;
  olderThan: string | null;
  /** From the looker's side; null for the person herself and for those who are not logged in. */
  relationship: Relationship | null;
  /** The looker's aspects, and those that this person is in. */
  aspects: AspectView[];
  aspectIds: readonly number[];
}

export function PersonPage({ actor, account, posts, count, olderThan, relationship, aspects, aspectIds }: PersonProps) {
  const { t, account: own, site } = useVisit();
  const name = nameOf(actor);
  const isOwn = own?.actorId === actor.id;
  const feed = `/u/${actor.username}/feed.atom`;
  return (
    <AppPage
      title={name}
      tab={isOwn ? 'me' : null}
      alternates={[
        { type: 'application/atom+xml', href: feed, title: name },
        { type: 'application/activity+json', href: `/u/${actor.username}` },
      ]}
      side={
        <section aria-labelledby="s-follow">
          <h2 id="s-follow">{t.person.followHeading}</h2>
          <div class="stack">
            <p class="small quiet">{t.person.followChat}</p>
            <p class="address">
              <Address local={actor.username} domain={site.domain} copy={t.person.copy} icon />
            </p>
            <p class="small quiet">
              {t.person.followFeed} <a href={feed}>{t.person.followFeedLink}</a>.
            </p>
          </div>
        </section>
      }
    >
      <section class="sheet person" aria-labelledby="name">
        <div class="person__body">
          <div class="person__top">
            <Avatar actor={actor} size={104} class="avatar avatar--xl" />
            {relationship && (
              <details class="menu">
                <summary class="btn btn--icon" title={t.post.more}>
                  <Icon name="more" large />
                  <span class="sr">{t.person.more(name)}</span>
                </summary>
                <div class="menu__list">
                  <Action id={actor.id} action={relationship.blockedAt === null ? 'block' : 'unblock'} words={relationship.blockedAt === null ? t.person.block : t.person.unblock} icon="lock" bad={relationship.blockedAt === null} />
                </div>
              </details>
            )}
          </div>
          <div>
            <h1 id="name">{name}</h1>
            <p class="row">
              <span class="quiet">{handleOf(actor)}</span>
              {relationship?.follower === 'on' && <span class="tag tag--on">{t.person.followsYou}</span>}
              {relationship?.blockedAt != null && <span class="tag">{t.person.blocked}</span>}
            </p>
          </div>
          {actor.profile.summary && <Lines text={actor.profile.summary} />}
          <p class="about">
            <span>
              <b>{count}</b> {isOwn ? t.person.postsOwn(count) : t.person.posts(count)}
            </span>
            <span>{t.person.since(monthOf(account.confirmedAt ?? account.createdAt, t.locale))}</span>
          </p>
          <Follow actor={actor} relationship={relationship} isOwn={isOwn} aspects={aspects} aspectIds={aspectIds} />
        </div>
      </section>
      <h2 class="sr">{t.person.postsBy(name)}</h2>
      {posts.length === 0 ? (
        <section class="sheet empty" aria-labelledby="empty">
          <h2 id="empty">{t.person.none}</h2>
          <p>{isOwn ? t.person.noneOwn : t.person.noneText(name)}</p>
          {isOwn && (
            <a class="btn btn--main" href="/#text">
              {t.person.noneOwnButton}
            </a>
          )}
        </section>
      ) : (
        <div class="feed">
          {posts.map((view) => (
            <PostCard key={view.post.guid} view={view} level={3} />
          ))}
        </div>
      )}
      {olderThan && <Older href={`/u/${actor.username}?older=${olderThan}`} />}
    </AppPage>
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
  if (relationship.blockedAt !== null) return null;
  if (relationship.addedAt !== null) {
    return (
      <>
        <div class="row">
          <span class="tag tag--plain">
            <Icon name={relationship.following === 'on' ? 'check' : 'clock'} />
            {relationship.following === 'on' ? t.person.following : t.person.asked}
          </span>
          <Action id={actor.id} action="remove" words={t.person.stop} plain />
        </div>
        <AspectsForm id={actor.id} name={name} aspects={aspects} ticked={aspectIds} from="person" />
      </>
    );
  }
  return (
    <PostForm action="/contacts" class="person__follow">
      <input type="hidden" name="address" value={handleOf(actor)} />
      <input type="hidden" name="from" value="person" />
      <AspectChips aspects={aspects} ticked={[]} legend={t.aspects.legend(name)} />
      <OlderChoice words={t.contacts.older} help={t.contacts.olderHelp} />
      <div class="row">
        <button class="btn btn--main">
          <Icon name="add-person" />
          {t.person.follow(name)}
        </button>
        <span class="small quiet">{t.person.followHelp(name)}</span>
      </div>
    </PostForm>
  );
}

/** A button that does one thing to a relationship. */
export const Action = ({ id, action, words, icon, bad = false, plain = false }: { id: number; action: string; words: string; icon?: string; bad?: boolean; plain?: boolean }) => (
  <PostForm action={`/contacts/${id}/${action}`}>
    <button class={`btn${plain ? '' : ' btn--quiet'}${bad ? ' bad' : ''}`}>
      {icon && <Icon name={icon} />}
      {words}
    </button>
  </PostForm>
);

