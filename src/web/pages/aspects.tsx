import { nameOf } from '../../domain/actor.js';
import { ASPECT_NAME_MAX } from '../../domain/aspect.js';
import type { AspectView } from '../../services/aspects.js';
import type { Entry } from '../../services/relationships.js';
import type { Faults } from '../forms.js';
import { AspectsForm, OlderChoice } from '../views/AspectChips.js';
import { AppPage } from '../views/Layout.js';
import { Back, FaultSummary, Field, Help, Icon, Notice, PostForm } from '../views/parts.js';
import { SideText } from '../views/Side.js';
import { useVisit } from '../visit.js';
import { OlderAfter, Who } from '../views/Relation.js';
import { First, More } from './contacts.js';

const Side = () => {
  const { t } = useVisit();
  return (
    <SideText id="s-words" heading={t.aspects.wordsHeading}>
      {t.aspects.words}
    </SideText>
  );
};

/** All aspects, and one more. */
export function AspectsPage({ aspects, notice, faults }: { aspects: AspectView[]; notice?: string; faults?: Faults }) {
  const { t } = useVisit();
  return (
    <AppPage title={t.aspects.title} faulty={!!faults} tab="contacts" side={<Side />}>
      <Back href="/contacts" words={t.contacts.title} />
      <div class="page-head">
        <h1>{t.aspects.title}</h1>
        <p>{t.aspects.lead}</p>
      </div>
      {notice && <Notice>{notice}</Notice>}
      <FaultSummary faults={faults} />
      <section class="sheet" aria-labelledby="new">
        <h2 id="new">{t.aspects.new}</h2>
        <PostForm action="/aspects" class="inline-form">
          <Field name="name" label={t.aspects.name} help={t.aspects.nameHelp} faults={faults} autocomplete="off" maxlength={ASPECT_NAME_MAX} inline />
          <button class="btn btn--main">{t.aspects.make}</button>
          <Help of="name">{t.aspects.nameHelp}</Help>
        </PostForm>
      </section>
      <section aria-labelledby="all">
        <h2 class="sr" id="all">
          {t.aspects.yours}
        </h2>
        {aspects.length === 0 ? (
          <div class="sheet empty">
            <h3>{t.aspects.empty}</h3>
            <p>{t.aspects.emptyText}</p>
          </div>
        ) : (
          <div class="sheet">
            <ul class="people">
              {aspects.map(({ id, name, members }) => (
                <li key={id}>
                  <span class="people__mark">
                    <Icon name="circles" large />
                  </span>
                  <div class="people__who">
                    <a href={`/aspects/${id}`}>{name}</a>
                    <p class="from">{t.aspects.members(members)}</p>
                  </div>
                  <a class="btn btn--quiet" href={`/?aspect=${id}`}>
                    {t.aspects.posts}
                    <span class="sr"> {name}</span>
                  </a>
                </li>
              ))}
            </ul>
          </div>
        )}
      </section>
    </AppPage>
  );
}

export type AspectForm = 'name' | 'address';

interface AspectProps {
  aspect: AspectView;
  /** A page of them, and where the next one begins, when there is one. */
  members: Entry[];
  next: number | null;
  /** This page does not begin with the first. */
  after?: number | undefined;
  /** Contacts who are not in it: the first ones. */
  others: Entry[];
  notice?: string;
  faults?: Faults;
}

