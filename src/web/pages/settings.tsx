import type { ComponentChildren } from 'preact';
import type { AppPassword } from '../../domain/account.js';
import type { Audience } from '../../domain/activity.js';
import { NOTIFICATION_KINDS, type NotificationKind, type NotificationMail } from '../../domain/notification.js';
import type { AspectView } from '../../services/aspects.js';
import { type Faults, faultOf } from '../forms.js';
import type { Member } from '../visit.js';
import { useVisit } from '../visit.js';
import { AudienceChoice } from '../views/AudienceChoice.js';
import { AppPage } from '../views/Layout.js';
import { Avatar, CopyButton, dateOf, FaultSummary, Field, Help, Icon, mediaPath, Notice, PostForm, RevokeToo } from '../views/parts.js';
import { OwnAddress, SideText } from '../views/Side.js';
import { AskFirst } from './contacts.js';

type Place = 'profile' | 'account' | 'notifications' | 'appPasswords' | 'addresses';

interface FrameProps {
  place: Place;
  text: string;
  notice?: string | undefined;
  faults?: Faults;
  ids?: Record<string, string>;
  side?: ComponentChildren;
  children: ComponentChildren;
}

/** The frame of all settings. */
export function SettingsPage({ place, text, notice, faults, ids, side, children }: FrameProps) {
  const { t } = useVisit();
  const places: { id: Place; href: string }[] = [
    { id: 'profile', href: '/settings/profile' },
    { id: 'account', href: '/settings/account' },
    { id: 'notifications', href: '/settings/notifications' },
    { id: 'appPasswords', href: '/settings/app-passwords' },
    { id: 'addresses', href: '/settings/addresses' },
  ];
  return (
    <AppPage title={t.settings[place]} faulty={!!faults} tab={null} side={side ?? <OwnAddress />}>
      <div class="page-head">
        <h1>{t.settings[place]}</h1>
        <p>{text}</p>
      </div>
      <nav class="filter subnav" aria-label={t.settings.nav}>
        {places.map(({ id, href }) => (
          <a key={id} href={href} aria-current={id === place ? 'page' : undefined}>
            {t.settings[id]}
          </a>
        ))}
      </nav>
      {notice && <Notice>{notice}</Notice>}
      <FaultSummary faults={faults} ids={ids} />
      {children}
    </AppPage>
  );
}

export function ProfilePage({ notice, faults }: { notice?: string; faults?: Faults }) {
  const { t, account, actor } = useVisit() as Member;
  return (
    <SettingsPage place="profile" text={t.settings.profileText} notice={notice} faults={faults}>
      <section class="sheet" aria-label={t.settings.profile}>
        <PostForm action="/settings/profile" class="form">
          <Field name="displayName" label={t.settings.displayName} help={t.settings.displayNameHelp} value={actor.profile.displayName} faults={faults} autocomplete="name" maxlength={60} optional />
          <Field name="summary" label={t.settings.summary} help={t.settings.summaryHelp} value={actor.profile.summary} faults={faults} rows={4} optional />
          <p class="row">
            <button class="btn btn--main">{t.settings.save}</button>
            <a class="btn btn--quiet" href={`/u/${account.username}`}>
              {t.settings.toProfile}
            </a>
          </p>
        </PostForm>
      </section>
      <PictureSection kind="avatar" faults={faults} />
      <PictureSection kind="banner" faults={faults} />
    </SettingsPage>
  );
}

