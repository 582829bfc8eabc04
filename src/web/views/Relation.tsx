import type { ComponentChildren } from 'preact';
import { type Actor, handleOf } from '../../domain/actor.js';
import { isNotLet, type Relationship } from '../../domain/relationship.js';
import { useVisit } from '../visit.js';
import { Avatar, Icon, Net, PersonLink, PostForm } from './parts.js';

/** A person in a list. */
export const Who = ({ entry: { other }, children }: { entry: { other: Actor }; children?: ComponentChildren }) => (
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

/** What stands between the visitor and someone, in words. */
export function RelationWords({ relationship }: { relationship: Relationship }) {
  const { t } = useVisit();
  const { follower, following, blockedAt, mutedAt } = relationship;
  if (blockedAt !== null) {
    return (
      <span class="tag">
        <Icon name="lock" />
        {t.contacts.blockedState}
      </span>
    );
  }
  return (
    <>
      {follower === 'on' && following === 'on' ? (
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
          {follower === 'on' && <span class="tag tag--on">{t.contacts.followsYou}</span>}
        </>
      )}
      {following === 'asked' && (
        <span class="tag">
          <Icon name="clock" />
          {t.contacts.asked}
        </span>
      )}
      {isNotLet(relationship) && (
        <span class="tag">
          <Icon name="cross" />
          {t.contacts.notFollowing}
        </span>
      )}
      {follower === 'asked' && <span class="tag tag--on">{t.contacts.waiting}</span>}
      {mutedAt !== null && (
        <span class="tag">
          <Icon name="eye" />
          {t.contacts.mutedState}
        </span>
      )}
    </>
  );
}

interface ActionProps {
  id: number;
  /** The last part of `/contacts/ID/…`. */
  action: 'accept' | 'older' | 'remove' | 'reject' | 'block' | 'unblock' | 'mute' | 'unmute';
  words: string;
  icon?: string;
  bad?: boolean;
  plain?: boolean;
  /** Where to go afterwards, instead of to the contacts. */
  next?: string | undefined;
}

/** A button that does one thing to a relationship. */
export const Action = ({ id, action, words, icon, bad = false, plain = false, next }: ActionProps) => (
  <PostForm action={`/contacts/${id}/${action}`}>
    {next && <input type="hidden" name="next" value={next} />}
    <button class={`btn${plain ? '' : ' btn--quiet'}${bad ? ' bad' : ''}`}>
      {icon && <Icon name={icon} />}
      {words}
    </button>
  </PostForm>
);

/** For a contact who sees what came after the adding alone. */
export function OlderAfter({ id, name, next }: { id: number; name: string; next: string }) {
  const { t } = useVisit();
  return (
    <div class="stack">
      <p class="small quiet">{t.contacts.olderAfter(name)}</p>
      <Action id={id} action="older" words={t.contacts.older} plain next={next} />
    </div>
  );
}

/** Once more, for a contact who is not followed. */
export function AskAgain({ address, from }: { address: string; from?: 'person' }) {
  const { t } = useVisit();
  return (
    <PostForm action="/contacts">
      <input type="hidden" name="address" value={address} />
      {from && <input type="hidden" name="from" value={from} />}
      <button class={from ? 'btn btn--main' : 'btn btn--quiet'}>
        <Icon name="add-person" />
        {t.contacts.askAgain}
      </button>
    </PostForm>
  );
}

/** The answers to someone who wants to follow. @param news among other things that happened: no more than the question asks */
export function RequestActs({ id, next, news = false }: { id: number; next?: string; news?: boolean }) {
  const { t } = useVisit();
  return (
    <PostForm action={`/contacts/${id}/accept`} class={news ? 'row' : 'people__acts'}>
      {next && <input type="hidden" name="next" value={next} />}
      <button class="btn btn--main" name="follow" value="yes">
        {t.contacts.acceptFollow}
      </button>
      <button class="btn">{t.contacts.accept}</button>
      <button class="btn btn--quiet" formAction={`/contacts/${id}/reject`}>
        {t.contacts.refuse}
      </button>
      {!news && (
        <button class="btn btn--quiet bad" formAction={`/contacts/${id}/block`}>
          {t.contacts.block}
        </button>
      )}
    </PostForm>
  );
}
