import type { Audience } from '../../domain/activity.js';
import { handleOf, nameOf } from '../../domain/actor.js';
import { itemUri } from '../../formats/item-uri.js';
import type { DeliveryLine } from '../../services/own-deliveries.js';
import type { PostView } from '../../services/stream.js';
import { showsNothing } from '../fold-reshares.js';
import { useVisit } from '../visit.js';
import { Acts } from './Acts.js';
import { Delivery } from './Delivery.js';
import { Ago, Avatar, ChatNet, Icon, pageOf, PersonLink, PostForm } from './parts.js';

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
  /** Reshares of it that have no place of their own (fold-reshares.ts). */
  via?: PostView[];
  /** The post has a page of its own here: nothing is cut, delivery is open. */
  alone?: boolean;
  level?: 2 | 3;
  preview?: boolean;
  /** For its author: servers where it has not arrived. */
  late?: DeliveryLine[] | undefined;
}

/** A post; a reshare shows its root as it stands now, with what can be done with the root, below who shared it. */
export function PostCard({ view, via = [], alone = false, level = 2, preview = false, late }: Props) {
  const { t, account } = useVisit();
  const isReshare = view.post.kind === 'reshare';
  const shown = (isReshare && view.root) || view;
  const { post, author } = shown;
  const Heading = `h${level}` as 'h2';
  const path = `/posts/${post.guid}`;
  const head = alone ? null : beginning(post.html);
  return (
    <article class={preview ? 'post preview' : 'post'} id={`post-${view.post.guid}`} aria-labelledby={`by-${view.post.guid}`}>
      <Via reshares={isReshare ? [view, ...via] : via} />
      <header class="post__head">
        <Avatar actor={author} />
        <Heading class="post__name" id={`by-${view.post.guid}`}>
          <PersonLink actor={author} />
        </Heading>
        <p class="post__when">
          {preview ? (
            <Ago at={post.createdAt} />
          ) : (
            <a href={path} data-open>
              <Ago at={post.createdAt} />
            </a>
          )}
        </p>
        <p class="post__from">
          <span>{handleOf(author)}</span>
          {(shown.origin || !author.isLocal) && <ChatNet />}
          {post.editedAt !== null && (
            <span>
              {t.post.edited} <Ago at={post.editedAt} clock />
            </span>
          )}
        </p>
        <AudienceMark audience={post.audience} names={shown.aspectNames} />
      </header>
      {(shown !== view || !isReshare || post.html !== '') && <Prose html={head ?? post.html} short={isShort(post.markdown)} />}
      {showsNothing(view) && (
        <p class="note">
          <Icon name="info" />
          <span>{t.post.rootGone}</span>
        </p>
      )}
      {head && (
        <p>
          <a class="readon" href={path}>
            {t.post.readOn(Math.round(post.markdown.length / READING_SPEED))}
          </a>
        </p>
      )}
      {!preview && <Acts view={shown}>{account && <Menu view={shown} own={account.actorId === author.id} alone={alone} />}</Acts>}
      {!preview && account?.actorId === view.author.id && view.delivery && <Delivery view={{ ...view, delivery: view.delivery }} open={alone} late={late} />}
    </article>
  );
}

/** So many of those who shared it are named. */
const NAMED_MAX = 3;

/** Who shared it, and when. */
const Via = ({ reshares }: { reshares: PostView[] }) => {
  const { t } = useVisit();
  const more = reshares.length - NAMED_MAX;
  return (
    <>
      {reshares.slice(0, NAMED_MAX).map(({ post, author }) => (
        <p key={post.guid} class="post__via">
          <Icon name="reshare" />
          <span>
            <PersonLink actor={author} /> {t.post.reshared}
          </span>
          <a href={`/posts/${post.guid}`}>
            <Ago at={post.createdAt} />
          </a>
        </p>
      ))}
      {more > 0 && (
        <p class="post__via">
          <Icon name="reshare" />
          <span>{t.post.resharedMore(more)}</span>
        </p>
      )}
    </>
  );
};

function Menu({ view: { post, author, origin }, own, alone }: { view: PostView; own: boolean; alone: boolean }) {
  const { t, path: here } = useVisit();
  const path = `/posts/${post.guid}`;
  const name = nameOf(author);
  return (
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
        {origin && (
          <a class="btn btn--quiet" href={itemUri({ jid: origin.address, node: origin.node, item: origin.itemId })}>
            <Icon name="link" />
            {t.post.openOrigin}
          </a>
        )}
        {own && post.kind === 'note' && (
          <a class="btn btn--quiet" href={`${path}/edit`}>
            <Icon name="write" />
            {t.post.edit}
          </a>
        )}
        {own ? (
          <a class="btn btn--quiet bad" href={`${path}/delete`}>
            <Icon name="trash" />
            {t.post.delete}
          </a>
        ) : (
          <>
            <PostForm action={`/contacts/${author.id}/mute`}>
              <input type="hidden" name="next" value={here} />
              <button class="btn btn--quiet">
                <Icon name="eye" />
                {t.post.mute(name)}
              </button>
            </PostForm>
            <a class="btn btn--quiet bad" href={`${pageOf(author)}?ask=block`}>
              <Icon name="cross" />
              {t.post.block(name)}
            </a>
          </>
        )}
      </div>
    </details>
  );
}
