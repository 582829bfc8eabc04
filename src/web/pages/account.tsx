// Pages before and around the log-in: front, sign-up, confirmation, log-in, forgotten password.
import { TOKEN_LIFE_MS } from '../../services/tokens.js';
import type { Faults } from '../forms.js';
import { useVisit } from '../visit.js';
import { OutPage } from '../views/Layout.js';
import { FaultSummary, Field, Icon, Mark, Notice, PostForm, RevokeToo } from '../views/parts.js';

const SignUpFields = ({ faults }: { faults?: Faults }) => {
  const { t, site } = useVisit();
  return (
    <>
      <Field name="username" label={t.signup.username} help={t.signup.usernameHelp} faults={faults} autocomplete="username" plain maxlength={30} end={`@${site.domain}`} />
      <Field name="email" label={t.signup.email} help={t.signup.emailHelp} faults={faults} type="email" autocomplete="email" />
      <Field name="password" label={t.signup.password} help={t.signup.passwordHelp} faults={faults} type="password" autocomplete="new-password" minlength={10} />
      <button class="btn btn--main btn--wide">{t.signup.button}</button>
    </>
  );
};

export function FrontPage() {
  const { t, site } = useVisit();
  const open = site.registration === 'open';
  return (
    <OutPage title={t.front.title} mainClass="front" star>
      <div class="hero">
        <p class="hero__address">
          <span class="hl">{t.front.you}</span>@{site.domain}
        </p>
        <h1>{t.front.heading}</h1>
        <p class="lead">{t.front.lead}</p>
      </div>
      <section class="gate" aria-labelledby="join">
        <h2 id="join">{open ? t.signup.heading : t.signup.closed}</h2>
        <p>{open ? t.signup.sub : t.signup.closedText}</p>
        {open ? (
          <PostForm action="/signup" class="form">
            <SignUpFields />
          </PostForm>
        ) : (
          <p>
            <a class="btn btn--main" href="/login">
              {t.login.title}
            </a>
          </p>
        )}
        {open && (
          <p class="gate__foot">
            {t.signup.foot} <a href="/login">{t.signup.footLink}</a>
          </p>
        )}
      </section>
      <section class="figure" aria-labelledby="three">
        <h2 id="three">{t.front.does}</h2>
        <ul class="three">
          {[
            ['net-chat', t.front.chat, t.front.chatText],
            ['net-web', t.front.web, t.front.webText],
          ].map(([mark, name, text]) => (
            <li key={mark}>
              <Mark name={mark} />
              <div>
                <strong>{name}</strong>
                <p>{text}</p>
              </div>
            </li>
          ))}
        </ul>
      </section>
    </OutPage>
  );
}

export function SignUpPage({ faults }: { faults?: Faults }) {
  const { t, site } = useVisit();
  if (site.registration !== 'open') {
    return (
      <OutPage title={t.signup.title} mainClass="single single--mid">
        <h1>{t.signup.closed}</h1>
        <p class="lead">{t.signup.closedText}</p>
      </OutPage>
    );
  }
  return (
    <OutPage title={t.signup.title} faulty={!!faults} mainClass="single">
      <h1>{t.signup.heading}</h1>
      <FaultSummary faults={faults} />
      <PostForm action="/signup" class="form gate" novalidate>
        <SignUpFields faults={faults} />
      </PostForm>
    </OutPage>
  );
}

/** The letter with the asterisk as its stamp. */
const Letter = () => (
  <svg class="lost" viewBox="0 0 132 132" aria-hidden="true">
    <g fill="none" stroke-linecap="round">
      <path stroke="var(--mark-dash)" stroke-width="5" d="M8 92h20M2 78h16M14 106h10" />
      <rect x="36" y="42" width="84" height="60" rx="8" stroke="currentColor" stroke-width="4" fill="var(--surface)" />
      <path stroke="currentColor" stroke-width="4" d="M38 48l40 28 40-28" />
      <path stroke="var(--mark-dash)" stroke-width="5" d="M104 14v20M95.500 19l17 10M112.500 19l-17 10" />
    </g>
  </svg>
);

const ResendForm = ({ email, faults }: { email?: string; faults?: Faults }) => {
  const { t } = useVisit();
  return (
    <PostForm action="/signup/resend" class="inline-form">
      <Field name="email" label={t.signup.email} type="email" value={email} faults={faults} autocomplete="email" />
      <button class="btn">{t.signup.again}</button>
    </PostForm>
  );
};