/** One picture of the profile: as it is, a new one, none. */
function PictureSection({ kind, faults }: { kind: 'avatar' | 'banner'; faults?: Faults | undefined }) {
  const { t, actor, csrf } = useVisit() as Member;
  const words = t.settings.pictures[kind];
  const current = actor.profile[kind];
  const fault = faults?.values['kind'] === kind ? faultOf(faults, 'picture') : undefined;
  const id = `picture-${kind}`;
  return (
    <section class="sheet" aria-labelledby={`h-${kind}`}>
      <h2 id={`h-${kind}`}>{words.heading}</h2>
      {kind === 'avatar' ? <Avatar actor={actor} size={104} class="avatar avatar--xl" /> : current && <img class="person__banner" src={mediaPath(current)} width={1280} height={320} alt="" />}
      <form method="post" action="/settings/pictures" encType="multipart/form-data" class="form">
        <input type="hidden" name="csrf" value={csrf()} />
        <input type="hidden" name="kind" value={kind} />
        <div class={fault ? 'field field--bad' : 'field'}>
          <label for={id}>{words.label}</label>
          <input id={id} type="file" name="picture" accept="image/jpeg,image/png,image/webp,image/gif" required aria-describedby={`${id}-help`} aria-invalid={fault ? 'true' : undefined} />
          <p class="field__help" id={`${id}-help`}>
            {fault ?? words.help}
          </p>
        </div>
        <p class="row">
          <button class="btn">{t.settings.pictures.upload}</button>
        </p>
      </form>
      {current && (
        <PostForm action="/settings/pictures/remove">
          <input type="hidden" name="kind" value={kind} />
          <button class="btn btn--quiet bad">{words.remove}</button>
        </PostForm>
      )}
    </section>
  );
}

export type AccountForm = 'password' | 'email' | 'audience' | 'close';

/** The ids of fields whose names come in two forms of the page. */
const EMAIL_IDS = { password: 'email-password' };
const CLOSE_IDS = { password: 'close-password' };

interface AccountProps {
  aspects: AspectView[];
  /** What was chosen in the form that comes back. */
  audience?: Audience | undefined;
  notice?: string | undefined;
  faults?: Faults;
  form?: AccountForm;
}

export function AccountPage({ aspects, audience, notice, faults, form }: AccountProps) {
  const { t, account } = useVisit() as Member;
  const of = (name: AccountForm) => (form === name ? faults : undefined);
  return (
    <SettingsPage place="account" text={t.settings.accountText} notice={notice} faults={faults} ids={form === 'email' ? EMAIL_IDS : form === 'close' ? CLOSE_IDS : {}}>
      <section class="sheet" aria-labelledby="h-audience">
        <h2 id="h-audience">{t.settings.audienceHeading}</h2>
        <PostForm action="/settings/audience" class="form form--plain">
          <fieldset class="audience">
            <legend class="sr">{t.settings.audienceHeading}</legend>
            <AudienceChoice
              chosen={audience ?? account.defaultAudience}
              aspects={aspects}
              error={faultOf(of('audience'), 'audience')}
              help={{ public: t.composer.publicHelp, contacts: t.settings.audienceContactsHelp }}
            />
          </fieldset>
          <p class="small quiet">{t.settings.audienceHelp}</p>
          <p>
            <button class="btn btn--main">{t.settings.save}</button>
          </p>
        </PostForm>
      </section>
      <AskFirst on={account.askFirst} next="/settings/account" />
      <section class="sheet" aria-labelledby="h-password">
        <h2 id="h-password">{t.settings.passwordHeading}</h2>
        <PostForm action="/settings/password" class="form" novalidate>
          <Field name="current" label={t.settings.current} faults={of('password')} type="password" autocomplete="current-password" />
          <Field name="password" label={t.settings.newPassword} help={t.signup.passwordHelp} faults={of('password')} type="password" autocomplete="new-password" minlength={10} />
          <RevokeToo />
          <p class="small quiet">{t.settings.passwordNote}</p>
          <p>
            <button class="btn">{t.settings.changePassword}</button>
          </p>
        </PostForm>
      </section>
      <section class="sheet" aria-labelledby="h-email">
        <h2 id="h-email">{t.settings.emailHeading}</h2>
        <PostForm action="/settings/email" class="form" novalidate>
          <p>
            {t.settings.emailNow} <strong>{account.email}</strong>
          </p>
          <Field name="email" label={t.settings.newEmail} help={t.settings.emailHelp} faults={of('email')} type="email" autocomplete="email" />
          <Field name="password" id={EMAIL_IDS.password} label={t.settings.current} faults={of('email')} type="password" autocomplete="current-password" />
          <p>
            <button class="btn">{t.settings.changeEmail}</button>
          </p>
        </PostForm>
      </section>
      <section class="sheet" aria-labelledby="h-sessions">
        <h2 id="h-sessions">{t.settings.sessionsHeading}</h2>
        <div class="stack">
          <p class="quiet">{t.settings.sessionsText}</p>
          <PostForm action="/settings/log-out-everywhere" class="form form--plain">
            <RevokeToo />
            <p>
              <button class="btn btn--bad">{t.settings.sessionsButton}</button>
            </p>
          </PostForm>
          <PostForm action="/logout">
            <button class="btn">{t.settings.logOut}</button>
          </PostForm>
        </div>
      </section>
      <section class="sheet" aria-labelledby="h-close">
        <h2 id="h-close">{t.settings.closeHeading}</h2>
        <PostForm action="/settings/account/close" class="form" novalidate>
          <p>{t.settings.closeText}</p>
          <Field name="password" id={CLOSE_IDS.password} label={t.settings.current} faults={of('close')} type="password" autocomplete="current-password" />
          <p>
            <button class="btn btn--bad">{t.settings.closeButton}</button>
          </p>
        </PostForm>
      </section>
    </SettingsPage>
  );
}