/** One aspect: who is in it, its name, its end. */
export function AspectPage({ aspect: { id, name, members: count }, members, next, after, others, notice, faults }: AspectProps) {
  const { t } = useVisit();
  const path = `/aspects/${id}`;
  return (
    <AppPage title={name} faulty={!!faults} tab="contacts" side={<Side />}>
      <Back href="/aspects" words={t.aspects.title} />
      <div class="page-head">
        <h1>{name}</h1>
        <a class="btn btn--quiet" href={`/?aspect=${id}`}>
          <Icon name="stream" />
          {t.aspects.posts}
        </a>
      </div>
      {notice && <Notice>{notice}</Notice>}
      <FaultSummary faults={faults} />
      {after !== undefined && <First href={path} />}
      {count === 0 ? (
        <div class="sheet empty">
          <h2>{t.aspects.nobody}</h2>
          <p>{t.aspects.nobodyText}</p>
        </div>
      ) : (
        <section class="sheet" aria-labelledby="members">
          <h2 id="members">{t.aspects.members(count)}</h2>
          <ul class="people">
            {members.map((entry) => (
              <li key={entry.id}>
                <Who entry={entry} />
                <PostForm action={`${path}/members/${entry.id}/remove`}>
                  <button class="btn btn--quiet">
                    {t.aspects.takeOut}
                    <span class="sr"> {nameOf(entry.other)}</span>
                  </button>
                </PostForm>
              </li>
            ))}
          </ul>
        </section>
      )}
      <More path={path} next={next} />
      <section class="sheet" aria-labelledby="put">
        <h2 id="put">{t.aspects.put}</h2>
        {others.length > 0 ? (
          <PostForm action={`${path}/members`} class="inline-form">
            <Field name="address" label={t.aspects.who} help={t.aspects.whoHelp} faults={faults} autocomplete="off" list="others" plain inline />
            <datalist id="others">
              {others.map(({ id: person, other, address }) => (
                <option key={person} value={address}>
                  {nameOf(other)}
                </option>
              ))}
            </datalist>
            <button class="btn btn--main">{t.aspects.putButton}</button>
            <Help of="address">{t.aspects.whoHelp}</Help>
            <OlderChoice words={t.aspects.older} help={t.aspects.olderHelp} />
          </PostForm>
        ) : (
          <p class="quiet">{t.aspects.noOthers}</p>
        )}
        <p>
          <a href={`/contacts?into=${id}#add`}>{t.aspects.someoneNew}</a>
        </p>
      </section>
      <section class="sheet" aria-labelledby="rename">
        <h2 id="rename">{t.aspects.rename}</h2>
        <PostForm action={`${path}/rename`} class="inline-form">
          <Field name="name" label={t.aspects.name} faults={faults} value={name} autocomplete="off" maxlength={ASPECT_NAME_MAX} inline />
          <button class="btn">{t.settings.save}</button>
        </PostForm>
        <p>
          <a class="btn btn--quiet bad" href={`${path}/remove`}>
            <Icon name="trash" />
            {t.aspects.remove}
          </a>
        </p>
      </section>
    </AppPage>
  );
}

/** What is lost with it, before it is. `isDefault`: posts without a word of whom they are for were for it. */
export function RemoveAspectPage({ aspect: { id, name, members }, posts, isDefault }: { aspect: AspectView; posts: { all: number; alone: number }; isDefault: boolean }) {
  const { t } = useVisit();
  return (
    <AppPage title={t.aspects.removeTitle(name)} tab="contacts">
      <div class="page-head">
        <h1>{t.aspects.removeTitle(name)}</h1>
        <p>{t.aspects.removeMembers(members)}</p>
      </div>
      <section class="sheet stack">
        <p>{posts.all === 0 ? t.aspects.removeNoPosts : t.aspects.removePosts(posts.all)}</p>
        {posts.alone > 0 && <p>{t.aspects.removeAlone(posts.alone)}</p>}
        {isDefault && <p>{t.aspects.removeDefault}</p>}
        <PostForm action={`/aspects/${id}/remove`}>
          <p class="row">
            <button class="btn btn--bad">
              <Icon name="trash" />
              {t.aspects.removeButton}
            </button>
            <a class="btn btn--quiet" href={`/aspects/${id}`}>
              {t.post.keep}
            </a>
          </p>
        </PostForm>
      </section>
    </AppPage>
  );
}

/** The aspects of one contact. */
export function ContactPage({ entry, aspects, notice, faults }: { entry: Entry; aspects: AspectView[]; notice?: string; faults?: Faults }) {
  const { t } = useVisit();
  const name = nameOf(entry.other);
  return (
    <AppPage title={t.aspects.of(name)} faulty={!!faults} tab="contacts" side={<Side />}>
      <Back href="/contacts" words={t.contacts.title} />
      <div class="page-head">
        <h1>{t.aspects.of(name)}</h1>
      </div>
      {notice && <Notice>{notice}</Notice>}
      <FaultSummary faults={faults} />
      <section class="sheet stack">
        <ul class="people">
          <li>
            <Who entry={entry} />
          </li>
        </ul>
        <AspectsForm id={entry.id} name={name} aspects={aspects} ticked={entry.aspectIds} from="contact" />
        {entry.relationship.addedAt !== 0 && <OlderAfter id={entry.id} name={name} next={`/contacts/${entry.id}`} />}
      </section>
    </AppPage>
  );
}
