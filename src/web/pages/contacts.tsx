import { nameOf } from '../../domain/actor.js';
import { isNotLet } from '../../domain/relationship.js';
import type { AspectView } from '../../services/aspects.js';
import type { Entry } from '../../services/relationships.js';
import type { Faults } from '../forms.js';
import type { Member } from '../visit.js';
import { useVisit } from '../visit.js';
import { AppPage } from '../views/Layout.js';
import { FaultSummary, Icon, Notice, PostForm } from '../views/parts.js';
import { Action, AskAgain, RelationWords, RequestActs, Who } from '../views/Relation.js';
import { LookUp, OwnAddress, SideText } from '../views/Side.js';

/** Which people: a number is an aspect. */
export type ContactsView = 'all' | 'followers' | 'refused' | 'blocked' | 'muted' | number;

interface ContactsProps {
  requests: Entry[];
  contacts: Entry[];
  followers: Entry[];
  refused: Entry[];
  blocked: Entry[];
  muted: Entry[];
  aspects: AspectView[];
  view: ContactsView;
  /** The aspect that is chosen in the form. */
  into?: { id: number } | undefined;
  notice?: string;
  faults?: Faults;
}

export function ContactsPage({ requests, contacts, followers, refused, blocked, muted, aspects, view, into, notice, faults }: ContactsProps) {
  const { t, account } = useVisit() as Member;
  const inAspect = (id: number) => contacts.filter((entry) => entry.aspectIds.includes(id));
  const shown = typeof view === 'number' ? inAspect(view) : { all: contacts, followers, refused, blocked, muted }[view];
  const tabs = [
    { id: 'all', href: '/contacts', words: t.contacts.all, count: contacts.length },
    ...aspects.map(({ id, name, members }) => ({ id, href: `/contacts?aspect=${id}`, words: name, count: members })),
    { id: 'followers', href: '/contacts?only=followers', words: t.contacts.followMe, count: followers.length },
    ...(refused.length > 0 || view === 'refused' ? [{ id: 'refused', href: '/contacts?only=refused', words: t.contacts.refusedTab, count: refused.length }] : []),
    ...(muted.length > 0 || view === 'muted' ? [{ id: 'muted', href: '/contacts?only=muted', words: t.contacts.mutedTab, count: muted.length }] : []),
    { id: 'blocked', href: '/contacts?only=blocked', words: t.contacts.blockedTab, count: blocked.length },
  ];
  return (
    <AppPage
      title={t.contacts.title}
      faulty={!!faults}
      tab="contacts"
      side={
        <>
          <OwnAddress />
          <SideText id="s-words" heading={t.contacts.wordsHeading}>
            {t.contacts.words}
          </SideText>
        </>
      }
    >
      <div class="page-head">
        <h1>{t.contacts.title}</h1>
        <a class="btn btn--quiet" href="/aspects">
          <Icon name="circles" />
          {t.aspects.title}
        </a>
      </div>
      {notice && <Notice>{notice}</Notice>}
      <FaultSummary faults={faults} />
      {requests.length > 0 && (
        <section class="sheet sheet--warm" aria-labelledby="req">
          <h2 id="req">{t.contacts.requests(requests.length)}</h2>
          <ul class="people">
            {requests.map((entry) => (
              <li key={entry.id}>
                <Who entry={entry} />
                <RequestActs id={entry.id} />
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="sheet" aria-labelledby="add">
        <h2 id="add">{t.contacts.add}</h2>
        <LookUp aspects={aspects} into={into?.id} faults={faults} />
      </section>
      <section aria-labelledby="all">
        <h2 class="sr" id="all">
          {t.contacts.yours}
        </h2>
        <nav class="filter" aria-label={t.contacts.show}>
          {tabs.map(({ id, href, words, count }) => (
            <a key={id} href={href} aria-current={id === view ? 'page' : undefined}>
              {words} <small>{count}</small>
            </a>
          ))}
        </nav>
        {shown.length === 0 ? (
          <Empty view={view} />
        ) : (
          <div class="sheet">
            <ul class="people">
              {shown.map((entry) => (
                <Person key={entry.id} entry={entry} aspects={aspects} />
              ))}
            </ul>
          </div>
        )}
      </section>
      <AskFirst on={account.askFirst} next="/contacts" />
    </AppPage>
  );
}

const Empty = ({ view }: { view: ContactsView }) => {
  const { t } = useVisit();
  const [heading, text] = {
    all: [t.contacts.emptyAll, t.contacts.emptyAllText],
    followers: [t.contacts.emptyFollowers, t.contacts.emptyFollowersText],
    refused: [t.contacts.emptyRefused, t.contacts.emptyRefusedText],
    blocked: [t.contacts.emptyBlocked, t.contacts.emptyBlockedText],
    muted: [t.contacts.emptyMuted, t.contacts.emptyMutedText],
    aspect: [t.aspects.nobody, t.aspects.nobodyText],
  }[typeof view === 'number' ? 'aspect' : view] as [string, string];
  return (
    <div class="sheet empty">
      <h3>{heading}</h3>
      <p>{text}</p>
    </div>
  );
};

function Person({ entry, aspects }: { entry: Entry; aspects: AspectView[] }) {
  const { t } = useVisit();
  const { id, other, relationship } = entry;
  const { follower, addedAt, blockedAt, mutedAt } = relationship;
  return (
    <li>
      <Who entry={entry}>
        <p class="people__state">
          <RelationWords relationship={relationship} />
          {aspects
            .filter((aspect) => entry.aspectIds.includes(aspect.id))
            .map((aspect) => (
              <span class="tag" key={aspect.id}>
                <Icon name="circles" />
                {aspect.name}
              </span>
            ))}
        </p>
      </Who>
      <details class="menu">
        <summary class="btn btn--quiet btn--icon" title={t.post.more}>
          <Icon name="more" large />
          <span class="sr">{t.contacts.more(nameOf(other))}</span>
        </summary>
        <div class="menu__list">
          {blockedAt === null && addedAt === null && (
            <PostForm action="/contacts">
              <input type="hidden" name="address" value={entry.address} />
              <button class="btn btn--quiet">
                <Icon name="add-person" />
                {follower === 'on' ? t.contacts.addBack : t.person.follow(nameOf(other))}
              </button>
            </PostForm>
          )}
          {isNotLet(relationship) && <AskAgain address={entry.address} />}
          {addedAt !== null && (
            <a class="btn btn--quiet" href={`/contacts/${id}`}>
              <Icon name="circles" />
              {t.contacts.changeAspects}
            </a>
          )}
          {addedAt !== null && <Action id={id} action="remove" words={isNotLet(relationship) ? t.contacts.remove : t.contacts.stop} icon="cross" />}
          {follower === 'on' && <Action id={id} action="reject" words={t.contacts.endFollowing} icon="cross" />}
          {follower === 'refused' && <Action id={id} action="accept" words={t.contacts.letFollow} icon="check" />}
          {blockedAt === null && <Action id={id} action={mutedAt === null ? 'mute' : 'unmute'} words={mutedAt === null ? t.contacts.mute : t.contacts.unmute} icon="eye" />}
          {blockedAt === null ? <Action id={id} action="block" words={t.contacts.block} icon="lock" bad /> : <Action id={id} action="unblock" words={t.contacts.unblock} icon="lock" />}
        </div>
      </details>
    </li>
  );
}

/** The switch "ask me first". */
export function AskFirst({ on, next }: { on: boolean; next: string }) {
  const { t } = useVisit();
  return (
    <section class="sheet" aria-labelledby="ask">
      <h2 id="ask">{t.contacts.askHeading}</h2>
      <PostForm action="/settings/ask-first" class="form form--plain">
        <input type="hidden" name="next" value={next} />
        <p class="quiet">{on ? t.contacts.askOn : t.contacts.askOff}</p>
        <p>
          <button class="btn" name="on" value={on ? 'no' : 'yes'}>
            {on ? t.contacts.askTurnOff : t.contacts.askTurnOn}
          </button>
        </p>
      </PostForm>
    </section>
  );
}
