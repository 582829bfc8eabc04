import { nameOf } from '../../domain/actor.js';
import { isNotLet } from '../../domain/relationship.js';
import type { AspectView } from '../../services/aspects.js';
import type { Circle, Entry } from '../../services/relationships.js';
import type { Faults } from '../forms.js';
import type { Member } from '../visit.js';
import { useVisit } from '../visit.js';
import { AppPage } from '../views/Layout.js';
import { FaultSummary, Icon, Mark, Notice, PostForm } from '../views/parts.js';
import { Action, AskAgain, RelationWords, RequestActs, Who } from '../views/Relation.js';
import { LookUp, OwnAddress, SideText } from '../views/Side.js';

interface ContactsProps {
  circle: Circle;
  /** A page of it, and where the next one begins, when there is one. */
  people: Entry[];
  next: number | null;
  /** This page does not begin with the first. */
  after?: number | undefined;
  counts: Record<Exclude<Circle, number>, number>;
  /** The first who wait for an answer, where they stand above the others. */
  requests: Entry[];
  aspects: AspectView[];
  /** The aspect that is chosen in the form. */
  into?: { id: number } | undefined;
  notice?: string;
  faults?: Faults;
}

const pathOf = (circle: Circle) => (typeof circle === 'number' ? `/contacts?aspect=${circle}` : circle === 'contacts' ? '/contacts' : `/contacts?only=${circle}`);

export function ContactsPage({ circle, people, next, after, counts, requests, aspects, into, notice, faults }: ContactsProps) {
  const { t, account } = useVisit() as Member;
  const tab = (id: Exclude<Circle, number>, words: string, isSeldom = false) => (isSeldom && counts[id] === 0 && circle !== id ? [] : [{ id, words, count: counts[id] }]);
  const tabs = [
    ...tab('contacts', t.contacts.all),
    ...aspects.map(({ id, name, members }) => ({ id, words: name, count: members })),
    ...tab('followers', t.contacts.followMe),
    ...tab('requests', t.contacts.requestsTab, true),
    ...tab('refused', t.contacts.refusedTab, true),
    ...tab('muted', t.contacts.mutedTab, true),
    ...tab('blocked', t.contacts.blockedTab),
  ];
  const isPaged = after !== undefined;
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
          <h2 id="req">{t.contacts.requests(counts.requests)}</h2>
          <Requests requests={requests} />
          {counts.requests > requests.length && (
            <p>
              <a href={pathOf('requests')}>{t.contacts.moreRequests(counts.requests - requests.length)}</a>
            </p>
          )}
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
          {tabs.map(({ id, words, count }) => (
            <a key={id} href={pathOf(id)} aria-current={id === circle ? 'page' : undefined}>
              {words} <small>{count}</small>
            </a>
          ))}
        </nav>
        {isPaged && <First href={pathOf(circle)} />}
        {people.length > 0 ? (
          <div class="sheet">
            {circle === 'requests' ? (
              <Requests requests={people} next={pathOf('requests')} />
            ) : (
              <ul class="people">
                {people.map((entry) => (
                  <Person key={entry.id} entry={entry} aspects={aspects} />
                ))}
              </ul>
            )}
          </div>
        ) : isPaged ? (
          <p class="older small">{t.stream.end}</p>
        ) : (
          <Empty circle={circle} />
        )}
        <More path={pathOf(circle)} next={next} />
      </section>
      <AskFirst on={account.askFirst} next="/contacts" />
    </AppPage>
  );
}

/** @param next where to go after an answer */
const Requests = ({ requests, next }: { requests: Entry[]; next?: string }) => (
  <ul class="people">
    {requests.map((entry) => (
      <li key={entry.id}>
        <Who entry={entry} />
        <RequestActs id={entry.id} next={next} />
      </li>
    ))}
  </ul>
);

/** Back to where a list of people begins. */
export const First = ({ href }: { href: string }) => (
  <p class="older">
    <a class="btn" href={href}>
      <Icon name="up" />
      {useVisit().t.contacts.first}
    </a>
  </p>
);

/** The next page of a list of people. */
export const More = ({ path, next }: { path: string; next: number | null }) => {
  const { t } = useVisit();
  if (next === null) return null;
  return (
    <div class="older">
      <Mark />
      <a class="btn" href={`${path}${path.includes('?') ? '&' : '?'}after=${next}`} rel="next">
        {t.contacts.next}
      </a>
    </div>
  );
};

const Empty = ({ circle }: { circle: Circle }) => {
  const { t } = useVisit();
  const [heading, text] = {
    contacts: [t.contacts.emptyAll, t.contacts.emptyAllText],
    requests: [t.contacts.emptyRequests, t.contacts.emptyRequestsText],
    followers: [t.contacts.emptyFollowers, t.contacts.emptyFollowersText],
    refused: [t.contacts.emptyRefused, t.contacts.emptyRefusedText],
    blocked: [t.contacts.emptyBlocked, t.contacts.emptyBlockedText],
    muted: [t.contacts.emptyMuted, t.contacts.emptyMutedText],
    aspect: [t.aspects.nobody, t.aspects.nobodyText],
  }[typeof circle === 'number' ? 'aspect' : circle] as [string, string];
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
