import type { ComponentChildren } from 'preact';
import { handleOf, nameOf } from '../../domain/actor.js';
import type { AspectView } from '../../services/aspects.js';
import type { Entry } from '../../services/relationships.js';
import { OlderChoice } from '../views/AspectChips.js';
import { type Faults, faultOf } from '../forms.js';
import type { Member } from '../visit.js';
import { useVisit } from '../visit.js';
import { AppPage } from '../views/Layout.js';
import { Avatar, FaultSummary, Field, Help, Icon, Net, Notice, PersonLink, PostForm } from '../views/parts.js';
import { OwnAddress, SideText } from '../views/Side.js';
import { Action } from './person.js';

/** Which people: a number is an aspect. */
export type ContactsView = 'all' | 'followers' | 'blocked' | number;

interface ContactsProps {
  requests: Entry[];
  contacts: Entry[];
  followers: Entry[];
  blocked: Entry[];
  aspects: AspectView[];
  view: ContactsView;
  /** The aspect that is chosen in the form. */
  into?: { id: number } | undefined;
  notice?: string;
  faults?: Faults;
}

export function ContactsPage({ requests, contacts, followers, blocked, aspects, view, into, notice, faults }: ContactsProps) {
  const { t, account } = useVisit() as Member;
  const inAspect = (id: number) => contacts.filter((entry) => entry.aspectIds.includes(id));
  const shown = typeof view === 'number' ? inAspect(view) : { all: contacts, followers, blocked }[view];
  const tabs = [
    { id: 'all', href: '/contacts', words: t.contacts.all, count: contacts.length },
    ...aspects.map(({ id, name, members }) => ({ id, href: `/contacts?aspect=${id}`, words: name, count: members })),
    { id: 'followers', href: '/contacts?only=followers', words: t.contacts.followMe, count: followers.length },
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
              <Request key={entry.id} entry={entry} />
            ))}
          </ul>
        </section>
      )}
      <section class="sheet" aria-labelledby="add">
        <h2 id="add">{t.contacts.add}</h2>
        <PostForm action="/contacts" class={aspects.length > 0 ? 'inline-form inline-form--3' : 'inline-form'}>
          <Field name="address" label={t.contacts.address} help={t.contacts.addressHelp} faults={faults} autocomplete="off" plain inline />
          {aspects.length > 0 && <AspectField aspects={aspects} into={into?.id} error={faultOf(faults, 'aspect')} />}
          <button class="btn btn--main">{t.contacts.addButton}</button>
          <Help of="address">{t.contacts.addressHelp}</Help>
          <OlderChoice words={t.contacts.older} help={t.contacts.olderHelp} />
        </PostForm>
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

const AspectField = ({ aspects, into, error }: { aspects: AspectView[]; into: number | undefined; error: string | undefined }) => {
  const { t } = useVisit();
  return (
    <div class={error ? 'field field--bad' : 'field'}>
      <label for="aspect">{t.contacts.aspect}</label>
      {error && (
        <p class="field__error" id="aspect-error">
          <Icon name="warning" />
          <span>{error}</span>
        </p>
      )}
      <select id="aspect" name="aspect" aria-describedby={error ? 'aspect-error' : undefined}>
        <option value="">{t.contacts.noAspect}</option>
        {aspects.map(({ id, name }) => (
          <option key={id} value={id} selected={id === into}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
};

const Empty = ({ view }: { view: ContactsView }) => {
  const { t } = useVisit();
  const [heading, text] = {
    all: [t.contacts.emptyAll, t.contacts.emptyAllText],
    followers: [t.contacts.emptyFollowers, t.contacts.emptyFollowersText],
    blocked: [t.contacts.emptyBlocked, t.contacts.emptyBlockedText],
    aspect: [t.aspects.nobody, t.aspects.nobodyText],
  }[typeof view === 'number' ? 'aspect' : view] as [string, string];
  return (
    <div class="sheet empty">
      <h3>{heading}</h3>
      <p>{text}</p>
    </div>
  );
};

export const Who = ({ entry: { other }, children }: { entry: Entry; children?: ComponentChildren }) => (
  <>
    <Avatar actor={other} />
    <div class="people__who">
      <PersonLink actor={other} />
      <p class="from">
        <span>{handleOf(other)}</span>
        <Net actor={other} />
      </p>
      {children}
    </div>
  </>
);

function Request({ entry }: { entry: Entry }) {
  const { t } = useVisit();
  return (
    <li>
      <Who entry={entry} />
      <PostForm action={`/contacts/${entry.id}/accept`} class="people__acts">
        <button class="btn btn--main" name="follow" value="yes">
          {t.contacts.acceptFollow}
        </button>
        <button class="btn">{t.contacts.accept}</button>
        <button class="btn btn--quiet" formAction={`/contacts/${entry.id}/reject`}>
          {t.contacts.refuse}
        </button>
        <button class="btn btn--quiet bad" formAction={`/contacts/${entry.id}/block`}>
          {t.contacts.block}
        </button>
      </PostForm>
    </li>
  );
}

function Person({ entry, aspects }: { entry: Entry; aspects: AspectView[] }) {
  const { t } = useVisit();
  const { id, other, relationship } = entry;
  const { follower, following, addedAt, blockedAt } = relationship;
  return (
    <li>
      <Who entry={entry}>
        <p class="people__state">
          {blockedAt !== null ? (
            <span class="tag">
              <Icon name="lock" />
              {t.contacts.blockedState}
            </span>
          ) : follower === 'on' && following === 'on' ? (
            <span class="tag tag--plain">
              <Icon name="reshare" />
              {t.contacts.mutual}
            </span>
          ) : (
            <>
              {following === 'on' && (
                <span class="tag tag--plain">
                  <Icon name="check" />
                  {t.contacts.following}
                </span>
              )}
              {following === 'asked' && (
                <span class="tag">
                  <Icon name="clock" />
                  {t.contacts.asked}
                </span>
              )}
              {follower === 'on' && <span class="tag tag--on">{t.contacts.followsYou}</span>}
            </>
          )}
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
                {t.contacts.addBack}
              </button>
            </PostForm>
          )}
          {addedAt !== null && (
            <a class="btn btn--quiet" href={`/contacts/${id}`}>
              <Icon name="circles" />
              {t.contacts.changeAspects}
            </a>
          )}
          {addedAt !== null && <Action id={id} action="remove" words={t.contacts.stop} icon="cross" />}
          {follower === 'on' && <Action id={id} action="reject" words={t.contacts.endFollowing} icon="cross" />}
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