const MAILS = ['off', 'digest', 'now'] as const satisfies NotificationMail[];

/** What comes by mail, by kind. @param chosen what the account has, or what came back with a form */
export function NotificationMailPage({ chosen, notice, faults }: { chosen: (kind: NotificationKind) => string; notice?: string | undefined; faults?: Faults }) {
  const { t } = useVisit();
  const words = { off: t.settings.mailOff, digest: t.settings.mailDigest, now: t.settings.mailNow };
  return (
    <SettingsPage place="notifications" text={t.settings.notificationsText} notice={notice} faults={faults}>
      <section class="sheet" aria-labelledby="h-mails">
        <h2 id="h-mails">{t.settings.notificationsHeading}</h2>
        <PostForm action="/settings/notifications" class="form form--plain">
          <div class="choices">
            {NOTIFICATION_KINDS.map((kind) => {
              const error = faultOf(faults, kind);
              return (
                <div class={error ? 'field field--bad' : 'field'} key={kind}>
                  <label for={kind}>{t.settings.notificationsKind[kind]}</label>
                  {error && (
                    <p class="field__error" id={`${kind}-error`}>
                      <Icon name="warning" />
                      <span>{error}</span>
                    </p>
                  )}
                  <select id={kind} name={kind} aria-describedby={error ? `${kind}-error` : undefined}>
                    {MAILS.map((mail) => (
                      <option key={mail} value={mail} selected={mail === chosen(kind)}>
                        {words[mail]}
                      </option>
                    ))}
                  </select>
                </div>
              );
            })}
          </div>
          <p class="small quiet">{t.settings.notificationsNote}</p>
          <p>
            <button class="btn btn--main">{t.settings.save}</button>
          </p>
        </PostForm>
      </section>
    </SettingsPage>
  );
}

interface AppPasswordsProps {
  rows: AppPassword[];
  fresh?: { row: AppPassword; password: string };
  notice?: string;
  faults?: Faults;
}

