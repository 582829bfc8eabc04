import { NOTIFICATION_KINDS, type NotificationKind } from '../../domain/notification.js';
import { titleOf } from '../../domain/post.js';
import type { NotificationEntry, NotificationView } from '../../services/notifications.js';
import { useVisit } from '../visit.js';
import { AppPage } from '../views/Layout.js';
import { Ago, Avatar, Icon, Mark, Notice, pageOf, PersonLink, PostForm } from '../views/parts.js';
import { deliveriesPath } from '../views/Delivery.js';
import { RequestActs } from '../views/Relation.js';
import { OwnAddress } from '../views/Side.js';

/** Which of them. */
export type NotificationsFilter = 'all' | 'unread' | NotificationKind;
export const isNotificationsFilter = (text: string | undefined): text is NotificationsFilter => ['all', 'unread', ...NOTIFICATION_KINDS].includes(text ?? '');

interface Props {
  news: NotificationEntry[];
  /** The id after which older ones begin, when there are any. */
  olderThan: number | null;
  filter: NotificationsFilter;
  /** This page does not begin with the newest. */
  paged: boolean;
  notice?: string | undefined;
}

const DAY_MS = 86_400_000;

export function NotificationsPage({ news, olderThan, filter, paged, notice }: Props) {
  const { t, unread, now } = useVisit();
  const path = filter === 'all' ? '/notifications' : `/notifications?only=${filter}`;
  const daysAgo = (view: NotificationEntry) => Math.floor(now / DAY_MS) - Math.floor(view.notification.createdAt / DAY_MS);
  const days = [
    { id: 'today', words: t.notifications.today, of: news.filter((view) => daysAgo(view) <= 0) },
    { id: 'yesterday', words: t.notifications.yesterday, of: news.filter((view) => daysAgo(view) === 1) },
    { id: 'earlier', words: t.notifications.earlier, of: news.filter((view) => daysAgo(view) > 1) },
  ];
  const newest = Math.max(0, ...news.map(({ notification }) => notification.id));
  return (
    <AppPage title={t.notifications.title} tab="notifications" side={<Side />}>
      <div class="page-head">
        <h1>{t.notifications.title}</h1>
        {unread > 0 && !paged && newest > 0 && (
          <PostForm action="/notifications/read">
            <input type="hidden" name="upTo" value={newest} />
            <button class="btn btn--quiet">
              <Icon name="check" />
              {t.notifications.allRead}
            </button>
          </PostForm>
        )}
      </div>
      <nav class="filter" aria-label={t.notifications.show}>
        {(['all', 'unread', ...NOTIFICATION_KINDS] as const).map((one) => (
          <a key={one} href={one === 'all' ? '/notifications' : `/notifications?only=${one}`} aria-current={one === filter ? 'page' : undefined}>
            {one === 'all' ? t.notifications.all : one === 'unread' ? t.notifications.unread : t.notifications.kinds[one]}
          </a>
        ))}
      </nav>
      {notice && <Notice>{notice}</Notice>}
      {!paged && (
        <p class="fresh-bar" role="status" data-fresh="notification" data-one={t.notifications.newOnes} data-many={t.notifications.newOnes}>
          <a class="fresh" href={path} hidden>
            <Icon name="up" />
            <span />
          </a>
        </p>
      )}
      {news.length === 0 && (
        <section class="sheet empty" aria-labelledby="empty">
          <h2 id="empty">{filter === 'unread' ? t.notifications.emptyUnread : t.notifications.empty}</h2>
          <p>{filter === 'unread' ? t.notifications.emptyUnreadText : t.notifications.emptyText}</p>
        </section>
      )}
      {days
        .filter(({ of }) => of.length > 0)
        .map(({ id, words, of }) => (
          <section class="sheet sheet--flush" aria-labelledby={id} key={id}>
            <h2 id={id}>{words}</h2>
            <ul class="news">
              {of.map((view) => (
                <News key={view.notification.id} entry={view} />
              ))}
            </ul>
          </section>
        ))}
      {olderThan !== null && (
        <div class="older">
          <Mark />
          <a class="btn" href={`${path}${filter === 'all' ? '?' : '&'}older=${olderThan}`} rel="next">
            {t.notifications.older}
          </a>
        </div>
      )}
    </AppPage>
  );
}

const ICONS: Record<NotificationKind, string> = { request: 'add-person', accepted: 'check', comment: 'comment', 'also-commented': 'comment', like: 'like', reshare: 'reshare', mention: 'write', undelivered: 'warning' };

/** Where a notification leads. */
export function targetOf({ notification: { kind }, by, post, comment }: NotificationView): string {
  if (kind === 'request' || kind === 'accepted') return pageOf(by);
  if (kind === 'undelivered' && post) return deliveriesPath(post.guid);
  if (comment) return `/comments/${comment.guid}`;
  return post ? `/posts/${post.guid}` : '/notifications';
}

const TITLE_MAX = 60;
const shortened = (text: string) => ([...text].length > TITLE_MAX ? `${[...text].slice(0, TITLE_MAX - 1).join('').trimEnd()}…` : text);

function News({ entry: { notification, by, post, comment, others, isNew, asks } }: { entry: NotificationEntry }) {
  const { t, path } = useVisit();
  const { id, kind, createdAt } = notification;
  const [before, link, after] = (others > 0 && t.notifications.saysMany[kind]) || t.notifications.says[kind === 'mention' && comment ? 'mentionInComment' : kind]!;
  const isAbout = kind === 'like' || kind === 'reshare' || kind === 'undelivered';
  const quote = comment ? titleOf(comment.markdown) : kind === 'mention' ? post?.title : undefined;
  return (
    <li class={isNew ? 'new' : undefined}>
      <div class="news__pic">
        <Avatar actor={by} />
        <Icon name={ICONS[kind]} />
      </div>
      <div>
        {isNew && <span class="sr">{t.notifications.new}</span>}
        {kind !== 'undelivered' && (
          <>
            <PersonLink actor={by} /> {others > 0 && `${t.notifications.others(others)} `}
            {before}{' '}
          </>
        )}
        <a href={`/notifications/${id}`} data-open>
          {(isAbout && post && shortened(post.title)) || link}
        </a>
        {after}
        {quote && <q>{quote}</q>}
      </div>
      <Ago at={createdAt} />
      {asks && <RequestActs id={by.id} next={path} news />}
    </li>
  );
}

function Side() {
  const { t } = useVisit();
  return (
    <>
      <section aria-labelledby="s-mail">
        <h2 id="s-mail">{t.notifications.byMail}</h2>
        <div class="stack small">
          <p class="quiet">{t.notifications.byMailText}</p>
          <p>
            <a href="/settings/notifications">{t.notifications.byMailChange}</a>
          </p>
        </div>
      </section>
      <OwnAddress />
    </>
  );
}
