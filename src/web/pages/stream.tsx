import type { AspectView } from '../../services/aspects.js';
import type { PostView } from '../../services/stream.js';
import type { Entry } from '../../services/relationships.js';
import { foldReshares } from '../fold-reshares.js';
import { useVisit } from '../visit.js';
import { Composer, type ComposerProps } from '../views/Composer.js';
import { AppPage } from '../views/Layout.js';
import { Back, FaultSummary, Icon, Mark, Notice, pageOf, PostForm } from '../views/parts.js';
import { PostCard } from '../views/PostCard.js';
import { Who } from '../views/Relation.js';
import { FindSomeone, LookUp, OwnAddress } from '../views/Side.js';

/** The asterisk made of people who are not there yet. */
const EmptyMark = () => (
  <svg class="empty__mark" viewBox="0 0 168 132" aria-hidden="true">
    <g fill="none" stroke-linecap="round">
      <path stroke="currentColor" stroke-width="4" stroke-dasharray="1 9" d="M58 21l52 90M110 21L58 111" />
      <path stroke="var(--mark-dash)" stroke-width="4" stroke-dasharray="1 9" d="M30 66h108" />
    </g>
    <g fill="var(--surface)" stroke="currentColor" stroke-width="3">
      {[
        [54, 15],
        [114, 15],
        [54, 117],
        [114, 117],
        [20, 66],
        [148, 66],
      ].map(([x, y]) => (
        <circle key={`${x} ${y}`} cx={x} cy={y} r="11" />
      ))}
    </g>
    <circle cx="84" cy="66" r="17" fill="var(--accent)" />
    <path fill="none" stroke="var(--on-accent)" stroke-width="3.500" stroke-linecap="round" d="M79.500 58.200l9 15.600M88.500 58.200l-9 15.600M75 66h18" />
  </svg>
);

export interface StreamProps {
  composer: ComposerProps;
  posts: PostView[];
  /** The guid after which older posts begin, when there are any. */
  olderThan: string | null;
  /** This page does not begin with the newest posts. */
  paged: boolean;
  /** The first who ask to follow, and how many they are. */
  requests: { people: Entry[]; count: number };
  starting: { chat: boolean; people: boolean } | null;
  aspects: AspectView[];
  /** Only posts of the people in this aspect. */
  aspect?: AspectView | undefined;
  notice?: string;
}

export function StreamPage({ composer, posts, olderThan, paged, requests, starting, aspects, aspect, notice }: StreamProps) {
  const { t } = useVisit();
  const first = aspect ? `/?aspect=${aspect.id}` : '/';
  const places = foldReshares(posts);
  const isEmpty = places.length === 0 && !paged && !olderThan;
  return (
    <AppPage
      title={aspect ? t.stream.titleOf(aspect.name) : t.stream.title}
      tab="stream"
      side={
        <>
          {starting && <Starting {...starting} />}
          <FindSomeone />
          {requests.count > 0 && <Requests {...requests} />}
          <OwnAddress />
        </>
      }
    >
      <h1 class="sr">{aspect ? t.stream.titleOf(aspect.name) : t.stream.title}</h1>
      <Filter aspects={aspects} chosen={aspect?.id ?? 'all'} />
      {notice && <Notice>{notice}</Notice>}
      {paged ? (
        <p class="older">
          <a class="btn" href={first}>
            <Icon name="up" />
            {t.stream.newest}
          </a>
        </p>
      ) : (
        <>
          <Composer {...composer} />
          <p class="fresh-bar" role="status" data-fresh="post" data-aspect={aspect?.id} data-one={t.stream.fresh} data-many={t.stream.freshMany}>
            <a class="fresh" href={first} hidden>
              <Icon name="up" />
              <span />
            </a>
          </p>
        </>
      )}
      {isEmpty && aspect ? (
        <section class="sheet empty" aria-labelledby="empty">
          <h2 id="empty">{t.aspects.noPosts}</h2>
          <p>{t.aspects.noPostsText}</p>
          <a class="btn btn--main" href={`/aspects/${aspect.id}`}>
            {t.aspects.whoIsIn}
          </a>
        </section>
      ) : isEmpty ? (
        <section class="sheet empty" aria-labelledby="empty">
          <EmptyMark />
          <h2 id="empty">{t.stream.emptyHeading}</h2>
          <p>{t.stream.emptyText}</p>
          <LookUp />
        </section>
      ) : (
        <div class="feed">
          {places.map(({ view, via }) => (
            <PostCard key={view.post.guid} view={view} via={via} />
          ))}
        </div>
      )}
      {olderThan ? <Older href={`${first}${aspect ? '&' : '?'}older=${olderThan}`} /> : paged && <p class="older small">{t.stream.end}</p>}
    </AppPage>
  );
}

export const Older = ({ href }: { href: string }) => (
  <div class="older">
    <Mark />
    <a class="btn" href={href} rel="next">
      {useVisit().t.stream.older}
    </a>
  </div>
);