export function AppPasswordsPage({ rows, fresh, notice, faults }: AppPasswordsProps) {
  const { t, account, site } = useVisit() as Member;
  return (
    <SettingsPage
      place="appPasswords"
      text={t.appPasswords.text}
      notice={notice}
      faults={faults}
      side={
        <SideText id="s-why" heading={t.appPasswords.why}>
          {t.appPasswords.whyText}
        </SideText>
      }
    >
      {fresh && (
        <section class="sheet sheet--warm secret" role="status" aria-labelledby="fresh">
          <h2 id="fresh">{t.appPasswords.ready(fresh.row.label)}</h2>
          <p class="secret__word">
            <code id="app-password">{fresh.password}</code>
            <CopyButton what={t.welcome.copyPassword} />
          </p>
          <p class="small quiet">
            {site.chatDomain === '' ? (
              t.appPasswords.noChat
            ) : (
              <>
                {t.appPasswords.logInBefore}
                <strong>
                  {account.username}@{site.chatDomain}
                </strong>
                {t.appPasswords.logInAfter}
              </>
            )}
          </p>
          <p class="row">
            {site.chatDomain !== '' && (
              <a class="btn btn--main" href={`xmpp:${account.username}@${site.chatDomain}`}>
                {t.welcome.open}
              </a>
            )}
            <a class="btn btn--quiet" href="/settings/app-passwords">
              {t.appPasswords.have}
            </a>
          </p>
        </section>
      )}
      <section class="sheet" aria-labelledby="have">
        <h2 id="have">{t.appPasswords.inUse}</h2>
        {rows.length === 0 ? <p class="quiet">{t.appPasswords.none}</p> : <Rows rows={rows} freshId={fresh?.row.id} />}
        {rows.length > 1 && (
          <PostForm action="/settings/app-passwords/revoke-all">
            <p>
              <button class="btn btn--bad">{t.appPasswords.revokeAll}</button>
            </p>
          </PostForm>
        )}
      </section>
      <section class="sheet" aria-labelledby="make">
        <h2 id="make">{t.appPasswords.make}</h2>
        <PostForm action="/settings/app-passwords" class="inline-form">
          <Field name="label" label={t.appPasswords.label} help={t.appPasswords.labelHelp} faults={faults} maxlength={60} autocomplete="off" inline />
          <button class={fresh ? 'btn' : 'btn btn--main'}>{t.appPasswords.button}</button>
          <Help of="label">{t.appPasswords.labelHelp}</Help>
        </PostForm>
      </section>
    </SettingsPage>
  );
}

const DAY_MS = 86_400_000;

function Rows({ rows, freshId }: { rows: AppPassword[]; freshId?: number }) {
  const { t, now } = useVisit();
  const lastUsed = ({ lastUsedDay, lastUsedBy }: AppPassword) => {
    if (lastUsedDay === null) return t.appPasswords.never;
    const days = Math.floor(now / DAY_MS) - Math.floor(lastUsedDay / DAY_MS);
    const when = days <= 0 ? t.appPasswords.today : days === 1 ? t.appPasswords.yesterday : dateOf(lastUsedDay, t.locale);
    return lastUsedBy ? `${when}, ${t.appPasswords.by[lastUsedBy]}` : when;
  };
  return (
    <table class="rows">
      <thead>
        <tr>
          <th scope="col">{t.appPasswords.app}</th>
          <th scope="col">{t.appPasswords.made}</th>
          <th scope="col">{t.appPasswords.lastUsed}</th>
          <th scope="col">
            <span class="sr">{t.appPasswords.revoke}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id}>
            <td>
              <strong>{row.label}</strong>
            </td>
            <td>
              <span class="only-phone">{t.appPasswords.made}: </span>
              {row.id === freshId ? t.appPasswords.justNow : dateOf(row.createdAt, t.locale)}
            </td>
            <td>
              <span class="only-phone">{t.appPasswords.lastUsed}: </span>
              {lastUsed(row)}
            </td>
            <td>
              <PostForm action={`/settings/app-passwords/${row.id}/revoke`}>
                <button class="btn btn--bad">
                  {t.appPasswords.revoke}
                  <span class="sr"> {row.label}</span>
                </button>
              </PostForm>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
