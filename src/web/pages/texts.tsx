import type { ErrorCode } from '../../domain/errors.js';
import { STATUS } from '../problem.js';
import { useVisit } from '../visit.js';
import { OutPage } from '../views/Layout.js';
import { exactTime, startingBreak } from '../views/parts.js';

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
