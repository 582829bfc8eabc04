import type { ErrorCode } from '../../domain/errors.js';
import type { NotificationKind } from '../../domain/notification.js';
import { STATUS } from '../problem.js';
import { useVisit } from '../visit.js';
import { AppPage, OutPage } from '../views/Layout.js';
import { exactTime, Icon, startingBreak } from '../views/parts.js';

interface ErrorProps {
  code: ErrorCode | 'internal';
  status?: number;
  /** What went wrong, in a sentence for people. */
  text?: string;
  /** Finds it in the log. */
  incident?: string;
  /** What the visitor had typed, so that it is not lost. */
  kept?: string;
}

export function ErrorPage({ code, status = code === 'internal' ? 500 : STATUS[code], text, incident, kept }: ErrorProps) {
  const { t, account, now } = useVisit();
  const [heading, usual] = t.errors[code] as [string, string];
  return (
    <OutPage title={heading} mainClass="single single--mid">
      <svg class="lost" viewBox="0 0 132 132" aria-hidden="true">
        <g fill="none" stroke-linecap="round" stroke-width="15">
          <path stroke="currentColor" d="M44 27l44 78" />
          <path stroke="currentColor" d="M88 27L66 66" />
          <path stroke="var(--mark-dash)" d="M21 66h90" />
          <path stroke="currentColor" d="M10 112l36 8" />
        </g>
      </svg>
      <h1>{heading}</h1>
      <p class="lead" role="alert">
        {text ?? usual}
      </p>
      {kept && (
        <div class="field kept">
          <label for="kept">{t.errors.kept}</label>
          <textarea id="kept" rows={8} readOnly>
            {startingBreak(kept)}
          </textarea>
        </div>
      )}
      <p class="row">
        <a class="btn btn--main" href="/">
          {account ? t.errors.toStream : t.errors.toFront}
        </a>
        {!account && (
          <a class="btn" href="/login">
            {t.frame.logIn}
          </a>
        )}
      </p>
      <p class="small quiet">
        {t.errors.foot(t.errors.names[code], status, exactTime(now, t.locale))}
        {incident && (
          <>
            {t.errors.word}
            <code>{incident}</code>
          </>
        )}
      </p>
    </OutPage>
  );
}

export function AboutPage() {
  const { t, site } = useVisit();
  return (
    <OutPage title={t.about.title} mainClass="single text-page">
      <h1>{t.about.title}</h1>
      <p>{t.about.lead(site.domain)}</p>
      <h2>{t.about.whatHeading}</h2>
      <p>{t.about.what}</p>
      <h2>{t.about.rulesHeading}</h2>
      <p>{t.about.rules}</p>
      <p>{site.registration === 'open' ? t.about.open : t.about.closed}</p>
    </OutPage>
  );
}

export function SectionsPage({ which }: { which: 'privacy' | 'help' }) {
  const { t } = useVisit();
  const { title, sections } = t[which];
  return (
    <OutPage title={title} mainClass="single text-page">
      <h1>{title}</h1>
      {sections.map(([heading, text]) => (
        <section key={heading}>
          <h2>{heading}</h2>
          <p>{text}</p>
        </section>
      ))}
    </OutPage>
  );
}

/** What one key does, and the switch for it: both belong to a script, so without one there is only a word. */
export function KeysPage() {
  const { t } = useVisit();
  return (
    <AppPage title={t.keys.title} tab={null}>
      <div class="page-head">
        <h1>{t.keys.title}</h1>
        <p>{t.keys.lead}</p>
      </div>
      <section class="sheet" aria-label={t.keys.title}>
        <table class="rows keys">
          <thead>
            <tr>
              <th scope="col">{t.keys.key}</th>
              <th scope="col">{t.keys.does}</th>
            </tr>
          </thead>
          <tbody>
            {t.keys.list.map(([key, words]) => (
              <tr key={key}>
                <th scope="row">
                  <kbd>{key}</kbd>
                </th>
                <td>{words}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <noscript>
          <p class="note">
            <Icon name="info" />
            <span>{t.keys.noScript}</span>
          </p>
        </noscript>
        <div class="row" data-keys hidden>
          <span data-when="on">{t.keys.on}</span>
          <button class="btn" type="button" data-when="on">
            {t.keys.turnOff}
          </button>
          <span data-when="off">{t.keys.off}</span>
          <button class="btn" type="button" data-when="off">
            {t.keys.turnOn}
          </button>
        </div>
      </section>
    </AppPage>
  );
}

/** What the link of a mail asks: it shows a button, because mail programs and scanners open links, but they press nothing. */
export function UnsubscribePage({ token, handle, kinds, done }: { token: string; handle: string; kinds: readonly NotificationKind[]; done: boolean }) {
  const { t } = useVisit();
  const title = done ? t.unsubscribe.doneTitle : t.unsubscribe.title;
  return (
    <OutPage title={title} mainClass="single single--mid">
      <h1>{title}</h1>
      <p class="lead" role={done ? 'status' : undefined}>
        {done ? t.unsubscribe.done(handle) : t.unsubscribe.text(handle)}
      </p>
      <p class="quiet">{t.unsubscribe.kinds}</p>
      <ul class="unsubscribe">
        {kinds.map((kind) => (
          <li key={kind}>{t.settings.notificationsKind[kind]}</li>
        ))}
      </ul>
      {done ? (
        <p>
          <a class="btn" href="/settings/notifications">
            {t.unsubscribe.toSettings}
          </a>
        </p>
      ) : (
        <form method="post" action={`/unsubscribe/${encodeURIComponent(token)}`}>
          <button class="btn btn--main">{t.unsubscribe.button}</button>
        </form>
      )}
    </OutPage>
  );
}
