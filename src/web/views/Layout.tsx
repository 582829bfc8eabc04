import type { ComponentChildren } from 'preact';
import { asset } from '../assets.js';
import { useVisit } from '../visit.js';
import { Icon, Mark, ThemeSwitch } from './parts.js';

interface DocumentProps {
  title: string;
  /** The page shows a form with faults. */
  faulty?: boolean;
  /** Other forms of the page: media type and URL. */
  alternates?: { type: string; href: string; title?: string }[];
  children: ComponentChildren;
}

function Document({ title, faulty = false, alternates = [], children }: DocumentProps) {
  const { t, theme } = useVisit();
  return (
    <html lang={t.language} dir={t.direction} data-theme={theme ?? undefined}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
        <meta name="color-scheme" content="light dark" />
        <meta name="theme-color" content="#f0f1eb" media="(prefers-color-scheme: light)" />
        <meta name="theme-color" content="#101412" media="(prefers-color-scheme: dark)" />
        <title>{faulty ? t.errorTitle(title) : t.title(title)}</title>
        <link rel="icon" href={asset('img/mark.svg')} />
        {alternates.map(({ type, href, title: of }) => (
          <link rel="alternate" type={type} href={href} title={of} key={type + href} />
        ))}
        <link rel="stylesheet" href={asset('style.css')} />
        <script src={asset('theme.js')} />
        <script type="module" src={asset('page.js')} />
      </head>
      <body>
        <a class="skip" href="#main">
          {t.frame.skip}
        </a>
        {children}
      </body>
    </html>
  );
}

const Wordmark = () => (
  <a class="wordmark" href="/">
    <Mark />
    {useVisit().t.product}
  </a>
);

const Foot = () => {
  const { t, account } = useVisit();
  return (
    <footer class="foot">
      <a href="/about">{t.frame.about}</a>
      <a href="/about/privacy">{t.frame.privacy}</a>
      <a href="/help">{t.frame.help}</a>
      {account && <a href="/help/keys">{t.frame.keys}</a>}
      {account?.isAdmin && <a href="/admin/queue">{t.admin.title}</a>}
    </footer>
  );
};

export type Tab = 'stream' | 'contacts' | 'post' | 'notifications' | 'me' | null;

/** The frame of someone who is logged in: tabs, one column for reading, a column beside it. */
export function AppPage({ tab, side, children, ...document }: DocumentProps & { tab: Tab; side?: ComponentChildren }) {
  const { t, account, unread } = useVisit();
  if (!account) return <OutPage {...document} mainClass="main">{children}</OutPage>;
  const tabs = [
    { id: 'stream', href: '/', icon: 'stream', words: t.frame.tabs.stream },
    { id: 'contacts', href: '/contacts', icon: 'contacts', words: t.frame.tabs.contacts },
    { id: 'post', href: '/#text', icon: 'write', words: t.frame.tabs.post },
    { id: 'notifications', href: '/notifications', icon: 'bell', words: t.frame.tabs.notifications },
    { id: 'me', href: `/u/${account.username}`, icon: 'person', words: t.frame.tabs.me },
  ];
  return (
    <Document {...document}>
      <div class="app" data-live>
        <div class="rail">
          <header class="top">
            <Wordmark />
            <div class="top__tools">
              <ThemeSwitch />
              <a class="btn btn--quiet btn--icon" href="/settings/profile" title={t.frame.settings}>
                <Icon name="settings" large />
                <span class="sr">{t.frame.settings}</span>
              </a>
            </div>
          </header>
          <nav class="tabs" aria-label={t.frame.main}>
            <ul>
              {tabs.map(({ id, href, icon, words }) => (
                <li key={id}>
                  <a href={href} class={id === 'post' ? 'tabs__post' : undefined} aria-current={id === tab ? 'page' : undefined}>
                    <Icon name={icon} />
                    <span>{words}</span>
                    {id === 'notifications' && <Unread count={unread} />}
                  </a>
                </li>
              ))}
            </ul>
          </nav>
        </div>
        <main class="main" id="main">
          {children}
        </main>
        <aside class="side" aria-label={t.frame.beside}>
          {side}
          <Foot />
        </aside>
      </div>
    </Document>
  );
}

/** How many notifications are new. A script keeps it up to date. */
const Unread = ({ count }: { count: number }) => {
  const { t } = useVisit();
  return (
    <span class="badge" data-unread hidden={count === 0}>
      <span class="sr">{t.frame.unread}</span>
      <span>{t.frame.unreadMost(count)}</span>
    </span>
  );
};

interface OutProps extends DocumentProps {
  /** Class of the main element: front, single, welcome … */
  mainClass: string;
  /** The big asterisk behind the page. */
  star?: boolean;
}

/** The frame without tabs: for those who are not logged in, and for single steps. */
export function OutPage({ mainClass, star = false, children, ...document }: OutProps) {
  const { t, account } = useVisit();
  return (
    <Document {...document}>
      <div class="out">
        <header class="out__top">
          <Wordmark />
          <nav aria-label={t.frame.account}>
            <ThemeSwitch />
            {account ? (
              <a class="btn" href="/">
                {t.frame.toStream}
              </a>
            ) : (
              <a class="btn" href="/login">
                {t.frame.logIn}
              </a>
            )}
          </nav>
        </header>
        {star && <Mark class="star" />}
        <main class={mainClass} id="main">
          {children}
        </main>
        <Foot />
      </div>
    </Document>
  );
}