export function SentPage({ email, faults }: { email?: string; faults?: Faults }) {
  const { t, site } = useVisit();
  return (
    <OutPage title={t.signup.sentTitle} faulty={!!faults} mainClass="single single--mid">
      <Letter />
      <h1>{t.signup.sentTitle}</h1>
      <p class="lead" role="status">
        {email ? (
          <>
            {t.signup.sentTo} <strong>{email}</strong>
            {t.signup.sentAfter}
          </>
        ) : (
          t.signup.sentPlain + t.signup.sentAfterPlain
        )}
      </p>
      <p class="quiet">{t.signup.sentNote(TOKEN_LIFE_MS.confirm / 3_600_000)}</p>
      <details class="fold" open={!!faults}>
        <summary>
          {t.signup.sentNothing} <Icon name="down" />
        </summary>
        <div class="stack">
          <p class="quiet">{t.signup.sentSpam(site.mailFrom)}</p>
          <ResendForm email={email} faults={faults} />
        </div>
      </details>
    </OutPage>
  );
}

/** A link from a mail only shows a button: mail programs and scanners open links, but they press nothing. */
export function PressPage({ title, text, button, action }: { title: string; text: string; button: string; action: string }) {
  return (
    <OutPage title={title} mainClass="single single--mid">
      <Letter />
      <h1>{title}</h1>
      <p class="lead">{text}</p>
      <PostForm action={action}>
        <button class="btn btn--main">{button}</button>
      </PostForm>
    </OutPage>
  );
}

/** A link from a mail that is used up or too old, with the way to a new one. */
export function DeadLinkPage({ kind }: { kind: 'signup' | 'reset' | 'email' }) {
  const { t } = useVisit();
  return (
    <OutPage title={t.link.title} mainClass="single single--mid">
      <h1>{t.link.title}</h1>
      <p class="lead">{t.link.text}</p>
      <p>
        <a class="btn btn--main" href={{ signup: '/signup/sent', reset: '/password/forgot', email: '/settings/account' }[kind]}>
          {t.link[kind]}
        </a>
      </p>
    </OutPage>
  );
}

interface LoginProps {
  next?: string;
  faults?: Faults;
  notice?: string;
}

export function LoginPage({ next, faults, notice }: LoginProps) {
  const { t, site } = useVisit();
  return (
    <OutPage title={t.login.title} faulty={!!faults} mainClass="single">
      <h1>{t.login.title}</h1>
      {notice && <Notice>{notice}</Notice>}
      <FaultSummary faults={faults} />
      <PostForm action="/login" class="form gate">
        {next && next !== '/' && <input type="hidden" name="next" value={next} />}
        <Field name="login" label={t.login.login} faults={faults} autocomplete="username" plain />
        <Field name="password" label={t.login.password} faults={faults} type="password" autocomplete="current-password" help={t.login.appPassword} />
        <button class="btn btn--main btn--wide">{t.login.button}</button>
      </PostForm>
      <p class="row">
        <a href="/password/forgot">{t.login.forgot}</a>
        {site.registration === 'open' && (
          <span>
            {t.login.none} <a href="/signup">{t.login.signUp}</a>
          </span>
        )}
      </p>
    </OutPage>
  );
}

export function ForgotPage({ faults, sent = false }: { faults?: Faults; sent?: boolean }) {
  const { t } = useVisit();
  return (
    <OutPage title={t.forgot.title} faulty={!!faults} mainClass="single">
      <h1>{t.forgot.title}</h1>
      {sent && <Notice>{t.forgot.sent}</Notice>}
      <FaultSummary faults={faults} />
      <PostForm action="/password/forgot" class="form gate">
        <p class="quiet">{t.forgot.text}</p>
        <Field name="login" label={t.login.login} faults={faults} autocomplete="username" plain />
        <button class="btn btn--main btn--wide">{t.forgot.button}</button>
      </PostForm>
    </OutPage>
  );
}

export function ResetPage({ token, faults }: { token: string; faults?: Faults }) {
  const { t } = useVisit();
  return (
    <OutPage title={t.forgot.resetTitle} faulty={!!faults} mainClass="single">
      <h1>{t.forgot.resetTitle}</h1>
      <FaultSummary faults={faults} />
      <PostForm action={`/password/reset/${token}`} class="form gate" novalidate>
        <Field name="password" label={t.forgot.newPassword} help={t.signup.passwordHelp} faults={faults} type="password" autocomplete="new-password" minlength={10} />
        <RevokeToo />
        <p class="small quiet">{t.forgot.resetNote}</p>
        <button class="btn btn--main btn--wide">{t.forgot.resetButton}</button>
      </PostForm>
    </OutPage>
  );
}