function Requests({ people, count }: StreamProps['requests']) {
  const { t } = useVisit();
  return (
    <section aria-labelledby="s-req">
      <h2 id="s-req">{t.stream.wants}</h2>
      <ul class="people">
        {people.map((entry) => (
          <li key={entry.id}>
            <Who entry={entry} />
            <PostForm action={`/contacts/${entry.id}/accept`} class="people__acts">
              <button class="btn btn--main" name="follow" value="yes">
                {t.contacts.acceptFollow}
              </button>
              <a class="btn btn--quiet" href={pageOf(entry.other)}>
                {t.stream.look}
              </a>
            </PostForm>
          </li>
        ))}
      </ul>
      {count > people.length && (
        <p>
          <a href="/contacts?only=requests">{t.stream.allRequests(count)}</a>
        </p>
      )}
    </section>
  );
}

function Starting({ chat, people }: { chat: boolean; people: boolean }) {
  const { t, site } = useVisit();
  const steps = [
    { done: true, icon: 'person', words: t.stream.startingAddress },
    ...(site.chatDomain === '' ? [] : [{ done: chat, icon: 'phone', words: t.stream.startingChat }]),
    { done: people, icon: 'add-person', words: t.stream.startingPeople },
  ];
  return (
    <section aria-labelledby="s-step">
      <h2 id="s-step">{t.stream.starting}</h2>
      <ul class="three">
        {steps.map(({ done, icon, words }) => (
          <li key={words}>
            <Icon name={done ? 'check' : icon} />
            {done ? (
              <p class="quiet">{words}</p>
            ) : (
              <p>
                <a href="/welcome">{words}</a>
              </p>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Which posts: all, those of an aspect, or what one has done oneself. */
function Filter({ aspects, chosen }: { aspects: AspectView[]; chosen: number | 'all' | 'activity' }) {
  const { t } = useVisit();
  const places = [
    { id: 'all', href: '/', words: t.stream.everything },
    ...aspects.map(({ id, name }) => ({ id, href: `/?aspect=${id}`, words: name })),
    { id: 'activity', href: '/activity', words: t.stream.activity },
  ];
  return (
    <nav class="filter" aria-label={t.stream.show}>
      {places.map(({ id, href, words }) => (
        <a key={id} href={href} aria-current={id === chosen ? 'page' : undefined}>
          {words}
        </a>
      ))}
    </nav>
  );
}

interface ListProps {
  posts: PostView[];
  olderThan: string | null;
}

/** What one has done oneself. */
export function ActivityPage({ posts, olderThan, aspects }: ListProps & { aspects: AspectView[] }) {
  const { t } = useVisit();
  return (
    <AppPage title={t.stream.activity} tab="stream" side={<OwnAddress />}>
      <Filter aspects={aspects} chosen="activity" />
      <div class="page-head">
        <h1>{t.stream.activity}</h1>
        <p>{t.stream.activityText}</p>
      </div>
      <List posts={posts} olderThan={olderThan} path="/activity" empty={[t.stream.activityEmpty, t.stream.activityEmptyText]} />
    </AppPage>
  );
}

/** Posts with a tag. */
export function TagPage({ posts, olderThan, tag }: ListProps & { tag: string }) {
  const { t, account } = useVisit();
  return (
    <AppPage title={t.stream.tag(tag)} tab={null} side={account && <FindSomeone />}>
      {account && <Back href="/" words={t.stream.back} />}
      <div class="page-head">
        <h1>{t.stream.tag(tag)}</h1>
        <p>{t.stream.tagText}</p>
      </div>
      <List posts={posts} olderThan={olderThan} path={`/tags/${encodeURIComponent(tag)}`} empty={[t.stream.tagEmpty, t.stream.tagEmptyText]} />
    </AppPage>
  );
}

const List = ({ posts, olderThan, path, empty: [heading, text] }: ListProps & { path: string; empty: [string, string] }) => (
  <>
    {posts.length === 0 ? (
      <section class="sheet empty" aria-labelledby="empty">
        <h2 id="empty">{heading}</h2>
        <p>{text}</p>
      </section>
    ) : (
      <div class="feed">
        {posts.map((view) => (
          <PostCard key={view.post.guid} view={view} />
        ))}
      </div>
    )}
    {olderThan && <Older href={`${path}?older=${olderThan}`} />}
  </>
);

/** The composer alone: after a fault, and with a preview of what it holds. */
export function ComposePage({ composer, preview }: { composer: ComposerProps; preview?: PostView }) {
  const { t } = useVisit();
  return (
    <AppPage title={preview ? t.composer.previewHeading : t.composer.label} faulty={!!composer.faults} tab="post" side={<OwnAddress />}>
      <div class="page-head">
        <h1>{preview ? t.composer.previewHeading : t.composer.label}</h1>
        {preview && <p>{t.composer.previewNote}</p>}
      </div>
      <FaultSummary faults={composer.faults} />
      {preview && (
        <div class="feed">
          <PostCard view={preview} preview />
        </div>
      )}
      <Composer {...composer} />
    </AppPage>
  );
}
