import type { Audience } from '../../domain/activity.js';
import { handleOf } from '../../domain/actor.js';
import type { PostView } from '../../services/stream.js';
import { useVisit } from '../visit.js';
import { Ago, Avatar, Icon, Mark, Net, PersonLink } from './parts.js';

/** So much of the names of aspects stands in the mark; the rest in its title. */
const NAMES_MAX = 24;
const shortened = (text: string) => ([...text].length > NAMES_MAX ? `${[...text].slice(0, NAMES_MAX - 1).join('').trimEnd()}…` : text);

/**
 * Who can see it, in words; closed audiences are tinted, too.
 * @param names of the aspects that it is for: known to its author alone
 */
export function AudienceMark({ audience, names }: { audience: Audience; names?: string[] | undefined }) {
  const { t } = useVisit();
  const [words, title] = {
    public: [t.post.public, t.post.publicTitle],
    contacts: [t.post.contacts, t.post.contactsTitle],
    aspects: !names ? [t.post.limited, t.post.limitedTitle] : names.length > 0 ? [shortened(names.join(', ')), t.post.aspectsTitle(names)] : [t.post.onlyYou, t.post.onlyYouTitle],
    people: [t.post.limited, t.post.limitedTitle],
  }[audience.to] as [string, string];
  const open = audience.to === 'public';
  return (
    <span class={open ? 'aud aud--open' : 'aud aud--closed'} title={title}>
      <Icon name={open ? 'globe' : 'lock'} />
      <span>{words}</span>
    </span>
  );
}

/** The stored HTML is made by text.ts: parsed, cleaned by allow-list, well-formed. This is the one place that writes HTML as it is. */
export const Prose = ({ html, short = false }: { html: string; short?: boolean }) => (
  <div class={short ? 'prose prose--short' : 'prose'} dangerouslySetInnerHTML={{ __html: html }} />
);

const SHORT = 180;
const LONG = 2_400;
const READING_SPEED = 1_100; // letters a minute

/** One paragraph of few words is set larger. */
const isShort = (markdown: string) => markdown.length <= SHORT && !/[\n#*_`>|[\]]/.test(markdown);

/** The paragraphs that a long post shows in a stream. The HTML is well-formed, so each top-level block ends with its own closing tag at a line's end. */
function beginning(html: string): string | null {
  if (html.length <= LONG) return null;
  const cut = html.indexOf('</p>', LONG / 3);
  const head = cut > 0 && cut < LONG ? html.slice(0, cut + 4) : null;
  return head && !/<(blockquote|ul|ol|table|div|details)\b/.test(head) ? head : null;
}

interface Props {
  view: PostView;
  /** The post has a page of its own here: nothing is cut, delivery is open. */
  alone?: boolean;
  level?: 2 | 3;
  preview?: boolean;
}

export function PostCard({ view: { post, author, delivery, aspectNames }, alone = false, level = 2, preview = false }: Props) {
  const { t, account } = useVisit();
  const Heading = `h${level}` as 'h2';
  const path = `/posts/${post.guid}`;
  const own = account?.actorId === author.id;
  const head = alone ? null : beginning(post.html);
  return (
    <article class={preview ? 'post preview' : 'post'} id={`post-${post.guid}`} aria-labelledby={`by-${post.guid}`}>
      <header class="post__head">
        <Avatar actor={author} />
        <Heading class="post__name" id={`by-${post.guid}`}>
          <PersonLink actor={author} />
        </Heading>
        <p class="post__when">{preview ? <Ago at={post.createdAt} /> : <a href={path}><Ago at={post.createdAt} /></a>}</p>
        <p class="post__from">
          <span>{handleOf(author)}</span>
          <Net actor={author} />
          {post.editedAt !== null && (
            <span>
              {t.post.edited} <Ago at={post.editedAt} clock />
            </span>
          )}
        </p>
        <AudienceMark audience={post.audience} names={aspectNames} />
      </header>
      <Prose html={head ?? post.html} short={isShort(post.markdown)} />
      {head && (
        <p>
          <a class="readon" href={path}>
            {t.post.readOn(Math.round(post.markdown.length / READING_SPEED))}
          </a>
        </p>
      )}
      {!preview && own && (
        <div class="acts">
          <details class="menu">
            <summary class="act" title={t.post.more}>
              <Icon name="more" />
              <span class="sr">{t.post.moreFor}</span>
            </summary>
            <div class="menu__list">
              {!alone && (
                <a class="btn btn--quiet" href={path}>
                  <Icon name="link" />
                  {t.post.open}
                </a>
              )}
              <a class="btn btn--quiet" href={`${path}/edit`}>
                <Icon name="write" />
                {t.post.edit}
              </a>
              <a class="btn btn--quiet bad" href={`${path}/delete`}>
                <Icon name="trash" />
                {t.post.delete}
              </a>
            </div>
          </details>
        </div>
      )}
      {!preview && own && delivery && <Delivery delivery={delivery} audience={post.audience} open={alone} />}
    </article>
  );
}

/** Where an own post has arrived. */
function Delivery({ delivery: { total, arrived, failed }, audience, open }: { delivery: NonNullable<PostView['delivery']>; audience: Audience; open: boolean }) {
  const { t } = useVisit();
  const words = total === 0 ? (audience.to === 'public' ? t.post.deliveryNone : t.post.deliveryNoneClosed) : arrived === total ? t.post.deliveryAll(total) : t.post.delivery(arrived, total);
  const waiting = total - arrived - failed;
  return (
    <details class="delivery" open={open && total > 0}>
      <summary>
        <svg class="gauge" viewBox="0 0 96 6" aria-hidden="true">
          <rect class="rest" width="96" height="6" rx="3" fill="currentColor" />
          <rect width={total === 0 ? 96 : Math.round((96 * arrived) / total)} height="6" rx="3" fill="currentColor" />
        </svg>
        <span>{words}</span>
        <span class="delivery__more">
          <span class="is-closed">{t.post.details}</span>
          <span class="is-open">{t.post.close}</span>
        </span>
      </summary>
      <div class="delivery__body">
        <ul class="ways">
          {total > 0 && (
            <li>
              <Mark name="net-chat" />
              <div>
                <strong>{t.post.chat}</strong>
                {arrived === total && <p class="quiet">{t.post.chatAll}</p>}
                {waiting > 0 && <p class="quiet">{t.post.chatWaiting(waiting)}</p>}
                {failed > 0 && <p class="bad">{t.post.chatFailed(failed)}</p>}
              </div>
              <span class={arrived === total ? 'num good' : 'num'}>{t.post.of(arrived, total)}</span>
            </li>
          )}
          <li>
            <Mark name="net-web" />
            <div>
              <strong>{t.post.yourPage}</strong>
              <p class="quiet">
                {audience.to === 'public' ? t.post.pageThere : t.post.pageClosed}
                {total === 0 && ` ${t.post.deliveryNoneMore}`}
              </p>
            </div>
            <span class="good">{t.post.there}</span>
          </li>
        </ul>
      </div>
    </details>
  );
}
